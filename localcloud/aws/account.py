"""The services around the main ones: IAM, CloudWatch Logs, Secrets Manager, EC2's security groups and endpoints."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from moto.ec2.exceptions import DependencyViolationError, EC2ClientError
from moto.ec2.models.security_groups import SecurityGroupBackend
from moto.ec2.models.vpcs import VPCBackend
from moto.iam.exceptions import MalformedPolicyDocument
from moto.iam.models import IAMBackend
from moto.iam.policy_validation import IAMTrustPolicyDocumentValidator
from moto.logs.exceptions import InvalidParameterException
from moto.logs.models import LogsBackend
from moto.logs.utils import EventMessageFilter
from moto.secretsmanager.exceptions import InvalidRequestException
from moto.secretsmanager.models import SecretsManagerBackend

from localcloud.aws.patches import Patches

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

RETENTIONS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
"""Days that a log group may keep its events."""
PLAIN_PATTERN = re.compile(r'[A-Za-z][^\s"?]*( +[^\s"?-][^\s"]*)*|"[^"]*"')
"""A filter of log events that is words, all of which must be there, or one quoted phrase."""


def install(cloud: "Cloud") -> None:
    """Close the gaps of these services."""
    _install_iam(cloud.patches)
    _install_logs(cloud.patches)
    _install_secrets(cloud.patches)
    _install_security_groups(cloud)
    _install_endpoints(cloud.patches)


def _install_iam(patches: Patches) -> None:
    @patches.wrap(IAMBackend, "create_role")
    def create(original: Any, backend: Any, role_name: str, trust: str, *args: Any, **kwargs: Any) -> Any:
        if "linked_service" not in kwargs:
            _check_trust(trust)
        return original(backend, role_name, trust, *args, **kwargs)


def _check_trust(document: str) -> None:
    validator = IAMTrustPolicyDocumentValidator(document)
    validator.validate()
    if any("Principal" not in statement for statement in validator._statements):
        raise MalformedPolicyDocument("Missing required field Principal")


def _install_logs(patches: Patches) -> None:
    @patches.wrap(LogsBackend, "put_retention_policy")
    def put(original: Any, backend: Any, log_group_name: str, retention_in_days: Any) -> None:
        if int(retention_in_days) not in RETENTIONS:
            raise InvalidParameterException(
                constraint=f"Member must satisfy enum value set: [{', '.join(map(str, RETENTIONS))}]",
                parameter="retentionInDays",
                value=retention_in_days,
            )
        original(backend, log_group_name, retention_in_days)

    @patches.wrap(EventMessageFilter, "__init__")
    def pattern(original: Any, message_filter: Any, wanted: str) -> None:
        """moto finds words and one quoted phrase; to anything else it answers with every event."""
        if wanted and not PLAIN_PATTERN.fullmatch(wanted):
            raise NotImplementedError(f"the filter pattern {wanted!r}")
        original(message_filter, wanted)


def _install_secrets(patches: Patches) -> None:
    @patches.wrap(SecretsManagerBackend, "create_secret")
    def create(original: Any, backend: Any, name: str, **wanted: Any) -> Any:
        if name in backend.secrets and backend.secrets[name].is_deleted():
            raise InvalidRequestException(
                "You can't create this secret because a secret with this name is already scheduled for deletion."
            )
        return original(backend, name=name, **wanted)


def _install_security_groups(cloud: "Cloud") -> None:
    @cloud.patches.wrap(SecurityGroupBackend, "delete_security_group")
    def delete(original: Any, backend: Any, name: str | None = None, group_id: str | None = None) -> Any:
        group = backend.get_security_group_from_id(group_id) or backend.get_security_group_from_name(name or "")
        if group and group.id in set(_groups_in_use(cloud, except_of=group.id)):
            raise DependencyViolationError(f"resource {group.id} has a dependent object")
        return original(backend, name, group_id)


def _install_endpoints(patches: Patches) -> None:
    """A repeated request is known by its token, and a service's private DNS name can stand in a VPC once."""

    @patches.wrap(VPCBackend, "create_vpc_endpoint")
    def create(original: Any, backend: Any, **wanted: Any) -> Any:
        for endpoint in backend.vpc_end_points.values():
            if endpoint.state == "deleted":
                continue
            if wanted.get("client_token") and endpoint.client_token == wanted["client_token"]:
                return endpoint
            place = (endpoint.vpc_id, endpoint.service_name, endpoint.private_dns_enabled, endpoint.vpc_endpoint_type)
            if place == (wanted["vpc_id"], wanted["service_name"], True, wanted["endpoint_type"]):
                raise EC2ClientError(
                    "InvalidParameter",
                    "private-dns-enabled cannot be set because there is already a conflicting DNS domain for "
                    f"{wanted['service_name']} in the VPC {wanted['vpc_id']}",
                )
        return original(backend, **wanted)


def _groups_in_use(cloud: "Cloud", *, except_of: str) -> Iterator[str]:
    """Security groups that a database, a function, an endpoint or another group's rule names."""
    ec2 = cloud.backend("ec2")
    for database in cloud.backend("rds").databases.values():
        yield from database.vpc_security_group_ids
    for function in cloud.backend("lambda").list_functions():
        yield from (function._vpc_config or {}).get("SecurityGroupIds") or []
    for endpoint in ec2.vpc_end_points.values():
        yield from endpoint.security_group_ids if endpoint.state != "deleted" else ()
    for groups in ec2.groups.values():
        for group in groups.values():
            rules = [*group.ingress_rules, *group.egress_rules] if group.id != except_of else []
            yield from (rule.source_group.get("GroupId", "") for rule in rules)
