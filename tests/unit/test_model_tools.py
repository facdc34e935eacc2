"""A model's tools in a real clone: a worktree when one is needed, a commit for what was written, else no trace."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import pytest

from blocks.agents import AgentSettings
from tasks.agents.context import AgentResult
from tasks.errors import Permanent
from tests.agents import Scene
from tests.model_server import ModelServer, Reply, call, calls, fill, refuse
from tests.model_wires import Call
from tests.unit.test_model_agents import perform


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@t.invalid", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "work/hana/shop"
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "README.md").write_text("We sell tea.\n")
    (folder / ".env").write_text("TOKEN=very-secret\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "Begin")
    return folder


def run(clone: Path, replies: list[Reply], agent: str = "marketing", **given: Any) -> tuple[AgentResult, Scene, str]:
    """One attempt; all that the model was told, too."""

    async def main() -> tuple[AgentResult, Scene, str]:
        scene = Scene(AgentSettings(workspace=clone.parent.parent, github_api="http://192.0.2.1"))
        async with ModelServer(replies) as server:
            result = await perform(server, scene, agent, **(given or {"brief": "Tea"}))
            return result, scene, server.requests[-1].text

    return asyncio.run(main())


def test_a_talk_without_files_costs_no_git(clone: Path) -> None:
    run(clone, [fill()])
    assert not (clone / ".worktrees").exists()


def test_files_are_read_in_a_worktree_that_leaves_no_trace(clone: Path) -> None:
    wanted = calls(
        Call("list_files", {}), Call("read_file", {"path": "README.md"}), Call("search_files", {"text": "SELL"}),
        Call("read_file", {"path": ".env"}), Call("read_file", {"path": "../../../secret"}),
    )  # fmt: skip
    result, scene, told = run(clone, [wanted, fill(summary="ok")], agent="persona")
    assert "README.md:1: We sell tea." in told
    assert "very-secret" not in told
    assert "is not shown and not written" in told
    assert "is not a path inside the repository" in told
    assert result.metrics["tool_calls"] == 3
    lines = [line for _, line, _ in scene.lines]
    assert "the model reads 'README.md'" in lines
    assert git(clone, "branch", "--format", "%(refname:short)") == "main"
    assert git(clone, "worktree", "list").count("\n") == 0
    assert git(clone, "status", "--porcelain") == ""


def test_what_is_written_is_committed_on_a_branch_of_its_own(clone: Path) -> None:
    result, scene, _ = run(clone, [call("write_file", path="docs/計画.md", text="# 計画"), fill(summary="A plan")])
    branch, commit = result.metrics["branch"], result.metrics["commit"]
    assert branch == f"agent/marketing-{scene.id.hex[:12]}"
    assert result.metrics["files"] == ["docs/計画.md"]
    assert git(clone, "log", "--format=%H %an %s", "-1", branch) == f"{commit} Miyabi MarketingAgent: A plan"
    assert git(clone, "show", f"{branch}:docs/計画.md") == "# 計画"
    assert git(clone, "worktree", "list").count("\n") == 0
    assert [step.name for step in scene.steps.values()] == ["Ask the model", "Ask the model", "Commit the files"]
    assert not (clone / "docs").exists()


def test_agents_that_only_read_have_nothing_to_write_with(clone: Path) -> None:
    _, _, told = run(clone, [call("write_file", path="a.md", text="x"), fill()], agent="persona")
    assert "Unknown tool name: 'write_file'" in told
    assert git(clone, "branch", "--format", "%(refname:short)") == "main"


def test_a_second_attempt_writes_again_and_commits_once(clone: Path) -> None:
    async def main() -> None:
        scene = Scene(AgentSettings(workspace=clone.parent.parent, github_api="http://192.0.2.1"))
        async with ModelServer([call("write_file", path="plan.md", text="x"), refuse(400)]) as server:
            with pytest.raises(Permanent, match="refused the request"):
                await perform(server, scene, "marketing")
            server.replies = [fill(summary="Done")]
            first = await perform(server, scene, "marketing")
            again = await perform(server, scene, "marketing")
        assert len(server.requests) == 3
        assert again.metrics["commit"] == first.metrics["commit"] == git(clone, "rev-parse", first.metrics["branch"])
        assert git(clone, "rev-list", "--count", first.metrics["branch"]) == "2"

    asyncio.run(main())


def test_without_a_clone_there_are_no_file_tools(tmp_path: Path) -> None:
    _, _, told = run(tmp_path / "work/hana/shop", [fill()])
    assert "list_issues" in told
    assert "read_file" not in told


def test_files_that_are_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="there is no clone of 'hana/shop'"):
        run(tmp_path / "work/hana/shop", [fill()], brief="Tea", files=["README.md"])


def test_a_tool_that_cannot_work_is_no_end(clone: Path, tmp_path: Path) -> None:
    """GitHub cannot be reached from a test: the model is told, and goes on without."""
    result, scene, told = run(clone, [call("list_issues"), fill(summary="Without them")])
    assert result.summary == "Without them"
    assert "GitHub does not answer" in told
    assert any(level == "WARN" and "GitHub does not answer" in line for level, line, _ in scene.lines)
