"""The Lambda function: what is planned, what is done, and that a run killed anywhere is continued by the next."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blocks.environment import Environment, FunctionSettings
from tasks.changes import PENDING, Change, Rollout
from tasks.configuration import Configuration, Wanted, Wiring
from tasks.errors import NotOurs, Permanent, Rejected, Temporary
from tasks.functions import (
    Function,
    destroy_function,
    ensure_function,
    is_ready,
    observe_function,
    plan_function,
)
from tasks.uploads import code_of, destroy_uploads
from tasks.variables import problems_of, variable_names
from tests.support import changes_of, fail_call, make_environment, make_rollout, record_calls
from tests.unit.deploying import aws, build, deploy, killed_at, release, wire

NAME = "miyabi-api-testing"
SECRET = "p/w @1 of the database"

BASE = Configuration(
    code="sha-one",
    architecture="x86_64",
    runtime="python3.12",
    handler="api.handler.handler",
    role="arn:role",
    memory_mb=512,
    timeout_s=30,
    subnets=("subnet-1",),
    security_groups=("sg-1",),
    log_group=f"/aws/lambda/{NAME}",
    tracing="Active",
    variables={"LOG_LEVEL": "INFO"},
)
TAGS = {"Project": "miyabi"}


def wanted(**fields: Any) -> Wanted:
    reserved = fields.pop("reserved_concurrency", None)
    return Wanted(NAME, dataclasses.replace(BASE, **fields), TAGS, reserved, {"LOG_LEVEL": "INFO"})


def seen(**fields: Any) -> Function:
    latest = fields.pop("latest", BASE)
    return Function(
        "arn:function",
        latest,
        fields.pop("versions", {"1": BASE}),
        tags=fields.pop("tags", TAGS),
        reserved_concurrency=fields.pop("reserved_concurrency", None),
        broken=fields.pop("broken", ""),
    )


CASES: list[tuple[str, Wanted, Function | None, list[str]]] = [
    (
        "absent",
        wanted(),
        None,
        [
            f"create function {NAME}",
            f"update function {NAME} variable LOG_LEVEL: - → INFO",
            f"create version of function {NAME} code: - → sha-one",
        ],
    ),
    ("as it should be", wanted(), seen(), []),
    ("created, never published", wanted(), seen(versions={}), [f"create version of function {NAME} code: - → sha-one"]),
    (
        "another package",
        wanted(code="sha-two"),
        seen(),
        [
            f"update function {NAME} code: sha-one → sha-two",
            f"create version of function {NAME} code: - → sha-two",
        ],
    ),
    (
        "updated, then killed",
        wanted(code="sha-two"),
        seen(latest=dataclasses.replace(BASE, code="sha-two")),
        [f"create version of function {NAME} code: - → sha-two"],
    ),
    (
        "back to a package that was published before: no new version",
        wanted(),
        seen(
            latest=dataclasses.replace(BASE, code="sha-two"),
            versions={"1": BASE, "2": dataclasses.replace(BASE, code="sha-two")},
        ),
        [f"update function {NAME} code: sha-two → sha-one"],
    ),
    (
        "settings of every kind",
        wanted(memory_mb=1024, timeout_s=10, runtime="python3.13", architecture="arm64", role="arn:other", subnets=()),
        seen(),
        [
            f"update function {NAME} architecture: x86_64 → arm64",
            f"update function {NAME} runtime: python3.12 → python3.13",
            f"update function {NAME} role: arn:role → arn:other",
            f"update function {NAME} memory mb: 512 → 1024",
            f"update function {NAME} timeout s: 30 → 10",
            f"update function {NAME} subnets: subnet-1 → none",
            f"create version of function {NAME} code: - → sha-one",
        ],
    ),
    (
        "a variable by hand in $LATEST is taken out; version 1 still serves",
        wanted(),
        seen(latest=dataclasses.replace(BASE, variables={"LOG_LEVEL": "INFO", "TOKEN": SECRET})),
        [f"update function {NAME} variable TOKEN: (set) → (removed)"],
    ),
    ("tag lost", wanted(), seen(tags={}), [f"update function {NAME} tag Project: - → miyabi"]),
    (
        "switched off by hand",
        wanted(),
        seen(reserved_concurrency=0),
        [f"update function {NAME} reserved concurrency: 0 → none"],
    ),
    (
        "the last update failed",
        wanted(),
        seen(broken="subnet full"),
        [f"update function {NAME} state: Failed → Active"],
    ),
]


@pytest.mark.parametrize(("case", "to", "now", "expected"), CASES, ids=[case[0] for case in CASES])
def test_plan(case: str, to: Wanted, now: Function | None, expected: list[str]) -> None:
    assert [without_reason(change) for change in plan_function(to, now)] == expected


def without_reason(change: Change) -> str:
    return str(dataclasses.replace(change, why=""))


def test_secret_values_are_in_no_plan_and_no_repr() -> None:
    to = wanted(variables={"LOG_LEVEL": "INFO", "DATABASE_URL": SECRET})
    now = seen(latest=dataclasses.replace(BASE, variables={"LOG_LEVEL": SECRET, "OLD": SECRET}))
    text = "".join(map(str, plan_function(to, now))) + repr(to) + repr(now)
    assert SECRET not in text
    assert "variable DATABASE_URL: - → (secret)" in text


@pytest.fixture
def world() -> Iterator[Environment]:
    with aws():
        yield make_environment()


def test_a_first_release_makes_one_version(world: Environment, tmp_path: Path) -> None:
    package = build(tmp_path)
    rollout, made = deploy(world, package)
    assert (made.version, made.created, made.previous_version) == ("1", True, None)
    assert made.arn.endswith(f":function:{NAME}:1")
    now = observe_function(rollout.aws("lambda"), NAME)
    assert now is not None
    assert now.tags["Release"] == "test-1"
    assert now.latest.code == made.code_sha256 == package.code_sha256
    assert set(now.latest.variables) == {"ENVIRONMENT", "LOG_LEVEL", "DATABASE_SECRET_ARN", "JWT_SECRET_ARN"}


def test_a_second_run_plans_nothing_and_costs_three_reads(world: Environment, tmp_path: Path) -> None:
    package = build(tmp_path)
    deploy(world, package)
    rollout = make_rollout(world)
    wiring, calls = wire(rollout), record_calls(rollout, "lambda")
    again = ensure_function.fn(rollout, package, wiring)
    assert (again.version, again.created, rollout.changes) == ("1", False, [])
    assert calls == ["GetFunction", "ListVersionsByFunction", "GetAlias"]


def test_a_plan_writes_nothing(world: Environment, tmp_path: Path) -> None:
    wiring = wire(make_rollout(world))
    planning = make_rollout(world, planning=True)
    planned = ensure_function.fn(planning, build(tmp_path), wiring)
    assert planned.version == PENDING
    assert observe_function(planning.aws("lambda"), NAME) is None
    assert f"create function {NAME}" in changes_of(planning)


def test_code_and_settings_change_one_after_the_other(world: Environment, tmp_path: Path) -> None:
    deploy(world, build(tmp_path))
    larger = world.model_copy(update={"function": FunctionSettings(memory_mb=1024)})
    rollout = make_rollout(larger)
    wiring, calls = wire(rollout), record_calls(rollout, "lambda")
    made = ensure_function.fn(rollout, build(tmp_path, "two"), wiring)
    assert (made.version, made.created) == ("2", True)
    assert [call for call in calls if not call.startswith(("Get", "List"))] == [
        "UpdateFunctionCode", "UpdateFunctionConfiguration", "PublishVersion"]  # fmt: skip


def test_reserved_concurrency_comes_and_goes(world: Environment, tmp_path: Path) -> None:
    capped = world.model_copy(update={"function": FunctionSettings(reserved_concurrency=5)})
    package = build(tmp_path)
    rollout, _ = deploy(capped, package)
    assert _reserved(rollout) == 5
    rollout, made = deploy(world, package)
    assert (_reserved(rollout), made.version) == (None, "1")


def _reserved(rollout: Rollout) -> int | None:
    now = observe_function(rollout.aws("lambda"), NAME)
    return now.reserved_concurrency if now else None


def test_plain_secrets_reach_the_function_and_nothing_else(world: Environment, tmp_path: Path) -> None:
    settings = FunctionSettings(plain_secrets={"DATABASE_URL": "database-url", "GITHUB_CLIENT_ID": "github"})
    world = world.model_copy(update={"function": settings})
    secrets = make_rollout(world).aws("secretsmanager")
    parts = {"host": "db", "port": 5432, "username": "u", "password": SECRET, "dbname": "miyabi", "sslmode": "require"}
    secrets.create_secret(Name=world.names.database_secret, SecretString=json.dumps(parts))
    with pytest.raises(Permanent, match="secret 'github' does not exist"):
        deploy(world, build(tmp_path))
    secrets.create_secret(Name="github", SecretString="id-of-github")
    rollout, made = deploy(world, build(tmp_path))
    now = observe_function(rollout.aws("lambda"), NAME)
    assert now is not None
    assert now.latest.variables["DATABASE_URL"] == (
        "postgresql://u:p%2Fw%20%401%20of%20the%20database@db:5432/miyabi?sslmode=require"
    )
    assert now.latest.variables["GITHUB_CLIENT_ID"] == "id-of-github"
    shown = "".join(map(str, rollout.changes)) + repr(made) + repr(rollout.findings)
    assert len(rollout.findings) == 2
    assert "id-of-github" not in shown
    assert "p%2Fw" not in shown
    assert deploy(world, build(tmp_path))[0].changes == []


def test_a_plan_may_come_before_the_secrets(world: Environment, tmp_path: Path) -> None:
    settings = FunctionSettings(plain_secrets={"DATABASE_URL": "database-url"})
    world = world.model_copy(update={"function": settings})
    planning = make_rollout(world, planning=True)
    ensure_function.fn(planning, build(tmp_path), Wiring(PENDING, PENDING, PENDING))
    assert f"update function {NAME} variable DATABASE_URL: - → (secret)" in "".join(map(str, planning.changes))


def test_a_function_that_is_not_ours_is_left_alone(world: Environment, tmp_path: Path) -> None:
    rollout, _ = deploy(world, build(tmp_path))
    arn = rollout.aws.arn("lambda", f"function:{NAME}")
    rollout.aws("lambda").untag_resource(Resource=arn, TagKeys=["ManagedBy"])
    with pytest.raises(NotOurs, match="adopt"):
        deploy(world, build(tmp_path, "two"))
    destroy_function.fn(make_rollout(world))
    assert observe_function(rollout.aws("lambda"), NAME)
    _, made = deploy(world, build(tmp_path, "two"), adopt=True)
    assert made.version == "2"


def test_a_create_whose_answer_was_lost_is_compared_again(world: Environment, tmp_path: Path) -> None:
    rollout = make_rollout(world)
    wiring = wire(rollout)
    fail_call(rollout, "lambda", "CreateFunction", "ResourceConflictException")
    with pytest.raises(Temporary, match="appeared"):
        ensure_function.fn(rollout, build(tmp_path), wiring)


def test_iam_delay_and_an_update_in_progress_are_waited_for(world: Environment, tmp_path: Path) -> None:
    rollout = make_rollout(world)
    wiring = wire(rollout)
    delay = "The role defined for the function cannot be assumed by Lambda."
    fail_call(rollout, "lambda", "CreateFunction", "InvalidParameterValueException", message=delay)
    fail_call(rollout, "lambda", "PublishVersion", "ResourceConflictException")
    assert ensure_function.fn(rollout, build(tmp_path), wiring).version == "1"


def test_packages_above_the_limit_go_through_a_private_bucket(world: Environment, tmp_path: Path) -> None:
    rollout, package = make_rollout(world), build(tmp_path)
    bucket = world.names.artifacts_bucket
    for _ in range(2):
        assert code_of(rollout, package, limit=1) == {"S3Bucket": bucket, "S3Key": f"{package.sha256_hex}.zip"}
    blocked = rollout.aws("s3").get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert all(blocked.values())
    destroy_uploads.fn(rollout)
    destroy_uploads.fn(rollout)
    assert [str(change) for change in rollout.changes] == [f"delete bucket {bucket}"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("first", [True, False], ids=["first", "later"])
def test_killed_at_any_call_the_next_run_ends_in_the_same_state(tmp_path: Path, *, first: bool, after: bool) -> None:
    call, died = 0, True
    while died:
        with aws():
            died = _killed_at(call, tmp_path, first=first, after=after)
        call += 1
    assert call > 5


def _killed_at(call: int, folder: Path, *, first: bool, after: bool) -> bool:
    """One round of the sweep: True if the run died, so that there may be a further call."""
    environment = make_environment()
    if not first:
        release(make_rollout(environment), build(folder, "one"))
        environment = environment.model_copy(update={"function": FunctionSettings(memory_mb=1024)})
    package, rollout = build(folder, "two"), make_rollout(environment)
    wire(rollout)
    with killed_at(rollout, call, after=after, services=("lambda",)) as died:
        release(rollout, package)
    again = make_rollout(environment)
    release(again, package)
    now = observe_function(again.aws("lambda"), NAME)
    assert now is not None
    assert list(now.versions) == (["1"] if first else ["1", "2"]), f"killed at call {call}"
    live = again.aws("lambda").get_alias(FunctionName=NAME, Name="live")
    assert live["FunctionVersion"] == list(now.versions)[-1]
    assert deploy(environment, package)[0].changes == []
    return bool(died)


def test_teardown_is_tolerant_of_absence(world: Environment, tmp_path: Path) -> None:
    release(make_rollout(world), build(tmp_path))
    rollout = make_rollout(world)
    destroy_function.fn(rollout)
    destroy_function.fn(rollout)
    assert changes_of(rollout) == [f"delete function {NAME}"]
    assert observe_function(rollout.aws("lambda"), NAME) is None


@pytest.mark.parametrize(
    ("answer", "ready"),
    [
        ({"State": "Active"}, True),
        ({"State": "Inactive", "LastUpdateStatus": "Successful"}, True),
        ({"State": "Pending"}, False),
        ({"State": "Active", "LastUpdateStatus": "InProgress"}, False),
    ],
)
def test_readiness(answer: dict[str, str], *, ready: bool) -> None:
    assert is_ready(NAME, answer) is ready


def test_a_failed_function_says_why() -> None:
    with pytest.raises(Permanent, match="no free addresses"):
        is_ready(NAME, {"State": "Failed", "StateReason": "no free addresses"})


def test_variables_that_lambda_would_refuse_are_named_without_their_values(world: Environment, tmp_path: Path) -> None:
    bad = world.model_copy(
        update={"function": FunctionSettings(variables={"AWS_REGION": "x", "9": "y", "BIG": "z" * 5000})}
    )
    with pytest.raises(Rejected) as caught:
        deploy(bad, build(tmp_path))
    assert len(caught.value.problems) == 3
    assert "zzz" not in str(caught.value)
    assert problems_of({"DATABASE_URL": "x"}) == []


def test_variable_names_are_what_the_function_will_have(world: Environment) -> None:
    settings = FunctionSettings(variables={"FEATURE": "on"}, plain_secrets={"DATABASE_URL": "database-url"})
    names = variable_names(world.model_copy(update={"function": settings}))
    assert names == {"ENVIRONMENT", "LOG_LEVEL", "DATABASE_SECRET_ARN", "JWT_SECRET_ARN", "FEATURE", "DATABASE_URL"}


def test_errors_are_explained_by_the_step(world: Environment, tmp_path: Path) -> None:
    rollout = make_rollout(world)
    wiring = wire(rollout)
    fail_call(rollout, "lambda", "GetFunction", "AccessDeniedException")
    with pytest.raises(Permanent, match="Deploy a function version"):
        ensure_function.fn(rollout, build(tmp_path), wiring)
