"""What stops a run before it touches the wrong thing: account, endpoint, environment, and resources that are not ours.

Each test begins on an empty account.
"""

import asyncio
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from prefect_aws import AwsCredentials

from localcloud.cloud import Cloud
from tests.release.scene import FUNCTION, GOOD, Scene, load_block
from tests.release.zygote import Zygote

ROLE = "miyabi-lambda-local"
GROUP = "miyabi-database-local"


@pytest.fixture
def scene(cloud: Cloud, zygote: Zygote) -> Scene:
    """An empty account."""
    cloud.reset()
    return Scene(cloud, zygote)


def test_another_account_stops_the_run_before_its_first_call(scene: Scene) -> None:
    with scene.configured(account_id="999999999999"):
        ended = scene.run(source=GOOD)
    assert ended.code == 1
    said = "these credentials belong to account '211234825975', the environment names '999999999999'"
    for text in (said, "nothing was read or written", "run `miyabi configure`"):
        assert text in ended.error
        assert text in scene.last_state()[1]
    assert {call.operation for call in scene.cloud.calls} == {"GetCallerIdentity"}


@pytest.mark.parametrize("endpoint", [None, "https://rds.us-east-1.amazonaws.com"])
def test_local_never_leaves_this_machine(scene: Scene, endpoint: str | None) -> None:
    """The block is edited behind our back, so the validator that ran when it was saved does not help."""
    with redirected(endpoint):
        ended = scene.run(source=GOOD)
    assert ended.code == 1
    said = f"environment 'local' is the embedded cloud on loopback, not {endpoint or 'AWS'}; run `miyabi up`"
    for text in ("environment 'local' cannot be used", said):
        assert text in ended.error
        assert text in scene.last_state()[1]
    assert scene.cloud.calls == []


@contextmanager
def redirected(endpoint: str | None) -> Iterator[None]:
    """The credentials of `local` at another endpoint, saved through Prefect's API."""
    before = load_block().credentials
    there = before.aws_client_parameters.model_copy(update={"endpoint_url": endpoint})
    save_credentials(before.model_copy(update={"aws_client_parameters": there}))
    try:
        yield
    finally:
        save_credentials(before)


def save_credentials(credentials: AwsCredentials) -> None:
    asyncio.run(credentials.asave("miyabi-local", overwrite=True))


def test_an_environment_that_nobody_configured(scene: Scene) -> None:
    ended = scene.releases.zygote.run("release", environment="nosuch", source=GOOD)
    assert ended.code == 1
    for text in ("environment 'nosuch' is not known to this Prefect", "run `miyabi configure`"):
        assert text in ended.error
        assert text in scene.last_state()[1]
    assert scene.cloud.calls == []


def foreign_function(scene: Scene) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("handler.py", "def handler(event, context): ...\n")
    scene.aws("lambda").create_function(
        FunctionName=FUNCTION,
        Runtime="python3.11",
        Handler="handler.handler",
        Role=foreign_role(scene, "theirs"),
        Code={"ZipFile": content.getvalue()},
        Tags={"Owner": "somebody"},
    )


def foreign_role(scene: Scene, name: str = ROLE) -> str:
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    return str(scene.aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"])


def foreign_group(scene: Scene) -> None:
    scene.aws("ec2").create_security_group(GroupName=GROUP, Description="somebody's")


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (foreign_group, f"security group {GROUP}"),
        (foreign_role, f"role {ROLE}"),
        (foreign_function, f"function {FUNCTION!r}"),
    ],
    ids=["security group", "role", "function"],
)
def test_what_is_not_ours_stops_the_plan(scene: Scene, make: Callable[[Scene], object], what: str) -> None:
    make(scene)
    ended = scene.run("plan", source=GOOD)
    assert_not_ours(scene, ended.error, what)
    assert scene.writes == []


def test_what_is_not_ours_is_taken_over_when_told_to(scene: Scene) -> None:
    for make in (foreign_group, foreign_role, foreign_function):
        make(scene)
    before = scene.aws("lambda").get_function(FunctionName=FUNCTION)["Configuration"]
    assert scene.run("plan", source=GOOD, adopt=True).code == 0
    adopted = {row["what"] for row in scene.changes(planned=True) if row["why"] == "adopted"}
    assert adopted == {f"security group {GROUP}", f"role {ROLE}"}
    after = scene.aws("lambda").get_function(FunctionName=FUNCTION)["Configuration"]
    assert before["RevisionId"] == after["RevisionId"]
    ended = scene.run(source=GOOD, adopt=True)
    assert ended.code == 0, ended.error
    assert scene.health().status_code == 200
    tags = scene.aws("lambda").get_function(FunctionName=FUNCTION)["Tags"]
    assert (tags["Owner"], tags["ManagedBy"], tags["Environment"]) == ("somebody", "miyabi-pipelines", "local")
    assert scene.run(source=GOOD).code == 0
    assert set(scene.writes) == {"lambda.Invoke"}


def assert_not_ours(scene: Scene, error: str, what: str) -> None:
    for text in (f"{what} exists and was not made by miyabi-pipelines for 'local'", "adopt=true to take it over"):
        assert text in error
        assert text in scene.last_state()[1]


def test_where_there_is_no_release_nothing_is_asked_and_nothing_goes_back(scene: Scene) -> None:
    """Which says nothing of an API, and is no reason for a diagnosis or a rollback."""
    assert scene.run("smoke_test").code == 1
    name, message = scene.last_state()
    assert name == "NotAsked"
    assert message == "could not ask: environment 'local' has no API; run `release`, which makes it"
    with scene.configured(account_id="999999999999"):
        assert scene.run("smoke_test", source=GOOD).code == 1
    name, message = scene.last_state()
    assert name == "NotAsked"
    assert "these credentials belong to account '211234825975'" in message
    with scene.configured(rollback={"automatic": True}):
        assert scene.run("rollback", only_if_failing=True).code == 0
    name, message = scene.last_state()
    assert name == "NotDone"
    assert message.startswith("traffic stays where it is: it cannot be seen whether going back is right: ")
    assert scene.writes == []
