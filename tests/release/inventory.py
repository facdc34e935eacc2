"""Everything that an account holds, in a form that two accounts can be compared by.

Read through AWS's own API, whatever it is called and whoever made it, so that an orphan is seen. Ids and suffixes that
AWS draws become what they name (`sg-0a1b…` becomes `<miyabi-database-local>`); times and revisions are left out. The
values of secrets are tried out, not compared: the database's password must open the database.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import boto3
import psycopg

from localcloud.cloud import Cloud

VOLATILE = frozenset({
    "ResponseMetadata", "CreationTimestamp", "CreatedDate", "LastChangedDate", "LastAccessedDate", "CreateDate",
    "InstanceCreateTime", "LatestRestorableTime", "DbiResourceId", "RoleId", "creationTime", "storedBytes",
    "LastModified", "LastUpdatedDate", "RevisionId", "DeploymentId", "LastDeploymentStatusMessage", "DnsEntries",
})  # fmt: skip
"""Fields that differ between two equal accounts."""

DATABASE = "miyabi"
"""Of the environment `local`, on the PostgreSQL behind RDS."""

Part = Mapping[str, Any]


class Account:
    """One account, through clients of its own. Keep one for many inventories: clients take a while to make."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self._session = boto3.Session(aws_access_key_id="any", aws_secret_access_key="one", region_name=cloud.region)
        self._clients: dict[str, Any] = {}

    def aws(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._session.client(service, endpoint_url=self.cloud.aws_endpoint)  # type: ignore[call-overload]
        return self._clients[service]

    def all(self, service: str, operation: str, key: str, **parameters: Any) -> list[Any]:
        """Every item of a list, from all its pages."""
        client = self.aws(service)
        if client.can_paginate(operation):
            return [item for page in client.get_paginator(operation).paginate(**parameters) for item in page[key]]
        return list(getattr(client, operation)(**parameters)[key])

    def inventory(self) -> dict[str, Any]:
        """The account by kinds of resources; equal for two accounts that hold the same."""
        groups = [
            g for g in self.all("ec2", "describe_security_groups", "SecurityGroups") if g["GroupName"] != "default"
        ]
        kinds = {
            "security groups": groups,
            "endpoints": self.all("ec2", "describe_vpc_endpoints", "VpcEndpoints"),
            "secrets": [self._secret(secret) for secret in self._secrets()],
            **self._databases(),
            "roles": [self._role(role) for role in self.all("iam", "list_roles", "Roles")],
            "policies": self.all("iam", "list_policies", "Policies", Scope="Local"),
            "log groups": [self._log_group(group) for group in self.all("logs", "describe_log_groups", "logGroups")],
            "functions": [self._function(f["FunctionName"]) for f in self.all("lambda", "list_functions", "Functions")],
            "APIs": [self._api(api) for api in self.all("apigatewayv2", "get_apis", "Items")],
            "buckets": [bucket["Name"] for bucket in self.aws("s3").list_buckets()["Buckets"]],
            "topics": [self._topic(topic["TopicArn"]) for topic in self.all("sns", "list_topics", "Topics")],
            "alarms": [self._alarm(alarm) for alarm in self.all("cloudwatch", "describe_alarms", "MetricAlarms")],
            "dashboards": [self._dashboard(d) for d in self.all("cloudwatch", "list_dashboards", "DashboardEntries")],
            "PostgreSQL": self._postgres(),
        }
        return normal(kinds, self._names(groups))

    def _names(self, groups: Sequence[Part]) -> dict[str, str]:
        """What the ids that AWS draws stand for."""
        subnets = self.all("ec2", "describe_subnets", "Subnets")
        names = {group["GroupId"]: group["GroupName"] for group in groups}
        names |= {subnet["SubnetId"]: subnet["AvailabilityZone"] for subnet in subnets}
        names |= {subnet["VpcId"]: "vpc" for subnet in subnets}
        for api in self.all("apigatewayv2", "get_apis", "Items"):
            names[api["ApiId"]] = api["Name"]
            for entry in self.all("apigatewayv2", "get_integrations", "Items", ApiId=api["ApiId"]):
                names[entry["IntegrationId"]] = "integration"
        names |= {secret["ARN"]: secret["Name"] for secret in self._secrets()}
        return names

    def _secrets(self) -> list[Any]:
        return self.all("secretsmanager", "list_secrets", "SecretList", IncludePlannedDeletion=True)

    def _secret(self, secret: Part) -> Part:
        """The secret, its number of versions, and whether its value is of use."""
        if "DeletedDate" in secret:
            return {"Name": secret["Name"], "deleted": True}
        value = self.aws("secretsmanager").get_secret_value(SecretId=secret["ARN"])["SecretString"]
        versions = self.aws("secretsmanager").list_secret_version_ids(SecretId=secret["ARN"])["Versions"]
        stages = sorted(stage for version in versions for stage in version["VersionStages"])
        facts = {key: secret.get(key) for key in ("Name", "Tags", "Description")}
        if not value.startswith("{"):
            return {**facts, "stages": stages, "length": len(value)}
        parts = json.loads(value)
        return {**facts, "stages": stages, **parts, "password": "opens" if opens(parts) else "does not open"}

    def _databases(self) -> dict[str, Any]:
        instances = self.all("rds", "describe_db_instances", "DBInstances")
        parameters = self.all("rds", "describe_db_parameter_groups", "DBParameterGroups")
        subnets = self.all("rds", "describe_db_subnet_groups", "DBSubnetGroups")
        return {
            "databases": instances,
            "snapshots": self.all("rds", "describe_db_snapshots", "DBSnapshots", SnapshotType="manual"),
            "parameter groups": [
                {**group, "set": self._parameters(group), "Tags": self._rds_tags(group["DBParameterGroupArn"])}
                for group in parameters
            ],
            "subnet groups": [{**group, "Tags": self._rds_tags(group["DBSubnetGroupArn"])} for group in subnets],
        }

    def _parameters(self, group: Part) -> list[Any]:
        name = group["DBParameterGroupName"]
        return self.all("rds", "describe_db_parameters", "Parameters", DBParameterGroupName=name, Source="user")

    def _rds_tags(self, arn: str) -> list[Any]:
        return list(self.aws("rds").list_tags_for_resource(ResourceName=arn)["TagList"])

    def _role(self, role: Part) -> Part:
        iam, name = self.aws("iam"), role["RoleName"]
        inline = {
            policy: iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            for policy in self.all("iam", "list_role_policies", "PolicyNames", RoleName=name)
        }
        attached = self.all("iam", "list_attached_role_policies", "AttachedPolicies", RoleName=name)
        return {**iam.get_role(RoleName=name)["Role"], "inline": inline, "attached": attached}

    def _log_group(self, group: Part) -> Part:
        arn = group["arn"].removesuffix(":*")
        return {**group, "tags": self.aws("logs").list_tags_for_resource(resourceArn=arn)["tags"]}

    def _function(self, name: str) -> Part:
        """The function with all its versions and what hangs on each."""
        client = self.aws("lambda")
        whole = client.get_function(FunctionName=name)
        aliases = self.all("lambda", "list_aliases", "Aliases", FunctionName=name)
        qualifiers = ["", *(alias["Name"] for alias in aliases)]
        return {
            "name": name,
            "tags": whole.get("Tags"),
            "concurrency": whole.get("Concurrency"),
            "versions": self.all("lambda", "list_versions_by_function", "Versions", FunctionName=name),
            "aliases": aliases,
            "statements": {qualifier: self._statements(name, qualifier) for qualifier in qualifiers},
        }

    def _statements(self, function: str, qualifier: str) -> list[Any]:
        client, which = self.aws("lambda"), {"Qualifier": qualifier} if qualifier else {}
        try:
            return list(json.loads(client.get_policy(FunctionName=function, **which)["Policy"])["Statement"])
        except client.exceptions.ResourceNotFoundException:
            return []

    def _api(self, api: Part) -> Part:
        parts = {
            kind: self.all("apigatewayv2", f"get_{kind}", "Items", ApiId=api["ApiId"])
            for kind in ("integrations", "routes", "stages")
        }
        for route in parts["routes"]:
            del route["RouteId"]
        return {**api, **parts}

    def _topic(self, arn: str) -> Part:
        subscriptions = self.all("sns", "list_subscriptions_by_topic", "Subscriptions", TopicArn=arn)
        tags = self.aws("sns").list_tags_for_resource(ResourceArn=arn)["Tags"]
        return {"arn": arn, "tags": tags, "subscriptions": subscriptions}

    def _alarm(self, alarm: Part) -> Part:
        """Without its state, which is the system's."""
        tags = self.aws("cloudwatch").list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]
        kept = {key: value for key, value in alarm.items() if not key.startswith(("State", "AlarmConfiguration"))}
        return {**kept, "tags": tags}

    def _dashboard(self, entry: Part) -> Part:
        found = self.aws("cloudwatch").get_dashboard(DashboardName=entry["DashboardName"])
        return {"name": entry["DashboardName"], "body": json.loads(found["DashboardBody"])}

    def _postgres(self) -> dict[str, Any]:
        """What the server behind RDS holds, and the migrations of the environment's database."""
        assert self.cloud.postgres
        with psycopg.connect(self.cloud.postgres.dsn()) as admin:
            databases = admin.execute("SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1").fetchall()
            roles = admin.execute(r"SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1").fetchall()
        applied = list[Any]()
        if (DATABASE,) in databases:
            with self.database() as connection:
                applied = connection.execute("SELECT version, success FROM _sqlx_migrations").fetchall()
        return {"databases": databases, "roles": roles, "migrations": applied}

    def database(self) -> psycopg.Connection[Any]:
        """The environment's database, as the server's superuser, each statement on its own."""
        assert self.cloud.postgres
        return psycopg.connect(self.cloud.postgres.dsn(DATABASE), autocommit=True)

    def release_states(self) -> list[str]:
        """Of the rows of `releases`, oldest first."""
        with self.database() as connection:
            return [row[0] for row in connection.execute("SELECT status FROM releases ORDER BY started_at").fetchall()]


def opens(login: Part) -> bool:
    """True if a client gets in with this secret's parts."""
    try:
        psycopg.connect(
            host=login["host"],
            port=login["port"],
            user=login["username"],
            password=login["password"],
            dbname=login["dbname"],
            sslmode=login["sslmode"],
            connect_timeout=5,
        ).close()
    except psycopg.OperationalError:
        return False
    return True


def normal(value: Any, names: Mapping[str, str]) -> Any:
    """Without volatile fields, with names for ids, and every list in an order of its own."""
    text = json.dumps(sorted_lists(value), sort_keys=True, default=str)
    for drawn, name in sorted(names.items(), key=lambda pair: -len(pair[0])):
        text = text.replace(drawn, f"<{name}>")
    return sorted_lists(json.loads(re.sub(r"\b(sgr|vpce|eni|subnet|rtb|pl)-[0-9a-f]{8,17}\b", r"<\1>", text)))


def sorted_lists(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: sorted_lists(item) for key, item in value.items() if key not in VOLATILE}
    if isinstance(value, list | tuple):
        return sorted((sorted_lists(item) for item in value), key=lambda item: json.dumps(item, default=str))
    return value
