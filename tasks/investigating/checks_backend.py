"""Checks of the backend's code. Each is `(facts, claim) -> Looked`; the list is checks.py."""

import re
from collections import defaultdict

from database.investigation_models import Problem
from tasks.investigating.claims import Claim
from tasks.investigating.linking import aside
from tasks.investigating.looking import Looked, Seen, listed
from tasks.investigating.model import Auth, Facts, Function, Pool

SMALLEST_LIMIT = 100
"""About what a small RDS instance takes: connections of all instances of a function together."""
PER_INSTANCE = 10
NO_CODE = "there is no code in Rust, Python, JavaScript or TypeScript"


def pools_of(facts: Facts) -> list[Pool]:
    return [pool for file in facts.by_file.values() if not aside(file.file) for pool in file.pools]


def database_connection(facts: Facts, _claim: Claim | None) -> Looked:
    """Is a connection pool made, or is that in a comment?"""
    if not facts.has_code:
        return Looked("unknown", NO_CODE)
    pools = pools_of(facts)
    live, off = [pool for pool in pools if not pool.disabled], [pool for pool in pools if pool.disabled]
    if live:
        first = next((pool for pool in live if pool.settings and not pool.maker.endswith(".connect")), live[0])
        settings = listed([f"{name}={plain(value)}" for name, value in first.settings.items()])
        if way := way_of_each_request(facts):
            return anew(way, live)
        return Looked("working", f"enabled: {settings or first.maker}", [seen_pool(pool) for pool in live])
    if off:
        return Looked(
            "absent",
            "the connection pool is commented out",
            [seen_pool(pool) for pool in off],
            [turn_on("The database connection is commented out", [str(pool.place) for pool in off])],
        )
    return Looked("absent", "no connection pool is made anywhere", [], [turn_on("There is no database connection", [])])


def anew(way: list[Function], live: list[Pool]) -> Looked:
    """The pool is made for each request: what a start should do once."""
    said = " → ".join(one.name or "the closure" for one in way)
    problem = Problem(
        title="Each request makes the connection pool anew",
        impact="high",
        why=f"every request waits for new connections, and they are used up under load: {said}",
        evidence=[str(one.place) for one in way],
        fix=["make the application once, in `main` or a `OnceCell`, and give it to the handler"],
        hours=(1, 3),
    )
    seen = [*(Seen(one.place, one.name or "the closure that handles requests") for one in way), *map(seen_pool, live)]
    return Looked("partly", f"enabled, and made anew on each request: {said}", seen, [problem])


def way_of_each_request(facts: Facts) -> list[Function]:
    """From a function that Lambda runs for each request to one that makes a pool, by calls; empty if there is none."""
    files = [file for file in facts.by_file.values() if not aside(file.file)]
    by_name: dict[str, list[Function]] = defaultdict(list)
    for one in (function for file in files for function in file.functions):
        by_name[one.name].append(one)
    makers = {one.place for file in files for one in file.functions
              if any(not pool.disabled and covers_pool(one, pool) for pool in file.pools)}  # fmt: skip
    ways = [[one] for ones in by_name.values() for one in ones if one.handles]
    known = {way[-1].place for way in ways}
    while ways:
        way = ways.pop(0)
        if way[-1].place in makers:
            return way
        for target in (one for call in way[-1].calls for one in by_name.get(name_of(call), ())):
            if target.place not in known:
                known.add(target.place)
                ways.append([*way, target])
    return []


def covers_pool(function: Function, pool: Pool) -> bool:
    return function.place.first <= pool.place.first and pool.place.last <= function.place.last


def name_of(call: str) -> str:
    """A method of a type keeps the type's name; a function of a module does not keep the module's."""
    where, _, name = call.replace(".", "::").rpartition("::")
    return call if where[:1].isupper() else name


def plain(value: str) -> str:
    """`Some(std::time::Duration::from_secs(600))` is 600 s."""
    found = re.search(r"Duration::from_(secs|millis)\(\s*([\d_]+)\s*\)", value)
    return f"{found[2]} {'s' if found[1] == 'secs' else 'ms'}" if found else value


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


def jwt_auth(facts: Facts, _claim: Claim | None) -> Looked:
    """Tokens are signed and checked by something that is set up, and something guards routes with it."""
    if not facts.has_code:
        return Looked("unknown", NO_CODE)
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
    if not tokens and guards:
        says = "routes are guarded; what signs and checks the tokens was not found"
        return Looked("partly", says, [seen_auth(part) for part in guards])
    if not tokens:
        problems = [no_auth("There is no authentication", [])] if facts.served else []
        return Looked("absent", "nothing signs or checks tokens", [], problems)
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
