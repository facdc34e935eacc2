"""The supervisor and `up`/`down`/`status` around it, with tiny services in real processes."""

import json
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from deployments import stack
from localcloud.health import answers
from localcloud.processes import is_gone, marked
from localcloud.state import load_state

TINY = (sys.executable, "-m", "tests.localcloud.tiny_stack")
SERVE: dict[str, Any] = {"mode": "serve"}


class Tiny:
    """A stack of tiny services on a state folder of its own."""

    def __init__(self, home: Path) -> None:
        self.home, self.lines = home, list[str]()

    def up(self, patience: float = 20.0, **services: dict[str, Any]) -> stack.Status:
        if services:
            (self.home / "plan.json").write_text(json.dumps(services))
        return stack.up(self.lines.append, home=self.home, supervisor=TINY, patience=patience)

    def down(self) -> None:
        stack.down(self.lines.append, home=self.home)

    def pid(self, name: str) -> int:
        process = load_state(self.home).services[name].process
        assert process is not None
        return process.pid

    @property
    def supervisor(self) -> psutil.Process:
        identity = load_state(self.home).supervisor
        assert identity is not None
        return psutil.Process(identity.pid)


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Tiny]:
    made = Tiny(tmp_path)
    yield made
    made.down()
    assert marked(tmp_path) == set()


def until(true: Callable[[], bool], patience: float = 10.0) -> None:
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_up_starts_in_the_order_of_needs_and_again_changes_nothing(tiny: Tiny) -> None:
    first = tiny.up(web={"mode": "serve", "needs": ["base"]}, base=SERVE)
    assert first.healthy
    assert first.services == {"web": True, "base": True}
    assert [line.split()[1] for line in tiny.lines] == ["base", "web"]
    pids = [tiny.pid(name) for name in ("web", "base")]
    began = time.monotonic()
    assert tiny.up() == first
    assert time.monotonic() - began < 0.5
    assert [tiny.pid(name) for name in ("web", "base")] == pids
    assert stack.status(tiny.home) == first


def test_two_at_once_start_one_stack(tiny: Tiny) -> None:
    (tiny.home / "plan.json").write_text(json.dumps({"one": SERVE}))
    both = [threading.Thread(target=tiny.up) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert len(marked(tiny.home)) == 2  # a supervisor and its service
    assert stack.status(tiny.home).healthy


def test_a_killed_service_is_started_again_and_told_of(tiny: Tiny) -> None:
    tiny.up(one=SERVE, two=SERVE)
    before, other = tiny.pid("one"), tiny.pid("two")
    psutil.Process(before).kill()
    until(lambda: load_state(tiny.home).services["one"].failures == 1)
    until(lambda: stack.status(tiny.home).healthy)
    assert tiny.pid("one") != before
    assert tiny.pid("two") == other
    failure = load_state(tiny.home).services["one"].failure
    assert failure is not None
    assert failure.exit_code == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_kill_9_of_the_supervisor_leaves_nothing_and_up_works_again(tiny: Tiny) -> None:
    ports = tiny.up(one=SERVE, two=SERVE).ports
    tiny.supervisor.kill()
    until(lambda: marked(tiny.home) == set(), patience=5)
    assert stack.status(tiny.home).services == {"one": False, "two": False}
    assert tiny.up().ports == ports


def test_what_outlived_its_supervisor_is_ended_by_the_next_up(tiny: Tiny) -> None:
    ports = tiny.up(one={"mode": "serve", "orphan": True, "child": True}).ports
    before = marked(tiny.home)
    tiny.supervisor.kill()
    until(lambda: not stack.status(tiny.home).running)
    assert answers(ports["one"], "/")
    assert tiny.up().ports == ports
    assert all(is_gone(process) for process in before)


def test_down_ends_what_outlived_its_supervisor(tiny: Tiny) -> None:
    tiny.up(one={"mode": "serve", "orphan": True, "child": True})
    tiny.supervisor.kill()
    until(lambda: not stack.status(tiny.home).running)
    (tiny.home / "state.json").unlink()
    tiny.down()
    assert tiny.lines[-1].startswith("stopped")
    assert marked(tiny.home) == set()


def test_down_ends_children_and_those_that_do_not_listen(tiny: Tiny) -> None:
    tiny.up(one={"mode": "serve", "child": True, "stubborn": True}, two={"mode": "serve", "child": True})
    assert len(marked(tiny.home)) == 5
    tiny.down()
    assert marked(tiny.home) == set()
    tiny.down()
    assert tiny.lines[-1] == "nothing is running"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1}', '{"version": 99, "ports": {}}', "\0\0"])
def test_a_damaged_state_file_stops_nobody(tiny: Tiny, text: str) -> None:
    (tiny.home / "state.json").write_text(text)
    assert tiny.up(one=SERVE).healthy


def test_a_state_file_lost_while_it_runs_leads_to_one_stack_not_two(tiny: Tiny) -> None:
    tiny.up(one=SERVE)
    first = tiny.supervisor
    (tiny.home / "state.json").write_text("{")
    assert tiny.up().healthy
    assert is_gone(first)
    assert len(marked(tiny.home)) == 2


def test_a_taken_port_moves_and_stays_moved(tiny: Tiny) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        (tiny.home / "ports.json").write_text(json.dumps({"one": taken}))
        moved = tiny.up(one=SERVE).ports["one"]
        assert moved != taken
    tiny.down()
    assert tiny.up().ports["one"] == moved


def test_a_service_that_cannot_run_is_shown_with_the_end_of_its_log(tiny: Tiny) -> None:
    with pytest.raises(stack.StackError, match=r"(?s)bad ended: 1 \(3 times; .*bad\.log\):\nno bread, no work"):
        tiny.up(good=SERVE, bad={"mode": "crash"})
    assert marked(tiny.home) == set()
    assert any("bad" in line and "exit code 1" in line for line in tiny.lines)


def test_a_service_that_cannot_be_prepared_says_why(tiny: Tiny) -> None:
    with pytest.raises(stack.StackError, match=r"bad could not be started .*\nthe disk is full of moths"):
        tiny.up(bad={"mode": "refuse"})


def test_a_supervisor_that_ends_shows_its_log(tiny: Tiny) -> None:
    with pytest.raises(stack.StackError, match=r"(?s)the supervisor ended.*plan\.json"):
        tiny.up()


def test_a_stack_that_was_running_is_left_running_when_up_fails(tiny: Tiny) -> None:
    port = tiny.up(one=SERVE, two=SERVE).ports["one"]
    supervisor, other = tiny.supervisor, tiny.pid("two")
    psutil.Process(tiny.pid("one")).kill()
    until(lambda: load_state(tiny.home).services["one"].failures == 1)
    with socket.create_server(("127.0.0.1", port)), pytest.raises(stack.StackError, match="Address already in use"):
        tiny.up()
    assert not is_gone(supervisor)
    assert tiny.pid("two") == other


def test_a_hook_is_called_with_the_ports_and_its_failure_leaves_the_stack_running(tiny: Tiny) -> None:
    ports = tiny.up(one=SERVE).ports
    called = list[object]()

    def refuse(*arguments: object) -> None:
        called.extend(arguments)
        raise LookupError("registration")

    with pytest.raises(LookupError, match="registration"):
        stack.up(tiny.lines.append, after_ready=refuse, home=tiny.home, supervisor=TINY)
    assert called[:2] == [tiny.home, ports]
    assert stack.status(tiny.home).healthy
