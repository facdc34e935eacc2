"""An RDS instance in time: creating → backing-up → available, and every other transition, with its real work.

A transition is a status and a thread that does the work, waits until the transition has lasted long enough, and sets
the status that follows. The status is saved, so a cloud that starts again goes on with it.
"""

import json
import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import psycopg

from localcloud.aws.rds_postgres import DEFAULT_DATABASE, Databases
from localcloud.aws.rds_snapshots import Snapshots

logger = logging.getLogger(__name__)

GONE = "deleted"
DONE = {"stopping": "stopped", "deleting": GONE}
"""The status after a transition, where it is not `available`."""
Writing = Callable[[str], AbstractContextManager[None]]


class Lifecycle:
    """The transitions of the instances of one cloud. `lasting` is in seconds."""

    def __init__(
        self, databases: Databases | None, snapshots: Snapshots | None, *, writing: Writing, lasting: float
    ) -> None:
        self.databases, self.snapshots = databases, snapshots
        self._writing, self._lasting = writing, lasting
        self._work: dict[str, Callable[[Any], None]] = {
            "creating": self._create,
            "resetting-master-credentials": self._ensure,
            "rebooting": self._reboot,
            "starting": self._start,
            "stopping": self._stop,
            "deleting": self._delete,
            "modifying": _nothing,
            "upgrading": _nothing,
        }
        self._one_at_a_time = threading.RLock()
        self._threads: list[threading.Thread] = []
        self._interrupted = threading.Event()

    def begin(self, database: Any, status: str) -> None:
        """Start a transition."""
        database.status = status
        self._start_thread(f"rds-{status}", self._run, database, status)

    def take(self, snapshot: Any) -> None:
        """Take what a snapshot holds, at once: it is of the moment of the call. It is available a little later."""
        if self.snapshots:
            with self._one_at_a_time:
                self.snapshots.take(snapshot.db_snapshot_identifier, snapshot.db_instance_identifier)
        snapshot.status = "creating"
        self._start_thread("rds-snapshot", self._finish, snapshot)

    def _finish(self, snapshot: Any) -> None:
        if not self._interrupted.wait(self._lasting):
            self._move(snapshot, "creating", "available")

    def _start_thread(self, name: str, work: Callable[..., None], *arguments: Any) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=work, args=arguments, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def resume(self, backend: Any) -> None:
        """After a start: go on with what was interrupted, and make sure of what should be there."""
        for database in list(backend.databases.values()):
            status = "creating" if database.status == "backing-up" else database.status
            if status in self._work:
                self.begin(database, status)
            elif status == "available":
                self._make_sure(database)
        for snapshot in list(backend.database_snapshots.values()):
            self._move(snapshot, "creating", "available")

    def _make_sure(self, database: Any) -> None:
        """An instance that was there stays `available`, also while PostgreSQL itself is away."""
        try:
            self._ensure(database)
        except psycopg.OperationalError as error:
            logger.warning("DB instance %r has no PostgreSQL behind it: %s", database.db_instance_identifier, error)

    def interrupt(self) -> None:
        """Leave every transition where it is."""
        self._interrupted.set()
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        self._interrupted.clear()

    def _run(self, database: Any, status: str) -> None:
        end = time.monotonic() + self._lasting
        if not self._guarded(database, self._work[status]) or self._interrupted.wait(end - time.monotonic()):
            return
        if status == "creating" and database.backup_retention_period:
            if not self._move(database, status, "backing-up") or self._interrupted.wait(self._lasting / 3):
                return
            status = "backing-up"
        self._move(database, status, DONE.get(status, "available"))

    def _guarded(self, database: Any, work: Callable[[Any], None]) -> bool:
        """Do the work; an instance whose work fails is `failed`, as on RDS, and the reason is in the log."""
        try:
            with self._one_at_a_time:
                work(database)
        except Exception:
            logger.exception("DB instance %r failed", database.db_instance_identifier)
            self._move(database, database.status, "failed")
            return False
        return True

    def _move(self, database: Any, before: str, after: str) -> bool:
        """Set the next status, unless another transition has begun meanwhile."""
        with self._writing("rds"):
            if database.status != before:
                return False
            if after == GONE:
                database.remove()
            else:
                database.status = after
            return True

    def _ensure(self, database: Any) -> None:
        if self.databases:
            self.databases.ensure(
                database.db_instance_identifier,
                username=database.master_username,
                password=password_of(database),
                dbname=database.db_name or DEFAULT_DATABASE,
            )

    def _create(self, database: Any) -> None:
        """Make it; then, where it is restored, put the snapshot's data into it."""
        self._ensure(database)
        if self.snapshots and (snapshot := vars(database).get("restore_from")):
            self.snapshots.put_back(snapshot, database.db_instance_identifier)

    def _start(self, database: Any) -> None:
        self._ensure(database)

    def _stop(self, database: Any) -> None:
        if self.databases:
            self.databases.open(database.db_instance_identifier, allowed=False)

    def _reboot(self, database: Any) -> None:
        self._stop(database)
        self._ensure(database)

    def _delete(self, database: Any) -> None:
        if self.databases:
            self.databases.drop(database.db_instance_identifier)


def _nothing(database: Any) -> None:
    """A change of size or class has nothing to do on this machine."""


def password_of(database: Any) -> str:
    """The master password: the one given, or the one in the secret that RDS manages."""
    if database.manage_master_user_password:
        return str(json.loads(database.master_user_secret.secret.secret_string)["password"])
    return str(database._master_user_password)
