"""Checks of the backend's code and its schema. Each is `(facts, claim) -> Looked`; the list is checks.py."""

import re
from collections import defaultdict
from itertools import chain

from database.investigation_models import Problem
from tasks.investigating.claims import Claim
from tasks.investigating.linking import aside
from tasks.investigating.looking import MOST_EVIDENCE, Looked, Seen, count, listed, spans
from tasks.investigating.model import Auth, Facts, Made, Place, Pool, Served

HEALTH = re.compile(r"/(health|healthz|ping|ready|live|metrics|version|ws)?$|/(docs|openapi\.json)$", re.IGNORECASE)
SMALLEST_LIMIT = 100
"""About what a small RDS instance takes: connections of all instances of a function together."""
PER_INSTANCE = 10
WORD = re.compile(r"[a-z]{3,}")
NO_SUBJECT = frozenset({
    "schema", "schemas", "table", "tables", "database", "migration", "migrations", "missing", "not", "implemented",
    "the", "exist", "exists", "are", "and", "for", "has", "have", "disabled", "broken", "implementation", "yet",
    "model", "data",
})  # fmt: skip
SYNONYMS = {"rbac": ("permission", "role"), "multi": ("organization",), "tenant": ("organization",), "auth": ("user",)}


def pools_of(facts: Facts) -> list[Pool]:
    return [pool for file in facts.by_file.values() if not aside(file.file) for pool in file.pools]


def database_connection(facts: Facts, _claim: Claim | None) -> Looked:
    """Is a connection pool made, or is that in a comment?"""
    pools = pools_of(facts)
    live, off = [pool for pool in pools if not pool.disabled], [pool for pool in pools if pool.disabled]
    if live:
        settings = listed([f"{name}={value}" for name, value in live[0].settings.items()])
        return Looked("working", f"enabled: {settings or live[0].maker}", [seen_pool(pool) for pool in live])
    if off:
        return Looked(
            "absent",
            "the connection pool is commented out",
            [seen_pool(pool) for pool in off],
            [turn_on("The database connection is commented out", [str(pool.place) for pool in off])],
        )
    return Looked("absent", "no connection pool is made anywhere", [], [turn_on("There is no database connection", [])])


def seen_pool(pool: Pool) -> Seen:
    return Seen(pool.place, f"{'commented out: ' if pool.disabled else ''}{pool.maker}")


def turn_on(title: str, evidence: list[str]) -> Problem:
    return Problem(
        title=title,
        impact="critical",
        why="no handler can read or write data",
        evidence=evidence,
        fix=["make the pool at start-up and put it into the application's state", "ask it `SELECT 1` once"],
        hours=(1, 4),
    )


def pool_size(facts: Facts, _claim: Claim | None) -> Looked:
    """Does one instance of a function take so many connections that a few of them use the database up?"""
    sized = [
        (pool, int(size))
        for pool in pools_of(facts)
        if not pool.disabled
        and (size := pool.settings.get("max_connections") or pool.settings.get("max") or "").isdecimal()
    ]
    if not sized:
        return Looked("unknown", "no pool names its greatest number of connections as a number")
    pool, most = max(sized, key=lambda found: found[1])
    seen = [Seen(pool.place, f"at most {most} connections")]
    lambdas = any("lambda" in path.lower() for path in facts.paths)
    if most <= PER_INSTANCE or not lambdas:
        return Looked("working", f"at most {most} connections an instance", seen)
    problem = Problem(
        title=f"{most} connections for each instance of the function",
        impact="medium",
        why=f"a small database takes about {SMALLEST_LIMIT}; {SMALLEST_LIMIT // most + 1} instances use it up",
        evidence=[str(pool.place)],
        fix=[
            f"at most {PER_INSTANCE} on Lambda, or RDS Proxy",
            "no `min_connections`: each cold start would open them all",
        ],
        hours=(0.5, 1),
    )
    return Looked("partly", f"{most} connections for each instance of the function", seen, [problem])


def api_routes(facts: Facts, _claim: Claim | None) -> Looked:
    """How many routes a request can reach, besides health and the like."""
    real = [route for route in facts.served if not HEALTH.search(route.path)]
    on = [route for route in real if route.state == "enabled"]
    off = [route for route in real if route.state == "commented out"]
    lost = [route for route in real if route.state == "not mounted"]
    if not real:
        return Looked("unknown", "no routes of axum, FastAPI or Express were found" + because(facts))
    if not off:
        return Looked("working", f"all {len(on)} routes are enabled{beside(lost)}", seen_routes(on), unmounted(lost))
    problem = Problem(
        title=f"{count(len(off), 'route')} commented out",
        impact="critical" if not on else "high",
        why="requests to these are answered 404: " + listed([str(route) for route in off], 8),
        evidence=[str(place) for place in spans([route.why or route.place for route in off])],
        fix=["take them out of the comments", "ask each once, with and without a token"],
        hours=(1, 2 + 0.5 * len(off)),
    )
    says = f"{len(off)} of {len(off) + len(on)} routes are commented out{beside(lost)}"
    return Looked("partly" if on else "absent", says, seen_routes(off), [problem, *unmounted(lost)])


def because(facts: Facts) -> str:
    return "; some files could not be read" if facts.unread else ""


def beside(lost: list[Served]) -> str:
    return f"; {len(lost)} more are in routers that nothing mounts" if lost else ""


def seen_routes(routes: list[Served]) -> list[Seen]:
    """Routes by the lines that they stand on, or by the comment that their mount is in."""
    by_file = defaultdict(list)
    for route in routes:
        by_file[(route.why or route.place).file].append(route)
    places = spans([route.why or route.place for route in routes])[:MOST_EVIDENCE]
    return [Seen(place, listed([str(one) for one in by_file[place.file] if covers(place, one)], 6)) for place in places]


def covers(place: Place, route: Served) -> bool:
    return place.first <= (route.why or route.place).first <= place.last


def unmounted(lost: list[Served]) -> list[Problem]:
    if not lost:
        return []
    return [
        Problem(
            title=f"{count(len(lost), 'route')} in routers that nothing mounts",
            impact="low",
            why="they are answered 404: " + listed([str(route) for route in lost], 6),
            evidence=[str(place) for place in spans([route.place for route in lost])],
            fix=["mount their routers, or remove them"],
            hours=(0.5, 1),
        )
    ]


def route_syntax(facts: Facts, _claim: Claim | None) -> Looked:
    """`:id` and `{id}` in one axum program: one of the two never matches, or ends the program at its start."""
    rust = [route for route in facts.served if route.place.file.endswith(".rs") and route.state == "enabled"]
    old, new = [r for r in rust if "/:" in r.path], [r for r in rust if "{" in r.path]
    if not old or not new:
        return Looked("working", "path parameters have one syntax", seen_routes((old or new)[:3]))
    fewer = min(old, new, key=len)
    problem = Problem(
        title="Path parameters in two syntaxes",
        impact="high",
        why="axum 0.7 takes `{id}` for a literal segment, so the route never matches; axum 0.8 panics on `:id`",
        evidence=[str(route.place) for route in fewer],
        fix=["write all of them as the axum version in Cargo.toml has it"],
        hours=(0.5, 1),
    )
    return Looked("partly", f"{len(old)} routes with `:id`, {len(new)} with `{{id}}`", seen_routes(fewer), [problem])


def jwt_auth(facts: Facts, _claim: Claim | None) -> Looked:
    """Tokens are signed and checked by something that is set up, and something guards routes with it."""
    parts = [part for file in facts.by_file.values() if not aside(file.file) for part in file.auth]
    live = [part for part in parts if not part.disabled]
    tokens, guards = of_kind(live, "tokens"), of_kind(live, "guard")
    made = [part for part in tokens if not part.what.endswith(("from_secret", "encode", "decode"))] or tokens
    off = [part for part in parts if part.disabled]
    if off and not guards and not [part for part in tokens if set_up(part, off)]:
        return Looked(
            "absent",
            "the set-up of tokens is commented out",
            [seen_auth(part) for part in off],
            [no_auth("Authentication is commented out", off)],
        )
    if not tokens:
        return Looked("absent", "nothing signs or checks tokens", [], [no_auth("There is no authentication", [])])
    if not guards:
        return Looked(
            "partly",
            "tokens are made, but no route is guarded by them",
            [seen_auth(part) for part in made],
            [no_auth("No route is guarded", made)],
        )
    return Looked(
        "working",
        "implemented: tokens are set up, and routes are guarded",
        [seen_auth(part) for part in [*made, *guards]],
    )


def of_kind(parts: list[Auth], kind: str) -> list[Auth]:
    return [part for part in parts if part.kind == kind]


def set_up(part: Auth, off: list[Auth]) -> bool:
    """True for a live part of the same name as one in a comment: that one was only moved."""
    return part.what in {other.what for other in off}


def seen_auth(part: Auth) -> Seen:
    return Seen(part.place, f"{'commented out: ' if part.disabled else ''}{part.what}")


def no_auth(title: str, parts: list[Auth]) -> Problem:
    return Problem(
        title=title,
        impact="high",
        why="whoever finds the address may read and write, or every handler that needs a user answers 500",
        evidence=[str(part.place) for part in parts],
        fix=["make the token manager at start-up", "put a layer that checks tokens on the protected routes"],
        hours=(2, 6),
    )


def schema(facts: Facts, claim: Claim | None) -> Looked:
    """The tables that a claim names, or all: do migrations make them?"""
    made = list(chain.from_iterable(one.made for one in facts.migrations))
    if not facts.migrations:
        return Looked("absent", "there is no directory of migrations", [], [no_schema("There are no migrations")])
    tables = [one for one in made if one.kind == "table"]
    wanted = stems(claim)
    if not wanted:
        kinds = ", ".join(count(sum(one.kind == kind for one in made), kind) for kind in ("table", "view", "enum"))
        return Looked("ready" if tables else "absent", f"migrations make {kinds}", seen_tables(tables))
    having = {stem: [one for one in tables if stem in one.name.lower()] for stem in wanted}
    lacking = [stem for stem, found in having.items() if not found]
    names = [one for one in tables if any(one in found for found in having.values())]
    if not lacking:
        return Looked("ready", f"migrations make {listed([one.name for one in names])}", seen_tables(names))
    says = f"no migration makes a table for {listed(lacking)}"
    return Looked("partly" if names else "absent", says, seen_tables(names), [no_schema(says[0].upper() + says[1:])])


def stems(claim: Claim | None) -> list[str]:
    """The words of a claim that tables may be named after; the subject's, else the sentence's."""
    if claim is None:
        return []
    for words in (claim.subject, claim.text):
        found = [word for word in WORD.findall(words.lower()) if word not in NO_SUBJECT]
        known = list(chain.from_iterable(SYNONYMS.get(word, (word.rstrip("s"),)) for word in found))
        if known:
            return list(dict.fromkeys(known))
    return []


def seen_tables(tables: list[Made]) -> list[Seen]:
    files = dict.fromkeys(one.place.file for one in tables)
    return [
        Seen(span, listed([one.name for one in tables if one.place.file == file]))
        for file in files
        for span in whole([one for one in tables if one.place.file == file])
    ]


def whole(tables: list[Made]) -> list[Place]:
    first, last = min(one.place.first for one in tables), max(one.place.last for one in tables)
    return [Place(tables[0].place.file, first, last)]


def no_schema(title: str) -> Problem:
    return Problem(
        title=title,
        impact="high",
        why="what handlers ask for is not there: they answer 500",
        evidence=[],
        fix=["write the migration, and one back", "run it on an empty database and on a copy"],
        hours=(4, 12),
    )


def migrations(facts: Facts, _claim: Claim | None) -> Looked:
    """Would a runner take them: names, versions, texts; and did a scratch database, where one was given?"""
    if not facts.migrations:
        return Looked("absent", "there is no directory of migrations")
    problems = [text for one in facts.migrations for text in [*one.problems, *([one.refused] if one.refused else [])]]
    total = sum(len(one.files) for one in facts.migrations)
    seen = [
        Seen(None, f"{one.folder}: {count(len(one.files), 'migration')}" + applied(one.applied))
        for one in facts.migrations
    ]
    if not problems:
        untried = next((one.untried for one in facts.migrations if one.untried), "MIYABI_SCRATCH_DATABASE is not set")
        tried = all(one.applied is not None for one in facts.migrations)
        says = "apply on an empty database" if tried else f"are well formed; none was applied: {untried}"
        return Looked("working" if tried else "ready", f"{count(total, 'migration')} {says}", seen)
    problem = Problem(
        title="Migrations that do not apply",
        impact="critical",
        why="; ".join(problems)[:600],
        evidence=[one.folder for one in facts.migrations if one.problems or one.refused],
        fix=["mend what is named; what was applied anywhere keeps its version and text"],
        hours=(1, 4),
    )
    return Looked("partly", problems[0], [*seen, *(Seen(None, text) for text in problems)], [problem])


def applied(counts: dict[str, int] | None) -> str:
    return f", applied: {', '.join(count(number, kind) for kind, number in counts.items())}" if counts else ""
