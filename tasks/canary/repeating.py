"""Work that is done again and again beside the watching, at a rate, in threads of its own."""

import itertools
import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

logger = logging.getLogger(__name__)


class Repeated:
    """Calls `work(0)`, `work(1)`, … at most `per_s` times a second while the block lasts.

    A rate that cannot be kept is not made up for: it stays polite. What `work` raises ends its thread and is logged:
    then there are too few figures, and that is told.
    """

    def __init__(self, name: str, work: Callable[[int], None], *, per_s: float, threads: int = 1) -> None:
        self._work, self._pause = work, threads / per_s
        self._numbers, self._lock, self._over = itertools.count(), threading.Lock(), threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(k / per_s,), name=f"{name}-{k}", daemon=True)
            for k in range(threads)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, first: float) -> None:
        due = time.monotonic() + first
        while not self._over.wait(max(0.0, due - time.monotonic())):
            with self._lock:
                number = next(self._numbers)
            try:
                self._work(number)
            except Exception:
                logger.exception("%s ends", threading.current_thread().name)
                return
            due = max(due + self._pause, time.monotonic())
