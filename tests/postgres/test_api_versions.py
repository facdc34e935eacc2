"""Every row that is made says where it is and which version it has; every request that changes one takes If-Match."""

from typing import Any
from urllib.parse import urljoin

import pytest

from api.app import create_app
from tests.backend import Client, make_backend, sql
from tests.postgres.tenants import organization, person

OPERATIONS = {
    f"{method.upper()} {path.removeprefix('/api/v1')}": {one["name"].lower() for one in operation.get("parameters", [])}
    for path, item in create_app(make_backend()).openapi()["paths"].items()
    for method, operation in item.items()
}
NODE = {"id": "look", "agent_type": "market-research", "name": "Look"}
MADE: dict[str, Any] = {
    "POST /organizations": {"name": "Red Garden"},
    "POST /organizations/{organization_id}/members": {"identifier": "mio@example.com"},
    "POST /organizations/{organization_id}/teams": {"name": "Gardeners"},
    "POST /organizations/{organization_id}/teams/{team_id}/members": {"user_id": "{user_id}"},
    "POST /repositories": {"full_name": "hana/garden", "organization_id": "{organization_id}"},
    "POST /tasks": {"name": "weed", "repository_id": "{repository_id}"},
    "POST /tasks/{task_id}/dependencies": {"depends_on_task_id": "{other_task_id}"},
    "POST /workflows": {"name": "Plan", "repository_id": "{repository_id}", "dag_definition": {"nodes": [NODE]}},
    "POST /workflows/{workflow_id}/execute": None,
    "POST /agents/execute": {"repository_id": "{repository_id}", "agent_type": "review", "issue_number": 1},
}
NAMES = {"teams": "team_id", "repositories": "repository_id", "tasks": "task_id", "workflows": "workflow_id",
         "runs": "run_id", "executions": "execution_id"}  # fmt: skip
MOVE = "UPDATE agent_executions SET status = %s WHERE id = %s"
CHANGED: list[tuple[str, Any]] = [
    ("PATCH /repositories/{repository_id}", {"default_branch": "develop"}),
    ("PATCH /tasks/{task_id}", {"priority": "P0"}),
    ("DELETE /tasks/{task_id}/dependencies/{other_task_id}", None),
    ("POST /tasks/{task_id}/start", None),
    ("POST /tasks/{task_id}/fail", {"error_message": "rain"}),
    ("POST /tasks/{task_id}/retry", None),
    ("POST /tasks/{task_id}/cancel", None),
    ("DELETE /tasks/{task_id}", None),
    ("POST /tasks/{other_task_id}/start", None),
    ("POST /tasks/{other_task_id}/complete", {"result": "sown"}),
    ("PATCH /workflows/{workflow_id}", {"description": "x"}),
    ("POST /workflows/{workflow_id}/runs/{run_id}/cancel", None),
    ("DELETE /workflows/{workflow_id}", None),
    ("POST /agents/executions/{execution_id}/cancel", None),
    ("POST /agents/executions/{execution_id}/retry", None),
    ("DELETE /repositories/{repository_id}", None),
    ("PATCH /organizations/{organization_id}/teams/{team_id}", {"description": "x"}),
    ("DELETE /organizations/{organization_id}/teams/{team_id}/members/{user_id}", None),
    ("DELETE /organizations/{organization_id}/teams/{team_id}", None),
    ("DELETE /organizations/{organization_id}/invitations/{invitation_id}", None),
    ("PATCH /organizations/{organization_id}/members/{user_id}", {"role": "viewer"}),
    ("POST /organizations/{organization_id}/members/{user_id}/suspend", None),
    ("POST /organizations/{organization_id}/members/{user_id}/reactivate", None),
    ("PATCH /organizations/{organization_id}", {"description": "x"}),
    ("POST /organizations/{organization_id}/transfer", {"user_id": "{user_id}"}),
    ("DELETE /organizations/{organization_id}", None),  # by the new owner
    ("DELETE /organizations/{red_id}/members/{user_id}", None),
]
"""In this order, each can be done. Whose row it is says the path, without the verb at its end."""
VERBS = ("start", "fail", "retry", "cancel", "complete", "suspend", "reactivate", "transfer")


class Garden:
    """Hana, her organization, and what has been made in it."""

    def __init__(self, visitor: Client) -> None:
        self.people = {name: person(visitor, name) for name in ("hana", "kenji", "rin")}
        self.hana = self.people["hana"]
        self.ids = {"organization_id": organization(self.hana), "red_id": organization(self.hana, "Blue")}
        self.ids["user_id"] = self.people["kenji"].get("/auth/me").json()["id"]
        for place in ("organization_id", "red_id"):
            self.do(f"POST /organizations/{{{place}}}/members", {"identifier": "kenji@example.com"})
            self.do(f"POST /organizations/{{{place}}}/accept", who="kenji")
        self.ids["other_task_id"] = self.do("POST /tasks", {"name": "sow"}).json()["task"]["id"]

    def do(self, what: str, body: Any = None, *, tag: str | None = None, who: str = "hana") -> Any:
        method, path = what.split()
        filled = {name: str(value).format(**self.ids) if "_id}" in str(value) and "{" not in str(value)[1:] else value
                  for name, value in (body or {}).items()}  # fmt: skip
        options: dict[str, Any] = {"json": filled} if body else {}
        return self.people[who].request(
            method, path.format(**self.ids), headers={} if tag is None else {"If-Match": tag}, **options
        )

    def make(self, what: str) -> Any:
        answer = self.do(what, MADE[what])
        assert answer.status_code in (201, 202), f"{what}: {answer.text}"
        kind, _, key = answer.headers["location"].partition("/")
        if kind == "invitations":
            self.ids["invitation_id"] = key
        if name := NAMES.get(kind):
            self.ids[name] = key
        return answer


@pytest.fixture
def garden(visitor: Client, migrated: str) -> Garden:
    garden = Garden(visitor)
    repository = garden.make("POST /repositories").json()["id"]
    sql(migrated, "UPDATE tasks SET repository_id = %s", repository)
    return garden


def described(what: str) -> str:
    """As the description names it."""
    for ours, theirs in (("dependencies/{other_task_id}", "dependencies/{depends_on_task_id}"),
                         ("{other_task_id}", "{task_id}"), ("{red_id}", "{organization_id}")):  # fmt: skip
        what = what.replace(ours, theirs)
    return what


def version(answer: Any) -> str:
    return str(answer.headers["etag"].strip('"').partition(".")[0])


def test_what_is_made_says_where_it_is_and_which_version(garden: Garden) -> None:
    assert {name for name, parameters in OPERATIONS.items() if "idempotency-key" in parameters} == set(MADE)
    for what in [one for one in MADE if one != "POST /repositories"]:
        made = garden.make(what)
        place = urljoin(made.request.url.path, made.headers["location"])
        found = garden.hana.get(place.removeprefix("/api/v1"))
        assert (found.status_code, version(found)) == (200, version(made)), f"{what}: {place}"
        assert "id" in made.json() or len(made.json()) == 1, "a row is bare, or in one name"


def test_every_change_takes_if_match(garden: Garden, migrated: str) -> None:
    for what in [one for one in MADE if one != "POST /repositories"]:
        garden.make(what)
    taking = {name for name, parameters in OPERATIONS.items() if "if-match" in parameters}
    for what, body in CHANGED:
        who = "kenji" if what == "DELETE /organizations/{organization_id}" else "hana"
        if what.endswith("/{execution_id}/retry"):
            garden.make("POST /agents/execute")
            for status in ("running", "failed"):
                sql(migrated, MOVE, status, garden.ids["execution_id"])
        place = what.split()[1].rpartition("/")[0] if what.endswith(VERBS) else what.split()[1]
        before = garden.do(f"GET {place}", who=who).headers["etag"]
        refused = garden.do(what, body, tag='"7"', who=who)
        assert (refused.status_code, refused.json()["error"]) == (412, "precondition_failed"), f"{what} {refused.text}"
        assert garden.do(f"GET {place}", who=who).headers["etag"] == before, f"{what} was done all the same"
        done = garden.do(what, body, tag=f'"7", {before}', who=who)
        assert done.status_code in (200, 202), f"{what}: {done.text}"
        if "message" not in done.json() and not what.endswith("transfer"):
            assert version(done) != before.strip('"').partition(".")[0], what
        taking.discard(described(what))
    assert not taking, "not tried"


def test_what_refuses_a_change_anyway_is_told_first(garden: Garden) -> None:
    """A stranger learns nothing from If-Match; and `*` is whatever there is."""
    garden.make("POST /agents/execute")
    garden.make("POST /organizations/{organization_id}/teams")
    path = "POST /agents/executions/{execution_id}/cancel"
    assert garden.do(path, tag='"7"', who="rin").status_code == 404
    assert garden.do("DELETE /organizations/{organization_id}/teams/{team_id}", tag='"7"', who="rin").status_code == 404
    assert garden.do("POST /tasks/{other_task_id}/complete", tag='"7"').status_code == 409
    assert garden.do(path, tag="*").status_code == 200


def test_what_changes_no_row_with_a_tag_takes_none(garden: Garden) -> None:
    for what, body in (("POST /tasks", {"name": "x"}), ("POST /organizations/{organization_id}/leave", None)):
        refused = garden.do(what, body, tag='"7"')
        assert (refused.status_code, refused.json()["error"]) == (412, "precondition_failed")
    assert [task["name"] for task in garden.hana.get("/tasks").json()["tasks"]] == ["sow"], "and it is not made"
    assert garden.do("POST /tasks", {"name": "x"}, tag="*").status_code == 201


def test_who_may_not_make_it_is_told_so_whatever_the_tag(garden: Garden, visitor: Client) -> None:
    garden.people["nobody"] = visitor
    for who, status in (("nobody", 401), ("rin", 404), ("kenji", 403)):
        body = {"identifier": "mio@example.com"}
        refused = garden.do("POST /organizations/{organization_id}/members", body, tag='"7"', who=who)
        assert refused.status_code == status, who
    assert garden.do("POST /organizations/{organization_id}/leave", tag='"7"', who="nobody").status_code == 401
