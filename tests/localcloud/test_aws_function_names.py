"""A function by every name that AWS takes for it, in the calls of flows and of people's command lines."""

import json

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.lambda_support import NATIVE, NATIVE_ZIP, Deployer

NAME = "f"
BASE = f"arn:aws:lambda:us-east-1:211234825975:function:{NAME}"
ALIASED = [f"{NAME}:live", f"{BASE}:live", f"211234825975:function:{NAME}:live", f"us-east-1:211234825975:{NAME}:live"]
PLAIN = [NAME, BASE, f"211234825975:function:{NAME}", f"function:{NAME}"]


@pytest.fixture
def lambda_(cloud, aws):
    """Version 1 under alias `live`, version 2 under none."""
    client = aws("lambda")
    Deployer(cloud, aws).function(NATIVE_ZIP, name=NAME, runtime=NATIVE, handler="bootstrap")
    client.publish_version(FunctionName=NAME)
    client.create_alias(FunctionName=NAME, Name="live", FunctionVersion="1")
    client.update_function_configuration(FunctionName=NAME, MemorySize=256)
    client.get_waiter("function_updated_v2").wait(FunctionName=NAME, WaiterConfig={"Delay": 0.01, "MaxAttempts": 500})
    client.publish_version(FunctionName=NAME)
    return client


def refusal(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"]


def permission(name, **changes):
    return {
        "FunctionName": name, "StatementId": "api", "Action": "lambda:InvokeFunction",
        "Principal": "apigateway.amazonaws.com", **changes,
    }  # fmt: skip


@pytest.mark.parametrize("name", ALIASED)
def test_permissions_of_an_alias_by_its_name(lambda_, name):
    lambda_.add_permission(**permission(name))
    assert refusal(lambda_.get_policy, FunctionName=NAME) == "ResourceNotFoundException"
    for how in ({"FunctionName": name}, {"FunctionName": NAME, "Qualifier": "live"}):
        (statement,) = json.loads(lambda_.get_policy(**how)["Policy"])["Statement"]
        assert statement["Resource"] == f"{BASE}:live"
    assert refusal(lambda_.add_permission, **permission(name)) == "ResourceConflictException"
    lambda_.remove_permission(FunctionName=name, StatementId="api")
    assert refusal(lambda_.get_policy, FunctionName=name) == "ResourceNotFoundException"
    assert refusal(lambda_.remove_permission, FunctionName=name, StatementId="api") == "ResourceNotFoundException"


@pytest.mark.parametrize("name", ALIASED)
def test_reading_and_running_an_alias_by_its_name(lambda_, name):
    configuration = lambda_.get_function(FunctionName=name)["Configuration"]
    assert (configuration["FunctionArn"], configuration["Version"]) == (f"{BASE}:live", "1")
    assert lambda_.get_function_configuration(FunctionName=name)["FunctionArn"] == f"{BASE}:live"
    answer = lambda_.invoke(FunctionName=name, Payload=b"{}")
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "1")


@pytest.mark.parametrize("name", PLAIN)
def test_a_function_by_its_plain_names(lambda_, name):
    assert lambda_.get_function(FunctionName=name)["Configuration"]["FunctionArn"] == BASE
    assert lambda_.get_function(FunctionName=name, Qualifier="2")["Configuration"]["FunctionArn"] == f"{BASE}:2"
    latest = lambda_.get_function_configuration(FunctionName=f"{name}:$LATEST")
    assert (latest["FunctionArn"], latest["Version"]) == (f"{BASE}:$LATEST", "$LATEST")
    listed = lambda_.list_versions_by_function(FunctionName=name)["Versions"]
    assert [version["Version"] for version in listed] == ["$LATEST", "1", "2"]
    assert [alias["Name"] for alias in lambda_.list_aliases(FunctionName=name)["Aliases"]] == ["live"]
    assert lambda_.list_aliases(FunctionName=name, FunctionVersion="2")["Aliases"] == []
    lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=3)
    assert lambda_.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"] == 3
    assert lambda_.get_alias(FunctionName=name, Name="live")["FunctionVersion"] == "1"


def test_what_aws_refuses_of_names(lambda_):
    mismatch = {"FunctionName": f"{NAME}:live", "Qualifier": "2"}
    assert refusal(lambda_.get_policy, **mismatch) == "InvalidParameterValueException"
    assert lambda_.get_function(FunctionName=f"{NAME}:2", Qualifier="2")["Configuration"]["Version"] == "2"
    for call in (lambda_.publish_version, lambda_.list_aliases, lambda_.get_function_concurrency):
        assert refusal(call, FunctionName=f"{NAME}:live") == "InvalidParameterValueException"
    elsewhere = [BASE.replace("us-east-1", "eu-west-1"), BASE.replace("211234825975", "123456789012"), f"{NAME}:no"]
    for name in elsewhere:
        assert refusal(lambda_.get_function, FunctionName=name) == "ResourceNotFoundException"
    for call in (lambda_.list_versions_by_function, lambda_.list_aliases, lambda_.get_function_concurrency):
        assert refusal(call, FunctionName="nobody") == "ResourceNotFoundException"
    assert refusal(lambda_.get_function, FunctionName="a:b:c:d") == "ValidationException"
    assert refusal(lambda_.add_permission, **permission(NAME, Qualifier="$LATEST")) == "InvalidParameterValueException"


def test_a_policy_has_revisions_and_goes_with_its_alias(lambda_):
    lambda_.add_permission(**permission(f"{NAME}:live"))
    stale = {"FunctionName": f"{NAME}:live", "StatementId": "api", "RevisionId": "0"}
    assert refusal(lambda_.remove_permission, **stale) == "PreconditionFailedException"
    lambda_.delete_alias(FunctionName=NAME, Name="live")
    lambda_.create_alias(FunctionName=NAME, Name="live", FunctionVersion="2")
    assert refusal(lambda_.get_policy, FunctionName=f"{NAME}:live") == "ResourceNotFoundException"
