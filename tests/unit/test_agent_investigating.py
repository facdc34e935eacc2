"""The investigation agent on a clone: claims judged at a commit, nothing left behind, without an issue all the same."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import pytest

from blocks.agents import AgentSettings
from database.investigation_models import InvestigationOutput
from tasks.agents.investigating import run_investigation
from tests.agents import Scene
from tests.society import ISSUE, earlier, now

GIT = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com"]


def commit(root: Path, message: str) -> None:
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", message]):
        subprocess.run([*GIT, *arguments], cwd=root, check=True)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """The clone `hana/shop` holds the repository as it was, tagged, and as it is."""
    (tmp_path / "hana").mkdir()
    root = earlier(tmp_path).rename(tmp_path / "hana" / "shop")
    commit(root, "as it was")
    subprocess.run(["git", "tag", "then"], cwd=root, check=True)
    now(tmp_path / "later")
    subprocess.run(["cp", "-r", f"{tmp_path}/later/society/.", str(root)], check=True)
    commit(root, "as it is")
    (tmp_path / "issues").mkdir()
    (tmp_path / "issues" / "970.md").write_text(ISSUE.read_text())
    return Scene(settings=AgentSettings(workspace=tmp_path, issues_directory=tmp_path / "issues"))


def found(scene: Scene, **given: Any) -> InvestigationOutput:
    result = asyncio.run(run_investigation(scene.context("investigation", **given)))
    assert isinstance(result.data, InvestigationOutput)
    assert result.artifact
    assert result.artifact.startswith("# Investigation of hana/shop")
    return result.data


def test_claims_are_judged_at_a_commit(scene: Scene, tmp_path: Path) -> None:
    verdicts = [claim.verdict for claim in found(scene, issue=970).claims[:5]]
    assert verdicts == ["outdated"] * 5
    before = found(Scene(settings=scene.settings), issue=970, ref="then")
    assert [claim.verdict for claim in before.claims[:5]] == ["confirmed"] * 5
    clone = tmp_path / "hana" / "shop"
    assert not list((clone / ".worktrees").iterdir())
    assert not subprocess.run(["git", "status", "--porcelain"], cwd=clone, capture_output=True, check=True).stdout
    assert before.commit == subprocess.run(
        ["git", "rev-parse", "then"], cwd=clone, capture_output=True, text=True, check=True
    ).stdout.strip()  # fmt: skip


def test_without_an_issue_there_are_findings_all_the_same(scene: Scene) -> None:
    data = found(scene)
    assert (data.claims, data.not_checked[0]) == ([], "Claims: no issue was given")
    assert {one.check for one in data.findings if one.standing == "working"} >= {"database-connection", "jwt-auth"}
