"""Who may ask agents, cancel and retry; what an agent's input has to be; and the steps of an execution."""

from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from deployments.api_client import WHO
from tests.backend import Client, granted, make_backend, sql


@pytest.fixture
def garden(hana: Client) -> str:
    return str(hana.post("/repositories", json={"full_name": "hana/garden"}).json()["id"])


def execute(client: Client, repository_id: str, agent: str = "codegen", **changes: Any) -> Any:
    body = {"repository_id": repository_id, "issue_number": 270, "agent_type": agent, **changes}
    return client.post("/agents/execute", json=body)


def asked(client: Client, repository_id: str, **changes: Any) -> str:
    return str(execute(client, repository_id, **changes).json()["id"])


def moves(dsn: str, execution_id: str, *statuses: str) -> None:
    for status in statuses:
        sql(dsn, "UPDATE agent_executions SET status = %s WHERE id = %s", status, execution_id)


def organization(dsn: str, repository_id: str, **roles: str) -> None:
    """Give the repository to a new organization with these members, by the name in their address."""
    made = sql(dsn, "INSERT INTO organizations (name, slug) VALUES ('Garden', 'garden') RETURNING id")[0][0]
    sql(dsn, "UPDATE repositories SET organization_id = %s WHERE id = %s", made, repository_id)
    for name, role in roles.items():
        add = "INSERT INTO organization_members (organization_id, user_id, role) SELECT %s, id, %s::org_member_role"
        sql(dsn, f"{add} FROM users WHERE email = %s", made, role, f"{name}@example.com")


def problems(answer: Any) -> dict[str, str]:
    assert (answer.status_code, answer.json()["error"]) == (422, "validation_error"), answer.text
    return {problem["field"]: problem["problem"] for problem in answer.json()["details"]}


def test_all_problems_of_an_input_are_told_with_those_around_it(hana: Client, garden: str) -> None:
    wrong = {"max_parallel": 9, "plan_only": "perhaps", "x": 1, "issue": {"body": 5}}
    found = problems(execute(hana, garden, "coordinator", priority="P9", input=wrong))
    assert set(found) == {
        "body.priority", "body.input.max_parallel", "body.input.plan_only", "body.input.x", "body.input.issue.title",
        "body.input.issue.body",
    }  # fmt: skip


def test_names_that_would_be_options_or_lead_elsewhere_are_refused(hana: Client, garden: str) -> None:
    for ref in ("--upload-pack=x", "a b", "../main", "main;ls", ""):
        assert set(problems(execute(hana, garden, "codegen", input={"base": ref}))) == {"body.input.base"}, ref
    for path in ("/etc/passwd", "a/../../b", "-r"):
        assert set(problems(execute(hana, garden, "review", input={"paths": [path]}))) == {"body.input.paths.0"}, path


def test_a_text_that_postgres_cannot_keep_is_named(hana: Client, garden: str) -> None:
    answer = execute(hana, garden, "coordinator", input={"issue": {"title": "x", "labels": ["a", "b\0"]}})
    assert (answer.status_code, "contains the character NUL" in answer.json()["message"]) == (422, True)


def test_an_issue_has_a_title(hana: Client, garden: str) -> None:
    for title in ("", "  "):
        found = problems(execute(hana, garden, "issue", input={"issue": {"title": title}}))
        assert set(found) == {"body.input.issue.title"}


def test_a_list_of_an_agent_that_there_is_not_says_which_there_are(hana: Client) -> None:
    answer = hana.get("/agents/executions?agent_type=bogus")
    assert (answer.status_code, "codegen" in answer.json()["message"]) == (422, True)
    assert hana.get("/agents/executions?agent_type=CodeGenAgent").json() == []


def test_a_list_shows_what_one_may_look_at(hana: Client, kenji: Client, garden: str, migrated: str) -> None:
    def seen(client: Client, query: str = "?visible=true") -> list[str]:
        return [row["id"] for row in client.get(f"/agents/executions{query}").json()]

    alone = str(kenji.post("/repositories", json={"full_name": "kenji/own"}).json()["id"])
    hers, his = asked(hana, garden), asked(kenji, alone)
    assert (seen(hana), seen(kenji)) == ([hers], [his])
    organization(migrated, garden, hana="owner", kenji="viewer")
    assert seen(kenji) == [his, hers]
    assert seen(kenji, "") == [his]
    assert kenji.get(f"/agents/executions/{hers}").json()["may_stop"] is False
    for permission in ("agents.read", "agents.stop"):
        granted(migrated, permission)
    assert seen(hana) == [his, hers]
    assert hana.get(f"/agents/executions/{his}/logs").status_code == 200
    assert hana.post(f"/agents/executions/{his}/cancel").status_code == 200
    assert hana.post(f"/agents/executions/{his}/retry").status_code == 403


def test_an_agent_is_told_what_to_work_on(hana: Client, garden: str) -> None:
    for agent in ("codegen", "coordinator", "persona"):
        assert "issue_number" in problems(execute(hana, garden, agent, issue_number=None))["body.input"], agent
    assert execute(hana, garden, "persona", issue_number=None, input={"brief": "お客さま"}).status_code == 202
    assert execute(hana, garden, "review", issue_number=None).status_code == 202


def test_an_input_is_bounded_as_a_whole(hana: Client, garden: str) -> None:
    fits = {"files": ["水" * 499] * 160, "instructions": "x" * 20_000}
    assert execute(hana, garden, input=fits).status_code == 202
    assert "262144 bytes" in problems(execute(hana, garden, input=fits | {"x": "x" * 5000}))["body.input"]


def test_a_deeply_nested_input_is_refused(hana: Client, garden: str) -> None:
    for depth in (300, *range(900, 1000, 2), 50_000):
        nested = "[" * depth + "]" * depth
        body = (
            f'{{"repository_id": "{garden}", "agent_type": "codegen", "issue_number": 1, "input": {{"a": {nested}}}}}'
        )
        answer = hana.post("/agents/execute", content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code in {400, 422}, answer.json()["error"]) == (True, "validation_error")


def test_a_body_that_says_it_is_too_large_is_not_read(hana: Client) -> None:
    answer = hana.post("/agents/execute", content=b"", headers={"Content-Length": str(10 * 1024 * 1024)})
    assert (answer.status_code, answer.json()["error"]) == (413, "payload_too_large")


def test_attempts_are_the_agent_s_own(hana: Client, garden: str) -> None:
    for agent in ("review", "codegen"):
        known = hana.get(f"/agents/{agent}").json()
        detail = hana.get(f"/agents/executions/{asked(hana, garden, agent=agent)}").json()
        assert (detail["max_attempts"], detail["timeout_seconds"]) == (known["max_attempts"], None)


def test_what_waits_is_cancelled_at_once(hana: Client, garden: str, migrated: str) -> None:
    path = f"/agents/executions/{asked(hana, garden)}"
    answer = hana.post(f"{path}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    detail = hana.get(path).json()
    assert detail["cancelled_at"] == detail["completed_at"] == detail["cancel_requested_at"]
    assert hana.post(f"{path}/cancel").status_code == 409


def test_who_runs_it_is_told_to_stop(hana: Client, garden: str, migrated: str) -> None:
    execution_id = asked(hana, garden)
    moves(migrated, execution_id, "running")
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute("LISTEN agent_cancellations")
        answers = [hana.post(f"/agents/executions/{execution_id}/cancel") for _ in range(2)]
        told = list(connection.notifies(timeout=2, stop_after=1))
    assert [(answer.status_code, answer.json()["status"]) for answer in answers] == [(202, "running")] * 2
    assert [notice.payload for notice in told] == [execution_id]
    assert hana.get(f"/agents/executions/{execution_id}").json()["cancel_requested_at"]


def test_cancelling_a_parent_cancels_its_children(hana: Client, garden: str, migrated: str) -> None:
    parent, child = asked(hana, garden, agent="coordinator"), asked(hana, garden)
    sql(migrated, "UPDATE agent_executions SET parent_id = %s WHERE id = %s", parent, child)
    moves(migrated, parent, "running")
    assert hana.post(f"/agents/executions/{parent}/cancel").status_code == 202
    children = hana.get(f"/agents/executions?parent_id={parent}").json()
    assert [(row["id"], row["status"]) for row in children] == [(child, "cancelled")]


def test_one_that_is_still_stopping_its_children_is_not_tried_again(hana: Client, garden: str, migrated: str) -> None:
    parent, child = asked(hana, garden, agent="coordinator"), asked(hana, garden)
    sql(migrated, "UPDATE agent_executions SET parent_id = %s WHERE id = %s", parent, child)
    moves(migrated, child, "running")
    moves(migrated, parent, "running", "failed")
    refused = hana.post(f"/agents/executions/{parent}/retry")
    assert refused.status_code == 409
    assert "is still stopping its children" in refused.json()["message"]
    moves(migrated, child, "cancelled")
    assert hana.post(f"/agents/executions/{parent}/retry").status_code == 202
    assert hana.get(f"/agents/executions/{child}").json()["status"] == "pending"


def test_a_failed_one_is_tried_again_with_all_its_attempts(hana: Client, garden: str, migrated: str) -> None:
    execution_id = asked(hana, garden)
    retry = f"/agents/executions/{execution_id}/retry"
    refused = hana.post(retry)
    assert (refused.status_code, refused.json()["details"]) == (409, {"status": "pending"})
    moves(migrated, execution_id, "running", "failed")
    sql(migrated, "UPDATE agent_executions SET attempt = 3, error_message = 'x' WHERE id = %s", execution_id)
    with psycopg.connect(migrated, autocommit=True) as connection:
        connection.execute("LISTEN agent_executions")
        answer = hana.post(retry)
        assert len(list(connection.notifies(timeout=2, stop_after=1))) == 1
    assert (answer.status_code, answer.json()["status"], answer.json()["error_message"]) == (202, "pending", None)
    detail = hana.get(f"/agents/executions/{execution_id}").json()
    assert detail["attempt"] < detail["max_attempts"]


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
def test_what_has_ended_is_not_cancelled(hana: Client, garden: str, migrated: str, end: str) -> None:
    execution_id = asked(hana, garden)
    moves(migrated, execution_id, "running", end)
    answer = hana.post(f"/agents/executions/{execution_id}/cancel")
    assert (answer.status_code, answer.json()["error"]) == (409, "conflict")
    assert end in answer.json()["message"]


def test_steps_and_the_flow_run_are_shown(hana: Client, garden: str, migrated: str) -> None:
    execution_id, flow_run_id = asked(hana, garden), str(uuid4())
    sql(migrated, "UPDATE agent_executions SET flow_run_id = %s WHERE id = %s", flow_run_id, execution_id)
    add = "INSERT INTO execution_steps (execution_id, number, name, status, error) VALUES (%s, %s, %s, %s, %s)"
    sql(migrated, add, execution_id, 2, "Write code", "failed", "the disk is full")
    sql(migrated, add, execution_id, 1, "Read the issue", "completed", None)
    detail = hana.get(f"/agents/executions/{execution_id}").json()
    assert detail["flow_run_id"] == flow_run_id
    assert [(step["number"], step["status"], step["error"]) for step in detail["steps"]] == [
        (1, "completed", None), (2, "failed", "the disk is full"),
    ]  # fmt: skip


@pytest.mark.parametrize("role", ["owner", "admin", "member"])
def test_members_work_with_each_other_s_executions(
    hana: Client, kenji: Client, garden: str, migrated: str, role: str
) -> None:
    execution_id = asked(hana, garden)
    assert kenji.get(f"/agents/executions/{execution_id}").status_code == 404
    organization(migrated, garden, hana="owner", kenji=role)
    assert kenji.get(f"/agents/executions/{execution_id}/logs").status_code == 200
    assert execute(kenji, garden).status_code == 202
    assert kenji.post(f"/agents/executions/{execution_id}/cancel").status_code == 200
    failed = asked(hana, garden)
    moves(migrated, failed, "running", "failed")
    assert kenji.post(f"/agents/executions/{failed}/retry").status_code == 202


def test_a_viewer_looks_and_does_no_more(hana: Client, kenji: Client, garden: str, migrated: str) -> None:
    execution_id = asked(hana, garden)
    organization(migrated, garden, hana="owner", kenji="viewer")
    assert kenji.get(f"/agents/executions/{execution_id}").status_code == 200
    for answer, permission in [
        (execute(kenji, garden), "agents.execute"),
        (kenji.post(f"/agents/executions/{execution_id}/cancel"), "agents.stop"),
        (kenji.post(f"/agents/executions/{execution_id}/retry"), "agents.execute"),
    ]:
        assert (answer.status_code, answer.json()["error"]) == (403, "authorization_error")
        assert permission in answer.json()["message"]
    assert sql(migrated, "SELECT status FROM agent_executions") == [("pending",)]


def test_who_has_left_the_organization_sees_and_stops_nothing_of_it(
    hana: Client, kenji: Client, garden: str, migrated: str
) -> None:
    organization(migrated, garden, hana="owner", kenji="member")
    execution_id = asked(kenji, garden)
    sql(migrated, "DELETE FROM organization_members WHERE role = 'member'")
    assert kenji.get(f"/agents/executions/{execution_id}").status_code == 404
    assert kenji.post(f"/agents/executions/{execution_id}/cancel").status_code == 404
    assert execute(kenji, garden).status_code == 404
    assert kenji.get(f"/agents/executions/{asked(hana, garden)}").status_code == 404


@pytest.mark.parametrize(
    ("agent", "permission"),
    [("deployment", "deployments.execute"), ("refresher", "agents.manage"), ("waterspider", "agents.manage")],
)
def test_what_concerns_the_installation_is_granted_to_accounts_alone(
    hana: Client, garden: str, migrated: str, agent: str, permission: str
) -> None:
    """And so what is to have it work later: a plan for a coordinator, a workflow."""
    graph = {"nodes": [{"id": "a", "agent_type": agent}]}
    plan = {"repository_id": garden, "agent_type": "coordinator", "input": {"issue": {"title": "All", "tasks": [
        {"id": 1, "title": "First", "agent": "review"}, {"id": 2, "title": "Then", "agentType": agent},
    ]}}}  # fmt: skip
    harmless = {"nodes": [{"id": "a", "agent_type": "review"}]}
    workflow = hana.post("/workflows", json={"name": "w", "dag_definition": harmless})
    stored = f"/workflows/{workflow.json()['id']}"

    def answers() -> list[httpx.Response]:
        return [
            execute(hana, garden, agent), hana.post("/agents/execute", json=plan),
            hana.post("/workflows", json={"name": "w", "dag_definition": graph}),
            hana.request("PATCH", stored, json={"dag_definition": graph}),
        ]  # fmt: skip

    def refused() -> None:
        for answer in answers():
            assert (answer.status_code, answer.json()["error"]) == (403, "authorization_error")
            assert permission in answer.json()["message"]

    refused()
    organization(migrated, garden, hana="owner")
    refused()
    granted(migrated, permission, str(sql(migrated, "SELECT id FROM organizations")[0][0]))
    refused()
    granted(migrated, permission)
    assert [answer.status_code for answer in answers()] == [202, 202, 201, 200]
    failed = asked(hana, garden, agent=agent)
    moves(migrated, failed, "running", "failed")
    sql(migrated, "DELETE FROM user_permissions")
    assert hana.post(f"/agents/executions/{failed}/retry").status_code == 403
    assert hana.get(f"/agents/executions/{failed}").json()["may_execute"] is False


@pytest.mark.parametrize(("environment", "status"), [("local", 202), ("staging", 403)])
def test_the_terminal_operates_the_embedded_cloud_and_no_other(migrated: str, environment: str, status: int) -> None:
    backend = make_backend(migrated, environment=environment)
    try:
        anyone = Client(backend)
        terminal = anyone.sign_in(WHO["github_id"], WHO["email"])  # type: ignore[arg-type]
        evil = anyone.sign_in(13, "evil@example.com")
        mine, others = (
            str(client.post("/repositories", json={"full_name": "me/shop"}).json()["id"]) for client in (terminal, evil)
        )
        assert execute(terminal, mine, "deployment").status_code == status
        assert execute(evil, others, "deployment").status_code == 403
    finally:
        backend.pool.close()


def test_one_s_repository_in_an_organization_is_not_one_s_own_any_more(
    hana: Client, garden: str, migrated: str
) -> None:
    organization(migrated, garden)
    assert execute(hana, garden).status_code == 404


def test_what_is_not_there_cannot_be_moved(hana: Client, kenji: Client, garden: str) -> None:
    for execution_id in (asked(hana, garden), str(uuid4())):
        for verb in ("cancel", "retry"):
            answer = kenji.post(f"/agents/executions/{execution_id}/{verb}")
            assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


def test_a_page_of_a_log_fits_into_an_answer_of_lambda(hana: Client, garden: str, migrated: str) -> None:
    path = f"/agents/executions/{asked(hana, garden)}"
    add = """
        INSERT INTO execution_logs (execution_id, log_level, message, metadata)
        SELECT %s, 'INFO', repeat('x', 16384), '{"a": 1}' FROM generate_series(1, 300)
    """
    sql(migrated, add, path.rpartition("/")[2])
    pages, since = [], 0
    while page := hana.get(f"{path}/logs?since={since}").json():
        pages.append(len(page))
        since = page[-1]["sequence"]
    assert sum(pages) == 300
    assert pages[0] == pages[1] == 2_000_000 // 16_392 + 1
