"""What the embedded cloud offers: these services, and of their operations those that do here what they say.

moto knows a hundred services and stores whatever it is told: a machine `running`, a queue that calls nobody. But a call
that the cloud lacks must be a `SimulatorGap` and never a success. So every call of another service is one, and every
write that is not named here. Reads of a service that is here are moto's: what could not be made is truly not there.
"""

import re
from collections.abc import Mapping

from localcloud.aws.operations import UNKNOWN, Operation

NETWORK = r"DefaultVpc|DefaultSubnet|Vpc|Subnet|SecurityGroup|RouteTable|Route|InternetGateway|NetworkAcl(Entry)?"
WRITES: Mapping[str, re.Pattern[str]] = {
    service: re.compile(names)
    for service, names in {
        "sts": r"AssumeRole",
        "ec2": rf"(Create|Delete)({NETWORK}|Tags|DhcpOptions)|(Attach|Detach)InternetGateway"
        r"|(Create|Modify)VpcEndpoint|DeleteVpcEndpoints|Modify(Vpc|Subnet)Attribute|AssociateDhcpOptions"
        r"|(Associate|Disassociate)(RouteTable|VpcCidrBlock|SubnetCidrBlock)|Replace(Route\w*|NetworkAcl\w+)"
        r"|(Authorize|Revoke)SecurityGroup\w+|ModifySecurityGroupRules|UpdateSecurityGroupRuleDescriptions\w+",
        "iam": r"(Create|Delete|Update|Tag|Untag)Role|UpdateRoleDescription|UpdateAssumeRolePolicy"
        r"|(Put|Delete|Attach|Detach)RolePolicy|(Put|Delete)RolePermissionsBoundary|(Create|Delete)ServiceLinkedRole"
        r"|(Create|Delete|Tag|Untag)Policy|(Create|Delete)PolicyVersion|SetDefaultPolicyVersion",
        "secretsmanager": r"(Create|Delete|Restore|Update)Secret|PutSecretValue|UpdateSecretVersionStage"
        r"|(Tag|Untag)Resource",
        "rds": r"(Add|Remove)Tags\w+Resource|(Create|Modify|Delete)DB(Instance|SubnetGroup|ParameterGroup)"
        r"|(Create|Delete)DBSnapshot|(Reboot|Start|Stop)DBInstance|RestoreDBInstance(FromDBSnapshot|ToPointInTime)"
        r"|CopyDBParameterGroup",
        "logs": r"(Create|Delete)Log(Group|Stream)|PutLogEvents|(Put|Delete)(RetentionPolicy|ResourcePolicy)"
        r"|(Tag|Untag)(Resource|LogGroup)",
        "lambda": r"(Create|Delete)Function|UpdateFunction(Code|Configuration)|PublishVersion|Invoke"
        r"|(Create|Update|Delete)Alias|(Add|Remove)Permission|(Put|Delete)(FunctionConcurrency|ProvisionedConcurrencyConfig)"
        r"|(Tag|Untag)Resource",
        "apigatewayv2": r"(Create|Update|Delete)(Api|Integration|Route|Stage)|CreateDeployment|DeleteCorsConfiguration"
        r"|(Tag|Untag)Resource",
        "s3": r"(Create|Delete)Bucket|(Put|Delete)(BucketTagging|BucketPolicy|BucketCors|BucketEncryption"
        r"|BucketOwnershipControls|BucketLifecycle\w*|PublicAccessBlock|ObjectTagging)|PutBucketVersioning"
        r"|(Put|Copy|Delete)Object|DeleteObjects|PutObjectAcl|PutBucketAcl|(Create|Complete|Abort)MultipartUpload"
        r"|UploadPart(Copy)?",
        "cloudwatch": r"PutMetricAlarm|DeleteAlarms|SetAlarmState|(Enable|Disable)AlarmActions|(Tag|Untag)Resource"
        r"|PutMetricData|PutDashboard|DeleteDashboards",
        "sns": r"(Create|Delete)Topic|SetTopicAttributes|Subscribe|Unsubscribe|ConfirmSubscription|Publish"
        r"|(Tag|Untag)Resource",
        "cloudfront": r"(Create|Update|Delete)(Distribution|OriginAccessControl)|CreateDistributionWithTags"
        r"|CreateInvalidation|(Tag|Untag)Resource",
    }.items()
}
"""What may be written, by boto3's names."""


def why_not(operation: Operation) -> str:
    """Why an operation cannot be done here; '' if it can. One that botocore does not know is moto's to answer."""
    writes = WRITES.get(operation.service)
    if writes is None:
        return f"the embedded cloud does not have this service; it has {', '.join(sorted(WRITES))}"
    if operation.name == UNKNOWN or operation.is_read or writes.fullmatch(operation.name):
        return ""
    return "the embedded cloud does not have it: moto would only note it down, and nothing would come of it"
