"""The environment of everything that is Prefect here: server, worker, flow runs, and a command that talks to them.

The settings are there for speed (one-certificate bundle, no CSRF round trip, a pool without overflow: each measured),
for silence (nothing is sent outside), for safety (own encryption key, nothing of the user's AWS or Prefect accounts)
and for operation (vacuum, heartbeats). Secrets are in the server's environment alone, but for that of a role that owns
nothing, and for the string by which clients of a stack with several servers are known (localcloud/scale_out.py).
"""

import base64
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from localcloud.certificates import write_self_signed
from localcloud.files import private_folder, read_secret, secret_value, write_whole
from localcloud.processes import MARK, mark_of

ROOT = Path(__file__).resolve().parent.parent
WORK_POOL, AGENT_POOL = "local", "agents"
DATABASE = ROLE = "prefect"
SCRATCH = "miyabi_scratch"
"""A role that may make databases and sees no other's: migrations of strange repositories are tried as it."""
FOREIGN = ("AWS_", "PREFECT_", "PG", "DATABASE_URL")
LOOPBACK = "127.0.0.1,localhost"
PROFILES = ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE")
FLOW_RUN = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING"}
"""For a flow run. Every line of it goes to Prefect; a copy in the worker's log would cost a millisecond a line."""


RECORDER = {
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "3",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
}
"""A step is three events: recorded together, and after a second at the latest, they cost a third less CPU (11 ms)."""


def clean_environment(home: Path, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The user's environment without accounts and databases of theirs, and with the marks of this stack."""
    kept = {key: value for key, value in environment.items() if not key.startswith(FOREIGN)}
    proxy_exceptions = ",".join(filter(None, [kept.get("NO_PROXY") or kept.get("no_proxy"), LOOPBACK]))
    return kept | {
        MARK: mark_of(home),
        "MIYABI_HOME": str(home),
        "MIYABI_ROOT": str(ROOT),
        "NO_PROXY": proxy_exceptions,
        "no_proxy": proxy_exceptions,
        # boto3 would read the user's keys from their files, or a cloud machine's own.
        **dict.fromkeys(PROFILES, os.devnull),
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONUNBUFFERED": "1",
    }


def prefect_settings(home: Path, ports: Mapping[str, int]) -> dict[str, str]:
    """What every client of the local server is told."""
    return {
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{ports['prefect']}/api",
        # Parsing the usual CA bundle, twice a run, is two thirds of a client's CPU; the local server has no TLS.
        "PREFECT_API_SSL_CERT_FILE": str(certificate(home)),
        "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",  # seconds, the least; a zombie shows after three are missed
        "PREFECT_LOGGING_EXTRA_LOGGERS": "blocks,tasks,flows,database",
        "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "0.3",  # seconds: people watch
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_LOGGING_COLORS": "false",
        "PREFECT_CLI_COLORS": "false",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        **(scaled_out_settings(home) if is_scaled_out(ports) else {}),
    }


def scaled_out_settings(home: Path) -> dict[str, str]:
    """What clients of several servers are told besides. While Redis or PostgreSQL is away these answer 500, which
    Prefect's client takes for final unless it is told otherwise."""
    return {"PREFECT_API_AUTH_STRING": auth_string(home), "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500"}


def client_environment(home: Path, ports: Mapping[str, int]) -> dict[str, str]:
    """The whole environment of a worker, of its flow runs, and of a program that uses the local Prefect."""
    return clean_environment(home) | prefect_settings(home, ports)


def worker_environment(home: Path, ports: Mapping[str, int]) -> dict[str, str]:
    """The worker's and its flow runs'. They see the AWS profiles of the user, as an environment may name one.

    Their own place for temporary files: Prefect puts all users' into one folder of /tmp, where the second user may not
    write.
    """
    environment = {k: v for k, v in client_environment(home, ports).items() if k not in PROFILES}
    return environment | {
        # It is told by events (localcloud/worker.py). To ask every second was a third of what an idle server did.
        "PREFECT_WORKER_QUERY_SECONDS": "5",
        "MIYABI_STRANDED_S": "300",  # here a flow run's process starts at once, or in a minute on a very busy machine
        "TMPDIR": str(temporary_folder(home)),
    }


def scratch_environment(home: Path, ports: Mapping[str, int]) -> dict[str, str]:
    """Where the worker tries migrations of a repository that it investigates. The password is in a file: what flows
    start inherits their variables."""
    passwords = scratch_file(home).with_suffix(".pgpass")
    write_whole(passwords, f"127.0.0.1:*:*:{SCRATCH}:{secret_value(scratch_file(home))}\n")
    place = f"postgresql://{SCRATCH}@127.0.0.1:{ports['postgres']}/{SCRATCH}"
    return {"MIYABI_SCRATCH_DATABASE": f"{place}?passfile={quote(str(passwords), safe='')}"}


def server_environment(home: Path, ports: Mapping[str, int]) -> dict[str, str]:
    """The server's: it alone has the database's password and the key that encrypts blocks."""
    password = quote(secret_value(password_file(home)), safe="")
    url = f"postgresql+asyncpg://{ROLE}:{password}@127.0.0.1:{ports['postgres']}/{DATABASE}"
    return client_environment(home, ports) | {
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": str(ports["prefect"]),
        "PREFECT_SERVER_UI_API_URL": f"http://127.0.0.1:{ports['prefect']}/api",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": url,
        # In memory, the default, a restart would forget who holds a slot, and the slot would be held for ever.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_SERVER_DATABASE_SQLALCHEMY_POOL_SIZE": "30",
        "PREFECT_SERVER_DATABASE_SQLALCHEMY_MAX_OVERFLOW": "0",
        "PREFECT_SERVER_ENCRYPTION_KEY": encryption_key(home),
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        **RECORDER,
    }


def is_scaled_out(ports: Mapping[str, int]) -> bool:
    """Whether these are the ports of a stack with several Prefect servers (`miyabi up --ha`)."""
    return "redis" in ports


def auth_string(home: Path) -> str:
    """`user:password`, by which such a stack knows its clients; the file has it as a person gives it to the UI."""
    path = auth_file(home)
    if ":" not in (text := secret_value(path)):
        text = f"miyabi:{text}"
        write_whole(path, text)
    return text


def temporary_folder(home: Path) -> Path:
    folder = home / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def password_file(home: Path) -> Path:
    return home / "secrets" / "prefect-database"


def auth_file(home: Path) -> Path:
    return home / "secrets" / "prefect-auth"


def scratch_file(home: Path) -> Path:
    return home / "secrets" / "scratch-database"


def encryption_key(home: Path) -> str:
    """A Fernet key of our own: Prefect's default is kept in the very database that it encrypts."""
    path = home / "secrets" / "prefect-encryption-key"
    if not path.exists():
        private_folder(path.parent)
        write_whole(path, base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
    return read_secret(path)


def certificate(home: Path) -> Path:
    """A bundle of one certificate, which certifies nothing."""
    path = home / "prefect" / "loopback.pem"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_self_signed(path, path.with_suffix(".key"))
        path.with_suffix(".key").unlink()
    return path
