"""What the store does not do, and why: each says so in a sentence for whoever asked."""

from typing import Any


class Refusal(Exception):
    """`details` is for programs."""

    def __init__(self, message: str, details: Any = None) -> None:
        super().__init__(message)
        self.details = details


class Absent(Refusal):
    """There is no such thing, or nothing that the user may know of."""


class Forbidden(Refusal):
    """The user may see it and not do this with it."""


class Conflict(Refusal):
    """It stands in the way of what is there: a name that is taken, a state that it is not in, a limit of the plan."""


class Invalid(Refusal):
    """No state of things would make this possible."""
