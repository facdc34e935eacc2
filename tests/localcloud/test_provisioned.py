"""Provisioned concurrency in the embedded cloud: processes that have started before anybody asks, and stay."""

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud import lambda_runtime
from localcloud.cloud import Cloud
from tests.localcloud.conftest import Client
from tests.localcloud.lambda_support import Deployer, limited

SOURCE = """
import os
STARTED = os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]
def handler(event, context):
    return {"pid": os.getpid(), "started": STARTED}
"""


@pytest.fixture
def lab(cloud: Cloud, aws: Client) -> Iterator[Deployer]:
    lab = Deployer(cloud, aws)
    lab.python(SOURCE)
    lab.aws("lambda").publish_version(FunctionName="f")
    yield lab
    lab.clear()


def config(lab: Deployer, qualifier: str = "1") -> dict[str, Any]:
    return dict(lab.aws("lambda").get_provisioned_concurrency_config(FunctionName="f", Qualifier=qualifier))


def provide(lab: Deployer, number: int, qualifier: str = "1") -> dict[str, Any]:
    """Ask for it, and wait until it is no longer in progress."""
    client = lab.aws("lambda")
    wish = {"FunctionName": "f", "Qualifier": qualifier, "ProvisionedConcurrentExecutions": number}
    assert client.put_provisioned_concurrency_config(**wish)["Status"] == "IN_PROGRESS"
    for _ in range(1000):
        if (now := config(lab, qualifier))["Status"] != "IN_PROGRESS":
            return now
        time.sleep(0.02)
    raise AssertionError("still in progress")


def refused(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(FunctionName="f", **arguments)
    return str(caught.value.response["Error"]["Code"])


def test_processes_wait_before_the_first_request_and_are_replaced(lab: Deployer) -> None:
    now = provide(lab, 2)
    assert (now["Status"], now["AvailableProvisionedConcurrentExecutions"]) == ("READY", 2)
    waiting = lambda_runtime.of(lab.cloud).sandboxes
    assert [(sandbox.state, sandbox.provisioned) for sandbox in waiting] == [("idle", True)] * 2
    answer = lab.invoke(Qualifier="1")["Payload"]
    assert answer["started"] == "provisioned-concurrency"
    os.kill(answer["pid"], signal.SIGKILL)
    deadline = time.monotonic() + 30
    while answer["pid"] in pids(lab) or config(lab)["Status"] != "READY":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(pids(lab)) == 2


def pids(lab: Deployer) -> set[int]:
    return {sandbox._process.pid for sandbox in lambda_runtime.of(lab.cloud).sandboxes if sandbox._process}


def test_they_stay_without_work_and_end_when_nobody_wants_them(lab: Deployer) -> None:
    with limited(lab.cloud, idle_s=0.05):
        provide(lab, 1)
        lab.invoke(Qualifier="1")
        time.sleep(0.3)
        assert len(lambda_runtime.of(lab.cloud).sandboxes) == 1
        lab.aws("lambda").delete_provisioned_concurrency_config(FunctionName="f", Qualifier="1")
        deadline = time.monotonic() + 30
        while lambda_runtime.of(lab.cloud).sandboxes:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    client = lab.aws("lambda")
    code = "ProvisionedConcurrencyConfigNotFoundException"
    assert refused(client.get_provisioned_concurrency_config, Qualifier="1") == code
    assert refused(client.delete_provisioned_concurrency_config, Qualifier="1") == code


def test_an_alias_takes_them_along(lab: Deployer) -> None:
    client = lab.aws("lambda")
    client.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    assert provide(lab, 1, "live")["Status"] == "READY"
    (listed,) = client.list_provisioned_concurrency_configs(FunctionName="f")["ProvisionedConcurrencyConfigs"]
    assert listed["FunctionArn"].endswith(":function:f:live")
    assert refused(
        client.put_provisioned_concurrency_config, Qualifier="1", ProvisionedConcurrentExecutions=1
    ) == "ResourceConflictException"  # fmt: skip
    client.delete_alias(FunctionName="f", Name="live")
    assert client.list_provisioned_concurrency_configs(FunctionName="f")["ProvisionedConcurrencyConfigs"] == []


@pytest.mark.parametrize(
    ("qualifier", "number", "code"),
    [
        ("$LATEST", 1, "InvalidParameterValueException"),
        ("7", 1, "ResourceNotFoundException"),
        ("nowhere", 1, "ResourceNotFoundException"),
        ("1", 3, "InvalidParameterValueException"),
    ],
    ids=["not published", "no such version", "no such alias", "more than is reserved"],
)
def test_what_is_refused(lab: Deployer, qualifier: str, number: int, code: str) -> None:
    client = lab.aws("lambda")
    client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=2)
    found = refused(
        client.put_provisioned_concurrency_config, Qualifier=qualifier, ProvisionedConcurrentExecutions=number
    )
    assert found == code


def test_a_version_that_cannot_start_is_failed(cloud: Cloud, aws: Client) -> None:
    lab = Deployer(cloud, aws)
    lab.python("raise RuntimeError('not today')")
    lab.aws("lambda").publish_version(FunctionName="f")
    now = provide(lab, 1)
    assert (now["Status"], now["StatusReason"]) == ("FAILED", "FUNCTION_ERROR_INIT_FAILURE")
    lab.clear()
