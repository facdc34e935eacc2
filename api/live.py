"""Who is connected to hear what happens: one listener for the process, and what it hears is handed to those who may.

A client has a queue of bounded length. One that reads too slowly for it is let go, and so is everybody when the
database is lost: a client that comes back with `since` has missed no line. What a user may read is looked up again
every few seconds. `api/live_socket.py` is the WebSocket around it.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from uuid import UUID

from starlette.concurrency import run_in_threadpool

from api.backend import Backend
from api.errors import ApiError, log_database_error
from api.frames import Frame, frames
from database import live
from database.live import Notice, Reach, Snapshot

DONE, TRY_AGAIN, EXPIRED, UNSEEN, TOO_SLOW = 1000, 1013, 4401, 4404, 4429
REASONS = {
    DONE: "the execution has ended",
    TRY_AGAIN: "the database was lost: connect again",
    EXPIRED: "the token has expired: connect again with another",
    UNSEEN: "you have no such execution any more",
    TOO_SLOW: "frames were not read as fast as they came: connect again",
}
TRUSTED_S = 10.0
"""How old may be what is known of somebody's permissions."""
NOBODY = Reach(frozenset(), frozenset())


@dataclass(frozen=True)
class Bounds:
    """Of a process: connections in all and of one user, and the frames that may wait for a client."""

    connections: int = 1000
    each: int = 20
    waiting: int = 1000


@dataclass(eq=False)
class Client:
    """A connection, and what it wants to hear: everything, or what concerns one execution; of some types, or all."""

    user_id: UUID
    types: frozenset[str]
    execution_id: UUID | None = None
    since: int = 0

    def __post_init__(self) -> None:
        self.closed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.reach = NOBODY
        self.seen: Snapshot | None = None
        self.queue: asyncio.Queue[Frame] = asyncio.Queue()

    def close(self, code: int) -> None:
        if not self.closed.done():
            self.closed.set_result(code)

    def wants(self, frame: Frame) -> bool:
        if self.execution_id is None:
            return frame.type in self.types and frame.type not in ("log_entry", "execution_complete")
        told = frame.type in self.types or frame.type == "execution_complete"  # which ends it, told or not
        return told and frame.execution_id == self.execution_id

    def is_new(self, frame: Frame) -> bool:
        """False for what was sent already: a line, or what led to the status that was told. What is new is not new
        again."""
        if self.seen and frame.transaction and self.seen.shows(frame.transaction):
            return False
        if frame.sequence and frame.sequence <= self.since:
            return False
        self.since = max(self.since, frame.sequence)
        return True


class Hub:
    """The clients of a process. It listens while there is one."""

    def __init__(
        self, backend: Backend, *, bounds: Bounds = Bounds(), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._backend, self._bounds, self._clock = backend, bounds, clock
        self._clients: set[Client] = set()
        self._followed: dict[UUID, int] = {}
        self._listening: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[None] | None = None
        self._known_at = 0.0

    @contextlib.asynccontextmanager
    async def joined(self, client: Client) -> AsyncIterator[None]:
        """From here on the client's queue gets what it wants to hear. Raises ApiError where there is no room."""
        self._admit(client)
        self._clients.add(client)
        try:
            if self._listening is None:
                self._ready = asyncio.get_running_loop().create_future()
                self._listening = asyncio.create_task(self._listen(self._ready))
            assert self._ready is not None
            await asyncio.shield(self._ready)
            await self._learn([client])
            yield
        finally:
            self._leave(client)

    def follow(self, client: Client) -> None:
        """Hand out the lines of this client's execution too, those after what it has got so far."""
        assert client.execution_id is not None
        self._followed.setdefault(client.execution_id, client.since)

    def _admit(self, client: Client) -> None:
        own = Counter(other.user_id for other in self._clients)[client.user_id]
        if len(self._clients) >= self._bounds.connections:
            raise ApiError("server_error", "There are too many live connections; try again in a moment", status=503)
        if own >= self._bounds.each:
            raise ApiError("rate_limited", f"You have {own} live connections already; close one")

    def _leave(self, client: Client) -> None:
        self._clients.discard(client)
        if not any(other.execution_id == client.execution_id for other in self._clients):
            self._followed.pop(client.execution_id, None)  # type: ignore[arg-type]
        if not self._clients and self._listening is not None:
            self._listening.cancel()
            self._listening = None

    async def _listen(self, ready: asyncio.Future[None]) -> None:
        try:
            async for notices in live.listen(await run_in_threadpool(self._backend.dsn, fresh=True)):
                if not ready.done():
                    ready.set_result(None)
                await self._tell(notices)
        except Exception as error:  # whatever it is, nobody hears anything any more
            log_database_error(error)
            self._listening = None
            if not ready.done():
                ready.set_exception(error)
            for client in self._clients:
                client.close(TRY_AGAIN)

    async def _tell(self, notices: list[Notice]) -> None:
        if self._clock() - self._known_at > TRUSTED_S:
            self._known_at = self._clock()
            await self._learn(list(self._clients))
        if notices:
            everything, since = any(client.execution_id is None for client in self._clients), dict(self._followed)
            found = await run_in_threadpool(self._look_up, notices, since, everything)
            self._followed.update({id: seen for id, seen in since.items() if id in self._followed})
            for frame in found:
                self._hand_out(frame)

    def _look_up(self, notices: list[Notice], since: dict[UUID, int], everything: bool) -> list[Frame]:
        with self._backend.pool.connection() as connection:
            found = live.look_up(connection, notices, since=since, everything=everything)
            return [frame for happened in found for frame in frames(happened)]

    def _hand_out(self, frame: Frame) -> None:
        for client in self._clients:
            if client.wants(frame) and frame.is_for(client.user_id, client.reach):
                if client.queue.qsize() >= self._bounds.waiting:
                    client.close(TOO_SLOW)
                else:
                    client.queue.put_nowait(frame)

    async def _learn(self, clients: list[Client]) -> None:
        reach = await run_in_threadpool(self._reach_of, {client.user_id for client in clients})
        for client in clients:
            client.reach = reach[client.user_id]

    def _reach_of(self, users: set[UUID]) -> dict[UUID, Reach]:
        with self._backend.pool.connection() as connection:
            return live.reach_of(connection, users)
