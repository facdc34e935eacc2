"""A dump put back into an empty database: streamed out of the bucket into `pg_restore`, in one transaction.

So a restore that dies leaves the database as empty as it was, and is begun again. Owners and grants of other roles are
in the dump and are left out: those roles are not in a new instance.
"""

import contextlib
import hashlib
import logging
import subprocess

import psycopg
from pydantic import SecretStr

from database.contents import Contents, frozen, read_contents
from tasks.backups.archive import Archive
from tasks.backups.clients import client_environment, find_client
from tasks.backups.dumping import Listener, megabytes
from tasks.backups.manifest import Manifest
from tasks.errors import Permanent

logger = logging.getLogger(__name__)
OPTIONS = ("--format=custom", "--single-transaction", "--exit-on-error", "--no-owner", "--no-acl", "--no-password")


class NotRestorable(Permanent):
    """The dump is not what the manifest says, or cannot be restored. Nothing of it is in the database."""


def restore_dump(archive: Archive, manifest: Manifest, dsn: SecretStr) -> None:
    """Put the dump into the database, which is to be empty. Raises NotRestorable."""
    program = find_client("pg_restore", manifest.major)
    with subprocess.Popen(
        [str(program), *OPTIONS, "--dbname="], env=client_environment(dsn),
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        said = Listener(process)
        try:
            problem = feed_all(process, archive, manifest)
        except BaseException:
            process.kill()
            raise
        finally:
            with contextlib.suppress(BrokenPipeError):  # it has ended; its exit code says why
                process.stdin.close() if process.stdin else None
        code = process.wait()
    if problem:
        raise NotRestorable(problem)
    if code:
        raise NotRestorable(f"pg_restore ended with {code}: {said.last()}")
    logger.info("restored %s", megabytes(manifest.size))


def feed_all(process: "subprocess.Popen[bytes]", archive: Archive, manifest: Manifest) -> str:
    """Give the program the dump; what is wrong with it, or ''.

    The last piece is held back until the whole is known to be right: without it the program can commit nothing.
    """
    digest, size, last = hashlib.sha256(), 0, b""
    for chunk in archive.stream(manifest):
        digest.update(chunk)
        size += len(chunk)
        feed(process, last)
        last = chunk
    if problem := mismatch(manifest, size, digest.hexdigest()):
        process.kill()
        return problem
    feed(process, last)
    return ""


def feed(process: "subprocess.Popen[bytes]", chunk: bytes) -> None:
    assert process.stdin
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(chunk)


def mismatch(manifest: Manifest, size: int, sha256: str) -> str:
    if size != manifest.size:
        return f"the dump has {size:,} bytes, its manifest says {manifest.size:,}"
    if sha256 == manifest.sha256:
        return ""
    return f"the dump's SHA-256 is {sha256[:16]}…, its manifest says {manifest.sha256[:16]}…: its content has changed"


def contents_of(dsn: SecretStr) -> Contents:
    """What a database holds now."""
    try:
        with frozen(dsn.get_secret_value()) as connection:
            return read_contents(connection)
    except psycopg.Error as error:
        raise Permanent(f"the restored database cannot be read: {str(error).strip()}") from error
