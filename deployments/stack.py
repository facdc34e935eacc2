"""What `miyabi up`, `down` and `status` do with the local stack, one per state folder.

`up` starts the supervisor (localcloud/supervisor.py), detached, and follows it through state.json until every service
is ready or one has failed too often; `down` asks it to stop and then makes sure that no process of ours is left. Both
hold one lock, so two of them at once take turns. Nothing heavy is imported: `status` answers in a tenth of a second.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

from localcloud.files import fresh_log, tail
from localcloud.health import ask
from localcloud.launch import launched
from localcloud.prefect_settings import auth_file, auth_string, is_scaled_out
from localcloud.processes import MARK, is_gone, kill_all, living, mark_of, remaining, wait_gone
from localcloud.state import USABLE, Phase, ServiceState, State, load_state

ROOT = Path(__file__).resolve().parent.parent
API, DATABASE = "miyabi-api-local", "miyabi-postgres-local"
SUPERVISOR = (sys.executable, "-m", "localcloud.supervisor")
SCALED_OUT = (*SUPERVISOR, "--services", "scale_out")
TOO_OFTEN = 3
LONGEST_STOP_S = 40.0

Report = Callable[[str], None]
News = set[tuple[str, Phase, int]]
AfterReady = Callable[[Path, Mapping[str, int], Report], None]


class StackError(Exception):
    """The stack did not come up, or did not go down; the message says which service and shows the end of its log."""


class SupervisorEnded(StackError):
    """The supervisor itself is gone; the message shows the end of its log."""


@dataclass(frozen=True)
class Status:
    """What runs. `services` says of each whether it is healthy; ports are those in use, or used last time."""

    home: Path
    running: bool
    services: dict[str, bool] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def healthy(self) -> bool:
        return self.running and all(self.services.values())

    @property
    def prefect_ui(self) -> str | None:
        return self._url("prefect", "prefect")

    @property
    def prefect_api(self) -> str | None:
        return f"{self.prefect_ui}/api" if self.prefect_ui else None

    @property
    def aws_endpoint(self) -> str | None:
        return self._url("cloud", "aws")

    def _url(self, service: str, port: str) -> str | None:
        return f"http://127.0.0.1:{self.ports[port]}" if self.services.get(service) else None


def state_folder() -> Path:
    """MIYABI_HOME, or `.miyabi` in the repository."""
    return Path(os.environ.get("MIYABI_HOME") or ROOT / ".miyabi").expanduser().resolve()


def up(
    report: Report,
    *,
    after_ready: AfterReady | None = None,
    home: Path | None = None,
    supervisor: Sequence[str] = SUPERVISOR,
    patience: float = 180.0,
) -> Status:
    """Start what is not running and wait, `patience` seconds at most, until all of it is ready.

    Then `after_ready(home, ports, report)` is called, still under the lock. A stack that does not come up is stopped
    again, unless it was running before. Raises StackError.
    """
    home = home or state_folder()
    home.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(home):
        bring_up(home, supervisor, report, patience)
        if after_ready is not None:
            after_ready(home, load_state(home).ports, report)
    return status(home)


def up_scaled_out(report: Report, **how: Any) -> Status:
    """`up` with several of everything (localcloud/scale_out.py). Raises StackError, too, if this machine cannot."""
    from localcloud.scale_out import missing

    now = status()
    if now.running and not is_scaled_out(now.ports):
        raise StackError("the stack runs with one of each; stop it first: `miyabi down`")
    if lacks := missing():
        raise StackError(lacks)
    return up(report, supervisor=SCALED_OUT, patience=300.0, **how)


def down(report: Report, *, home: Path | None = None) -> None:
    """Stop everything, in order, and see that nothing of it is left. The data stay. Raises StackError."""
    home = home or state_folder()
    if not home.exists():
        report("nothing is running")
        return
    with one_at_a_time(home):
        report("stopped; the data stay in " + str(home) if bring_down(home) else "nothing is running")


def status(home: Path | None = None) -> Status:
    """What runs, as the supervisor sees it."""
    home = home or state_folder()
    state = load_state(home)
    running = living(state.supervisor) is not None
    services = {name: running and is_well(service) for name, service in state.services.items()}
    return Status(home, running, services, state.ports)


def status_json() -> dict[str, Any]:
    """`miyabi status --json`. Addresses of what does not answer, or is not released yet, are null."""
    now = status()
    cloud = ask(now.ports["aws"], "GET", "/_cloud/status") if now.aws_endpoint else None
    known: dict[str, Any] = cloud if isinstance(cloud, dict) else {}
    return {
        "prefect_ui": now.prefect_ui,
        "prefect_api": now.prefect_api,
        "aws_endpoint": now.aws_endpoint,
        "api_url": known.get("apis", {}).get(API, {}).get("url"),
        "site_url": next((site.get("url") for site in known.get("sites", {}).values()), None),
        "database_url": database_url(now.home) if now.services.get("postgres") else None,
        "state": str(now.home),
        "prefect_auth": str(auth_file(now.home)) if is_scaled_out(now.ports) else None,
        "services": now.services,
    }


def prefect_auth(now: Status) -> str:
    """What its Prefect asks of its clients, `user:password`: a secret. Empty if it asks for nothing."""
    return auth_string(now.home) if is_scaled_out(now.ports) else ""


def database_url(home: Path) -> str | None:
    """Where psql finds the released database: a secret, shown because it is local only. None before a release."""
    try:
        facts = json.loads((home / "secrets" / "rds.json").read_text())[DATABASE]
    except (OSError, KeyError, ValueError):
        return None
    user, password = quote(facts["username"], safe=""), quote(facts["password"], safe="")
    return f"postgresql://{user}:{password}@{facts['host']}:{facts['port']}/{facts['dbname']}"


def is_well(service: ServiceState) -> bool:
    return service.phase == "ready" and living(service.process) is not None


@contextmanager
def one_at_a_time(home: Path) -> Iterator[None]:
    """The lock of `up` and `down`; it goes with the process that holds it, however that ends."""
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def bring_up(home: Path, command: Sequence[str], report: Report, patience: float) -> None:
    """Follow the supervisor that runs, or one that we start; what we started and cannot use is stopped again."""
    running = living(load_state(home).supervisor)
    if running is not None:
        try:
            return follow(home, running, report, patience)
        except SupervisorEnded:
            report("the stack was going down; starting it again")
    try:
        follow(home, start_supervisor(home, command), report, patience)
    except BaseException:
        bring_down(home)
        raise


def start_supervisor(home: Path, command: Sequence[str]) -> psutil.Process:
    """Start it in a session of its own."""
    with fresh_log(home / "logs" / "supervisor.log") as log:
        done = subprocess.run(
            launched([*command, "--home", str(home)], detached=True),
            cwd=ROOT, env={**os.environ, MARK: mark_of(home)}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=log, check=True,
        )  # fmt: skip
    try:
        return psutil.Process(int(done.stdout))
    except psutil.NoSuchProcess as gone:
        raise ended(home) from gone


def ended(home: Path) -> SupervisorEnded:
    return SupervisorEnded("the supervisor ended; its log:\n" + tail(home / "logs" / "supervisor.log"))


def follow(home: Path, supervisor: psutil.Process, report: Report, patience: float) -> None:
    """Report each service as it becomes ready; raise StackError if one fails too often, or time is up."""
    began, told = time.monotonic(), News()
    while True:
        state = load_state(home)
        if state.supervisor is None or state.supervisor.pid != supervisor.pid:
            state = State()  # that of an earlier supervisor
        told |= tell(state, told, report, time.monotonic() - began)
        if state.services and all(is_well(service) for service in state.services.values()):
            return
        for name, service in state.services.items():
            if service.failures >= TOO_OFTEN and service.phase not in USABLE:
                raise StackError(explain(name, service, home))
        if is_gone(supervisor):
            raise ended(home)
        if time.monotonic() - began > patience:
            raise StackError(late(home, state, patience))
        time.sleep(0.02)


def tell(state: State, told: News, report: Report, elapsed: float) -> News:
    """Report what is new: services that are ready, and those that failed."""
    now: News = {(name, service.phase, service.failures) for name, service in state.services.items()}
    news = {item for item in now - told if item[1] in ("ready", "failed")}
    for name, phase, _ in sorted(news):
        failure = state.services[name].failure
        why = f": exit code {failure.exit_code}, trying again" if phase == "failed" and failure else ""
        report(f"  {'✓' if phase == 'ready' else '✗'} {name:<10}{elapsed:5.1f} s{why}")
    return news


def explain(name: str, service: ServiceState, home: Path) -> str:
    failure = service.failure
    how = "could not be started" if failure is None or failure.exit_code is None else f"ended: {failure.exit_code}"
    log = home / "logs" / f"{name}.log"
    return f"{name} {how} ({service.failures} times; {log}):\n{failure.log if failure else tail(log)}"


def late(home: Path, state: State, patience: float) -> str:
    waiting = {name: service for name, service in state.services.items() if not is_well(service)}
    logs = [f"{name}: {service.phase}\n{tail(home / 'logs' / f'{name}.log')}" for name, service in waiting.items()]
    return "\n".join([f"not ready after {patience:.0f} s: {', '.join(waiting) or 'the supervisor'}", *logs])


def bring_down(home: Path) -> bool:
    """Ask the supervisor, wait, end what is left. False if nothing was running."""
    supervisor = living(load_state(home).supervisor)
    if supervisor is not None:
        supervisor.send_signal(signal.SIGTERM)
        wait_gone([supervisor], LONGEST_STOP_S)
    left = remaining(home, load_state(home))
    if stubborn := kill_all(left):
        raise StackError(f"these processes cannot be ended: {[process.pid for process in stubborn]}")
    return supervisor is not None or bool(left)
