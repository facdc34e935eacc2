"""Causes in the database, as it answers from here and as the function says that it answers it."""

import re
from collections.abc import Mapping

from tasks.diagnosing.facts import Facts
from tasks.diagnosing.facts_means import Trouble
from tasks.diagnosing.judging import RELEASE, by_the_function, not_seen, quoted, well
from tasks.diagnosing.model import Fix, Judgement, certain, likely, possible, ruled_out

TOLD: Mapping[Trouble, re.Pattern[str]] = {
    "tls": re.compile(r"no pg_hba\.conf entry .*no encryption|TLS upgrade required|SSL/TLS required|self[- ]signed"
                      r" certificate|certificate verify failed|does not support SSL"),
    "password": re.compile(r"password authentication failed for user"),
    "full": re.compile(r"too many clients already|remaining connection slots|too many connections for (role|database)"),
    "silent": re.compile(r"connection to server at .* failed: (?!FATAL)|could not connect to server"),
}  # fmt: skip
"""How libpq, PostgreSQL, sqlx and psycopg tell of it when the function itself cannot connect."""
LAST = 8
"""Lines before a failure that may tell why."""
POOL = re.compile(r"pool timed out while waiting for an open connection|PoolTimedOut|PoolTimeout")
"""Either nothing answers, or the pool is used up."""


def stopped(facts: Facts) -> Judgement:
    """There is no database, or it does not run."""
    seen = facts.database
    if seen is None:
        return ruled_out(facts.why_not["database"]) if is_anothers(facts) else not_seen(facts, "database")
    if seen.exists and seen.status not in ("stopped", "stopping", "starting", "failed", "deleting", "storage-full"):
        return ruled_out(f"{seen.name} is {seen.status}")
    fix = Fix("start it", f"aws rds start-db-instance --db-instance-identifier {seen.name}")
    return suffering(facts, seen.says, fixes=(fix,) if seen.exists else (RELEASE,))


def is_anothers(facts: Facts) -> bool:
    return facts.subject is not None and not facts.subject.ours


def suffering(facts: Facts, *evidence: str, fixes: tuple[Fix, ...] = ()) -> Judgement:
    """True of the database; it is the cause for certain if the function fails by itself."""
    if by_the_function(facts):
        return certain(*evidence, quoted(facts), fixes=fixes)
    return likely(*evidence, against=(well(facts) or "the function itself does not fail",), fixes=fixes)


def password(facts: Facts) -> Judgement:
    """The password in the secret is not the database's."""
    return by_trouble(
        facts,
        "password",
        Fix("give the database the password that is in its secret",
            "prefect deployment run provision/{environment} -p reset_password=true"),
    )  # fmt: skip


def tls(facts: Facts) -> Judgement:
    """No connection as `sslmode` wants it."""
    return by_trouble(
        facts,
        "tls",
        Fix(
            "connect with TLS: sslmode=require or more, and a driver built with it; the runbook looks at both sides",
            "miyabi runbook tls-refused -e {environment}",
        ),
    )


def full(facts: Facts) -> Judgement:
    """All connections of the instance are in use."""
    seen = facts.database
    fix = Fix("end idle connections, lower the pool or the reserved concurrency, or take a larger instance")
    if seen is not None and not seen.trouble and seen.crowded and not told(facts, TOLD["full"]):
        says = f"{seen.used} of {seen.allowed} connections are in use"
        if (seen.used or 0) >= (seen.allowed or 1):  # who has one goes on; who starts gets none
            return likely(says, against=(well(facts) or "the function itself does not fail",), fixes=(fix,))
        return possible(says, fixes=(fix,))
    return by_trouble(facts, "full", fix)


def unreachable(facts: Facts) -> Judgement:
    """It runs and does not answer from here; whether it answers the function is another matter."""
    seen = facts.database
    fix = Fix("look at security groups, subnets and ingress_cidrs", "miyabi plan -e {environment}")
    if told(facts, TOLD["silent"]) or seen is None or not seen.exists or seen.status != "available":
        return by_trouble(facts, "silent", fix)
    if line := told(facts, POOL):
        return likely(f"the function says: {line}", against=(f"from here: {seen.says}",), fixes=(fix,))
    if seen.trouble not in ("silent", "refused", "other"):
        return ruled_out(seen.says)
    return (likely if by_the_function(facts) else possible)(
        f"{seen.name} is available and does not answer here: {seen.problem}",
        against=("asked from here, not from the function's subnets",),
        fixes=(fix,),
    )


def by_trouble(facts: Facts, trouble: Trouble, fix: Fix) -> Judgement:
    seen = facts.database
    if line := told(facts, TOLD[trouble]):
        against = (f"from here: {seen.says}",) if seen is not None and not seen.trouble else ()
        return Judgement("certain", (f"the function says: {line}",), against, (fix,))
    if seen is None:
        return ruled_out(facts.why_not["database"]) if is_anothers(facts) else not_seen(facts, "database")
    if seen.trouble != trouble or not seen.exists:
        return ruled_out(seen.says)
    return suffering(facts, seen.says, fixes=(fix,))


def told(facts: Facts, words: re.Pattern[str]) -> str:
    """The line in which a failing function tells of such a trouble; '' if it does not."""
    seen = facts.invoked
    if seen is None or not by_the_function(facts):
        return ""
    lines = (seen.message, seen.body, *seen.tail[-LAST:])
    return next((" ".join(line.split())[:300] for line in lines if words.search(line)), "")
