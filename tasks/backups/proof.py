"""One verification of one backup: what was checked, how long each part took, and what follows for RPO and RTO.

RPO is what a disaster would cost now: the age of the newest backup of which the dump, or the snapshot that was taken
with it, is proven to be restorable. RTO is how long it
would last: from the first call for a new instance until the application answers on it.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from prefect import runtime

from tasks.backups.archive import Archive, dumped
from tasks.backups.bucket import PROOFS
from tasks.backups.comparing import Check
from tasks.backups.manifest import Manifest, backup_id, moment_of
from tasks.errors import Permanent

HISTORY = 60
"""Verifications that the report looks back on: two months of nights."""
EARLY = "ended early"
"""The check of a verification that broke off for another reason, which says nothing of the backup."""
SNAPSHOT = "snapshot"
"""The check of the snapshot that was taken with the dump, and the part of a proof that restores it."""
AFTER = ("restored", "later migrations", "the application answers", SNAPSHOT)


class VerificationFailed(Permanent):
    """A disaster now would not be survived with this backup; the message names each check that failed."""


class Proof:
    """A verification as it goes. Not a dataclass: Prefect takes those apart, and steps write into this one."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.backup = ""
        self.kind = ""
        self.manifest: Manifest | None = None
        self.checks: list[Check] = []
        self.seconds: dict[str, float] = {}

    @property
    def failed(self) -> bool:
        return any(check.ok is False for check in self.checks)

    @property
    def passed(self) -> bool:
        """Everything was looked at, or said to be left out, and nothing was wrong."""
        return not self.failed and {check.name for check in self.checks} >= set(AFTER)

    @property
    def rto_s(self) -> float | None:
        """Of the dump, the longer way; the snapshot is a second one."""
        return sum(taken for part, taken in self.seconds.items() if part != SNAPSHOT) if self.passed else None

    def note(self, checks: Sequence[Check]) -> None:
        """Write checks down; those of the same name, of an earlier attempt, are replaced."""
        names = {check.name for check in checks}
        self.checks = [check for check in self.checks if check.name not in names] + list(checks)

    @contextmanager
    def timed(self, part: str, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
        began = clock()
        try:
            yield
        finally:
            self.seconds[part] = clock() - began


@dataclass(frozen=True)
class Verified:
    """A verification that has ended, as it is kept in the bucket."""

    at: datetime
    backup: str
    passed: bool
    rto_s: float | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    rows: int | None = None
    size: int | None = None
    checks: tuple[dict[str, Any], ...] = ()
    flow_run: str = ""

    @property
    def age_s(self) -> float:
        """Of the backup, when it was verified."""
        return (self.at - moment_of(self.backup)).total_seconds() if self.backup else 0.0

    @property
    def conclusive(self) -> bool:
        return all(check["name"] != EARLY for check in self.checks)

    @property
    def problems(self) -> list[str]:
        return [f"{check['name']}: {check['found']}" for check in self.checks if check["ok"] is False]


def verified(proof: Proof) -> Verified:
    manifest = proof.manifest
    return Verified(
        proof.at, proof.backup, proof.passed, proof.rto_s, {k: round(v, 2) for k, v in proof.seconds.items()},
        manifest.rows if manifest else None, manifest.size if manifest else None,
        tuple(asdict(check) for check in proof.checks), str(runtime.flow_run.id or ""),
    )  # fmt: skip


def keep(archive: Archive, entry: Verified) -> None:
    archive.put_json(f"{PROOFS}{backup_id(entry.at)}.json", dumped(asdict(entry)))


def history(archive: Archive, *, most: int = HISTORY) -> list[Verified]:
    """The last verifications, oldest first. One that cannot be read is passed over: it proves nothing."""
    keys = sorted(archive.keys(PROOFS))[-most:]
    return [entry for key in keys if (entry := read_entry(archive.read(key)))]


def read_entry(text: bytes | None) -> Verified | None:
    try:
        fields = json.loads(text or b"")
        at = datetime.fromisoformat(fields.pop("at"))
        return Verified(at=at, **{**fields, "checks": tuple(fields["checks"])})
    except (ValueError, KeyError, TypeError):
        return None


def newest_verified(entries: Sequence[Verified]) -> Verified | None:
    """Of the youngest backup that was verified, the last verification, if that was passed.

    A backup that failed later, when it was looked at again, is proven no more.
    """
    last = {entry.backup: entry for entry in sorted(entries, key=lambda entry: entry.at) if entry.conclusive}
    return max((entry for entry in last.values() if entry.passed), key=lambda entry: entry.backup, default=None)


def proven_snapshots(entries: Sequence[Verified]) -> set[str]:
    """Backups whose snapshot came up and was read whole when it was last looked for, whatever came of the dump."""
    looked = [
        (entry.at, entry.backup, check["ok"])
        for entry in entries
        for check in entry.checks
        if check["name"] == SNAPSHOT
    ]
    last = {backup: ok for _, backup, ok in sorted(looked, key=lambda one: one[0])}
    return {backup for backup, ok in last.items() if ok}


def rpo_course(entries: Sequence[Verified]) -> list[tuple[datetime, float]]:
    """What a disaster would have cost, in seconds, just before and just after each verification."""
    course = []
    for number, entry in enumerate(entries):
        for known in (entries[:number], entries[: number + 1]):
            if (cost := rpo_s(known, entry.at)) is not None:
                course.append((entry.at, cost))
    return course


@dataclass(frozen=True)
class Standing:
    """What is proven now. `rpo_s` is None if nothing is."""

    rpo_s: float | None


def observe_backups(archive: Archive, at: datetime) -> Standing:
    """By the last verifications. Reads only."""
    return Standing(rpo_s(history(archive), at))


def rpo_s(entries: Sequence[Verified], at: datetime) -> float | None:
    """Seconds of work that a disaster would cost; None if all of it."""
    dump = newest_verified(entries)
    proven = proven_snapshots(entries) | ({dump.backup} if dump else set())
    return (at - moment_of(max(proven))).total_seconds() if proven else None
