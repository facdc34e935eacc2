"""The keys that the settings name: a variable of this process, or else a secret of that name in Secrets Manager.

The variable goes first, so one machine may have a key of its own. A secret is read at the moment of use, through the
environment's door to AWS, and kept in memory for a while: hundreds of executions ask AWS once, and a new value is seen
after KEPT_S seconds, or at once when the old one was refused (`forget`). No value is in a message or a repr.
"""

import asyncio
import json
import os
import time
from collections.abc import Callable, Mapping

from botocore.exceptions import BotoCoreError, ClientError

from blocks.aws import DoorError
from tasks.errors import MiyabiError, Permanent, Temporary, explain

KEPT_S = 300.0


class Keys:
    """`read` gives the value of a secret by its name; without it there are variables alone."""

    def __init__(
        self,
        read: Callable[[str], str] | None = None,
        *,
        variables: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read, self._variables, self._clock = read, variables, clock
        self._kept: dict[str, tuple[float, str]] = {}
        self._reading = asyncio.Lock()

    async def value(self, name: str, what: str) -> str:
        """The key of this name; `what` needs it. Raises Permanent with what to do, Temporary if AWS cannot answer."""
        if given := self._variables.get(name, "").strip():
            return given
        advice = f"{what} needs a key: set the variable {name!r} where the agent worker runs"
        if self._read is None:
            raise Permanent(advice)
        async with self._reading:
            return self._known(name) or await self._fetched(name, advice)

    def forget(self, name: str) -> None:
        """Its value was refused: read it anew when it is needed again."""
        self._kept.pop(name, None)

    def _known(self, name: str) -> str | None:
        read_at, value = self._kept.get(name, (float("-inf"), ""))
        return value if self._clock() - read_at < KEPT_S else None

    async def _fetched(self, name: str, advice: str) -> str:
        assert self._read is not None
        try:
            value = key_in(await asyncio.to_thread(self._read, name), name)
        except (MiyabiError, DoorError, ClientError, BotoCoreError) as error:
            reason = explain(error, "reading it") if isinstance(error, ClientError | BotoCoreError) else error
            kind = Temporary if isinstance(reason, Temporary) else Permanent
            raise kind(f"{advice}, or put it into a secret of that name in Secrets Manager ({reason})") from error
        self._kept[name] = self._clock(), value
        return value


def key_in(text: str, name: str) -> str:
    """The secret's text, or the one value of the JSON object that the AWS console makes of it."""
    try:
        fields = json.loads(text)
    except ValueError:
        fields = None
    values = list(fields.values()) if isinstance(fields, dict) else [text]
    if len(values) != 1 or not isinstance(values[0], str) or not values[0].strip():
        raise Permanent(f"secret {name!r} is neither the key itself nor JSON with the key as its one value")
    return values[0].strip()
