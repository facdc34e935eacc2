"""A few questions that a backend must answer well: to a new version before any traffic, and to the API after it.

`smoke_version` invokes the published version itself with the event that API Gateway would send, so a backend that does
not start is found while nobody uses it. `smoke_api` asks through the public URL. Checks are data; all of them are
asked, the table is published, and then one error names each that failed.
"""

import base64
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from blocks.environment import Environment, is_loopback
from tasks.changes import Change, Rollout
from tasks.errors import Permanent, when_settled
from tasks.reports import masked, publish_smoke
from tasks.steps import step
from tasks.variables import blotter

EXCERPT = 200
"""Characters of a body, or of a log's end, that stand in a result."""


@dataclass(frozen=True)
class Check:
    """One question and the answer it must get."""

    path: str
    """With its query, if it has one."""
    method: str = "GET"
    status: int = 200
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Values in the JSON body; `database.connected` reaches into it."""
    headers: Mapping[str, str] = field(default_factory=dict)
    budget_ms: float | None = None
    """Longest time through the public URL. A version is asked cold, so there it does not count."""


@dataclass(frozen=True)
class Answer:
    """What came back, from Lambda or by HTTP. `failure` is set when nothing that can be judged came back."""

    status: int | None
    body: str
    ms: float
    failure: str = ""
    log: str = ""
    """What the program logged, where it failed."""


@dataclass(frozen=True)
class Result:
    """A check with its answer and the verdict."""

    check: str
    status: int | None
    ms: float
    ok: bool
    detail: str = ""

    def row(self) -> dict[str, str]:
        """The line as the smoke table shows it."""
        return {
            "check": self.check,
            "status": str(self.status or "-"),
            "ms": f"{self.ms:.0f}",
            "verdict": "ok" if self.ok else "FAILED",
            "detail": self.detail,
        }


class SmokeFailed(Permanent):
    """At least one check got another answer than it must."""

    def __init__(self, where: str, results: Sequence[Result], suspects: Sequence[Change] = ()) -> None:
        self.results = tuple(results)
        failed = [f"  - {result.check}: {result.detail}" for result in results if not result.ok]
        lines = [f"smoke test of {where}: {len(failed)} of {len(results)} failed", *failed]
        if suspects:
            lines += ["something has changed since the last release; run `release`, which would:"]
            lines += [f"  - {change}" for change in suspects]
        super().__init__("\n".join(lines))


def checks_for(environment: Environment, manifest: Sequence[Mapping[str, Any]] = ()) -> tuple[Check, ...]:
    """The checks that the source names in `[[smoke]]`, else that its health path answers 200."""
    return tuple(Check(**entry) for entry in manifest) or (Check(environment.api.health_path),)


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
    traffic; `pause` is in seconds. Raises SmokeFailed, which then names the `suspects`: what a release would mend."""
    if rollout.planning:
        return ()
    hide = blotter(rollout)
    with http_client(url, timeout=rollout.environment.function.timeout_s + 5.0, transport=transport) as client:
        results = [judge(check, ask(client, check, attempts, lambda: sleep(pause)), hide=hide) for check in checks]
    return conclude(rollout, url, results, suspects)


def conclude(
    rollout: Rollout, where: str, results: Sequence[Result], suspects: Sequence[Change] = ()
) -> tuple[Result, ...]:
    """Publish the table; then say what failed."""
    publish_smoke(rollout.environment.name, [result.row() for result in results], where)
    if not all(result.ok for result in results):
        raise SmokeFailed(where, results, suspects)
    return tuple(results)


def judge(check: Check, answer: Answer, *, budget: bool = True, hide: Callable[[str], str] = masked) -> Result:
    """The verdict, with every way in which the answer differs. `hide` blots out secrets, before anything is cut."""
    problems = [answer.failure] if answer.failure else differences_of(check, answer)
    if budget and check.budget_ms is not None and answer.ms > check.budget_ms:
        problems.append(f"took {answer.ms:.0f} ms, allowed are {check.budget_ms:.0f}")
    detail = [hide(problem) for problem in problems]
    if problems and answer.body:
        detail.append(f"body: {hide(answer.body)[:EXCERPT]}")
    if problems and answer.log:
        detail.append(f"log: {hide(answer.log)[-3 * EXCERPT :]}")
    return Result(f"{check.method} {check.path}", answer.status, answer.ms, not problems, "; ".join(detail))


def differences_of(check: Check, answer: Answer) -> list[str]:
    problems = [] if answer.status == check.status else [f"answered {answer.status} instead of {check.status}"]
    if not check.fields:
        return problems
    try:
        body = json.loads(answer.body)
    except ValueError:
        return [*problems, "the body is not JSON"]
    for path, value in check.fields.items():
        if (actual := reach(body, path)) != value:
            problems.append(f"{path} is {actual!r} instead of {value!r}")
    return problems


def reach(body: Any, path: str) -> Any:
    """The value at `a.b` in nested objects, or None."""
    for key in path.split("."):
        body = body.get(key) if isinstance(body, dict) else None
    return body


def check_event(check: Check, environment: Environment, *, clock: Callable[[], float] = time.time) -> dict[str, Any]:
    """What API Gateway sends for this request: payload 2.0, all of its fields."""
    parts, now = urlsplit(check.path), clock()
    host = f"smoke.execute-api.{environment.region}.amazonaws.com"
    http = {
        "method": check.method,
        "path": parts.path,
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "miyabi-pipelines/smoke",
    }
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": parts.path,
        "rawQueryString": parts.query,
        "headers": {
            "accept": "application/json",
            "content-length": "0",
            "host": host,
            "user-agent": "miyabi-pipelines/smoke",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
            **{name.lower(): value for name, value in check.headers.items()},
        },
        "requestContext": {
            "accountId": environment.account_id,
            "apiId": "smoke",
            "domainName": host,
            "domainPrefix": "smoke",
            "http": http,
            "requestId": f"smoke-{now:.0f}",
            "routeKey": "$default",
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }


def invoke(
    client: Any, name: str, version: str, event: Mapping[str, Any], *, clock: Callable[[], float] = time.monotonic
) -> Answer:
    """Run one event through a version, past the gateway. A version that is not active yet is waited for."""
    start = clock()
    reply = when_settled(
        lambda: client.invoke(FunctionName=name, Qualifier=version, Payload=json.dumps(event).encode(), LogType="Tail"),
        patience=60.0,
    )
    ms, payload = 1000 * (clock() - start), reply["Payload"].read().decode(errors="replace")
    if reply.get("FunctionError"):
        log = base64.b64decode(reply.get("LogResult", "")).decode(errors="replace").strip()
        return Answer(None, "", ms, function_error(payload), log)
    return http_answer(payload, ms)


def function_error(payload: str) -> str:
    """The error as the runtime tells it; the log's end says the rest."""
    try:
        error = json.loads(payload)
        return f"{error.get('errorType', 'Error')}: {error.get('errorMessage', '')}"
    except (ValueError, AttributeError):
        return "the function failed, and its reply is not a Lambda error"


def http_answer(payload: str, ms: float) -> Answer:
    """Read the function's reply as API Gateway does: without `statusCode` the whole reply is the body of a 200."""
    try:
        reply = json.loads(payload)
    except ValueError:
        return Answer(None, payload, ms, "the function's reply is not JSON")
    if not isinstance(reply, dict) or "statusCode" not in reply:
        return Answer(200, payload, ms)
    body = str(reply.get("body") or "")
    if reply.get("isBase64Encoded"):
        body = base64.b64decode(body).decode(errors="replace")
    return Answer(int(reply["statusCode"]), body, ms)


def http_client(url: str, *, timeout: float, transport: httpx.BaseTransport | None = None) -> httpx.Client:
    """A client for one API. No proxy for loopback, and no TLS set-up (20 ms) for plain HTTP."""
    return httpx.Client(
        base_url=url.rstrip("/"),
        timeout=timeout,
        transport=transport,
        trust_env=not is_loopback(url),
        verify=url.startswith("https"),
        headers={"user-agent": "miyabi-pipelines/smoke"},
    )


def ask(client: httpx.Client, check: Check, attempts: int, rest: Callable[[], None]) -> Answer:
    """One check by HTTP, again while the server or the network fails and attempts are left."""
    answer = request(client, check)
    for _ in range(attempts - 1):
        if answer.status is not None and (answer.status < 500 or answer.status == check.status):
            break
        rest()
        answer = request(client, check)
    return answer


def request(client: httpx.Client, check: Check, *, clock: Callable[[], float] = time.monotonic) -> Answer:
    start = clock()
    try:
        response = client.request(check.method, check.path, headers=dict(check.headers))
    except httpx.HTTPError as error:
        return Answer(None, "", 1000 * (clock() - start), f"{type(error).__name__}: {error}")
    return Answer(response.status_code, response.text, 1000 * (clock() - start))
