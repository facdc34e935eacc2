"""A canary: a bad version goes back by itself, a good one loses no request, and one that dies on its way is repaired.

The releases of this module build on each other: version 1 is the good backend. A visitor asks the public URL all the
time and writes down which version answered what.
"""

import itertools
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import pytest

from localcloud.cloud import Cloud
from tests.release.conftest import FIXTURES
from tests.release.scene import API, FUNCTION, Scene, another_backend, standing
from tests.release.sweeping import Point, Sweep
from tests.release.zygote import Zygote

CANARY: dict[str, Any] = {
    "steps": (10, 50, 100), "bake_s": 1.0, "interval_s": 0.1, "extension_s": 20.0, "min_requests": 40,
    "probes_per_s": 40.0, "traffic_per_s": 20.0, "p95_noise_ms": 150.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def scene(cloud: Cloud, zygote: Zygote) -> Iterator[Scene]:
    scene = standing(cloud, zygote)
    with scene.configured(canary=CANARY):
        yield scene


class Visitor:
    """Asks the public URL `per_s` times a second in a thread of its own, as long as the block lasts."""

    def __init__(self, scene: Scene, *, per_s: float = 50.0) -> None:
        status = httpx.get(f"{scene.cloud.aws_endpoint}/_cloud/status").json()
        self._client = httpx.Client(base_url=status["apis"][API]["url"], timeout=40)
        self._pause, self._over = 1 / per_s, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.answers: list[tuple[float, int, str]] = []
        """When, the status, and the version that says it answered."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._client.close()

    def _run(self) -> None:
        began = time.monotonic()
        for number in itertools.count(1):
            answer = self._client.get("/api/v1/health")
            self.answers.append((time.time(), answer.status_code, answer.json().get("version", "")))
            if self._over.wait(max(0.0, began + number * self._pause - time.monotonic())):
                return

    @property
    def versions(self) -> Counter[str]:
        return Counter(version for _, _, version in self.answers)

    @property
    def failed(self) -> int:
        return sum(status != 200 for _, status, _ in self.answers)


def backend(folder: Path, name: str) -> str:
    """The good backend with what a file of tests/fixtures/canary adds to it."""
    file = FIXTURES / "canary" / f"{name}.py"
    return another_backend(folder, name=name, handler=file.read_text() if file.exists() else "")


@contextmanager
def taken_back(scene: Scene, source: str) -> Iterator[tuple[str, Visitor]]:
    """Release a version that the canary must take back; its error, and what a visitor saw."""
    before = scene.live()
    with Visitor(scene) as visitor:
        ended = scene.run(source=source)
    assert ended.code == 1
    assert scene.live() == before
    assert weights(scene) == {}
    assert scene.last_release().status == "rolled_back"
    yield ended.error, visitor
    with Visitor(scene) as after:
        time.sleep(0.3)
    assert set(after.versions) == {before}


def weights(scene: Scene) -> dict[str, float]:
    alias = scene.aws("lambda").get_alias(FunctionName=FUNCTION, Name="live")
    return dict(alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {}))


def test_one_that_fails_5_percent_of_its_requests(scene: Scene, tmp_path: Path) -> None:
    """Each 20th request of a process, so a version of many processes may come to the second share."""
    with taken_back(scene, backend(tmp_path, "failing")) as (error, visitor):
        share = re.search(r"is taken back at (10|50) %: ", error)
        assert share, error
        assert "answered 500" in error
        assert visitor.failed <= int(share[1]) / 100 * visitor.versions.total()
        shifted = next((n for n, (_, _, version) in enumerate(visitor.answers) if version != "1"), None)
        assert all(status == 200 for _, status, _ in visitor.answers[:shifted])
    row = scene.artifact("canary-local")[-1]
    assert row["share"] == f"{share[1]} %"
    assert row["verdict"].startswith("taken back: ")
    assert "## Canary" in scene.artifact("release-local")


def test_one_that_is_300_ms_slower(scene: Scene, tmp_path: Path) -> None:
    with taken_back(scene, backend(tmp_path, "slow")) as (error, visitor):
        assert "asked directly, p95 is 3" in error
        assert visitor.failed == 0


def test_one_that_leaks_connections(scene: Scene, tmp_path: Path) -> None:
    with taken_back(scene, backend(tmp_path, "leaking")) as (error, visitor):
        assert "it leaks database connections" in error
        assert visitor.failed == 0


def test_one_that_crashes_only_with_traffic(scene: Scene, tmp_path: Path) -> None:
    """Probes find nothing; CloudWatch by executed version does, and so do visits through the public URL."""
    with taken_back(scene, backend(tmp_path, "crashing")) as (error, visitor):
        assert "with traffic (Lambda's metrics)" in error
        assert "asked directly" not in error
        assert 0 < visitor.failed <= 0.3 * len(visitor.answers)


def test_a_good_one_loses_no_request(scene: Scene, tmp_path: Path) -> None:
    with Visitor(scene, per_s=50) as visitor:
        ended = scene.run(source=backend(tmp_path, "good"))
    assert ended.code == 0, ended.error
    assert visitor.failed == 0
    assert set(visitor.versions) == {"1", scene.live()}
    assert [(row["share"], row["verdict"]) for row in scene.artifact("canary-local")] == [
        ("10 %", "good"), ("50 %", "good"),
    ]  # fmt: skip
    assert scene.writes.count("lambda.UpdateAlias") == 3
    assert scene.last_release().status == "succeeded"


def test_nothing_new_needs_no_canary(scene: Scene, tmp_path: Path) -> None:
    ended = scene.run(source=backend(tmp_path, "good"))
    assert ended.code == 0, ended.error
    assert "lambda.UpdateAlias" not in scene.writes
    assert "## Canary" not in scene.artifact("release-local")


def test_killed_in_the_middle_and_rolled_back(scene: Scene, tmp_path: Path) -> None:
    before = scene.live()
    kill_at_share(scene, backend(tmp_path, "third"))
    assert scene.run("rollback").code == 0
    assert scene.writes == ["lambda.UpdateAlias"]
    assert (scene.live(), weights(scene)) == (before, {})
    assert scene.last_release().status == "rolled_back"


def test_killed_in_the_middle_and_released_again(scene: Scene, tmp_path: Path) -> None:
    before, source = scene.live(), backend(tmp_path, "third")
    kill_at_share(scene, source)
    planned = [row for row in scene.plan(source=source) if row["what"] == f"alias {FUNCTION}:live"]
    (finding,) = [row for row in planned if row["change"] == "finding"]
    assert f"had {before} and 10 % on" in finding["why"]
    ended = scene.run(source=source)
    assert ended.code == 0, ended.error
    assert weights(scene) == {}
    assert scene.live() != before
    assert len(scene.artifact("canary-local")) == 2
    assert scene.run("rollback").code == 0  # to before both
    assert scene.live() == before


def kill_at_share(scene: Scene, source: str) -> None:
    """Kill a release that has just given 10 % of the traffic to its version."""
    sweep = Sweep(scene.cloud, scene.releases.zygote)
    assert sweep.kill(Point("lambda", "UpdateAlias", 1), "after", source=source).code == -9
    assert list(weights(scene).values()) == [0.1]


def test_moved_by_someone_else_meanwhile(scene: Scene, tmp_path: Path) -> None:
    """A person takes the traffic away in the middle: the run stops, and leaves it where the person put it."""
    source, client = backend(tmp_path, "fourth"), scene.aws("lambda")

    def on_call(number: int, service: str, operation: str, when: str) -> None:
        if (operation, when) == ("UpdateAlias", "after"):
            scene.cloud.faults.on_call = None
            threading.Thread(target=move).start()

    def move() -> None:
        client.update_alias(
            FunctionName=FUNCTION, Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {}}
        )

    scene.cloud.faults.clear()
    scene.cloud.faults.on_call = on_call
    ended = scene.releases.run(source=source)
    assert ended.code == 1
    assert "was moved to 1 by someone else meanwhile; this run stops" in ended.error
    assert scene.live() == "1"
