"""What every answer carries for a browser's sake. The API answers JSON, which loads, frames and runs nothing.

And how it is packed.
"""

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Message, Receive, Scope, Send

YEAR_S = 365 * 24 * 3600
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def make_safe(scope: Scope, start: Message) -> None:
    """Write the headers that the answer does not have."""
    headers = MutableHeaders(scope=start)
    for name, value in SAFE.items():
        headers.setdefault(name, value)
    if is_https(scope):
        headers.setdefault("Strict-Transport-Security", f"max-age={YEAR_S}")


NO_GZIP = re.compile(r"\bgzip\s*;\s*q=0(\.0*)?\s*(,|$)", re.IGNORECASE)


class Packing(GZipMiddleware):
    """ASGI middleware. Starlette's takes `gzip;q=0`, which says that the caller cannot read it, for a wish."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and NO_GZIP.search(Headers(scope=scope).get("accept-encoding", "")):
            others = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
            scope = {**scope, "headers": others}
        await super().__call__(scope, receive, send)


def is_https(scope: Scope) -> bool:
    """API Gateway, or another proxy, says how the caller came."""
    return Headers(scope=scope).get("x-forwarded-proto", scope.get("scheme", "http")) == "https"
