"""A git worktree for each issue: `.worktrees/issue-N` on branch `feature/issue-N` of the repository's clone.

A worktree is found as an earlier attempt left it, or made: from the branch if there is one (here, else at the origin),
else from the base. One execution has it at a time; the next one waits. When it is done, the worktree goes if nothing
in it would be lost: commits are on the branch, and one with uncommitted work is left, which the log says.
"""

import contextlib
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.agents.git import asked, default_base, git, resolved
from tasks.agents.locks import Waiting, locked
from tasks.agents.processes import environment, output_of
from tasks.errors import Permanent

FOLDER = ".worktrees"


@dataclass(frozen=True)
class Place:
    """Which worktree: its folder's name below `.worktrees`, its branch, and where that branch begins if it is new."""

    name: str
    branch: str
    base: str | None = None
    merge: Sequence[str] = ()
    """Branches whose work is needed there; those that do not exist made no commit."""


@dataclass(frozen=True)
class Worktree:
    """A worktree that is ours while we hold `lock`."""

    path: Path
    branch: str
    lock: int
    began: str | None = None
    """Where the branch begins, if it was made for us."""

    async def head(self) -> str:
        return await git(self.path, "rev-parse", "HEAD")


def place_of_issue(number: int, *, task: str | None = None, base: str | None = None) -> Place:
    """The place of an issue, or of one task of it, as the mission names them."""
    name = f"issue-{number}-{task}" if task else f"issue-{number}"
    return Place(name, f"feature/{name}", base)


def place_of_branch(branch: str) -> Place:
    """The place of a branch that exists. That of an issue's branch is the issue's."""
    return Place(branch.removeprefix("feature/").replace("/", "-"), branch, branch)


@contextlib.asynccontextmanager
async def worktree(clone: Path, place: Place, *, me: str, waiting: Waiting, keep: bool) -> AsyncIterator[Worktree]:
    """Have the worktree to ourselves. Raises Temporary if another execution keeps it too long."""
    git_folder = clone / (await git(clone, "rev-parse", "--git-common-dir"))
    locks = git_folder / "miyabi-locks"
    locks.mkdir(exist_ok=True)
    async with locked(locks / place.name, f"the worktree {place.name}", waiting, me=me) as lock:
        path = clone / FOLDER / place.name
        # two at once could not both write the clone's list of worktrees
        async with locked(locks / "all", "the list of worktrees", waiting, me=me):
            ignore_worktrees(git_folder)
            tree = Worktree(path, place.branch, lock, await set_up(clone, path, place))
        await merge_all(tree, place.merge)
        try:
            yield tree
        finally:
            if not keep:
                await clear(clone, tree, waiting)


def ignore_worktrees(git_folder: Path) -> None:
    """They are no part of the clone they lie in."""
    exclude, line = git_folder / "info" / "exclude", f"/{FOLDER}/"
    exclude.parent.mkdir(exist_ok=True)
    text = exclude.read_text() if exclude.exists() else ""
    if line not in text.splitlines():
        exclude.write_text(f"{text.rstrip()}\n{line}\n".lstrip())


async def set_up(clone: Path, path: Path, place: Place) -> str | None:
    """The commit where the branch begins, if there was none."""
    await git(clone, "worktree", "prune")
    if path.exists():
        await take_over(path, place.branch)
    elif await asked(clone, "show-ref", "--verify", "--quiet", f"refs/heads/{place.branch}"):
        await git(clone, "worktree", "add", "--quiet", str(path), place.branch)
    else:
        start = await beginning(clone, place.branch, place.base)
        await git(clone, "worktree", "add", "--quiet", "--no-track", "-b", place.branch, str(path), start)
        return await git(path, "rev-parse", "HEAD")
    return None


async def beginning(clone: Path, branch: str, base: str | None) -> str:
    """Where a branch that is new here begins: at the origin's branch of that name, else at the base."""
    if await asked(clone, "show-ref", "--verify", "--quiet", f"refs/remotes/origin/{branch}"):
        return f"refs/remotes/origin/{branch}"
    return await resolved(clone, base or await default_base(clone))


async def take_over(path: Path, wanted: str) -> None:
    """What an earlier attempt left, whose git may have been killed with a lock in its hand."""
    if not (path / ".git").is_file():
        raise Permanent(f"{path} is not a git worktree: move it away, the agent's work goes there")
    own = Path(await git(path, "rev-parse", "--absolute-git-dir"))
    (own / "index.lock").unlink(missing_ok=True)
    if (branch := await git(path, "branch", "--show-current")) != wanted:
        raise Permanent(f"{path} is on {branch or 'no branch'!r}, not on {wanted!r}: switch it back")


async def merge_all(tree: Worktree, branches: Sequence[str]) -> None:
    for branch in branches:
        if not await asked(tree.path, "show-ref", "--verify", "--quiet", f"refs/heads/{branch}"):
            continue
        command = ["git", "merge", "--quiet", "--no-edit", branch]
        code, output, problem = await output_of(command, cwd=tree.path, env=environment())
        if code == 0:
            continue
        files = (await git(tree.path, "diff", "--name-only", "--diff-filter=U")).splitlines()
        await asked(tree.path, "merge", "--abort")
        reason = f"both changed {', '.join(files)}" if files else problem or output
        raise Permanent(
            f"{branch!r} cannot be merged into {tree.branch!r}: {reason}. Merge it by hand in {tree.path}, then run "
            "the agent again"
        )


async def clear(clone: Path, tree: Worktree, waiting: Waiting) -> None:
    """Remove it, unless work would be lost, and its branch if that is new and nothing was done on it. That it cannot
    be removed is said, and does not undo what was done."""
    if not tree.path.exists():
        return
    try:
        if await git(tree.path, "status", "--porcelain"):
            waiting.say(f"{tree.path} stays: it holds work that is not committed")
        else:
            await git(clone, "worktree", "remove", str(tree.path))
            if tree.began and await git(clone, "rev-parse", f"refs/heads/{tree.branch}") == tree.began:
                await git(clone, "branch", "--quiet", "-D", tree.branch)
    except Permanent as error:
        waiting.say(f"{tree.path} stays: {error}")


@contextlib.asynccontextmanager
async def snapshot(clone: Path, commit: str, name: str) -> AsyncIterator[Path]:
    """A commit's files in a folder of their own, `.worktrees/<name>`, which goes afterwards."""
    git_folder = clone / (await git(clone, "rev-parse", "--git-common-dir"))
    path = clone / FOLDER / name
    await drop(clone, path)
    ignore_worktrees(git_folder)
    await git(clone, "worktree", "add", "--quiet", "--detach", str(path), commit)
    try:
        yield path
    finally:
        await drop(clone, path)


async def drop(clone: Path, path: Path) -> None:
    """Remove a worktree with all that is in it. One that an earlier attempt left half made is no worktree to git."""
    if path.exists() and not await asked(clone, "worktree", "remove", "--force", str(path)):
        shutil.rmtree(path)
    await git(clone, "worktree", "prune")
