"""The deployments of prefect.yaml: read, checked, and brought to the server.

Prefect ignores misspelt keys and keeps deployments and schedules that left the file, so the file is checked first, and
`prefect deploy --all` takes 0.2 s of CPU for each entry, changed or not; here what differs is written, and that alone
(reference: prefect.md §8). What a person pauses stays paused.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from prefect.client.schemas.schedules import CronSchedule
from prefect.flows import Flow, load_flow_from_entrypoint

from deployments.configuring.server import Report, Server, differing, everything
from deployments.environment_files import ROOT
from flows.parameters import titled

ALLOWED_KEYS = frozenset(
    {"name", "entrypoint", "description", "parameters", "tags", "enforce_parameter_schema", "concurrency_limit"}
    | {"work_pool", "schedules", "version"}
)
SCHEDULE_KEYS = frozenset({"slug", "cron", "timezone", "parameters", "active"})
Entry = dict[str, Any]


class BadDeployments(Exception):
    """prefect.yaml cannot be applied; the message lists every problem."""


def read_deployments(path: Path = ROOT / "prefect.yaml") -> list[Entry]:
    """The entries of prefect.yaml, checked. Raises BadDeployments with all problems."""
    file = read_yaml(path)
    entries = file.get("deployments") or []
    problems = [f"there is no {key!r}" for key in ("pull", "deployments") if not file.get(key)]
    problems += [problem for entry in entries for problem in entry_problems(entry)]
    names = [full_name(entry) for entry in entries if not missing_keys(entry)]
    problems += [f"{name} stands there twice" for name in sorted({n for n in names if names.count(n) > 1})]
    if problems:
        raise BadDeployments("\n".join(["prefect.yaml:", *(f"  - {problem}" for problem in problems)]))
    return list(entries)


def read_yaml(path: Path = ROOT / "prefect.yaml") -> dict[str, Any]:
    try:
        return dict(yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except (OSError, yaml.YAMLError, TypeError, ValueError) as error:
        raise BadDeployments(f"prefect.yaml cannot be read: {error}") from error


def entry_problems(entry: Entry) -> list[str]:
    """What Prefect would accept and then not do: unknown keys, flows that do not load, parameters they do not take."""
    if missing := missing_keys(entry):
        return [f"{entry.get('entrypoint', '?')}/{entry.get('name', '?')}: there is no {', '.join(missing)}"]
    name = full_name(entry)
    problems = [f"{name}: unknown key {key!r}" for key in sorted(set(entry) - ALLOWED_KEYS)]
    problems += [] if (entry.get("work_pool") or {}).get("name") else [f"{name}: there is no work_pool: name"]
    try:
        flow = flow_of(entry)
    except Exception as error:
        return [*problems, f"{name}: the flow does not load: {error}"]
    unknown = sorted(set(entry.get("parameters", {})) - set(flow.parameters.properties))
    problems += [f"{name}: the flow has no parameter {key!r}" for key in unknown]
    return problems + [
        f"{name}: {problem}" for schedule in entry.get("schedules", []) for problem in schedule_problems(schedule, flow)
    ]


def missing_keys(entry: Entry) -> list[str]:
    """What a deployment is named by."""
    return [key for key in ("name", "entrypoint") if not entry.get(key)]


def flow_of(entry: Entry) -> Flow[..., Any]:
    return load_flow(entry["entrypoint"])


@cache
def load_flow(entrypoint: str) -> Flow[..., Any]:
    """Once: Prefect reads and compiles the file again each time."""
    return load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)


def schedule_problems(schedule: Mapping[str, Any], flow: Flow[..., Any]) -> list[str]:
    """A schedule without a slug could not be told from others, and one without a time zone depends on the server's."""
    slug = schedule.get("slug", "?")
    problems = [f"schedule {slug!r}: unknown key {key!r}" for key in sorted(set(schedule) - SCHEDULE_KEYS)]
    problems += [f"schedule {slug!r} needs a {key}" for key in ("slug", "timezone") if not schedule.get(key)]
    try:
        CronSchedule(cron=schedule.get("cron", ""), timezone=schedule.get("timezone"))
    except ValueError as error:
        problems.append(f"schedule {slug!r}: {str(error).splitlines()[-1].strip()}")
    unknown = sorted(set(schedule.get("parameters", {})) - set(flow.parameters.properties))
    return problems + [f"schedule {slug!r}: the flow has no parameter {key!r}" for key in unknown]


def full_name(entry: Entry) -> str:
    """`release/local`, as Prefect names it."""
    return f"{flow_name(entry)}/{entry['name']}"


def flow_name(entry: Entry) -> str:
    return str(entry["entrypoint"].rsplit(".", 1)[-1].replace("_", "-"))


def ensure_deployments(
    server: Server, entries: Sequence[Entry], report: Report, pull: Sequence[Mapping[str, Any]] | None = None
) -> dict[str, str]:
    """Make or change what is not as in the file; each deployment's id by its full name."""
    pull = read_yaml()["pull"] if pull is None else pull
    flows = {entry["entrypoint"]: flow_of(entry) for entry in entries}
    there = observe(server)
    return {
        full_name(entry): ensure(server, entry, flows[entry["entrypoint"]], there, pull, report) for entry in entries
    }


def observe(server: Server) -> dict[str, dict[str, Any]]:
    """All deployments of the server by their full names."""
    flows = {flow["id"]: flow["name"] for flow in everything(server, "/flows/filter")}
    found = everything(server, "/deployments/filter")
    return {f"{flows.get(one['flow_id'], '?')}/{one['name']}": one for one in found}


def ensure(
    server: Server,
    entry: Entry,
    flow: Flow[..., Any],
    there: Mapping[str, dict[str, Any]],
    pull: Sequence[Mapping[str, Any]],
    report: Report,
) -> str:
    name, wanted = full_name(entry), wanted_of(entry, flow, pull)
    have = there.get(name)
    if have is None:
        paused = bool(entry.get("schedules")) and not is_watched(entry["name"], there)
        return create(server, name, wanted, entry.get("schedules", []), report, paused=paused)
    if differs := differing(wanted, comparable(have)):
        server.request("PATCH", f"/deployments/{have['id']}", wanted)  # POST would drop its schedules
        report(f"changed deployment {name}: {', '.join(differs)}")
    ensure_schedules(server, name, have, entry.get("schedules", []), report)
    return str(have["id"])


def wanted_of(entry: Entry, flow: Flow[..., Any], pull: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """An entry in the words of Prefect's REST API, as it is read back."""
    limit = entry.get("concurrency_limit")
    return {
        "entrypoint": entry["entrypoint"],
        "description": entry.get("description") or flow.description,
        "parameters": entry.get("parameters", {}),
        "parameter_openapi_schema": titled(flow.parameters.model_dump(mode="json", exclude_unset=True)),
        "enforce_parameter_schema": entry.get("enforce_parameter_schema", True),
        "tags": entry.get("tags", []),
        "work_pool_name": entry["work_pool"]["name"],
        "work_queue_name": entry["work_pool"].get("work_queue_name", "default"),
        "job_variables": entry["work_pool"].get("job_variables", {}),
        "pull_steps": list(pull),
        "concurrency_limit": limit and limit["limit"],
        "concurrency_options": limit and {key: value for key, value in limit.items() if key != "limit"},
    }


def comparable(have: Mapping[str, Any]) -> dict[str, Any]:
    """What the server has, in the words that it is told in."""
    limit, options = have.get("global_concurrency_limit"), have.get("concurrency_options")
    told = {key: value for key, value in (options or {}).items() if value is not None}
    return {**have, "concurrency_limit": limit and limit["limit"], "concurrency_options": told or None}


def is_watched(environment: str, there: Mapping[str, dict[str, Any]]) -> bool:
    """Whether there has been a release, and so schedules run."""
    return any(one["name"] == environment and one["schedules"] and not one["paused"] for one in there.values())


def create(
    server: Server,
    name: str,
    wanted: Mapping[str, Any],
    schedules: Sequence[Mapping[str, Any]],
    report: Report,
    *,
    paused: bool,
) -> str:
    """A new deployment. One that has a schedule begins paused where nothing is released that it could look at."""
    flow, _, deployment = name.partition("/")
    flow_id = server.request("POST", "/flows/", {"name": flow})["id"]
    body = {**wanted, "name": deployment, "flow_id": flow_id, "paused": paused}
    made = server.request("POST", "/deployments/", {**body, "schedules": [as_schedule(one) for one in schedules]})
    report(f"made deployment {name}" + (", paused until the first release" if paused else ""))
    return str(made["id"])


def as_schedule(schedule: Mapping[str, Any]) -> dict[str, Any]:
    """A schedule of the file as the REST API takes it, and gives it back."""
    when = {"cron": schedule["cron"], "timezone": schedule["timezone"], "day_or": True}
    return {
        "slug": schedule["slug"],
        "schedule": when,
        "parameters": schedule.get("parameters", {}),
        "active": schedule.get("active", True),
    }


def ensure_schedules(
    server: Server, name: str, have: Mapping[str, Any], wanted: Sequence[Mapping[str, Any]], report: Report
) -> None:
    """By slug. One without a slug was made by a person, and stays; so does whether one is active."""
    path = f"/deployments/{have['id']}/schedules"
    there = {one["slug"]: one for one in have["schedules"] if one.get("slug")}
    for slug in there.keys() - {schedule["slug"] for schedule in wanted}:
        server.request("DELETE", f"{path}/{there[slug]['id']}")
        report(f"removed schedule {slug} of {name}")
    for schedule in map(as_schedule, wanted):
        slug, known = schedule["slug"], there.get(schedule["slug"])
        if known is None:
            server.request("POST", path, [schedule])
            report(f"made schedule {slug} of {name}")
        elif differing({key: schedule[key] for key in ("schedule", "parameters")}, known):
            server.request("PATCH", f"{path}/{known['id']}", {**schedule, "active": known["active"]})
            report(f"changed schedule {slug} of {name}")
