"""The database's version, how it wants to be reached, and its migrations."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from database.migration_errors import BadDirectory, Dirty, LedgerConflict, VersionMismatch, VersionMissing
from database.migration_files import Migration, load
from database.migration_ledger import Entry, lock_key, read_ledger, verify
from tasks.database_engine import POSTGRES, number
from tasks.diagnosing.facts import Facts
from tasks.diagnosing.looking import Look
from tasks.diagnosing.model import NothingToAsk
from tasks.diagnosing.probes_database import CONNECT_S, trouble_of
from tasks.errors import MiyabiError, absent_as_none
from tasks.runbooks.facts import EngineSeen, LedgerSeen, TermsSeen
from tasks.secrets import database_dsn

CALLED = "miyabi runbook"
HOLDER = """
SELECT a.pid, a.usename, a.application_name, extract(epoch FROM now() - a.state_change)::int
FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %s AND l.objid = %s
"""


def instance_of(look: Look) -> dict[str, Any] | None:
    name, rds = look.rollout.environment.names.database, look.rollout.aws("rds")
    answer = absent_as_none(lambda: rds.describe_db_instances(DBInstanceIdentifier=name))
    found: dict[str, Any] | None = answer["DBInstances"][0] if answer else None
    return found


def see_engine(look: Look, facts: Facts) -> EngineSeen:
    """Which versions RDS offers of the wanted major, and where the running one can go."""
    wanted, instance = look.rollout.environment.database.engine_version, instance_of(look)
    runs = str(instance["EngineVersion"]) if instance else ""
    described = versions(look, f"{POSTGRES}{number(wanted)[0]}")
    offered = sorted((str(one["EngineVersion"]) for one in described), key=number)
    if runs and number(runs)[0] != number(wanted)[0]:
        described = versions(look, f"{POSTGRES}{number(runs)[0]}")
    own = next((one for one in described if one["EngineVersion"] == runs), {})
    targets = tuple(str(one["EngineVersion"]) for one in own.get("ValidUpgradeTarget", []))
    return EngineSeen(wanted, tuple(offered), runs, targets)


def versions(look: Look, family: str) -> list[dict[str, Any]]:
    pages = look.rollout.aws("rds").get_paginator("describe_db_engine_versions")
    asked = pages.paginate(Engine=POSTGRES, DBParameterGroupFamily=family)
    return [one for page in asked for one in page["DBEngineVersions"] if one.get("Status", "available") == "available"]


def see_terms(look: Look, facts: Facts) -> TermsSeen:
    """Connect once with TLS and once without, and read what the instance says of it."""
    instance, settings = instance_of(look), look.rollout.environment.database
    if instance is None:
        raise NothingToAsk(f"there is no database {look.rollout.environment.names.database!r}")
    details = instance.get("CertificateDetails") or {}
    ends = details.get("ValidTill")
    bundle = Path(settings.ca_bundle).expanduser() if settings.ca_bundle else None
    return TermsSeen(
        sslmode=settings.sslmode,
        forced=forced(look, instance),
        authority=str(details.get("CAIdentifier") or instance.get("CACertificateIdentifier") or ""),
        authority_days=(ends - datetime.fromtimestamp(look.now(), UTC)).days if ends else None,
        bundle=settings.ca_bundle,
        bundle_there=bundle is not None and ((look.root or Path()) / bundle).is_file(),
        without_tls=refusal(look, "disable"),
        with_tls=refusal(look, "require"),
    )


def forced(look: Look, instance: dict[str, Any]) -> bool | None:
    """`rds.force_ssl` of the group that the instance really has."""
    groups = [one["DBParameterGroupName"] for one in instance.get("DBParameterGroups") or []]
    if not groups:
        return None
    pages = look.rollout.aws("rds").get_paginator("describe_db_parameters").paginate(DBParameterGroupName=groups[0])
    values = {one["ParameterName"]: one.get("ParameterValue") for page in pages for one in page["Parameters"]}
    return values["rds.force_ssl"] == "1" if "rds.force_ssl" in values else None


def refusal(look: Look, sslmode: str) -> str:
    """Why the database does not let this client in; '' if it does."""
    try:
        whole = database_dsn(look.rollout).get_secret_value()
    except MiyabiError as error:
        return str(error).splitlines()[0]
    dsn = make_conninfo(whole, sslmode=sslmode, application_name=CALLED)
    try:
        with psycopg.connect(dsn, connect_timeout=CONNECT_S):
            return ""
    except psycopg.OperationalError as error:
        return trouble_of(str(error))[1]


def see_ledger(look: Look, facts: Facts) -> LedgerSeen:
    """The ledger against the files of `migrations`, or of the folder that is named."""
    folder = (look.root or Path()) / (look.target or "migrations")
    name = look.target or "migrations"
    if not folder.is_dir():
        raise NothingToAsk(f"there is no folder {name!r} where the worker runs")
    try:
        files = load(folder)
    except BadDirectory as error:
        return LedgerSeen(name, 0, 0, bad=tuple(problem.replace(f"{folder}/", "") for problem in error.problems))
    dsn = make_conninfo(database_dsn(look.rollout).get_secret_value(), application_name=CALLED)
    with psycopg.connect(dsn, autocommit=True, connect_timeout=CONNECT_S) as connection:
        return compared(name, files, read_ledger(connection), holder_of(connection))


def compared(name: str, files: list[Migration], ledger: list[Entry], holder: str) -> LedgerSeen:
    forward = [one for one in files if not one.is_down]
    applied = {entry.version for entry in ledger}
    newest = max(applied, default=0)
    pending = [one for one in forward if one.version not in applied]
    wrong = conflicts(ledger, files)
    return LedgerSeen(
        folder=name,
        files=len(forward),
        version=newest,
        dirty=wrong[Dirty],
        changed=wrong[VersionMismatch],
        missing=wrong[VersionMissing],
        pending=tuple(f"{one.version} {one.description}" for one in pending),
        late=tuple(f"{one.version} {one.description}" for one in pending if one.version < newest),
        holder=holder,
    )


def conflicts(ledger: list[Entry], files: list[Migration]) -> dict[type[LedgerConflict], tuple[str, ...]]:
    """What the runner would refuse, by kind: each entry is judged by the runner's own check."""
    found: dict[type[LedgerConflict], list[str]] = {Dirty: [], VersionMismatch: [], VersionMissing: []}
    for entry in ledger:
        try:
            verify([entry], files)
        except LedgerConflict as error:
            found[type(error)].append(" ".join(error.problems[0].split()))
    return {kind: tuple(texts) for kind, texts in found.items()}


def holder_of(connection: psycopg.Connection[Any]) -> str:
    """Who holds sqlx's lock on this database, and for how long."""
    key = lock_key(connection.info.dbname)
    row = connection.execute(HOLDER, [key >> 32, key & 0xFFFFFFFF]).fetchone()
    return f"process {row[0]} ({row[1]}, {row[2] or 'no name'}), quiet for {row[3]} s" if row else ""
