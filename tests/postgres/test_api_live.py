"""`/ws` under a real server: what is told as it happens, to whom, and how a connection ends."""

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import jwt
import psycopg
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from api.errors import ApiError
from api.frames import Frame
from api.live import DONE, TOO_SLOW, Bounds, Client, Hub
from api.live_socket import is_seen, serve
from tests.backend import make_backend, sql

NOBODYS = UUID("3b241101-e2bb-4255-8caf-4136c566a962")


class Account:
    """Somebody who is signed in to the served API, and has a repository."""

    def __init__(self, url: str, number: int) -> None:
        self.url, login = url, {"github_id": number, "email": f"u{number}@example.com"}
        self.token = httpx.post(f"{url}/api/v1/auth/mock", json=login).json()["access_token"]
        self.headers = {"Authorization": f"Bearer {self.token}"}
        self.repository = self.post("/repositories", full_name=f"u{number}/garden")["id"]

    def post(self, path: str, **body: Any) -> Any:
        answer = httpx.post(f"{self.url}/api/v1{path}", json=body, headers=self.headers)
        assert answer.is_success, answer.text
        return answer.json()

    def asks(self) -> str:
        return str(
            self.post("/agents/execute", repository_id=self.repository, agent_type="codegen", issue_number=1)["id"]
        )

    def hears(self, query: str = "", **how: Any) -> ClientConnection:
        how = how or {"additional_headers": self.headers}
        return connect(f"{self.url.replace('http', 'ws')}/api/v1/ws?{query}", **how)


@pytest.fixture
def url(served: Callable[..., str]) -> str:
    return served()


@pytest.fixture
def hana(url: str) -> Account:
    return Account(url, 42)


def told(socket: ClientConnection, count: int) -> list[dict[str, Any]]:
    return [json.loads(socket.recv(timeout=10)) for _ in range(count)]


def rest(socket: ClientConnection) -> tuple[list[dict[str, Any]], int | None]:
    """All frames until the end, and its code."""
    frames = []
    try:
        while True:
            frames += told(socket, 1)
    except ConnectionClosed as end:
        return frames, end.rcvd and end.rcvd.code


def says(dsn: str, execution: str, *lines: str) -> None:
    add = "INSERT INTO execution_logs (execution_id, log_level, message) SELECT %s, 'INFO', unnest(%s::text[])"
    sql(dsn, add, execution, list(lines))


def becomes(dsn: str, execution: str, *statuses: str) -> None:
    for status in statuses:
        sql(dsn, "UPDATE agent_executions SET status = %s WHERE id = %s", status, execution)


def test_an_execution_is_followed_to_its_end(hana: Account, migrated: str) -> None:
    execution = hana.asks()
    says(migrated, execution, "one", "two")
    with hana.hears(f"execution_id={execution}", subprotocols=["miyabi", hana.token]) as socket:
        assert socket.subprotocol == "miyabi"
        before = told(socket, 3)
        assert [frame.get("message", frame.get("status")) for frame in before] == ["pending", "one", "two"]
        becomes(migrated, execution, "running")
        (started,) = told(socket, 1)
        says(migrated, execution, "three")
        becomes(migrated, execution, "completed")
        frames, code = rest(socket)
    told_of = tuple(started.get(name) for name in ("type", "status", "agent_type", "issue_number"))
    assert told_of in {
        ("agent_started", "running", "codegen", 1),
        ("agent_status", "running", None, None),  # it moved before the second look at how it stands
    }
    assert [frame["type"] for frame in frames] == ["log_entry", "agent_completed", "execution_complete"]
    assert (frames[0]["message"], frames[2]["status"], code) == ("three", "completed", 1000)
    with hana.hears(f"execution_id={execution}&since={before[2]['sequence']}&events=log_entry") as again:
        assert [frame["message"] for frame in rest(again)[0]] == ["three"]


def test_everything_that_concerns_one_is_told(hana: Account, migrated: str) -> None:
    with hana.hears() as socket:
        execution = hana.asks()
        becomes(migrated, execution, "running")
        sql(migrated, "INSERT INTO execution_steps (execution_id, number, name) VALUES (%s, 1, 'plan')", execution)
        says(migrated, execution, "only those who follow it hear this")
        sql(migrated, "UPDATE agent_executions SET pr_number = 7 WHERE id = %s", execution)
        becomes(migrated, execution, "completed")
        task = "INSERT INTO tasks (user_id, name, status) SELECT id, 'weed', 'pending' FROM users RETURNING id"
        (((id,),)) = sql(migrated, task)
        sql(migrated, "UPDATE tasks SET status = 'running' WHERE id = %s", id)
        sql(migrated, "UPDATE tasks SET status = 'failed' WHERE id = %s", id)
        sql(migrated, "INSERT INTO releases (environment) VALUES ('local')")
        sql(migrated, "INSERT INTO organizations (name, slug) VALUES ('Green', 'green')")
        sql(
            migrated,
            "INSERT INTO organization_members (organization_id, user_id, status) "
            "SELECT o.id, u.id, 'invited' FROM organizations AS o, users AS u",
        )
        sql(migrated, "INSERT INTO organizations (name, slug) VALUES ('Red', 'red')")
        invited = "INSERT INTO organization_invitations (organization_id, github_id) SELECT id, 42 FROM organizations"
        sql(migrated, f"{invited} WHERE slug = 'red'")
        frames = told(socket, 11)
    assert [frame["type"] for frame in frames] == [
        "agent_status", "agent_started", "agent_progress", "agent_completed", "pr_update", "task_created",
        "task_updated", "task_failed", "deployment_update", "notification",
        "notification",
    ]  # fmt: skip
    assert (frames[1]["agent_type"], frames[1]["issue_number"]) == ("codegen", 1)
    assert frames[2]["step"] == {"number": 1, "name": "plan", "status": "running"}
    assert (frames[6]["status"], frames[7]["name"], frames[8]["environment"]) == ("running", "weed", "local")
    assert [frame["message"] for frame in frames[9:]] == [f"You are invited to {o} as member" for o in ("Green", "Red")]


def test_a_status_that_comes_again_is_told_again(hana: Account, migrated: str) -> None:
    """However close together: the last that is told is the last that was."""
    with hana.hears("events=agent_status,agent_started,agent_completed") as socket:
        execution = hana.asks()
        with psycopg.connect(migrated, autocommit=True) as connection:
            for status in ("running", "pending", "running", "pending", "running"):
                connection.execute("UPDATE agent_executions SET status = %s WHERE id = %s", [status, execution])
        frames = told(socket, 6)
    assert [frame["status"] for frame in frames] == ["pending", "running"] * 3


def test_what_led_to_a_status_is_not_told_after_it(hana: Account, migrated: str) -> None:
    """The moves happen between the connection and the look at the execution, so that both tell of them."""
    said: list[str] = []

    class Ear:
        async def send_text(self, text: str) -> None:
            said.append(json.loads(text)["status"])

    async def run() -> int:
        backend, execution = make_backend(migrated), hana.asks()
        hub, user = Hub(backend), sql(migrated, "SELECT id FROM users")[0][0]
        client = Client(user, frozenset({"agent_status", "agent_started", "agent_completed"}), UUID(execution))
        async with hub.joined(client):
            hub.follow(client)
            await asyncio.to_thread(becomes, migrated, execution, "running", "pending", "running")
            while client.queue.qsize() < 3:
                await asyncio.sleep(0.01)
            serving = asyncio.create_task(serve(Ear(), backend, hub, client, "pending"))  # type: ignore[arg-type]
            while len(said) < 2:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(becomes, migrated, execution, "pending", "running", "completed")
            code = await serving
        backend.pool.close()
        return code

    assert asyncio.run(asyncio.wait_for(run(), 20)) == DONE
    assert said == ["pending", "running", "pending", "running", "completed"]


def test_others_hear_nothing_unless_they_may_read(hana: Account, url: str, migrated: str) -> None:
    """The execution of an organization is heard by its viewer, not by a member who is suspended, nor a stranger."""
    viewer, suspended, stranger = (Account(url, number) for number in (43, 44, 45))
    organization = sql(migrated, "INSERT INTO organizations (name, slug) VALUES ('O', 'o') RETURNING id")[0][0]
    sql(migrated, "UPDATE repositories SET organization_id = %s WHERE id = %s", organization, hana.repository)
    join = (
        "INSERT INTO organization_members (organization_id, user_id, role, status) "
        "SELECT %s, id, %s::org_member_role, %s FROM users WHERE github_id = %s"
    )
    for number, role, status in ((42, "owner", "active"), (43, "viewer", "active"), (44, "owner", "suspended")):
        sql(migrated, join, organization, role, status, number)
    sockets = [account.hears() for account in (viewer, suspended, stranger)]
    execution = hana.asks()
    own = [account.asks() for account in (viewer, suspended, stranger)]
    first = [told(socket, 1)[0]["execution_id"] for socket in sockets]
    for socket in sockets:
        socket.close()
    assert first == [execution, own[1], own[2]]
    with pytest.raises(InvalidStatus) as refused:
        suspended.hears(f"execution_id={execution}")
    assert refused.value.response.status_code == 404
    assert [asyncio.run(still_seen(migrated, who, execution)) for who in (viewer, suspended)] == [True, False]


async def still_seen(dsn: str, account: Account, execution: str) -> bool:
    """What a connection asks when it has heard nothing for long: it may have been open when its user was suspended."""
    backend = make_backend(dsn)
    user = UUID(jwt.decode(account.token, options={"verify_signature": False})["sub"])
    seen = await asyncio.to_thread(is_seen, backend, Client(user, frozenset(), UUID(execution)))
    backend.pool.close()
    return seen


@pytest.mark.parametrize(("query", "token", "status", "error"), [
    ("", None, 401, "authentication_error"),
    ("token=nonsense", None, 401, "jwt_error"),
    (f"execution_id={NOBODYS}", "good", 404, "not_found"),
    ("execution_id=7&events=magic&since=-1&event=x", "good", 422, "validation_error"),
])  # fmt: skip
def test_who_may_not_or_asks_wrongly_is_refused(
    hana: Account, query: str, token: str | None, status: int, error: str
) -> None:
    query += f"&token={hana.token}" if token else ""
    with pytest.raises(InvalidStatus) as refused:
        hana.hears(query, open_timeout=5)
    answer = refused.value.response
    assert (answer.status_code, json.loads(answer.body)["error"]) == (status, error)
    assert len(json.loads(answer.body).get("details", [])) == (4 if status == 422 else 0)


def test_no_token_and_no_false_error_is_in_the_log_of_the_server(
    hana: Account, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uvicorn's own, whatever the path, and whether the handshake is accepted, refused or none."""
    for name in ("uvicorn.error", "uvicorn.access"):
        caplog.set_level(logging.INFO, name)
    monkeypatch.setattr(logging.getLogger("uvicorn.access"), "handlers", [caplog.handler])
    there, ws = f"{hana.url}/api/v1", f"{hana.url.replace('http', 'ws')}"
    with hana.hears(f"token={hana.token}", open_timeout=5):
        pass
    for path in (f"/ws?token={hana.token}", f"/api/v1/ws?execution_id=7&token={hana.token}", f"/api/v1/{hana.token}"):
        with pytest.raises(InvalidStatus):
            connect(ws + path)
    for path in (
        f"/tasks?token={hana.token}",
        f"/ws?token={hana.token}",
        f"/tasks/{hana.token}",
        "/nowhere?code=secret",
    ):
        httpx.get(there + path, headers=hana.headers)
    said = [record.getMessage() for record in caplog.records]
    assert sum('"WebSocket /' in line for line in said) == 4
    assert sum('"GET /' in line for line in said) == 4
    assert not [line for line in said if hana.token[:20] in line or "?" in line or "secret" in line]
    assert [record.message for record in caplog.records if record.levelno > logging.INFO] == []
    refused = httpx.get(f"{there}/ws", headers=hana.headers)
    assert (refused.status_code, refused.headers["upgrade"]) == (426, "websocket")


def test_a_token_that_expires_ends_the_connection(served: Callable[..., str]) -> None:
    account = Account(served(access_s=1), 42)
    with account.hears() as socket:
        assert rest(socket) == ([], 4401)


def test_a_lost_database_lets_everybody_go_and_they_may_come_back(hana: Account, migrated: str) -> None:
    with hana.hears() as socket:
        sql(
            migrated,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query IN ('LISTEN live', 'SELECT 1')",
        )
        assert rest(socket) == ([], 1013)
    with hana.hears() as socket:
        hana.asks()
        assert told(socket, 1)[0]["type"] == "agent_status"


def test_one_listener_for_all_and_none_when_they_have_left(hana: Account, migrated: str) -> None:
    listeners = "SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN live'"
    sockets = [hana.hears() for _ in range(5)]
    assert sql(migrated, listeners) == [(1,)]
    for socket in sockets:
        socket.close()
    for _ in range(100):
        if sql(migrated, listeners) == [(0,)]:
            return
        time.sleep(0.02)
    pytest.fail("somebody still listens")


def test_who_has_many_connections_gets_no_more(hana: Account) -> None:
    sockets = [hana.hears() for _ in range(Bounds().each)]
    with pytest.raises(InvalidStatus) as refused:
        hana.hears()
    for socket in sockets:
        socket.close()
    assert refused.value.response.status_code == 429


def test_many_lines_come_once_and_in_order(hana: Account, migrated: str) -> None:
    """Written while a client that comes late still reads what was there before."""
    execution = hana.asks()
    becomes(migrated, execution, "running")
    says(migrated, execution, *(str(n) for n in range(3000)))

    def write() -> None:
        for start in range(3000, 6000, 100):
            says(migrated, execution, *(str(n) for n in range(start, start + 100)))
        becomes(migrated, execution, "completed")

    writer = threading.Thread(target=write)
    with hana.hears(f"execution_id={execution}&events=log_entry") as early:
        writer.start()
        with hana.hears(f"execution_id={execution}&events=log_entry") as late:
            both = [rest(socket) for socket in (early, late)]
    writer.join()
    for frames, code in both:
        assert [int(frame["message"]) for frame in frames] == [*range(6000)]
        assert code == 1000


def test_who_reads_too_slowly_is_let_go(migrated: str) -> None:
    """The others hear on."""

    async def run() -> list[tuple[int, bool]]:
        backend = make_backend(migrated)
        hub = Hub(backend, bounds=Bounds(connections=2, waiting=3))
        slow, quick = (Client(UUID(int=n), frozenset({"notification"})) for n in (1, 2))
        async with hub.joined(slow), hub.joined(quick):
            with pytest.raises(ApiError, match="too many"):
                async with hub.joined(Client(UUID(int=3), frozenset())):
                    pass
            for number in range(4):
                for client in (slow, quick):
                    hub._hand_out(Frame("notification", str(number), "", user_id=client.user_id))
                assert (await quick.queue.get()).text == str(number)
        backend.pool.close()
        return [(client.queue.qsize(), client.closed.done() and client.closed.result() == TOO_SLOW)
                for client in (slow, quick)]  # fmt: skip

    assert asyncio.run(run()) == [(3, True), (0, False)]
