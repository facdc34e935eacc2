"""What a restore is for, and from what."""

from collections.abc import Iterator

from tasks.diagnosing.judging import not_seen
from tasks.diagnosing.model import Fix, Judgement, certain, likely, possible, ruled_out
from tasks.runbooks.facts import BackupsSeen, RunbookFacts

OVER = Fix("its last page says how to go over to the new instance; the drill is in docs/backups.md")
BROKEN = frozenset({
    "failed", "storage-full", "inaccessible-encryption-credentials", "incompatible-restore", "restore-error",
})  # fmt: skip


def database_gone(facts: RunbookFacts) -> Judgement:
    """The instance is not there, or in a state that does not end."""
    seen = facts.backups
    if seen is None:
        return not_seen(facts, "backups")
    if seen.status and seen.status not in BROKEN:
        return ruled_out(seen.says)
    return certain(seen.says, fixes=(*ways(seen), OVER))


def data_wrong(facts: RunbookFacts) -> Judgement:
    """Nobody can see from outside what should be in it; a person who knows goes back to before."""
    seen = facts.backups
    if seen is None:
        return not_seen(facts, "backups")
    if not seen.status or seen.status in BROKEN:
        return ruled_out(seen.says)
    before = Fix(
        "if somebody deleted or changed what he should not have: to just before, in a new instance; look, then go over",
        f"miyabi restore -e {{environment}} --to-time {seen.latest or '2026-11-27T03:15:00Z'}",
    )
    return possible(seen.says, fixes=(before, OVER))


def unproven(facts: RunbookFacts) -> Judgement:
    """Nothing is known to be restorable, or only what is too old."""
    seen = facts.backups
    if seen is None:
        return not_seen(facts, "backups")
    if not seen.odd:
        return ruled_out(seen.says)
    fixes = (
        *([] if seen.dump else [Fix("take one", "miyabi backup -e {environment}")]),
        Fix("restore the newest beside the database, and see", "miyabi verify-backup -e {environment}"),
    )
    return likely(seen.says, fixes=fixes)


def ways(seen: BackupsSeen) -> Iterator[Fix]:
    """What it can be restored from, the least loss first."""
    yield Fix(
        "what was committed last, where RDS still has the automated backups",
        "miyabi restore -e {environment} --to-time latest",
    )
    if seen.dump:
        yield Fix("the newest dump", f"miyabi restore {seen.dump} -e {{environment}}")
    if seen.snapshot:
        yield Fix("the newest snapshot", f"miyabi restore --snapshot {seen.snapshot} -e {{environment}}")
