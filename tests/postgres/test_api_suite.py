"""The suite of our own API, asked of our API as it is: over HTTP, on a migrated database."""

import re
from pathlib import Path
from typing import Any

import pytest

from blocks.environment import SmokeSettings
from tasks.smoke_answers import Result, SmokeFailed
from tasks.suites import load_suite
from tests.backend import sql
from tests.postgres.suite_support import ALL, asked, local

SUITE = load_suite(Path(__file__).parents[2] / "api").model_copy(update={"throttle": None, "budget_ms": None})
GITHUB = {
    "github_client_id": "our-app", "github_secret": "hush", "frontend_url": "https://site.example",
    "github_callback_url": "https://api.example/api/v1/auth/github/callback",
}  # fmt: skip


def unasked(results: dict[str, Result]) -> list[str]:
    return [check for check, result in results.items() if result.ok is None]


def test_our_api_answers_all_of_it_and_nothing_is_left_to_do(served: Any, migrated: str) -> None:
    results = asked(local(ALL, GITHUB_CLIENT_ID="our-app"), served(**GITHUB), SUITE)
    assert sorted(unasked(results)) == [
        "GET /api/v1/auth/github", "GET /api/v1/auth/github/callback",
        "POST /api/v1/auth/mock · mock login is off in production",
    ]  # fmt: skip
    assert len(results) > 50
    assert sql(migrated, "SELECT DISTINCT status FROM agent_executions") == [("cancelled",)]
    again = asked(local(ALL, GITHUB_CLIENT_ID="our-app"), served(**GITHUB), SUITE)
    assert [result.ok for result in again.values()] == [result.ok for result in results.values()]


def test_where_nothing_may_be_written_and_nobody_signs_in(served: Any, migrated: str) -> None:
    results = asked(local(SmokeSettings()), served(), SUITE)
    reasons = {result.detail for result in results.values() if result.ok is None}
    assert "it writes, and smoke.writes is off here" in reasons
    assert "no way to sign in: name a secret in smoke.tokens.user, or allow smoke.mock_login" in reasons
    assert sum(result.ok is True for result in results.values()) > 20
    assert sql(migrated, "SELECT count(*) FROM users") == [(0,)]


def test_what_needs_something_that_may_not_be_made_is_not_asked_either(served: Any, migrated: str) -> None:
    results = asked(local(SmokeSettings(mock_login=True)), served(), SUITE)
    row = results["GET /api/v1/repositories/{repository} as user"]
    assert (row.ok, row.detail) == (None, "it needs {repository}, which was not asked for")
    assert sql(migrated, "SELECT count(*) FROM repositories") == [(0,)]


def test_an_api_that_is_wrong_is_named_once_for_each_check_and_cleaned_up(served: Any, migrated: str) -> None:
    """Another answer than expected from one check of a chain: the rest of it is asked all the same."""
    spoilt = [
        check.model_copy(update={"status": (299,)}) if check.name == "ask again with the same key" else check
        for check in SUITE.checks
    ]
    with pytest.raises(SmokeFailed) as caught:
        asked(local(ALL), served(), SUITE.model_copy(update={"checks": tuple(spoilt)}))
    assert "1 of " in str(caught.value)
    assert "ask again with the same key: answered 202 instead of 299; body: {" in str(caught.value)
    assert sql(migrated, "SELECT DISTINCT status FROM agent_executions") == [("cancelled",)]


def test_who_cannot_sign_in_is_not_asked_for_and_no_token_is_shown(served: Any) -> None:
    roles = {name: role.model_copy(update={"token": "refresh_token_"}) for name, role in SUITE.roles.items()}
    with pytest.raises(SmokeFailed) as caught:
        asked(local(ALL), served(), SUITE.model_copy(update={"roles": roles}))
    assert "sign in as user: refresh_token_ is not there" in str(caught.value)
    assert not re.search("eyJ", str(caught.value))
    row = {result.check: result for result in caught.value.results}["GET /api/v1/repositories as user"]
    assert (row.ok, row.detail) == (None, "signing in as user failed")
