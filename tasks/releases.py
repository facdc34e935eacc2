"""The record of a release in the environment's own database: opened after the migrations, closed at the end.

The flow asks `open_release` for a `Journal` and hands it on: `journal.undoable` goes around each reversible change
(tasks/undo.py replays it). A planning run's journal writes nothing. The connection string is read from Secrets
Manager when it is needed and is in no field of anything.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any
from uuid import UUID

import psycopg
from pydantic import SecretStr

from database import releases
from database.approvals import note_decision
from database.migration_connect import PATIENCE, connect
from database.migration_errors import BadConnectionString, CannotConnect
from database.release_history import page
from database.releases import Connection, NotRunning, Outcome, Request
from database.sites import latest_manifests
from tasks.changes import Rollout
from tasks.errors import MiyabiError, Permanent, Temporary
from tasks.secrets import database_dsn
from tasks.steps import step

logger = logging.getLogger(__name__)


class Store:
    """The releases of one environment. Each use is a short connection: a release waits long between them."""

    def __init__(self, rollout: Rollout, dsn: SecretStr | None = None, *, patience: float = PATIENCE) -> None:
        self.rollout = rollout
        self._given = dsn
        self._patience = patience

    @cached_property
    def _dsn(self) -> SecretStr:
        return self._given or database_dsn(self.rollout)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection whose errors are in our own words."""
        try:
            with connect(self._dsn.get_secret_value(), patience=self._patience) as connection:
                yield connection
        except CannotConnect as error:
            raise Temporary(f"the record of releases cannot be reached: {error}") from error
        except BadConnectionString as error:
            raise Permanent(f"the record of releases cannot be reached: {error}") from error
        except NotRunning as error:
            raise Permanent(f"{error}: another run has taken its place, so this one stops") from error
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
            raise Permanent("this database has no such record of releases yet; run migrate first") from error
        except psycopg.OperationalError as error:
            raise Temporary(f"the record of releases cannot be written: {error}") from error


class Journal:
    """The record of one release while it runs. Without an id (in a plan) it writes nothing."""

    def __init__(self, store: Store, release_id: UUID | None) -> None:
        self.store = store
        self.release_id = release_id

    def require_running(self) -> None:
        """Raises Permanent if another run has taken this one's place: it may change nothing any more."""
        if self.release_id is not None:
            with self.store.connection() as connection:
                releases.require_running(connection, self.release_id)

    @contextmanager
    def undoable(self, name: str, kind: str, resource: str, before: Mapping[str, Any]) -> Iterator[None]:
        """Around a reversible change: its before-state is in the log before it starts, and stays there if it fails."""
        if self.release_id is None:
            yield
            return
        with self.store.connection() as connection:
            number = releases.note_step(
                connection, self.release_id, name=name, kind=kind, resource=resource, before=before
            )
        yield
        with self.store.connection() as connection:
            releases.step_done(connection, self.release_id, number)


def require_none_running(rollout: Rollout) -> None:
    """Raises Permanent while a release says that it is running: opening another record would take its place."""
    if rollout.planning:
        return
    with Store(rollout).connection() as connection:
        last = releases.latest_release(connection, rollout.environment.name)
    if last is not None and last.status == "running":
        raise Permanent(
            f"release {last.id} is running, since {last.started_at:%H:%M} UTC: wait for its end. If it has died,"
            " release again, which goes on from there"
        )


def last_released(rollout: Rollout) -> tuple[str, bool]:
    """The source that was released last, `python:api`, and whether a site is published; ('', False) if that is not
    known now. For who looks at what is released: its checks are those of its source."""
    try:
        with Store(rollout, patience=1.0).connection() as connection:
            found = page(connection, rollout.environment.name, limit=50)
            sites = latest_manifests(connection, rollout.environment.names.site_bucket)
    except MiyabiError as error:
        logger.info("the record does not say what was released: %s", error)
        return "", False
    sources = [one.source for one in found if one.status == "succeeded" and one.source]
    return next((source for source in sources if not source.startswith("site:")), ""), bool(sites)


def recall(rollout: Rollout, code_sha256: str) -> None:
    """Say in a plan that this code was released last time and taken back by itself."""
    if not rollout.planning:
        return
    try:
        with Store(rollout, patience=1.0).connection() as connection:
            last = releases.release_of_code(connection, rollout.environment.name, code_sha256)
    except MiyabiError as error:
        return logger.info("the record does not say how this code fared: %s", error)
    if last and last.status == "rolled_back" and last.error:
        reason = last.error.splitlines()[0]
        rollout.find(
            "this code", f"was taken back at {last.started_at:%Y-%m-%d %H:%M} UTC, release {last.id}: {reason}"
        )


@step("Open the release record")
def open_release(rollout: Rollout, request: Request, *, store: Store | None = None) -> Journal:
    """A running release. It takes over the undo log of runs of this environment that have died."""
    store = store or Store(rollout)
    if rollout.planning:
        return Journal(store, None)
    with store.connection() as connection:
        release_id = releases.start_release(connection, request)
        if rollout.approval:
            note_decision(connection, rollout.approval, release_id)
        return Journal(store, release_id)


@step("Close the release record")
def close_release(journal: Journal, outcome: Outcome) -> None:
    """Write how the release ended."""
    if journal.release_id is not None:
        with journal.store.connection() as connection:
            releases.finish_release(connection, journal.release_id, outcome)
