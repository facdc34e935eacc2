"""Follow a flow run in the terminal: each step as it ends, the log lines of our own code, then the outcome.

A smoke test's checks are many: those that are well are counted by the log, and only the others are listed.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from deployments.prefect_api import PrefectAway

OUR_LOGGERS = ("tasks", "flows", "blocks", "database", "prefect.flow_runs", "prefect.task_runs")
TERMINAL = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
WARNING, INFO = 30, 20
PATIENCE = 30.0
AGAIN_S = 20.0
KILLED = ("Process exited with status code", "Flow run infrastructure exited")
"""How the messages of runs begin whose process was killed: an automation lets most of them go on, once, within seconds
(automations/watching.yaml)."""
COUNTED = ("ask_check-", "sign_in-", "hear_socket-", "visit-", "inspect_throttle-", "exercise_throttle-")
"""How the keys of tasks begin that are shown only if they fail (tasks/smoke_*.py). A tag would cost a request each."""
TOLD_AT_THE_END = ("Encountered exception during execution", "Finished in state")
"""Prefect's own lines about a failure, with traceback; the UI shows them, the terminal the reason, once."""


class RunSource(Protocol):
    """What is read of Prefect while watching."""

    def flow_run(self, run_id: str) -> dict[str, Any]: ...
    def task_runs(self, run_id: str) -> list[dict[str, Any]]: ...
    def logs(self, run_id: str, offset: int) -> list[dict[str, Any]]: ...


@dataclass
class Watcher:
    """What has been shown of one run so far."""

    prefect: RunSource
    run_id: str
    show: Callable[[str], None]
    url: str = ""
    """Where a person sees the run."""
    gone: Callable[[], bool] = lambda: False
    """Asked when Prefect is silent: true when it will not come back."""
    log_count: int = 0
    finished: set[str] = field(default_factory=set)
    state: str = ""
    unfinished: bool = False
    """Whether Prefect knows of a step that has not ended."""
    silent: float = 0.0
    """Seconds since Prefect answered last."""

    def follow(self, *, pause: float = 0.25, sleep: Callable[[float], None] = time.sleep) -> dict[str, Any]:
        """Show progress until the run ends; the ended run."""
        while True:
            try:
                run = self.prefect.flow_run(self.run_id)
                if self.silent:
                    self.show("‖ Prefect answers again")
                self.silent = 0.0
                self.show_state(run)
                self.show_news()
                if run["state_type"] in TERMINAL and not self.goes_on(run, sleep):
                    self.drain(sleep)
                    return run
            except PrefectAway:
                if self.silent > PATIENCE or self.gone():
                    raise
                if not self.silent:
                    self.show("‖ Prefect does not answer; waiting for it")
                self.silent += 1.0
                sleep(1.0)  # it may be restarting; the run goes on without it
            sleep(pause)

    def goes_on(self, run: dict[str, Any], sleep: Callable[[float], None]) -> bool:
        """Whether a run whose process was killed is begun again; that is waited for."""
        if run["state_type"] != "CRASHED" or not may_go_on(run):
            return False
        self.show("‖ its process was killed; waiting whether it goes on by itself")
        for _ in range(int(AGAIN_S)):
            sleep(1.0)
            now = self.prefect.flow_run(self.run_id)
            if now["state_type"] not in TERMINAL:
                self.show("‖ it goes on: what is done is looked at again first")
                return True
        return False

    def drain(self, sleep: Callable[[float], None], *, attempts: int = 7) -> None:
        """Show what arrives after the end: logs and states of steps are recorded in batches, once a second at least."""
        for _ in range(attempts):
            sleep(0.2)
            if not self.show_news() and not self.unfinished:
                return

    def show_state(self, run: dict[str, Any]) -> None:
        name = run.get("state_name") or run["state_type"]
        if name == self.state:
            return
        self.state = name
        if run["state_type"] == "PAUSED":
            self.show(f"‖ waiting for a person: look at the plan, press Resume (top right): {self.url}")
        elif run["state_type"] == "SCHEDULED" and name == "AwaitingConcurrencySlot":
            self.show("‖ waiting for another run of this deployment to end")

    def show_news(self) -> bool:
        """Show new log lines and steps that ended; true if there were any."""
        logs = self.prefect.logs(self.run_id, self.log_count)
        self.log_count += len(logs)
        for line in (log_line(log) for log in logs):
            if line:
                self.show(line)
        runs = self.prefect.task_runs(self.run_id)
        self.unfinished = any(run["state_type"] not in TERMINAL for run in runs)
        ended = [run for run in runs if ended_now(run, self.finished)]
        for run in sorted(ended, key=lambda run: run.get("end_time") or ""):
            self.finished.add(run["id"])
            if run["state_type"] != "COMPLETED" or not run.get("task_key", "").startswith(COUNTED):
                self.show(step_line(run))
        return bool(logs or ended)


def may_go_on(run: dict[str, Any]) -> bool:
    """Whether the automation takes this end for that of a process, and for the first."""
    message = str((run.get("state") or {}).get("message") or "")
    return message.startswith(KILLED) and run.get("run_count", 0) <= 1


def ended_now(run: dict[str, Any], finished: set[str]) -> bool:
    return run.get("state_type") in TERMINAL and run["id"] not in finished


def log_line(log: dict[str, Any]) -> str | None:
    """A log record as the terminal shows it; None for Prefect's own chatter."""
    ours = log["name"].startswith(OUR_LOGGERS)
    if log["level"] < INFO or not ours or (log["name"].startswith("prefect.") and log["level"] < WARNING):
        return None
    if log["name"].startswith("prefect.") and log["message"].startswith(TOLD_AT_THE_END):
        return None
    mark = "!" if log["level"] >= WARNING else "·"
    return "\n".join(f"    {mark} {line}" for line in log["message"].splitlines())


def step_line(run: dict[str, Any]) -> str:
    """`  ✓ Ensure network  0.3 s`."""
    mark = "✓" if run["state_type"] == "COMPLETED" else "✗"
    return f"  {mark} {run['name']:<46} {run.get('total_run_time') or 0.0:6.1f} s"


def change_line(row: dict[str, Any]) -> str:
    """A row of the change table as one line: `update  role x  trust: a → b  (why)`, long values cut."""
    value = cut(str(row.get("to", "")), 70)
    if row.get("from"):
        value = f"{cut(str(row['from']), 40)} → {value}"
    field = f"{row['field']}: " if row.get("field") else ""
    why = f"({row['why']})" if row.get("why") else ""
    return "  ".join(part for part in (f"  {row['change']:<7}", row.get("what", ""), field + value, why) if part)


def reason(message: str) -> str:
    """A state's message without Prefect's and our own internal names in front."""
    return re.sub(r"^(Flow|Task) run encountered an exception:? (\w+: )?", "", message)


def cut(text: str, length: int) -> str:
    """The text, shortened in sight."""
    return text if len(text) <= length else text[: length - 1] + "…"
