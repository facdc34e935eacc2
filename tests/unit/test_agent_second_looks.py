"""The issue and the review agent with a model that is asked over HTTP: it corrects and remarks, it does not score."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from blocks.agents import AgentSettings
from database.agent_models import IssueInput, IssueOutput, IssueText, ReviewOutput
from tasks.agents.context import AgentContext, AgentResult
from tasks.agents.issues import run_issue
from tasks.agents.model_agents import close_models
from tasks.agents.review import run_review
from tests.agents import Scene
from tests.fixtures.agents import git, make_repository
from tests.model_server import ModelServer, Reply, fill, refuse


def asked(
    runner: Callable[[AgentContext], Awaitable[AgentResult]],
    context_in: Callable[[Scene], AgentContext],
    *replies: Reply,
    workspace: Path = Path(),
) -> tuple[AgentResult, ModelServer, Scene]:
    """Run it while a model answers so."""

    async def main() -> tuple[AgentResult, ModelServer, Scene]:
        async with ModelServer(list(replies)) as server:
            scene = Scene(
                settings=AgentSettings(model="anthropic:some-model", model_base_url=server.url, workspace=workspace)
            )
            try:
                return await runner(context_in(scene)), server, scene
            finally:
                await close_models()

    return asyncio.run(main())


def issue_in(scene: Scene) -> AgentContext:
    context = scene.context("issue")
    context.input = IssueInput(
        issue=IssueText(title="Add payments", body="They get lost.", labels=["priority:P1-High"])
    )
    return context


def test_a_model_corrects_the_rules() -> None:
    answer = fill(type="bug", priority="P0", estimated_minutes=240, reason="Payments are lost")
    done, server, _ = asked(run_issue, issue_in, answer)

    assert isinstance(done.data, IssueOutput)
    assert (done.data.type, done.data.priority, done.data.estimated_minutes) == ("bug", "P1", 240)
    assert (done.data.refined_by, done.data.reasons[-1]) == ("anthropic:some-model", "model: Payments are lost")
    assert "They get lost." in str(server.requests[0])


def test_the_rules_stand_where_the_model_fails() -> None:
    done, _, scene = asked(run_issue, issue_in, refuse(401))
    assert isinstance(done.data, IssueOutput)
    assert (done.data.type, done.data.refined_by) == ("feature", None)
    assert any("no second look by a model" in text for _, text, _ in scene.lines)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    clone = make_repository(tmp_path / "hana" / "shop", {"app.py": "x = 1\n"})
    git(clone, "switch", "--quiet", "--create", "feature/issue-5")
    (clone / "app.py").write_text("import os\n\nx = 2\n")
    git(clone, "commit", "--quiet", "--all", "--message", "Change x")
    return clone


def test_a_model_adds_remarks_and_no_points(clone: Path) -> None:
    git(clone, "switch", "--quiet", "main")
    remark = {"text": "Nobody tests x", "severity": "high", "file": "app.py", "line": 3}
    done, server, _ = asked(
        run_review,
        lambda scene: scene.context("review", issue=5),
        fill(remarks=[remark]),
        workspace=clone.parents[1],
    )

    assert isinstance(done.data, ReviewOutput)
    assert done.data.score == 80, "one unused import"
    assert [(issue.kind, issue.message, issue.score_impact) for issue in done.data.issues] == [
        ("lint", "`os` imported but unused", -20), ("remark", "Nobody tests x", 0),
    ]  # fmt: skip
    assert "+x = 2" in str(server.requests[0])
