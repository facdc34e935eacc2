"""What happened, for Prefect's automations and whoever listens: `miyabi.release.completed` and the like.

All concern an environment, `miyabi.environment.<name>`; Prefect adds the flow run they happened in. Each payload has a
`headline` and a `text`, for a notification, besides its facts; those that are words or numbers are labels, too, by
which an automation can choose: `miyabi.in-a-row`. An event is a courtesy: one that cannot be sent is logged, and fails
nothing. docs/operating.md lists them all.
"""

import logging
from collections.abc import Callable
from textwrap import shorten
from typing import Any

from prefect.events import emit_event
from prefect.settings import PREFECT_API_URL

logger = logging.getLogger(__name__)
LONGEST = 4000
"""Characters of a text: a notification is read on a phone."""


def tell(
    environment: str, event: str, headline: str, text: str = "", *, emit: Callable[..., Any] = emit_event, **facts: Any
) -> None:
    """Send `miyabi.<event>` about an environment. Nothing in it may be secret."""
    if not PREFECT_API_URL.value():
        return  # Prefect would start a server only to tell it
    about = {"prefect.resource.id": f"miyabi.environment.{environment}", "prefect.resource.name": environment}
    payload = {"environment": environment, "headline": headline, "text": fitting(text), **facts}
    try:
        emit(event=f"miyabi.{event}", resource={**about, **labels(facts)}, payload=payload)
    except Exception as error:  # whatever it is: the work it tells of is done
        logger.warning("the event %r was not sent: %s", f"miyabi.{event}", error)


def words(text: str, longest: int) -> str:
    """The text in one line, cut between two words where it is too long."""
    return shorten(text, longest, placeholder=" …", break_on_hyphens=False)


def fitting(text: str) -> str:
    """The text, cut between two words where it is too long."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rsplit(maxsplit=1)[0] + " …"


def labels(facts: dict[str, Any]) -> dict[str, str]:
    """`in_a_row=2` as `miyabi.in-a-row: "2"`."""
    return {
        f"miyabi.{name.replace('_', '-')}": str(value)[:200]
        for name, value in facts.items()
        if isinstance(value, str | int) and str(value)
    }
