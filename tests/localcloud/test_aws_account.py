"""IAM, logs, secrets and the network: what AWS refuses there."""

import json

import pytest
from botocore.exceptions import ClientError


def refusal(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"]


def trust(**statement):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


@pytest.mark.parametrize(
    "document",
    [
        "{not json",
        trust(Action="sts:AssumeRole"),
        trust(Action="s3:GetObject", Principal={"Service": "lambda.amazonaws.com"}),
        trust(Action="sts:AssumeRole", Principal={"Service": "lambda.amazonaws.com"}, Resource="*"),
    ],
)
def test_a_trust_policy_is_checked(aws, document):
    assert refusal(aws("iam").create_role, RoleName="r", AssumeRolePolicyDocument=document) == (
        "MalformedPolicyDocument"
    )


def test_a_role_is_made_once(aws):
    document = trust(Action="sts:AssumeRole", Principal={"Service": "lambda.amazonaws.com"})
    aws("iam").create_role(RoleName="r", AssumeRolePolicyDocument=document)
    assert refusal(aws("iam").create_role, RoleName="r", AssumeRolePolicyDocument=document) == "EntityAlreadyExists"


def test_a_retention_is_one_of_a_list(aws):
    aws("logs").create_log_group(logGroupName="g")
    assert refusal(aws("logs").put_retention_policy, logGroupName="g", retentionInDays=13) == (
        "InvalidParameterException"
    )
    aws("logs").put_retention_policy(logGroupName="g", retentionInDays=14)


def test_the_name_of_a_deleted_secret_is_blocked(aws):
    secrets = aws("secretsmanager")
    secrets.create_secret(Name="s", SecretString="x")
    assert refusal(secrets.create_secret, Name="s", SecretString="y") == "ResourceExistsException"
    secrets.delete_secret(SecretId="s")
    assert refusal(secrets.create_secret, Name="s", SecretString="y") == "InvalidRequestException"
    assert refusal(secrets.get_secret_value, SecretId="s") == "InvalidRequestException"
    secrets.restore_secret(SecretId="s")
    assert secrets.get_secret_value(SecretId="s")["SecretString"] == "x"


def group(ec2, name):
    return ec2.create_security_group(GroupName=name, Description=name)["GroupId"]


def test_the_default_network_is_there(aws):
    ec2 = aws("ec2")
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["Subnets"]
    assert len({subnet["AvailabilityZone"] for subnet in subnets}) == 6


def test_a_security_group_that_another_names_stays(aws):
    ec2 = aws("ec2")
    database, function = group(ec2, "database"), group(ec2, "function")
    ec2.authorize_security_group_ingress(
        GroupId=database,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "UserIdGroupPairs": [{"GroupId": function}]}
        ],
    )
    assert refusal(ec2.delete_security_group, GroupId=function) == "DependencyViolation"
    ec2.delete_security_group(GroupId=database)
    ec2.delete_security_group(GroupId=function)
    assert refusal(ec2.delete_security_group, GroupId=function) == "InvalidGroup.NotFound"


def test_a_security_group_of_a_database_or_an_endpoint_stays(aws):
    ec2 = aws("ec2")
    used = group(ec2, "used")
    aws("rds").create_db_instance(
        DBInstanceIdentifier="d", DBInstanceClass="db.t3.small", Engine="postgres", AllocatedStorage=20,
        MasterUsername="network_admin", MasterUserPassword="long-enough", VpcSecurityGroupIds=[used],
    )  # fmt: skip
    assert refusal(ec2.delete_security_group, GroupId=used) == "DependencyViolation"
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]]
    of_endpoint = group(ec2, "endpoint")
    endpoint = ec2.create_vpc_endpoint(
        VpcEndpointType="Interface", VpcId=vpc, ServiceName="com.amazonaws.us-east-1.secretsmanager",
        SubnetIds=subnets[:2], SecurityGroupIds=[of_endpoint], PrivateDnsEnabled=True,
    )["VpcEndpoint"]  # fmt: skip
    assert endpoint["State"] == "available"
    assert [g["GroupId"] for g in endpoint["Groups"]] == [of_endpoint]
    assert refusal(ec2.delete_security_group, GroupId=of_endpoint) == "DependencyViolation"
    ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint["VpcEndpointId"]])
    ec2.delete_security_group(GroupId=of_endpoint)


def test_a_dry_run_does_nothing(aws):
    ec2 = aws("ec2")
    assert refusal(ec2.create_security_group, GroupName="dry", Description="dry", DryRun=True) == "DryRunOperation"
    assert refusal(ec2.create_vpc, CidrBlock="10.0.0.0/16", DryRun=True) == "DryRunOperation"
    assert len(ec2.describe_vpcs()["Vpcs"]) == 1


def test_an_endpoint_is_made_once(aws):
    ec2 = aws("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    wanted = {
        "VpcEndpointType": "Interface",
        "VpcId": vpc,
        "ServiceName": "com.amazonaws.us-east-1.secretsmanager",
        "SubnetIds": [subnet],
        "PrivateDnsEnabled": True,
    }
    first = ec2.create_vpc_endpoint(**wanted, ClientToken="a")["VpcEndpoint"]["VpcEndpointId"]
    assert ec2.create_vpc_endpoint(**wanted, ClientToken="a")["VpcEndpoint"]["VpcEndpointId"] == first
    with pytest.raises(ClientError, match="conflicting DNS domain"):
        ec2.create_vpc_endpoint(**wanted, ClientToken="b")
