"""The crash sweep: the flow's process is killed at every AWS call in turn, and a second run makes everything good.

Killed `before` a call, the call is never made; killed `after` it, AWS has done it and nobody heard the answer. Each
time the account has to be what an undisturbed release leaves: one of each resource, no orphan, no release left open.
"""

import pytest

from localcloud.aws.faults import Phase
from localcloud.cloud import Cloud
from tests.release.sweeping import Clean, Point, Sweep, small_backend
from tests.release.zygote import Zygote

pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(scope="module")
def sweep(cloud: Cloud, zygote: Zygote) -> Sweep:
    return Sweep(cloud, zygote)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    return small_backend(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def first(sweep: Sweep, source: str) -> Clean:
    """A first release that nothing disturbed."""
    sweep.cloud.reset()
    return sweep.clean(source=source)


def swept(points: tuple[Point, ...], phase: Phase, exhaustive: bool) -> list[Point]:
    """Before every call, and after each that changes something: after a read all is as it was before it."""
    return [point for point in points if exhaustive or phase == "before" or not point.is_read]


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_first_release(
    sweep: Sweep, first: Clean, source: str, phase: Phase, subtests: pytest.Subtests, exhaustive: bool
) -> None:
    for point in swept(first.points, phase, exhaustive):
        with subtests.test(f"{phase} {point}"):
            sweep.cloud.reset()
            assert sweep.kill(point, phase, source=source).code == -9
            ended = sweep.run(source=source)
            assert ended.code == 0, ended.error
            sweep.assert_as(first)
