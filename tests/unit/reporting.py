"""What tests of reports share: a scene as a release leaves it, of the observers' own types and without AWS."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from blocks.environment import Environment
from database.release_story import Story
from database.releases import Release
from tasks.alarms import SeenAlarm
from tasks.aliases import Alias
from tasks.backups.proof import Standing
from tasks.configuration import Configuration
from tasks.dashboards import SeenDashboard
from tasks.database_settings import SeenDatabase
from tasks.functions import Function
from tasks.gateway_parts import SeenApi
from tasks.logs import SeenLogGroup
from tasks.network import SeenNetwork, Subnet, Vpc
from tasks.network_endpoint import SeenEndpoint
from tasks.network_groups import SeenGroup, tcp
from tasks.reporting.model import Scene
from tasks.roles import SeenRole, canonical, policy_document, trust_document
from tasks.secrets import SeenSecret
from tasks.sites.bucket import WANTED, SeenBucket
from tasks.sites.distribution import SeenDistribution
from tasks.topics import SeenTopic
from tests.support import make_environment

AT = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
ARN = "arn:aws:{}:us-east-1:123456789012:{}"


def scene(environment: Environment | None = None, **changed: Any) -> Scene:
    """A whole system in good order; `changed` puts other things seen in their place, spaces written as `_`."""
    environment = environment or make_environment()
    seen = {**standing(environment), **{kind.replace("_", " "): found for kind, found in changed.items()}}
    return Scene(environment, seen)


def standing(environment: Environment) -> dict[str, Any]:
    names, tags = environment.names, environment.tags
    secret_arns = [ARN.format("secretsmanager", f"secret:{name}-abcdef") for name in (names.database_secret, "jwt")]
    return {
        "network": network(environment),
        "secrets": {
            names.database_secret: SeenSecret(secret_arns[0], tags, False),
            names.jwt_secret: SeenSecret(secret_arns[1], tags, False),
        },
        "database": database(),
        "snapshots": [],
        "role": SeenRole(
            ARN.format("iam", "role/miyabi"),
            tags,
            canonical(trust_document(environment)),
            {names.policy: canonical(policy_document(environment, secret_arns))},
            (),
        ),
        "log groups": {
            name: SeenLogGroup(ARN.format("logs", name), 7, tags) for name in (names.function_logs, names.api_logs)
        },
        "function": function(),
        "alias": (Alias(ARN.format("lambda", "function:miyabi:live"), "3"), {}),
        "API": (api(), "https://a1b2c3.execute-api.us-east-1.amazonaws.com"),
        "topic": SeenTopic(tags, {"ops@example.com": True}),
        "alarms": {
            "miyabi-function-errors": SeenAlarm("arn", {
                "MetricName": "Errors", "ComparisonOperator": "GreaterThanThreshold", "Threshold": 5.0,
                "StateValue": "OK", "AlarmActions": ["topic"],
            }),
        },
        "dashboard": SeenDashboard({"widgets": [{}] * 12}, True),
        "backups": Standing(20 * 3600.0),
        "bucket": (names.site_bucket, SeenBucket(tags, WANTED)),
        "distribution": distribution(),
        "releases": Story(release(), 4),
    }  # fmt: skip


def network(environment: Environment, *rules: Any, endpoint: bool = True) -> SeenNetwork:
    """`rules` are further ones of the database's group."""
    names, tags = environment.names, environment.tags
    rules_by_group = {names.database_group: frozenset({tcp(5432, names.function_group), *rules})}
    if environment.function.in_vpc:
        rules_by_group[names.function_group] = frozenset()
        rules_by_group[names.endpoint_group] = frozenset({tcp(443, names.function_group)})
    groups = {
        name: SeenGroup(f"sg-{index}", name, tags, found) for index, (name, found) in enumerate(rules_by_group.items())
    }
    vpc = Vpc("vpc-1", "172.31.0.0/16", (Subnet("s-1", "us-east-1a", "az1"), Subnet("s-2", "us-east-1b", "az2")))
    return SeenNetwork(
        vpc, groups, SeenEndpoint("vpce-1", "available", True, ("sg-2",), (), True) if endpoint else None
    )


def database(**settings: Any) -> SeenDatabase:
    """`encrypted`, `status` and the like are fields; what begins with a capital is a setting."""
    stood = {
        "DBInstanceClass": "db.t3.small", "EngineVersion": "15.15", "AllocatedStorage": 20, "StorageType": "gp3",
        "BackupRetentionPeriod": 7, "MultiAZ": False, "PubliclyAccessible": False, "DeletionProtection": True,
        "AutoMinorVersionUpgrade": True,
    }  # fmt: skip
    fields = {name: settings.pop(name) for name in list(settings) if name[0].islower()}
    made = SeenDatabase(
        arn=ARN.format("rds", "db:miyabi"), status="available", address="db.example", port=5432,
        settings={**stood, **settings}, tags={}, username="miyabi_admin", dbname="miyabi", encrypted=True,
        awaits_restart=False,
    )  # fmt: skip
    return replace(made, **fields)


def function(**changed: Any) -> Function:
    configuration = Configuration(
        code="c0de" * 11, architecture="x86_64", runtime="python3.12", handler="api.handler.handler", role="role",
        memory_mb=512, timeout_s=30, subnets=("s-1",), security_groups=("sg-1",), log_group="/aws/lambda/miyabi",
        tracing="Active", variables={"DATABASE_SECRET_ARN": ARN.format("secretsmanager", "secret:database")},
    )  # fmt: skip
    latest = replace(configuration, **changed)
    return Function(ARN.format("lambda", "function:miyabi"), latest, {"3": latest}, {}, None, "", {"3": 4_800_000})


def api(**changed: Any) -> SeenApi:
    made = SeenApi(
        id="a1b2c3",
        endpoint="https://a1b2c3.execute-api.us-east-1.amazonaws.com",
        tags={},
        cors={"AllowOrigins": ["https://example.com"]},
        integrations=[{"IntegrationId": "i", "IntegrationUri": ARN.format("lambda", "function:miyabi:live")}],
        routes=[{"RouteKey": "$default", "RouteId": "r", "Target": "integrations/i"}],
        stage={
            "DefaultRouteSettings": {"ThrottlingRateLimit": 500.0, "ThrottlingBurstLimit": 1000},
            "AccessLogSettings": {"DestinationArn": ARN.format("logs", "log-group:api")},
        },
        statements=[{"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"},
                     "Condition": json.loads('{"ArnLike": {"AWS:SourceArn": "arn:aws:execute-api:*:*:a1b2c3/*/*"}}')}],
    )  # fmt: skip
    return replace(made, **changed)


def distribution(**changed: Any) -> SeenDistribution:
    config = {
        "Enabled": True, "PriceClass": "PriceClass_100", "HttpVersion": "http2and3",
        "DefaultCacheBehavior": {"ViewerProtocolPolicy": "redirect-to-https"},
        "ViewerCertificate": {"ACMCertificateArn": "arn:acm", "MinimumProtocolVersion": "TLSv1.2_2021"},
    }  # fmt: skip
    return SeenDistribution("E123", "arn", "d1.cloudfront.net", "Deployed", "etag", {**config, **changed}, {})


def release(**changed: Any) -> Release:
    made = Release(
        id=UUID(int=7), environment="testing", kind="release", target_id=None, status="succeeded", requested_by=None,
        git_sha="1f3c2ab", source="python:api", code_sha256="c0de", schema_version=20261127000500,
        lambda_version_before="2", lambda_version_after="3", api_url="https://api.example", verdicts={},
        error=None, started_at=AT, finished_at=AT + timedelta(seconds=221), site_manifest="m", flow_run_id=None,
    )  # fmt: skip
    return replace(made, **changed)
