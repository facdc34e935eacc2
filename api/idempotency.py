"""`Idempotency-Key` on requests that make something: sent twice, it is made once, and both hear the same.

    @router.post("", status_code=201)
    def create_task(body: NewTask, access: …, creation: CurrentCreation) -> Task:
        return creation.once(lambda connection: tasks.create(connection, access.user_id, body), show=OneTask)

The answer has the new row's `ETag` and `Location`, which is relative: a gateway may have put a prefix before our path.
The key is the user's own. The same key with another request (route, query or body) is 422; the answer to a repeated
request says `Idempotency-Replayed: true`. Without a key the work is done, in one transaction too.
"""

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Annotated, Any, TypeVar, overload

import psycopg
from fastapi import Depends, Header, Request, Response
from pydantic import TypeAdapter

from api.backend import Backend, CurrentBackend
from api.errors import ApiError
from api.etags import R, changes_nothing, is_conditional, tag
from api.permissions import CurrentCaller
from database import idempotency
from database.idempotency import KeyReused
from database.pool import Connection

T = TypeVar("T")
Key = Annotated[str | None, Header(min_length=1, max_length=255)]


@dataclass(frozen=True)
class Creation:
    """A request that makes something; `claim` is None if it has no key. What a handler writes into the answer's status
    and headers is kept too."""

    backend: Backend
    claim: idempotency.Request | None
    response: Response
    status: int
    collection: str
    is_conditional: bool

    @overload
    def once(self, make: Callable[[Connection], R], *, at: Callable[[R], str] | None = None) -> R: ...
    @overload
    def once(
        self, make: Callable[[Connection], R], *, show: Callable[[R], T], at: Callable[[R], str] | None = None
    ) -> T: ...
    def once(
        self, make: Callable[[Connection], Any], *, show: Any = None, at: Callable[[Any], str] | None = None
    ) -> Any:
        """The row that `make` gives, or gave before, as `show` shows it. It is called in a transaction, with its
        connection. `at` is the row's place beside this request's path; without it, its id below that."""

        def work(connection: Connection) -> Any:
            row = tag(self.response, make(connection))
            self.response.headers["Location"] = at(row) if at else f"{self.collection}/{row.id}"
            return show(row) if show else row

        with self.backend.pool.connection() as connection, connection.transaction():
            made = self._keyed(connection, self.claim, work) if self.claim else work(connection)
            if self.is_conditional:  # taken back: what else refuses the request is told first
                raise changes_nothing()
            return made

    def _keyed(self, connection: Connection, claim: idempotency.Request, make: Callable[[Connection], Any]) -> Response:
        try:
            known = idempotency.claim(connection, claim)
        except psycopg.errors.ForeignKeyViolation:
            raise ApiError("authentication_error", "The account no longer exists") from None
        except KeyReused:
            text = "This Idempotency-Key was used for another request"
            raise ApiError("idempotency_key_reused", text) from None
        if known:
            return answer(known.status, {**known.headers, "Idempotency-Replayed": "true"}, known.body)
        made = make(connection)
        status, body = self.response.status_code or self.status, dumped(made)
        headers = {name: value for name, value in self.response.headers.items() if name != "content-length"}
        idempotency.answer(connection, claim, status=status, headers=headers, body=body)
        return answer(status, headers, body)


async def creation(
    request: Request,
    response: Response,
    caller: CurrentCaller,
    backend: CurrentBackend,
    idempotency_key: Key = None,
) -> Creation:
    claim = None
    if idempotency_key is not None:
        claim = idempotency.Request(caller.user_id, idempotency_key, fingerprint(request, await request.body()))
    route, collection = request.scope["route"], request.url.path.rpartition("/")[2]
    return Creation(backend, claim, response, route.status_code or 200, collection, is_conditional(request))


CurrentCreation = Annotated[Creation, Depends(creation)]


def fingerprint(request: Request, body: bytes) -> bytes:
    """The same for the same JSON, however it is written."""
    with contextlib.suppress(ValueError, RecursionError):  # FastAPI will refuse it
        body = json.dumps(json.loads(body), sort_keys=True).encode()
    asked = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    return blake2b(asked + body, digest_size=16).digest()


def answer(status: int, headers: dict[str, str], body: str) -> Response:
    return Response(body, status_code=status, headers=headers, media_type="application/json")


def dumped(made: Any) -> str:
    kind: Any = type(made)
    return adapter(kind).dump_json(made).decode()


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
