"""A logical dump: `pg_dump` in its own format, streamed into the bucket, with a manifest of the same snapshot.

A transaction exports its snapshot; the manifest's counts and checksums are read in it while `pg_dump` dumps it, so the
two agree although people go on writing. The manifest is written last: what a crash leaves is no backup, and S3 forgets
the parts of it after a day.
"""

import logging
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from database.contents import Contents, export_snapshot, frozen, read_contents
from tasks.backups.archive import Archive, Measured, now
from tasks.backups.clients import client_environment, find_client, version_of
from tasks.backups.manifest import DUMP, Manifest, backup_id, facts_of, kind_of, manifest_key
from tasks.changes import Change, Rollout
from tasks.errors import Permanent, Temporary
from tasks.secrets import database_dsn
from tasks.steps import step

logger = logging.getLogger(__name__)
SAID_EVERY = 256 * 1024 * 1024


@step("Dump database")
def dump_database(
    rollout: Rollout, at: datetime, *, clock: Callable[[], datetime] = now, lock_wait: str = "60s"
) -> Manifest | None:
    """Have the backup of this moment in the bucket; its manifest. None in a plan.

    `lock_wait` is how long a table may be locked by others before this is given up.
    """
    backup, kind, database = backup_id(at), kind_of(at), rollout.environment.names.database
    subject = f"backup {kind}/{backup}"
    return rollout.converge(
        subject,
        [Change("create", subject, "dump", "", f"of database {database}", f"kept as the {kind} one")],
        apply=lambda: take(rollout, database_dsn(rollout), at, clock, lock_wait),
        planned=lambda: None,
    )


def take(rollout: Rollout, dsn: SecretStr, at: datetime, clock: Callable[[], datetime], lock_wait: str) -> Manifest:
    """Dump, count, and write the manifest."""
    archive, backup, kind = Archive(rollout), backup_id(at), kind_of(at)
    with opened(dsn) as connection:
        program = find_client("pg_dump", connection.info.server_version // 10_000)
        started = clock()
        dump = Dump(str(program), dsn, export_snapshot(connection), lock_wait)
        counting = Counting(connection)
        with dump.running(), counting.running():
            version = archive.upload(f"{kind}/{backup}/{DUMP}", dump.measured)
        contents = counting.found()
    manifest = Manifest(
        id=backup, kind=kind, environment=rollout.environment.name, instance=rollout.environment.names.database,
        database=str(conninfo_to_dict(dsn.get_secret_value()).get("dbname", "")), client_version=version_of(program),
        release=rollout.release, started_at=started, finished_at=clock(), version=version, size=dump.measured.size,
        sha256=dump.measured.sha256, **facts_of(contents),
    )  # fmt: skip
    archive.put_json(manifest_key(kind, backup), manifest.model_dump_json(indent=1))
    logger.info("backup %s: %s rows of %d tables in %s", manifest.id, f"{manifest.rows:,}", len(manifest.tables),
                megabytes(manifest.size))  # fmt: skip
    return manifest


@contextmanager
def opened(dsn: SecretStr) -> Iterator[psycopg.Connection]:
    """The transaction whose snapshot is backed up."""
    try:
        with frozen(dsn.get_secret_value()) as connection:
            yield connection
    except psycopg.OperationalError as error:
        raise Temporary(f"the database that is backed up went away: {str(error).strip().splitlines()[-1]}") from error
    except psycopg.Error as error:
        raise Permanent(f"the database cannot be read whole: {str(error).strip()}") from error


class Dump:
    """A `pg_dump` that runs, and its output."""

    measured: Measured

    def __init__(self, program: str, dsn: SecretStr, snapshot: str, lock_wait: str) -> None:
        self._dsn = dsn
        self._command = [
            program,
            "--format=custom",
            f"--snapshot={snapshot}",
            "--no-password",
            f"--lock-wait-timeout={lock_wait}",
        ]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Whatever happens, the program has ended afterwards."""
        with subprocess.Popen(
            self._command, env=client_environment(self._dsn), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            assert process.stdout
            self._process, self._said = process, Listener(process)
            self.measured = Measured(process.stdout, self._ended, self._progress())
            try:
                yield
            finally:
                process.kill()  # nothing happens if it has ended

    def _ended(self) -> None:
        if code := self._process.wait():
            raise Permanent(f"pg_dump ended with {code}: {self._said.last()}")

    def _progress(self) -> Callable[[int], None]:
        said = 0

        def note(size: int) -> None:
            nonlocal said
            if size - said >= SAID_EVERY:
                said = size
                logger.info("dumped %s so far", megabytes(size))

        return note


class Listener:
    """Hears what a program says on its standard error, so that it never waits to be heard."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._lines: list[str] = []
        self._thread = threading.Thread(target=self._listen, args=(process,), daemon=True)
        self._thread.start()

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr
        with suppress(ValueError):  # closed by who does not wait for the rest
            for line in process.stderr:
                self._lines = [*self._lines[-19:], line.decode(errors="replace").rstrip()]

    def last(self, lines: int = 3) -> str:
        self._thread.join(5)
        return "; ".join(self._lines[-lines:]) or "it said nothing"


class Counting:
    """Reads the contents in a thread, since the dump takes as long."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._found: Contents | None = None
        self._error: BaseException | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._count, name="count-rows", daemon=True)
        thread.start()
        try:
            yield
        except BaseException:
            self._connection.cancel_safe()
            raise
        finally:
            thread.join()

    def _count(self) -> None:
        try:
            self._found = read_contents(self._connection)
        except BaseException as error:
            self._error = error

    def found(self) -> Contents:
        if self._error:
            raise self._error
        assert self._found
        return self._found


def megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
