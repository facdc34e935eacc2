"""What a report is made of. Nothing in it is secret: of variables there are the names, of secrets the ARNs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from blocks.environment import Environment

Standing = Literal["working", "attention", "absent", "unknown", "off"]
"""`attention`: there, and not as it should be. `off`: the environment does not ask for it, so nobody misses it."""


@dataclass(frozen=True)
class Component:
    """One part of the system, as it stands."""

    kind: str
    name: str
    standing: Standing
    says: str
    """Its state in a few words; of an unknown one, why."""
    id: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What is compared with the last report, too."""


@dataclass(frozen=True)
class Unseen:
    """Stands for what could not be looked at."""

    why: str


@dataclass(frozen=True)
class Scene:
    """An environment, and what its observers saw: a kind's object, None where there is nothing, or Unseen."""

    environment: Environment
    seen: Mapping[str, Any]

    def get(self, kind: str) -> Any:
        """What was seen; None also where nobody could look."""
        found = self.seen.get(kind)
        return None if isinstance(found, Unseen) else found

    def why_unseen(self, kind: str) -> str:
        """Why nobody could look; '' where somebody did."""
        found = self.seen.get(kind)
        return found.why if isinstance(found, Unseen) else ""
