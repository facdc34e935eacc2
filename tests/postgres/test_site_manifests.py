"""What a published site consists of, on a real PostgreSQL: which manifest is current, and what was ever put there."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from database import sites

FILE = {"md5": "0" * 32, "size": 1, "type": "text/html", "cache": "no-cache"}


@pytest.fixture
def connection(migrated: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(migrated, autocommit=True) as connection:
        yield connection


def test_the_one_that_was_published_last_is_current(connection: psycopg.Connection[Any]) -> None:
    bucket = f"bucket-{uuid4()}"

    def add(key: str) -> Any:
        return sites.add_manifest(connection, environment="testing", bucket=bucket, files={key: FILE})

    one, two, three = add("one"), add("two"), add("three")
    assert sites.latest_manifests(connection, bucket) == []
    for manifest in (one, two):
        sites.publish_manifest(connection, manifest, {str(manifest): FILE})
    assert [found.id for found in sites.latest_manifests(connection, bucket)] == [two, one]
    sites.publish_manifest(connection, one, {"one": FILE})  # a rollback
    assert [found.id for found in sites.latest_manifests(connection, bucket)] == [one, two]
    found = sites.get_manifest(connection, one)
    assert found
    assert found.files == {"one": FILE}
    assert sites.keys_of_all(connection, bucket) == {"one", str(two), "three"}
    sites.drop_unfinished(connection, bucket)
    assert sites.get_manifest(connection, three) is None
    assert sites.keys_of_all(connection, bucket) == {"one", str(two)}
    assert sites.latest_manifests(connection, "another") == []
