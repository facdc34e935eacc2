"""Every route for everybody: who may is named here, a route that is not named here fails, and what the others hear.

The letters are people of one organization: its Owner, an Admin, a Member, a Viewer, one who is Suspended and one who is
Invited; X owns another organization. All that a request changes is taken back before the next.
"""

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest
from fastapi.routing import APIRoute

from api.app import PARTS
from api.backend import Backend
from database.pool import Usage
from tests.backend import Client, make_backend, sql
from tests.postgres.tenants import id_of, join, organization

EVERYBODY = "OAMVSIX"
WORK = "OAM"
NAMES = dict(zip(EVERYBODY, ("owner", "admin", "member", "viewer", "suspended", "invited", "stranger"), strict=True))


@dataclass(frozen=True)
class Case:
    """`may` are those who are let in. `org` is how the organization is named: in the path, by a row, in the query or in
    the body; `none` where a route concerns the caller alone."""

    may: str
    org: str = "none"
    body: Any = None


def path(may: str, body: Any = None) -> Case:
    return Case(may, "path", body)


def row(may: str, body: Any = None) -> Case:
    return Case(may, "row", body)


ALL = "OAMV"
CASES: dict[str, Case] = {
    # Open to everybody, or to whoever is signed in.
    **dict.fromkeys((
        "GET /health", "GET /agents", "GET /agents/{agent}", "GET /auth", "GET /auth/github",
        "GET /auth/github/callback", "POST /auth/mock", "POST /auth/refresh", "POST /auth/logout",
        "GET /openapi.json", "GET /docs",
    ), Case("public")),
    "GET /auth/me": Case(EVERYBODY),
    "POST /auth/switch-organization": Case(ALL, "body", {"organization_id": "{organization_id}"}),
    "GET /releases": Case(EVERYBODY),
    "GET /workers": Case(EVERYBODY),
    "GET /workers/{worker_id}": Case(EVERYBODY),
    "GET /coordinators": Case(EVERYBODY),
    "GET /coordinators/{coordinator_id}": Case(EVERYBODY),
    "GET /invitations": Case(EVERYBODY),
    "GET /ws": Case(EVERYBODY),
    "GET /organizations": Case(EVERYBODY),
    "POST /organizations": Case(EVERYBODY, body={"name": "Another"}),
    # The organization itself, who is in it, and its teams.
    "GET /organizations/{organization_id}": path(ALL),
    "PATCH /organizations/{organization_id}": path("OA", {"description": "x"}),
    "DELETE /organizations/{organization_id}": path("O"),
    "GET /organizations/{organization_id}/members": path(ALL),
    "GET /organizations/{organization_id}/members/{user_id}": path(ALL),
    "POST /organizations/{organization_id}/members": path("OA", {"identifier": "new@example.com"}),
    "PATCH /organizations/{organization_id}/members/{user_id}": path("OA", {"role": "viewer"}),
    "DELETE /organizations/{organization_id}/members/{user_id}": path("OA"),
    "POST /organizations/{organization_id}/members/{user_id}/suspend": path("OA"),
    "POST /organizations/{organization_id}/members/{user_id}/reactivate": path("OA"),
    "POST /organizations/{organization_id}/transfer": path("O", {"user_id": "{user_id}"}),
    "GET /organizations/{organization_id}/invitations": path("OA"),
    "GET /organizations/{organization_id}/invitations/{invitation_id}": path("OA"),
    "DELETE /organizations/{organization_id}/invitations/{invitation_id}": path("OA"),
    "POST /organizations/{organization_id}/leave": path("OAMVSI"),
    "POST /organizations/{organization_id}/accept": path("I"),
    "POST /organizations/{organization_id}/decline": path("I"),
    "GET /organizations/{organization_id}/teams": path(ALL),
    "POST /organizations/{organization_id}/teams": path("OA", {"name": "Another"}),
    "GET /organizations/{organization_id}/teams/{team_id}": path(ALL),
    "PATCH /organizations/{organization_id}/teams/{team_id}": path("OA", {"description": "x"}),
    "DELETE /organizations/{organization_id}/teams/{team_id}": path("OA"),
    "GET /organizations/{organization_id}/teams/{team_id}/members": path(ALL),
    "POST /organizations/{organization_id}/teams/{team_id}/members": path("OA", {"user_id": "{user_id}"}),
    "GET /organizations/{organization_id}/teams/{team_id}/members/{user_id}": path(ALL),
    "DELETE /organizations/{organization_id}/teams/{team_id}/members/{user_id}": path("OA"),
    # What is in its repositories.
    "GET /repositories": Case(ALL, "query"),
    "POST /repositories": Case(WORK, "body", {"full_name": "h/new", "organization_id": "{organization_id}"}),
    "GET /repositories/{repository_id}": row(ALL),
    "PATCH /repositories/{repository_id}": row(WORK, {"default_branch": "develop"}),
    "DELETE /repositories/{repository_id}": row("OA"),
    "GET /tasks": Case(ALL, "query"),
    "POST /tasks": Case(WORK, "body", {"name": "x", "repository_id": "{repository_id}"}),
    "GET /tasks/stats": Case(ALL, "query"),
    "GET /tasks/{task_id}": row(ALL),
    "PATCH /tasks/{task_id}": row(WORK, {"name": "x"}),
    "DELETE /tasks/{task_id}": row("OA"),
    **{f"POST /tasks/{{task_id}}/{move}": row(WORK) for move in ("start", "complete", "fail", "cancel", "retry")},
    "GET /tasks/{task_id}/dependencies": row(ALL),
    "POST /tasks/{task_id}/dependencies": row(WORK, {"depends_on_task_id": "{other_task_id}"}),
    "GET /tasks/{task_id}/dependencies/{depends_on_task_id}": row(ALL),
    "DELETE /tasks/{task_id}/dependencies/{depends_on_task_id}": row(WORK),
    "GET /workflows": Case(ALL, "query"),
    "POST /workflows": Case(WORK, "body", {
        "name": "x", "repository_id": "{repository_id}", "dag_definition": {"nodes": [{"id": "a", "agent": "sales"}]},
    }),
    "GET /workflows/{workflow_id}": row(ALL),
    "PATCH /workflows/{workflow_id}": row(WORK, {"name": "x"}),
    "DELETE /workflows/{workflow_id}": row("OA"),
    "POST /workflows/{workflow_id}/execute": row(WORK),
    "GET /workflows/{workflow_id}/runs": row(ALL),
    "GET /workflows/{workflow_id}/runs/{run_id}": row(ALL),
    "POST /workflows/{workflow_id}/runs/{run_id}/cancel": row(WORK),
    "POST /agents/execute": Case(WORK, "body", {"repository_id": "{repository_id}", "agent_type": "review"}),
    "GET /agents/executions": Case(ALL, "query"),
    "GET /agents/executions/{execution_id}": row(ALL),
    "GET /agents/executions/{execution_id}/logs": row(ALL),
    "POST /agents/executions/{execution_id}/cancel": row(WORK),
    "POST /agents/executions/{execution_id}/retry": row(WORK),
    "GET /dashboard/summary": Case(ALL, "query"),
    "GET /dashboard/recent": Case(ALL, "query"),
    "GET /dashboard/live": Case(ALL, "query"),
}  # fmt: skip
ROUTES = sorted(
    f"{method} {route.path.removeprefix('/api/v1')}"
    for part in PARTS for route in part.router.routes if isinstance(route, APIRoute) for method in route.methods
)  # fmt: skip


class OneConnection:
    """In place of the pool: a transaction that is always taken back."""

    def __init__(self, dsn: str) -> None:
        self.link = psycopg.connect(dsn)

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        yield self.link

    def usage(self) -> Usage:
        return Usage(1, 0, 1)

    def close(self) -> None:
        self.link.close()


@dataclass
class Scene:
    backend: Backend
    link: psycopg.Connection[Any]
    people: dict[str, Client]
    ids: dict[str, str]

    async def ask(self, http: httpx.AsyncClient, letter: str, route: str, *, inactive: bool = False) -> httpx.Response:
        case = CASES[route]
        method, url = filled(route, self.ids).split(" ")
        query = {"organization_id": self.ids["organization_id"]} if case.org == "query" else {}
        self.link.rollback()
        self.link.execute("SELECT 1")  # begins the transaction: what a handler begins is within
        if inactive:
            self.link.execute("UPDATE organizations SET is_active = false WHERE id = %s", [self.ids["organization_id"]])
        headers = self.people[letter].headers if letter else {}
        body = filled(case.body, self.ids) if case.body else None
        return await http.request(method, f"/api/v1{url}", params=query, json=body, headers=headers)


def filled(value: Any, ids: dict[str, str]) -> Any:
    """With the ids in their places."""
    if isinstance(value, dict):
        return {name: filled(part, ids) for name, part in value.items()}
    if isinstance(value, list):
        return [filled(part, ids) for part in value]
    for name, id in ids.items():
        value = value.replace(f"{{{name}}}", id)
    return value


@pytest.fixture
def scene(migrated: str, visitor: Client) -> Iterator[Scene]:
    people = {letter: visitor.sign_in(100 + n, f"{NAMES[letter]}@example.com") for n, letter in enumerate(EVERYBODY)}
    other = visitor.sign_in(99, "other@example.com")
    garden = organization(people["O"])
    organization(people["X"], "Elsewhere")
    for letter in "AMV":
        join(migrated, garden, NAMES[letter], NAMES[letter])
    join(migrated, garden, "suspended", "admin", "suspended")
    join(migrated, garden, "invited", "admin", "invited")
    join(migrated, garden, "other")
    sql(migrated, "UPDATE organizations SET max_members = 50")
    ids = resources(people["O"], other, garden, migrated)
    backend = make_backend(migrated)
    backend.pool = pool = OneConnection(migrated)  # type: ignore[assignment]
    yield Scene(backend, pool.link, people, ids)
    pool.close()


def resources(owner: Client, other: Client, garden: str, dsn: str) -> dict[str, str]:
    """One of everything, made by somebody who is asked nothing here."""

    def made(path: str, body: Any, key: str = "") -> str:
        answer = owner.post(path, json=body).json()
        return str((answer[key] if key else answer)["id"])

    repository = made("/repositories", {"full_name": "h/a", "organization_id": garden})
    nodes = {"nodes": [{"id": "a", "agent_type": "sales"}]}
    workflow = made("/workflows", {"name": "w", "repository_id": repository, "dag_definition": nodes})
    tasks = [made("/tasks", {"name": name, "repository_id": repository}, "task") for name in ("t", "u", "v")]
    owner.post(f"/tasks/{tasks[0]}/dependencies", json={"depends_on_task_id": tasks[1]})
    team = made(f"/organizations/{garden}/teams", {"name": "T"}, "team")
    member = id_of(dsn, "other")
    owner.post(f"/organizations/{garden}/teams/{team}/members", json={"user_id": member})
    ids = {
        "organization_id": garden, "repository_id": repository, "workflow_id": workflow, "task_id": tasks[0],
        "depends_on_task_id": tasks[1], "other_task_id": tasks[2], "team_id": team, "user_id": member,
        "invitation_id": made(f"/organizations/{garden}/members", {"identifier": "pending@example.com"}),
        "run_id": made(f"/workflows/{workflow}/execute", {}),
        "execution_id": str(other.post("/agents/execute", json={"repository_id": repository, "agent_type": "review"})
                            .json()["id"]),
        "worker_id": "w", "coordinator_id": "c", "agent": "review",
    }  # fmt: skip
    for table in ("tasks", "workflows", "repositories", "agent_executions"):
        sql(dsn, f"UPDATE {table} SET user_id = %s", member)
    return ids


def test_every_route_is_named() -> None:
    """So is every one that is to come: see CASES."""
    assert set(ROUTES) <= set(CASES)


def test_everybody_hears_what_is_declared(scene: Scene) -> None:
    assert asyncio.run(wrong_answers(scene)) == []


async def wrong_answers(scene: Scene) -> list[str]:
    wrong = []
    async with speaking(scene) as http:
        for route in ROUTES:
            if CASES[route].may == "public":
                continue
            if (answer := await scene.ask(http, "", route)).status_code != 401:
                wrong.append(f"{route} without a token: {answer.status_code}")
            states = (False, True) if CASES[route].org != "none" else (False,)
            for letter, inactive in itertools.product(EVERYBODY, states):
                answer = await scene.ask(http, letter, route, inactive=inactive)
                if problem := judged(scene, route, letter, inactive, answer):
                    wrong.append(f"{route} for {NAMES[letter]}{', inactive' * inactive}: {problem} {answer.text[:150]}")
    return wrong


def speaking(scene: Scene) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(Client(scene.backend).app, raise_app_exceptions=True)
    return httpx.AsyncClient(transport=transport, base_url="http://backend")


def shown(client: Client) -> tuple[int, ...]:
    """How many of each kind one's lists and figures show."""
    lists = [client.get(path).json() for path in ("/repositories", "/agents/executions", "/dashboard/recent")]
    lists += [client.get(f"/{kind}").json()[kind] for kind in ("tasks", "workflows")]
    summary, live = client.get("/dashboard/summary").json(), client.get("/dashboard/live").json()
    figures = [summary["total_repositories"], summary["total_executions"], live["running"] + live["pending"]]
    figures += [sum(hour["open"] for hour in live["hours"]), sum(one["last_id"] is not None for one in live["agents"])]
    return (*map(len, lists), client.get("/tasks/stats").json()["total"], *figures)


ALL_OF_IT = (1, 2, 2, 3, 1, 3, 1, 2, 2, 2, 2)
NOTHING = (0,) * len(ALL_OF_IT)


@pytest.mark.parametrize("end", ["the maker leaves", "the organization is deleted"])
def test_what_one_made_in_an_organization_is_seen_by_its_rules_alone(scene: Scene, migrated: str, end: str) -> None:
    """A refusal is 404, not 403: who has left, or whose organization is gone, hears of nothing."""
    letter = "A" if end == "the maker leaves" else "O"
    for table in ("tasks", "workflows", "repositories", "agent_executions"):
        sql(migrated, f"UPDATE {table} SET user_id = %s", id_of(migrated, NAMES[letter]))
    client, garden = scene.people[letter], f"/organizations/{scene.ids['organization_id']}"
    assert shown(client) == ALL_OF_IT
    gone = client.post(f"{garden}/leave") if letter == "A" else client.request("DELETE", garden)
    assert (gone.status_code, shown(client)) == (200, NOTHING)

    async def statuses() -> dict[str, int]:
        async with speaking(scene) as http:
            routes = [route for route in ROUTES if CASES[route].org in ("row", "query")]
            routes += ["POST /tasks", "POST /workflows", "POST /agents/execute"]
            return {route: (await scene.ask(http, letter, route)).status_code for route in routes}

    assert {route: status for route, status in asyncio.run(statuses()).items() if status != 404} == {}


def test_a_list_is_of_an_organization_or_of_what_one_made(scene: Scene) -> None:
    """One's own is what one has made, wherever; of an organization, here the token's, it is all."""
    viewer, organization = scene.people["V"], {"organization_id": scene.ids["organization_id"]}
    assert shown(viewer) == NOTHING
    switched = viewer.post("/auth/switch-organization", json=organization).json()["access_token"]
    inside = Client(viewer.app)
    inside.headers["Authorization"] = f"Bearer {switched}"
    assert shown(inside) == ALL_OF_IT
    assert len(viewer.get("/agents/executions?visible=true").json()) == 2


def test_what_belongs_to_no_organization_is_its_owner_s(scene: Scene, visitor: Client, migrated: str) -> None:
    x = scene.people["X"]
    repository = x.post("/repositories", json={"full_name": "x/a"}).json()["id"]
    tasks = [x.post("/tasks", json={"name": name}).json()["task"]["id"] for name in "tuv"]
    x.post(f"/tasks/{tasks[0]}/dependencies", json={"depends_on_task_id": tasks[1]})
    dag = {"nodes": [{"id": "a", "agent_type": "sales"}]}
    made = x.post("/workflows", json={"name": "w", "repository_id": repository, "dag_definition": dag})
    workflow = made.json()["id"]
    scene.ids |= {
        "repository_id": repository, "workflow_id": workflow, "task_id": tasks[0], "depends_on_task_id": tasks[1],
        "other_task_id": tasks[2], "run_id": x.post(f"/workflows/{workflow}/execute").json()["id"],
        "execution_id": x.post("/agents/execute", json={"repository_id": repository, "agent_type": "review"})
                         .json()["id"],
    }  # fmt: skip

    async def answers() -> dict[str, tuple[int, int]]:
        async with speaking(scene) as http:
            return {
                route: tuple([(await scene.ask(http, letter, route)).status_code for letter in "XO"])
                for route in ROUTES if CASES[route].org == "row"
            }  # type: ignore[misc]  # fmt: skip

    for route, (own, other) in asyncio.run(answers()).items():
        assert own not in {*REFUSED, 500}, (route, own)
        assert other == 404, (route, other)


REFUSED = {401, 403, 404}


def judged(scene: Scene, route: str, letter: str, inactive: bool, answer: httpx.Response) -> str | None:
    """What is wrong with an answer."""
    case, status = CASES[route], answer.status_code
    if status >= 500:
        return str(status)
    if letter in case.may and not inactive:
        absent = route.startswith(("GET /workers/", "GET /coordinators/"))  # there are none
        return None if status not in REFUSED or (absent and status == 404) else f"{status}, and may"
    if case.org == "none":
        return None
    secret = [name for name in ("repository_id", "task_id", "workflow_id", "run_id", "execution_id", "team_id")
              if scene.ids[name] in answer.text]  # fmt: skip
    if secret:
        return f"{status}, and tells {secret}"
    wanted = {404} if letter == "X" or inactive or (letter in "SI" and case.org == "row") else {403, 404}
    if letter in ALL and not inactive and not route.endswith(("/accept", "/decline")):
        wanted = {403}
    return None if status in wanted else f"{status}, and not {wanted}"
