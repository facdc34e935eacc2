"""The door to AWS: planning cannot write, the account is checked first. No network: botocore's stubber answers."""

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from blocks.aws import Aws, PlanningCannotWrite, WrongAccount, is_read, refuse_writes
from deployments.settings import build_environment


@pytest.mark.parametrize(
    "operation", ["DescribeDBInstances", "GetFunction", "ListTagsForResource", "HeadBucket", "FilterLogEvents"]
)
def test_reads(operation: str) -> None:
    assert is_read(operation)


@pytest.mark.parametrize(
    "operation", ["CreateDBInstance", "Invoke", "PutRolePolicy", "TagResource", "GetSessionToken", "StartDBInstance"]
)
def test_writes(operation: str) -> None:
    assert not is_read(operation)


class StubbedDoor(Aws):
    """A door whose STS answers a fixed account."""

    answers: str = "999999999999"

    def _make(self, service: str) -> Any:
        client = boto3.client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
        if service == "sts":
            stubber = Stubber(client)
            stubber.add_response(
                "get_caller_identity", {"Account": self.answers, "UserId": "u", "Arn": "arn:aws:iam::1:user/u"}
            )
            stubber.activate()
        return client


def door(account: str, *, planning: bool = False) -> StubbedDoor:
    staging = build_environment("staging", {"account_id": account, "region": "us-east-1"})
    return StubbedDoor(staging.credentials, account_id=account, planning=planning)


def test_a_wrong_account_stops_before_any_client_is_handed_out() -> None:
    with pytest.raises(WrongAccount, match=r"'999999999999'.*nothing was read or written"):
        door("1" * 12)("rds")


def test_the_account_is_asked_once() -> None:
    opened = door("9" * 12)
    assert opened("rds") is opened("rds")
    opened("lambda")


def test_a_planning_client_refuses_writes_inside_botocore() -> None:
    client = boto3.client("rds", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    client.meta.events.register("before-call", refuse_writes)
    with pytest.raises(PlanningCannotWrite, match=r"may not call rds\.DeleteDBInstance"):
        client.delete_db_instance(DBInstanceIdentifier="x")


def test_a_planning_door_lets_pass_what_it_was_told_to_and_no_more() -> None:
    staging = build_environment("staging", {"account_id": "1" * 12, "region": "us-east-1"})
    client = staging.aws(planning=True, besides=("lambda.Invoke",))._make("lambda")
    with Stubber(client) as stubber:
        stubber.add_response("invoke", {"StatusCode": 200})
        client.invoke(FunctionName="f")
    with pytest.raises(PlanningCannotWrite, match=r"may not call lambda\.InvokeAsync"):
        client.invoke_async(FunctionName="f", InvokeArgs=b"")
    with pytest.raises(PlanningCannotWrite):
        client.publish_version(FunctionName="f")


def test_planning_and_applying_clients_are_never_shared() -> None:
    staging = build_environment("staging", {"account_id": "1" * 12, "region": "us-east-1"})
    planning, applying = staging.aws(planning=True), staging.aws()
    assert planning._make("rds") is not applying._make("rds")
    with pytest.raises(PlanningCannotWrite):
        planning._make("rds").delete_db_instance(DBInstanceIdentifier="x")
