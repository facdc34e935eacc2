"""Services that an account need not use, and the embedded cloud does not have."""

from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import ClientError

from tasks.diagnosing.model import NothingToAsk
from tasks.errors import error_code

T = TypeVar("T")


def asked(service: str, call: Callable[[], T]) -> T:
    """The answer. Raises NothingToAsk where there is no such service."""
    try:
        return call()
    except ClientError as error:
        if error_code(error) == "SimulatorGap":
            raise NothingToAsk(f"no such resource here: the embedded cloud has no {service}") from error
        raise
