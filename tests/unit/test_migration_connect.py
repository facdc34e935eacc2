"""Connecting with patience, and without showing the password."""

import socket
import traceback

import pytest

from database.migration_connect import connect, settings
from database.migration_errors import BadConnectionString, CannotConnect


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def test_a_refused_connection_is_tried_again_for_ten_seconds() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        port, clock = taken.getsockname()[1], Clock()
        with pytest.raises(CannotConnect, match="refused") as caught:
            connect(f"postgresql://me:hidden-word@127.0.0.1:{port}/x", sleep=clock.sleep, clock=clock)
    assert clock.pauses[:3] == [0.05, 0.1, 0.2]
    assert max(clock.pauses) == 1.0
    assert 9 <= clock.now <= 10
    assert "hidden-word" not in str(caught.value)


def test_without_patience_a_refused_connection_is_reported_at_once_with_what_was_tried() -> None:
    with pytest.raises(CannotConnect) as caught:
        connect("postgresql://me:hidden-word@127.0.0.1:1/x", patience=0, sleep=pytest.fail)
    assert str(caught.value) == (
        "no connection to host '127.0.0.1', port '1', dbname 'x', user 'me': Connection refused; "
        "check that PostgreSQL runs there and lets us in"
    )


def test_a_server_that_says_nothing_is_given_three_seconds_unless_the_url_says_otherwise() -> None:
    assert settings({}, patience=0)["connect_timeout"] == 3
    assert settings({}, patience=10)["connect_timeout"] == 10
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dsn = f"postgresql://me@127.0.0.1:{silent.getsockname()[1]}/x?connect_timeout=1"  # libpq makes it 2
        with pytest.raises(CannotConnect, match=r"connection timeout expired \(tried for 2 s\)"):
            connect(dsn, patience=0)


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        ("postgresql://me:hidden-word@[", "X is not one that PostgreSQL understands: write postgresql://"),
        ("host=x hidden-word", "X is not one that PostgreSQL understands"),
        ("postgresql://h/x?nonsense=1", "X is not one that PostgreSQL understands"),
        ("postgresql://me:hidden-word/x", "X has no number between 1 and 65535 as its port"),
        ("postgresql://127.0.0.1:70000/x", "X has no number between 1 and 65535 as its port"),
        ("postgresql://127.0.0.1:1/x?sslmode=hidden-word", "X has a value for sslmode that PostgreSQL does not know"),
        ("host=127.0.0.1 port=1 keepalives_idle=hidden-word", "X has a value for keepalives_idle"),
        ("host=127.0.0.1 port=1 connect_timeout=hidden-word", "X has a value for connect_timeout"),
    ],
)
def test_a_bad_connection_string_is_not_repeated(dsn: str, said: str) -> None:
    with pytest.raises(BadConnectionString) as caught:
        connect(dsn, name="X", sleep=pytest.fail)
    assert str(caught.value).startswith(said)
    assert "hidden-word" not in "".join(traceback.format_exception(caught.value))
