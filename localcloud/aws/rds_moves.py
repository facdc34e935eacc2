"""An RDS endpoint never moves; here it does when the embedded PostgreSQL's port was taken and another one is used.

So before a cloud serves, whatever it keeps that leads to an instance's database is given today's port: secrets and the
variables of functions, published versions included. A text leads there if its host is this machine and its user,
password and database are the instance's; no other text is touched, and doing it again changes nothing.
"""

import json
import logging
from collections.abc import Collection
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from localcloud.aws import function_versions
from localcloud.aws.rds_postgres import Login

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

logger = logging.getLogger(__name__)
HERE = frozenset({"127.0.0.1", "localhost"})


def follow(cloud: "Cloud", logins: Collection[Login]) -> None:
    """Correct what leads to these logins' databases; they have today's port."""
    if not logins:
        return
    for service, correct in (("secretsmanager", _correct_secrets), ("lambda", _correct_functions)):
        if names := correct(cloud.backend(service), logins):
            logger.info("the databases' port is another one today, and is corrected in %s", ", ".join(names))
            cloud.state.touch(service)


def _correct_secrets(backend: Any, logins: Collection[Login]) -> list[str]:
    """Every version of every secret; the names of those that were corrected."""
    corrected = []
    for secret in backend.secrets.values():
        for version in secret.versions.values():
            before = version.get("secret_string")
            if before and (after := corrected_text(before, logins)) != before:
                version["secret_string"] = after
                corrected.append(secret.name)
    return sorted(set(corrected))


def _correct_functions(backend: Any, logins: Collection[Login]) -> list[str]:
    corrected = []
    for function in function_versions.all_versions(backend):
        before = dict(function.environment_vars)
        function.environment_vars = {name: corrected_text(str(value), logins) for name, value in before.items()}
        if function.environment_vars != before:
            corrected.append(function.function_name)
    return sorted(set(corrected))


def corrected_text(text: str, logins: Collection[Login]) -> str:
    """The text with the port of the login that it holds: a URL, or a JSON object that is a login or has such URLs."""
    try:
        parts = json.loads(text)
    except ValueError:
        return _corrected_url(text, logins)
    if not isinstance(parts, dict):
        return text
    after = {key: _corrected_url(value, logins) if isinstance(value, str) else value for key, value in parts.items()}
    who = [parts.get(key) for key in ("host", "username", "password", "dbname")]
    if "port" in parts and (port := _port_of(who, str(parts["port"]), logins)):
        after["port"] = str(port) if isinstance(parts["port"], str) else port
    return text if after == parts else json.dumps(after)


def _corrected_url(text: str, logins: Collection[Login]) -> str:
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError:
        return text
    if url.scheme not in ("postgres", "postgresql") or port is None:
        return text
    who = [host, unquote(url.username or ""), unquote(url.password or ""), unquote(url.path.removeprefix("/"))]
    today = _port_of(who, str(port), logins)
    if today is None or today == port:
        return text
    return url._replace(netloc=f"{url.netloc.rpartition(':')[0]}:{today}").geturl()


def _port_of(who: list[Any], port: str, logins: Collection[Login]) -> int | None:
    """Today's port of the login with this host, user, password and database; None if it is nobody's.

    An instance that was restored from another's snapshot has the same login: then the port says which is meant.
    """
    host, *login = map(str, who)
    if host not in HERE:
        return None
    known = [known for known in logins if [known.username, known.password, known.dbname] == login]
    meant = [one for one in known if str(one.moved_from) == port] if len(known) > 1 else known
    return meant[0].port if meant else None
