"""Following a run in the terminal."""

from typing import Any

from deployments.watch import COUNTED, Watcher, change_line, log_line, step_line
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
