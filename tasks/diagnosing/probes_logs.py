"""What was written: the access log's line of this request, the function's log group, and who may write there."""

import json
from typing import Any

from tasks.diagnosing.facts import Facts
from tasks.diagnosing.facts_function import LogsSeen
from tasks.diagnosing.facts_request import AccessSeen
from tasks.diagnosing.looking import Look
from tasks.diagnosing.model import NothingToAsk
from tasks.diagnosing.rights import lacking, rights_of
from tasks.errors import absent_as_none

PATIENCE_S = 3.0
"""How long the line of a failed request is waited for."""


def see_access(look: Look, facts: Facts) -> AccessSeen:
    """What the access log says of the very request that was just made."""
    gateway, answer = facts.gateway, facts.answer
    if gateway is None or not gateway.stage:
        raise NothingToAsk("no stage is known")
    seen = AccessSeen(gateway.log_group, bool(gateway.log_group), gateway.log_tells_errors)
    if not seen.on or not seen.tells_errors or answer is None or not answer.request_id:
        return seen
    line = line_of(look, seen.group, answer.request_id, patience=PATIENCE_S if (answer.status or 0) >= 500 else 0.0)
    if line is None:
        return seen
    error, status = errors_in(line)
    return AccessSeen(seen.group, True, True, True, error, status)


def line_of(look: Look, group: str, request_id: str, *, patience: float) -> str | None:
    """The line; None if there is none after `patience` seconds."""
    deadline = look.clock() + patience
    wanted = {"logGroupName": group, "filterPattern": f'"{request_id}"', "startTime": int(1000 * (look.now() - 300))}
    while True:
        answer = absent_as_none(lambda: look.rollout.aws("logs").filter_log_events(**wanted))
        if events := (answer or {}).get("events"):
            return str(events[0]["message"])
        if look.clock() >= deadline:
            return None
        look.sleep(0.2)


def errors_in(line: str) -> tuple[str, str]:
    """(what kept the gateway from an answer of the function, the integration's status); '' for none."""
    try:
        fields: dict[str, Any] = json.loads(line)
    except ValueError:
        return "", ""
    said = {key: str(value) for key, value in fields.items() if value not in ("-", "", None)}
    return said.get("integrationErrorMessage", ""), said.get("integrationStatus", "")


def see_logs(look: Look, facts: Facts) -> LogsSeen:
    """The log group of the function, and whether its role may write to it."""
    function = facts.function
    if function is None or not function.exists:
        raise NothingToAsk("there is no function that would write")
    logs, group = look.rollout.aws("logs"), function.log_group
    pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=group)
    found = next((one for page in pages for one in page["logGroups"] if one["logGroupName"] == group), None)
    streams = (
        logs.describe_log_streams(logGroupName=group, orderBy="LastEventTime", descending=True)["logStreams"]
        if found
        else []
    )
    newest = max((one.get("lastEventTimestamp") or 0 for one in streams), default=0)
    arn, role = look.rollout.aws.arn("logs", f"log-group:{group}"), function.role.rpartition("/")[2]
    rights = rights_of(look, role)
    needed = {"logs:CreateLogStream": f"{arn}:*", "logs:PutLogEvents": f"{arn}:log-stream:any"}
    if not found:
        needed["logs:CreateLogGroup"] = f"{arn}:*"
    return LogsSeen(
        group=group,
        exists=found is not None,
        expected=look.rollout.environment.names.function_logs if facts.subject and facts.subject.ours else "",
        streams=len(streams),
        age_s=max(0.0, look.now() - newest / 1000) if newest else None,
        retention=(found or {}).get("retentionInDays"),
        role=role,
        role_exists=rights.exists,
        lacking=tuple(lacking(rights, needed)) if rights.exists else (),
        doubt=rights.doubt,
    )
