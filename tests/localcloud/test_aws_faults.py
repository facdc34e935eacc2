"""Faults on demand, and the record of calls."""

import json
import urllib.error
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from localcloud.aws.faults import Call, Dropped, Fault


def code(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture
def logs(aws):
    return aws("logs")


def groups(logs):
    return [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]


def test_calls_are_recorded_by_boto3s_names(cloud, aws):
    aws("iam").list_roles()
    aws("lambda").list_functions()
    aws("apigatewayv2").get_apis()
    aws("s3").list_buckets()
    aws("logs").describe_log_groups()
    assert cloud.calls == [
        Call(1, "iam", "ListRoles"),
        Call(2, "lambda", "ListFunctions"),
        Call(3, "apigatewayv2", "GetApis"),
        Call(4, "s3", "ListBuckets"),
        Call(5, "logs", "DescribeLogGroups"),
    ]


@pytest.mark.parametrize(
    ("service", "call", "throttled", "conflict"),
    [
        ("lambda", "list_functions", ("TooManyRequestsException", 429), ("ResourceConflictException", 409)),
        ("rds", "describe_db_instances", ("Throttling", 400), ("InvalidDBInstanceState", 400)),
        ("iam", "list_roles", ("Throttling", 400), ("ConcurrentModification", 409)),
        ("ec2", "describe_vpcs", ("RequestLimitExceeded", 503), ("DependencyViolation", 400)),
        ("apigatewayv2", "get_apis", ("TooManyRequestsException", 429), ("ConflictException", 409)),
        ("logs", "describe_log_groups", ("ThrottlingException", 400), ("OperationAbortedException", 400)),
        ("s3", "list_buckets", ("SlowDown", 503), ("OperationAborted", 409)),
        ("secretsmanager", "list_secrets", ("ThrottlingException", 400), ("InvalidRequestException", 400)),
        ("sts", "get_caller_identity", ("Throttling", 400), ("ConflictException", 409)),
    ],
)
def test_each_service_is_faulty_in_its_own_words(cloud, aws, service, call, throttled, conflict):
    for kind, expected in (
        ("throttle", throttled),
        ("server-error", ("InternalFailure", 500)),
        ("conflict", conflict),
    ):
        cloud.faults.add(Fault(kind))
        assert code(getattr(aws(service), call)) == expected
    getattr(aws(service), call)()


def test_iam_is_late_for_the_first_calls(cloud, aws):
    cloud.faults.add(Fault("iam-delay", service="lambda", operation="ListFunctions", times=2))
    for _ in range(2):
        assert code(aws("lambda").list_functions) == ("InvalidParameterValueException", 400)
    aws("lambda").list_functions()


def test_a_fault_waits_for_its_call(cloud, logs):
    cloud.faults.add(Fault("throttle", call=3))
    logs.describe_log_groups()
    logs.describe_log_groups()
    assert code(logs.describe_log_groups)[0] == "ThrottlingException"
    logs.describe_log_groups()


def test_a_fault_may_let_some_through(cloud, logs):
    cloud.faults.add(Fault("error", operation="DescribeLogGroups", skip=1, code="Mine", message="m", status=418))
    logs.describe_log_groups()
    assert code(logs.describe_log_groups) == ("Mine", 418)


def test_a_broken_connection_before_and_after(cloud, logs):
    cloud.faults.add(Fault("reset", operation="CreateLogGroup"))
    with pytest.raises(ConnectionClosedError):
        logs.create_log_group(logGroupName="lost")
    assert groups(logs) == []
    cloud.faults.add(Fault("reset", operation="CreateLogGroup", when="after"))
    with pytest.raises(ConnectionClosedError):
        logs.create_log_group(logGroupName="done")
    assert groups(logs) == ["done"]


def test_done_but_the_answer_was_an_error(cloud, logs):
    cloud.faults.add(Fault("server-error", operation="CreateLogGroup", when="after"))
    assert code(logs.create_log_group, logGroupName="done")[1] == 500
    assert groups(logs) == ["done"]


def test_botocore_gets_over_what_passes(cloud, aws):
    patient = boto3.client(
        "logs", endpoint_url=cloud.aws_endpoint, region_name="us-east-1", aws_access_key_id="a",
        aws_secret_access_key="b", config=Config(retries={"mode": "standard", "total_max_attempts": 4}),
    )  # fmt: skip
    for kind in ("throttle", "server-error", "reset"):
        cloud.faults.add(Fault(kind))
    patient.create_log_group(logGroupName="g")
    assert len(cloud.calls) == 4


def test_a_watcher_sees_both_sides_and_may_drop_the_call(cloud, logs):
    seen = []

    def watch(number, service, operation, phase):
        seen.append((number, service, operation, phase, groups_inside(cloud)))
        if len(seen) == 3:
            raise Dropped

    cloud.faults.on_call = watch
    logs.create_log_group(logGroupName="g")
    with pytest.raises(ConnectionClosedError):
        logs.create_log_group(logGroupName="h")
    assert seen == [
        (1, "logs", "CreateLogGroup", "before", []),
        (1, "logs", "CreateLogGroup", "after", ["g"]),
        (2, "logs", "CreateLogGroup", "before", ["g"]),
    ]


def groups_inside(cloud):
    return list(cloud.backend("logs").groups)


def ask(cloud, method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{cloud.aws_endpoint}/_cloud/{path}", data=data, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def test_faults_over_http(cloud, logs):
    (active,) = ask(cloud, "POST", "faults", {"kind": "throttle", "service": "logs", "times": 2})
    assert (active["kind"], active["times"]) == ("throttle", 2)
    assert code(logs.describe_log_groups)[0] == "ThrottlingException"
    assert ask(cloud, "GET", "faults")[0]["times"] == 1
    assert ask(cloud, "GET", "calls") == [{"number": 1, "service": "logs", "operation": "DescribeLogGroups"}]
    assert ask(cloud, "DELETE", "faults") == []
    logs.describe_log_groups()
    assert ask(cloud, "GET", "calls")[0]["number"] == 1


def test_a_bad_fault_over_http_says_what_is_wrong(cloud, aws):
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(cloud, "POST", "faults", {"kind": "meteor"})
    with caught.value as answer:
        assert answer.code == 400
        assert "meteor" in answer.read().decode()
