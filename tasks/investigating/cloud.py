"""Which parts of the cloud there are, by what the flow's observers see; or why AWS could not be asked."""

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from blocks.aws import DoorError
from tasks.errors import MiyabiError
from tasks.investigating.model import Resource
from tasks.steps import step


@step("Look at the cloud")
def look_at_cloud(observers: Mapping[tuple[str, str], Callable[[], Any]]) -> list[Resource]:
    """One resource for each observer, which gives None where there is nothing."""
    return [observed(kind, name, look) for (kind, name), look in observers.items()]


def observed(kind: str, name: str, look: Callable[[], Any]) -> Resource:
    try:
        seen = look()
    except (MiyabiError, DoorError, ClientError, BotoCoreError) as error:
        return Resource(kind, name, None, f"AWS could not be asked: {error}")
    if seen is None:
        return Resource(kind, name, False, f"AWS knows no {kind} of this name")
    return Resource(kind, name, True, described(kind, seen), variables_of(seen))


def described(kind: str, seen: Any) -> str:
    """The state in a few words."""
    if kind == "database":
        settings = seen.settings
        return f"{seen.status} {settings.get('DBInstanceClass', '')} {settings.get('EngineVersion', '')}".strip()
    if kind == "function":
        return seen.broken or f"{len(seen.versions)} published versions"
    return str(seen.endpoint)


def variables_of(seen: Any) -> list[str]:
    """The names of a function's environment variables."""
    return sorted(getattr(getattr(seen, "latest", None), "variables", None) or {})
