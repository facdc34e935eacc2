"""Which sockets are ready, and a pause that is exact to some microseconds.

epoll counts its timeout in milliseconds, too coarse for a thousand requests a second; `select` on epoll's own
descriptor does not. Where there is no epoll, `selectors` takes the best there is (kqueue is exact by itself).
"""

import select
import selectors
from typing import Protocol

READ, WRITE = 1, 4
"""As epoll has them (EPOLLIN, EPOLLOUT). Trouble with a socket shows in using it."""
SLACK_S = 0.002
"""How much earlier than due epoll is asked to return; `select` waits for the rest."""


class Poller(Protocol):
    """Watches descriptors for reading or writing."""

    def add(self, fileno: int, events: int) -> None: ...
    def change(self, fileno: int, events: int) -> None: ...
    def remove(self, fileno: int) -> None: ...
    def wait(self, timeout: float) -> list[tuple[int, int]]: ...
    def close(self) -> None: ...


class Epoll:
    """Linux."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._itself = [self._epoll.fileno()]  # made first, so below the 1,024 that select can watch
        self.add, self.change, self.remove = self._epoll.register, self._epoll.modify, self._epoll.unregister
        self.close = self._epoll.close

    def wait(self, timeout: float) -> list[tuple[int, int]]:
        """(descriptor, events) of those that are ready, after `timeout` seconds at most."""
        if timeout > 2 * SLACK_S:
            return self._epoll.poll(timeout - SLACK_S, 1024)
        if timeout > 0 and not select.select(self._itself, (), (), timeout)[0]:
            return []
        return self._epoll.poll(0, 1024)


class Selector:
    """Everywhere else."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self.close = self._selector.close

    def add(self, fileno: int, events: int) -> None:
        self._selector.register(fileno, translated(events))

    def change(self, fileno: int, events: int) -> None:
        self._selector.modify(fileno, translated(events))

    def remove(self, fileno: int) -> None:
        self._selector.unregister(fileno)

    def wait(self, timeout: float) -> list[tuple[int, int]]:
        ready = self._selector.select(max(0.0, timeout))
        return [(key.fd, READ if mask & selectors.EVENT_READ else WRITE) for key, mask in ready]


def translated(events: int) -> int:
    wanted = selectors.EVENT_READ if events & READ else 0
    return wanted | (selectors.EVENT_WRITE if events & WRITE else 0)


def best_poller() -> Poller:
    return Epoll() if hasattr(select, "epoll") else Selector()
