"""All observers, side by side. One that cannot look says why, and the others look all the same."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from blocks.aws import DoorError
from tasks.changes import Rollout
from tasks.errors import MiyabiError
from tasks.reporting.model import Scene, Unseen
from tasks.steps import step

AT_ONCE = 8
STORES = frozenset({"releases"})
"""Kinds that are asked of the database, not of AWS."""

Observers = Mapping[str, Callable[[], Any]]


@step("Look at everything")
def look_at_everything(rollout: Rollout, observers: Observers) -> Scene:
    """What each observer sees. Where AWS does not answer at all, it is asked once and not twenty times."""
    if (no_aws := asked("AWS", lambda: rollout.aws("sts"))) and isinstance(no_aws, Unseen):
        return Scene(rollout.environment, dict.fromkeys(observers, no_aws))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        seen = pool.map(lambda kind: asked(kind, observers[kind]), observers)
        return Scene(rollout.environment, dict(zip(observers, seen, strict=True)))


def asked(kind: str, look: Callable[[], Any]) -> Any:
    try:
        return look()
    except (MiyabiError, DoorError, ClientError, BotoCoreError) as error:
        whom = "" if kind in STORES else "AWS could not be asked: "
        return Unseen(f"{whom}{str(error).splitlines()[0]}")
