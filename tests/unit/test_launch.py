"""What a service is given by its launcher and by the settings: signals, fate, environment."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from prefect.settings import Settings
from psycopg.conninfo import conninfo_to_dict

from localcloud.launch import launched
from localcloud.prefect_settings import (
    client_environment,
    encryption_key,
    scratch_environment,
    server_environment,
    worker_environment,
)
from localcloud.processes import wait_gone

PORTS = {"prefect": 4200, "postgres": 54329}
ASK = "import signal; print(*(signal.getsignal(s) is signal.SIG_DFL for s in (signal.SIGTERM, signal.SIGHUP)))"
IGNORES = f"import signal, subprocess, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); {ASK}; "


def test_signals_that_the_starter_ignores_are_heard_again() -> None:
    command = launched([sys.executable, "-c", ASK])
    script = IGNORES + f"sys.stdout.flush(); subprocess.run({command!r})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    before, after, *_ = done.stdout.split("\n")
    assert before.startswith("False")  # SIGHUP, the other one, is ignored under nohup
    assert after == "True True"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_it_dies_with_its_starter() -> None:
    sleeper = [sys.executable, "-c", "import time; print('there', flush=True); time.sleep(60)"]
    script = (
        "import os, signal, subprocess, sys; from localcloud.launch import launched; "
        f"p = subprocess.Popen(launched({sleeper!r}, dies_with=signal.SIGTERM), stdout=subprocess.PIPE); "
        "p.stdout.readline(); print(p.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL
    try:
        process = psutil.Process(int(done.stdout))
    except psutil.NoSuchProcess:
        return
    assert wait_gone([process], 5) == []


def test_a_detached_one_has_a_session_of_its_own() -> None:
    command = launched([sys.executable, "-c", "import time; time.sleep(60)"], detached=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    process = psutil.Process(int(done.stdout))
    try:
        assert os.getsid(process.pid) == process.pid
        assert process.ppid() != os.getpid()
    finally:
        process.kill()


def test_accounts_of_the_user_stay_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "PREFECT_API_KEY", "PREFECT_PROFILE", "PGPASSWORD"):
        monkeypatch.setenv(name, "theirs")
    monkeypatch.setenv("DATABASE_URL", "theirs")
    monkeypatch.setenv("NO_PROXY", "intranet")
    environment = client_environment(tmp_path, PORTS)
    assert "theirs" not in environment.values()
    assert environment["NO_PROXY"] == environment["no_proxy"] == "intranet,127.0.0.1,localhost"
    assert environment["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
    assert "AWS_SHARED_CREDENTIALS_FILE" not in worker_environment(tmp_path, PORTS)


def test_only_the_server_is_told_secrets(tmp_path: Path) -> None:
    server = server_environment(tmp_path, PORTS)
    secrets = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert set(secrets) == {"prefect-database", "prefect-encryption-key"}
    assert secrets["prefect-database"] in server["PREFECT_SERVER_DATABASE_CONNECTION_URL"]
    assert server["PREFECT_SERVER_ENCRYPTION_KEY"] == encryption_key(tmp_path)
    told = worker_environment(tmp_path, PORTS)
    assert not [name for name, value in told.items() if any(secret in value for secret in secrets.values())]


def test_the_worker_is_told_of_a_role_that_owns_nothing_and_of_no_password(tmp_path: Path) -> None:
    (told,) = scratch_environment(tmp_path, PORTS).values()
    place = conninfo_to_dict(told)
    password = (tmp_path / "secrets" / "scratch-database").read_text()
    assert (place["user"], place["dbname"], place["port"]) == ("miyabi_scratch",) * 2 + (str(PORTS["postgres"]),)
    assert password not in told
    assert Path(str(place["passfile"])).read_text() == f"127.0.0.1:*:*:miyabi_scratch:{password}\n"


def test_the_bundle_has_one_certificate(tmp_path: Path) -> None:
    environment = client_environment(tmp_path, PORTS)
    assert Path(environment["PREFECT_API_SSL_CERT_FILE"]).read_text().count("BEGIN CERTIFICATE") == 1


def test_prefect_knows_every_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = server_environment(tmp_path, PORTS) | worker_environment(tmp_path, PORTS)
    ours = {name: value for name, value in environment.items() if name.startswith("PREFECT_")}
    for name, value in ours.items():
        monkeypatch.setenv(name, value)
    known = Settings().to_environment_variables(exclude_unset=True)
    # The key is no setting: prefect/server/utilities/encryption.py reads the variable itself.
    assert set(ours) - set(known) == {"PREFECT_SERVER_ENCRYPTION_KEY"}
