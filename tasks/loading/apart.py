"""Cold starts, counted apart: Lambda tells each in the REPORT line of the request that had to wait for it.

A request that was under way while a process of the function started may have waited for that, or not; the figures
without all of these are what a warm system shows.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.loading.samples import Flags, Table

REPORT = re.compile(r"RequestId: (\S+)\s.*?Duration: ([\d.]+) ms.*\bInit Duration: ([\d.]+) ms", re.DOTALL)


@dataclass(frozen=True)
class ColdStart:
    """`ended_at` is when its first request ended (seconds since the epoch), `took_s` what that took, with it."""

    request_id: str
    ended_at: float
    init_ms: float
    took_s: float


def cold_start(message: str, at_ms: float) -> ColdStart | None:
    """What a log line says of a cold start."""
    if not (found := REPORT.search(message)):
        return None
    duration, init = float(found[2]), float(found[3])
    return ColdStart(found[1], at_ms / 1000, init, (duration + init) / 1000)


def beside(table: Table, starts: Sequence[ColdStart], began_at: float) -> Flags:
    """The requests that were under way at the same time as a cold start."""
    touched = np.zeros(len(table.due), dtype=bool)
    for start in starts:
        end = start.ended_at - began_at
        touched |= (table.due <= end) & (table.due + table.took >= end - start.took_s)
    return touched
