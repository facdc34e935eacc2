"""Does anything answer at an API's address? Asked after the API was changed, before anything relies on it.

A new API, and a new permission, take AWS some seconds. The probe waits for them and does not judge the backend: the
version behind the alias may be the broken one that this release replaces. Judging is the smoke test's work.
"""

import logging
import time
from collections.abc import Callable

import httpx

from blocks.environment import is_loopback
from tasks.errors import Temporary

logger = logging.getLogger(__name__)

UNREADY = frozenset({403, 404, 500, 502, 503, 504})
"""What API Gateway answers while an API, its stage or its permission is not known everywhere. A backend may answer
these too, so they are waited out and then reported, not refused."""


def probe_api(
    url: str,
    *,
    patience: float = 20.0,
    transport: httpx.BaseTransport | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> str:
    """GET the URL until it answers well; '' then, else in words what it answers after `patience` seconds.

    Raises Temporary if nothing answers at all.
    """
    deadline, pause = clock() + patience, 0.1
    with httpx.Client(
        transport=transport, timeout=35.0, trust_env=not is_loopback(url), verify=url.startswith("https")
    ) as client:
        while True:
            problem, reached = ask(client, url)
            if not problem:
                logger.info("%s answers", url)
                return ""
            if clock() + pause > deadline:
                break
            sleep(pause)
            pause = min(pause * 2, 2.0)
    if not reached:
        raise Temporary(f"nothing answers at {url}: {problem}")
    logger.warning("%s", problem)
    return problem


def ask(client: httpx.Client, url: str) -> tuple[str, bool]:
    """(what is wrong or '', whether anything answered)."""
    try:
        response = client.get(url)
    except httpx.HTTPError as error:
        return f"{type(error).__name__}: {error}", False
    if response.status_code in UNREADY:
        return f"{url} answers {response.status_code}", True
    return "", True
