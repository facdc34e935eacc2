"""The API's throttle: is it set as the environment says, and does a burst beyond it get 429?

The burst disturbs other callers for a moment, so it is sent only where the environment says `smoke.exercise`, and no
further than the first 429.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from tasks.errors import absent_as_none
from tasks.smoke_answers import Result, required
from tasks.smoke_asking import Caller
from tasks.smoke_http import send
from tasks.steps import step
from tasks.suite_checks import Check

SENDERS = 20
MOST = 3000
"""Requests that one exercise sends."""
SETTING = "throttle · as the environment says"
BURST = "GET {path} · a burst beyond the throttle"


@step("Inspect the throttle", run_name="Throttle as the environment says")
def inspect_throttle(caller: Caller) -> Result:
    """The stage's rate and burst against the environment's. The API is the one of the environment's name."""
    environment, client = caller.rollout.environment, caller.rollout.aws("apigatewayv2")
    pages = client.get_paginator("get_apis").paginate()
    ids = [api["ApiId"] for page in pages for api in page["Items"] if api["Name"] == environment.names.api]
    asked = (partial(client.get_stage, ApiId=api_id, StageName="$default") for api_id in ids)
    stages = [stage for stage in map(absent_as_none, asked) if stage]
    wanted = (environment.api.rate_limit, environment.api.burst_limit)
    problems = [f"{words(limits(stage))} instead of {words(wanted)}" for stage in stages if limits(stage) != wanted]
    problems += [] if stages else [f"API {environment.names.api!r} has no stage $default"]
    return required(Result(SETTING, None, 0.0, not problems, "; ".join(problems)))


def limits(stage: Mapping[str, Any]) -> tuple[float, int]:
    """Requests a second, and burst; API Gateway's own where the stage says nothing."""
    settings = stage.get("DefaultRouteSettings") or {}
    return settings.get("ThrottlingRateLimit", 10_000), settings.get("ThrottlingBurstLimit", 5_000)


def words(limits: tuple[float, int]) -> str:
    return f"{limits[0]:g} a second and bursts of {limits[1]}"


@step("Exercise the throttle", run_name="Burst beyond the throttle → 429")
def exercise_throttle(caller: Caller, path: str, *, clock: Callable[[], float] = time.monotonic) -> Result:
    """Send until something is answered 429. Too few to be beyond the throttle is not a failure, and says so."""
    settings, check = caller.rollout.environment.api, Check(path=path, status=(200, 429))
    began, sent = clock(), 0
    with ThreadPoolExecutor(SENDERS, thread_name_prefix="burst") as pool:
        while sent < min(MOST, settings.burst_limit + SENDERS * 10):
            statuses = {
                answer.status for answer in pool.map(lambda _: send(caller.api, check, "", clock), range(SENDERS))
            }
            sent += SENDERS
            if 429 in statuses:
                break
    seconds = clock() - began
    label, ms = BURST.format(path=path), 1000 * seconds
    if 429 in statuses:
        return Result(label, 429, ms, True, f"within {sent} requests in {seconds:.1f} s")
    said = f"{sent} requests in {seconds:.1f} s were let through"
    if sent <= settings.burst_limit + settings.rate_limit * seconds:
        return Result(
            label, None, ms, None, f"{said}, which is within {words((settings.rate_limit, settings.burst_limit))}"
        )
    return required(Result(label, None, ms, False, f"{said}: no 429"))
