"""Requests through the public URL, as a person's browser sends them: one connection, kept alive."""

import time
from collections.abc import Callable, Sequence

import httpx

from tasks.canary.figures import Tally
from tasks.suite_checks import Check


def visitor(client: httpx.Client, checks: Sequence[Check], tally: Tally) -> Callable[[int], None]:
    """What asks the URL the checks in turn. Failed is what a visitor would call so: no answer, or HTTP 5xx."""

    def visit(number: int) -> None:
        check, began = checks[number % len(checks)], time.monotonic()
        try:
            status = client.request(check.method, check.path, headers=dict(check.headers)).status_code
            failure = f"{check.path} answered {status}" if status >= 500 else ""
        except httpx.HTTPError as error:
            failure = f"{check.path}: {type(error).__name__}: {error}"
        tally.add(failure=failure, ms=1000 * (time.monotonic() - began))

    return visit
