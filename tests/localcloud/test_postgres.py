"""The embedded PostgreSQL with both kinds of programs, as root and not, and after it was killed."""

import os
import pwd
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from localcloud.accounts import give_to
from localcloud.launch import Account, launched
from localcloud.postgres import PortTaken, Postgres
from localcloud.postgres_binaries import OLDEST_MAJOR, Choice, PostgresError, candidates, find_binaries


@pytest.fixture(params=["installed", "wheel"], scope="module")
def binaries(request: pytest.FixtureRequest) -> Choice:
    kind: Choice = request.param
    if not any(found.major >= OLDEST_MAJOR for found in candidates(kind)):
        pytest.skip(f"no PostgreSQL >= {OLDEST_MAJOR} here ({kind})")
    return kind


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, binaries: Choice) -> Path:
    """A state folder with a cluster, shared by the tests that leave it in order; initdb is the slow part."""
    folder = tmp_path_factory.mktemp(binaries)
    Postgres(folder, binaries=binaries).prepare()
    return folder


@pytest.fixture
def server(home: Path, binaries: Choice) -> Iterator[Postgres]:
    postgres = Postgres(home, binaries=binaries)
    postgres.start()
    yield postgres
    postgres.stop()


def query(postgres: Postgres, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def processes_on(data: Path) -> list[psutil.Process]:
    def is_there(process: psutil.Process) -> bool:
        try:
            return bool(process.cwd() == str(data))
        except psutil.Error:
            return False

    return [process for process in psutil.process_iter() if is_there(process)]


def test_first_start_has_tls_utf8_and_a_private_password(server: Postgres) -> None:
    assert query(server, "SHOW server_encoding") == [("UTF8",)]
    assert query(server, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == [(server.tls,)]
    assert query(server, "SELECT upper('é') < 'z', 'B' < 'a'")[0][1] is True
    assert server.tls or server.binaries.source == "wheel"
    password = server.home / "secrets" / "postgres-superuser"
    assert password.stat().st_mode & 0o777 == 0o600
    assert password.parent.stat().st_mode & 0o777 == 0o700


def test_the_password_is_needed_and_is_nowhere_else(server: Postgres) -> None:
    password = (server.home / "secrets" / "postgres-superuser").read_text()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.dsn().replace(password, "wrong"))
    found = [path for path in server.home.rglob("*") if path.is_file() and password.encode() in path.read_bytes()]
    assert found == [server.home / "secrets" / "postgres-superuser"]
    assert not any(password in word for process in processes_on(server.data) for word in process.cmdline())


def test_it_listens_on_loopback_alone(server: Postgres) -> None:
    first = int((server.data / "postmaster.pid").read_text().split()[0])
    listening = [c.laddr for c in psutil.Process(first).net_connections("all") if c.status == psutil.CONN_LISTEN]
    assert [(address.ip, address.port) for address in listening] == [("127.0.0.1", server.port)]


def test_data_survive_a_stop_and_kill_9(server: Postgres) -> None:
    query(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    server.stop()
    server.start()
    query(server, "INSERT INTO kept VALUES (43)")
    for process in processes_on(server.data):
        with suppress(psutil.NoSuchProcess):  # it may end with the one before it
            process.kill()
    again = Postgres(server.home, binaries=server.binaries.source)
    again.start()
    try:
        assert query(again, "SELECT answer FROM kept ORDER BY 1") == [(42,), (43,)]
    finally:
        again.stop()
    server.stop()


def test_a_server_left_running_is_taken_over(server: Postgres) -> None:
    query(server, "CREATE TABLE inherited AS SELECT 42 AS answer")
    heir = Postgres(server.home, binaries=server.binaries.source)
    heir.start()
    try:
        assert query(heir, "SELECT answer FROM inherited") == [(42,)]
    finally:
        heir.stop()
    assert processes_on(server.data) == []


def test_a_lock_file_with_the_number_of_another_process_is_cleared(server: Postgres) -> None:
    server.stop()
    (server.data / "postmaster.pid").write_text(f"{os.getpid()}\n{server.data}\n")
    server.start()
    assert query(server, "SELECT 1") == [(1,)]


def test_a_failed_statement_with_a_password_is_not_logged(server: Postgres) -> None:
    with pytest.raises(psycopg.Error):
        query(server, f"CREATE ROLE miyabi_root PASSWORD '{'hunter' + '2'}'")
    assert "hunter2" not in server.log.read_text()


def test_a_lost_password_is_set_anew(server: Postgres) -> None:
    server.stop()
    (server.home / "secrets" / "postgres-superuser").unlink()
    server.start()
    assert query(server, "SELECT 1") == [(1,)]


def test_half_made_clusters_are_made_again(tmp_path: Path, binaries: Choice) -> None:
    (tmp_path / "postgres" / "data.new" / "base").mkdir(parents=True)
    postgres = Postgres(tmp_path, binaries=binaries)
    postgres.prepare()
    assert (postgres.data / "PG_VERSION").exists()
    assert not (tmp_path / "postgres" / "data.new").exists()


def test_a_taken_port_is_an_error_with_its_number(server: Postgres) -> None:
    server.stop()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=str(port)):
            Postgres(server.home, port, binaries=server.binaries.source).start()


def test_another_server_on_the_port_is_not_taken_for_ours(server: Postgres, tmp_path: Path) -> None:
    with pytest.raises(PortTaken):
        Postgres(tmp_path, server.port, binaries=server.binaries.source).start()


def test_data_of_another_version_pick_its_programs_or_say_so(tmp_path: Path) -> None:
    data = tmp_path / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("14\n")
    with pytest.raises(PostgresError, match="made by PostgreSQL 14"):
        Postgres(tmp_path).prepare()
    for found in candidates("auto"):
        assert found.major < 15 or find_binaries("auto", major=found.major).major == found.major


def test_a_server_that_cannot_start_shows_the_end_of_its_log(server: Postgres) -> None:
    server.stop()
    settings = server.data / "postgresql.auto.conf"
    before = settings.read_text()
    settings.write_text("log_min_messages = 'loud'\n")
    try:
        with pytest.raises(PostgresError, match="log_min_messages"):
            server.start()
    finally:
        settings.write_text(before)


AS_SOMEBODY = """
    import os, sys
    sys.path.insert(0, sys.argv[2])
    from pathlib import Path
    from localcloud.postgres import Postgres
    assert os.geteuid() != 0
    postgres = Postgres(Path(sys.argv[1]), binaries=sys.argv[3])
    postgres.start()
    print(postgres.account, postgres.port > 0)
    postgres.stop()
"""


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="changing the user needs root on Linux")
def test_it_works_without_being_root(tmp_path: Path, binaries: Choice) -> None:
    nobody = pwd.getpwnam("nobody")
    somebody = Account(nobody.pw_uid, nobody.pw_gid, reach=True)
    give_to(somebody, tmp_path)
    root = Path(__file__).resolve().parents[2]
    script = [sys.executable, "-c", textwrap.dedent(AS_SOMEBODY), str(tmp_path), str(root), binaries]
    done = subprocess.run(launched(script, account=somebody), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "None True\n"), done.stderr


STARTER = """
    import os, signal, sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    from localcloud.postgres import Postgres
    postgres = Postgres(Path(sys.argv[1]), binaries=sys.argv[3])
    postgres.start()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_it_does_not_outlive_its_starter(tmp_path: Path, binaries: Choice) -> None:
    root = Path(__file__).resolve().parents[2]
    script = [sys.executable, "-c", textwrap.dedent(STARTER), str(tmp_path), str(root), binaries]
    assert subprocess.run(script).returncode == -signal.SIGKILL
    _, alive = psutil.wait_procs(processes_on(tmp_path / "postgres" / "data"), timeout=10)
    assert alive == []
