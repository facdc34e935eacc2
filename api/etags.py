"""An answer that the caller has already is not sent again: `ETag`, `If-None-Match` and 304, for whatever GET answers
in JSON. A page that asks every few seconds mostly hears that nothing has changed.
"""

from hashlib import blake2b

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class ETags:
    """ASGI middleware. An answer in several parts, such as a stream, is let through as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        known = Headers(scope=scope).get("if-none-match", "")
        held: Message | None = None

        async def answer(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start" and is_json(message):
                held = message
                return
            if held is not None:
                start, held = held, None
                message = tagged(start, message, known)
                await send(start)
            await send(message)

        await self.app(scope, receive, answer)


def is_json(start: Message) -> bool:
    return start["status"] == 200 and Headers(raw=start["headers"]).get("content-type", "") == "application/json"


def tagged(start: Message, body: Message, known: str) -> Message:
    """Write the tag into the answer's start. The body to send: none, and 304, if the caller knows the tag."""
    if body.get("more_body"):
        return body
    headers = MutableHeaders(raw=start["headers"])
    tag = headers["ETag"] = f'"{blake2b(body["body"], digest_size=12).hexdigest()}"'
    if tag not in known:
        return body
    start["status"] = 304
    del headers["content-type"], headers["content-length"]
    return {**body, "body": b""}
