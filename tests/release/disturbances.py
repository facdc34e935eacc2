"""How AWS fails a call that is right: throttling, errors of its own, a lost answer, something in progress.

A `Disturbance` says for each call of a run which fault it meets, if any. Codes and texts are AWS's own
(reference/aws.md §7), each on operations that answer it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from zlib import crc32

from localcloud.aws.faults import NOT_ASSUMABLE, Fault, Kind, Phase
from tests.release.sweeping import Point

Error = tuple[str, int, str]
"""Code, HTTP status and message, as the service words them (reference/aws.md §7)."""

BUSY_API = ("ConflictException", 409, "Unable to complete operation due to concurrent modification.")
BUSY_FUNCTION = ("ResourceConflictException", 409, "The operation cannot be performed: an update is in progress.")
BUSY_DATABASE = ("InvalidDBInstanceState", 400, "DB instance miyabi-postgres-local is not in available state.")
BUSY_PARAMETERS = ("InvalidDBParameterGroupState", 400, "DB parameter group can't be used: one or more DBs use it.")
BUSY_SUBNETS = ("InvalidDBSubnetGroupStateFault", 400, "Cannot delete the subnet group because an instance uses it.")
BUSY_ROLE = ("ConcurrentModification", 409, "The request was rejected because multiple requests change this object.")
BUSY_LOGS = ("OperationAbortedException", 400, "A conflicting operation is currently in progress on this resource.")
NO_INTERFACES = "The provided execution role does not have permissions to call CreateNetworkInterface on EC2"
CONFLICTS: Mapping[str, tuple[Error, ...]] = {
    "apigatewayv2.CreateIntegration": (BUSY_API,),
    "apigatewayv2.CreateRoute": (BUSY_API,),
    "apigatewayv2.CreateStage": (BUSY_API,),
    "apigatewayv2.DeleteApi": (BUSY_API,),
    "apigatewayv2.UpdateApi": (BUSY_API,),
    "apigatewayv2.UpdateStage": (BUSY_API,),
    "ec2.DeleteSecurityGroup": (("DependencyViolation", 400, "resource sg-1 has a dependent object"),) * 2,
    "iam.CreateRole": (BUSY_ROLE,),
    "iam.DeleteRole": (BUSY_ROLE,),
    "iam.DeleteRolePolicy": (BUSY_ROLE,),
    "iam.PutRolePolicy": (BUSY_ROLE,),
    "iam.TagRole": (BUSY_ROLE,),
    "lambda.CreateFunction": (
        ("InvalidParameterValueException", 400, NOT_ASSUMABLE),
        ("InvalidParameterValueException", 400, NO_INTERFACES),
    ),
    "lambda.DeleteFunction": (BUSY_FUNCTION,),
    "lambda.Invoke": (BUSY_FUNCTION,),
    "lambda.PublishVersion": (BUSY_FUNCTION,),
    "lambda.UpdateAlias": (BUSY_FUNCTION,),
    "lambda.UpdateFunctionCode": (BUSY_FUNCTION,) * 2,
    "lambda.UpdateFunctionConfiguration": (BUSY_FUNCTION,),
    "logs.CreateLogGroup": (BUSY_LOGS,),
    "logs.DeleteLogGroup": (BUSY_LOGS,),
    "logs.PutRetentionPolicy": (BUSY_LOGS,),
    "rds.CreateDBInstance": (("InsufficientDBInstanceCapacity", 400, "no capacity in this zone at the moment"),),
    "rds.CreateDBSnapshot": (BUSY_DATABASE,),
    "rds.DeleteDBInstance": (BUSY_DATABASE,),
    "rds.DeleteDBParameterGroup": (BUSY_PARAMETERS,),
    "rds.DeleteDBSubnetGroup": (BUSY_SUBNETS,),
    "rds.ModifyDBInstance": (BUSY_DATABASE,) * 2,
    "rds.ModifyDBParameterGroup": (BUSY_PARAMETERS,),
}
"""What the first calls of an operation are answered while something else is in progress, or IAM is behind."""

GONE = ("NotFoundException", 404, "Invalid API identifier specified")
NO_ROLE = ("NoSuchEntity", 404, "The role with name miyabi-lambda-local cannot be found.")
NO_GROUP = ("InvalidGroup.NotFound", 400, "The security group 'sg-1' does not exist")
NO_LOGS = ("ResourceNotFoundException", 400, "The specified log group does not exist.")
UNSEEN: Mapping[str, tuple[Error, ...]] = {
    "apigatewayv2.CreateIntegration": (GONE,),
    "apigatewayv2.CreateRoute": (GONE,),
    "apigatewayv2.CreateStage": (GONE,),
    "ec2.AuthorizeSecurityGroupIngress": (NO_GROUP, NO_GROUP),
    "ec2.CreateVpcEndpoint": (NO_GROUP,),
    "iam.PutRolePolicy": (NO_ROLE,),
    "logs.PutRetentionPolicy": (NO_LOGS,),
    "rds.ModifyDBParameterGroup": (("DBParameterGroupNotFound", 404, "DBParameterGroup not found"),),
}
"""What a write about something new is answered while AWS does not see the new thing everywhere."""


@dataclass(frozen=True)
class Disturbance:
    """A kind of fault, and which calls of a run it meets."""

    name: str
    fault: Callable[[Point, int], Fault | None]
    """For a call, and the number of calls that an undisturbed run makes of its operation."""
    stages: int = 1
    """How many of the stages of a system's life are worth it: the later ones have other calls that end in our code."""

    def __str__(self) -> str:
        return self.name


def each_call(kind: Kind, when: Phase = "before") -> Disturbance:
    """Every call once: of each operation the odd ones, since the even ones are their second attempts."""

    def fault(point: Point, calls: int) -> Fault | None:
        return Fault(kind, when=when) if point.nth % 2 and point.nth < 2 * calls else None

    return Disturbance(f"{kind} {when}", fault, stages=2 if (kind, when) == ("server-error", "after") else 1)


def in_turn(*kinds: tuple[Kind, Phase]) -> Disturbance:
    """Every call once, as in `each_call`, each operation by another of these kinds, and its later calls by the next."""

    def fault(point: Point, calls: int) -> Fault | None:
        kind, when = kinds[(crc32(point.operation.encode()) + point.nth // 2) % len(kinds)]
        return Fault(kind, when=when) if point.nth % 2 and point.nth < 2 * calls else None

    return Disturbance("in turn", fault)


def each_operation(kind: Kind) -> Disturbance:
    """The first call of each operation: for what boto3 takes its time over."""
    return Disturbance(kind, lambda point, _: Fault(kind) if point.nth == 1 else None)


def one_call(it: Point, kind: Kind, when: Phase) -> Disturbance:
    return Disturbance(f"{kind} {when} {it}", lambda point, _: Fault(kind, when=when) if point == it else None)


def answers(name: str, errors: Mapping[str, tuple[Error, ...]], *, stages: int = 1) -> Disturbance:
    """The errors that an operation is known to give, one after the other."""

    def fault(point: Point, _: int) -> Fault | None:
        known = errors.get(f"{point.service}.{point.operation}", ())
        if point.nth > len(known):
            return None
        code, status, message = known[point.nth - 1]
        return Fault("error", code=code, status=status, message=message)

    return Disturbance(name, fault, stages)


DISTURBANCES = (
    each_operation("throttle"),
    each_call("server-error", "after"),
    in_turn(("server-error", "before"), ("reset", "before"), ("reset", "after")),
    answers("state conflicts", CONFLICTS, stages=3),
    answers("not seen yet", UNSEEN),
)
APART = (each_call("server-error"), each_call("reset"), each_call("reset", "after"))
"""What `in turn` mixes, each kind on every call."""
