"""Pages of a list by position, not by number: `X-Next-Cursor` of one answer is `cursor` of the next request.

A position is the sort key of the last row seen, which has to end in something unique (an id): then no row is shown
twice or left out, whatever is added meanwhile. It names its list, for another might take it for its own. Nobody takes a
cursor apart. `before` is its older name.
"""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Query, Request, Response

from api.errors import ApiError
from database.execution_rows import Cursor

T = TypeVar("T")


def whole(text: str) -> str:
    """Raises ValueError for half a surrogate pair, which JSON can hold and no database takes."""
    return text.encode().decode()


READERS: dict[type, Callable[[str], Any]] = {datetime: datetime.fromisoformat, UUID: UUID, str: whole, int: int}


@dataclass(frozen=True)
class Paging:
    """The page that a request asks for. Read `limit + 1` rows after `position(…)`, and let `page` cut them."""

    of: str
    cursor: str | None
    limit: int
    response: Response

    def position(self, *kinds: type) -> tuple[Any, ...] | None:
        """The sort key to go on from, whose parts are of these types; None for the first page."""
        return read_position(self.of, self.cursor, *kinds)

    def page(self, rows: list[T], position: Callable[[T], Sequence[Any]]) -> list[T]:
        """The rows to show; where there is one more, the answer says where the next page begins."""
        if len(rows) > self.limit:
            self.next(position(rows[self.limit - 1]))
        return rows[: self.limit]

    def next(self, position: Sequence[Any]) -> None:
        self.response.headers["X-Next-Cursor"] = write_position(self.of, *position)


def paging(
    request: Request,
    response: Response,
    cursor: Annotated[str | None, Query(max_length=1000, description="`X-Next-Cursor` of the page before")] = None,
    before: Annotated[str | None, Query(max_length=1000, deprecated=True, description="`cursor`")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Paging:
    return Paging(request.scope["route"].name, cursor if cursor is not None else before, limit, response)


CurrentPaging = Annotated[Paging, Depends(paging)]


def write_position(of: str, *values: Any) -> str:
    """Times in ISO 8601; everything else as its text."""
    parts = [of] + [value.isoformat() if isinstance(value, datetime) else str(value) for value in values]
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode()


def read_position(of: str, text: str | None, *kinds: type) -> tuple[Any, ...] | None:
    if text is None:
        return None
    try:
        its, *parts = json.loads(base64.urlsafe_b64decode(text.encode()))
        if its != of:
            raise ValueError(its)
        return tuple(READERS[kind](part) for kind, part in zip(kinds, parts, strict=True))
    except (binascii.Error, ValueError, TypeError, AttributeError, RecursionError):
        raise ApiError("validation_error", "cursor is not one of this list", status=422) from None


def read_cursor(paging: Paging) -> Cursor | None:
    """The position in a list that is sorted by time."""
    position = paging.position(datetime, UUID)
    return Cursor(*position) if position else None
