"""Where a page of a list ended, in a form that nobody takes apart: `X-Next-Cursor` of one answer, `before` of the next
request.
"""

import base64
import binascii
from datetime import datetime
from uuid import UUID

from api.errors import ApiError
from database.execution_rows import Cursor


def write_cursor(last: Cursor) -> str:
    return base64.urlsafe_b64encode(f"{last.created_at.isoformat()} {last.id}".encode()).decode()


def read_cursor(text: str | None) -> Cursor | None:
    if text is None:
        return None
    try:
        created_at, _space, row_id = base64.urlsafe_b64decode(text.encode()).decode().partition(" ")
        return Cursor(datetime.fromisoformat(created_at), UUID(row_id))
    except (binascii.Error, ValueError):
        raise ApiError("validation_error", "before is not a cursor of this list", status=422) from None
