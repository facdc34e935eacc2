"""Every route on a really migrated database: what a user can do, and that nobody sees what is another's."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from database.agents import AGENTS
from tests.backend import Client, granted, make_backend, sql

EXECUTION = {
    "id", "repository_id", "issue_number", "agent_type", "status", "started_at", "completed_at", "result_summary",
    "quality_score", "pr_number", "created_at", "updated_at", "priority", "error_message",
}  # fmt: skip


@pytest.fixture
def repository_id(hana: Client) -> str:
    return str(hana.post("/repositories", json={"full_name": "hana/garden"}).json()["id"])


def execute(client: Client, repository_id: str, *, key: str = "", **changes: Any) -> Any:
    body = {"repository_id": repository_id, "issue_number": 270, "agent_type": "codegen", **changes}
    return client.post("/agents/execute", json=body, headers={"Idempotency-Key": key} if key else {})


def test_health_says_which_schema_there_is(visitor: Client, migrated: str) -> None:
    answer = visitor.get("/health")
    assert answer.status_code == 200
    newest = sql(migrated, "SELECT max(version) FROM _sqlx_migrations")[0][0]
    assert answer.json() == {
        "status": "ok",
        "version": "0.1.0",
        "database": {"active_connections": 0, "idle_connections": 1, "max_connections": 5, "status": "connected"},
        "schema_version": newest,
        "live": ["websocket", "events", "polling"],
        "lacking": [],
    }


def test_a_database_that_answers_is_not_all(database: str) -> None:
    backend = make_backend(database, jwt_secret="")
    answer = Client(backend).get("/health")
    backend.pool.close()
    assert (answer.status_code, answer.json()["database"]["status"]) == (503, "connected")
    assert answer.json()["lacking"] == ["neither JWT_SECRET_ARN nor JWT_SECRET is set"]


def test_health_of_a_database_that_was_never_migrated(database: str) -> None:
    backend = make_backend(database)
    answer = Client(backend).get("/health")
    backend.pool.close()
    assert (answer.status_code, answer.json()["schema_version"]) == (200, None)


def test_mock_login_gives_tokens_and_the_user(visitor: Client) -> None:
    body = {"github_id": 42, "email": "hana@example.com", "name": "Hana"}
    first, second = (visitor.post("/auth/mock", json=body) for _ in range(2))
    assert first.status_code == second.status_code == 200
    assert set(first.json()) == {"access_token", "refresh_token", "expires_in", "user"}
    assert first.json()["expires_in"] == 900
    assert first.json()["user"] == second.json()["user"]
    assert first.json()["user"].keys() == {"id", "github_id", "email", "name", "avatar_url"}
    assert first.json()["user"]["avatar_url"].endswith("/u/0")


def test_mock_login_takes_no_one_s_account(visitor: Client, migrated: str) -> None:
    row = (50, "real@example.com", "Real", "gho_real")
    sql(migrated, "INSERT INTO users (github_id, email, name, access_token) VALUES (%s, %s, %s, %s)", *row)
    visitor.sign_in(51, "mock@example.com")
    for github_id, email in [
        (50, "real@example.com"),
        (50, "x@example.com"),
        (52, "REAL@example.com"),
        (51, "x@y.z"),
        (53, "Mock@example.com"),
    ]:
        answer = visitor.post("/auth/mock", json={"github_id": github_id, "email": email, "name": "Thief"})
        assert (answer.status_code, answer.json()["error"]) == (403, "authorization_error")
    assert sql(migrated, "SELECT github_id, email, name, access_token FROM users WHERE github_id = 50") == [row]
    assert sql(migrated, "SELECT count(*) FROM users") == [(2,)]


def test_repositories_are_registered_once(hana: Client) -> None:
    made = hana.post("/repositories", json={"full_name": "hana/garden"})
    same = hana.post("/repositories", json={"full_name": "Hana/Garden"})
    other = hana.post("/repositories", json={"full_name": "hana/kitchen.js"})
    assert [answer.status_code for answer in (made, same, other)] == [201, 200, 201]
    assert made.json() == same.json()
    assert set(made.json()) == {
        "id", "user_id", "github_repo_id", "owner", "name", "full_name", "default_branch", "is_active",
        "organization_id", "team_id", "created_at", "updated_at",
    }  # fmt: skip
    assert made.json()["github_repo_id"] < 0
    assert made.json()["created_at"].endswith("Z")
    assert hana.get("/repositories").json() == [made.json(), other.json()]
    assert hana.get(f"/repositories/{made.json()['id']}").json() == made.json()


def test_names_that_github_would_not_have(hana: Client) -> None:
    for full_name in ("garden", "/garden", "hana/", "hana/garden/x", "hana/..", "ha na/garden", "-/x"):
        answer = hana.post("/repositories", json={"full_name": full_name})
        assert (answer.status_code, answer.json()["error"]) == (400, "validation_error"), full_name


def test_two_users_may_register_the_same_repository(hana: Client, kenji: Client) -> None:
    answers = [client.post("/repositories", json={"full_name": "hana/garden"}) for client in (hana, kenji)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["id"] != answers[1].json()["id"]


def test_a_token_outlives_its_account_but_opens_nothing(hana: Client, migrated: str) -> None:
    sql(migrated, "DELETE FROM users")
    answer = hana.post("/repositories", json={"full_name": "hana/garden"})
    assert (answer.status_code, answer.json()["error"]) == (401, "authentication_error")


def test_an_execution_is_a_pending_row(hana: Client, repository_id: str, migrated: str) -> None:
    answer = execute(hana, repository_id, options={"use_worktree": True}, input={"instructions": "水"}, priority="P1")
    assert answer.status_code == 202
    assert set(answer.json()) == EXECUTION
    assert (answer.json()["status"], answer.json()["priority"], answer.json()["started_at"]) == ("pending", "P1", None)
    assert answer.headers["location"] == f"executions/{answer.json()['id']}"
    detail = hana.get(f"/agents/{answer.headers['location']}")
    assert detail.status_code == 200
    unset = ["result", "timeout_seconds", "flow_run_id", "parent_id", "heartbeat_at", "run_after",
             "cancel_requested_at", "cancelled_at"]  # fmt: skip
    assert detail.json() == answer.json() | dict.fromkeys(unset) | {
        "repository": "hana/garden",
        "options": {"use_worktree": True, "auto_pr": False, "slack_notify": False},
        "input": {"instructions": "水"},
        "attempt": 0,
        "max_attempts": 3,
        "may_stop": True,
        "may_execute": True,
        "steps": [],
    }
    owners = sql(migrated, "SELECT u.github_id FROM agent_executions e JOIN users u ON u.id = e.user_id")
    assert owners == [(42,)]


def test_every_agent_can_be_asked_by_any_of_its_names(hana: Client, repository_id: str, migrated: str) -> None:
    for permission in {agent.grant for agent in AGENTS.values() if agent.grant}:
        granted(migrated, permission)
    names = [agent.character or agent.name for agent in AGENTS.values()]
    answers = [execute(hana, repository_id, agent_type=name) for name in names]
    assert [answer.json().get("agent_type") for answer in answers] == list(AGENTS)


def test_an_unknown_repository_and_another_s_are_the_same(kenji: Client, repository_id: str, migrated: str) -> None:
    for some_id in (repository_id, str(uuid4())):
        answer = execute(kenji, some_id, key="k")
        assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
    assert sql(migrated, "SELECT count(*) FROM agent_executions") == [(0,)]


def test_an_idempotency_key_makes_one_execution(hana: Client, kenji: Client, repository_id: str) -> None:
    input = {"instructions": "a", "base": "main"}
    first, again = (execute(hana, repository_id, key="k-1", input=input) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
    assert first.headers["location"] == again.headers["location"] == f"executions/{first.json()['id']}"
    other = execute(hana, repository_id, key="k-1", input={"instructions": "a"})
    assert (other.status_code, other.json()["error"]) == (422, "idempotency_key_reused")
    assert execute(hana, repository_id, key="k-2").json()["id"] != first.json()["id"]
    kenjis = kenji.post("/repositories", json={"full_name": "hana/garden"}).json()["id"]
    assert execute(kenji, kenjis, key="k-1").status_code == 202


@pytest.mark.parametrize("value", ["\x00", "\ud800"])
def test_a_value_that_postgres_cannot_hold_is_refused(hana: Client, repository_id: str, value: str) -> None:
    answers = [
        execute(hana, repository_id, input={"instructions": value}),
        execute(hana, repository_id, input={value: 1}),
        hana.post("/auth/mock", json={"github_id": 1, "email": f"a{value}@b.c"}),
    ]
    assert [(answer.status_code, answer.json()["error"]) for answer in answers] == [(422, "validation_error")] * 3


def test_numbers_that_json_does_not_have_are_refused(hana: Client, repository_id: str) -> None:
    body = f'{{"repository_id": "{repository_id}", "agent_type": "review", "input": {{"threshold": NaN}}}}'
    answer = hana.post("/agents/execute", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (422, "validation_error")


def test_pages_follow_each_other_without_gap_or_double(hana: Client, repository_id: str, migrated: str) -> None:
    made = [execute(hana, repository_id).json()["id"] for _ in range(5)]
    sql(migrated, "UPDATE agent_executions SET created_at = '2025-11-26T00:00:00Z' WHERE id = ANY(%s)", made[:3])
    seen, query = [], "limit=2"
    while query:
        answer = hana.get(f"/agents/executions?{query}")
        assert len(answer.json()) <= 2
        seen += [row["id"] for row in answer.json()]
        cursor = answer.headers.get("x-next-cursor")
        query = f"limit=2&before={cursor}" if cursor else ""
    assert seen[:2] == made[:2:-1]
    assert seen[2:] == sorted(made[:3], reverse=True)


def test_a_list_is_filtered(hana: Client, kenji: Client, repository_id: str, migrated: str) -> None:
    first, second = execute(hana, repository_id), execute(hana, repository_id, agent_type="review")
    sql(migrated, "UPDATE agent_executions SET status = 'running' WHERE id = %s", first.json()["id"])

    def ids(query: str, client: Client = hana) -> list[str]:
        return [row["id"] for row in client.get(f"/agents/executions?{query}").json()]

    assert ids("status=running") == [first.json()["id"]]
    assert ids("agent_type=review") == [second.json()["id"]]
    assert len(ids(f"repository_id={repository_id}")) == 2
    assert ids(f"repository_id={uuid4()}") == ids("status=failed") == ids("", kenji) == []


def test_a_log_is_read_on_from_where_one_was(hana: Client, kenji: Client, repository_id: str, migrated: str) -> None:
    path = f"/agents/executions/{execute(hana, repository_id).json()['id']}"
    assert hana.get(f"{path}/logs").json() == []
    execution_id = UUID(path.rpartition("/")[2])
    add = "INSERT INTO execution_logs (execution_id, log_level, message, metadata) VALUES (%s, 'INFO', %s, %s)"
    for number in range(5):
        sql(migrated, add, execution_id, f"line {number}", '{"n": 1}')
    first = hana.get(f"{path}/logs?limit=3").json()
    rest = hana.get(f"{path}/logs?since={first[-1]['sequence']}").json()
    assert [line["message"] for line in first + rest] == [f"line {number}" for number in range(5)]
    assert set(first[0]) == {
        "sequence", "id", "execution_id", "log_level", "message", "timestamp", "metadata",
    }  # fmt: skip
    assert first[0]["metadata"] == {"n": 1}
    for other in (path, f"{path}/logs"):
        assert kenji.get(other).json()["error"] == "not_found"
    assert hana.get(f"/agents/executions/{uuid4()}/logs").status_code == 404


def test_the_dashboard_counts_what_is_one_s_own(hana: Client, kenji: Client, repository_id: str, migrated: str) -> None:
    ids = [execute(hana, repository_id).json()["id"] for _ in range(5)]
    for execution_id, status in zip(ids[:3], ("completed", "failed", "cancelled"), strict=True):
        for move in ("running", status):
            sql(migrated, "UPDATE agent_executions SET status = %s WHERE id = %s", move, execution_id)
    sql(migrated, "UPDATE agent_executions SET status = 'running' WHERE id = %s", ids[3])
    sql(migrated, "UPDATE agent_executions SET pr_number = 7, quality_score = 92 WHERE id = %s", ids[0])
    assert hana.get("/dashboard/summary").json() == {
        "total_executions": 5,
        "running_executions": 1,
        "completed_executions": 1,
        "failed_executions": 1,
        "pending_executions": 1,
        "total_repositories": 1,
        "total_prs_created": 1,
    }
    assert set(kenji.get("/dashboard/summary").json().values()) == {0}


def test_the_dashboard_shows_the_twenty_newest(hana: Client, kenji: Client, repository_id: str) -> None:
    made = [execute(hana, repository_id).json()["id"] for _ in range(21)]
    recent = hana.get("/dashboard/recent").json()
    assert [row["id"] for row in recent] == made[:0:-1]
    assert set(recent[0]) == EXECUTION | {"repository_owner", "repository_name"}
    assert (recent[0]["repository_owner"], recent[0]["repository_name"]) == ("hana", "garden")
    assert kenji.get("/dashboard/recent").json() == []
