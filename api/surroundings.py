"""What every answer carries for a browser's sake. The API answers JSON, which loads, frames and runs nothing."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Scope

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


def is_https(scope: Scope) -> bool:
    """API Gateway, or another proxy, says how the caller came."""
    return Headers(scope=scope).get("x-forwarded-proto", scope.get("scheme", "http")) == "https"
