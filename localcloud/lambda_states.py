"""States that functions get into by no call of anybody: idle for weeks, or without a network interface.

`impair` is for tests and for trying a diagnosis out. An inactive function fails its next request and wakes up by it;
a failed one stays so until it is changed or `mend` is called.
"""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

ASLEEP = (
    "The function is inactive and its VPC connection is no longer available. Wait for the VPC connection to "
    "reestablish and try again."
)


@dataclass(frozen=True)
class Impairment:
    """What is wrong, in AWS's words: `StateReasonCode` and `StateReason`."""

    state: Literal["Failed", "Inactive"]
    code: str
    reason: str


def impair(cloud: "Cloud", name: str, impairment: Impairment) -> None:
    """Put a function, with all its versions, into a state."""
    _set(cloud, name, impairment)


def mend(cloud: "Cloud", name: str) -> None:
    """Take it out of that state."""
    _set(cloud, name, None)


def wake(cloud: "Cloud", name: str) -> None:
    """A request reached an inactive function: it is pending for a moment, then active."""
    mend(cloud, name)
    for function in _versions(cloud, name):
        function.pending_until = time.time() + cloud.timings.function


def impairment_of(function: Any) -> Impairment | None:
    """Of moto's object."""
    found: Impairment | None = vars(function).get("impairment")
    return found


def _set(cloud: "Cloud", name: str, impairment: Impairment | None) -> None:
    from localcloud import lambda_runtime

    for function in _versions(cloud, name):
        function.impairment = impairment
    lambda_runtime.of(cloud).changed()


def _versions(cloud: "Cloud", name: str) -> list[Any]:
    from localcloud.aws.function_versions import all_versions

    return [version for version in all_versions(cloud.backend("lambda")) if version.function_name == name]
