"""The error tree, and what may be tried again.

    MiyabiError
    ├── Temporary        try again: throttling, a state that will pass, a network hiccup
    └── Permanent        stop and tell a person
        ├── Rejected     bad input; carries *all* the problems found, before anything was written
        ├── NotOurs      a resource of this name exists and does not carry our tag
        ├── SimulatorGap the embedded cloud lacks this AWS operation

boto3 itself retries transport and throttling. State conflicts and IAM delay are retried by
`when_settled`, here and nowhere else. Prefect retries whole `ensure_*` tasks (tasks/steps.py).
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from botocore.exceptions import ClientError, NoCredentialsError, PartialCredentialsError, ProfileNotFound
from botocore.parsers import ResponseParserError

T = TypeVar("T")
logger = logging.getLogger(__name__)


class MiyabiError(Exception):
    """The root. A message says where, what happened, and what to do next."""


class Temporary(MiyabiError):
    """It may work in a moment: try again. Not before `after_s` seconds, where whoever was asked said so."""

    def __init__(self, message: str = "", *, after_s: float | None = None) -> None:
        self.after_s = after_s
        super().__init__(message)


class Permanent(MiyabiError):
    """Trying again cannot help: a person has to act."""


class Rejected(Permanent):
    """The input is bad. Nothing was written."""

    def __init__(self, what: str, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join([f"{what}: {len(self.problems)} problem(s)"] + [f"  - {p}" for p in self.problems]))


class NotOurs(Permanent):
    """A resource of this name exists without our tag; it is not adopted silently."""


class SimulatorGap(Permanent):
    """The embedded cloud does not have this AWS operation. The deployment itself did not fail."""


ABSENT = frozenset({
    "NoSuchEntity", "ResourceNotFoundException", "DBInstanceNotFound", "DBInstanceNotFoundFault",
    "DBSubnetGroupNotFoundFault", "DBParameterGroupNotFound", "DBParameterGroupNotFoundFault", "DBSnapshotNotFound",
    "NotFoundException", "InvalidGroup.NotFound", "InvalidPermission.NotFound", "InvalidVpcEndpointId.NotFound",
    "NoSuchBucket", "404", "NotFound", "ResourceNotFound", "ProvisionedConcurrencyConfigNotFoundException",
    "NoSuchDistribution", "NoSuchOriginAccessControl",
})  # fmt: skip
EXISTS = frozenset({
    "DBInstanceAlreadyExists", "DBSubnetGroupAlreadyExists", "DBParameterGroupAlreadyExists",
    "DBSnapshotAlreadyExists", "EntityAlreadyExists", "InvalidGroup.Duplicate", "InvalidPermission.Duplicate",
    "ResourceExistsException", "ResourceAlreadyExistsException",
})  # fmt: skip
"""Success after comparing. Lambda's `ResourceConflictException` on *create* belongs here too; on update it does not."""

CONFLICTS = frozenset({
    "ResourceConflictException", "ConflictException", "InvalidDBInstanceState", "InvalidDBInstanceStateFault",
    "ConcurrentModification", "ConcurrentModificationException", "PreconditionFailedException",
    "DependencyViolation", "InvalidDBSubnetGroupStateFault", "InvalidDBParameterGroupState", "OperationAborted",
    "OperationAbortedException", "ConcurrentAccess", "ConcurrentAccessException",
})  # fmt: skip
IAM_DELAY = (
    "cannot be assumed by lambda",
    "execution role does not have permissions",
    "throttled by ec2",
    "kms key is invalid for creategrant",
)
"""Texts of `InvalidParameterValueException` while IAM catches up: terraform-provider-aws waits 15 minutes on these."""

CREDENTIALS = (NoCredentialsError, PartialCredentialsError, ProfileNotFound)

TRANSIENT = frozenset({
    "Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException", "RequestLimitExceeded",
    "SlowDown", "RequestTimeout", "RequestTimeoutException", "ServiceUnavailable", "InternalFailure", "InternalError",
    "ServiceException", "500", "502", "503", "504", "InsufficientDBInstanceCapacity",
})  # fmt: skip


def error_code(error: BaseException) -> str:
    """AWS's error code, or '' for anything else."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def is_absent(error: BaseException) -> bool:
    return error_code(error) in ABSENT


def is_unsettled(error: BaseException) -> bool:
    """A state conflict, or IAM not yet known to the service that is to use it."""
    if error_code(error) in CONFLICTS:
        return True
    return error_code(error) == "InvalidParameterValueException" and any(t in str(error).lower() for t in IAM_DELAY)


def absent_as_none(call: Callable[[], T]) -> T | None:
    """The answer of a read, or None when AWS says that the thing is not there."""
    try:
        return call()
    except ClientError as error:
        if is_absent(error):
            return None
        raise


def when_settled(
    call: Callable[[], T],
    *,
    patience: float = 900.0,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """Make a call, again and again while AWS says that something is still in progress.

    `patience` is in seconds; 15 minutes is what terraform-provider-aws allows IAM. Use it on updates and on
    creates whose "already exists" has a code of its own.
    """
    return _again_while(is_unsettled, call, patience=patience, sleep=sleep, clock=clock)


def when_visible(
    call: Callable[[], T],
    *,
    patience: float = 30.0,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """Make a call about what was just created, again while AWS does not see it yet (eventual consistency)."""
    return _again_while(is_absent, call, patience=patience, sleep=sleep, clock=clock)


def when_seen(
    what: str,
    observe: Callable[[], T | None],
    *,
    patience: float = 30.0,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """Observe what was just created until AWS shows it (eventual consistency). Raises Temporary after `patience`."""
    deadline, pause = clock() + patience, 0.1
    while (seen := observe()) is None:
        if clock() + pause > deadline:
            raise Temporary(f"{what} was created and AWS does not show it after {patience:.0f} s")
        sleep(pause)
        pause = min(pause * 2, 5.0)
    return seen


def unless_exists(create: Callable[[], T]) -> T | None:
    """Create; None when another run was faster. The caller then looks again and compares."""
    try:
        return create()
    except ClientError as error:
        if error_code(error) not in EXISTS:
            raise
        logger.info("made by another run in the meantime (%s)", error_code(error))
        return None


def _again_while(
    passing: Callable[[BaseException], bool],
    call: Callable[[], T],
    *,
    patience: float,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
) -> T:
    """The one loop around a call: pauses grow from 0.1 s to 5 s, and the last error stands when patience ends."""
    deadline, pause = clock() + patience, 0.1
    while True:
        try:
            return call()
        except ClientError as error:
            if not passing(error) or clock() + pause > deadline:
                raise
            logger.info("AWS is not ready (%s); trying again in %.1f s", error_code(error), pause)
            sleep(pause)
            pause = min(pause * 2, 5.0)


def explain(error: Exception, doing: str) -> MiyabiError:
    """The botocore error in our own words: which step, what AWS said, who has to act."""
    if isinstance(error, ResponseParserError):
        return SimulatorGap(f"{doing}: the endpoint answered something that is not AWS: {error}")
    if isinstance(error, CREDENTIALS):
        return Permanent(
            f"{doing}: no AWS credentials: {error}. Make the profile that the environment names (`aws configure"
            " --profile …`, on the worker), or enter keys in the block `miyabi-<environment>` in the Prefect UI."
        )
    if not isinstance(error, ClientError):
        return Temporary(f"{doing}: AWS could not be reached: {error}")
    code, operation = error_code(error), error.operation_name
    if "html" in str(error).lower() or code in {"404", "NotImplemented", "SimulatorGap"}:
        return SimulatorGap(f"{doing}: the embedded cloud does not have {operation} ({error})")
    if code in TRANSIENT or is_unsettled(error):
        return Temporary(f"{doing}: {error}")
    hint = ""
    if code.startswith("AccessDenied") or code in {
        "UnauthorizedOperation",
        "UnrecognizedClientException",
        "ExpiredToken",
    }:
        hint = f" Give the deployer's credentials permission for {operation}."
    return Permanent(f"{doing}: AWS refused {operation}: {error}{hint}")
