"""Starts the services in the order of their needs, watches them, restarts what crashed, stops them in reverse.

One thread, one loop: each turn moves every service one step (waiting → starting → ready, or failed and again later).
The services are given, so tests run it with tiny ones; the real ones are in localcloud/services.py, which is what
`python -m localcloud.supervisor --home H` runs, and in localcloud/scale_out.py. `miyabi up` starts it detached and
follows it through state.json.
"""

import argparse
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import psutil

from localcloud.files import fresh_log, tail
from localcloud.processes import MARK, family, identify, kill_all, mark_of, sweep
from localcloud.state import USABLE, Failure, Identity, Phase, ServiceState, State, load_state

logger = logging.getLogger(__name__)

BUSY_TURN_S, QUIET_TURN_S = 0.01, 0.1
CHECK_EVERY_S, FAILED_CHECKS = 5.0, 3
FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.5, 30.0
WELL_AFTER_S = 60.0


def nothing() -> None:
    """The default of a service's hooks."""


@dataclass(frozen=True)
class Service:
    """One process to keep running. `healthy` is asked with its identity and answers in 2 s at most.

    `needs` are the services that must be ready first and stop last; one that `waits_itself` is started at once, does
    its long imports, and then waits for them (`wait_for`). `prepare` runs before each start, `settle` when it has
    become healthy and before it counts as ready; both in the supervisor, and an exception in one is a failed start.
    `stop_patience` is in seconds.
    """

    name: str
    command: Callable[[], Sequence[str]]
    healthy: Callable[[Identity], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    waits_itself: bool = False
    prepare: Callable[[], None] = nothing
    settle: Callable[[], None] = nothing
    directory: Path = Path("/")
    stop_signal: signal.Signals = signal.SIGTERM
    stop_patience: float = 10.0


class Slot:
    """A service and its process now."""

    def __init__(self, service: Service, state: ServiceState, log: Path, clock: Callable[[], float]) -> None:
        self.service, self.state, self.log, self.clock = service, state, log, clock
        self.process: subprocess.Popen[bytes] | None = None
        self.checked, self.missed, self.again_at = 0.0, 0, 0.0

    def step(self, ready: frozenset[str]) -> None:
        """One turn of the loop; `ready` names the services that are."""
        if self.process is not None and (code := self.process.poll()) is not None:
            self.fail(code, tail(self.log))
        elif self.state.phase == "waiting" and (self.service.waits_itself or ready.issuperset(self.service.needs)):
            self.start()
        elif self.state.phase == "starting" and self.is_healthy():
            self.settle()
        elif self.state.phase in USABLE:
            self.check()
        elif self.state.phase == "failed" and self.clock() >= self.again_at:
            self.move("waiting")

    def start(self) -> None:
        try:
            self.service.prepare()
            with fresh_log(self.log) as log:
                self.process = subprocess.Popen(
                    self.service.command(), env=self.service.environment, cwd=self.service.directory,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip
        except Exception as error:
            logger.exception("%s cannot be started", self.service.name)
            self.fail(None, str(error))
            return
        self.state.process = identify(self.process.pid)
        self.move("starting")

    def settle(self) -> None:
        try:
            self.service.settle()
        except Exception as error:
            logger.exception("%s is of no use", self.service.name)
            self.end()
            self.fail(None, str(error))
            return
        self.move("ready")

    def check(self) -> None:
        """Every few seconds. A hung service is shown as unhealthy and left alone: it may only be busy."""
        now = self.clock()
        if now < self.checked + CHECK_EVERY_S:
            return
        self.checked = now
        self.missed = 0 if self.is_healthy() else self.missed + 1
        phase: Phase = "unhealthy" if self.missed >= FAILED_CHECKS else "ready"
        if phase != self.state.phase and self.missed in (0, FAILED_CHECKS):
            self.move(phase)
        if self.missed == 0 and self.state.failures and now > self.state.since + WELL_AFTER_S:
            self.state.failures = 0

    def is_healthy(self) -> bool:
        return self.state.process is not None and self.service.healthy(self.state.process)

    def fail(self, code: int | None, log: str) -> None:
        self.process = self.state.process = None
        pause = min(FIRST_BACKOFF_S * 2**self.state.failures, LONGEST_BACKOFF_S)
        self.state.failures += 1
        self.state.failure = Failure(self.clock(), code, log)
        self.again_at = self.clock() + pause
        logger.warning("%s ended with exit code %s; again in %.1f s", self.service.name, code, pause)
        self.move("failed")

    def move(self, phase: Phase) -> None:
        if phase != "waiting":
            logger.info("%s is %s", self.service.name, phase)
        self.state.phase, self.state.since = phase, self.clock()

    def ask_to_stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(self.service.stop_signal)

    def end(self) -> None:
        """Wait until it has stopped, then end what is left of it and of its children."""
        if self.process is None:
            return
        leftover = family([psutil.Process(self.process.pid)]) if self.process.poll() is None else set()
        try:
            self.process.wait(self.service.stop_patience)
        except subprocess.TimeoutExpired:
            logger.warning("%s did not stop within %.0f s", self.service.name, self.service.stop_patience)
        kill_all(leftover)
        self.process.wait()
        self.process = None


class Supervisor:
    """Keeps `services` running until it is told to stop. Time and sleep are arguments."""

    def __init__(
        self,
        home: Path,
        services: Sequence[Service],
        *,
        ports: Mapping[str, int],
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.home, self.sleep = home, sleep
        states = {service.name: ServiceState() for service in services}
        self.state = State(identify(os.getpid()), clock(), dict(ports), states)
        self.slots = [Slot(s, states[s.name], home / "logs" / f"{s.name}.log", clock) for s in services]
        self.stopping = False

    def run(self) -> None:
        """Until a signal sets `stopping`; then stop everything."""
        self.save()
        try:
            while not self.stopping:
                if self.turn():
                    self.save()
                self.sleep(QUIET_TURN_S if self.is_ready else BUSY_TURN_S)
        finally:
            self.stop()

    def turn(self) -> bool:
        """One step of each service; True if any moved."""
        before = self.snapshot()
        for slot in self.slots:
            ready = frozenset(s.service.name for s in self.slots if s.state.phase in USABLE)
            slot.step(ready)
        return self.snapshot() != before

    @property
    def is_ready(self) -> bool:
        return all(slot.state.phase in USABLE for slot in self.slots)

    def stop(self) -> None:
        """Those that nobody running needs first, all at once; then those they needed, and so on."""
        running = [slot for slot in self.slots if slot.process is not None]
        while running:
            needed = {name for slot in running for name in slot.service.needs}
            wave = [slot for slot in running if slot.service.name not in needed] or running
            for slot in wave:
                slot.ask_to_stop()
            for slot in wave:
                slot.end()
                slot.state.process = None
                slot.move("stopped")
            running = [slot for slot in running if slot not in wave]
            self.save()
        self.state.supervisor = None
        self.save()

    def snapshot(self) -> list[tuple[str, int]]:
        return [(slot.state.phase, slot.state.failures) for slot in self.slots]

    def save(self) -> None:
        self.state.save(self.home)


def supervise(
    home: Path, preferred: Mapping[str, int], services: Callable[[dict[str, int]], Sequence[Service]]
) -> None:
    """The supervisor's whole life: end what a killed one left, choose ports, run until SIGTERM."""
    from localcloud.ports import choose_ports, claim

    os.environ[MARK] = mark_of(home)
    previous = load_state(home)
    if stubborn := sweep(home, previous):
        raise SystemExit(f"processes of an earlier run cannot be ended: {[process.pid for process in stubborn]}")
    ports = choose_ports(preferred, previous.ports, claim=claim)
    supervisor = Supervisor(home, services(ports), ports=ports)

    def stop(*_: object) -> None:
        supervisor.stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    supervisor.run()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--services", default="services", choices=["services", "scale_out"], help="a module of these")
    given = parser.parse_args()
    home, chosen = given.home.resolve(), import_module(f"localcloud.{given.services}")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    supervise(home, chosen.PREFERRED_PORTS, lambda ports: chosen.services(home, ports))


if __name__ == "__main__":
    main()
