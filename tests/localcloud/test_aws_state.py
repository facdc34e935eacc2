"""The AWS state survives a restart and kill -9; what cannot be read is put aside."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path

import boto3
import psycopg
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localcloud.ports import free_port

SECRET = "a-secret-that-stays-in-the-store"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


class Process:
    """A cloud in a process of its own, on the ports that its home had before."""

    def __init__(self, home: Path, postgres_port: int):
        remembered = home / "ports"
        if not remembered.exists():
            remembered.write_text(f"{free_port()} {free_port()}")
        aws_port, api_port = remembered.read_text().split()
        self._clients: dict[str, object] = {}
        self.home, self.port, self.log = home, int(aws_port), home / "cloud.log"
        self._command = [
            sys.executable, "-m", "localcloud.cloud", "--home", str(home), "--aws-port", aws_port,
            "--api-port", api_port, "--postgres-port", str(postgres_port),
        ]  # fmt: skip

    def __enter__(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)
        end = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_cloud/health").close()
                return self
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < end
                time.sleep(0.02)

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(30) == 0

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def client(self, service):
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service, endpoint_url=f"http://127.0.0.1:{self.port}", region_name="us-east-1", aws_access_key_id="a",
                aws_secret_access_key="b", config=Config(retries={"total_max_attempts": 1}),
            )  # fmt: skip
        return self._clients[service]


@pytest.fixture
def home(postgres, tmp_path):
    """A folder of its own, on the session's PostgreSQL."""
    (tmp_path / "secrets").mkdir()
    shutil.copy(postgres.home / "secrets" / "postgres-superuser", tmp_path / "secrets")
    return tmp_path


def make_everything(process):
    """One of each thing that a release makes."""
    iam, logs, secrets, ec2 = map(process.client, ("iam", "logs", "secretsmanager", "ec2"))
    role = iam.create_role(RoleName="role", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]}
    iam.put_role_policy(RoleName="role", PolicyName="policy", PolicyDocument=json.dumps(policy))
    logs.create_log_group(logGroupName="/aws/lambda/function")
    logs.put_retention_policy(logGroupName="/aws/lambda/function", retentionInDays=7)
    secrets.create_secret(Name="secret", SecretString=SECRET)
    group = ec2.create_security_group(GroupName="group", Description="d")["GroupId"]
    subnets = [s["SubnetId"] for s in ec2.describe_subnets()["Subnets"]]
    make_function(process.client("lambda"), role)
    make_api(process.client("apigatewayv2"))
    make_database(process.client("rds"), subnets, group)
    process.client("s3").create_bucket(Bucket="bucket")
    process.client("s3").put_object(Bucket="bucket", Key="index.html", Body=b"<html>" * 20000)


def make_function(lambda_, role):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("bootstrap", os.urandom(200_000))
    lambda_.create_function(
        FunctionName="function", Runtime="provided.al2023", Handler="bootstrap", Role=role,
        Code={"ZipFile": buffer.getvalue()}, Environment={"Variables": {"KEY": SECRET}},
    )  # fmt: skip
    lambda_.get_waiter("function_active_v2").wait(FunctionName="function")
    lambda_.publish_version(FunctionName="function")
    lambda_.create_alias(FunctionName="function", Name="live", FunctionVersion="1")
    lambda_.add_permission(
        FunctionName="function", StatementId="api", Action="lambda:InvokeFunction", Qualifier="live",
        Principal="apigateway.amazonaws.com",
    )  # fmt: skip


def make_api(gateway):
    api = gateway.create_api(Name="api", ProtocolType="HTTP")["ApiId"]
    integration = gateway.create_integration(
        ApiId=api, IntegrationType="AWS_PROXY", PayloadFormatVersion="2.0",
        IntegrationUri="arn:aws:lambda:us-east-1:211234825975:function:function:live",
    )["IntegrationId"]  # fmt: skip
    gateway.create_route(ApiId=api, RouteKey="$default", Target=f"integrations/{integration}")
    gateway.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)


def make_database(rds, subnets, group):
    rds.create_db_subnet_group(DBSubnetGroupName="subnets", DBSubnetGroupDescription="d", SubnetIds=subnets)
    rds.create_db_instance(
        DBInstanceIdentifier="database", DBInstanceClass="db.t3.small", Engine="postgres", AllocatedStorage=20,
        MasterUsername="state_admin", MasterUserPassword=SECRET, DBName="state", DBSubnetGroupName="subnets",
        VpcSecurityGroupIds=[group],
    )  # fmt: skip
    rds.get_waiter("db_instance_available").wait(
        DBInstanceIdentifier="database", WaiterConfig={"Delay": 0.05, "MaxAttempts": 200}
    )


def everything(process):
    """What AWS says of it all."""
    iam, logs, secrets, ec2 = map(process.client, ("iam", "logs", "secretsmanager", "ec2"))
    lambda_, gateway, rds, s3 = map(process.client, ("lambda", "apigatewayv2", "rds", "s3"))
    api = gateway.get_apis()["Items"][0]["ApiId"]
    code = urllib.request.urlopen(lambda_.get_function(FunctionName="function", Qualifier="1")["Code"]["Location"])
    answers = [
        iam.list_roles(), iam.get_role_policy(RoleName="role", PolicyName="policy"),
        logs.describe_log_groups(), secrets.get_secret_value(SecretId="secret"), secrets.list_secrets(),
        ec2.describe_security_groups(), ec2.describe_vpcs(), ec2.describe_subnets(),
        lambda_.get_function_configuration(FunctionName="function"),
        lambda_.get_function_configuration(FunctionName="function", Qualifier="live"),
        lambda_.list_versions_by_function(FunctionName="function"), lambda_.list_aliases(FunctionName="function"),
        lambda_.get_policy(FunctionName="function", Qualifier="live"),
        gateway.get_apis(), gateway.get_routes(ApiId=api), gateway.get_integrations(ApiId=api),
        gateway.get_stages(ApiId=api),
        rds.describe_db_subnet_groups(), s3.list_objects_v2(Bucket="bucket"),
    ]  # fmt: skip
    for answer in answers:
        del answer["ResponseMetadata"]
    (database,) = rds.describe_db_instances()["DBInstances"]
    del database["LatestRestorableTime"]
    body = s3.get_object(Bucket="bucket", Key="index.html")["Body"].read()
    return [*answers, database, code.read(), body]


def forget_database(process):
    rds = process.client("rds")
    rds.delete_db_instance(DBInstanceIdentifier="database", SkipFinalSnapshot=True)
    end = time.monotonic() + 10
    while rds.describe_db_instances()["DBInstances"]:
        assert time.monotonic() < end
        time.sleep(0.02)


def wait_until_empty(folder):
    end = time.monotonic() + 5
    while list(folder.iterdir()):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_everything_is_there_after_a_stop_and_after_a_kill(home, postgres):
    with Process(home, postgres.port) as first:
        make_everything(first)
        before = everything(first)
    with Process(home, postgres.port) as second:
        assert everything(second) == before
        second.client("logs").put_retention_policy(logGroupName="/aws/lambda/function", retentionInDays=30)
        time.sleep(1.0)
        second.kill()
    with Process(home, postgres.port) as third:
        (group,) = third.client("logs").describe_log_groups()["logGroups"]
        assert group["retentionInDays"] == 30
        assert third.client("lambda").publish_version(FunctionName="function")["Version"] == "1"
        forget_database(third)
        assert list((home / "aws" / "blobs").iterdir())
        third.client("lambda").delete_function(FunctionName="function")
        third.client("s3").delete_object(Bucket="bucket", Key="index.html")
        wait_until_empty(home / "aws" / "blobs")
        assert "was not saved" not in third.log.read_text()
        second.process = third.process
    holders = [path for path in home.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert holders
    assert {path.relative_to(home).parts[0] for path in holders} == {"secrets"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in holders)


def test_an_interrupted_creation_goes_on(home, postgres):
    with Process(home, postgres.port) as first:
        subnets = [s["SubnetId"] for s in first.client("ec2").describe_subnets()["Subnets"]]
        group = first.client("ec2").create_security_group(GroupName="group", Description="d")["GroupId"]
        first.client("rds").create_db_subnet_group(
            DBSubnetGroupName="subnets", DBSubnetGroupDescription="d", SubnetIds=subnets
        )
        first.client("rds").create_db_instance(
            DBInstanceIdentifier="database", DBInstanceClass="db.t3.small", Engine="postgres", AllocatedStorage=20,
            MasterUsername="state_admin", MasterUserPassword=SECRET, DBName="state", VpcSecurityGroupIds=[group],
        )  # fmt: skip
    with Process(home, postgres.port) as second:
        second.client("rds").get_waiter("db_instance_available").wait(
            DBInstanceIdentifier="database", WaiterConfig={"Delay": 0.05, "MaxAttempts": 200}
        )
        forget_database(second)


def test_an_unreadable_file_is_put_aside(home, postgres):
    with Process(home, postgres.port) as first:
        first.client("secretsmanager").create_secret(Name="secret", SecretString=SECRET)
        first.client("logs").create_log_group(logGroupName="kept")
    (home / "secrets" / "aws" / "secretsmanager.pickle").write_bytes(b"\x80\x05garbage")
    with Process(home, postgres.port) as second:
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            second.client("secretsmanager").get_secret_value(SecretId="secret")
        assert [g["logGroupName"] for g in second.client("logs").describe_log_groups()["logGroups"]] == ["kept"]
    assert list((home / "secrets" / "aws").glob("secretsmanager.unreadable-*"))
    assert "the saved state of secretsmanager is unreadable and was moved to" in second.log.read_text()


def test_what_leads_to_a_database_follows_it_to_another_port(home, postgres):
    login = {"host": "127.0.0.1", "port": postgres.port, "username": "state_admin", "password": SECRET}
    login |= {"dbname": "state"}
    url = f"postgresql://state_admin:{SECRET}@127.0.0.1:{{}}/state"
    with Process(home, postgres.port) as first:
        make_everything(first)
        first.client("secretsmanager").create_secret(Name="login", SecretString=json.dumps(login))
        functions = first.client("lambda")
        variables = {"DATABASE_URL": url.format(postgres.port), "OTHER": "as it was"}
        functions.update_function_configuration(FunctionName="function", Environment={"Variables": variables})
        functions.get_waiter("function_updated_v2").wait(FunctionName="function")
        assert functions.publish_version(FunctionName="function")["Version"] == "2"
    port = free_port()
    with Process(home, port) as second:
        secret = second.client("secretsmanager").get_secret_value(SecretId="login")
        assert json.loads(secret["SecretString"]) == login | {"port": port}
        assert second.client("secretsmanager").get_secret_value(SecretId="secret")["SecretString"] == SECRET
        functions = second.client("lambda")
        for version in ("$LATEST", "2"):
            found = functions.get_function_configuration(FunctionName="function", Qualifier=version)["Environment"]
            assert found["Variables"] == {"DATABASE_URL": url.format(port), "OTHER": "as it was"}
        (instance,) = second.client("rds").describe_db_instances()["DBInstances"]
        assert instance["Endpoint"]["Port"] == port
        assert json.loads((home / "secrets" / "rds.json").read_text())["database"]["port"] == port
        assert SECRET not in second.log.read_text()
    with psycopg.connect(postgres.dsn(), autocommit=True) as admin:
        admin.execute("DROP DATABASE state WITH (FORCE)")
        admin.execute("DROP ROLE state_admin")
