"""Following a run in the terminal."""

from typing import Any

from deployments.configuring.automations import read_automations
from deployments.prefect_api import PrefectAway
from deployments.settings import read_environments
from deployments.watch import AGAIN_S, COUNTED, KILLED, Watcher, change_line, log_line, step_line
from tasks.smoke_asking import ask_check, sign_in
from tasks.smoke_browser import visit
from tasks.smoke_sockets import hear_socket
from tasks.smoke_throttle import exercise_throttle, inspect_throttle


class FakePrefect:
    """A run that is scheduled, then running, then ended; one log line a poll."""

    def __init__(self) -> None:
        self.states = ["SCHEDULED", "RUNNING", "COMPLETED"]
        self.lines = [{"name": "tasks.network", "level": 20, "message": f"line {n}"} for n in range(5)]
        self.asked = 0

    def flow_run(self, run_id: str) -> dict[str, Any]:
        state = self.states[min(self.asked, 2)]
        self.asked += 1
        return {"id": run_id, "state_type": state, "state_name": state.title()}

    def task_runs(self, run_id: str) -> list[dict[str, Any]]:
        done = {
            "id": "t1",
            "name": "Ensure network",
            "state_type": "COMPLETED",
            "total_run_time": 0.25,
            "end_time": "1",
        }
        waiting = {"id": "t2", "name": "Ensure database", "state_type": "RUNNING"}
        return [done, waiting] if self.asked > 1 else []

    def logs(self, run_id: str, offset: int) -> list[dict[str, Any]]:
        return self.lines[offset : offset + 1]


def test_every_line_and_step_is_shown_once() -> None:
    shown: list[str] = []
    ended = Watcher(FakePrefect(), "r1", shown.append).follow(sleep=lambda s: None)
    assert ended["state_type"] == "COMPLETED"
    assert [line for line in shown if "line" in line] == [f"    · line {n}" for n in range(5)]
    assert [line for line in shown if "✓" in line] == [
        step_line({"name": "Ensure network", "state_type": "COMPLETED", "total_run_time": 0.25})
    ]


class LatePrefect(FakePrefect):
    """The end of the last step is recorded a while after that of the run."""

    def task_runs(self, run_id: str) -> list[dict[str, Any]]:
        self.asked += 1
        state = "COMPLETED" if self.asked > 9 else "RUNNING"
        return [{"id": "t1", "name": "Close the release record", "state_type": state, "end_time": "1"}]

    def logs(self, run_id: str, offset: int) -> list[dict[str, Any]]:
        return []


def test_a_step_whose_end_is_recorded_late_is_waited_for() -> None:
    shown: list[str] = []
    Watcher(LatePrefect(), "r1", shown.append).follow(sleep=lambda s: None)
    assert [line for line in shown if "✓" in line] == [
        step_line({"name": "Close the release record", "state_type": "COMPLETED"})
    ]


def test_a_step_that_never_ends_is_not_waited_for_long() -> None:
    waited: list[float] = []
    Watcher(FakePrefect(), "r1", lambda line: None).follow(sleep=waited.append)
    assert 1.0 < sum(waited) < 4.0


def test_log_lines_of_others_are_left_out() -> None:
    assert log_line({"name": "httpx", "level": 40, "message": "x"}) is None
    assert log_line({"name": "prefect.flow_runs", "level": 20, "message": "Beginning flow run"}) is None
    assert log_line({"name": "prefect.flow_runs", "level": 40, "message": "boom\nat x"}) == "    ! boom\n    ! at x"
    assert log_line({"name": "tasks.logs", "level": 10, "message": "x"}) is None


def test_change_line() -> None:
    row = {"change": "update", "what": "function x", "field": "memory", "from": "256", "to": "512", "why": "differs"}
    assert change_line(row) == "  update   function x  memory: 256 → 512  (differs)"
    assert change_line({"change": "create", "what": "role x", "field": "", "from": "", "to": ""}) == "  create   role x"


class ManyChecks(FakePrefect):
    """A smoke test: two checks are well, one is not."""

    def task_runs(self, run_id: str) -> list[dict[str, Any]]:
        states = {"GET /a": "COMPLETED", "GET /b": "FAILED", "GET /c": "COMPLETED"}
        checks = [
            {"id": name, "name": name, "state_type": state, "task_key": ask_check.task_key}
            for name, state in states.items()
        ]
        return [*checks, {"id": "s", "name": "Smoke suites", "state_type": "FAILED"}]


def test_of_many_checks_those_that_failed_are_shown() -> None:
    shown: list[str] = []
    Watcher(ManyChecks(), "r1", shown.append).follow(sleep=lambda s: None)
    assert [line.split("  ")[1] for line in shown if "line" not in line] == ["✗ GET /b", "✗ Smoke suites"]
    steps = (ask_check, sign_in, hear_socket, visit, inspect_throttle, exercise_throttle)
    assert all(step.task_key.startswith(start) for step, start in zip(steps, COUNTED, strict=True))


class Killed(FakePrefect):
    """The process of a run is killed; what the run is then, is said by `states`."""

    def __init__(self, *states: str, message: str = f"{KILLED[0]}: -9.", run_count: int = 1) -> None:
        super().__init__()
        self.left, self.message, self.run_count, self.lines = list(states), message, run_count, []

    def flow_run(self, run_id: str) -> dict[str, Any]:
        state = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        told = {"message": self.message if state == "CRASHED" else None}
        return {"id": run_id, "state_type": state, "state_name": state, "state": told, "run_count": self.run_count}


def follow(prefect: Killed) -> tuple[str, float]:
    """How it ended, and how long that was waited for."""
    waited: list[float] = []
    ended = Watcher(prefect, "r1", lambda line: None).follow(pause=0, sleep=waited.append)
    return ended["state_type"], sum(waited)


def test_a_run_whose_process_was_killed_is_followed_when_it_goes_on() -> None:
    """The automation's words for it, and its one time, are those that are waited for."""
    prefect = Killed("RUNNING", "CRASHED", "CRASHED", "SCHEDULED", "RUNNING", "COMPLETED")
    assert follow(prefect)[0] == "COMPLETED"
    (one,) = [
        one
        for one in read_automations(read_environments(["staging"], None))
        if one["name"].endswith("was killed goes on")
    ]
    assert tuple(text.removesuffix("*") for text in one["trigger"]["match"]["prefect.state-message"]) == KILLED


def test_a_run_that_stays_crashed_has_ended() -> None:
    state, waited = follow(Killed("RUNNING", "CRASHED"))
    assert state == "CRASHED"
    assert AGAIN_S <= waited < AGAIN_S + 5
    for other in (Killed("CRASHED", run_count=2), Killed("CRASHED", message="no heartbeat for 550 s")):
        assert follow(other)[1] < 5


class Restarting(FakePrefect):
    """Silent twice, then there."""

    def flow_run(self, run_id: str) -> dict[str, Any]:
        self.asked += 1
        if self.asked < 3:
            raise PrefectAway("no answer")
        return {"id": run_id, "state_type": "PAUSED" if self.asked < 6 else "COMPLETED"}


def test_that_prefect_is_back_is_said_at_once_and_what_a_person_is_asked_with_the_page() -> None:
    shown: list[str] = []
    Watcher(Restarting(), "r1", shown.append, "http://prefect/r1").follow(sleep=lambda s: None)
    away, back, asked = [line for line in shown if line.startswith("‖")]
    assert (away, back) == ("‖ Prefect does not answer; waiting for it", "‖ Prefect answers again")
    assert asked.endswith("http://prefect/r1")
