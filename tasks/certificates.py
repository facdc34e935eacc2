"""Whose signature the database's certificate must bear, for `database.sslmode = "verify-full"`.

A person downloads AWS's bundle of authorities and names the file in `database.ca_bundle`: this worker reads it there,
and a copy goes into the function's package. What is wrong with the file is said before the first write.
"""

import ipaddress
import os
import ssl
from pathlib import Path

from blocks.environment import Environment
from tasks.errors import Rejected

PACKAGED = "database-ca.pem"
"""The file in the package. Lambda starts a function in the package's folder, so the name is path enough."""
PUBLISHED = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"
ROOT = Path(os.environ.get("MIYABI_ROOT") or Path(__file__).resolve().parent.parent)
"""The repository: a relative `ca_bundle` counts from here."""


def trusted_authorities(environment: Environment, *, root: Path = ROOT) -> Path | None:
    """The file of authorities, or None where certificates are not verified. Raises Rejected with what is wrong."""
    settings = environment.database
    if settings.sslmode != "verify-full":
        return None
    if not settings.ca_bundle:
        raise Rejected(
            "database.sslmode",
            [f"'verify-full' needs the authorities to trust: download {PUBLISHED} and name it in database.ca_bundle"],
        )
    path = (root / Path(settings.ca_bundle).expanduser()).resolve()
    if problem := problem_of(path):
        raise Rejected("database.ca_bundle", [problem])
    return path


def problem_of(path: Path) -> str:
    """Why the file cannot be used; '' if it can."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError as error:
        return f"{path} holds no certificates in PEM form ({error.reason or error})"
    except OSError as error:
        return f"{path} cannot be read on this worker ({error.strerror}); {PUBLISHED} is AWS's own"
    return ""


def verification(sslmode: str) -> dict[str, str]:
    """How the backend is to check the database's certificate, in the words of its secret."""
    return {"sslmode": sslmode, **({"sslrootcert": PACKAGED} if sslmode == "verify-full" else {})}


def verified_way(own: str, address: str) -> tuple[str, dict[str, str]]:
    """Where to connect, and with what option, so that the certificate is compared with the instance's own name.

    `own` and `address` are host:port. `address` may be another way to the instance: a tunnel's end, by its IP address.
    A name there is compared itself, and AWS's certificate does not have it.
    """
    name, (host, _, port) = own.rpartition(":")[0], address.rpartition(":")
    if name in ("", host) or not is_ip(host):
        return address, {}
    return f"{name}:{port}", {"hostaddr": host}


def is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def packaged_files(environment: Environment) -> dict[str, bytes]:
    """What a package gets besides its source: the authorities, where they are needed. Raises Rejected."""
    path = trusted_authorities(environment)
    return {PACKAGED: path.read_bytes()} if path else {}
