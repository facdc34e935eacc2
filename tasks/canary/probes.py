"""Requests to one version itself, past alias and gateway: the same to the old one and to the new one."""

import base64
import json
import logging
import re
from collections.abc import Callable, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tasks.canary.figures import Tally
from tasks.changes import Rollout
from tasks.smoke_answers import Answer, judge
from tasks.smoke_invoking import check_event, function_error, http_answer
from tasks.suite_checks import Check
from tasks.variables import blotter

logger = logging.getLogger(__name__)

REPORT = re.compile(r"\tDuration: ([\d.]+) ms\t(.*)$", re.MULTILINE)
"""Lambda's own measure of a request. Wall-clock time would hold our way to Lambda, too."""
COLD = "Init Duration:"


def repeatable(checks: Sequence[Check], health_path: str) -> tuple[Check, ...]:
    """The checks that may be asked hundreds of times, since they only read; else the health path."""
    return tuple(check for check in checks if check.method in ("GET", "HEAD")) or (Check(path=health_path),)


def prober(rollout: Rollout, version: str, checks: Sequence[Check], tally: Tally) -> Callable[[int], None]:
    """What asks a version the checks in turn and counts its answers.

    An invocation that AWS refuses is no answer and is not counted: with too few answers nothing is promoted.
    """
    client, name = rollout.aws("lambda"), rollout.environment.names.function
    events = [json.dumps(check_event(check, rollout.environment)).encode() for check in checks]
    hide = blotter(rollout)

    def probe(number: int) -> None:
        check, event = checks[number % len(checks)], events[number % len(checks)]
        try:
            reply = client.invoke(FunctionName=name, Qualifier=version, Payload=event, LogType="Tail")
        except (ClientError, BotoCoreError) as error:
            logger.warning("version %s could not be asked: %s", version, error)
            return
        answer, ms = read(reply)
        result = judge(check, answer, budget=False, hide=hide)
        tally.add(failure="" if result.ok else f"{result.check}: {result.detail}", ms=ms)

    return probe


def read(reply: Any) -> tuple[Answer, float | None]:
    """The answer in a reply of Lambda's, and how long the function took; None for a cold start."""
    payload = reply["Payload"].read().decode(errors="replace")
    log = base64.b64decode(reply.get("LogResult", "")).decode(errors="replace")
    ms = warm_ms(log)
    if reply.get("FunctionError"):
        return Answer(None, "", ms or 0.0, function_error(payload), log.strip()), ms
    return http_answer(payload, ms or 0.0), ms


def warm_ms(log: str) -> float | None:
    """The duration in the last REPORT line of a log; None for a cold start, or without such a line."""
    found = list(REPORT.finditer(log))
    return None if not found or COLD in found[-1][2] else float(found[-1][1])
