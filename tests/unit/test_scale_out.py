"""What `miyabi up --ha` is made of: the address in front, Redis, and what servers and clients are told."""

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prefect.settings import Settings

from localcloud import redis, scale_out
from localcloud.balancer import Balancer, is_well
from localcloud.ports import free_port
from localcloud.prefect_settings import auth_file, auth_string, client_environment, worker_environment

PORTS = {name: 5000 + n for n, name in enumerate(scale_out.PREFERRED_PORTS)}


@asynccontextmanager
async def says(word: bytes, port: int = 0) -> AsyncIterator[asyncio.Server]:
    """A server that answers every line with this word."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            writer.write(word + b"\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", port) as server:
        yield server


def port_of(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self) -> bytes:
        self.writer.write(b"?\n")
        return (await self.reader.readline()).strip()


@asynccontextmanager
async def front(*servers: int) -> AsyncIterator[tuple[Balancer, "list[Client]"]]:
    """A balancer, and six connections to it that were made one after the other."""
    balancer, clients = Balancer(servers), []
    async with await asyncio.start_server(balancer.serve, "127.0.0.1", 0) as server:
        for _ in range(6):
            client = Client(*await asyncio.open_connection("127.0.0.1", port_of(server)))
            await client.ask()
            clients.append(client)
        yield balancer, clients
        for client in clients:
            client.writer.close()
        while any(server.held for server in balancer.servers):
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)  # until the servers, too, have closed their ends


def test_connections_go_to_the_server_that_has_the_fewest() -> None:
    async def scene() -> None:
        async with says(b"one") as one, says(b"two") as two, front(port_of(one), port_of(two)) as (balancer, clients):
            assert [await client.ask() for client in clients] == [b"one", b"two"] * 3
            clients[1].writer.close()
            clients[3].writer.close()
            while balancer.servers[1].held != 1:
                await asyncio.sleep(0.001)
            assert [server.port for server in balancer.ranked()] == [port_of(two), port_of(one)]

    asyncio.run(scene())


def test_a_server_that_refuses_is_passed_over() -> None:
    async def scene() -> None:
        async with says(b"two") as two, front(free_port(), port_of(two)) as (_, clients):
            assert [await client.ask() for client in clients] == [b"two"] * 6

    asyncio.run(scene())


def test_a_client_is_told_at_once_that_its_server_died() -> None:
    """So that it asks again, and gets the other one."""

    async def dies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.transport.abort()

    async def scene() -> None:
        async with await asyncio.start_server(dies, "127.0.0.1", 0) as server, front(port_of(server)) as (_, clients):
            assert [await client.reader.read() for client in clients] == [b""] * 6

    asyncio.run(scene())


def test_one_that_hangs_comes_last() -> None:
    balancer = Balancer([1, 2])
    balancer.servers[0].well, balancer.servers[1].held = False, 99
    assert [server.port for server in balancer.ranked()] == [2, 1]


def test_a_server_is_well_if_it_answers_200() -> None:
    async def scene() -> None:
        async with says(b"HTTP/1.1 200 OK\r") as well, says(b"HTTP/1.1 500 Oh\r") as ill:
            assert [await is_well(port) for port in (port_of(well), port_of(ill), free_port())] == [True, False, False]

    asyncio.run(scene())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, int, list[subprocess.Popen[bytes]]]]:
    """A Redis that was started."""
    port, processes = free_port(), list[subprocess.Popen[bytes]]()
    start_redis(tmp_path, port, processes)
    yield tmp_path, port, processes
    processes[-1].kill()
    processes[-1].wait()


def start_redis(home: Path, port: int, processes: list[subprocess.Popen[bytes]]) -> None:
    command = [redis.find_server(), str(redis.write_settings(home, port))]
    processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
    while not redis.is_ready(home, port):
        assert processes[-1].poll() is None


@pytest.mark.skipif(scale_out.missing() is not None, reason=str(scale_out.missing()))
def test_redis_asks_for_its_password_and_keeps_what_it_was_told_when_killed(
    server: tuple[Path, int, list[subprocess.Popen[bytes]]],
) -> None:
    from redis import Redis

    home, port, processes = server
    with Redis.from_url(redis.url(home, port, 1)) as client:
        client.set("slot", "held")
    with socket.create_connection(("127.0.0.1", port)) as stranger:
        stranger.sendall(b"GET slot\r\n")
        assert stranger.recv(100).startswith(b"-NOAUTH")
    processes[0].kill()
    processes[0].wait()
    start_redis(home, port, processes)
    with Redis.from_url(redis.url(home, port, 1)) as client:
        assert client.get("slot") == b"held"
    assert (home / "redis" / "redis.conf").stat().st_mode & 0o077 == 0


def test_an_old_redis_is_not_taken(tmp_path: Path) -> None:
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=5.0.14 sha=00000000:0'\n")
    old.chmod(0o700)
    assert redis.version(str(old)) == (5, 0) < redis.OLDEST
    assert redis.version("/nowhere/redis-server") == ()


def test_servers_share_everything_and_clients_are_told_the_one_address(tmp_path: Path) -> None:
    told = scale_out.environment(tmp_path, PORTS, migrates=True)
    assert "memory" not in "".join(value for name, value in told.items() if name.startswith("PREFECT_"))
    assert told["PREFECT_SERVER_UI_API_URL"] == f"http://127.0.0.1:{PORTS['prefect']}/api"
    client = client_environment(tmp_path, PORTS)
    assert client["PREFECT_API_URL"] == told["PREFECT_SERVER_UI_API_URL"]
    assert client["PREFECT_API_AUTH_STRING"] == told["PREFECT_SERVER_API_AUTH_STRING"] == auth_string(tmp_path)
    assert "PREFECT_API_AUTH_STRING" not in client_environment(tmp_path, {"prefect": 1})


def test_the_file_of_the_password_has_what_the_ui_asks_for(tmp_path: Path) -> None:
    """All of it, also where an earlier version wrote the second half alone."""
    auth_file(tmp_path).parent.mkdir()
    auth_file(tmp_path).write_text("old")
    assert auth_string(tmp_path) == auth_file(tmp_path).read_text() == "miyabi:old"
    auth_file(tmp_path).unlink()
    assert auth_string(tmp_path) == auth_string(tmp_path) == auth_file(tmp_path).read_text()


def test_a_worker_is_told_one_secret_only(tmp_path: Path) -> None:
    scale_out.environment(tmp_path, PORTS, migrates=True)
    files = [path for path in (tmp_path / "secrets").iterdir() if path.name != "prefect-auth"]
    assert {path.name for path in files} == {"prefect-database", "prefect-encryption-key", "redis"}
    told = worker_environment(tmp_path, PORTS).values()
    assert not [path for path in files if any(path.read_text() in value for value in told)]
    assert (tmp_path / "secrets" / "prefect-auth").stat().st_mode & 0o077 == 0


def test_prefect_knows_every_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = scale_out.environment(tmp_path, PORTS, migrates=False)
    ours = {name: value for name, value in environment.items() if name.startswith("PREFECT_")}
    for name, value in ours.items():
        monkeypatch.setenv(name, value)
    known = Settings().to_environment_variables(exclude_unset=True)
    # The others are read elsewhere: prefect/server/utilities/encryption.py, and prefect-redis.
    assert {name for name in set(ours) - set(known) if not name.startswith("PREFECT_REDIS_")} == {
        "PREFECT_SERVER_ENCRYPTION_KEY"
    }


def test_what_there_is_twice(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    names = {service.name for service in scale_out.services(tmp_path, PORTS)}
    twice = {name.rsplit("-", 1)[0] for name in names if name.endswith(("-1", "-2"))}
    assert twice == {"prefect", "worker", "dispatcher", "agents"}
    assert {name for name in names if not name.endswith(("-1", "-2"))} == {
        "prefect", "prefect-services", "postgres", "redis", "cloud",
    }  # fmt: skip
