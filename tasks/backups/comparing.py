"""What is right and what is wrong with a backup: pure comparisons, each of which comes to a line of the verdict.

Before anything is restored: is it there whole, is it young enough, of this application's schema, more than nothing, not
suddenly smaller? After: does the restored database hold what the manifest says that the original held?
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from blocks.backup import BackupSettings
from database.contents import LEDGER, Contents
from database.migration_errors import LedgerConflict
from database.migration_files import Migration
from database.migration_ledger import Entry, verify
from tasks.backups.manifest import Manifest, kept_for, moment_of

K = TypeVar("K", str, int)
MOST = 4
"""Differences that a line names."""


@dataclass(frozen=True)
class Check:
    """One line of the verdict. `ok` is None for what was not looked at, and `found` says why."""

    name: str
    ok: bool | None
    found: str

    def row(self) -> dict[str, str]:
        return {"check": self.name, "": {True: "✓", False: "✗ wrong", None: "-"}[self.ok], "found": self.found}


def judged(name: str, problems: Sequence[str], fine: str) -> Check:
    """Wrong if there are problems, of which the first few are named."""
    more = [f"and {len(problems) - MOST} more"] if len(problems) > MOST else []
    return Check(name, not problems, "; ".join([*problems[:MOST], *more]) or fine)


def checks_before(
    manifest: Manifest,
    *,
    stored: int | None,
    previous: Manifest | None,
    files: Sequence[Migration],
    settings: BackupSettings,
    at: datetime,
    newest: bool = True,
) -> list[Check]:
    """What the manifest and the bucket say by themselves; `stored` is the size of the dump in the bucket.

    Only the newest backup has to be as young as the environment asks.
    """
    age = age_words(at - moment_of(manifest.id))
    return [
        judged("stored whole", stored_wrong(manifest, stored), f"{manifest.size:,} bytes"),
        judged("young enough", too_old(manifest, settings, at, newest), f"{age} old"),
        judged("this application's schema", of_another_schema(manifest.contents.ledger, files),
               f"version {manifest.schema_version or 'none'}"),
        judged("not empty", empty(manifest.contents), held(manifest.contents)),
        judged("not shrunk", shrunk(manifest, previous, settings),
               f"{previous.rows:,} rows in the one before" if previous else "the first one"),
    ]  # fmt: skip


def checks_after(manifest: Manifest, restored: Contents) -> list[Check]:
    """The restored database beside what the manifest says."""
    told = manifest.contents
    return [
        judged("tables and rows", rows_differ(told, restored), held(restored)),
        judged("contents", checksums_differ(told, restored), f"{len(restored.tables)} checksums are the same"),
        judged("objects", objects_differ(told, restored), objects_words(restored)),
        judged("sequences", sequences_behind(told, restored), f"{len(restored.sequences)} go on"),
        judged("migrations", ledgers_differ(told.ledger, restored.ledger), f"{len(restored.ledger)} as they were"),
    ]


def held(contents: Contents) -> str:
    return f"{contents.rows:,} rows in {len(contents.tables)} tables"


def stored_wrong(manifest: Manifest, stored: int | None) -> list[str]:
    if stored is None:
        return ["there is no dump to this manifest"]
    return [] if stored == manifest.size else [f"{stored:,} bytes of {manifest.size:,}: it is cut off or another one"]


def too_old(manifest: Manifest, settings: BackupSettings, at: datetime, newest: bool) -> list[str]:
    age, problems = at - moment_of(manifest.id), list[str]()
    if age > kept_for(settings, manifest.kind):
        problems.append(f"a {manifest.kind} one expires after {kept_for(settings, manifest.kind).days} days")
    if newest and age > timedelta(hours=settings.rpo_hours):
        problems.append(f"it is {age_words(age)} old, and a disaster may cost {settings.rpo_hours:g} hours")
    return problems


def of_another_schema(ledger: Sequence[Entry], files: Sequence[Migration]) -> list[str]:
    """Migrations that failed, that this application does not have, or whose files are others by now."""
    try:
        verify(ledger, files)
    except LedgerConflict as error:
        return [line.strip() for problem in error.problems for line in problem.splitlines()[:1]]
    return [] if ledger else ["no migration was ever applied to it"]


def empty(contents: Contents) -> list[str]:
    if not [name for name in contents.tables if name != LEDGER]:
        return ["there is no table in it"]
    return [] if contents.rows else ["there is no row in any of its tables"]


def shrunk(manifest: Manifest, previous: Manifest | None, settings: BackupSettings) -> list[str]:
    if previous is None or not previous.rows:
        return []
    lost = 100 * (previous.rows - manifest.rows) / previous.rows
    if lost <= settings.shrink_percent:
        return []
    return [f"{lost:.0f} % of the rows of {previous.id} are gone: {previous.rows:,} then, {manifest.rows:,} now"]


def snapshot_wrong(
    manifest: Manifest, found: Contents, files: Sequence[Migration], settings: BackupSettings
) -> list[str]:
    """A snapshot is of a moment after its dump: it has the same tables, and nearly as many rows at least."""
    missing = [f"table {name} is missing" for name in sorted(set(manifest.contents.tables) - set(found.tables))]
    lost = 100 * (manifest.rows - found.rows) > settings.shrink_percent * manifest.rows
    return [
        *missing,
        *of_another_schema(found.ledger, files),
        *([f"{found.rows:,} rows, and {manifest.rows:,} in the dump of the same night"] if lost else []),
    ]


def rows_differ(told: Contents, restored: Contents) -> list[str]:
    problems = [f"table {name} is missing" for name in sorted(set(told.tables) - set(restored.tables))]
    problems += [f"table {name} was not in the original" for name in sorted(set(restored.tables) - set(told.tables))]
    return problems + [
        f"{name} has {restored.tables[name].rows:,} rows of {told.tables[name].rows:,}"
        for name in common(told.tables, restored.tables)
        if restored.tables[name].rows != told.tables[name].rows
    ]


def checksums_differ(told: Contents, restored: Contents) -> list[str]:
    return [
        f"rows of {name} are others"
        for name in common(told.tables, restored.tables)
        if restored.tables[name] != told.tables[name]
    ]


def objects_differ(told: Contents, restored: Contents) -> list[str]:
    return list(_object_differences(told.objects, restored.objects))


def _object_differences(told: Mapping[str, Sequence[str]], restored: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for kind in sorted({*told, *restored}):
        before, after = set(told.get(kind, ())), set(restored.get(kind, ()))
        yield from (f"{kind} {name} is missing" for name in sorted(before - after))
        yield from (f"{kind} {name} was not in the original" for name in sorted(after - before))


def objects_words(contents: Contents) -> str:
    """`120 columns, 35 indexes, …`"""
    return ", ".join(f"{len(names)} {kind}{plural(len(names), kind)}" for kind, names in contents.objects.items())


def plural(count: int, kind: str) -> str:
    return "" if count == 1 else "es" if kind.endswith("x") else "s"


def sequences_behind(told: Contents, restored: Contents) -> list[str]:
    """It may be further than when it was read: it belongs to no snapshot. One that is behind gives keys twice."""
    return [
        f"{name} is at {restored.sequences.get(name, 'nothing')}, and was at {value}"
        for name, value in told.sequences.items()
        if restored.sequences.get(name, -1) < value
    ]


def ledgers_differ(told: Sequence[Entry], restored: Sequence[Entry]) -> list[str]:
    before, after = {e.version: e for e in told}, {e.version: e for e in restored}
    problems = [f"migration {version} is missing" for version in sorted(set(before) - set(after))]
    problems += [f"migration {version} is not in the manifest" for version in sorted(set(after) - set(before))]
    return problems + [f"migration {v} is another one" for v in common(before, after) if before[v] != after[v]]


def common(left: Mapping[K, object], right: Mapping[K, object]) -> list[K]:
    return [key for key in left if key in right]


def age_words(age: timedelta) -> str:
    """`3.2 hours`, `2.0 days`"""
    hours = age.total_seconds() / 3600
    units: list[tuple[float, str, Callable[[float], float]]] = [
        (1, "minutes", lambda h: h * 60), (48, "hours", lambda h: h)
    ]  # fmt: skip
    return next((f"{to(hours):.1f} {unit}" for below, unit, to in units if hours < below), f"{hours / 24:.1f} days")
