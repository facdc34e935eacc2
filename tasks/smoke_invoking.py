"""Asking a version past the gateway: the event that API Gateway would send, and the reply read as it reads it."""

import base64
import json
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from blocks.environment import Environment
from tasks.errors import when_settled
from tasks.replies import status_and_misfit
from tasks.smoke_answers import Answer
from tasks.suite_checks import Check


def check_event(check: Check, environment: Environment, *, clock: Callable[[], float] = time.time) -> dict[str, Any]:
    """What API Gateway sends for this request: payload 2.0, all of its fields."""
    parts, now, content = urlsplit(check.path), clock(), check.content
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
            "content-length": str(len(content or b"")),
            "host": host,
            "user-agent": "miyabi-pipelines/smoke",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
            **check.sent_headers,
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
        **({"body": content.decode()} if content is not None else {}),
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
    status, problem, body = status_and_misfit(payload)
    if problem:
        return Answer(None, payload, ms, f"API Gateway cannot make a response of the function's reply: {problem}")
    reply = json.loads(payload)
    if not isinstance(reply, dict) or "statusCode" not in reply:
        return Answer(status, body, ms)
    if reply.get("isBase64Encoded"):
        body = base64.b64decode(body).decode(errors="replace")
    headers = {name.lower(): str(value) for name, value in (reply.get("headers") or {}).items()}
    return Answer(status, body, ms, headers=headers)
