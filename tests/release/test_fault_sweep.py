"""The fault sweep: every AWS call of a run fails once, in each way that AWS knows, and the run completes all the same.

One run for each kind of fault, which meets the first attempt of every call in it; the account has to be what an
undisturbed run leaves. Kinds that meet code of ours, and not boto3's retries alone, also disturb what comes later: an
update, a teardown. `--exhaustive` does so with all kinds, and then faults each call of a first release alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from localcloud.aws.faults import Kind, Phase
from localcloud.cloud import Cloud
from tests.release.disturbances import APART, DISTURBANCES, Disturbance, one_call
from tests.release.scene import Scene
from tests.release.sweeping import CHANGED, Clean, Point, Sweep, small_backend
from tests.release.zygote import Zygote

pytestmark = pytest.mark.timeout(3600)


@dataclass(frozen=True)
class Stage:
    """One run in the life of a system, on what the stage before it left."""

    flow: str
    parameters: Mapping[str, Any]
    settings: Mapping[str, Any]


@pytest.fixture(scope="module")
def sweep(cloud: Cloud, zygote: Zygote) -> Sweep:
    return Sweep(cloud, zygote)


@pytest.fixture(scope="module")
def scene(cloud: Cloud, zygote: Zygote) -> Scene:
    return Scene(cloud, zygote)


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> tuple[Stage, ...]:
    """A first release; another backend with other settings; the end; a new beginning."""
    folder = tmp_path_factory.mktemp("sources")
    first, second = (Stage("release", {"source": small_backend(folder, name)}, {}) for name in ("first", "second"))
    end = Stage("teardown", {"confirm": "local", "final_snapshot": False}, CHANGED)
    return first, replace(second, settings=CHANGED), end, first


@pytest.fixture(scope="module")
def cleans(sweep: Sweep, scene: Scene, life: tuple[Stage, ...], exhaustive: bool) -> tuple[Clean, ...]:
    """What each stage leaves that nothing disturbed, as far as any is disturbed."""
    sweep.cloud.reset()
    made = list[Clean]()
    for stage in life if exhaustive else life[: max(one.stages for one in DISTURBANCES)]:
        with scene.configured(**stage.settings):
            made.append(sweep.clean(stage.flow, **stage.parameters))
    return tuple(made)


def assert_completes(sweep: Sweep, stage: Stage, clean: Clean, disturbance: Disturbance) -> list[Point]:
    """Run a stage under faults; the calls that met one."""
    ended, met = sweep.disturb(
        lambda point: disturbance.fault(point, clean.calls(point)), stage.flow, **stage.parameters
    )
    assert ended.code == 0, ended.error
    if stage.flow == "release":
        sweep.assert_as(clean)
    else:
        sweep.assert_holds(clean)
    return met


@pytest.mark.parametrize("disturbance", [*DISTURBANCES, *APART], ids=str)
def test_every_call_fails_once(
    sweep: Sweep,
    scene: Scene,
    life: tuple[Stage, ...],
    cleans: tuple[Clean, ...],
    disturbance: Disturbance,
    exhaustive: bool,
) -> None:
    if disturbance in APART and not exhaustive:
        pytest.skip("these kinds apart are for --exhaustive")
    sweep.cloud.reset()
    stages, met = life if exhaustive else life[: disturbance.stages], list[Point]()
    for stage, clean in zip(stages, cleans, strict=False):
        with scene.configured(**stage.settings):
            met += assert_completes(sweep, stage, clean, disturbance)
    assert met, "no call met a fault"


ALONE: tuple[tuple[Kind, Phase], ...] = (
    ("throttle", "before"), ("server-error", "before"), ("server-error", "after"), ("reset", "before"),
    ("reset", "after"),
)  # fmt: skip


@pytest.mark.parametrize(("kind", "when"), ALONE)
def test_one_call_fails(
    sweep: Sweep,
    life: tuple[Stage, ...],
    cleans: tuple[Clean, ...],
    kind: Kind,
    when: Phase,
    subtests: pytest.Subtests,
    exhaustive: bool,
) -> None:
    if not exhaustive:
        pytest.skip("each call alone is for --exhaustive")
    for point in cleans[0].points:
        alone = one_call(point, kind, when)
        with subtests.test(str(alone)):
            sweep.cloud.reset()
            assert_completes(sweep, life[0], cleans[0], alone)  # a poll that was not needed this time meets none
