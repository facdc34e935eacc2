"""Where an issue comes from: the request itself, a file of the folder `agents.issues_directory`, else GitHub's API.

A file is `<owner>/<name>/<number>.json` or `.md`, or just `<number>.json` or `.md`. JSON is as GitHub writes it
(`title`, `body`, `labels`), with `tasks` where someone has planned them already. Of Markdown the first heading is the
title and a line `Labels: a, b` names the labels.
"""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from blocks.agents import AgentSettings
from database.agent_models import IssueText
from tasks.agents.context import AgentContext
from tasks.agents.git import named
from tasks.agents.keys import Keys
from tasks.errors import Permanent, Temporary

TIMEOUT_S = 20.0
LARGEST = 1024 * 1024
"""Bytes of a file."""
LABELS = re.compile(r"^(?:labels|ラベル)[:：](.*)$", re.IGNORECASE | re.MULTILINE)


class Issue(BaseModel):
    """An issue as the agents read it. `source` says where it comes from."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    number: int | None = None
    title: str = Field(min_length=1)
    body: str = ""
    labels: list[str] = []
    tasks: list[dict[str, Any]] = []
    source: str = ""

    @field_validator("body", mode="before")
    @classmethod
    def no_body(cls, value: Any) -> Any:
        return "" if value is None else value

    @field_validator("labels", mode="before")
    @classmethod
    def names_only(cls, value: Any) -> Any:
        """GitHub writes labels as objects."""
        if not isinstance(value, list):
            return value
        return [label.get("name") if isinstance(label, dict) else label for label in value]


class Asking(Protocol):
    """Who asks GitHub: an agent's context, or `Access`."""

    @property
    def settings(self) -> AgentSettings: ...
    @property
    def keys(self) -> Keys: ...


@dataclass(frozen=True)
class Access:
    """What asking GitHub takes, for those who are no agent."""

    settings: AgentSettings
    keys: Keys


async def read_issue(context: AgentContext, given: IssueText | None) -> Issue:
    """The issue of this execution. Raises Permanent if there is none, Temporary if GitHub cannot answer now."""
    number = context.claim.issue_number
    if given is not None:
        return Issue(number=number, source="the request", **given.model_dump())
    if number is None or context.claim.repository is None:
        raise Permanent(
            f"the {context.agent.id!r} agent needs an issue: ask with an `issue_number` and a repository, or with the "
            "issue's text as `issue` in the input"
        )
    return await issue_of_repository(context, context.claim.repository, number)


async def issue_of_repository(asking: Asking, repository: str, number: int) -> Issue:
    """The issue of this number, from the settings' folder or from GitHub."""
    if (folder := asking.settings.issues_directory) is not None:
        return issue_of_file(find_file(folder, repository, number), number)
    answer = await github(asking, "GET", f"/repos/{named(repository)}/issues/{number}")
    return checked({**answer, "number": number, "source": str(answer.get("html_url", "GitHub"))}, "GitHub's answer")


def find_file(folder: Path, repository: str, number: int) -> Path:
    """The file of an issue. Raises Permanent naming those that were looked for."""
    named(repository)
    places = [folder / repository / f"{number}.json", folder / repository / f"{number}.md",
              folder / f"{number}.json", folder / f"{number}.md"]  # fmt: skip
    for place in places:
        if place.is_file():
            return place
    raise Permanent(f"there is no issue #{number} of {repository!r}; looked for {', '.join(map(str, places))}")


def issue_of_file(file: Path, number: int | None = None) -> Issue:
    """The issue in a JSON or Markdown file. Raises Permanent if it is neither."""
    if file.stat().st_size > LARGEST:
        raise Permanent(f"{file} has more than {LARGEST} bytes: an issue is a text")
    text = file.read_text(encoding="utf-8", errors="replace")
    if file.suffix != ".json":
        return issue_of_markdown(text, number, source=str(file))
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Permanent(f"{file} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise Permanent(f"{file} holds no JSON object, which an issue is: {{'title': …, 'body': …}}")
    return checked({"number": number, **found, "source": str(file)}, str(file))


def issue_of_markdown(text: str, number: int | None = None, *, source: str = "") -> Issue:
    heading = re.search(r"^#{1,6}[ \t]+(.+)$", text, re.MULTILINE)
    named = LABELS.search(text)
    labels = [label.strip() for label in named[1].split(",") if label.strip()] if named else []
    body = text[heading.end() :].lstrip("\n") if heading else text
    title = heading[1].strip() if heading else next((line for line in text.splitlines() if line.strip()), "(no title)")
    return Issue(number=number, title=title, body=body, labels=labels, source=source)


def checked(found: Mapping[str, Any], what: str) -> Issue:
    try:
        return Issue.model_validate(found)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise Permanent(f"{what} is not an issue: {problems}") from error


async def add_labels(context: AgentContext, repository: str, number: int, labels: Sequence[str]) -> None:
    """Set these labels on GitHub, besides those that are there."""
    await github(context, "POST", f"/repos/{named(repository)}/issues/{number}/labels", {"labels": list(labels)})


async def github(context: Asking, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """GitHub's answer as JSON. Raises Permanent for a refusal, Temporary for trouble that passes."""
    settings, token = context.settings, await token_of(context)
    headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    address = settings.github_api.rstrip("/") + path
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=True) as client:
            answer = await client.request(method, address, headers=headers, json=body)
    except httpx.TransportError as error:
        raise Temporary(f"GitHub does not answer at {address}: {error or type(error).__name__}") from error
    if answer.is_success:
        return parsed(answer, address)
    if answer.status_code == 401 and settings.github_token_secret:
        context.keys.forget(settings.github_token_secret)
    raise refusal(answer, address, settings, token)


async def token_of(context: Asking) -> str:
    """GitHub's token; empty if the settings name none. Raises Permanent if it is not there."""
    name = context.settings.github_token_secret
    return await context.keys.value(name, "`agents.github_token_secret`, GitHub's token,") if name else ""


def parsed(answer: httpx.Response, address: str) -> Any:
    try:
        return answer.json()
    except ValueError as error:
        raise Permanent(f"{address} answers no JSON: is `agents.github_api` GitHub's API?") from error


def pause_of(answer: httpx.Response, now: Callable[[], float] = time.time) -> float | None:
    """Seconds that GitHub wants to be left alone: as it says them, or until the hour whose requests are used up."""
    headers = answer.headers
    if (seconds := headers.get("retry-after", "")).isdecimal():
        return float(seconds)
    reset = headers.get("x-ratelimit-reset", "") if headers.get("x-ratelimit-remaining") == "0" else ""
    return max(0.0, float(reset) - now()) if reset.isdecimal() else None


def refusal(answer: httpx.Response, address: str, settings: AgentSettings, key: str = "") -> Permanent | Temporary:
    """A status that is no success, as an error with what to do about it."""
    status = answer.status_code
    limited = status == 429 or (status == 403 and (
        answer.headers.get("x-ratelimit-remaining") == "0" or "retry-after" in answer.headers
    ))  # fmt: skip
    if limited or status >= 500:
        trouble = "too many requests" if limited else "trouble"
        return Temporary(f"GitHub answers {status} at {address}: {trouble}", after_s=pause_of(answer))
    token = f"the token in {settings.github_token_secret!r}" if settings.github_token_secret else "no token is set"
    said = (answer.text.replace(key, "***") if key else answer.text)[:200]
    hints = {
        401: f"check {token}",
        403: f"{token}: it needs access to this repository's issues",
        404: f"it is not there, or private ({token}; name one in `agents.github_token_secret`)",
        410: "the issue was deleted, or issues are off in this repository",
    }
    return Permanent(f"GitHub answers {status} at {address}: {hints.get(status, said)}")
