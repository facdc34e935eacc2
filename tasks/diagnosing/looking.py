"""What a probe is given, and how one is run: with its time, and with whatever goes wrong as its answer."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import httpx
import psycopg
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

from blocks.aws import DoorError
from tasks.changes import Rollout
from tasks.diagnosing.facts import Facts
from tasks.diagnosing.model import NothingToAsk, Probed
from tasks.errors import CREDENTIALS, MiyabiError
from tasks.reports import masked

logger = logging.getLogger(__name__)
TROUBLE = (MiyabiError, DoorError, ClientError, BotoCoreError, httpx.HTTPError, psycopg.Error, OSError, ValueError)
"""What may go wrong with a probe and say nothing of the system: it could not look."""
Hide = Callable[[str], str]


class Seen(Protocol):
    """A fact says itself."""

    @property
    def says(self) -> str: ...
    @property
    def odd(self) -> bool: ...


@dataclass(frozen=True)
class Look:
    """What probes look with. `rollout` cannot write; it may invoke, which is what a request to the API does."""

    rollout: Rollout
    target: str = ""
    source: str = ""
    root: Path | None = None
    """The repository: relative sources count from here."""
    hide: Hide = str
    """Takes secrets out of what the function itself says."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time
    kept: dict[str, Any] = field(default_factory=dict)
    """What cannot change between two looks: of a package, by its content."""

    def hide_if_possible(self, text: str) -> str:
        """For what everybody is answered: shown also where the secrets cannot be read, with which to compare it."""
        try:
            hidden = self.hide(text)
        except TROUBLE:
            return masked(text)
        return masked(text) if hidden.startswith("(not shown") else hidden


@dataclass(frozen=True)
class Probe:
    """One question. `asks` is who answers it; when AWS does not, its other questions are not put."""

    name: str
    fact: str
    look: Callable[[Look, Facts], Seen]
    asks: Literal["AWS", "the API", "the database"] = "AWS"
    otherwise: Callable[[Look], Any] = lambda look: None
    """What is known of the fact where the question could not be put; None for nothing."""


@dataclass
class Probing:
    """The facts so far, and the table of probes."""

    facts: Facts = field(default_factory=Facts)
    probed: list[Probed] = field(default_factory=list)
    away: str = ""
    """Why AWS cannot be asked at all."""


def probe_all(look: Look, probes: Sequence[Probe], facts: Facts | None = None) -> Probing:
    """Put every question; none of them ends the others. `facts` is what they add to."""
    probing = Probing(facts or Facts())
    for probe in probes:
        put(look, probe, probing)
    return probing


def put(look: Look, probe: Probe, probing: Probing) -> None:
    """Put one question, and note the fact or why there is none."""
    if probing.away and probe.asks == "AWS":
        note(probing, probe, Probed(probe.name, "unknown", f"not asked: {probing.away}"))
        return
    begun = look.clock()

    def probed(standing: Literal["well", "odd", "unknown", "skipped"], says: str) -> Probed:
        return Probed(probe.name, standing, masked(says), 1000 * (look.clock() - begun))

    try:
        seen: Any = probe.look(look, probing.facts)
    except NothingToAsk as why:
        note(probing, probe, probed("skipped", str(why)))
    except Exception as error:  # whatever is wrong with one question, the others are put
        if not isinstance(error, TROUBLE):
            logger.exception("%s could not be looked at", probe.name)
        note(probing, probe, probed("unknown", f"{type(error).__name__}: {error}"))
        probing.facts = replace(probing.facts, **{probe.fact: probe.otherwise(look)})
        if is_away(error):
            probing.away = "AWS cannot be asked"
    else:
        probing.facts = replace(probing.facts, **{probe.fact: seen})
        probing.probed.append(probed("odd" if seen.odd else "well", seen.says))


def note(probing: Probing, probe: Probe, probed: Probed) -> None:
    """A question without a fact."""
    probing.probed.append(probed)
    why = {**probing.facts.why_not, probe.fact: probed.says}
    probing.facts = replace(probing.facts, why_not=why)


def is_away(error: BaseException) -> bool:
    """No credentials, another account, or nobody there: every other question would end alike."""
    cause = error.__cause__ or error
    if isinstance(cause, ClientError):
        return cause.response.get("Error", {}).get("Code") in {
            "InvalidClientTokenId", "UnrecognizedClientException", "ExpiredToken", "SignatureDoesNotMatch",
            "AuthFailure", "ExpiredTokenException", "InvalidAccessKeyId",
        }  # fmt: skip
    return isinstance(cause, (DoorError, ConnectionError, HTTPClientError, *CREDENTIALS))
