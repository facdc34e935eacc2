"""The crash sweep: the flow's process is killed at every AWS call in turn, and a second run makes everything good.

Killed `before` a call, the call is never made; killed `after` it, AWS has done it and nobody heard the answer. Each
time the account has to be what an undisturbed release leaves: one of each resource, no orphan, no release left open.
"""

from collections.abc import Iterator, Sequence

import pytest

from localcloud.aws.faults import Phase
from localcloud.cloud import Cloud
from tests.release.scene import Scene
from tests.release.sweeping import CHANGED, Clean, Point, Sweep, small_backend
from tests.release.zygote import Zygote

pytestmark = pytest.mark.timeout(3600)

MOVED = Point("lambda", "UpdateAlias", 1)
STORED = Point("secretsmanager", "PutSecretValue", 1)
"""The last write before the migrations."""
CLOSING = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'releases'::regclass)"
FORGET = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND relation = 'releases'::regclass"
"""PostgreSQL would still do what the dead process has sent."""


@pytest.fixture(scope="module")
def sweep(cloud: Cloud, zygote: Zygote) -> Sweep:
    return Sweep(cloud, zygote)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Two backends: the first one, and its update."""
    folder = tmp_path_factory.mktemp("sources")
    return small_backend(folder, "first"), small_backend(folder, "second")


@pytest.fixture(scope="module")
def first(sweep: Sweep, sources: tuple[str, str]) -> Clean:
    """A first release that nothing disturbed."""
    sweep.cloud.reset()
    return sweep.clean(source=sources[0])


def deaths(points: Sequence[Point], exhaustive: bool) -> Iterator[tuple[Point, Phase]]:
    """Where to die: after each write, and before the first of the reads that follow one another.

    All other places leave what one of these leaves: a read changes nothing, and before a write all is as it was after
    the call before it. Of alike writes in a row (one alarm, and the next) the first stands for all. `--exhaustive` is
    for who does not believe it.
    """
    for earlier, point in zip([None, *points], points, strict=False):
        if exhaustive or (point.is_read and not (earlier and earlier.is_read)):
            yield point, "before"
        again = earlier is not None and (point.service, point.operation) == (earlier.service, earlier.operation)
        if exhaustive or not (point.is_read or again):
            yield point, "after"


def assert_killed_and_completed(sweep: Sweep, clean: Clean, point: Point, phase: Phase, source: str) -> None:
    """Killed there, and run again: as if nothing had been."""
    killed = sweep.kill(point, phase, source=source)
    assert killed.code == -9 or (killed.code == 0 and point.is_read), killed.error  # a poll may be one less this time
    ended = sweep.run(source=source)
    assert ended.code == 0, ended.error
    sweep.assert_as(clean)


def test_a_first_release(
    sweep: Sweep, first: Clean, sources: tuple[str, str], subtests: pytest.Subtests, exhaustive: bool
) -> None:
    for point, phase in deaths(first.points, exhaustive):
        with subtests.test(f"{phase} {point}"):
            sweep.cloud.reset()
            assert_killed_and_completed(sweep, first, point, phase, sources[0])


def test_an_update(
    sweep: Sweep, cloud: Cloud, zygote: Zygote, sources: tuple[str, str], subtests: pytest.Subtests, exhaustive: bool
) -> None:
    """Other code and other settings, on a system that stands."""
    scene = Scene(cloud, zygote)

    def stand() -> None:
        sweep.cloud.reset()
        assert sweep.run(source=sources[0]).code == 0

    stand()
    with scene.configured(**CHANGED):
        clean = sweep.clean(source=sources[1])
    for point, phase in deaths(clean.points, exhaustive):
        if exhaustive or phase == "after":
            with subtests.test(f"{phase} {point}"):
                stand()
                with scene.configured(**CHANGED):
                    assert_killed_and_completed(sweep, clean, point, phase, sources[1])


@pytest.mark.parametrize("table", ["users", "tasks", "organizations", "execution_steps", "releases"])
def test_in_the_middle_of_the_migrations(sweep: Sweep, first: Clean, sources: tuple[str, str], table: str) -> None:
    """As soon as a migration has made this table for all to see; then a snapshot is taken before the others run."""
    sweep.cloud.reset()
    seen = f"SELECT to_regclass('{table}') IS NOT NULL"
    assert sweep.kill_when(seen, STORED, source=sources[0]).code == -9
    assert sweep.run(source=sources[0]).code == 0
    snapshots = sweep.account.all("rds", "describe_db_snapshots", "DBSnapshots", SnapshotType="manual")
    assert len(snapshots) <= 1  # none if nothing was left to apply
    for snapshot in snapshots:
        sweep.account.aws("rds").delete_db_snapshot(DBSnapshotIdentifier=snapshot["DBSnapshotIdentifier"])
    sweep.assert_as(first)


def die_after_traffic_moved(sweep: Sweep, sources: tuple[str, str]) -> None:
    """Release version 1, then version 2, which dies when all is done but the closing of its record."""
    sweep.cloud.reset()
    assert sweep.run(source=sources[0]).code == 0
    with sweep.account.database() as other, other.transaction():

        def lock() -> None:
            other.execute("LOCK TABLE releases IN EXCLUSIVE MODE")

        assert sweep.kill_when(CLOSING, MOVED, first=lock, source=sources[1]).code == -9
        other.execute(FORGET)
    assert sweep.health()["version"] == "2"
    assert sweep.account.release_states() == ["succeeded", "running"]


def test_rollback_of_a_release_that_died(sweep: Sweep, sources: tuple[str, str]) -> None:
    die_after_traffic_moved(sweep, sources)
    for _ in range(2):
        assert sweep.run("rollback").code == 0
        assert sweep.health()["version"] == "1"
        assert sweep.account.release_states() == ["succeeded", "rolled_back"]
    assert not sweep.wrote  # the second time


def test_rollback_of_the_release_that_took_over(sweep: Sweep, sources: tuple[str, str]) -> None:
    """The dead run moved the traffic, and the run after it found it moved: going back is to before both."""
    die_after_traffic_moved(sweep, sources)
    assert sweep.run(source=sources[1]).code == 0
    assert sweep.health()["version"] == "2"
    assert sweep.account.release_states() == ["succeeded", "failed", "succeeded"]
    assert sweep.run("rollback").code == 0
    assert sweep.health()["version"] == "1"
    assert sweep.account.release_states() == ["succeeded", "failed", "rolled_back"]
