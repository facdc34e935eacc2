"""Which AWS operations change nothing; a planning run may call no other. Imports nothing, as every door uses it."""

import re

READS = re.compile(
    r"^(BatchGet|Describe|Estimate|Filter|Get|Head|List|Lookup|Query|Scan|Search|Select|Simulate|StartQuery|StopQuery|Test|Validate)"
)
NOT_READS = frozenset({"GetSessionToken", "GetFederationToken"})


class DoorError(Exception):
    """The door stays shut: the message says why."""


class PlanningCannotWrite(DoorError):
    """A planning run tried an operation that is not a read."""


def is_read(operation: str) -> bool:
    """True for operations that change nothing, by AWS's naming: `DescribeDBInstances`, `GetFunction`, …"""
    return operation not in NOT_READS and READS.match(operation) is not None


def refuse_unless_read(service: str, operation: str, *, planning: bool) -> None:
    """Raises PlanningCannotWrite for what a planning run may not call."""
    if planning and not is_read(operation):
        raise PlanningCannotWrite(f"a planning run may not call {service}.{operation}")
