"""Secrets: generated once, kept, restored, never shown."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from moto import mock_aws

from tasks.changes import PENDING, Rollout
from tasks.errors import NotOurs, Permanent
from tasks.secrets import (
    LETTERS,
    SeenSecret,
    database_dsn,
    destroy_secrets,
    ensure_database_address,
    ensure_secrets,
    generate,
    observe_secret,
    plan_secret,
    read_secret,
)
from tests.support import (
    answer_call,
    aws_error,
    before_call,
    changes_of,
    fail_call,
    make_environment,
    make_rollout,
    record_calls,
)

DATABASE, JWT = "miyabi/testing/database", "miyabi/testing/jwt"
ENVIRONMENT = make_environment()


@pytest.fixture
def rollout() -> Iterator[Rollout]:
    with mock_aws():
        yield make_rollout()


def first(letters: Sequence[str]) -> str:
    """Randomness that a test can foresee."""
    return letters[0]


def database_secret(rollout: Rollout) -> dict[str, Any]:
    return dict(json.loads(read_secret(rollout, DATABASE)))


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (None, [("create", "")]),
        (SeenSecret("arn", ENVIRONMENT.tags, False), []),
        (SeenSecret("arn", ENVIRONMENT.tags, True), [("update", "state")]),
        (SeenSecret("arn", {}, False), [("update", "tags")]),
        (SeenSecret("arn", {}, True), [("update", "tags"), ("update", "state")]),
    ],
)
def test_plan(seen: SeenSecret | None, expected: list[tuple[str, str]]) -> None:
    assert [(change.action, change.field) for change in plan_secret(ENVIRONMENT, JWT, seen)] == expected


def test_generated_values_suit_rds_and_urls() -> None:
    values = {generate() for _ in range(50)}
    assert len(values) == 50
    assert all(len(value) == 40 for value in values)
    assert not set("/\"@ '`$\\:?#%&") & set(LETTERS)


def test_made_once_and_then_left_alone(rollout: Rollout) -> None:
    made = ensure_secrets.fn(rollout, pick=first)
    assert database_secret(rollout) == {
        "engine": "postgres",
        "host": "",
        "port": 5432,
        "username": "miyabi_admin",
        "password": "a" * 40,
        "dbname": "miyabi",
        "sslmode": "require",
    }
    assert read_secret(rollout, JWT) == "a" * 40
    seen = observe_secret(rollout, JWT)
    assert seen is not None
    assert seen.tags == {**ENVIRONMENT.tags, "Release": "test-1"}
    again = make_rollout(rollout.environment)
    assert ensure_secrets.fn(again) == made
    assert again.changes == []
    assert read_secret(rollout, JWT) == "a" * 40


def test_values_are_not_in_what_is_returned_or_shown(rollout: Rollout, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="tasks")
    made = ensure_secrets.fn(rollout)
    ensure_database_address.fn(rollout, address="db.example", port=5432)
    shown = f"{made} {rollout.changes} {changes_of(rollout)} {caplog.text} {database_dsn(rollout)!r}"
    assert read_secret(rollout, JWT) not in shown
    assert database_secret(rollout)["password"] not in shown


def test_address_is_filled_in_and_follows(rollout: Rollout) -> None:
    ensure_secrets.fn(rollout)
    before = database_secret(rollout)
    ensure_database_address.fn(rollout, address="one.example", port=5432)
    assert database_secret(rollout) == {**before, "host": "one.example"}
    again = make_rollout(rollout.environment)
    ensure_database_address.fn(again, address="one.example", port=5432)
    assert again.changes == []
    ensure_database_address.fn(rollout, address="two.example", port=6000)
    ensure_database_address.fn(rollout, address="one.example", port=5432)
    assert database_secret(rollout) == {**before, "host": "one.example"}


def test_planning_shows_and_does_not_write(rollout: Rollout) -> None:
    planning = make_rollout(rollout.environment, planning=True)
    assert ensure_secrets.fn(planning).arns == (PENDING, PENDING)
    assert ensure_database_address.fn(planning, address=PENDING, port=5432).arn == PENDING
    assert changes_of(planning) == [
        f"create secret {DATABASE}",
        f"create secret {JWT}",
        f"update secret {DATABASE} host: - → {PENDING}",
    ]
    assert observe_secret(rollout, JWT) is None


def test_deleted_secrets_come_back_with_their_values(rollout: Rollout) -> None:
    ensure_secrets.fn(rollout)
    value = read_secret(rollout, JWT)
    destroy_secrets.fn(rollout)
    with pytest.raises(Permanent, match="scheduled for deletion"):
        read_secret(rollout, JWT)
    later = make_rollout(rollout.environment)
    ensure_secrets.fn(later)
    assert [change.after for change in later.changes] == ["restored", "restored"]
    assert read_secret(rollout, JWT) == value


def test_destroying_twice_is_once(rollout: Rollout) -> None:
    ensure_secrets.fn(rollout)
    destroy_secrets.fn(rollout)
    again = make_rollout(rollout.environment)
    destroy_secrets.fn(again)
    assert again.changes == []


def test_deleted_and_restored_by_calls_whose_answers_were_lost(rollout: Rollout) -> None:
    other = make_rollout().aws("secretsmanager")

    def restore_unheard(_: dict[str, Any]) -> None:
        other.restore_secret(SecretId=DATABASE)
        raise aws_error("InvalidRequestException")

    ensure_secrets.fn(rollout)
    before_call(rollout, "secretsmanager", "DeleteSecret", lambda: other.delete_secret(SecretId=DATABASE))
    destroy_secrets.fn(rollout)
    answer_call(rollout, "secretsmanager", "RestoreSecret", restore_unheard, times=1)
    ensure_secrets.fn(rollout)
    later = make_rollout(rollout.environment)
    ensure_secrets.fn(later)
    assert later.changes == []


def test_a_secret_of_someone_else_is_refused_until_adopted(rollout: Rollout) -> None:
    rollout.aws("secretsmanager").create_secret(Name=JWT, SecretString="theirs")
    with pytest.raises(NotOurs, match="miyabi/testing/jwt"):
        ensure_secrets.fn(rollout)
    ensure_secrets.fn(make_rollout(rollout.environment, adopt=True))
    later = make_rollout(rollout.environment)
    ensure_secrets.fn(later)
    assert later.changes == []
    assert read_secret(rollout, JWT) == "theirs"


def test_the_faster_run_s_value_stays(rollout: Rollout) -> None:
    other = make_rollout()
    before_call(rollout, "secretsmanager", "CreateSecret", lambda: ensure_secrets.fn(other, pick=first))
    ensure_secrets.fn(rollout)
    assert database_secret(rollout)["password"] == "a" * 40


def test_a_new_secret_may_take_a_moment_to_be_seen(rollout: Rollout) -> None:
    calls = record_calls(rollout, "secretsmanager")
    fail_call(rollout, "secretsmanager", "GetSecretValue", "ResourceNotFoundException")
    ensure_secrets.fn(rollout)
    assert calls.count("CreateSecret") == 2


def test_instance_without_its_secret_stops(rollout: Rollout) -> None:
    instance: dict[str, Any] = {"DBInstances": [{}]}
    answer_call(rollout, "rds", "DescribeDBInstances", lambda _: instance)
    with pytest.raises(Permanent, match="reset_password=true"):
        ensure_secrets.fn(rollout)
    assert observe_secret(rollout, DATABASE) is None
    ensure_secrets.fn(rollout, reset_password=True)
    assert observe_secret(rollout, DATABASE) is not None


@pytest.mark.parametrize(
    ("override", "address", "inside", "host"),
    [
        (None, None, False, "in.vpc:5432"),
        (None, "endpoint:5433", False, "endpoint:5433"),
        ("127.0.0.1:7777", "endpoint:5433", False, "127.0.0.1:7777"),
        ("127.0.0.1:7777", None, True, "in.vpc:5432"),
    ],
)
def test_dsn(rollout: Rollout, override: str | None, address: str | None, inside: bool, host: str) -> None:
    rollout = make_rollout(make_environment(database_address=override))
    ensure_secrets.fn(rollout, pick=first)
    ensure_database_address.fn(rollout, address="in.vpc", port=5432)
    dsn = database_dsn(rollout, address=address, inside=inside)
    assert dsn.get_secret_value() == f"postgresql://miyabi_admin:{'a' * 40}@{host}/miyabi?sslmode=require"


def test_dsn_quotes_what_people_wrote(rollout: Rollout) -> None:
    value = json.dumps({"username": "a b", "password": "p@ss/w", "dbname": "miyabi", "host": "h", "port": 1})
    rollout.aws("secretsmanager").create_secret(Name=DATABASE, SecretString=value)
    assert database_dsn(rollout).get_secret_value() == "postgresql://a%20b:p%40ss%2Fw@h:1/miyabi?sslmode=require"


def test_dsn_before_there_is_a_host(rollout: Rollout) -> None:
    ensure_secrets.fn(rollout)
    with pytest.raises(Permanent, match="run provision"):
        database_dsn(rollout)


@pytest.mark.parametrize("text", ["not json s3cret", '"s3cret"', '{"password": "s3cret"}'])
def test_a_broken_secret_is_named_and_not_shown(rollout: Rollout, text: str) -> None:
    rollout.aws("secretsmanager").create_secret(Name=DATABASE, SecretString=text)
    with pytest.raises(Permanent, match="must be JSON with username") as caught:
        database_dsn(rollout)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_missing_secret(rollout: Rollout) -> None:
    with pytest.raises(Permanent, match="'github' does not exist"):
        read_secret(rollout, "github")
