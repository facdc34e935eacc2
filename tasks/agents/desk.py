"""Opening a desk: where the database is, connections to it, and a keeper for what is worked on at it.

An agent worker has one for its whole life; a flow run in a process of its own opens one for one execution.
"""

import os
import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from pydantic import SecretStr

from blocks.environment import Environment
from database.connection import dsn_from_url
from database.execution_log import LogWriter
from database.recorder import Recorder
from tasks.agents.context import Runner
from tasks.agents.execution import Desk
from tasks.agents.keeping import Keeper
from tasks.agents.keys import Keys
from tasks.agents.model_agents import close_models
from tasks.agents.runners import RUNNERS
from tasks.agents.settings import agent_settings
from tasks.agents.store import Store
from tasks.agents.waking import running, wake_on
from tasks.changes import Rollout
from tasks.secrets import database_dsn, read_secret


def dsn_of(environment: Environment, variables: Mapping[str, str] = os.environ) -> SecretStr:
    """The connection string: of the environment's own database, or of DATABASE_URL where that is set.

    Raises what reading the secret raises: before the first release there is none.
    """
    if url := variables.get("DATABASE_URL"):
        return SecretStr(dsn_from_url(url))
    return database_dsn(reading(environment))


def reading(environment: Environment) -> Rollout:
    """A hold on the environment that cannot write."""
    return Rollout(environment, environment.aws(planning=True))


def owner_name() -> str:
    """Who holds a lease: this machine, this process, and which of those that had its number."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


@asynccontextmanager
async def open_desk(
    environment: Environment, dsn: SecretStr, *, owner: str | None = None, runners: Mapping[str, Runner] = RUNNERS
) -> AsyncIterator[Desk]:
    """A desk at which leases are renewed as long as it is open."""
    settings, address, owner = agent_settings(environment.agents), dsn.get_secret_value(), owner or owner_name()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(close_models)
        store = await stack.enter_async_context(Store(address))
        recorder = await stack.enter_async_context(Recorder(address))
        log = await stack.enter_async_context(LogWriter(address))
        keeper = Keeper(store, owner, lease_s=settings.lease_s)
        await stack.enter_async_context(running(keeper.run()))
        await stack.enter_async_context(running(wake_on(address, {"agent_cancellations": keeper.look})))
        keys = Keys(partial(read_secret, reading(environment)))
        yield Desk(environment.name, owner, store, recorder, log, keeper, settings, runners, keys)
