"""What a route does not know is refused, not passed over: a misspelt filter would show everything, and a misspelt field
change nothing; a condition that nobody looks at protects nothing.

One dependency of the whole application looks at the query, at what kind of body there is and at If-Match; unknown
fields and wrong types in a body are the models' (`api.bodies.Body`).
"""

from collections import Counter
from collections.abc import Set

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from starlette.datastructures import QueryParams
from starlette.requests import HTTPConnection

from api.errors import ApiError
from api.etags import Changes, changes_nothing, is_conditional
from api.idempotency import creation
from api.permissions import BEARER, current_caller, tree

READS = {"GET", "HEAD"}
NOTHING = {b"", b"{}", b"null"}
"""Bodies that say nothing: clients send one with any POST."""


async def lenient() -> None:
    """Declares that a route takes whatever stands in its query: somebody else writes it, and may add to it."""


Lenient = Depends(lenient)


async def strictly(connection: HTTPConnection) -> None:
    """Raises ApiError: 422 for what the route does not know, 415 for a body that is not JSON, 412 for a tag of a row
    that the request does not change."""
    if not isinstance(connection, Request):  # a socket: api/live_socket.py
        return
    route: APIRoute = connection.scope["route"]
    if connection.query_params:
        refuse_query(route, connection)
    await refuse_bodies(route, connection)
    if connection.method not in READS:
        await refuse_conditions(route, connection)


def refuse_query(route: APIRoute, request: Request) -> None:
    parts = [route.dependant, *tree(route.dependant)]
    known = {field.alias for part in parts for field in part.query_params}
    if any(part.call is lenient for part in parts):
        return
    if problems := problems_of(request.query_params, known):
        raise ApiError("validation_error", f"{len(problems)} problem(s) in the request", status=422, details=problems)


def problems_of(query: QueryParams, known: Set[str]) -> list[dict[str, str]]:
    """Parameters that there are not, and those that are given twice: no parameter of ours is a list."""
    there_are = f"there are {', '.join(sorted(known))}" if known else "this route has none"
    wrong = {
        name: "it is given more than once" if name in known else f"no such parameter; {there_are}"
        for name, times in Counter(name for name, _value in query.multi_items()).items()
        if times > 1 or name not in known
    }
    return [{"field": f"query.{name[:100]}", "problem": problem} for name, problem in wrong.items()]


async def refuse_bodies(route: APIRoute, request: Request) -> None:
    body = await request.body()
    if route.body_field is None:
        if body.strip() not in NOTHING:
            raise ApiError("validation_error", "This request takes no body", status=422)
    elif body and not is_json(request.headers.get("content-type", "")):
        raise ApiError("unsupported_media_type", "Send the body as JSON, with Content-Type: application/json")


async def refuse_conditions(route: APIRoute, request: Request) -> None:
    """What changes or makes a row looks at If-Match itself, once it is sure that it would do it."""
    calls: list[object] = [part.call for part in tree(route.dependant)]
    if not is_conditional(request) or creation in calls or any(isinstance(call, Changes) for call in calls):
        return
    if current_caller in calls:
        current_caller(await BEARER(request), request.app.state.backend)
    raise changes_nothing()


def is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
