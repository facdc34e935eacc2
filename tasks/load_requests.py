"""What a load test asks, made ready: the source's mix, signed in, with a repository and an execution to ask about.

The test has an account of its own, so that what it asks agents to do is told apart, and cancelled or deleted after it.
Tokens stay in what this returns and go to the engine through a pipe: they are in no result, log or message.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx
import psycopg

from blocks.environment import is_loopback
from database.load_runs import lift_rate_limit, tidy_executions
from database.migration_connect import connect
from database.migration_errors import MigrationError
from tasks.changes import Rollout
from tasks.errors import MiyabiError, Permanent
from tasks.loading.job import Request
from tasks.secrets import database_dsn, read_secret

logger = logging.getLogger(__name__)

TESTER = 990_000_000_001
"""GitHub's number of the account that signs in; GitHub has given out no such number."""
EMAIL, REPOSITORY = "load-test@miyabi.invalid", "miyabi-load-test/nothing"
PREFIX = "/api/v1"
Mix = Sequence[Mapping[str, Any]]


def default_mix(health_path: str) -> Mix:
    """What any backend can be asked."""
    return [{"path": health_path, "method": "GET", "body": None, "weight": 1.0, "accept": (), "signed_in": False}]


def ready_requests(
    rollout: Rollout, url: str, mix: Mix, *, transport: httpx.BaseTransport | None = None
) -> tuple[Request, ...]:
    """The requests as they will be sent. Raises Permanent if the API does not let the test in."""
    headers: dict[str, str] = {}
    places: dict[str, str] = {}
    if any(request["signed_in"] for request in mix):
        with httpx.Client(
            base_url=url, timeout=30.0, transport=transport, trust_env=not is_loopback(url),
            verify=url.startswith("https"),
        ) as client:  # fmt: skip
            headers = {"Authorization": f"Bearer {token_for(rollout, client)}"}
            places = subjects(client, headers, mix)
    return tuple(made(request, headers, places) for request in mix)


def made(request: Mapping[str, Any], headers: Mapping[str, str], places: Mapping[str, str]) -> Request:
    return Request(
        name=f"{request['method']} {request['path'].partition('?')[0]}",
        path=filled(request["path"], places),
        method=request["method"],
        headers=dict(headers) if request["signed_in"] else {},
        body="" if request["body"] is None else filled(json.dumps(request["body"]), places),
        weight=request["weight"],
        accept=tuple(request["accept"]),
    )


def filled(text: str, places: Mapping[str, str]) -> str:
    for name, value in places.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def token_for(rollout: Rollout, client: httpx.Client) -> str:
    """A bearer token: from the environment's secret, else by the mock login that there is outside production."""
    if secret := rollout.environment.load_test.token_secret:
        return read_secret(rollout, secret).strip()
    answer = ask(client, "POST", "/auth/mock", {}, {"github_id": TESTER, "email": EMAIL, "name": "Load test"})
    return str(answer["access_token"])


def subjects(client: httpx.Client, headers: Mapping[str, str], mix: Mix) -> dict[str, str]:
    """What `{repository}` and `{execution}` stand for, made if a request names them."""
    text = json.dumps([dict(request) for request in mix], default=list)
    if "{repository}" not in text and "{execution}" not in text:
        return {}
    repository = ask(client, "POST", "/repositories", headers, {"full_name": REPOSITORY})["id"]
    if "{execution}" not in text:
        return {"repository": repository}
    body = {"repository_id": repository, "agent_type": "issue", "priority": "P3"}
    execution = ask(client, "POST", "/agents/execute", headers, {**body, "input": {"issue": {"title": "A load test"}}})
    return {"repository": repository, "execution": execution["id"]}


def ask(client: httpx.Client, method: str, path: str, headers: Mapping[str, str], body: object) -> dict[str, Any]:
    try:
        answer = client.request(method, PREFIX + path, headers=dict(headers), json=body)
    except httpx.HTTPError as error:
        raise Permanent(f"the load test cannot begin: {method} {path}: {error}") from error
    if answer.is_success:
        return dict(answer.json())
    raise Permanent(
        f"the load test cannot begin: {method} {PREFIX}{path} answered {answer.status_code}. Where there is no"
        " mock login, name a secret with a bearer token in load_test.token_secret of the environment"
    )


def lift_limit(rollout: Rollout, *, dsn: Callable[[], str] | None = None) -> None:
    """Let the test's own account ask as much as it likes (api/limits.py): it stands for many users."""
    try:
        with connect(dsn() if dsn else database_dsn(rollout).get_secret_value(), patience=3.0) as connection:
            lift_rate_limit(connection, TESTER)
    except (psycopg.Error, MigrationError, MiyabiError) as error:
        logger.warning("the load test's account %r is limited like any other: %s", EMAIL, error)


def tidy_up(rollout: Rollout, *, dsn: Callable[[], str] | None = None) -> None:
    """Cancel and delete the executions that the test's own account asked for. What runs now is left to end."""
    try:
        with connect(dsn() if dsn else database_dsn(rollout).get_secret_value(), patience=3.0) as connection:
            if gone := tidy_executions(connection, TESTER):
                logger.info("%d executions of the load test are deleted", gone)
    except (psycopg.Error, MigrationError, MiyabiError) as error:
        logger.warning("the executions of the load test's account %r stay: %s", EMAIL, error)
