"""What the sweeps share: the points of a release, a run that dies or is disturbed at one, and a look at the outcome.

A point is the n-th call of one operation, not the n-th call of the run: waiting asks again and again, so numbers move.
"""

import difflib
import itertools
import json
import os
import signal
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, LiteralString

import httpx

from blocks.aws import is_read
from localcloud.aws.faults import Call, Dropped, Fault, Phase
from localcloud.cloud import Cloud
from tests.release.conftest import FIXTURES, Releases
from tests.release.inventory import Account
from tests.release.zygote import Ended, Zygote

API = "miyabi-api-local"
CHANGED: Mapping[str, Any] = {
    "function": {"memory_mb": 256},
    "database": {"backup_days": 9, "ingress_cidrs": ("192.0.2.0/24",)},
    "api": {"rate_limit": 50, "cors_origins": ("https://miyabi.example",)},
    "log_retention_days": 14,
    "monitoring": {"api_5xx": 20, "function_p95_ms": None, "emails": ("ops@example.com",)},
}
"""Settings of an update: something in each service."""
PATIENCE = 30.0
"""Seconds until a run is killed even if it did not come to where it was to die."""


@dataclass(frozen=True)
class Point:
    """The `nth` call of an operation in one run, from 1."""

    service: str
    operation: str
    nth: int

    def __str__(self) -> str:
        return f"{self.service}.{self.operation} {self.nth}"

    @property
    def is_read(self) -> bool:
        """It changes nothing, so dying before it and dying after it leave the same behind."""
        return is_read(self.operation)


@dataclass(frozen=True)
class Clean:
    """What an undisturbed run did, and what it left."""

    points: tuple[Point, ...]
    inventory: dict[str, Any]

    def calls(self, point: Point) -> int:
        """How often the point's operation was called."""
        return sum((point.service, point.operation) == (other.service, other.operation) for other in self.points)


class Sweep:
    """Runs flows on the account, and looks at it afterwards."""

    def __init__(self, cloud: Cloud, zygote: Zygote) -> None:
        self.cloud = cloud
        self.releases = Releases(cloud, zygote)
        self.account = Account(cloud)

    def run(self, flow: str = "release", **parameters: Any) -> Ended:
        """Run a flow undisturbed; the record of calls begins with it."""
        self.cloud.faults.clear()
        return self.releases.run(flow, **parameters)

    def clean(self, flow: str = "release", **parameters: Any) -> Clean:
        """Run a flow undisturbed, and take that for how it has to be."""
        ended = self.run(flow, **parameters)
        assert ended.code == 0, ended.error
        points = tuple(points_of(self.cloud.calls))
        return Clean(points, self.account.inventory())

    def kill(self, point: Point, phase: Phase, flow: str = "release", **parameters: Any) -> Ended:
        """Run a flow and kill its process at a point. It ends by itself if it does not come there."""
        self.cloud.faults.clear()
        count = itertools.count(1)

        def on_call(number: int, service: str, operation: str, when: Phase) -> None:
            here = (service, operation, when) == (point.service, point.operation, phase)
            if here and next(count) == point.nth:
                os.kill(self.releases.pid, signal.SIGKILL)
                raise Dropped

        self.cloud.faults.on_call = on_call
        return self.releases.run(flow, **parameters)

    def kill_at_any(
        self, left: Mapping[tuple[str, str], int], phase: Phase, **parameters: Any
    ) -> tuple[str, str] | None:
        """Release, and kill the process at the first write of an operation of which any are left: after it, or before
        the call that comes next. The operation, or None if the run came to its end."""
        self.cloud.faults.clear()
        died: list[tuple[str, str]] = []

        def on_call(number: int, service: str, operation: str, when: Phase) -> None:
            if not died and when == "after" and left.get((service, operation), 0) > 0:
                died.append((service, operation))
            if died and when == phase:
                os.kill(self.releases.pid, signal.SIGKILL)
                raise Dropped

        self.cloud.faults.on_call = on_call
        ended = self.releases.run(**parameters)
        assert ended.code in ((-9, 0) if died else (0,)), ended.error  # 0: nothing is asked of AWS after its last write
        return died[0] if died else None

    def kill_when(
        self, true: LiteralString, after: Point, *, first: Callable[[], object] = lambda: None, **parameters: Any
    ) -> Ended:
        """Release, and kill the process once a query of the environment's database answers true.

        After the call `after`, `first` is called and then the query asked.
        """
        self.cloud.faults.clear()
        assert after.nth == 1

        def watch() -> None:
            with self.account.database() as connection:
                until = time.monotonic() + PATIENCE
                while connection.execute(true).fetchone() != (True,) and time.monotonic() < until:
                    time.sleep(0.001)
            os.kill(self.releases.pid, signal.SIGKILL)

        def on_call(number: int, service: str, operation: str, when: Phase) -> None:
            if (service, operation, when) == (after.service, after.operation, "after"):
                first()
                threading.Thread(target=watch, daemon=True).start()

        self.cloud.faults.on_call = on_call
        return self.releases.run(**parameters)

    def disturb(
        self, fault_for: Callable[[Point], Fault | None], flow: str, **parameters: Any
    ) -> tuple[Ended, list[Point]]:
        """Run a flow whose calls meet the faults that `fault_for` gives; how it ended, and which calls met one."""
        self.cloud.faults.clear()
        met, counts = list[Point](), Counter[tuple[str, str, Phase]]()

        def on_call(number: int, service: str, operation: str, when: Phase) -> None:
            counts[service, operation, when] += 1
            point = Point(service, operation, counts[service, operation, when])
            if (fault := fault_for(point)) and fault.when == when:
                met.append(point)
                self.cloud.faults.add(replace(fault, call=number))

        self.cloud.faults.on_call = on_call
        return self.releases.run(flow, **parameters), met

    @property
    def wrote(self) -> list[Point]:
        """What the last run wrote."""
        return [point for point in points_of(self.cloud.calls) if not point.is_read]

    def assert_holds(self, clean: Clean) -> None:
        """The account holds what an undisturbed run leaves in it, and nothing else."""
        assert not (found := difference(clean.inventory, self.account.inventory())), found

    def assert_as(self, clean: Clean) -> None:
        """The account is as an undisturbed release leaves it, no release is left open, and the API answers."""
        self.assert_holds(clean)
        *others, last = self.account.release_states()
        assert last == "succeeded", last
        assert set(others) <= {"failed", "succeeded"}, others
        assert self.health()["status"] == "ok"

    def health(self) -> dict[str, str]:
        """What the API answers: the version that serves."""
        with httpx.Client(verify=False) as client:  # on loopback; parsing the CA bundle takes longer than asking
            status = client.get(f"{self.cloud.aws_endpoint}/_cloud/status").json()
            answer = client.get(f"{status['apis'][API]['url']}/api/v1/health")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def difference(wanted: Any, found: Any) -> str:
    """Two inventories line by line, where they differ."""
    lines = [json.dumps(inventory, indent=1, sort_keys=True).splitlines() for inventory in (wanted, found)]
    return "\n".join(difflib.unified_diff(*lines, "undisturbed", "found", lineterm=""))


def points_of(calls: Iterable[Call]) -> Iterable[Point]:
    """Each call with its count among those of its operation."""
    counts = Counter[tuple[str, str]]()
    for call in calls:
        counts[call.service, call.operation] += 1
        yield Point(call.service, call.operation, counts[call.service, call.operation])


def small_backend(folder: Path, name: str = "small") -> str:
    """The good backend as a zip beside its manifest: quicker to build than from its folder, and in no repository."""
    place = folder / name
    place.mkdir()
    good = FIXTURES / "python-lambda"
    (place / "miyabi.toml").write_text((good / "miyabi.toml").read_text())
    code = zipfile.ZipInfo("handler.py")
    code.external_attr = 0o644 << 16
    with zipfile.ZipFile(place / "backend.zip", "w") as archive:
        archive.writestr(code, f"# {name}\n" + (good / "handler.py").read_text())
    return f"zip:{place / 'backend.zip'}"
