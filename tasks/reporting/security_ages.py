"""Checks: what AWS does not look after any more, or soon will not. The dates are data: lifetimes.toml."""

import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from tasks.reporting.flaws import Flaw, Severity
from tasks.reporting.model import Scene

DATES = Path(__file__).parent / "lifetimes.toml"
SOON = timedelta(days=180)


@cache
def lifetimes(path: Path = DATES) -> Mapping[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def old_runtime(scene: Scene, today: date) -> Iterator[Flaw]:
    function = scene.get("function")
    runtimes = lifetimes()["runtimes"]
    runtime = function.latest.runtime if function else ""
    if (end := runtimes["ends"].get(runtime)) and (age := aged(end, today)):
        setting = "native_runtime" if runtime.startswith("provided") else "python_runtime"
        instead = runtimes["instead"].get(runtime) or newest(runtimes["ends"], runtime)
        severity, said = age
        yield Flaw(
            severity,
            f"function {scene.environment.names.function}",
            f"the end of {runtime} {said} ({runtimes['source']})",
            f'`{setting} = "{instead}"` in [function], and release',
        )


def old_engine(scene: Scene, today: date) -> Iterator[Flaw]:
    database, engines = scene.get("database"), lifetimes()["engines"]
    major = major_of(database) if database else ""
    if (end := engines["ends"].get(major)) and (age := aged(end, today)):
        severity, said = age
        name = scene.environment.names.database
        yield Flaw(
            severity,
            f"database {name}",
            f"the end of standard support of PostgreSQL {major} {said} ({engines['source']})",
            "`engine_version` in [database]: the next major version, tried on a copy restored from a snapshot first",
        )


def retired_minor(scene: Scene, today: date) -> Iterator[Flaw]:
    database, engines = scene.get("database"), lifetimes()["engines"]
    version = str(database.settings["EngineVersion"] or "") if database else ""
    major, _, minor = version.partition(".")
    oldest = engines["oldest"].get(major)
    if oldest is not None and minor.isdecimal() and int(minor) < oldest:
        name = scene.environment.names.database
        evidence = f"PostgreSQL {version} is retired: AWS upgrades it when it pleases ({engines['source']})"
        fix = f'`engine_version = "{major}.{oldest}"` or newer in [database], and release; it restarts the database'
        yield Flaw("medium", f"database {name}", evidence, fix)


def no_minor_upgrades(scene: Scene, today: date) -> Iterator[Flaw]:
    database = scene.get("database")
    if database is not None and database.settings.get("AutoMinorVersionUpgrade") is False:
        name = scene.environment.names.database
        yield Flaw("low", f"database {name}", "minor versions with security fixes do not come by themselves",
                   "`miyabi release` turns it on")  # fmt: skip


def old_certificate(scene: Scene, today: date) -> Iterator[Flaw]:
    """After that day nobody who verifies it connects any more."""
    database, name = scene.get("database"), scene.environment.names.database
    until = database.certified_until if database else None
    if until is not None and (age := aged(until.date(), today)):
        severity, said = age
        fix = (
            f"aws rds modify-db-instance --db-instance-identifier {name} --ca-certificate-identifier rds-ca-rsa2048-g1"
            " --apply-immediately"
        )
        yield Flaw(severity, f"database {name}", f"the end of its certificate ({database.authority}) {said}", fix)


def aged(end: date, today: date) -> tuple[Severity, str] | None:
    """How bad it is, and since or until when; None while there is time."""
    if end <= today:
        return "high", f"was on {end}"
    if end - today <= SOON:
        return "low", f"is on {end}, in {(end - today).days} days"
    return None


def newest(ends: Mapping[str, date], runtime: str) -> str:
    """The runtime of the same language that lives longest."""
    language = runtime.rstrip("0123456789.x")
    return max((name for name in ends if name.rstrip("0123456789.x") == language), key=lambda name: (ends[name], name))


def major_of(database: Any) -> str:
    return str(database.settings["EngineVersion"] or "").partition(".")[0]
