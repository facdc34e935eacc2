"""What an execution says: every line into its own log, and the first of them into the flow run's.

Prefect takes lines one by one into a database of its own, so it is shown no more than people read there; the log in
Postgres has all of them, within the bounds of database/execution_log.py.
"""

import logging
import traceback
from collections.abc import Mapping
from typing import Any

from database.execution_log import LogWriter
from database.queue import LeaseLost
from tasks.agents.context import Level
from tasks.agents.keeping import Held, Stopped
from tasks.errors import MiyabiError

logger = logging.getLogger(__name__)

LEVELS: Mapping[Level, int] = {"DEBUG": 10, "INFO": 20, "WARN": 30, "ERROR": 40}
SHOWN_LINES, SHOWN_CHARACTERS = 500, 4_000
"""Lines of an execution that the flow run's log shows, and characters of each."""


def say(log: LogWriter, held: Held, level: Level, message: str, metadata: Mapping[str, Any]) -> None:
    """A line into the execution's log, and into the flow run's as long as that is not full."""
    log.write(held.claim.id, level, message, dict(metadata) or None)
    held.said += 1
    if held.said <= SHOWN_LINES:
        logger.log(LEVELS[level], "%s", message[:SHOWN_CHARACTERS])
    elif held.said == SHOWN_LINES + 1:
        logger.warning("there is more: it is in the log of execution %s", held.claim.id)


def report(log: LogWriter, held: Held, error: Exception) -> None:
    """Say in the log what went wrong; a bug with its traceback, for whoever mends it."""
    if isinstance(error, MiyabiError):
        say(log, held, "ERROR", str(error), {})
    elif not isinstance(error, Stopped | LeaseLost):
        say(log, held, "ERROR", f"{type(error).__name__}: {error}", {"traceback": traceback.format_exc()})
