"""What the supervisor knows, in `<home>/state.json`: ports, processes, health, failures. Never a secret.

The supervisor alone writes it, whole or not at all. Readers (`miyabi up`, `status`, `down`, the next supervisor) take a
file that is absent, of another version or damaged for an empty one: nothing in it is needed to start again.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from localcloud.files import write_whole

VERSION = 1
Phase = Literal["waiting", "starting", "ready", "unhealthy", "failed", "stopped"]
USABLE = frozenset({"ready", "unhealthy"})


@dataclass(frozen=True)
class Identity:
    """A process that is not confused with a later one of the same number. `created` is in seconds since 1970."""

    pid: int
    created: float


@dataclass(frozen=True)
class Failure:
    """How a service ended that should not have. `exit_code` is negative for a signal, None if it never ran."""

    at: float
    exit_code: int | None
    log: str


@dataclass
class ServiceState:
    """One service. `failures` counts those since it was last well for a while."""

    phase: Phase = "waiting"
    process: Identity | None = None
    since: float = 0.0
    failures: int = 0
    failure: Failure | None = None


@dataclass
class State:
    """All of it. `started` is when the supervisor began, in seconds since 1970."""

    supervisor: Identity | None = None
    started: float = 0.0
    ports: dict[str, int] = field(default_factory=dict)
    services: dict[str, ServiceState] = field(default_factory=dict)

    def save(self, home: Path) -> None:
        write_whole(home / "state.json", json.dumps({"version": VERSION} | asdict(self), indent=1) + "\n")


def load_state(home: Path) -> State:
    """The saved state, or an empty one."""
    try:
        return parse(json.loads((home / "state.json").read_text()))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return State()


def wait_for(home: Path, service: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Return once the supervisor finds the service ready. For processes that it started and will end."""
    while (known := load_state(home).services.get(service)) is None or known.phase not in USABLE:
        sleep(0.02)


def parse(data: Any) -> State:
    if data["version"] != VERSION:
        raise ValueError(f"state of version {data['version']!r}")
    ports = {str(name): int(port) for name, port in data["ports"].items() if 0 < int(port) < 65536}
    services = {str(name): parse_service(service) for name, service in data["services"].items()}
    return State(parse_identity(data["supervisor"]), float(data["started"]), ports, services)


def parse_service(data: Any) -> ServiceState:
    failure = Failure(**data["failure"]) if data["failure"] else None
    return ServiceState(
        data["phase"], parse_identity(data["process"]), float(data["since"]), int(data["failures"]), failure
    )


def parse_identity(data: Any) -> Identity | None:
    return Identity(int(data["pid"]), float(data["created"])) if data else None
