"""Asking by HTTP, through the public URL, as a caller would."""

import time
from collections.abc import Callable

import httpx

from blocks.environment import is_loopback
from tasks.smoke_answers import Answer
from tasks.suite_checks import Check

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


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
        if not passing(check, answer):
            break
        rest()
        answer = request(client, check)
    return answer


def passing(check: Check, answer: Answer) -> bool:
    """It may be well in a moment: nothing answered, or a server had an error that the check does not expect."""
    return answer.status is None or (answer.status >= 500 and answer.status not in check.status)


def request(
    client: httpx.Client, check: Check, *, token: str = "", clock: Callable[[], float] = time.monotonic
) -> Answer:
    """One request. A safe one that took too long is asked once more: it may have been a cold start."""
    answer = send(client, check, token, clock)
    if check.budget_ms is not None and answer.ms > check.budget_ms and answer.status and check.method in SAFE:
        return send(client, check, token, clock)
    return answer


def send(client: httpx.Client, check: Check, token: str, clock: Callable[[], float]) -> Answer:
    headers = {**check.sent_headers, **({"authorization": f"Bearer {token}"} if token else {})}
    start = clock()
    try:
        response = client.request(check.method, check.path, headers=headers, content=check.content)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Answer(None, "", 1000 * (clock() - start), f"{type(error).__name__}: {error}")
    ms = 1000 * (clock() - start)
    return Answer(response.status_code, response.text, ms, headers=dict(response.headers))
