"""What agents ask of git: a clone of the repository, and what changed in it.

Clones are at `<workspace>/<owner>/<name>`: made by a person, or from the environment's `agents.clone_url` when first
needed. Access to private repositories is this machine's git configuration (a credential helper, an SSH key): no token
of ours is handed to git.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from blocks.agents import AgentSettings
from tasks.agents.locks import Waiting, locked
from tasks.agents.processes import environment, output_of
from tasks.errors import Permanent, Temporary

LISTED = 1000
"""So many files and commits are listed in a result, no more."""
COUNTED = 1024 * 1024
"""A new file larger than this, in bytes, has no lines."""


REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/(?!\.{1,2}$)[A-Za-z0-9_.][A-Za-z0-9_.-]*")


NOT_THERE = re.compile(
    r"does not exist|does not appear to be a git repository|repository .*not found|Repository not found"
    r"|Authentication failed|could not read Username|Permission denied|Host key verification failed|not a valid URL"
)
"""What git says where another attempt would find the same."""


@dataclass(frozen=True)
class WorkDone:
    """The difference between a commit and a worktree as it is, uncommitted work included. Commits are oldest first."""

    commits: list[str]
    files: list[str]
    added: int
    removed: int


async def git(folder: Path, *arguments: str) -> str:
    """Run git there; its output. Raises Permanent with what git said."""
    code, output, problem = await output_of(
        ["git", "-c", "core.quotePath=false", *arguments], cwd=folder, env=environment() | {"LC_ALL": "C"}
    )
    if code:
        raise Permanent(f"{folder}: `git {' '.join(arguments)}` failed: {problem or output or code}")
    return output


async def asked(folder: Path, *arguments: str) -> bool:
    """True if git says yes by its exit status."""
    return (await output_of(["git", *arguments], cwd=folder, env=environment()))[0] == 0


def named(repository: str) -> str:
    """The name, if GitHub could have given it: it becomes a path and an argument. Raises Permanent if not."""
    if not REPOSITORY.fullmatch(repository):
        raise Permanent(f"the repository {repository!r} is not called as GitHub has it: owner/name")
    return repository


def folder_of(settings: AgentSettings, repository: str) -> Path:
    return settings.workspace / named(repository)


async def fresh_clone(settings: AgentSettings, repository: str, *, waiting: Waiting) -> Path:
    """The folder of the repository's clone, up to date with its origin if it has one.

    Raises Permanent if there is no clone and none can be made, Temporary if the origin cannot be reached.
    """
    folder = folder_of(settings, repository)
    folder.parent.mkdir(parents=True, exist_ok=True)
    async with locked(folder.with_name(f"{folder.name}.lock"), "another execution's clone or fetch", waiting):
        if not folder.exists():
            await clone(settings, repository, folder)
        elif not (folder / ".git").exists():
            raise Permanent(f"{folder} is not a git repository: put a clone of {repository!r} there, or remove it")
        elif await asked(folder, "remote", "get-url", "origin"):
            await reach(folder, "fetch", "--quiet", "--prune", "origin")
    return folder


async def clone(settings: AgentSettings, repository: str, folder: Path) -> None:
    if not settings.clone_url:
        raise Permanent(
            f"there is no clone of {repository!r} at {folder}: make one there, or set `agents.clone_url` in the "
            "environment (or MIYABI_AGENT_CLONE_URL), such as https://github.com/{repository}.git"
        )
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    address = settings.clone_url.replace("{repository}", repository)
    await reach(folder.parent, "clone", "--quiet", "--", address, unfinished.name)
    unfinished.rename(folder)


async def reach(folder: Path, *arguments: str) -> None:
    """A command that needs the origin, which may be back in a moment; not where it says that there is no such thing."""
    try:
        await git(folder, *arguments)
    except Permanent as error:
        if NOT_THERE.search(str(error)):
            raise
        raise Temporary(str(error)) from error


async def default_base(folder: Path) -> str:
    """Where new branches begin: the origin's default branch, or what the clone itself has checked out."""
    return "origin/HEAD" if await asked(folder, "rev-parse", "--verify", "--quiet", "origin/HEAD") else "HEAD"


async def resolved(folder: Path, ref: str) -> str:
    """The commit of a branch (the origin's before ours), tag or commit. Raises Permanent if there is none."""
    for candidate in (f"refs/remotes/origin/{ref}", f"refs/heads/{ref}", ref):
        if await asked(folder, "rev-parse", "--verify", "--quiet", f"{candidate}^{{commit}}"):
            return await git(folder, "rev-parse", f"{candidate}^{{commit}}")
    raise Permanent(f"{folder} has no branch, tag or commit {ref!r}, and neither has its origin")


async def work_since(folder: Path, start: str) -> WorkDone:
    """What was done in this worktree since the commit `start`."""
    commits = await git(folder, "log", "--reverse", "--format=%h %s", f"{start}..HEAD")
    added = removed = 0
    files = []
    for line in (await git(folder, "diff", "--numstat", "--no-renames", start)).splitlines():
        plus, minus, name = line.split("\t", 2)
        files.append(name)
        if plus != "-":  # a binary file
            added, removed = added + int(plus), removed + int(minus)
    for name in (await git(folder, "ls-files", "--others", "--exclude-standard")).splitlines():
        files.append(name)
        added += lines_of(folder / name)
    return WorkDone(commits.splitlines()[:LISTED], sorted(files)[:LISTED], added, removed)


def lines_of(file: Path) -> int:
    """Lines of a text file; 0 for what is none."""
    if file.is_symlink() or not file.is_file() or file.stat().st_size > COUNTED:
        return 0
    content = file.read_bytes()
    return 0 if b"\0" in content else content.count(b"\n") + (not content.endswith(b"\n") and bool(content))
