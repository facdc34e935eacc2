"""Worktrees of issues: made, found again, kept to one execution, cleared without losing work."""

import asyncio
from pathlib import Path

import pytest

from tasks.agents.git import fresh_clone, work_since
from tasks.agents.locks import Waiting
from tasks.agents.worktrees import Place, place_of_branch, place_of_issue, worktree
from tasks.errors import Permanent, Temporary
from tests.fixtures.agents import git, make_repository, settings_for

SOON = Waiting(patience=0.1)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "hana" / "shop", {"app.py": "print('hello')\n"})


def visit(clone: Path, place: Place, *, do: str = "", keep: bool = False) -> tuple[Path, list[str]]:
    """Have the worktree for a moment; its path and what was said."""
    said: list[str] = []

    async def inside() -> Path:
        async with worktree(clone, place, me="me", waiting=Waiting(0.1, said.append), keep=keep) as tree:
            if do:
                (tree.path / do).write_text("text\n")
            return tree.path

    return asyncio.run(inside()), said


def test_an_issue_has_its_own_folder_and_branch(clone: Path) -> None:
    path, _ = visit(clone, place_of_issue(270), keep=True)

    assert path == clone / ".worktrees" / "issue-270"
    assert git(path, "branch", "--show-current") == "feature/issue-270"
    assert git(clone, "status", "--porcelain") == "", "worktrees are no part of the clone"


def test_a_clean_one_goes_and_a_new_branch_without_work_too(clone: Path) -> None:
    path, said = visit(clone, place_of_issue(270))

    assert not path.exists()
    assert said == []
    assert "feature/issue-270" not in git(clone, "branch", "--list"), "nothing was done on it"
    git(clone, "branch", "feature/issue-270")
    visit(clone, place_of_issue(270))
    assert "feature/issue-270" in git(clone, "branch", "--list"), "somebody else made it"


def test_one_with_uncommitted_work_stays_and_is_found_again(clone: Path) -> None:
    path, said = visit(clone, place_of_issue(270), do="draft.txt")

    assert said == [f"{path} stays: it holds work that is not committed"]
    again, _ = visit(clone, place_of_issue(270))
    assert (again / "draft.txt").read_text() == "text\n"


def test_a_killed_git_leaves_no_lock_behind(clone: Path) -> None:
    path, _ = visit(clone, place_of_issue(270), keep=True)
    lock = Path(git(path, "rev-parse", "--absolute-git-dir")) / "index.lock"
    lock.touch()

    visit(clone, place_of_issue(270), keep=True)
    assert not lock.exists()


def test_two_executions_never_share_a_worktree(clone: Path) -> None:
    said: list[str] = []

    async def both() -> None:
        async with worktree(clone, place_of_issue(1), me="execution A", waiting=SOON, keep=False):
            async with worktree(clone, place_of_issue(2), me="execution B", waiting=SOON, keep=False):
                pass
            async with worktree(clone, place_of_issue(1), me="B", waiting=Waiting(0.2, said.append), keep=False):
                pass

    with pytest.raises(Temporary, match="execution A still has the worktree issue-1"):
        asyncio.run(both())
    assert said == ["waiting for the worktree issue-1, which execution A has"]


def test_the_next_one_gets_it_when_the_first_is_done(clone: Path) -> None:
    order: list[str] = []

    async def one(name: str) -> None:
        async with worktree(clone, place_of_issue(1), me=name, waiting=Waiting(10), keep=False):
            order.append(f"{name} begins")
            await asyncio.sleep(0.05)
            order.append(f"{name} ends")

    async def both() -> None:
        await asyncio.gather(one("A"), one("B"))

    asyncio.run(both())
    assert order in (["A begins", "A ends", "B begins", "B ends"], ["B begins", "B ends", "A begins", "A ends"])


def test_a_task_builds_on_the_work_of_others(clone: Path) -> None:
    for number in (1, 2):
        path, _ = visit(clone, place_of_issue(7, task=f"task-{number}"), do=f"{number}.txt", keep=True)
        git(path, "add", "--all")
        git(path, "commit", "--quiet", "--message", f"Task {number}")

    merge = ["feature/issue-7-task-1", "feature/issue-7-task-2", "feature/issue-7-task-9"]
    place = Place("issue-7-task-3", "feature/issue-7-task-3", None, merge)
    path, _ = visit(clone, place, keep=True)
    assert path.name == "issue-7-task-3"
    assert {"1.txt", "2.txt"} <= {file.name for file in path.iterdir()}


def test_work_that_contradicts_is_named(clone: Path) -> None:
    for number in (1, 2):
        path, _ = visit(clone, place_of_issue(7, task=f"task-{number}"), keep=True)
        (path / "app.py").write_text(f"print({number})\n")
        git(path, "commit", "--quiet", "--all", "--message", f"Task {number}")

    with pytest.raises(Permanent, match=r"'feature/issue-7-task-2' cannot be merged.*both changed app\.py"):
        visit(clone, Place("issue-7", "feature/issue-7", None, ["feature/issue-7-task-1", "feature/issue-7-task-2"]))
    assert git(clone / ".worktrees" / "issue-7", "status", "--porcelain") == ""


def test_a_branch_of_an_issue_is_at_the_issues_place() -> None:
    assert place_of_branch("feature/issue-5").name == place_of_issue(5).name
    assert place_of_branch("fix/the/door").name == "fix-the-door"


def test_what_is_in_the_way_is_an_error(clone: Path) -> None:
    (clone / ".worktrees" / "issue-3").mkdir(parents=True)
    with pytest.raises(Permanent, match="is not a git worktree: move it away"):
        visit(clone, place_of_issue(3))


def test_an_unknown_base_is_an_error(clone: Path) -> None:
    with pytest.raises(Permanent, match="no branch, tag or commit 'develop'"):
        visit(clone, place_of_issue(3, base="develop"))


def test_a_clone_is_made_and_then_kept_fresh(tmp_path: Path) -> None:
    origin = make_repository(tmp_path / "origin" / "hana" / "shop", {"a.txt": "1\n"})
    settings = settings_for(tmp_path / "clones", "say", clone_url=f"{tmp_path}/origin/{{repository}}")

    clone = asyncio.run(fresh_clone(settings, "hana/shop", waiting=SOON))
    (origin / "a.txt").write_text("2\n")
    git(origin, "commit", "--quiet", "--all", "--message", "Two")
    asyncio.run(fresh_clone(settings, "hana/shop", waiting=SOON))

    path, _ = visit(clone, place_of_issue(1), keep=True)
    assert (path / "a.txt").read_text() == "2\n", "a new branch begins at the origin's newest commit"


def test_without_a_clone_it_is_said_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match=r"no clone of 'hana/shop' at .*set `agents\.clone_url`"):
        asyncio.run(fresh_clone(settings_for(tmp_path, "say"), "hana/shop", waiting=SOON))


def test_an_origin_that_is_away_may_be_back(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, "say", clone_url="http://127.0.0.1:1/{repository}.git")
    with pytest.raises(Temporary, match="Failed to connect"):
        asyncio.run(fresh_clone(settings, "hana/shop", waiting=SOON))
    assert not (tmp_path / "hana" / "shop").exists()


@pytest.mark.parametrize("name", ["../../etc", "hana", "hana/..", "-x/y", "hana/shop/more", "hana/sh op"])
def test_a_repository_is_no_way_out(tmp_path: Path, name: str) -> None:
    with pytest.raises(Permanent, match="is not called as GitHub has it"):
        asyncio.run(fresh_clone(settings_for(tmp_path, "say"), name, waiting=SOON))


def test_all_that_changed_is_counted(clone: Path) -> None:
    start = git(clone, "rev-parse", "HEAD")
    (clone / "app.py").write_text("print('bye')\nprint('now')\n")
    git(clone, "commit", "--quiet", "--all", "--message", "Say goodbye")
    (clone / "new.txt").write_text("a\nb")
    (clone / "picture.png").write_bytes(b"\x89PNG\0\n\n")

    done = asyncio.run(work_since(clone, start))
    assert [line.split(" ", 1)[1] for line in done.commits] == ["Say goodbye"]
    assert (done.files, done.added, done.removed) == (["app.py", "new.txt", "picture.png"], 4, 1)
