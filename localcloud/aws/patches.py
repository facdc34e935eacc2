"""Wrapping moto's classes so that it can be undone, and fails loudly.

A `Cloud` owns one `Patches`; every gap is closed through it while the cloud starts, and taken back when it stops.
Wrapping something that moto does not have, or adding something that it has by now, raises `MotoChanged` at start.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
_MISSING = object()


class MotoChanged(RuntimeError):
    """This moto is not the one that the embedded cloud was written for."""


class Patches:
    """What was changed in moto, in order; `undo` takes it all back."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, str, Any]] = []

    def wrap(self, owner: Any, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorate a function that replaces `owner.name` and is handed the original as its first argument."""
        original = self._existing(owner, name)

        def decorate(wrapper: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(original)
            def wrapped(*args: Any, **kwargs: Any) -> Any:
                return wrapper(original, *args, **kwargs)

            self._set(owner, name, wrapped)
            return wrapper

        return decorate

    def add(self, owner: Any, name: str) -> Callable[[T], T]:
        """Decorate a function (or property) that moto lacks and that becomes `owner.name`."""
        if hasattr(owner, name):
            raise MotoChanged(f"moto has {_name(owner)}.{name} by now; drop ours from localcloud/aws")

        def decorate(value: T) -> T:
            self._set(owner, name, value)
            return value

        return decorate

    def replace(self, owner: Any, name: str, value: Any) -> None:
        """Put another value, such as a property, in the place of `owner.name`."""
        self.original(owner, name)
        self._set(owner, name, value)

    def original(self, owner: Any, name: str) -> Any:
        """moto's own `owner.name`, beneath our wrapping."""
        for changed, attribute, before in self._before:
            if changed is owner and attribute == name and before is not _MISSING:
                return before
        return self._existing(owner, name)

    def undo(self) -> None:
        """Put everything back, newest first."""
        while self._before:
            owner, name, before = self._before.pop()
            if before is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, before)

    def _existing(self, owner: Any, name: str) -> Any:
        value = getattr(owner, name, None)
        if value is None:
            raise MotoChanged(f"moto no longer has {_name(owner)}.{name}; see localcloud/aws and moto's change log")
        return value

    def _set(self, owner: Any, name: str, value: Any) -> None:
        self._before.append((owner, name, vars(owner).get(name, _MISSING)))
        setattr(owner, name, value)


def _name(owner: Any) -> str:
    return f"{getattr(owner, '__module__', '')}.{getattr(owner, '__qualname__', getattr(owner, '__name__', owner))}"
