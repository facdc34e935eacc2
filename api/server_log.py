"""Makes one log of ours and that of the server under us (uvicorn), and keeps out of its lines what must not be there:
tokens, and errors that are none.

It writes the address of a request as the ASGI scope has it when the answer begins. What it holds gets no query, and of
the path nothing that is as long as a token; the application has a copy of what was really asked.
"""

import asyncio
import contextlib
import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.logs import log_json

LIKE_A_TOKEN = re.compile(r"[^/]{40,}")
"""UUIDs, and all names in our paths, are shorter."""
GOODBYE_S = 2.0


class ServerLog:
    """ASGI middleware, the outermost: it is the server's own scope that is changed."""

    def __init__(self, app: ASGIApp, *, level: str) -> None:
        self.app, self.level = app, level

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":  # a server starts: it has set up its own log by now
            log_json(self.level)
            await self.app(scope, receive, send)
            return
        asked = dict(scope)
        scope["query_string"], scope["path"] = b"", LIKE_A_TOKEN.sub("hidden", scope["path"])
        if scope["type"] == "http":
            await self.app(asked, receive, send)
        else:
            await handshake(self.app, asked, receive, send)


async def handshake(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """uvicorn takes a refused handshake for an error if we return before the client is gone."""
    is_refused = False

    async def sent(message: Message) -> None:
        nonlocal is_refused
        is_refused = is_refused or message["type"] == "websocket.http.response.body"
        await send(message)

    await app(scope, receive, sent)
    ends = 2 * is_refused  # that we have closed it, and that it is closed
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GOODBYE_S):
            while ends > 0:
                ends -= (await receive())["type"] == "websocket.disconnect"
