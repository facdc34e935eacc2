"""The supervisor's loop, turn by turn, with a clock of the test's own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from localcloud.state import Failure, Identity, ServiceState, State, load_state
from localcloud.supervisor import CHECK_EVERY_S, LONGEST_BACKOFF_S, WELL_AFTER_S, Service, Slot

SLEEPS = (sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)")
FAILS = (sys.executable, "-I", "-S", "-c", "import sys; sys.exit(3)")


@dataclass
class World:
    """The time, and whether the service says that it is well."""

    now: float = 1000.0
    well: bool = True
    asked: int = 0
    slots: list[Slot] = field(default_factory=list)

    def healthy(self, _: Identity) -> bool:
        self.asked += 1
        return self.well

    def slot(self, folder: Path, command: tuple[str, ...] = SLEEPS, needs: tuple[str, ...] = ()) -> Slot:
        service = Service("one", lambda: command, self.healthy, needs=needs)
        slot = Slot(service, ServiceState(), folder / "one.log", lambda: self.now)
        self.slots.append(slot)
        return slot


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    for slot in made.slots:
        slot.ask_to_stop()
        slot.end()


def turn(slot: Slot, *ready: str) -> str:
    slot.step(frozenset(ready))
    return slot.state.phase


def fail_once(slot: Slot) -> float:
    """Start it, let it end; how long until it is tried again."""
    assert turn(slot) == "starting"
    assert slot.process is not None
    slot.process.wait()
    assert turn(slot) == "failed"
    return slot.again_at - slot.clock()


def test_it_waits_for_what_it_needs(world: World, tmp_path: Path) -> None:
    slot = world.slot(tmp_path, needs=("base",))
    assert turn(slot) == "waiting"
    assert turn(slot, "base") == "starting"
    assert turn(slot, "base") == "ready"


def test_it_is_starting_until_it_is_well(world: World, tmp_path: Path) -> None:
    slot, world.well = world.slot(tmp_path), False
    assert [turn(slot), turn(slot)] == ["starting", "starting"]
    world.well = True
    assert turn(slot) == "ready"


def test_failures_are_recorded_and_tried_again_more_and_more_slowly(world: World, tmp_path: Path) -> None:
    slot, pauses = world.slot(tmp_path, FAILS), []
    for _ in range(9):
        pauses.append(fail_once(slot))
        assert turn(slot) == "failed"
        world.now = slot.again_at
        assert turn(slot) == "waiting"
    assert pauses[:4] == [0.5, 1.0, 2.0, 4.0]
    assert pauses[-1] == LONGEST_BACKOFF_S
    assert slot.state.failure == Failure(world.now - LONGEST_BACKOFF_S, 3, "")


def test_failures_are_forgiven_after_a_while(world: World, tmp_path: Path) -> None:
    slot = world.slot(tmp_path, FAILS)
    world.now += fail_once(slot)
    turn(slot)
    slot.service = Service("one", lambda: SLEEPS, world.healthy)
    assert [turn(slot), turn(slot)] == ["starting", "ready"]
    world.now += WELL_AFTER_S + 1
    assert turn(slot) == "ready"
    assert slot.state.failures == 0


def test_one_that_does_not_answer_is_shown_and_left_alone(world: World, tmp_path: Path) -> None:
    slot = world.slot(tmp_path)
    turn(slot), turn(slot)
    world.well, phases = False, []
    for _ in range(3):
        world.now += CHECK_EVERY_S
        phases.append(turn(slot))
    assert phases == ["ready", "ready", "unhealthy"]
    assert slot.process is not None
    assert slot.process.poll() is None
    world.well = True
    world.now += CHECK_EVERY_S
    assert turn(slot) == "ready"


def test_a_running_one_is_not_asked_at_every_turn(world: World, tmp_path: Path) -> None:
    slot = world.slot(tmp_path)
    for _ in range(10):
        turn(slot)
    assert world.asked == 2  # once to become ready, once since


def test_state_is_saved_and_read_back(tmp_path: Path) -> None:
    service = ServiceState("failed", Identity(7, 8.5), 9.0, 2, Failure(1.0, -9, "why"))
    state = State(Identity(1, 2.5), 3.0, {"web": 4200}, {"one": service})
    state.save(tmp_path)
    assert load_state(tmp_path) == state
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]
    assert load_state(tmp_path / "elsewhere") == State()


def test_status_imports_nothing_heavy(tmp_path: Path) -> None:
    heavy = {"prefect", "boto3", "botocore", "httpx", "psycopg", "moto", "cryptography", "pydantic"}
    script = f"import sys; from deployments import stack; stack.status_json(); print({heavy!r} & set(sys.modules))"
    environment = {**os.environ, "MIYABI_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("set()\n", "")
