"""What tests of the tasks share: an environment, a rollout, and a tap on its AWS clients.

Without an endpoint the environment is called `testing` and is meant for `moto.mock_aws()`; with one on loopback it is
`local`. Every rollout has clients of its own, so what is tapped in one test is not heard in another.
"""

import functools
import itertools
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boto3
from botocore.exceptions import ClientError
from prefect_aws import AwsCredentials
from prefect_aws.client_parameters import AwsClientParameters

from blocks.aws import Aws
from blocks.environment import Environment
from tasks.changes import Rollout

# moto would make 1,300 machine images for each mock_aws(), which takes 0.1 s.
os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")

MOTO_ACCOUNT = "123456789012"
CLOUD_ACCOUNT = "211234825975"

Answer = Callable[[dict[str, Any]], Any]


def make_environment(endpoint: str | None = None, **overrides: Any) -> Environment:
    """An environment on `endpoint` (the embedded cloud), or for `mock_aws` when there is none."""
    fields: dict[str, Any] = {
        "name": "local" if endpoint else "testing",
        "account_id": CLOUD_ACCOUNT if endpoint else MOTO_ACCOUNT,
        "credentials": AwsCredentials(
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            aws_client_parameters=AwsClientParameters(endpoint_url=endpoint),
        ),
    }
    return Environment(**{**fields, **overrides})


def make_rollout(
    environment: Environment | None = None, *, planning: bool = False, adopt: bool = False, release: str = "test-1"
) -> Rollout:
    """A run's hold on the environment; a planning one cannot write."""
    environment = environment or make_environment()
    aws = Aws(environment.credentials, account_id=environment.account_id, planning=planning, session=_session())
    return Rollout(environment, aws, release=release, adopt=adopt)


@functools.cache
def _session() -> boto3.Session:
    """One session for all tests, since reading botocore's models takes most of a client's time."""
    return boto3.Session(region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")


def changes_of(rollout: Rollout) -> list[str]:
    """The rollout's changes as people read them, without the reasons."""
    return [str(replace(change, why="")) for change in rollout.changes]


def aws_error(code: str, operation: str = "Operation", message: str = "") -> ClientError:
    """The error that boto3 raises when AWS answers `code`."""
    return ClientError({"Error": {"Code": code, "Message": message or code}}, operation)


def record_calls(rollout: Rollout, *services: str) -> list[str]:
    """A list that grows by the name of each operation these services are asked for."""
    calls: list[str] = []
    for service in services:
        events = rollout.aws(service).meta.events
        events.register_first("before-call", lambda model, **_: calls.append(model.name))
    return calls


def answer_call(rollout: Rollout, service: str, operation: str, answer: Answer, *, times: int | None = None) -> None:
    """Answer an operation instead of AWS, the first `times` times.

    `answer` is handed the request as botocore serialised it and gives a response; it may raise, and None lets the
    call through.
    """
    left = itertools.count() if times is None else iter(range(times))

    def intercept(model: Any, params: dict[str, Any], **_: Any) -> Any:
        if model.name != operation or next(left, None) is None:
            return None
        response = answer(params)
        return None if response is None else (_Ok(), response)

    rollout.aws(service).meta.events.register_first("before-call", intercept)


def before_call(rollout: Rollout, service: str, operation: str, do: Callable[[], object]) -> None:
    """Do something once, just before an operation reaches AWS: another run that is faster, say."""

    def act(_: dict[str, Any]) -> None:
        do()

    answer_call(rollout, service, operation, act, times=1)


def fail_call(
    rollout: Rollout, service: str, operation: str, code: str, *, message: str = "", times: int | None = 1
) -> None:
    """Let an operation fail with an AWS error code, once unless told otherwise."""

    def refuse(_: dict[str, Any]) -> Any:
        raise aws_error(code, operation, message)

    answer_call(rollout, service, operation, refuse, times=times)


class _Ok:
    """The HTTP response that botocore looks at beside the parsed one."""

    status_code = 200
