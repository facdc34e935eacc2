"""`python -m deployments.agents`: the process that runs agents of one environment, for as long as it is left alone.

It has two roles, and any number of such processes may share them: `work` runs the agents that need no process of their
own (agent_worker.py), `dispatch` hands the others to Prefect's work pool and cleans up after those that died
(dispatcher.py). It waits for what is not there yet: Prefect, the environment, its first release, its database. SIGTERM
gives back what runs and ends.
"""

import argparse
import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar

import httpx
import psycopg
from pydantic import SecretStr

from blocks.environment import Environment
from deployments.agent_runs import RunClient, quick_client
from deployments.agent_worker import AgentWorker
from deployments.beating import Beating
from deployments.dispatcher import Dispatcher
from tasks.agents.context import Runner
from tasks.agents.desk import dsn_of, open_desk
from tasks.agents.execution import Desk
from tasks.agents.runners import RUNNERS
from tasks.agents.store import Away, Store
from tasks.agents.waking import running, wake_on

logger = logging.getLogger("deployments.agents")
T = TypeVar("T")
Role = Literal["work", "dispatch"]
PAUSE_S, ADDRESS_S = 2.0, 15.0


class Player(Protocol):
    """A role while it is played."""

    def look(self) -> None: ...
    def stop(self) -> None: ...
    async def run(self) -> None: ...


PLAYERS: Mapping[Role, Callable[[Desk, RunClient, str], Player]] = {"work": AgentWorker, "dispatch": Dispatcher}


class NotYet(Exception):
    """Something that this process needs is not there; the message says what."""


class Moved(Exception):
    """The database is elsewhere. A new process finds it."""


async def find_database(name: str) -> tuple[Environment, SecretStr]:
    """The environment and a connection string that works, to a database that has the tables. Raises NotYet."""
    try:
        environment = await Environment.aload(name)
    except (ValueError, RuntimeError, httpx.HTTPError) as error:
        raise NotYet(f"the environment {name!r}: {error}") from error
    try:
        dsn = await asyncio.to_thread(dsn_of, environment)
    except Exception as error:  # whatever AWS, its absence or the secret says: it is said, and asked again
        raise NotYet(f"the database's address: {error}") from error
    try:
        async with await psycopg.AsyncConnection.connect(dsn.get_secret_value()) as connection:
            found = await (await connection.execute("SELECT to_regclass('execution_steps') IS NOT NULL")).fetchone()
    except psycopg.Error as error:
        raise NotYet(f"the database: {error}") from error
    if found != (True,):
        raise NotYet("the tables: run `miyabi release` or `miyabi migrate`")
    return environment, dsn


async def found_database(name: str) -> tuple[Environment, SecretStr]:
    """Wait for it. What is missing is said once."""
    said = ""
    while True:
        try:
            return await find_database(name)
        except NotYet as missing:
            if str(missing) != said:
                logger.info("waiting for %s", said := str(missing))
            await asyncio.sleep(PAUSE_S)


async def serve(name: str, roles: Sequence[Role], stopping: asyncio.Event, runners: Mapping[str, Runner]) -> None:
    """Play the roles until `stopping` is set."""
    async with quick_client() as client:
        if (found := await unless(stopping, found_database(name))) is None:
            return
        environment, dsn = found
        async with open_desk(environment, dsn, runners=runners) as desk:
            players = [PLAYERS[role](desk, client, name) for role in roles]
            logger.info("%s is here, to %s", desk.owner, " and ".join(roles))
            async with (
                running(watch_address(environment, dsn, desk.store)),
                running(Beating(desk, client, roles).run()),
            ):
                await play(players, dsn, stopping)


async def watch_address(environment: Environment, dsn: SecretStr, store: Store) -> None:
    """Raise Moved once the database is away and its secret says another address or password than we have."""
    while True:
        await asyncio.sleep(ADDRESS_S)
        try:
            async with store.connection() as connection:
                await connection.execute("SELECT 1")
        except Away:
            try:
                now = await asyncio.to_thread(dsn_of, environment)
            except Exception as error:  # AWS is away, too; in a while we look again
                logger.info("the database is away, and its address cannot be read: %s", error)
            else:
                if now != dsn:
                    raise Moved("the database has another address or password now") from None


async def unless(stopping: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of the work; None, and the work ended, if it is time to stop."""
    task, stop = asyncio.ensure_future(work), asyncio.ensure_future(stopping.wait())
    await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if task.done():
        return await task
    task.cancel()
    await asyncio.wait({task})
    return None


async def play(players: Sequence[Player], dsn: SecretStr, stopping: asyncio.Event) -> None:
    """Run them side by side, woken by the database; when told to stop, let each end as it should."""

    def wake() -> None:
        for player in players:
            player.look()

    async with running(wake_on(dsn.get_secret_value(), {"agent_executions": wake})), asyncio.TaskGroup() as group:
        for player in players:
            group.create_task(player.run())
        await stopping.wait()
        for player in players:
            player.stop()


class Loop(threading.Thread):
    """The event loop, beside the main thread: there Prefect's engine would take over SIGTERM."""

    def __init__(self, name: str, roles: Sequence[Role], runners: Mapping[str, Runner]) -> None:
        super().__init__(name="agents")
        self.failed = False
        self._loop, self._stopping = asyncio.new_event_loop(), asyncio.Event()
        self._work = serve(name, roles, self._stopping, runners)

    def run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._work)
        except Exception:
            logger.exception("this process cannot go on")
            self.failed = True

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)


def main(arguments: Sequence[str] | None = None, *, runners: Mapping[str, Runner] = RUNNERS) -> int:
    """Serve until SIGTERM or SIGINT. Exit code 1: something is wrong that a new process may not have."""
    parser = argparse.ArgumentParser(prog="python -m deployments.agents")
    parser.add_argument("--environment", default=os.environ.get("MIYABI_ENVIRONMENT") or "local")
    parser.add_argument("--roles", default=",".join(PLAYERS), type=roles_of, help="work, dispatch, or both")
    given = parser.parse_args(arguments)
    logging.getLogger("deployments").setLevel(logging.INFO)  # Prefect has set up the rest
    loop = Loop(given.environment, given.roles, runners)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.stop())
    loop.start()
    loop.join()
    return int(loop.failed)


def roles_of(text: str) -> list[str]:
    if unknown := sorted(set(text.split(",")) - set(PLAYERS)):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(PLAYERS)}")
    return text.split(",")


if __name__ == "__main__":
    raise SystemExit(main())
