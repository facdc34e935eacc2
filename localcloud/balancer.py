"""One address for several servers: `python -m localcloud.balancer PORT SERVER_PORT...`, run by the supervisor.

It passes bytes, so WebSockets too. A connection goes to the server that has the fewest of those that are well; a server
that refuses is passed over. When one dies its connections break, and Prefect's client asks again, through here. In
production a load balancer or nginx does this, with TLS (docs/scale-out.md).
"""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import uvloop

LOOK_EVERY_S, PATIENCE_S = 1.0, 2.0
CHUNK = 65_536
QUESTION = b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@dataclass
class Server:
    """One of them, on 127.0.0.1. `well` is what it was when asked last; `held` its connections now."""

    port: int
    well: bool = True
    held: int = 0


class Balancer:
    """Passes connections on to `servers`."""

    def __init__(self, ports: Sequence[int]) -> None:
        self.servers = [Server(port) for port in ports]

    def ranked(self) -> list[Server]:
        """Whom to try, in this order: those that are not well too, but last, since they may be well again."""
        return sorted(self.servers, key=lambda server: (not server.well, server.held))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client's connection, to its end."""
        for server in self.ranked():
            with suppress(OSError):
                to_server = await asyncio.open_connection("127.0.0.1", server.port)
                break
        else:
            writer.close()
            return
        server.held += 1
        try:
            await passed((reader, writer), to_server)
        finally:
            server.held -= 1

    async def look(self) -> None:
        """Ask every server, for ever, whether it is well: one that hangs accepts connections and does not answer."""
        while True:
            for server in self.servers:
                server.well = await is_well(server.port)
            await asyncio.sleep(LOOK_EVERY_S)


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def passed(client: Ends, server: Ends) -> None:
    """Pass bytes both ways until either side ends; then the other is closed, too."""
    ways = [asyncio.create_task(one_way(a[0], b[1])) for a, b in ((client, server), (server, client))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        for _, writer in (client, server):
            writer.close()


async def one_way(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()


async def is_well(port: int) -> bool:
    """Whether an API server answers 200."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(QUESTION)
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


async def balance(port: int, servers: Sequence[int]) -> None:
    """Until cancelled."""
    balancer = Balancer(servers)
    front = await asyncio.start_server(balancer.serve, "127.0.0.1", port)
    async with front, asyncio.TaskGroup() as group:
        group.create_task(front.serve_forever())
        group.create_task(balancer.look())


if __name__ == "__main__":
    port, *servers = map(int, sys.argv[1:])
    uvloop.run(balance(port, servers))
