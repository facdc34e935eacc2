"""What each published site consists of. A manifest is written before its first upload, so that what a run left that
died is known; the one that was published last is the current one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row, scalar_row
from psycopg.types.json import Jsonb

from database.queries import load

SQL = load("sites.sql")
Connection = psycopg.Connection[Any]
Files = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Manifest:
    """A site's files by key, each with `md5`, `size`, `type` and `cache`, and its `etag` where that is not the MD5."""

    id: UUID
    bucket: str
    files: dict[str, dict[str, Any]]


def add_manifest(connection: Connection, *, environment: str, bucket: str, files: Files) -> UUID:
    """A manifest that is about to be published."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        fields = {"environment": environment, "bucket": bucket, "files": Jsonb(files)}
        return UUID(str(cursor.execute(SQL["add"], fields).fetchone()))


def publish_manifest(connection: Connection, manifest: UUID, files: Files) -> None:
    """It is published: the current one of its bucket."""
    connection.execute(SQL["published"], {"id": manifest, "files": Jsonb(files)})


def latest_manifests(connection: Connection, bucket: str) -> list[Manifest]:
    """The current manifest, and the one before it; fewer where there are fewer."""
    with connection.cursor(row_factory=class_row(Manifest)) as cursor:
        return cursor.execute(SQL["latest"], {"bucket": bucket}).fetchall()


def get_manifest(connection: Connection, manifest: UUID) -> Manifest | None:
    with connection.cursor(row_factory=class_row(Manifest)) as cursor:
        return cursor.execute(SQL["get"], {"id": manifest}).fetchone()


def keys_of_all(connection: Connection, bucket: str) -> set[str]:
    """Every key that an attempt to publish has ever put into the bucket."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        return set(cursor.execute(SQL["keys"], {"bucket": bucket}).fetchall())


def drop_unfinished(connection: Connection, bucket: str) -> None:
    """Forget the attempts that died. What they put into the bucket must have been removed."""
    connection.execute(SQL["drop_unfinished"], {"bucket": bucket})
