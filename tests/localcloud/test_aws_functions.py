"""Lambda's control plane: states, revisions, refusals, versions, aliases, policies, and code that comes back."""

import base64
import hashlib
import io
import json
import time
import urllib.error
import urllib.request
import zipfile

import pytest
from botocore.exceptions import ClientError

NAME = "miyabi-api-test"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def package(text="#!/bin/sh\n"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("bootstrap"), text)
    return buffer.getvalue()


@pytest.fixture
def role(aws):
    return make_role(aws, "miyabi-lambda-test", "lambda.amazonaws.com")


def make_role(aws, name, service):
    trust = json.dumps(TRUST).replace("lambda.amazonaws.com", service)
    return aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]


@pytest.fixture
def lambda_(aws):
    return aws("lambda")


@pytest.fixture
def create(lambda_, role):
    def create(**changes):
        arguments = {
            "FunctionName": NAME, "Runtime": "provided.al2023", "Handler": "bootstrap", "Role": role,
            "Code": {"ZipFile": package()}, "MemorySize": 512, "Timeout": 30, **changes,
        }  # fmt: skip
        return lambda_.create_function(**{key: value for key, value in arguments.items() if value is not None})

    return create


@pytest.fixture
def function(create, lambda_):
    create()
    return settled(lambda_)


def settled(lambda_):
    end = time.monotonic() + 5
    while True:
        found = lambda_.get_function_configuration(FunctionName=NAME)
        if found["State"] == "Active" and found["LastUpdateStatus"] == "Successful":
            return found
        assert time.monotonic() < end
        time.sleep(0.01)


def refusal(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def change(lambda_, text):
    lambda_.update_function_code(FunctionName=NAME, ZipFile=package(text))
    settled(lambda_)


def test_a_new_function_is_pending_and_then_active(create, lambda_):
    made = create()
    assert (made["State"], made["StateReasonCode"]) == ("Pending", "Creating")
    assert made["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{NAME}"}
    assert refusal(lambda_.publish_version, FunctionName=NAME)[0] == "ResourceConflictException"
    lambda_.get_waiter("function_active_v2").wait(FunctionName=NAME)
    assert settled(lambda_)["RevisionId"] == made["RevisionId"]


def test_an_update_is_in_progress_for_a_moment(function, lambda_):
    answer = lambda_.update_function_configuration(FunctionName=NAME, Timeout=20)
    assert answer["LastUpdateStatus"] == "InProgress"
    assert answer["RevisionId"] != function["RevisionId"]
    for call, arguments in (
        (lambda_.update_function_code, {"ZipFile": package("x")}),
        (lambda_.update_function_configuration, {"Timeout": 10}),
        (lambda_.publish_version, {}),
    ):
        code, words = refusal(call, FunctionName=NAME, **arguments)
        assert code == "ResourceConflictException"
        assert "update is in progress" in words
    lambda_.get_waiter("function_updated_v2").wait(FunctionName=NAME)
    assert settled(lambda_)["Timeout"] == 20
    assert settled(lambda_)["LastModified"] >= function["LastModified"]


def test_a_stale_revision_is_refused(function, lambda_):
    code, _ = refusal(lambda_.update_function_configuration, FunctionName=NAME, Timeout=9, RevisionId="stale")
    assert code == "PreconditionFailedException"
    lambda_.update_function_configuration(FunctionName=NAME, Timeout=9, RevisionId=function["RevisionId"])
    settled(lambda_)
    for call, arguments in ((lambda_.update_function_code, {"ZipFile": package("x")}), (lambda_.publish_version, {})):
        code, _ = refusal(call, FunctionName=NAME, RevisionId=function["RevisionId"], **arguments)
        assert code == "PreconditionFailedException"


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"Runtime": "cobol1"}, "InvalidParameterValueException", "enum value set"),
        ({"Runtime": "python3.6"}, "InvalidParameterValueException", "no longer supported"),
        ({"Handler": None}, "InvalidParameterValueException", "mandatory"),
        ({"MemorySize": 20000}, "ValidationException", "'memorySize'"),
        ({"Timeout": 1000}, "ValidationException", "'timeout'"),
        ({"Code": {"ZipFile": b"not a zip"}}, "InvalidParameterValueException", "Could not unzip"),
        ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "InvalidParameterValueException", "AWS_REGION"),
        ({"Environment": {"Variables": {"LONG": "x" * 5000}}}, "InvalidParameterValueException", "4KB"),
        ({"VpcConfig": {"SubnetIds": ["subnet-12345678"], "SecurityGroupIds": []}}, "InvalidParameterValueException",
         "subnet-12345678"),
    ],
)  # fmt: skip
def test_what_create_refuses(create, lambda_, changes, code, words):
    actual = refusal(create, **changes)
    assert actual[0] == code
    assert words in actual[1]
    assert lambda_.list_functions()["Functions"] == []


def test_the_role_must_trust_lambda(aws, create, role):
    other = make_role(aws, "miyabi-tasks-test", "ecs-tasks.amazonaws.com")
    for arn in (other, role + "-absent"):
        code, words = refusal(create, Role=arn)
        assert code == "InvalidParameterValueException"
        assert "cannot be assumed by Lambda" in words


def test_a_function_in_the_vpc_names_its_vpc(aws, create):
    subnet = aws("ec2").describe_subnets()["Subnets"][0]
    groups = aws("ec2").describe_security_groups()["SecurityGroups"]
    made = create(VpcConfig={"SubnetIds": [subnet["SubnetId"]], "SecurityGroupIds": [groups[0]["GroupId"]]})
    assert made["VpcConfig"]["VpcId"] == subnet["VpcId"]


def test_the_uploaded_zip_comes_back(function, lambda_, cloud):
    location = lambda_.get_function(FunctionName=NAME)["Code"]["Location"]
    with urllib.request.urlopen(location) as answer:
        content = answer.read()
    assert content == package()
    assert base64.b64encode(hashlib.sha256(content).digest()).decode() == function["CodeSha256"]
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(location.split("?")[0])


def test_an_unchanged_function_has_no_new_version(function, lambda_):
    assert lambda_.publish_version(FunctionName=NAME)["Version"] == "1"
    assert lambda_.publish_version(FunctionName=NAME)["Version"] == "1"
    change(lambda_, "second")
    assert lambda_.publish_version(FunctionName=NAME)["Version"] == "2"
    assert lambda_.publish_version(FunctionName=NAME)["Version"] == "2"
    lambda_.update_function_configuration(FunctionName=NAME, Timeout=7)
    settled(lambda_)
    assert lambda_.publish_version(FunctionName=NAME)["Version"] == "3"
    first = lambda_.get_function_configuration(FunctionName=NAME, Qualifier="1")
    assert (first["CodeSha256"], first["Timeout"], first["Version"]) == (function["CodeSha256"], 30, "1")


def test_a_version_number_is_not_used_twice(function, lambda_):
    lambda_.publish_version(FunctionName=NAME)
    change(lambda_, "second")
    lambda_.publish_version(FunctionName=NAME)
    lambda_.delete_function(FunctionName=NAME, Qualifier="2")
    change(lambda_, "third")
    assert lambda_.publish_version(FunctionName=NAME)["Version"] == "3"


def test_publish_checks_the_code(function, lambda_):
    code, words = refusal(lambda_.publish_version, FunctionName=NAME, CodeSha256="other")
    assert code == "InvalidParameterValueException"
    assert "different from current CodeSHA256" in words
    lambda_.publish_version(FunctionName=NAME, CodeSha256=function["CodeSha256"])


@pytest.fixture
def two_versions(function, lambda_):
    lambda_.publish_version(FunctionName=NAME)
    change(lambda_, "second")
    lambda_.publish_version(FunctionName=NAME)


def test_an_alias_moves_traffic_and_clears_it(two_versions, lambda_):
    made = lambda_.create_alias(FunctionName=NAME, Name="live", FunctionVersion="1")
    assert "RoutingConfig" not in made
    weights = {"AdditionalVersionWeights": {"2": 0.1}}
    moved = lambda_.update_alias(FunctionName=NAME, Name="live", RoutingConfig=weights)
    assert moved["RoutingConfig"] == weights
    assert moved["RevisionId"] != made["RevisionId"]
    assert refusal(lambda_.update_alias, FunctionName=NAME, Name="live", RevisionId=made["RevisionId"])[0] == (
        "PreconditionFailedException"
    )
    done = lambda_.update_alias(
        FunctionName=NAME, Name="live", FunctionVersion="2", RoutingConfig={"AdditionalVersionWeights": {}}
    )
    assert done["FunctionVersion"] == "2"
    assert "RoutingConfig" not in lambda_.get_alias(FunctionName=NAME, Name="live")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"FunctionVersion": "9"}, "ResourceNotFoundException"),
        ({"FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"9": 0.1}}},
         "ResourceNotFoundException"),
        ({"FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"2": 1.5}}}, "ValidationException"),
        ({"FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"1": 0.5}}},
         "InvalidParameterValueException"),
        ({"FunctionVersion": "$LATEST", "RoutingConfig": {"AdditionalVersionWeights": {"1": 0.5}}},
         "InvalidParameterValueException"),
    ],
)  # fmt: skip
def test_what_an_alias_cannot_be(two_versions, lambda_, arguments, code):
    assert refusal(lambda_.create_alias, FunctionName=NAME, Name="live", **arguments)[0] == code
    lambda_.create_alias(FunctionName=NAME, Name="live", FunctionVersion="1")
    assert refusal(lambda_.update_alias, FunctionName=NAME, Name="live", **arguments)[0] == code


def test_an_alias_exists_once_and_holds_its_versions(two_versions, lambda_):
    lambda_.create_alias(
        FunctionName=NAME, Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}}
    )
    assert refusal(lambda_.create_alias, FunctionName=NAME, Name="live", FunctionVersion="1")[0] == (
        "ResourceConflictException"
    )
    for version in ("1", "2"):
        code, words = refusal(lambda_.delete_function, FunctionName=NAME, Qualifier=version)
        assert code == "ResourceConflictException"
        assert "live" in words
    lambda_.delete_alias(FunctionName=NAME, Name="live")
    lambda_.delete_function(FunctionName=NAME, Qualifier="1")


def permission(**changes):
    return {
        "FunctionName": NAME, "StatementId": "api", "Action": "lambda:InvokeFunction",
        "Principal": "apigateway.amazonaws.com",
        "SourceArn": "arn:aws:execute-api:us-east-1:211234825975:abc123/*/*", **changes,
    }  # fmt: skip


def statements(lambda_, **qualifier):
    return json.loads(lambda_.get_policy(FunctionName=NAME, **qualifier)["Policy"])["Statement"]


def test_each_qualifier_has_its_own_policy(function, lambda_):
    lambda_.publish_version(FunctionName=NAME)
    lambda_.create_alias(FunctionName=NAME, Name="live", FunctionVersion="1")
    assert refusal(lambda_.get_policy, FunctionName=NAME)[0] == "ResourceNotFoundException"
    lambda_.add_permission(**permission(Qualifier="live"))
    assert refusal(lambda_.get_policy, FunctionName=NAME)[0] == "ResourceNotFoundException"
    (statement,) = statements(lambda_, Qualifier="live")
    assert statement["Resource"] == f"{function['FunctionArn']}:live"
    assert statement["Condition"] == {"ArnLike": {"AWS:SourceArn": permission()["SourceArn"]}}
    code, words = refusal(lambda_.add_permission, **permission(Qualifier="live"))
    assert code == "ResourceConflictException"
    assert "(api) provided already exists" in words
    lambda_.add_permission(**permission())
    lambda_.remove_permission(FunctionName=NAME, StatementId="api", Qualifier="live")
    assert refusal(lambda_.get_policy, FunctionName=NAME, Qualifier="live")[0] == "ResourceNotFoundException"
    assert statements(lambda_)[0]["Resource"] == function["FunctionArn"]
    assert refusal(lambda_.remove_permission, FunctionName=NAME, StatementId="api", Qualifier="live")[0] == (
        "ResourceNotFoundException"
    )


def test_concurrency_leaves_the_account_100(function, lambda_):
    assert refusal(lambda_.put_function_concurrency, FunctionName=NAME, ReservedConcurrentExecutions=950)[0] == (
        "InvalidParameterValueException"
    )
    assert "ReservedConcurrentExecutions" not in lambda_.get_function_concurrency(FunctionName=NAME)
    lambda_.put_function_concurrency(FunctionName=NAME, ReservedConcurrentExecutions=5)
    assert lambda_.get_function(FunctionName=NAME)["Concurrency"]["ReservedConcurrentExecutions"] == 5


def test_variables_are_replaced_as_a_whole_and_cleared(function, lambda_):
    for variables in ({"A": "1", "B_2": "2"}, {"C_3": "3"}):
        code = refusal(lambda_.update_function_configuration, FunctionName=NAME, Environment={"Variables": {"1": "x"}})
        assert code[0] == "ValidationException"
        variables = {f"K_{key}": value for key, value in variables.items()}
        lambda_.update_function_configuration(FunctionName=NAME, Environment={"Variables": variables})
        assert settled(lambda_)["Environment"]["Variables"] == variables
    lambda_.update_function_configuration(FunctionName=NAME, Environment={})
    assert "Environment" not in settled(lambda_)


def test_logging_goes_where_it_is_told(function, lambda_):
    lambda_.update_function_configuration(FunctionName=NAME, LoggingConfig={"LogGroup": "/elsewhere"})
    assert settled(lambda_)["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "/elsewhere"}


def test_a_dry_run_changes_nothing(function, lambda_):
    lambda_.update_function_code(FunctionName=NAME, ZipFile=package("other"), DryRun=True)
    assert settled(lambda_)["CodeSha256"] == function["CodeSha256"]
