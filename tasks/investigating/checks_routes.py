"""Checks of the backend's routes. Each is `(facts, claim) -> Looked`; the list is checks.py."""

import re
from collections import defaultdict

from database.investigation_models import Problem, Standing
from tasks.investigating.claims import Claim
from tasks.investigating.looking import MOST_EVIDENCE, Looked, Seen, count, listed, spans
from tasks.investigating.model import Facts, Place, Served

HEALTH = re.compile(r"/(health|healthz|ping|ready|live|metrics|version|ws)?$|/(docs|openapi\.json)$", re.IGNORECASE)
PATH = re.compile(
    r"(?:\b(GET|POST|PUT|PATCH|DELETE)\s+)?(?<![\w./:])(?!\S*\.[a-z]{1,5}\b)"
    r"(/(?:[A-Za-z_:{][\w/{}<>:.*-]*[\w}>*])?)(?=$|[\s,;)\"'?.:])"
)
"""A path that a claim names, with its method where that stands before it; a file's name is none."""
PARAMETER = re.compile(r":\w+|\{[^}]*\}|<[^>]*>")
ANSWERS = re.compile(r"\b(returns?|answers?|responds?|gives?|is|are)\b.{0,20}\b[1-5]\d\d\b", re.IGNORECASE)


def api_routes(facts: Facts, claim: Claim | None) -> Looked:
    """How many routes a request can reach, besides health and the like; of those that a claim names, if it does."""
    if claim and (named := PATH.findall(f"{claim.subject} {claim.text}")):
        return named_routes(facts, list(dict.fromkeys(named)), claim)
    real = [route for route in facts.served if not HEALTH.search(route.path)]
    on = [route for route in real if route.state == "enabled"]
    off = [route for route in real if route.state == "commented out"]
    lost = [route for route in real if route.state == "not mounted"]
    if not real:
        return Looked("unknown", "no routes of axum, FastAPI, Flask or Express were found" + because(facts))
    if not on and not off:
        why = f"{len(lost)} routes are in routers that nothing mounts in a way that can be followed"
        return Looked("unknown", why, seen_routes(lost))
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


def named_routes(facts: Facts, named: list[tuple[str, str]], claim: Claim) -> Looked:
    """The routes that a claim names by their paths, with a method or without."""
    having = {
        (method, path): [one for one in facts.served if method in ("", one.method) and same_path(one.path, path)]
        for method, path in named
    }
    found = [route for those in having.values() for route in those]
    if lacking := [f"{method} {path}".strip() for (method, path), those in having.items() if not those]:
        says = f"no route {listed(lacking)} is in the code"
        return Looked("partly" if found else "absent", says, seen_routes(found))
    on = [route for route in found if route.state == "enabled"]
    if on and ANSWERS.search(claim.text):
        says = "enabled in the code; what is answered there only `miyabi diagnose URL` tells"
        return Looked("unknown", f"{listed(distinct(on))}: {says}", seen_routes(on))
    told = [f"{one}: {listed(distinct(those))}" for one in ("enabled", "commented out", "not mounted")
            if (those := [route for route in found if route.state == one])]  # fmt: skip
    standing: Standing = "working" if len(on) == len(found) else "partly" if on else "absent"
    return Looked(standing, "; ".join(told), seen_routes(found))


def distinct(routes: list[Served]) -> list[str]:
    return list(dict.fromkeys(str(route) for route in routes))


def same_path(path: str, named: str) -> bool:
    """`/users/:id` and `/users/{id}` are one path, and `/users/*` is all below."""
    here, there = (PARAMETER.sub("{}", one).rstrip("/") or "/" for one in (path, named.removesuffix("*")))
    return here == there or (named.endswith("*") and here.startswith(f"{there}/"))


def because(facts: Facts) -> str:
    return "; what was not read is named below" if facts.unread else ""


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
    if not any(route.state == "enabled" for route in facts.served):
        return Looked("unknown", "no enabled route was found")
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
