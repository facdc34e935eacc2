"""What a model may do besides answering: look at the repository's files and issues, and write in a worktree.

The worktree is the execution's own, made when the first file is asked for, so a talk that needs no file costs no git.
What was written is committed on the branch `agent/<id>-<execution>` when the talk ends well. What cannot be done is
told to the model, which may go on without; how often it tries is limited by the talk.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

from pydantic_ai import RunContext
from pydantic_ai.exceptions import ToolFailed
from pydantic_ai.toolsets import AbstractToolset, FunctionToolset

from tasks.agents.context import AgentContext
from tasks.agents.git import asked, folder_of, fresh_clone, git
from tasks.agents.issue_source import Issue, checked, github, issue_of_file
from tasks.agents.locks import Waiting
from tasks.agents.model_files import Files, Refused
from tasks.agents.worktrees import Place, Worktree, worktree
from tasks.errors import MiyabiError, Permanent

ISSUES = 50
"""Issues in one list."""
AUTHOR = ("-c", "user.name=Miyabi", "-c", "user.email=agents@miyabi.invalid", "-c", "commit.gpgsign=false",
          "-c", "core.hooksPath=/dev/null")  # fmt: skip


class Workbench:
    """The files of one execution. Use it with `async with`."""

    def __init__(self, context: AgentContext) -> None:
        self.context, self._waiting = context, Waiting(say=partial(context.log, "INFO"))
        self._opening = asyncio.Lock()
        self._open = contextlib.AsyncExitStack()
        self.files: Files | None = None
        name = f"{context.agent.id}-{context.claim.id.hex[:12]}"
        self.place = Place(name, f"agent/{name}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Give the worktree back, and remove a branch that has nothing of its own."""
        await self._open.aclose()
        if self.files is not None:
            branch = self.place.branch
            if not await asked(self._clone, "show-ref", "--verify", "--quiet", f"refs/heads/{branch}"):
                return  # new, nothing done: it went with the worktree
            others = ("--not", f"--exclude={branch}", "--branches", "--remotes")
            if not await git(self._clone, "rev-list", "--max-count=1", branch, *others):
                await asked(self._clone, "branch", "-D", branch)

    @property
    def tools(self) -> list[AbstractToolset[Any]]:
        """Those that this execution can use: agents that only read get nothing to write with."""
        settings, repository = self.context.settings, self.context.claim.repository
        if repository is None:
            return []
        if not folder_of(settings, repository).exists() and not settings.clone_url:
            return [LISTING]
        return [LISTING, READING] if self.context.agent.colour == "blue" else [LISTING, READING, WRITING]

    async def opened(self) -> Files:
        """The files, in the worktree. Raises Permanent where there can be none, Temporary if git has to wait."""
        async with self._opening:
            if self.files is None:
                repository = self.context.claim.repository
                if repository is None:
                    raise Permanent("there are no files: ask again with a repository")
                self._clone = await fresh_clone(self.context.settings, repository, waiting=self._waiting)
                tree = await self._open.enter_async_context(self._worktree())
                self.files = Files(tree.path, may_configure=self.context.settings.model_may_configure)
            return self.files

    def _worktree(self) -> contextlib.AbstractAsyncContextManager[Worktree]:
        keep = self.context.settings.keep_worktrees
        return worktree(
            self._clone, self.place, me=f"execution {self.context.claim.id}", waiting=self._waiting, keep=keep
        )

    async def keep(self, summary: str) -> dict[str, Any]:
        """Commit what was written; where it is. Nothing if nothing was."""
        if self.files is None or not self.files.written:
            return {}
        commit: str = await self.context.step("Commit the files", self._commit, summary)
        return {"branch": self.place.branch, "commit": commit, "files": self.files.written}

    async def _commit(self, summary: str) -> str:
        assert self.files is not None
        tree = self.files.folder
        await git(tree, "add", "--force", "--", *self.files.written)
        if not await asked(tree, "diff", "--cached", "--quiet"):
            about = f"{self.context.agent.name}: {summary}"[:200]
            await git(tree, *AUTHOR, "commit", "--quiet", "--no-verify", "-m", about)
        return await git(tree, "rev-parse", "HEAD")

    async def use(self, words: str, work: Callable[[Files], str]) -> str:
        """Do something with the files, and say so in the log."""
        return await self.told(words, self._with_files(work))

    async def _with_files(self, work: Callable[[Files], str]) -> str:
        return await asyncio.to_thread(work, await self.opened())

    async def told(self, words: str, work: Awaitable[str]) -> str:
        """The outcome, or the reason why there is none, for the model."""
        self.context.log("INFO", f"the model {words}"[:500])
        try:
            return await work
        except (Refused, MiyabiError) as error:
            self.context.log("WARN", f"refused: {error}")
            raise ToolFailed(str(error)) from error


async def list_files(run: RunContext[Workbench], folder: str = ".", pattern: str = "*") -> str:
    """List files of the repository.

    Args:
        folder: Where to begin, such as `docs`.
        pattern: What the path or the name has to fit, such as `*.md`.
    """
    return await run.deps.use(f"lists {folder!r} {pattern!r}", lambda files: files.listing(folder, pattern))


async def read_file(run: RunContext[Workbench], path: str, first_line: int = 1) -> str:
    """Read a text file of the repository. A long one comes in parts.

    Args:
        path: From the root of the repository, such as `docs/plan.md`.
        first_line: Where to begin; for the rest of a long file.
    """
    return await run.deps.use(f"reads {path!r}", lambda files: files.read(path, first_line))


async def search_files(run: RunContext[Workbench], text: str, folder: str = ".") -> str:
    """Find lines that contain a text, upper and lower case alike.

    Args:
        text: The text as it stands there, no pattern.
        folder: Where to look.
    """
    return await run.deps.use(f"searches for {text[:100]!r}", lambda files: files.search(text, folder))


async def write_file(run: RunContext[Workbench], path: str, text: str) -> str:
    """Write a file on a branch of its own, for people to look at. Only where a file is asked for.

    Args:
        path: From the root of the repository, such as `docs/plan.md`.
        text: All of the file.
    """
    return await run.deps.use(f"writes {path!r}", lambda files: files.write(path, text))


async def list_issues(run: RunContext[Workbench], state: Literal["open", "closed", "all"] = "open") -> str:
    """List the newest issues of the repository: number, title, labels and how they begin."""
    return await run.deps.told(f"lists {state} issues", issue_list(run.deps.context, state))


async def issue_list(context: AgentContext, state: str) -> str:
    """From the folder of issues, where all count as open, else from GitHub."""
    settings, repository = context.settings, context.claim.repository
    if settings.issues_directory is not None:
        found = await asyncio.to_thread(issues_of_folder, settings.issues_directory, repository or "")
    else:
        path = f"/repos/{repository}/issues?state={state}&per_page={ISSUES}"
        found = [checked(issue, "GitHub's answer") for issue in await github(context, "GET", path)]
    return "\n".join(line_of(issue) for issue in found[:ISSUES]) or "[no issue]"


def issues_of_folder(folder: Path, repository: str) -> list[Issue]:
    """The issues with the highest numbers. A repository's own folder goes before files for any."""
    own = folder / repository
    files = [file for file in (own if own.is_dir() else folder).glob("*") if file.suffix in (".json", ".md")]
    numbered = sorted((file for file in files if file.stem.isdigit()), key=lambda file: -int(file.stem))
    return [issue_of_file(file, int(file.stem)) for file in numbered[:ISSUES]]


def line_of(issue: Issue) -> str:
    begins = " ".join(issue.body.split())[:200]
    return f"#{issue.number} {issue.title} [{', '.join(issue.labels)}] {begins}"


READING = FunctionToolset[Workbench]([list_files, read_file, search_files])
WRITING = FunctionToolset[Workbench]([write_file])
LISTING = FunctionToolset[Workbench]([list_issues])
