"""`miyabi agents`: ask agents to work, watch them, stop them, through the product's API (deployments/api_client.py).

It needs no Prefect: what is asked for waits in Postgres until an agent worker takes it. An id may be cut short, as the
list shows it. Exit codes: 0 done, 1 the work failed or the API did, 2 wrong usage.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, get_args
from uuid import UUID

import click

from deployments.cli import DONE, FAILED, USAGE, fail, json_option

if TYPE_CHECKING:
    from deployments.api_client import Api
    from deployments.api_types import NewExecution

Status = Literal["pending", "running", "completed", "failed", "cancelled"]
STATUSES = get_args(Status)
Priority = Literal["P0", "P1", "P2", "P3"]
SHORTEST = 4
"""Of an id that is cut short."""


class Input(click.ParamType[Any]):
    """A JSON object, or @file with one (@- is standard input)."""

    name = "json|@file"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            text = value
            if value.startswith("@"):
                text = sys.stdin.read() if value == "@-" else Path(value[1:]).expanduser().read_text(encoding="utf-8")
            found = json.loads(text)
        except (OSError, ValueError) as error:
            self.fail(f"{error}", param, context)
        if not isinstance(found, dict):
            self.fail('it has to be a JSON object, such as \'{"brief": "…"}\'', param, context)
        return found


@contextmanager
def api() -> Iterator["Api"]:
    """The API; what it refuses ends the command with its reason."""
    from deployments.api_client import ApiFailed, ApiRefused, connect

    try:
        yield connect()
    except ApiFailed as error:
        fail(str(error), FAILED)
    except ApiRefused as error:
        fail(str(error), USAGE)


@click.group()
def agents() -> None:
    """Ask agents to work; watch, cancel and retry what they do."""


@agents.command()
@click.argument("agent", required=False)
@json_option
def types(agent: str | None, as_json: bool) -> None:
    """The agents there are; of one, what it can be told."""
    from deployments import agent_text as text

    with api() as backend:
        found: Any = backend.get_agent(agent) if agent else backend.list_agents()
    click.echo(dumped(found) if as_json else text.agent_page(found) if agent else text.agents_table(found))


@agents.command(name="list")
@click.option("--status", type=click.Choice(STATUSES), default=None, help="Only those.")
@click.option("--agent", default=None, help="Only of this agent.")
@click.option("--parent", default=None, help="Only what this execution asked for.")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True)
@json_option
def list_executions(status: Status | None, agent: str | None, parent: str | None, limit: int, as_json: bool) -> None:
    """Executions, newest first: yours, and others' that your account may look at. On local that is everybody's."""
    from deployments import agent_text as text

    with api() as backend:
        parent = parent and whole_id(backend, parent)
        found = backend.list_executions(visible=True, status=status, agent_type=agent, parent_id=parent, limit=limit)
    if as_json:
        click.echo(dumped(found))
    elif found:
        click.echo(text.executions_table(found, text.now_utc()))
    else:
        click.echo("none; `miyabi agents types` shows whom to ask, `miyabi agents run AGENT …` asks")


@agents.command()
@click.argument("agent")
@click.option("--repository", "-r", required=True, help="owner/name; registered if it is not.")
@click.option("--issue", "-i", type=click.IntRange(1, 2**31 - 1), default=None, help="The issue's number.")
@click.option("--input", "given", type=Input(), default=None, help="What else to tell it: a JSON object, @file or @-.")
@click.option("--priority", "-p", type=click.Choice(get_args(Priority)), default="P2", show_default=True)
@click.option("--follow", "-f", is_flag=True, help="Show its log until it has ended; exit by its outcome.")
@json_option
def run(
    agent: str, repository: str, issue: int | None, given: Any, priority: Priority, follow: bool, as_json: bool
) -> None:
    """Ask AGENT to work on a repository."""
    from deployments import agent_text as text

    with api() as backend:
        known = backend.register_repository({"full_name": repository})
        request: NewExecution = {
            "repository_id": known["id"], "agent_type": agent, "issue_number": issue, "input": given or {},
            "priority": priority,
        }  # fmt: skip
        asked = backend.execute(request)
        if follow:
            follow_to_the_end(backend, asked["id"], as_json=as_json)
        if as_json:
            click.echo(dumped(asked))
        else:
            click.echo(f"{text.title(asked | {'repository': known['full_name']})}: {asked['status']}, {asked['id']}")
            click.echo(f"watch it with `miyabi agents logs -f {asked['id'][:8]}`")


@agents.command()
@click.argument("execution")
@json_option
def show(execution: str, as_json: bool) -> None:
    """One execution: how it stands, its steps, its result."""
    from deployments import agent_text as text

    with api() as backend:
        found = backend.get_execution(whole_id(backend, execution))
    click.echo(dumped(found) if as_json else text.execution_page(found, text.now_utc(), run_url(found["flow_run_id"])))


@agents.command()
@click.argument("execution")
@click.option("--follow", "-f", is_flag=True, help="Go on until it has ended; exit by its outcome.")
@click.option("--json", "as_json", is_flag=True, help="For machines: one JSON object a line.")
def logs(execution: str, follow: bool, as_json: bool) -> None:
    """What the agent said."""
    with api() as backend:
        whole = whole_id(backend, execution)
        if follow and not as_json:
            follow_to_the_end(backend, whole, as_json=False)
        show_log(backend, whole, follow=follow, as_json=as_json, err=False)
        ended = backend.get_execution(whole)["status"] if follow else None
    sys.exit(FAILED if ended in ("failed", "cancelled") else DONE)


@agents.command()
@click.argument("execution")
@json_option
def cancel(execution: str, as_json: bool) -> None:
    """Cancel what waits, stop what runs; with what it asked of other agents."""
    with api() as backend:
        moved = backend.cancel_execution(whole_id(backend, execution))
    still = "it was asked to stop" if moved["status"] == "running" else moved["status"]
    click.echo(dumped(moved) if as_json else f"{moved['id']}: {still}")


@agents.command()
@click.argument("execution")
@json_option
def retry(execution: str, as_json: bool) -> None:
    """Try a failed one again. Its finished steps are not repeated."""
    with api() as backend:
        moved = backend.retry_execution(whole_id(backend, execution))
    click.echo(dumped(moved) if as_json else f"{moved['id']}: {moved['status']}")


def follow_to_the_end(backend: "Api", execution_id: str, *, as_json: bool) -> NoReturn:
    """Show the log as it comes and how it ended, exit by that. With `as_json` the log goes to standard error."""
    from deployments import agent_text as text

    try:
        show_log(backend, execution_id, follow=True, as_json=False, err=as_json)
    except KeyboardInterrupt:
        fail(f"\nno longer watching; the execution goes on (`miyabi agents cancel {execution_id[:8]}`)", FAILED)
    ended = backend.get_execution(execution_id)
    click.echo(dumped(ended) if as_json else "\n" + text.outcome(ended, text.now_utc()))
    sys.exit(DONE if ended["status"] == "completed" else FAILED)


def show_log(backend: "Api", execution_id: str, *, follow: bool, as_json: bool, err: bool) -> None:
    from deployments import agent_text as text

    for line in backend.logs(execution_id, follow=follow):
        click.echo(json.dumps(line, ensure_ascii=False) if as_json else text.log_line(line), err=err)


def whole_id(backend: "Api", text: str) -> str:
    """The id that begins so, among the newest hundred."""
    try:
        return str(UUID(text))
    except ValueError:
        found = [
            row["id"] for row in backend.list_executions(visible=True, limit=100) if row["id"].startswith(text.lower())
        ]
    if len(text) < SHORTEST or not found:
        fail(f"{text!r}: give {SHORTEST} letters or more of an id, of one of the newest 100 executions", USAGE)
    if len(found) > 1:
        fail(f"{text!r} is the beginning of {len(found)} ids: {', '.join(found)}", USAGE)
    return str(found[0])


def run_url(flow_run_id: str | None) -> str | None:
    """Where the embedded Prefect shows the run, if it is the one that ran it and is up."""
    if flow_run_id is None or os.environ.get("MIYABI_API_URL"):
        return None
    from deployments import stack

    prefect = stack.status().prefect_ui
    return f"{prefect}/runs/flow-run/{flow_run_id}" if prefect else None


def dumped(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
