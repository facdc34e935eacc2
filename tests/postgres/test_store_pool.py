"""The pool: connections are kept, dead ones noticed, and who cannot have one is told soon."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from database.connection import dsn_from_url
from database.pool import Pool, Unavailable, Usage


class Address:
    """A source of the DSN that can move to another one when asked again."""

    def __init__(self, dsn: str, *, moves_to: str | None = None) -> None:
        self.dsn, self.moves_to, self.asked = dsn, moves_to or dsn, 0

    def __call__(self, *, fresh: bool) -> str:
        self.asked += 1
        if fresh:
            self.dsn = self.moves_to
        return self.dsn


@pytest.fixture
def pools() -> Iterator[list[Pool]]:
    made: list[Pool] = []
    yield made
    for pool in made:
        pool.close()


def make(pools: list[Pool], dsn: str, **options: Any) -> Pool:
    pools.append(Pool(Address(dsn_from_url(dsn)), **options))
    return pools[-1]


def server_pid(pool: Pool) -> int:
    with pool.connection() as connection:
        return connection.info.backend_pid


def test_a_connection_is_kept_for_the_next(pools: list[Pool], migrated: str) -> None:
    pool = make(pools, migrated)
    assert pool.usage() == Usage(0, 0, 5)
    with pool.connection() as connection:
        assert pool.usage() == Usage(1, 0, 5)
        pid = connection.info.backend_pid
    assert pool.usage() == Usage(0, 1, 5)
    assert server_pid(pool) == pid


def test_what_is_in_use_when_the_pool_is_closed_is_not_left_open(pools: list[Pool], migrated: str) -> None:
    pool = make(pools, migrated)
    with pool.connection() as connection:
        pool.close()
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert (connection.closed, pool.usage()) == (True, Usage(0, 0, 5))


def test_two_at_the_same_time_have_two(pools: list[Pool], migrated: str) -> None:
    pool = make(pools, migrated)
    with pool.connection() as one, pool.connection() as other:
        assert one.info.backend_pid != other.info.backend_pid
    assert pool.usage() == Usage(0, 2, 5)


def test_who_waits_too_long_is_refused(pools: list[Pool], migrated: str) -> None:
    pool = make(pools, migrated, size=1, patience=0.05)
    with pool.connection(), pytest.raises(Unavailable, match="all 1 connections are in use"), pool.connection():
        pass
    assert pool.usage() == Usage(0, 1, 1)


def test_who_waits_gets_what_is_given_back(pools: list[Pool], migrated: str) -> None:
    pool, seen = make(pools, migrated, size=1), []
    threads = [threading.Thread(target=lambda: seen.append(server_pid(pool))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert len(set(seen)) == 1


def test_a_connection_that_the_server_closed_is_noticed(pools: list[Pool], migrated: str) -> None:
    pool = make(pools, migrated)
    pid = server_pid(pool)
    with psycopg.connect(migrated, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
    assert server_pid(pool) != pid
    assert pool.usage() == Usage(0, 1, 5)


def test_a_connection_that_lay_idle_is_asked_first(pools: list[Pool], migrated: str) -> None:
    now = 0.0
    pool = make(pools, migrated, answer_s=0.2, clock=lambda: now)
    pid = server_pid(pool)
    now = 6.0
    assert server_pid(pool) == pid
    now = 12.0
    os.kill(pid, signal.SIGSTOP)
    try:
        start = time.monotonic()
        assert server_pid(pool) != pid
        assert time.monotonic() - start < 2
    finally:
        os.kill(pid, signal.SIGCONT)


def test_an_open_transaction_does_not_reach_the_next(pools: list[Pool], migrated: str) -> None:
    pool = make(pools, migrated)
    with pool.connection() as connection:
        connection.execute("BEGIN")
    assert pool.usage() == Usage(0, 0, 5)


def test_an_error_in_the_block_keeps_the_connection(pools: list[Pool], migrated: str) -> None:
    pool = make(pools, migrated)
    with pytest.raises(psycopg.errors.UndefinedTable), pool.connection() as connection:
        connection.execute("SELECT * FROM nothing_here")
    assert pool.usage() == Usage(0, 1, 5)


def test_a_statement_is_stopped_by_the_server(pools: list[Pool], migrated: str) -> None:
    pool = make(pools, make_conninfo(migrated, options="-c statement_timeout=50"))
    with pytest.raises(psycopg.errors.QueryCanceled), pool.connection() as connection:
        connection.execute("SELECT pg_sleep(5)")


def test_limits_and_time_zone_of_a_connection(pools: list[Pool], migrated: str) -> None:
    names = ("statement_timeout", "TimeZone", "application_name")
    with make(pools, migrated).connection() as connection:
        settings = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in names]
    assert settings == [("10s",), ("UTC",), ("miyabi-api",)]


def test_a_database_that_is_down_is_told_at_once_and_used_when_it_is_back(pools: list[Pool], migrated: str) -> None:
    address = Address("postgresql://u:p@127.0.0.1:1/nothing")
    pool = Pool(address)
    pools.append(pool)
    start = time.monotonic()
    for _ in range(3):
        with pytest.raises(Unavailable, match="Connection refused"), pool.connection():
            pass
    assert time.monotonic() - start < 1
    assert pool.usage() == Usage(0, 0, 5)
    address.dsn = migrated
    assert server_pid(pool)


def test_a_server_that_does_not_answer_is_given_up(pools: list[Pool]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        pool = make(pools, f"postgresql://u:p@127.0.0.1:{deaf.getsockname()[1]}/d?connect_timeout=2")
        start = time.monotonic()
        with pytest.raises(Unavailable, match="timeout"), pool.connection():
            pass
        assert time.monotonic() - start < 4


def test_a_password_that_was_rotated_is_asked_for_again(pools: list[Pool], migrated: str) -> None:
    address = Address(make_conninfo(migrated, password="old"), moves_to=migrated)
    pool = Pool(address)
    pools.append(pool)
    assert server_pid(pool)
    assert address.asked == 2
