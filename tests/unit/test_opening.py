"""How a flow begins: its name, its turns, and what it says when Prefect is gone. No Prefect is needed for it."""

import asyncio
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
from botocore.exceptions import ProfileNotFound

from blocks.aws import WrongAccount
from flows.approving import plan_key
from flows.opening import commit_of, turns, without_prefect_explained
from tasks.errors import Permanent, Temporary
from tasks.steps import aws_explained, courtesy, seconds_by_step, step
from tests.support import make_environment, make_rollout


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    return subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a source in `app/` and something else beside it."""
    for name in ("app", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "main.py").write_text("x = 1\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    return tmp_path


def test_a_run_is_named_after_the_sources_commit(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")[:7]
    assert commit_of(f"python:{repository / 'app'}") == commit
    (repository / "other" / "main.py").write_text("x = 2\n")
    assert commit_of(f"python:{repository / 'app'}") == commit
    (repository / "app" / "main.py").write_text("x = 2\n")
    assert commit_of(f"python:{repository / 'app'}") == f"{commit}-dirty"


def test_what_is_in_no_repository_or_cannot_be_read_has_no_commit(tmp_path: Path) -> None:
    (tmp_path / "main.py").touch()
    assert commit_of(f"python:{tmp_path}") == ""
    assert commit_of("python:no/such") == ""
    (tmp_path / "miyabi.toml").write_text("x = [")
    assert commit_of(f"python:{tmp_path}") == ""


@pytest.fixture
def steps() -> Iterator[dict[str, float]]:
    taken: dict[str, float] = {}
    token = seconds_by_step.set(taken)
    yield taken
    seconds_by_step.reset(token)


def test_the_attempts_of_a_step_are_timed_together(steps: dict[str, float]) -> None:
    @step("Try")
    def attempt(fails: bool) -> None:
        if fails:
            raise Temporary("not yet")

    with pytest.raises(Temporary):
        attempt.fn(True)
    first = steps["Try"]
    attempt.fn(False)
    assert 0 < first < steps["Try"]


@pytest.mark.parametrize(
    ("done", "where"), [({"Ensure network": 0.1}, "after step 'Ensure network'"), ({}, "before its")]
)
def test_a_prefect_that_is_gone_is_said_in_words(steps: dict[str, float], done: dict[str, float], where: str) -> None:
    steps.update(done)
    with pytest.raises(Temporary) as caught, without_prefect_explained():
        raise httpx.ConnectError("[Errno 111] Connection refused")
    for part in ("does not answer any more ([Errno 111] Connection refused)", where, "running it again is safe"):
        assert part in str(caught.value)


explained = partial(aws_explained, "plan")


def test_what_aws_says_is_said_with_what_to_do() -> None:
    """Also what a flow asks between its steps."""
    with (
        pytest.raises(Permanent, match=r"^plan: no AWS credentials: .*\(miyabi-staging\).*`aws configure"),
        explained(),
    ):
        raise ProfileNotFound(profile="miyabi-staging")
    with pytest.raises(Permanent, match=r"^plan: these credentials belong to"), explained():
        raise WrongAccount("these credentials belong to account '1'")


def test_what_is_shown_only_does_not_fail_the_work(caplog: pytest.LogCaptureFixture) -> None:
    with courtesy("a progress bar"):
        raise httpx.ConnectError("[Errno 111] Connection refused")
    assert caplog.messages == ["Prefect does not take a progress bar ([Errno 111] Connection refused): it is not shown"]
    with pytest.raises(ValueError, match="ours"), courtesy("a progress bar"):
        raise ValueError("ours")


def test_a_plan_is_the_same_plan_an_hour_later() -> None:
    def plan(migration: int, hour: str) -> str:
        return plan_key(f"run migration {migration} x\ncreate snapshot db-schema-20261121000001-at-20261121-{hour}")

    assert plan(20261121000002, "07") == plan(20261121000002, "08") != plan(20261121000003, "07")
    last = "delete database db (last snapshot: db-final-{})"
    assert plan_key(last.format("20261121070000")) == plan_key(last.format("20261121070001")) != plan_key("delete x")


def test_a_plan_is_looked_at_first_where_that_is_asked_for() -> None:
    async def planning(plan_only: bool, *, plan_first: bool) -> list[bool]:
        rollout = make_rollout(make_environment(), planning=plan_only)
        return [turn.planning async for turn in turns(rollout, plan_first=plan_first)]

    assert asyncio.run(planning(False, plan_first=False)) == [False]
    assert asyncio.run(planning(False, plan_first=True)) == [True, False]
    assert asyncio.run(planning(True, plan_first=True)) == [True]
