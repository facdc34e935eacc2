"""The crash sweep: the flow's process is killed at every write to AWS in turn, and the runs after it make all good.

In a march every run dies at the first write that none has died at, so each begins with what all those before it left.
`after` it, AWS has done it and nobody heard the answer; `before` the call that follows, the store knows of it, too. In
the end the account has to be what an undisturbed release leaves: one of each resource, no orphan, no release left open.
`--exhaustive` kills at each call alone, reads too, on an account of its own, and lets the second run make it good.
"""

from collections import Counter
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
ALIKE = 3
"""Of so many calls of one operation a march dies; there are eleven alarms."""
CLOSING = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'releases'::regclass)"
FORGET = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND relation = 'releases'::regclass"
"""PostgreSQL would still do what the dead process has sent."""


@pytest.fixture(scope="module")
def sweep(cloud: Cloud, zygote: Zygote) -> Sweep:
    return Sweep(cloud, zygote)


@pytest.fixture(scope="module")
def scene(cloud: Cloud, zygote: Zygote) -> Scene:
    return Scene(cloud, zygote)


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


@pytest.fixture(scope="module")
def updated(sweep: Sweep, scene: Scene, sources: tuple[str, str]) -> Clean:
    """An update that nothing disturbed."""
    stand(sweep, sources[0])
    with scene.configured(**CHANGED):
        return sweep.clean(source=sources[1])


def stand(sweep: Sweep, source: str) -> None:
    """The first backend, released on an empty account."""
    sweep.cloud.reset()
    assert sweep.run(source=source).code == 0


def deaths(points: Sequence[Point]) -> Iterator[tuple[Point, Phase]]:
    for point in points:
        yield point, "before"
        if not point.is_read:
            yield point, "after"


def assert_killed_and_completed(sweep: Sweep, clean: Clean, point: Point, phase: Phase, source: str) -> None:
    """Killed there, and run again: as if nothing had been."""
    killed = sweep.kill(point, phase, source=source)
    assert killed.code == -9 or (killed.code == 0 and point.is_read), killed.error  # a poll may be one less this time
    ended = sweep.run(source=source)
    assert ended.code == 0, ended.error
    sweep.assert_as(clean)


def assert_marches(sweep: Sweep, clean: Clean, phase: Phase, source: str) -> None:
    """Killed at each write, each time further on, and then as if nothing had been."""
    writes = Counter((point.service, point.operation) for point in clean.points if not point.is_read)
    left = Counter({operation: min(calls, ALIKE) for operation, calls in writes.items()})
    never = set(left)
    while died := sweep.kill_at_any(left, phase, source=source):
        left[died] -= 1
        never.discard(died)
    assert not never, f"no run came to {never}"
    sweep.assert_as(clean)


@pytest.mark.parametrize("phase", ["after", "before"])
def test_a_first_release(sweep: Sweep, first: Clean, sources: tuple[str, str], phase: Phase, exhaustive: bool) -> None:
    if phase == "after" and not exhaustive:
        pytest.skip("what AWS has done and nobody heard is swept in an update; in a first release with --exhaustive")
    sweep.cloud.reset()
    assert_marches(sweep, first, phase, sources[0])


@pytest.mark.parametrize("phase", ["after", "before"])
def test_an_update(
    sweep: Sweep, scene: Scene, updated: Clean, sources: tuple[str, str], phase: Phase, exhaustive: bool
) -> None:
    """Other code and other settings, on a system that stands."""
    if phase == "before" and not exhaustive:
        pytest.skip("what the store knows is swept in a first release; in an update with --exhaustive")
    stand(sweep, sources[0])
    with scene.configured(**CHANGED):
        assert_marches(sweep, updated, phase, sources[1])


def test_each_call_alone(
    sweep: Sweep,
    scene: Scene,
    first: Clean,
    updated: Clean,
    sources: tuple[str, str],
    subtests: pytest.Subtests,
    exhaustive: bool,
) -> None:
    if not exhaustive:
        pytest.skip("each call alone is for --exhaustive")
    for point, phase in deaths(first.points):
        with subtests.test(f"{phase} {point} of a first release"):
            sweep.cloud.reset()
            assert_killed_and_completed(sweep, first, point, phase, sources[0])
    for point, phase in deaths(updated.points):
        with subtests.test(f"{phase} {point} of an update"):
            stand(sweep, sources[0])
            with scene.configured(**CHANGED):
                assert_killed_and_completed(sweep, updated, point, phase, sources[1])


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
