"""The agents that ask a model: the 14 for business and the one for the community. Others may ask for a second look.

1. put together what the agent is told: its prompt (prompts/<agent>.md), the input, the text of the issue
2. talk until the model has filled in the agent's output, with tools for the repository's files and issues
3. commit what it wrote

There is one runner for all: an agent is its prompt and its two models (database/business_models.py). pydantic-ai is
imported when the first of them runs, in a thread, so that a worker that has no model starts as fast as before.
"""

import asyncio
import importlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from pydantic import BaseModel

from database.business_answers import Answer
from database.business_models import MODELS, Brief
from tasks.agents.context import AgentContext, AgentResult, Runner
from tasks.agents.issue_source import Issue, read_issue
from tasks.agents.model_choice import server
from tasks.agents.model_report import markdown
from tasks.errors import MiyabiError, Permanent

Form = TypeVar("Form", bound=BaseModel)
PROMPTS = Path(__file__).with_name("prompts")
LANGUAGES = {"ja": "Japanese", "en": "English"}


async def run_model_agent(context: AgentContext) -> AgentResult:
    """Have a model fill in the agent's output. Raises Temporary or Permanent, with what to do."""
    given, asked = context.input, await server(context.settings, context.keys)
    assert isinstance(given, Brief)
    issue = await issue_of(context, given)
    talk, tools = await slow("model_talk"), await slow("model_tools")
    async with tools.Workbench(context) as bench:
        if given.files:
            await bench.opened()
        said = await talk.talk(
            context,
            asked,
            context.agent.output,
            instructions=instructions(context.agent.id),
            prompt=prompt(given, context.claim.repository, issue),
            toolsets=bench.tools,
            deps=bench,
        )
        kept = await bench.keep(said.form.summary)
    answer = said.form
    assert isinstance(answer, Answer)
    return AgentResult(answer, answer.summary, metrics={**said.metrics, **kept}, artifact=markdown(answer))


MODEL_RUNNERS: Mapping[str, Runner] = dict.fromkeys(MODELS, run_model_agent)


async def refine(
    context: AgentContext, prompt: str, output_type: type[Form], *, tools: Sequence[Callable[..., Any]] = ()
) -> Form | None:
    """A model's word on what an agent has found out without one. None, and a line in the log, if there is none.

    All of it is one step, so the steps that follow keep their numbers whatever the model says: an attempt that follows
    gets the same answer, and the same None. It may take half of the time that is left. `tools` are plain functions,
    with a docstring for the model.
    """
    if not context.settings.model:
        return None

    async def ask() -> dict[str, Any]:
        try:
            async with asyncio.timeout(context.left / 2):
                return {"form": await second_look(context, prompt, output_type, tools), "reason": None}
        except (MiyabiError, TimeoutError) as error:
            return {"form": None, "reason": str(error) or "it took too long"}

    answer: dict[str, Any] = await context.step("Ask the model for a second look", ask)
    if answer["form"] is None:
        context.log("WARN", f"no second look by a model: {answer['reason']}")
        return None
    return output_type.model_validate(answer["form"])


async def second_look(
    context: AgentContext, prompt: str, form: type[BaseModel], tools: Sequence[Callable[..., Any]]
) -> dict[str, Any]:
    """The form as the model fills it in, as JSON. Raises Temporary or Permanent."""
    talk = await slow("model_talk")
    said = await talk.talk(
        context,
        await server(context.settings, context.keys),
        form,
        instructions=text_of("refine"),
        prompt=prompt,
        toolsets=talk.toolsets(tools),
        step=talk.at_once,
    )
    answer: dict[str, Any] = said.form.model_dump(mode="json")
    return answer


async def slow(name: str) -> ModuleType:
    """A module that takes a second to import, without stopping everything else meanwhile."""
    return await asyncio.to_thread(importlib.import_module, f"tasks.agents.{name}")


async def close_models() -> None:
    """Close the connections to models, if there are any. For the end of a worker."""
    if provider := sys.modules.get("tasks.agents.model_provider"):
        await provider.close()


async def issue_of(context: AgentContext, given: Brief) -> Issue | None:
    """The text of the execution's issue. Raises Permanent if there is nothing at all to go on."""
    if context.claim.issue_number is not None and context.claim.repository is not None:
        return await context.step("Read the issue", read_issue, context, None)
    if not given.model_dump(exclude_defaults=True, exclude={"language", "currency"}):
        raise Permanent(
            f"the {context.agent.id!r} agent was told nothing: ask again with `input` (a `brief` will do; GET /agents"
            " names the fields) or with the number of an issue and a repository"
        )
    return None


@lru_cache
def text_of(name: str) -> str:
    return (PROMPTS / f"{name}.md").read_text(encoding="utf-8")


def instructions(agent: str) -> str:
    return f"{text_of(agent)}\n{text_of('common')}"


def prompt(given: Brief, repository: str | None, issue: Issue | None) -> str:
    """What this execution asks, as Markdown."""
    known = given.model_dump(mode="json", exclude={"brief", "language", "currency", "files"}).items()
    facts = {name: value for name, value in known if value not in ("", [], None)}
    parts = [
        f"# Brief\n\n{given.brief}" if given.brief else "",
        f"# Input\n\n{json.dumps(facts, ensure_ascii=False, indent=1)}" if facts else "",
        f"# Issue #{issue.number}: {issue.title}\n\nLabels: {', '.join(issue.labels)}\n\n{issue.body}" if issue else "",
        f"# Repository\n\n{repository}" if repository else "",
        f"# Files to read first\n\n{', '.join(given.files)}" if given.files else "",
        f"# Answer\n\nIn {LANGUAGES[given.language]}. Amounts are in {given.currency}.",
    ]
    return "\n\n".join(part for part in parts if part)
