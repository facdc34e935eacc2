"""Command agents: real programs in real worktrees, the program of tests/fixtures/agents/coding_agent.py."""

import asyncio
import json
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from database.agent_models import CommandOutput, PROutput
from tasks.agents.commands import is_ours, run_autofix, run_codegen, run_pr
from tasks.agents.context import AgentContext, Unsuccessful
from tasks.errors import Permanent, Temporary
from tests.agents import Scene
from tests.fixtures.agents import git, make_repository, settings_for


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "hana" / "shop", {"app.py": "def answer():\n    return 41\n"})


def scene_of(clone: Path, *how: str, **more: object) -> Scene:
    """The stand-in program does `how`."""
    return Scene(settings=settings_for(clone.parents[1], *how, **more))


def context_of(
    scene: Scene,
    agent: str = "codegen",
    *,
    issue: int | None = 270,
    options: dict[str, Any] | None = None,
    **given: Any,
) -> AgentContext:
    context = scene.context(agent, issue=issue, **given)
    context.claim = replace(context.claim, options=options or {})
    return context


def test_a_program_works_in_the_issues_worktree(clone: Path) -> None:
    scene = scene_of(clone, "commit")
    done = asyncio.run(run_pr(context_of(scene, "pr", title="Answer")))

    data = done.data
    assert isinstance(data, PROutput)
    assert (data.branch, data.exit_code, data.pr_number) == ("feature/issue-270", 0, 271)
    assert (data.files_changed, data.lines_added, data.lines_removed) == (["app.py", "new.txt"], 3, 1)
    assert [line.partition(" ")[2] for line in data.commits] == ["Answer the question"]
    assert (done.pr_number, done.metrics["lines_changed"]) == (271, 4)
    assert ("INFO", "working on the issue") in [(level, text) for level, text, _ in scene.lines]
    assert ("ERROR", "a warning") in [(level, text) for level, text, _ in scene.lines]
    assert git(clone, "log", "--format=%s", "-1", "feature/issue-270") == "Answer the question"
    assert (clone / ".worktrees" / "issue-270" / "new.txt").exists(), "what is not committed is kept"


def test_what_was_done_is_not_done_again(clone: Path) -> None:
    scene = scene_of(clone, "commit")
    first = asyncio.run(run_codegen(context_of(scene)))
    scene.settings = settings_for(clone.parents[1], "fail", "1")

    again = asyncio.run(run_codegen(context_of(scene)))
    assert again.data == first.data


def test_the_program_is_told_what_is_asked(clone: Path) -> None:
    asked = {"use_worktree": True, "auto_pr": True, "slack_notify": False}
    scene = scene_of(clone, "say")
    done = asyncio.run(run_codegen(context_of(scene, options=asked)))

    assert isinstance(done.data, CommandOutput)
    said = done.data.report
    assert said["arguments"] == ["codegen", "270", "hana/shop", "--worktree", "--auto-pr"]
    assert said["folder"] == str(clone / ".worktrees" / "issue-270")
    assert not (clone / ".worktrees" / "issue-270").exists()


def test_no_secret_is_in_its_environment(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "DATABASE_URL", "PREFECT_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "secret")
    done = asyncio.run(run_codegen(context_of(scene_of(clone, "say", command_variables=["ANTHROPIC_API_KEY"]))))

    assert isinstance(done.data, CommandOutput)
    seen = set(done.data.report["variables"])
    assert "ANTHROPIC_API_KEY" in seen
    assert not seen & {"AWS_SECRET_ACCESS_KEY", "DATABASE_URL", "PREFECT_API_KEY"}


def test_a_key_it_may_see_is_masked_in_what_it_says(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY", "sk-1234567890")
    scene = scene_of(clone, "leak", command_variables=["SHOP_KEY"])
    asyncio.run(run_codegen(context_of(scene)))

    assert "my key is ***" in [text for _, text, _ in scene.lines]
    assert "sk-1234567890" not in json.dumps([scene.lines, [step.output for step in scene.steps.values()]])


def test_a_failing_program_fails_with_its_last_words(clone: Path) -> None:
    with pytest.raises(
        Unsuccessful, match=r"exited with code 3; it said last:\ncannot find the flux capacitor"
    ) as info:
        asyncio.run(run_codegen(context_of(scene_of(clone, "fail", "3"))))
    assert isinstance(info.value.result.data, CommandOutput)
    assert info.value.result.data.exit_code == 3


def test_a_program_can_ask_for_another_attempt(clone: Path) -> None:
    with pytest.raises(Temporary, match="exited with code 75"):
        asyncio.run(run_codegen(context_of(scene_of(clone, "fail", "75"))))


def test_an_absent_program_is_named(clone: Path) -> None:
    scene = Scene(settings=settings_for(clone.parents[1], "say", command=["no-such-agent", "{issue}"]))
    with pytest.raises(
        Permanent, match=r"the program 'no-such-agent' cannot be started: No such file.*agents\.command"
    ):
        asyncio.run(run_codegen(context_of(scene)))


def test_our_own_command_is_no_coding_agent() -> None:
    assert is_ours(str(Path(sys.executable).with_name("miyabi")))
    assert not is_ours("git")


def test_an_issue_number_is_needed(clone: Path) -> None:
    with pytest.raises(Permanent, match="works on an issue"):
        asyncio.run(run_codegen(context_of(scene_of(clone, "say"), issue=None)))
    with pytest.raises(Permanent, match=r"\['issue'\] to be filled in"):
        asyncio.run(run_autofix(context_of(scene_of(clone, "say"), "autofix", issue=None, branch="main")))


def test_tasks_of_an_issue_have_their_own_worktrees_and_meet_in_the_pull_request(clone: Path) -> None:
    for number in (1, 2):
        scene = scene_of(clone, "write", f"{number}.txt", "text\n")
        asyncio.run(run_codegen(context_of(scene, options={"task": f"task-{number}"})))
    third = scene_of(clone, "write", "3.txt", "text\n")
    asyncio.run(
        run_codegen(
            context_of(
                third, options={"task": "task-3", "after": [f"feature/issue-270-task-{number}" for number in (1, 2)]}
            )
        )
    )
    assert "1.txt" in git(clone, "ls-tree", "--name-only", "feature/issue-270-task-3")

    asyncio.run(run_pr(context_of(scene_of(clone, "say"), "pr")))
    assert git(clone, "ls-tree", "--name-only", "feature/issue-270").split() == ["1.txt", "2.txt", "3.txt", "app.py"]


def test_a_task_is_no_way_out(clone: Path) -> None:
    with pytest.raises(Permanent, match="the option `task` is"):
        asyncio.run(run_codegen(context_of(scene_of(clone, "say"), options={"task": "../../x"})))
    for branches in (["--exec=x"], "feature/issue-1", [3], ["feature/issue-1/../2"]):
        with pytest.raises(Permanent, match="the option `after` is"):
            asyncio.run(run_codegen(context_of(scene_of(clone, "say"), options={"after": branches})))


def test_much_output_is_cut_in_the_middle(clone: Path) -> None:
    scene = scene_of(clone, "flood", "20")
    done = asyncio.run(run_codegen(context_of(scene)))

    assert isinstance(done.data, CommandOutput)
    assert done.data.lines_printed == 20_001
    assert len(scene.lines) < 9_000
    assert sum(len(text) for _, text, _ in scene.lines) < 9_000_000
    assert any("lines of output are left out here" in text for _, text, _ in scene.lines)
    assert scene.lines[-1][1] in ("the end", "x" * 999)


def test_a_cancelled_program_is_gone(clone: Path) -> None:
    scene = scene_of(clone, "sleep", "600")

    async def cancelled() -> None:
        running = asyncio.create_task(run_codegen(context_of(scene)))
        while not sleeper_of(scene):
            await asyncio.sleep(0.02)
        running.cancel()
        await running

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    assert not psutil.pid_exists(sleeper_of(scene) or 0)


def sleeper_of(scene: Scene) -> int | None:
    said = (text for _, text, _ in scene.lines if text.startswith("sleeping as "))
    return next((int(text.split()[-1]) for text in said), None)


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ('{"pr_number": 99999999999999}', None),
        ('{"pr_number": true}', None),
        ("https://github.com/o/r/pull/99999999999999999999999", None),
        ("https://github.com/o/r/pull/7", 7),
        ('{"pr_number": 7, "note": "\\u0000", "share": NaN}', 7),
    ],
)
def test_a_number_that_is_none_costs_no_work(clone: Path, said: str, number: int | None) -> None:
    scene = scene_of(clone, "report", said)
    done = asyncio.run(run_pr(context_of(scene, "pr")))
    assert done.pr_number == number
    assert [level for level, text, _ in scene.lines if "left out" in text] == ["WARN"] * (number is None)
    assert "\\u0000" not in done.data.model_dump_json()


def test_a_branch_on_which_nothing_was_done_goes(clone: Path) -> None:
    asyncio.run(run_codegen(context_of(scene_of(clone, "say"))))
    assert git(clone, "branch", "--list", "feature/*") == ""


def test_a_program_that_removes_its_worktree_is_told_so(clone: Path) -> None:
    with pytest.raises(Permanent, match=r"the program removed its own worktree .*on feature/issue-270"):
        asyncio.run(run_codegen(context_of(scene_of(clone, "vanish"))))
    asyncio.run(run_codegen(context_of(scene_of(clone, "say"))))


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGSEGV, Unsuccessful), (signal.SIGKILL, Temporary)])
def test_a_crash_of_its_own_is_not_tried_again(clone: Path, number: signal.Signals, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"died of SIGSEGV|ended by signal 9"):
        asyncio.run(run_codegen(context_of(scene_of(clone, "crash", str(int(number))))))


def test_a_clone_that_cannot_be_is_not_tried_again(tmp_path: Path) -> None:
    scene = Scene(settings=settings_for(tmp_path, "say", clone_url=f"{tmp_path}/nowhere/{{repository}}"))
    with pytest.raises(Permanent, match="does not exist"):
        asyncio.run(run_codegen(context_of(scene)))
