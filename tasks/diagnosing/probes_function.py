"""The function: its state, its alias, what CloudWatch counted, and what it does when it is invoked past the gateway."""

import base64
import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from tasks.canary.metrics import Query, combined, data_query
from tasks.diagnosing.facts import Facts
from tasks.diagnosing.facts_function import AliasSeen, FiguresSeen, FunctionSeen, Invoked
from tasks.diagnosing.facts_request import Subject
from tasks.diagnosing.looking import Look
from tasks.diagnosing.model import NothingToAsk
from tasks.errors import absent_as_none, error_code
from tasks.replies import status_and_misfit
from tasks.smoke_invoking import check_event
from tasks.suite_checks import Check

MINUTES = 15
REPORT = re.compile(
    r"REPORT RequestId: \S+\s+Duration: (?P<duration>[\d.]+) ms.*?Memory Size: (?P<size>\d+) MB\s+"
    r"Max Memory Used: (?P<used>\d+) MB(?:.*?Init Duration: (?P<init>[\d.]+) ms)?"
)
LINES, WIDTH = 12, 300
"""Of a log's tail that are kept, and characters of each."""
REQUEST_ID = re.compile(r"^RequestId: \S+ (Error: )?")


def subject_of(facts: Facts) -> Subject:
    if facts.subject is None or not facts.subject.function:
        raise NothingToAsk("no function is known")
    return facts.subject


def named(subject: Subject) -> dict[str, str]:
    return {"FunctionName": subject.function, **({"Qualifier": subject.qualifier} if subject.qualifier else {})}


def see_function(look: Look, facts: Facts) -> FunctionSeen:
    """State, settings and the names of the variables of the version that is asked for."""
    subject, client = subject_of(facts), look.rollout.aws("lambda")
    answer = absent_as_none(lambda: client.get_function(**named(subject)))
    if answer is None:
        return FunctionSeen(subject.function, subject.qualifier, False)
    limit = client.get_function_concurrency(FunctionName=subject.function)
    seen, variables = answer["Configuration"], (answer["Configuration"].get("Environment") or {}).get("Variables") or {}
    return FunctionSeen(
        name=subject.function,
        qualifier=subject.qualifier,
        exists=True,
        version=str(seen.get("Version") or ""),
        state=seen.get("State") or "Active",
        state_code=seen.get("StateReasonCode") or "",
        state_reason=seen.get("StateReason") or "",
        update=seen.get("LastUpdateStatus") or "",
        update_code=seen.get("LastUpdateStatusReasonCode") or "",
        update_reason=seen.get("LastUpdateStatusReason") or "",
        modified=str(seen.get("LastModified") or "")[:19],
        runtime=seen.get("Runtime") or "",
        architecture=(seen.get("Architectures") or ["x86_64"])[0],
        handler=seen.get("Handler") or "",
        memory_mb=int(seen.get("MemorySize") or 128),
        timeout_s=int(seen.get("Timeout") or 3),
        role=seen.get("Role") or "",
        log_group=(seen.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{subject.function}",
        code=seen.get("CodeSha256") or "",
        in_vpc=bool((seen.get("VpcConfig") or {}).get("SubnetIds")),
        kms_key=seen.get("KMSKeyArn") or "",
        reserved=limit.get("ReservedConcurrentExecutions"),
        variables=frozenset(variables),
        secrets={name: value for name, value in variables.items() if value.startswith("arn:aws:secretsmanager:")},
    )


def see_alias(look: Look, facts: Facts) -> AliasSeen:
    """Where the alias points, and whether that is still there."""
    subject, client = subject_of(facts), look.rollout.aws("lambda")
    if not subject.qualifier or subject.qualifier.isdecimal() or subject.qualifier == "$LATEST":
        raise NothingToAsk(f"{subject.qualifier or '$LATEST'} is a version, not an alias")
    pages = client.get_paginator("list_versions_by_function").paginate(FunctionName=subject.function)
    listed = absent_as_none(lambda: [entry["Version"] for page in pages for entry in page["Versions"]])
    if listed is None:
        raise NothingToAsk(f"there is no function {subject.function!r}")
    versions = sorted((version for version in listed if version.isdecimal()), key=int)
    newest = versions[-1] if versions else ""
    answer = absent_as_none(lambda: client.get_alias(FunctionName=subject.function, Name=subject.qualifier))
    if answer is None:
        return AliasSeen(subject.qualifier, False, newest=newest)
    weights = (answer.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    missing = [one for one in (answer["FunctionVersion"], *weights) if one not in listed]
    return AliasSeen(subject.qualifier, True, answer["FunctionVersion"], weights, tuple(missing), newest)


def count(look: Look, facts: Facts) -> FiguresSeen:
    """What CloudWatch counted lately; on AWS the last minute or two are missing."""
    subject = subject_of(facts)
    end = datetime.fromtimestamp(look.now(), UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
    queries = queries_for(subject)
    answer = look.rollout.aws("cloudwatch").get_metric_data(
        MetricDataQueries=[data_query(key, query, 60 * MINUTES) for key, query in queries.items()],
        StartTime=end - timedelta(minutes=MINUTES),
        EndTime=end,
    )
    found = {result["Id"]: result["Values"] for result in answer["MetricDataResults"]}
    values = {key: combined(query[3], found.get(key, [])) for key, query in queries.items()}
    whole = {key: int(values.get(key) or 0) for key in (*queries, "requests", "failures")}
    return FiguresSeen(
        minutes=MINUTES,
        invocations=whole["invocations"],
        errors=whole["errors"],
        throttles=whole["throttles"],
        longest_ms=values["longest"],
        requests=whole["requests"],
        failures=whole["failures"],
    )


def queries_for(subject: Subject) -> dict[str, Query]:
    resource = f"{subject.function}:{subject.qualifier}" if subject.qualifier else subject.function
    function = {"FunctionName": subject.function, "Resource": resource}
    api = {"ApiId": subject.api_id}
    queries: dict[str, Query] = {
        "invocations": ("AWS/Lambda", "Invocations", function, "Sum"),
        "errors": ("AWS/Lambda", "Errors", function, "Sum"),
        "throttles": ("AWS/Lambda", "Throttles", function, "Sum"),
        "longest": ("AWS/Lambda", "Duration", function, "Maximum"),
    }
    if subject.api_id:
        queries["requests"] = ("AWS/ApiGateway", "Count", api, "Sum")
        queries["failures"] = ("AWS/ApiGateway", "5xx", api, "Sum")
    return queries


def invoke(look: Look, facts: Facts) -> Invoked:
    """Run the request once past the gateway: the same event, the same version or alias."""
    function = facts.function
    if function is None or not function.exists:
        raise NothingToAsk("there is no function to invoke")
    if function.reserved == 0:
        return Invoked("TooManyRequestsException", "not tried: its reserved concurrency is 0")
    return invoked(look, subject_of(facts))


def invoked(look: Look, subject: Subject) -> Invoked:
    """One invocation, whatever comes of it."""
    client, environment = look.rollout.aws.once("lambda"), look.rollout.environment
    event = check_event(Check(path=subject.path), environment, clock=time.time)
    try:
        reply = client.invoke(Payload=json.dumps(event).encode(), LogType="Tail", **named(subject))
    except ClientError as error:
        if error_code(error).startswith("AccessDenied") and "kms" not in str(error).lower():
            raise  # we may not invoke: that says nothing of the function
        return Invoked(error_code(error), look.hide(error.response["Error"].get("Message", "")))
    payload = reply["Payload"].read().decode(errors="replace")
    tail = base64.b64decode(reply.get("LogResult", "")).decode(errors="replace")
    return told(look, payload, tail, failed=bool(reply.get("FunctionError")))


def told(look: Look, payload: str, tail: str, *, failed: bool) -> Invoked:
    """The outcome of an invocation, from its payload and the end of its log."""
    report = REPORT.search(tail.replace("\n", " "))
    figures = figures_of(report.groupdict() if report else {})
    lines = tuple(line[:WIDTH] for line in look.hide(tail).splitlines() if line.strip())[-LINES:]
    if failed:
        kind, message = error_of(payload)
        return Invoked(error=kind, message=look.hide(message)[:WIDTH], tail=lines, **figures)
    status, misfit, body = status_and_misfit(payload)
    return Invoked(status=status, misfit=misfit, body=look.hide(body)[:WIDTH], tail=lines, **figures)


def figures_of(report: Mapping[str, str | None]) -> dict[str, Any]:
    def number(name: str) -> float | None:
        value = report.get(name)
        return float(value) if value else None

    used, size = number("used"), number("size")
    return {
        "duration_ms": number("duration"),
        "init_ms": number("init"),
        "used_mb": None if used is None else int(used),
        "size_mb": None if size is None else int(size),
    }


def error_of(payload: str) -> tuple[str, str]:
    """Type and message of a function's error."""
    try:
        error = json.loads(payload)
        return str(error.get("errorType") or "Error"), REQUEST_ID.sub("", str(error.get("errorMessage") or ""))
    except (ValueError, AttributeError):
        return "Error", "its reply is not a Lambda error"
