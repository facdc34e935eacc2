"""What is watched around a load test: the database's connections, and the function's cold starts.

Both in one thread, beside the engine's process. Trouble with watching is told in the report and does not end the test.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from botocore.exceptions import BotoCoreError, ClientError

from database.load_runs import count_connections
from database.migration_connect import connect
from database.migration_errors import MigrationError
from tasks.changes import Rollout
from tasks.errors import MiyabiError
from tasks.loading.apart import ColdStart, cold_start
from tasks.secrets import database_dsn

logger = logging.getLogger(__name__)

EVERY_S = 1.0
LOOKS_S = (1.0, 3.0, 8.0, 20.0)
"""When the log is read, since the start; then every `LOOKS_S[-1]`. The embedded cloud keeps the last lines alone."""
SETTLE_S, SETTLE_ON_AWS_S = 1.5, 12.0
"""So long after the request its line is in the log."""
UNREACHABLE = (psycopg.Error, MigrationError, MiyabiError, ClientError, BotoCoreError)


class Surroundings:
    """What was seen so far. Times are since the epoch."""

    def __init__(self, rollout: Rollout, *, clock: Callable[[], float] = time.time) -> None:
        self.rollout, self.clock, self.began_at = rollout, clock, clock()
        self.connections: list[tuple[float, int, int]] = []
        """(when, of the whole server, to this database)"""
        self.most: int | None = None
        self.starts: dict[str, ColdStart] = {}
        self.trouble: dict[str, str] = {}
        self.ended = threading.Event()

    def watch(self) -> None:
        """Until `ended`."""
        looks = list(LOOKS_S)
        try:
            with connect(database_dsn(self.rollout).get_secret_value(), patience=3.0) as connection:
                while not self.ended.is_set():
                    self._count(connection)
                    self._look_if_due(looks)
                    self.ended.wait(EVERY_S)
        except UNREACHABLE as error:
            self.trouble["connections"] = str(error).splitlines()[0]
            logger.warning("the database's connections are not watched: %s", error)
        while not self.ended.wait(EVERY_S):
            self._look_if_due(looks)

    def _count(self, connection: "psycopg.Connection[object]") -> None:
        seen = count_connections(connection)
        self.connections.append((self.clock(), seen.all, seen.here))
        self.most = seen.most

    def _look_if_due(self, looks: list[float]) -> None:
        if self.clock() - self.began_at >= looks[0]:
            looks[:] = looks[1:] or [looks[0] + LOOKS_S[-1]]
            self.look()

    def look(self) -> None:
        """Note the cold starts that the function's log tells of."""
        logs, names = self.rollout.aws("logs"), self.rollout.environment.names
        try:
            pages = logs.get_paginator("filter_log_events").paginate(
                logGroupName=names.function_logs,
                startTime=int(1000 * self.began_at),
                filterPattern='"Init Duration"',
            )
            for event in (event for page in pages for event in page["events"]):
                if start := cold_start(event["message"], event["timestamp"]):
                    self.starts[start.request_id] = start
        except UNREACHABLE as error:
            self.trouble["cold starts"] = str(error)
            logger.warning("cold starts are not counted: %s", error)


@contextmanager
def watched(rollout: Rollout, *, sleep: Callable[[float], None] = time.sleep) -> Iterator[Surroundings]:
    """Around a load test; all of what was seen is there at the end."""
    surroundings = Surroundings(rollout)
    thread = threading.Thread(target=surroundings.watch, daemon=True)
    thread.start()
    try:
        yield surroundings
        sleep(SETTLE_S if rollout.environment.endpoint else SETTLE_ON_AWS_S)
        surroundings.look()
    finally:
        surroundings.ended.set()
        thread.join(timeout=10.0)
