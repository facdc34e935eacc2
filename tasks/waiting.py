"""Waiting with progress: status and elapsed time into the run's log and a progress artifact.

botocore's waiters are silent for up to 30 minutes and poll at fixed delays; a person watching wants to see it move.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import TaskRunContext

from tasks.errors import Permanent, Temporary
from tasks.steps import courtesy

T = TypeVar("T")
logger = logging.getLogger(__name__)


def wait_until(
    what: str,
    poll: Callable[[], tuple[str, T | None]],
    *,
    patience: float,
    expected: float = 60.0,
    failed: frozenset[str] = frozenset(),
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """Poll until it answers a value; `poll` returns (status, value or None). All times in seconds.

    Pauses grow from 0.1 s to 15 s, so a quick resource is quick. A status in `failed` stops at once with `Permanent`;
    running out of patience raises `Temporary`, since the step may be tried again. `expected` scales the progress bar.
    """
    start, pause, shown = clock(), 0.1, ""
    with progress_of(what) as advance:
        while True:
            status, value = poll()
            elapsed = clock() - start
            if value is not None:
                logger.info("%s is %s after %.1f s", what, status, elapsed)
                return value
            if status in failed:
                raise Permanent(
                    f"{what} went to {status!r} after {elapsed:.0f} s and stays so; look at it in the AWS console"
                )
            if elapsed > patience:
                raise Temporary(f"{what} is still {status!r} after {elapsed:.0f} s")
            if status != shown or pause >= 5:
                logger.info("waiting for %s: %s, %.0f s", what, status, elapsed)
                shown = status
            advance(min(99.0, 100 * elapsed / expected))
            sleep(pause)
            pause = min(pause * 1.5, 15.0)


@contextmanager
def progress_of(what: str) -> Iterator[Callable[[float], None]]:
    """A function that moves a progress artifact (percent); made at its first use, and only inside a task run."""
    if TaskRunContext.get() is None:
        yield lambda percent: None
        return
    artifact: list[object] = []

    def advance(percent: float) -> None:
        with courtesy("a progress bar"):
            if not artifact:
                artifact.append(create_progress_artifact(percent, description=f"waiting for {what}"))
            else:
                update_progress_artifact(artifact[0], progress=percent)  # type: ignore[arg-type]

    yield advance
    if artifact:
        advance(100.0)
