"""The command agents codegen, autofix and pr: a program works in a git worktree of its own, and we keep watch.

The program is the environment's `agents.command`, by default the mission's `miyabi agent run <type> --issue N
--repository owner/name`, with `--worktree`, `--auto-pr` and `--slack-notify` where the request's options ask for them.
Its stdout goes to the log as INFO and its stderr as ERROR, line by line; exit status 0 is success, 75 (EX_TEMPFAIL) or
a signal from outside is worth another attempt, all else is failure. The agent's input is in the JSON file that
MIYABI_AGENT_INPUT names. One worktree per issue, or per task of an issue where a coordinator asks.
"""

import re
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from database.agent_models import AutofixInput, CodegenInput, CommandOutput, PRInput, PROutput
from tasks.agents.context import AgentContext, AgentResult, Unsuccessful
from tasks.agents.git import fresh_clone, git, work_since
from tasks.agents.locks import Waiting
from tasks.agents.processes import environment, run
from tasks.agents.transcript import Transcript
from tasks.agents.worktrees import Place, Worktree, place_of_branch, place_of_issue, worktree
from tasks.errors import Permanent, Temporary

FLAGS = {"use_worktree": "--worktree", "auto_pr": "--auto-pr", "slack_notify": "--slack-notify"}
TASK = re.compile(r"task-\d{1,4}")
BRANCH = re.compile(r"feature/issue-\d{1,9}(-task-\d{1,4})?")
PLACEHOLDER = re.compile(r"\{(\w*)\}")
TRY_AGAIN = 75  # EX_TEMPFAIL of <sysexits.h>
PULL_REQUEST = re.compile(r"https?://\S+/pull/(\d+)\b")
HIGHEST_NUMBER = 2**31 - 1
"""Of a pull request, as its row holds it."""
OWN_FAULTS = frozenset(
    {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT, signal.SIGSYS, signal.SIGTRAP}
)
"""Signals that a program brings upon itself: it would do so again."""


@dataclass(frozen=True)
class Performance:
    """What a program did, as it is recorded when it has ended well."""

    code: int
    lines_printed: int
    duration_ms: int
    report: dict[str, Any]
    pull_request: tuple[int, str] | None
    commits: list[str]
    files: list[str]
    added: int
    removed: int


async def run_codegen(context: AgentContext) -> AgentResult:
    asked = context.input
    assert isinstance(asked, CodegenInput)
    place = place_of_issue(issue_of(context), task=task_of(context), base=asked.base)
    done, tree = await work(context, Place(place.name, place.branch, place.base, earlier_work(context)))
    return told(context, done, CommandOutput(**facts(done, tree)))


async def run_autofix(context: AgentContext) -> AgentResult:
    asked = context.input
    assert isinstance(asked, AutofixInput)
    done, tree = await work(context, place_of(context, asked.branch))
    return told(context, done, CommandOutput(**facts(done, tree)))


async def run_pr(context: AgentContext) -> AgentResult:
    """Propose the branch; of an issue that was done in tasks, that of all tasks together."""
    asked = context.input
    assert isinstance(asked, PRInput)
    done, tree = await work(context, place_of(context, asked.branch), of_tasks=asked.branch is None)
    number, url = done.pull_request or (None, None)
    return told(context, done, PROutput(**facts(done, tree), pr_number=number, pr_url=url))


def issue_of(context: AgentContext) -> int:
    number: int | None = context.claim.issue_number
    if number is None:
        raise Permanent(f"the {context.agent.id!r} agent works on an issue: ask again with an `issue_number`")
    return number


def place_of(context: AgentContext, branch: str | None) -> Place:
    return place_of_branch(branch) if branch else place_of_issue(issue_of(context), task=task_of(context))


def task_of(context: AgentContext) -> str | None:
    """The task of an issue that a coordinator wants done: `task-3`. It becomes part of a folder's name."""
    task = context.claim.options.get("task")
    if task is None or (isinstance(task, str) and TASK.fullmatch(task)):
        return task
    raise Permanent(f"the option `task` is {task!r}: a coordinator writes it as 'task-1', 'task-2', …")


def earlier_work(context: AgentContext) -> list[str]:
    """The branches of the tasks that this one builds on."""
    branches = context.claim.options.get("after", [])
    if not isinstance(branches, list) or not all(isinstance(name, str) and BRANCH.fullmatch(name) for name in branches):
        raise Permanent(f"the option `after` is {branches!r}: a coordinator lists branches such as 'feature/issue-1'")
    return branches


async def work(context: AgentContext, place: Place, *, of_tasks: bool = False) -> tuple[Performance, Worktree]:
    """Set the worktree up, run the program in it, see what it did. The program does not run again once it has ended."""
    if context.claim.repository is None:
        raise Permanent(f"the {context.agent.id!r} agent needs a repository, and that of this execution is gone")
    command = command_of(context)
    waiting = Waiting(patience=context.left, say=lambda text: context.log("INFO", text))
    clone = await fresh_clone(context.settings, context.claim.repository, waiting=waiting)
    if of_tasks:
        place = Place(place.name, place.branch, place.base, await task_branches(clone, place.branch))
    me = f"execution {context.claim.id} ({context.agent.id})"
    async with worktree(clone, place, me=me, waiting=waiting, keep=context.settings.keep_worktrees) as tree:
        start = await context.step("Note where the work begins", tree.head)
        name = f"Run {Path(command[0]).name}"
        done = await context.step(name, perform, context, command, tree, start)
    return done, tree


async def task_branches(clone: Path, branch: str) -> list[str]:
    """The branches of an issue's tasks that are here."""
    found = await git(clone, "branch", "--format=%(refname:short)", "--list", f"{branch}-task-*")
    return sorted(found.split(), key=lambda name: int(name.rpartition("-")[2]))


def command_of(context: AgentContext) -> list[str]:
    """The program and its arguments for this execution."""
    claim = context.claim
    known = {"agent": context.agent.id, "issue": claim.issue_number, "repository": claim.repository}
    if lacking := {name for word in context.settings.command for name in PLACEHOLDER.findall(word)} - {
        name for name, value in known.items() if value is not None
    }:
        raise Permanent(
            f"the command {list(context.settings.command)!r} has {sorted(lacking)!r} to be filled in, which this "
            f"execution has not; known are {sorted(known)!r}: set `agents.command`, or ask with an `issue_number`"
        )
    filled = [PLACEHOLDER.sub(lambda match: str(known[match[1]]), word) for word in context.settings.command]
    if is_ours(filled[0]):
        raise Permanent(
            f"the program {filled[0]!r} found here is this project's own `miyabi`, which is no coding agent: put the "
            "Miyabi agents' program before it in the PATH, or name a program in `agents.command`"
        )
    return filled + [flag for option, flag in FLAGS.items() if claim.options.get(option)]


def is_ours(program: str) -> bool:
    """Both are called `miyabi`; ours would only complain of wrong usage."""
    ours, found = Path(sys.executable).with_name("miyabi"), shutil.which(program)
    return found is not None and ours.exists() and ours.samefile(found)


async def perform(context: AgentContext, command: list[str], tree: Worktree, start: str) -> Performance:
    """Run the program to its end. If it fails, raises Unsuccessful or Temporary with the end of what it said."""
    own = Path(await git(tree.path, "rev-parse", "--absolute-git-dir"))
    input_file = own / "miyabi-input.json"
    input_file.write_text(context.input.model_dump_json(by_alias=True))
    extra = context.settings.command_variables
    env = environment(extra) | {
        "MIYABI_AGENT_INPUT": str(input_file),
        "MIYABI_EXECUTION_ID": str(context.claim.id),
        "MIYABI_IDEMPOTENCY_KEY": context.key,
    }
    transcript = Transcript(context.log, secrets=[env[name] for name in extra if name in env])
    context.log("INFO", f"running {' '.join(command)!r} in {tree.path}")
    begun = time.monotonic()
    try:
        code = await run(command, cwd=tree.path, env=env, said=transcript.line, holding=[tree.lock])
    finally:
        transcript.close()
    took = round(1000 * (time.monotonic() - begun))
    if not tree.path.is_dir():
        raise Permanent(
            f"the program removed its own worktree {tree.path}: only what it committed is left, on {tree.branch}"
        )
    work = await work_since(tree.path, start)
    done = Performance(
        code, transcript.count, took, transcript.report, pull_request(context, transcript),
        work.commits, work.files, work.added, work.removed,
    )  # fmt: skip
    if code:
        raise failure(context, done, tree, "\n".join(transcript.last_words) or "(nothing)")
    return done


def failure(context: AgentContext, done: Performance, tree: Worktree, last: str) -> Unsuccessful | Temporary:
    if done.code < 0 and -done.code not in OWN_FAULTS:
        return Temporary(f"Agent process was ended by signal {-done.code}; it said last:\n{last}")
    ended = f"died of {signal.Signals(-done.code).name}" if done.code < 0 else f"exited with code {done.code}"
    reason = f"Agent process {ended}; it said last:\n{last}"
    if done.code == TRY_AGAIN:
        return Temporary(reason)
    return Unsuccessful(reason, told(context, done, CommandOutput(**facts(done, tree))))


def pull_request(context: AgentContext, transcript: Transcript) -> tuple[int, str] | None:
    """Number and address of the pull request that the program says it made: in its report, else its last such line.
    What cannot be a number is left out: the work is done all the same."""
    number, url = transcript.report.get("pr_number"), str(transcript.report.get("pr_url") or "")
    if number is None and (match := PULL_REQUEST.search(transcript.last_line_with("/pull/"))):
        number, url = int(match[1][:20]), match[0]
    if type(number) is int and 0 < number <= HIGHEST_NUMBER:
        return number, url
    if number is not None:
        context.log("WARN", f"{number!r} is not the number of a pull request: left out")
    return None


def facts(done: Performance, tree: Worktree) -> dict[str, Any]:
    return {
        "exit_code": done.code, "worktree": str(tree.path), "branch": tree.branch, "commits": done.commits,
        "files_changed": done.files, "lines_added": done.added, "lines_removed": done.removed,
        "lines_printed": done.lines_printed, "duration_ms": done.duration_ms, "report": done.report,
    }  # fmt: skip


def told(context: AgentContext, done: Performance, data: CommandOutput) -> AgentResult:
    changed = f"{len(done.files)} file(s) changed (+{done.added} −{done.removed}) in {len(done.commits)} commit(s)"
    number = done.pull_request[0] if done.pull_request else None
    proposed = f", pull request #{number}" if number else ""
    return AgentResult(
        data=data,
        summary=f"{changed} on {data.branch}{proposed}",
        pr_number=number,
        metrics={"lines_changed": done.added + done.removed, "exit_code": done.code},
        artifact=page(context, done, data),
    )


def page(context: AgentContext, done: Performance, data: CommandOutput) -> str:
    """The outcome as markdown."""
    files = "\n".join(f"- `{name}`" for name in done.files[:50])
    commits = "\n".join(f"- {line}" for line in done.commits[:50])
    return (
        f"## {context.agent.name}: {context.claim.repository} #{context.claim.issue_number}\n\n"
        f"Branch `{data.branch}`, +{done.added} −{done.removed} lines, {done.duration_ms / 1000:.1f} s\n\n"
        f"### Commits\n{commits or 'none'}\n\n### Files\n{files or 'none'}\n"
    )
