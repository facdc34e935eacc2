"""The master password and the JWT secret, generated here and kept in Secrets Manager.

They are made before what uses them, so that a run that dies in between finds the same password again. Values leave
this module only through `read_secret` and `database_dsn`, for use inside other steps: never in a result, a change,
a log line or a message.
"""

import hashlib
import json
import secrets
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from botocore.exceptions import ClientError
from pydantic import SecretStr

from blocks.environment import Environment
from tasks.certificates import PACKAGED, trusted_authorities, verification, verified_way
from tasks.changes import PENDING, Change, Rollout, adoption, deletion, differences, tags_from
from tasks.errors import Permanent, absent_as_none, error_code, is_absent, unless_exists, when_seen, when_visible
from tasks.steps import step

LETTERS = string.ascii_letters + string.digits + "-_.~"
"""Accepted by RDS (no `/`, `"`, `@` or space) and needing no quotes in a URL or a shell: 66 letters."""
LENGTH = 40
"""Characters of a generated secret: 241 bits."""

Pick = Callable[[Sequence[str]], str]


@dataclass(frozen=True)
class Secret:
    """Where a secret is. Its value is not here."""

    name: str
    arn: str


@dataclass(frozen=True)
class Secrets:
    """The secrets of an environment."""

    database: Secret
    jwt: Secret

    @property
    def arns(self) -> tuple[str, str]:
        return (self.database.arn, self.jwt.arn)


@dataclass(frozen=True)
class SeenSecret:
    """A secret as Secrets Manager lists it. `deleted` is true while it can still be restored."""

    arn: str
    tags: dict[str, str]
    deleted: bool


def observe_secret(rollout: Rollout, name: str) -> SeenSecret | None:
    """The secret without its value."""
    found = absent_as_none(lambda: rollout.aws("secretsmanager").describe_secret(SecretId=name))
    return SeenSecret(found["ARN"], tags_from(found.get("Tags", [])), "DeletedDate" in found) if found else None


def plan_secret(environment: Environment, name: str, seen: SeenSecret | None) -> list[Change]:
    resource = f"secret {name}"
    if seen is None:
        return [Change("create", resource, why="its value is generated and stays in Secrets Manager")]
    restored = [Change("update", resource, "state", "deleted", "restored", "still in its recovery window")]
    return adoption(resource, environment, seen.tags) + (restored if seen.deleted else [])


def apply_secret(rollout: Rollout, name: str, seen: SeenSecret | None, value: Callable[[], str]) -> Secret:
    """Create the secret with a new value, or restore it with its old one. An existing value is never replaced."""
    client = rollout.aws("secretsmanager")
    if seen is None:
        _create_secret(rollout, name, value())
        seen = when_seen(f"secret {name}", lambda: observe_secret(rollout, name))
        rollout.require_ours(f"secret {name}", seen.tags)
    if seen.deleted:
        _mark(rollout, name, lambda: client.restore_secret(SecretId=name), deleted=False)
    if not rollout.environment.owns(seen.tags):
        client.tag_resource(SecretId=name, Tags=rollout.tag_list)
    when_visible(lambda: client.get_secret_value(SecretId=name))
    return Secret(name, seen.arn)


@step("Ensure secrets")
def ensure_secrets(rollout: Rollout, *, reset_password: bool = False, pick: Pick = secrets.choice) -> Secrets:
    """Have the database secret and the JWT secret; both are generated once and then kept.

    An instance whose secret is gone has a password that nobody knows. A new secret would only hide that, so it is an
    error unless `reset_password` says that the instance shall be given the new one (`ensure_database`, same flag).
    """
    names = rollout.environment.names
    database, jwt = observe_secret(rollout, names.database_secret), observe_secret(rollout, names.jwt_secret)
    if database is None and not reset_password:
        _require_no_instance(rollout)
    return Secrets(
        _ensure(rollout, names.database_secret, database, lambda: _database_value(rollout.environment, pick)),
        _ensure(rollout, names.jwt_secret, jwt, lambda: generate(pick)),
    )


@step("Ensure database address")
def ensure_database_address(rollout: Rollout, *, address: str, port: int) -> Secret:
    """Have the instance's address in the database secret, where the backend reads it. The password stays.

    `address` and `port` are the instance's own endpoint, as the function sees it.
    """
    name, sslmode = rollout.environment.names.database_secret, rollout.environment.database.sslmode
    seen = observe_secret(rollout, name)
    known = seen is not None and not seen.deleted
    value: dict[str, Any] = _parts(rollout) if known else {"port": port, **verification(sslmode)}
    wanted = {"host": address, "port": port, **verification(sslmode)}
    wanted |= {"sslrootcert": None} if sslmode != "verify-full" and value.get("sslrootcert") else {}
    return rollout.converge(
        f"secret {name}",
        differences(f"secret {name}", wanted, value, "where the backend finds the database"),
        apply=lambda: _put_value(rollout, name, {**value, **wanted}),
        planned=lambda: Secret(name, seen.arn if seen else PENDING),
    )


@step("Destroy secrets")
def destroy_secrets(rollout: Rollout, *, recovery_days: int = 30) -> None:
    """Delete both secrets if they are there and ours; AWS can restore them for `recovery_days` (7 to 30)."""
    for name in (rollout.environment.names.database_secret, rollout.environment.names.jwt_secret):
        seen = observe_secret(rollout, name)
        rollout.converge(
            f"absence of secret {name}",
            deletion(rollout, f"secret {name}", seen.tags if seen and not seen.deleted else None),
            apply=partial(_delete_secret, rollout, name, recovery_days),
            planned=lambda: None,
        )


def read_secret(rollout: Rollout, name: str) -> str:
    """The value of a secret, by name or ARN. For use inside a step: never return, log or show it."""
    try:
        return str(rollout.aws("secretsmanager").get_secret_value(SecretId=name)["SecretString"])
    except KeyError:
        raise Permanent(f"secret {name!r} is binary; the backend needs it as text") from None
    except ClientError as error:
        if is_absent(error):
            raise Permanent(
                f"secret {name!r} does not exist in Secrets Manager; run provision, or create it"
            ) from error
        if error_code(error) == "InvalidRequestException":
            raise Permanent(f"secret {name!r} is scheduled for deletion; run provision, or restore it") from error
        raise


def database_dsn(rollout: Rollout, *, address: str | None = None, inside: bool = False) -> SecretStr:
    """The database's URL, password included: unwrap it only at the last call.

    The host is the environment's `database_address` where that is set, else `address` (host:port), else the one in
    the secret. `inside` gives the secret's, which is the function's way in, not this worker's.
    """
    parts, environment = _parts(rollout), rollout.environment
    own = _address_in(parts) if inside else address or _address_in(parts)
    address = own if inside else environment.database_address or own
    if not address:
        raise Permanent(f"secret {environment.names.database_secret!r} names no host yet; run provision")
    options: dict[str, str] = {"sslmode": environment.database.sslmode}
    if authorities := trusted_authorities(environment):
        address, by_the_way = verified_way(own, address)
        options |= {"sslrootcert": PACKAGED if inside else str(authorities), **by_the_way}
    user, password = quote(parts["username"], safe=""), quote(parts["password"], safe="")
    return SecretStr(
        f"postgresql://{user}:{password}@{address}/{parts['dbname']}?{urlencode(options, quote_via=quote)}"
    )


def database_password(rollout: Rollout) -> SecretStr:
    """The master password, for the call that makes the instance or resets it."""
    return SecretStr(_parts(rollout)["password"])


def generate(pick: Pick = secrets.choice) -> str:
    """A new secret value."""
    return "".join(pick(LETTERS) for _ in range(LENGTH))


def _database_value(environment: Environment, pick: Pick) -> str:
    """What RDS's own secrets hold, as JSON. The host comes in once the instance has one."""
    database = environment.database
    fields = {"engine": "postgres", "host": "", "port": 5432, "username": database.username, "password": generate(pick)}
    return json.dumps({**fields, "dbname": database.name, **verification(database.sslmode)})


def _ensure(rollout: Rollout, name: str, seen: SeenSecret | None, value: Callable[[], str]) -> Secret:
    if seen:
        rollout.require_ours(f"secret {name}", seen.tags)
    return rollout.converge(
        f"secret {name}",
        plan_secret(rollout.environment, name, seen),
        apply=lambda: apply_secret(rollout, name, seen, value),
        planned=lambda: Secret(name, seen.arn if seen else PENDING),
    )


def _require_no_instance(rollout: Rollout) -> None:
    names = rollout.environment.names
    rds = rollout.aws("rds")
    if absent_as_none(lambda: rds.describe_db_instances(DBInstanceIdentifier=names.database)):
        raise Permanent(
            f"database {names.database!r} exists and its secret {names.database_secret!r} does not, so nobody here "
            "knows its password. Write the secret again as JSON with username, password and dbname, or run provision "
            "with reset_password=true to give the database a new password."
        )


def _create_secret(rollout: Rollout, name: str, value: str) -> None:
    """The token is made from name and value, so a request that is sent twice makes one secret."""
    client, token = rollout.aws("secretsmanager"), _token(name, value)
    description = f"Made by miyabi-pipelines for {rollout.environment.name}"
    unless_exists(
        lambda: client.create_secret(
            Name=name, SecretString=value, ClientRequestToken=token, Tags=rollout.tag_list, Description=description
        )
    )


def _put_value(rollout: Rollout, name: str, fields: dict[str, Any]) -> Secret:
    """A new version of the secret.

    The token has the present version in it: with name and value alone, going back to an earlier host would be
    taken for that old request and ignored.
    """
    client, value = rollout.aws("secretsmanager"), json.dumps(fields)
    version = client.get_secret_value(SecretId=name)["VersionId"]
    answer = client.put_secret_value(SecretId=name, SecretString=value, ClientRequestToken=_token(name, version, value))
    return Secret(name, answer["ARN"])


def _delete_secret(rollout: Rollout, name: str, recovery_days: int) -> None:
    client = rollout.aws("secretsmanager")
    delete = partial(client.delete_secret, SecretId=name, RecoveryWindowInDays=recovery_days)
    _mark(rollout, name, lambda: absent_as_none(delete), deleted=True)


def _mark(rollout: Rollout, name: str, call: Callable[[], object], *, deleted: bool) -> None:
    """Delete or restore. Secrets Manager refuses what is so already, as it is when an answer was lost."""
    try:
        call()
    except ClientError as error:
        seen = observe_secret(rollout, name)
        if error_code(error) != "InvalidRequestException" or seen is None or seen.deleted is not deleted:
            raise


def _parts(rollout: Rollout) -> dict[str, Any]:
    """The database secret's JSON. Its text stays out of the error."""
    name = rollout.environment.names.database_secret
    try:
        parts = json.loads(read_secret(rollout, name))
    except json.JSONDecodeError:
        parts = None
    missing = [key for key in ("username", "password", "dbname") if not isinstance(parts, dict) or not parts.get(key)]
    if missing:
        raise Permanent(f"secret {name!r} must be JSON with username, password and dbname; missing: {missing}")
    return dict(parts)


def _address_in(parts: dict[str, Any]) -> str:
    return f"{parts['host']}:{parts.get('port', 5432)}" if parts.get("host") else ""


def _token(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
