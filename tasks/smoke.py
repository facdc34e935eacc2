"""The quick smoke tests: a few questions to a new version before any traffic, and to the API right after it.

`smoke_version` invokes the published version itself with the event that API Gateway would send, so a backend that does
not start is found while nobody uses it. `smoke_api` asks through the public URL. They ask the checks that a suite marks
as quick; all of them are asked, the table is published, and then one error names each that failed. Whole suites are
asked by tasks/smoke_suites.py.
"""

import time
from collections.abc import Callable, Sequence

import httpx

from blocks.environment import Environment
from tasks.changes import Change, Rollout
from tasks.reports import publish_smoke
from tasks.smoke_answers import Result, SmokeFailed, judge
from tasks.smoke_http import ask, http_client
from tasks.smoke_invoking import check_event, invoke
from tasks.steps import step
from tasks.suite_checks import Check
from tasks.suites import Suite
from tasks.variables import blotter


def checks_for(environment: Environment, suite: Suite) -> tuple[Check, ...]:
    """The suite's quick checks, else that the health path answers 200."""
    return suite.quick or (Check(path=environment.api.health_path),)


@step("Smoke-test the version")
def smoke_version(rollout: Rollout, version: str, checks: Sequence[Check]) -> tuple[Result, ...]:
    """Ask a published version directly; it needs no traffic, alias or API. Raises SmokeFailed."""
    if rollout.planning:
        return ()
    client, name = rollout.aws("lambda"), rollout.environment.names.function
    hide, results = blotter(rollout), list[Result]()
    for check in checks:
        answer = invoke(client, name, version, check_event(check, rollout.environment))
        results.append(judge(check, answer, budget=False, hide=hide))
        if answer.failure:
            break  # it does not start, or hangs for its whole timeout: the other checks would only repeat that
    return conclude(rollout, f"{name} version {version}", results)


@step("Smoke-test the API")
def smoke_api(
    rollout: Rollout,
    url: str,
    checks: Sequence[Check],
    *,
    suspects: Sequence[Change] = (),
    attempts: int = 3,
    pause: float = 1.0,
    transport: httpx.BaseTransport | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Result, ...]:
    """Ask through the public URL. An error of the server or the network is asked again, as AWS takes a moment to move
    traffic; once one has not passed in its `attempts`, the others are asked once. `pause` is in seconds. Raises
    SmokeFailed, which then names the `suspects`: what a release would mend."""
    if rollout.planning:
        return ()
    hide, results = blotter(rollout), list[Result]()
    with http_client(url, timeout=rollout.environment.function.timeout_s + 5.0, transport=transport) as client:
        for check in checks:
            tries = 1 if any(result.failed for result in results) else attempts
            results.append(judge(check, ask(client, check, tries, lambda: sleep(pause)), hide=hide))
    return conclude(rollout, url, results, suspects)


def conclude(
    rollout: Rollout, where: str, results: Sequence[Result], suspects: Sequence[Change] = ()
) -> tuple[Result, ...]:
    """Publish the table; then say what failed."""
    publish_smoke(rollout.environment.name, [result.row() for result in results], where)
    if any(result.failed for result in results):
        raise SmokeFailed(where, results, suspects)
    return tuple(results)
