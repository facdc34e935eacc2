"""A real PostgreSQL server whose data live in the state folder.

`prepare` makes the cluster once (or adopts what an earlier run left, also after kill -9), `command` is the server's
command line, `start` runs it and waits until it accepts connections. It listens on 127.0.0.1 alone, has TLS where the
server can, and runs under an unprivileged user when we are root, which PostgreSQL refuses to be. The superuser's
password is in `<home>/secrets/postgres-superuser` and nowhere else.
"""

import os
import re
import secrets
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import psutil

from localcloud.accounts import account_for, give_to
from localcloud.certificates import write_self_signed
from localcloud.files import fresh_log, private_folder, read_secret, tail
from localcloud.launch import launched
from localcloud.ports import free_port
from localcloud.postgres_binaries import Choice, PostgresError, find_binaries
from localcloud.processes import wait_gone

SUPERUSER = "miyabi_root"
MAX_CONNECTIONS = 300
STATUS_LINE = 7  # of postmaster.pid, counted from 0
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": str(MAX_CONNECTIONS),
    "max_wal_size": "256MB",  # a gigabyte otherwise, most of what a busy hour leaves on the disk
    "min_wal_size": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A failed statement is not logged: it may be `CREATE ROLE … PASSWORD '…'`.
    "log_min_error_statement": "panic",
}


class PortTaken(PostgresError):
    """Another program listens on the port; choose another one."""


class SharedMemoryInUse(PostgresError):
    """The killed server's children have not noticed yet: it passes in a moment."""


class Postgres:
    """One server on `<home>/postgres/data`. `port` 0 takes a free one at each start.

    `dies_with_thread`: the thread that starts it lives as long as it should (the main thread always does).
    `certified_as`: the home of a server whose certificate it shows, too.
    """

    def __init__(
        self,
        home: Path,
        port: int = 0,
        binaries: Choice = "auto",
        *,
        dies_with_thread: bool = False,
        certified_as: Path | None = None,
    ) -> None:
        self.home = home.resolve()
        self.data = self.home / "postgres" / "data"
        self.log = self.home / "logs" / "postgres.log"
        self.port = port
        self.tls = False
        self._choose_port = port == 0
        self._choice: Choice = binaries
        self._dies_with_thread, self._certified_as = dies_with_thread, certified_as
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, patience: float = 60.0) -> None:
        """Prepare and run the server; return once it accepts connections. Raises PortTaken or PostgresError."""
        self.prepare()
        deadline = time.monotonic() + patience
        while True:
            try:
                return self._run(deadline)
            except PortTaken:
                if not self._choose_port:
                    raise
            except SharedMemoryInUse:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def stop(self, *, patience: float = 20.0) -> None:
        """Fast shutdown: open transactions are rolled back, the data are flushed. Nothing happens if it is not up."""
        process, self._process = self._process, None
        if process is not None:
            halt(psutil.Process(process.pid), patience) if process.poll() is None else None
            process.wait()

    def prepare(self) -> None:
        """Make the cluster if there is none, and clear what a killed server left behind."""
        self.data.parent.mkdir(parents=True, exist_ok=True)
        self.binaries = find_binaries(self._choice, major=self._existing_major())
        self.account = account_for(self.data, [self.data, self.binaries.folder / "postgres"])
        if not self.data.exists():
            self._initialize()
        give_to(self.account, self.data)
        self._clear_stale_lock()
        self.tls = bool(self._ask("ssl_library"))
        if self.tls and not (self.data / "server.key").exists():
            self._certify()
            give_to(self.account, self.data)
        if not self._password_file.exists():
            self._reset_password()

    def _certify(self) -> None:
        own, known = certificate_of(self.home), certificate_of(self._certified_as) if self._certified_as else None
        if known is None or not known.exists():
            write_self_signed(own, self.data / "server.key")
            return
        for name in (own.name, "server.key"):
            shutil.copy(known.with_name(name), self.data / name)

    def command(self) -> list[str]:
        """The server's command line, after `prepare`. It holds no secret."""
        if self._choose_port:
            self.port = free_port()
        settings = SETTINGS | {"port": str(self.port), "ssl": "on" if self.tls else "off"}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        server = [self.binaries.program("postgres"), "-D", str(self.data), *options]
        # another thread may end before the server
        watched = self._dies_with_thread or threading.current_thread() is threading.main_thread()
        return launched(server, dies_with=signal.SIGINT if watched else None, account=self.account)

    def dsn(self, dbname: str = "postgres") -> str:
        """The superuser's connection string: a secret."""
        return f"postgresql://{SUPERUSER}:{read_secret(self._password_file)}@127.0.0.1:{self.port}/{dbname}"

    def is_ready(self, pid: int) -> bool:
        """True once the server with this process id accepts connections, as it says itself in its lock file.

        Asking the port would not do: another server may be the one that answers there.
        """
        try:
            lines = (self.data / "postmaster.pid").read_text().split("\n")
        except FileNotFoundError:
            return False
        return len(lines) > STATUS_LINE and lines[0] == str(pid) and lines[STATUS_LINE].strip() == "ready"

    @property
    def _password_file(self) -> Path:
        return self.home / "secrets" / "postgres-superuser"

    def _run(self, deadline: float) -> None:
        with fresh_log(self.log) as log:
            self._process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=environment(),
                start_new_session=True,
            )  # fmt: skip
        while not self.is_ready(self._process.pid):
            if (code := self._process.poll()) is not None:
                self._process = None
                raise self.failure(code)
            if time.monotonic() > deadline:
                self.stop()
                raise PostgresError(f"PostgreSQL accepts no connections yet; its log ends:\n{tail(self.log)}")
            time.sleep(0.01)

    def failure(self, code: int) -> PostgresError:
        """Why a server that ended with this exit code did so, read from its log."""
        said = tail(self.log)
        if "could not bind" in said or "could not create any TCP/IP sockets" in said:
            return PortTaken(f"port {self.port} is taken by another program")
        if "shared memory block" in said:
            return SharedMemoryInUse(f"a killed server's processes still use {self.data}:\n{said}")
        return PostgresError(f"PostgreSQL ended with exit code {code}; its log ends:\n{said}")

    def _existing_major(self) -> int | None:
        version = self.data / "PG_VERSION"
        return int(version.read_text().strip().split(".")[0]) if version.exists() else None

    def _initialize(self) -> None:
        """initdb beside the final place and move it there, so that a half-made cluster is never taken for a whole."""
        making, password_file = self.data.with_name("data.new"), self.data.with_name("password.new")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700)
        password = self._new_password()
        password_file.touch(mode=0o600)
        password_file.write_text(password)
        give_to(self.account, making, password_file)
        try:
            self._tool(
                "initdb", "-D", str(making), "-U", SUPERUSER, f"--pwfile={password_file}", "--auth=scram-sha-256",
                "--encoding=UTF8", *self._locale(), "--no-sync", "--no-instructions",
            )  # fmt: skip
        finally:
            password_file.unlink()
        making.rename(self.data)

    def _locale(self) -> list[str]:
        """Byte order everywhere: the same on every machine, no ICU needed. C.UTF-8 adds Unicode's upper and lower."""
        if self.binaries.major >= 17:
            return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        return ["--locale=C.UTF-8" if os.uname().sysname == "Linux" else "--locale=C"]

    def _reset_password(self) -> None:
        """The secrets were deleted and the data were not: set a new password in single-user mode."""
        statement = f"ALTER ROLE {SUPERUSER} PASSWORD '{self._new_password()}'\n"
        self._tool("postgres", "--single", "-D", str(self.data), "postgres", given=statement)

    def _new_password(self) -> str:
        private_folder(self._password_file.parent)
        password = secrets.token_urlsafe(32)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(password)
        return password

    def _clear_stale_lock(self) -> None:
        """After kill -9 the lock file names a dead process, an unrelated one, or a server that lost its starter."""
        lock = self.data / "postmaster.pid"
        if not lock.exists():
            return
        first = lock.read_text().split("\n", 1)[0]
        server = postmaster(int(first), self.data) if re.fullmatch(r"\d+", first) else None
        if server is not None:
            halt(server, 10.0)
        lock.unlink(missing_ok=True)

    def _ask(self, setting: str) -> str:
        return self._tool("postgres", "-C", setting, "-D", str(self.data)).strip()

    def _tool(self, program: str, *arguments: str, given: str = "") -> str:
        """Run one of PostgreSQL's own programs as the server's user; its output."""
        command = launched([self.binaries.program(program), *arguments], account=self.account)
        done = subprocess.run(command, input=given, capture_output=True, text=True, cwd="/", env=environment())
        if done.returncode != 0:
            raise PostgresError(f"{program} ended with exit code {done.returncode}:\n{done.stderr.strip()}")
        return done.stdout


def certificate_of(home: Path) -> Path:
    """The server's certificate, which it has signed itself; there is none if the server has no TLS."""
    return home / "postgres" / "data" / "server.crt"


def environment() -> dict[str, str]:
    """Ours, with messages in English (`failure` reads them) and no variable that would steer the server elsewhere."""
    return {k: v for k, v in os.environ.items() if not k.startswith("PG")} | {"LC_ALL": "C"}


def postmaster(pid: int, data: Path) -> psutil.Process | None:
    """The process if it is a live server on this data directory, which is its working directory."""
    try:
        process = psutil.Process(pid)
        ours = process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).resolve() == data.resolve()
    except psutil.Error:
        return None
    return process if ours else None


def halt(server: psutil.Process, patience: float) -> None:
    """Ask a server to stop, more and more firmly: fast, immediate, kill."""
    for order, wait in ((signal.SIGINT, patience), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
        try:
            server.send_signal(order)
        except psutil.NoSuchProcess:
            return
        if not wait_gone([server], wait):
            return
