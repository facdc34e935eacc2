"""The Prefect side of a step: one decorator, so that all tasks fail, retry and are named alike.

What a step tells Prefect besides, a progress bar say, is a courtesy: it must not be what fails a release.
"""

import functools
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

import httpx
from botocore.exceptions import BotoCoreError, ClientError
from prefect import Task, task
from prefect.cache_policies import NO_CACHE

from blocks.aws import DoorError
from tasks.errors import Permanent, Temporary, explain

T = TypeVar("T")
P = ParamSpec("P")
logger = logging.getLogger(__name__)

seconds_by_step: ContextVar[dict[str, float] | None] = ContextVar("seconds_by_step", default=None)
"""How long each step of this run took, all its attempts together; None where nobody wants to know."""


def is_temporary(_task: Any, _run: Any, state: Any) -> bool:
    """Prefect's retry condition: only a `Temporary` is worth another attempt."""
    return isinstance(state.result(raise_on_failure=False), Temporary)


def step(
    name: str, *, retries: int = 3, pause: float = 2.0, run_name: str | None = None
) -> Callable[[Callable[P, T]], Task[P, T]]:
    """A Prefect task that converges, so that it may be tried again as a whole.

    Botocore's errors leave it as `Temporary` or `Permanent`; only the former is retried. Results are not cached: a
    cached step says that something was done once, not that it still holds.
    """

    def decorate(function: Callable[P, T]) -> Task[P, T]:
        def translated(*args: P.args, **kwargs: P.kwargs) -> T:
            began = time.perf_counter()
            try:
                with aws_explained(name):
                    return function(*args, **kwargs)
            finally:
                if (taken := seconds_by_step.get()) is not None:
                    taken[name] = taken.get(name, 0.0) + time.perf_counter() - began

        functools.update_wrapper(translated, function)
        return configured(translated)

    configured = task(
        name=name,
        task_run_name=run_name or name,
        retries=retries,
        retry_delay_seconds=pause,
        retry_condition_fn=is_temporary,
        cache_policy=NO_CACHE,
    )

    return decorate


@contextmanager
def aws_explained(doing: str) -> Iterator[None]:
    """What AWS and its client say, in our own words."""
    try:
        yield
    except DoorError as error:
        raise Permanent(f"{doing}: {error}") from error
    except (ClientError, BotoCoreError) as error:
        raise explain(error, doing) from error


@contextmanager
def courtesy(what: str) -> Iterator[None]:
    """Around what Prefect is told for people to see. Its server may be gone for a moment, and the work goes on."""
    try:
        yield
    except httpx.HTTPError as error:
        logger.warning("Prefect does not take %s (%s): it is not shown", what, error)
