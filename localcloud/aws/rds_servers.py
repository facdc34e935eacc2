"""The PostgreSQL servers behind the DB instances: the embedded one, and one each for those that cannot share it.

A server has one role and one database of a name. An instance that is restored keeps the names of the one it comes
from, so beside that one it needs a server of its own. Its data are below `<home>/instances/`.
"""

import logging
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from localcloud.postgres import Postgres

logger = logging.getLogger(__name__)


class Server(Protocol):
    """A PostgreSQL that runs."""

    @property
    def home(self) -> Path: ...

    @property
    def port(self) -> int: ...

    def dsn(self, dbname: str = "postgres") -> str: ...


class Servers:
    """Who serves which instance."""

    def __init__(self, shared: Server, home: Path) -> None:
        self.shared = shared
        self._folder = home / "instances"
        self._own: dict[str, Postgres] = {}
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="rds-servers")  # Linux ends a server with its thread

    def of(self, identifier: str) -> Server:
        return self._own.get(identifier, self.shared)

    def all(self) -> list[Server]:
        return [self.shared, *self._own.values()]

    def start_own(self, identifier: str) -> Server:
        """The instance's own server, running; its data are made, or are those of before."""
        if identifier not in self._own:
            server = Postgres(self._folder / identifier, dies_with_thread=True, certified_as=self.shared.home)
            self._starter.submit(server.start).result()
            self._own[identifier] = server
        return self._own[identifier]

    def end_own(self, identifier: str) -> None:
        """Stop the instance's own server and delete its data."""
        if server := self._own.pop(identifier, None):
            server.stop()
        shutil.rmtree(self._folder / identifier, ignore_errors=True)

    def stop(self) -> None:
        """Stop all servers that are not shared; their data stay."""
        while self._own:
            self._own.popitem()[1].stop()
        self._starter.shutdown()
