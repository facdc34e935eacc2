"""The database as RDS says it and as it answers from here; and how quick the function is once it has started."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg

from database.server_use import count_connections, count_sessions
from tasks.diagnosing.facts import Facts
from tasks.diagnosing.facts_means import DatabaseSeen, Trouble, WarmthSeen
from tasks.diagnosing.looking import Look
from tasks.diagnosing.model import NothingToAsk
from tasks.diagnosing.probes_function import MINUTES, invoked, subject_of
from tasks.errors import absent_as_none
from tasks.secrets import database_dsn

STARTED = re.compile(r"^REPORT .*\bInit Duration: ([\d.]+) ms", re.DOTALL)
CONNECT_S = 5
WARM = 4
"""Requests to a function that has started."""
SLOW_MS = 8000.0
"""A function that takes longer is not asked again and again."""
TEXTS: dict[Trouble, tuple[str, ...]] = {
    "password": ("authentication failed",),
    "full": ("too many clients", "remaining connection slots", "too many connections"),
    "tls": ("does not support SSL", "certificate", "SSL error", "no encryption", "does not match host name"),
    "refused": ("Connection refused", "the database system is"),
    "silent": ("timeout", "could not translate", "No route to host", "Network is unreachable", "nodename nor servname"),
}


def see_database(look: Look, facts: Facts) -> DatabaseSeen:
    """Its status, and what happens when one connects as the function would, from here."""
    if facts.subject is not None and not facts.subject.ours:
        raise NothingToAsk("which database it uses is not known")
    name, rds = look.rollout.environment.names.database, look.rollout.aws("rds")
    answer = absent_as_none(lambda: rds.describe_db_instances(DBInstanceIdentifier=name))
    if answer is None:
        return DatabaseSeen(name, False)
    instance = answer["DBInstances"][0]
    endpoint = instance.get("Endpoint") or {}
    seen = DatabaseSeen(
        name, True, instance["DBInstanceStatus"], address=f"{endpoint.get('Address', '')}:{endpoint.get('Port', '')}"
    )
    if seen.status in ("stopped", "stopping", "starting", "creating", "deleting"):
        return replace(seen, trouble="refused", problem="not tried, as it does not run")
    return connected(look, seen)


def connected(look: Look, seen: DatabaseSeen) -> DatabaseSeen:
    dsn = database_dsn(look.rollout).get_secret_value()
    try:
        with psycopg.connect(dsn, connect_timeout=CONNECT_S, application_name="miyabi diagnose") as connection:
            row = connection.execute("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
            used = count_connections(connection)
    except psycopg.OperationalError as error:
        trouble, problem = trouble_of(str(error))
        return replace(seen, trouble=trouble, problem=problem)
    return replace(seen, tls=str((row or [""])[0] or ""), used=used.used, allowed=used.allowed, here=used.here)


def trouble_of(text: str) -> tuple[Trouble, str]:
    """What kind of trouble libpq tells of, and its last line. It gives no code for a failed connection."""
    line = (text.strip().splitlines() or ["no reason given"])[-1]
    for trouble, texts in TEXTS.items():
        if any(one in text for one in texts):
            return trouble, line
    return "other", line


def see_warmth(look: Look, facts: Facts) -> WarmthSeen:
    """Some requests to what has started: do they begin anew each time, or leave connections behind?"""
    first = facts.invoked
    if first is None or not first.well:
        raise NothingToAsk("a function that does not answer well cannot be warm")
    if (first.duration_ms or 0.0) > SLOW_MS:
        raise NothingToAsk(f"one request took {(first.duration_ms or 0) / 1000:.0f} s")
    with watching(look, facts) as count:
        before = count()
        answers = [invoked(look, subject_of(facts)) for _ in range(WARM)]
        after = count()
    return WarmthSeen(
        init_ms=first.init_ms or slowest_start(look, facts),
        first_ms=first.duration_ms or 0.0,
        warm_ms=tuple(one.duration_ms or 0.0 for one in answers),
        starts=sum(one.init_ms is not None for one in answers),
        grown=after[0] - before[0] if before and after else None,
        opened=after[1] - before[1] if before and after else None,
    )


def slowest_start(look: Look, facts: Facts) -> float | None:
    """Milliseconds, of the starts of this very version that its log tells of; None if it tells of none."""
    if facts.function is None or facts.logs is None or not facts.logs.exists:
        return None
    events = look.rollout.aws("logs").filter_log_events(
        logGroupName=facts.logs.group,
        filterPattern='"Init Duration"',
        startTime=int(1000 * (look.now() - 60 * MINUTES)),
    )["events"]
    own = [one["message"] for one in events if f"[{facts.function.version}]" in one["logStreamName"]]
    return max((float(found[1]) for found in map(STARTED.search, own) if found), default=None)


@contextmanager
def watching(look: Look, facts: Facts) -> Iterator[Callable[[], tuple[int, int] | None]]:
    """A function that says how many connections there are, and how many were ever opened; None where nobody knows."""
    if facts.database is None or facts.database.trouble or not facts.database.exists:
        yield lambda: None
        return
    dsn = database_dsn(look.rollout).get_secret_value()
    with psycopg.connect(dsn, connect_timeout=CONNECT_S, application_name="miyabi diagnose", autocommit=True) as own:
        yield lambda: (count_connections(own).here, count_sessions(own))
