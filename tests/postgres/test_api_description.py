"""The API answers only what its description allows: Schemathesis asks every operation what the description permits, and
what it does not, as the owner of an organization with a row of each kind.

Never 500, no status, content type, header or shape that is not described. Few examples of a fixed seed in the suite;
`--exhaustive` asks for much more.
"""

import itertools
import logging
import warnings
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable

from tests.backend import Client, sql

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis import GenerationMode
    from schemathesis.specs.openapi import checks

CHECKS = [
    schemathesis.checks.not_a_server_error, checks.status_code_conformance, checks.content_type_conformance,
    checks.response_headers_conformance, checks.response_schema_conformance,
]  # fmt: skip
FEW, MANY = 3, 60
ELSEWHERE = {"to_github", "from_github"}
"""These lead to GitHub: tests/postgres/test_api_github.py."""


class Rows:
    """Hana's organization, and a row of each kind in it."""

    def __init__(self, hana: Client, dsn: str) -> None:
        self.hana, self.dsn = hana, dsn
        kenji = hana.sign_in(43, "kenji@example.com")
        organization = self.made("/organizations", name="Green Garden")["organization"]["id"]
        self.made(f"/organizations/{organization}/members", identifier="kenji@example.com", role="member")
        invitation = self.made(f"/organizations/{organization}/members", identifier="mio@example.com", role="viewer")
        kenji.post(f"/organizations/{organization}/accept")
        user = sql(dsn, "SELECT id::text FROM users WHERE github_id = 43")[0][0]
        team = self.made(f"/organizations/{organization}/teams", name="Gardeners")["team"]["id"]
        repository = self.made("/repositories", full_name="hana/garden", organization_id=organization)["id"]
        execution = self.made("/agents/execute", repository_id=repository, agent_type="codegen", issue_number=1)["id"]
        hana.post(f"/agents/executions/{execution}/cancel")  # the log of what has ended is not waited for
        task, other = (
            self.made("/tasks", name=name, repository_id=repository)["task"]["id"] for name in ("sow", "reap")
        )
        node = {"id": "look", "agent_type": "market-research", "name": "Look"}
        workflow = self.made("/workflows", name="Plan", repository_id=repository, dag_definition={"nodes": [node]})
        self.ids = {
            "organization_id": organization, "user_id": user, "team_id": team, "repository_id": repository,
            "execution_id": execution, "task_id": task, "depends_on_task_id": other,
            "workflow_id": workflow["id"], "invitation_id": invitation["id"], "agent": "issue",
            "parent_id": execution,
        }  # fmt: skip

    def made(self, path: str, **body: Any) -> Any:
        answer = self.hana.post(path, json=body)
        assert answer.is_success, f"{path}: {answer.text}"
        return answer.json()


def test_it_answers_what_it_describes(
    migrated: str, hana: Client, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    number = MANY if request.config.getoption("exhaustive") else FEW
    rows = Rows(hana, migrated)
    description = schemathesis.openapi.from_asgi("/api/v1/openapi.json", hana.app)
    operations = [found.ok() for found in description.get_all_operations()]
    problems: dict[str, str] = {}
    for operation in sorted(
        operations, key=lambda one: (one.method == "delete", -len(one.path))
    ):  # parts before wholes
        raw = operation.definition.raw
        modes = GenerationMode if raw.get("parameters") or raw.get("requestBody") else [GenerationMode.POSITIVE]
        for mode in [] if raw["operationId"] in ELSEWHERE else modes:
            ask(operation, mode, rows, number, problems)
    assert not problems, "\n\n".join(problems.values())


def ask(operation: Any, mode: GenerationMode, rows: Rows, number: int, problems: dict[str, str]) -> None:
    turns = itertools.count()

    @seed(1)
    @settings(
        max_examples=number, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case: Any) -> None:
        turn = next(turns)
        if turn % 3:  # a row that is there, more often than not
            case.path_parameters.update({name: rows.ids[name] for name in case.path_parameters if name in rows.ids})
            case.headers.pop("If-Match", None)  # for that would be another version
        if isinstance(wait := (case.query or {}).get("wait"), int):
            case.query["wait"] = min(wait, 1)
        case.call_and_validate(headers=rows.hana.headers, checks=CHECKS)

    try:
        with suppress(Unsatisfiable):  # every text is a text: nothing to send that is not allowed
            run()
    except (Exception, BaseExceptionGroup) as error:
        problems[f"{operation.label} {mode}"] = f"{operation.label} ({mode}): {error}"
