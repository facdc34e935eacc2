"""Ports: last time's, else the preferred one, else any."""

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from localcloud.ports import choose_ports, claim, free_port, is_free


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_a_port_with_a_listener_is_not_free(taken: int) -> None:
    assert not is_free(taken)


def test_a_port_whose_listener_has_gone_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client, server.accept()[0] as connection:
            connection.shutdown(socket.SHUT_RDWR)
            client.recv(1)
    assert is_free(port)


def test_a_listener_on_all_addresses_counts() -> None:
    with socket.create_server(("0.0.0.0", 0)) as other:
        assert not is_free(other.getsockname()[1])


def test_the_preferred_port_is_taken_when_free() -> None:
    port = free_port()
    assert choose_ports({"web": port}, {}) == {"web": port}


def test_last_time_comes_first() -> None:
    preferred, previous = free_port(), free_port()
    assert choose_ports({"web": preferred}, {"web": previous, "gone": 1}) == {"web": previous}


def test_a_taken_one_moves(taken: int) -> None:
    chosen = choose_ports({"web": taken}, {"web": taken})
    assert chosen["web"] != taken
    assert is_free(chosen["web"])


def test_no_port_is_given_twice() -> None:
    port = free_port()
    chosen = choose_ports({"web": port, "api": port}, {})
    assert len(set(chosen.values())) == 2


def test_two_stacks_that_start_at_once_choose_differently() -> None:
    port = free_port()
    script = f"from localcloud.ports import claim; print(claim({port}), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == "True\n"
        assert is_free(port)
        assert choose_ports({"web": port}, {}, claim=claim)["web"] != port
        other.communicate("")
    assert choose_ports({"web": port}, {}, claim=claim) == {"web": port}
