"""The runbooks, one for each trouble of the mission's troubleshooting sections. A new one is an entry here.

Each names its probes by their facts and its causes by their keys (known.py), as plain data: the command lists them
without importing anything that looks.
"""

from dataclasses import dataclass

GUIDE, SUMMARY, STATUS = "implementation guide", "session summary", "infrastructure status"
BACKUPS = "backup-postgres.sh, dr_test.sh"


@dataclass(frozen=True)
class Runbook:
    """One trouble, as a person on call meets it."""

    name: str
    symptom: str
    source: str
    """Where the mission wrote it down."""
    facts: str
    """What is looked at, in this order: the facts of probes."""
    causes: str
    target: str = ""
    """What `target` may name; '' if nothing."""

    @property
    def requests(self) -> bool:
        """True if it makes requests, as a visitor does; else it only reads."""
        return bool({"answer", "invoked", "warmth"} & {*self.facts.split()})


WAY = "subject answer function alias gateway target policy"
RUNBOOKS = (
    Runbook(
        "http-500", 'Every request is answered 500: `{"message":"Internal Server Error"}`', f"{SUMMARY}, issue #1",
        f"{WAY} figures invoked access logs package contract secrets database",
        "requests", "a URL, a function's name or a release's id",
    ),
    Runbook(
        "no-logs", "The log group is there, and nothing comes", f"{SUMMARY}, issue #2",
        f"{WAY} figures invoked access logs", "nothing api target permission log-rights access-log",
        "a URL or a function's name",
    ),
    Runbook(
        "cold-start", "The first request takes 3 to 5 seconds", f"{GUIDE}, issue 2",
        "subject function invoked starts database warmth", "nothing slow-start unwarmed cold reinitialising",
    ),
    Runbook(
        "slow-requests", "Every request connects anew; the app is built on each invocation", f"{SUMMARY}, issue #1.1",
        "subject function invoked database warmth", "nothing reinitialising leak database-full memory timeout",
    ),
    Runbook(
        "database-unreachable", "The function cannot reach the database, or times out on it", f"{STATUS}, issue #1.1",
        "subject function invoked logs contract secrets database",
        "nothing key-or-network variable secret database-stopped database-password database-tls database-full "
        "database-unreachable timeout",
    ),
    Runbook(
        "database-version", "`Cannot find version 15.4 for postgres`", f"{SUMMARY}, challenge 1",
        "engine", "version-not-offered no-way-up old-minor",
    ),
    Runbook(
        "tls-refused", "`no pg_hba.conf entry for host …, no encryption`, or `TLS upgrade required`",
        f"{SUMMARY}, challenges 2 and 3", "database terms",
        "database-stopped database-unreachable database-password authority tls-broken plain-refused",
    ),
    Runbook(
        "migrations", "Migrations fail, or are not what the database has", f"{STATUS}, migration status",
        "database ledger",
        "database-stopped database-unreachable database-password ledger-files ledger-dirty ledger-changed "
        "ledger-missing ledger-held ledger-waiting", "a folder of migrations",
    ),
    Runbook(
        "restore-database", "The database is gone, or what is in it is wrong", BACKUPS,
        "backups", "database-gone data-wrong backup-unproven",
    ),
    Runbook(
        "package", "The build for Lambda went wrong: OpenSSL, another processor, a library that is not there",
        f"{SUMMARY}, challenges 4 and 5", "subject function invoked package",
        "nothing state entry machine libraries", "a function's name or a release's id",
    ),
    Runbook(
        "ecs-task", "Tasks stay PENDING, or go STOPPED at once", f"{GUIDE}, issue 1", "services stopped definitions",
        "ecs-image ecs-rights ecs-log-group ecs-way-out ecs-room ecs-health ecs-exits", "a cluster, or cluster/service",
    ),
    Runbook(
        "dynamodb-throttling", "`ProvisionedThroughputExceededException`", f"{GUIDE}, issue 3", "tables throttles",
        "no-table throttled nearly-throttled", "a table",
    ),
)  # fmt: skip
NAMES = {one.name: one for one in RUNBOOKS}
