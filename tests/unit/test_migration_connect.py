"""Connecting with patience, and without showing the password."""

import socket

import pytest

from database.migration_connect import connect
from database.migration_errors import CannotConnect


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


@pytest.mark.parametrize("dsn", ["postgresql://me:hidden-word@[", "host=x hidden-word", "postgresql://h/x?nonsense=1"])
def test_a_bad_connection_string_is_not_repeated(dsn: str) -> None:
    with pytest.raises(CannotConnect) as caught:
        connect(dsn, sleep=pytest.fail)
    assert "hidden-word" not in str(caught.value)
    assert caught.value.__cause__ is None
