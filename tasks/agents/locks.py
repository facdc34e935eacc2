"""Locks between executions on one machine: files that the kernel unlocks when their last holder is gone.

A lock's file descriptor can be handed to a program's supervisor (processes.py): then it is held until the program has
really ended, even if the worker was killed before.
"""

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import Temporary


def unheard(_line: str) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True)
class Waiting:
    """How long to wait for somebody else, in seconds, and whom to tell."""

    patience: float = 300.0
    say: Callable[[str], None] = unheard
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic


@contextlib.asynccontextmanager
async def locked(path: Path, what: str, waiting: Waiting, *, me: str = "") -> AsyncIterator[int]:
    """Hold the lock of this file; yields its descriptor. `me` tells others who has it.

    Raises Temporary if somebody else keeps it for longer than the patience.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        await taken(descriptor, what, waiting)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, me.encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


async def taken(descriptor: int, what: str, waiting: Waiting) -> None:
    deadline, told = waiting.clock() + waiting.patience, False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace") or what
        if waiting.clock() > deadline:
            raise Temporary(f"{holder} still has {what} after {waiting.patience:.0f} s")
        if not told:
            waiting.say(f"waiting for {what}, which {holder} has")
            told = True
        await waiting.sleep(0.1)
