"""A model on this machine: it speaks the wire formats of Anthropic (Messages) and OpenAI (Chat Completions, Responses).

It answers with what the test wrote down, a turn for each request; when nothing is left, it fills in the form that the
request asks for with the least that its JSON schema allows. It can be run by itself, too:
`python -m tests.model_server --port 8500 --delay 5`, with MIYABI_AGENT_MODEL=openai:any and
MIYABI_AGENT_MODEL_BASE_URL=http://127.0.0.1:8500/v1 in the agent worker's environment.

    async with ModelServer([call("read_file", path="a.md"), hang(), refuse(529)]) as server:
"""

import argparse
import asyncio
import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from tests.model_wires import WIRES, Asked, Call, Text, Turn, Wire


@dataclass(frozen=True)
class Reply:
    """How one request is answered: with a turn of the model, an error, or bytes as they are."""

    turn: Turn | None = None
    status: int = 200
    error: str = ""
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    after_s: float = 0.0
    instead: Literal["answer", "hang", "hang up", "flood"] = "answer"


def say(*texts: str, **kind: Any) -> Reply:
    """Words, where a form was asked for."""
    return Reply(Turn(tuple(Text(text) for text in texts), **kind))


def fill(**fields: Any) -> Reply:
    """The form, filled in with these fields; the rest as the schema asks."""
    return Reply(Turn(form=fields))


def call(tool: str, **arguments: Any) -> Reply:
    return Reply(Turn((Call(tool, arguments),)))


def calls(*wanted: Call) -> Reply:
    return Reply(Turn(tuple(wanted)))


def refuse(status: int, message: str = "no", **headers: str) -> Reply:
    """An error as the server's protocol writes it."""
    return Reply(status=status, error=message, headers={k.replace("_", "-"): v for k, v in headers.items()})


def raw(body: bytes, status: int = 200, **headers: str) -> Reply:
    return Reply(status=status, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})


def hang() -> Reply:
    return Reply(instead="hang")


def hang_up() -> Reply:
    return Reply(instead="hang up")


def flood() -> Reply:
    """A body that does not end."""
    return Reply(instead="flood")


class ModelServer:
    """Listens on 127.0.0.1 while the block runs. `requests` are those seen; `key`, if given, is asked for."""

    def __init__(self, replies: Sequence[Reply] = (), *, key: str = "", delay_s: float = 0.0, port: int = 0) -> None:
        self.replies, self.key, self.delay_s, self.port = list(replies), key, delay_s, port
        self.requests: list[Asked] = []
        self.connections: set[asyncio.StreamWriter] = set()
        self.at_once = self.most_at_once = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1024, limit=2**20)
        self.port = self._server.sockets[0].getsockname()[1]
        self._ended = asyncio.Event()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ended.set()
        self._server.close()
        for writer in list(self.connections):
            writer.close()
        while self.connections:
            await asyncio.sleep(0.001)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.add(writer)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            self.connections.discard(writer)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        path = head.split()[1]
        wire = next((known for end, known in WIRES.items() if path.partition("?")[0].endswith(end)), None)
        if wire is None:
            return await self._send(writer, 404, json.dumps({"error": {"message": f"no {path}"}}).encode(), {})
        asked = wire.read(headers, json.loads(body))
        self.requests.append(asked)
        return await self._answer(writer, wire, asked)

    async def _answer(self, writer: asyncio.StreamWriter, wire: Wire, asked: Asked) -> bool:
        reply = self.replies.pop(0) if self.replies else fill()
        if self.key and asked.key != self.key:  # OpenAI does repeat the key
            reply = refuse(401, f"Incorrect API key provided: {asked.key}")
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(reply.after_s or self.delay_s)
        finally:
            self.at_once -= 1
        if reply.instead == "hang":
            await self._ended.wait()
        if reply.instead == "flood":
            await self._flood(writer)
        if reply.instead != "answer":
            return False
        body = reply.body if reply.body is not None else json.dumps(self._content(wire, asked, reply)).encode()
        return await self._send(writer, reply.status, body, reply.headers)

    def _content(self, wire: Wire, asked: Asked, reply: Reply) -> Any:
        return wire.error(reply.status, reply.error) if reply.turn is None else wire.write(asked, reply.turn)

    async def _send(self, writer: asyncio.StreamWriter, status: int, body: bytes, headers: Mapping[str, str]) -> bool:
        named = {"content-type": "application/json", **headers, "content-length": str(len(body))}
        head = [f"HTTP/1.1 {status} x", *(f"{name}: {value}" for name, value in named.items()), "", ""]
        writer.write("\r\n".join(head).encode("latin-1") + body)
        await writer.drain()
        return True

    async def _flood(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 x\r\ncontent-type: application/json\r\n\r\n[")
        while not self._ended.is_set():
            writer.write(b'"' + b"x" * 65536 + b'",')
            await writer.drain()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    options = parser.parse_args()
    async with ModelServer(port=options.port, delay_s=options.delay) as server:
        print(server.url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
