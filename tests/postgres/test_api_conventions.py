"""The conventions that handlers share: idempotency keys, versions and pages, on routes made for the test."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Annotated, Any
from uuid import UUID

import httpx
import pytest
from fastapi import Depends, FastAPI, Response
from pydantic import BaseModel

from api.app import create_app
from api.cursors import CurrentPaging, write_position
from api.errors import ApiError
from api.etags import Change, Changes, tag
from api.idempotency import CurrentCreation
from api.permissions import CurrentCaller
from tests.backend import Client, make_backend, sql


class NewThing(BaseModel):
    name: str


@dataclass(frozen=True)
class Thing:
    id: UUID
    name: str
    created_at: datetime
    updated_at: datetime


COLUMNS = "id, name, created_at, updated_at"


@pytest.fixture
def app(migrated: str) -> Iterator[FastAPI]:
    """The API with organizations in their simplest form: `things`."""
    backend = make_backend(migrated)
    app = create_app(backend)

    def one(statement: str, **values: Any) -> Thing | None:
        with backend.pool.connection() as connection:
            row = connection.execute(statement.encode(), values).fetchone()
        return Thing(*row) if row else None

    @app.post("/api/v1/things", status_code=201)
    def make(body: NewThing, creation: CurrentCreation, x: int = 0) -> Thing:
        def work(connection: Any) -> Thing:
            add = f"INSERT INTO organizations (name, slug) VALUES (%s, gen_random_uuid()) RETURNING {COLUMNS}"
            made = Thing(*connection.execute(add, [body.name]).fetchone())
            if body.name == "fails":
                raise ApiError("validation_error", "No such name", status=409)
            return made

        return creation.once(work)

    @app.get("/api/v1/things/{organization_id}")
    def read(organization_id: UUID, _caller: CurrentCaller, response: Response) -> Thing:
        found = one(f"SELECT {COLUMNS} FROM organizations WHERE id = %(id)s", id=organization_id)
        assert found
        return tag(response, found)

    @app.patch("/api/v1/things/{organization_id}")
    def change(
        organization_id: UUID,
        body: NewThing,
        _caller: CurrentCaller,
        change: Annotated[Change, Depends(Changes("organization"))],
    ) -> Thing:
        update = f"UPDATE organizations SET name = %s WHERE id = %s RETURNING {COLUMNS}"
        with change.connection() as connection:
            row = connection.execute(update.encode(), [body.name, organization_id]).fetchone()
            if row is None:
                raise ApiError("not_found", "You have no such thing")
            return change.tag(Thing(*row))

    @app.get("/api/v1/numbers")
    def numbers(_caller: CurrentCaller, paging: CurrentPaging) -> list[int]:
        (after,) = paging.position(int) or (0,)
        return paging.page([*range(after + 1, 8)][: paging.limit + 1], lambda last: (last,))

    yield app
    backend.pool.close()


@pytest.fixture
def hana(app: FastAPI) -> Client:
    return Client(app).sign_in(42, "hana@example.com")


def make(client: Client, name: str, key: str = "k") -> httpx.Response:
    return client.post("/things", json={"name": name}, headers={"Idempotency-Key": key} if key else {})


def count(migrated: str) -> int:
    return int(sql(migrated, "SELECT count(*) FROM organizations")[0][0])


def test_the_same_key_makes_one_thing_and_hears_the_same(hana: Client, migrated: str) -> None:
    first, again = make(hana, "a"), make(hana, "a")
    assert (first.status_code, again.status_code, count(migrated)) == (201, 201, 1)
    assert first.content == again.content
    for name in ("location", "etag", "content-type"):
        assert first.headers[name] == again.headers[name]
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")


def test_with_a_key_and_without_the_answer_is_the_same(hana: Client) -> None:
    with_key, without = make(hana, "a").json(), make(hana, "a", key="").json()
    assert with_key.keys() == without.keys()
    assert [type(value) for value in with_key.values()] == [type(value) for value in without.values()]


def test_the_same_json_written_otherwise_is_the_same_request(hana: Client, migrated: str) -> None:
    make(hana, "a")
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    assert hana.post("/things", content=b'{ "name" : "\\u0061" }', headers=headers).status_code == 201
    assert count(migrated) == 1


def test_a_key_is_good_for_one_request_of_one_user(hana: Client, migrated: str) -> None:
    make(hana, "a")
    other = make(hana, "b")
    assert (other.status_code, other.json()["error"]) == (422, "idempotency_key_reused")
    asked = hana.post("/things?x=1", json={"name": "a"}, headers={"Idempotency-Key": "k"})
    assert (asked.status_code, asked.json()["error"]) == (422, "idempotency_key_reused")
    kenji = Client(hana.app).sign_in(43, "kenji@example.com")
    assert (make(kenji, "b").status_code, count(migrated)) == (201, 2)


def test_what_fails_leaves_neither_the_work_nor_the_key(hana: Client, migrated: str) -> None:
    assert make(hana, "fails").status_code == 409
    assert count(migrated) == 0
    assert make(hana, "a").status_code == 201


def test_a_key_is_forgotten_after_a_day(hana: Client, migrated: str) -> None:
    make(hana, "a")
    sql(migrated, "UPDATE idempotency_keys SET created_at = created_at - interval '25 hours'")
    assert make(hana, "b").status_code == 201


def test_twins_at_the_same_moment_make_one_thing(hana: Client, migrated: str) -> None:
    answers: list[httpx.Response] = []
    twins = [threading.Thread(target=lambda: answers.append(make(hana, "a"))) for _ in range(4)]
    for twin in twins:
        twin.start()
    for twin in twins:
        twin.join()
    assert ({answer.status_code for answer in answers}, count(migrated)) == ({201}, 1)
    assert len({answer.content for answer in answers}) == 1


def test_a_key_of_an_account_that_is_gone(hana: Client, migrated: str) -> None:
    sql(migrated, "DELETE FROM users")
    assert make(hana, "a").json()["error"] == "authentication_error"


def test_nobody_overwrites_what_another_has_changed(hana: Client) -> None:
    path = f"/things/{make(hana, 'a').json()['id']}"
    seen = hana.get(path).headers["etag"]
    mine = hana.request("PATCH", path, json={"name": "mine"}, headers={"If-Match": seen})
    assert mine.status_code == 200
    late = hana.request("PATCH", path, json={"name": "late"}, headers={"If-Match": seen})
    assert (late.status_code, late.json()["error"]) == (412, "precondition_failed")
    assert hana.get(path).json()["name"] == "mine"
    assert hana.get(path).headers["etag"] == mine.headers["etag"]
    among = {"If-Match": f'"0", {mine.headers["etag"]}'}
    assert hana.request("PATCH", path, json={"name": "again"}, headers=among).status_code == 200


@pytest.mark.parametrize(("given", "status"), [
    ({}, 200), ({"If-Match": "*"}, 200), ({"If-Match": "nonsense"}, 412), ({"If-Match": '"ffffffffffffffff"'}, 412),
    ({"If-Match": ""}, 412),
])  # fmt: skip
def test_which_tags_match(hana: Client, given: dict[str, str], status: int) -> None:
    path = f"/things/{make(hana, 'a').json()['id']}"
    assert hana.request("PATCH", path, json={"name": "b"}, headers=given).status_code == status


def test_a_weak_tag_matches_for_reading_alone(hana: Client) -> None:
    path = f"/things/{make(hana, 'a').json()['id']}"
    weak = {tag: f"W/{hana.get(path).headers['etag']}" for tag in ("If-None-Match", "If-Match")}
    assert hana.get(path, headers=weak).status_code == 304
    assert hana.request("PATCH", path, json={"name": "b"}, headers=weak).status_code == 412


def test_a_list_is_read_page_by_page(hana: Client) -> None:
    seen, cursor = [], ""
    while cursor is not None:
        answer = hana.get(f"/numbers?limit=3{cursor}")
        seen.append(answer.json())
        cursor = f"&cursor={found}" if (found := answer.headers.get("x-next-cursor")) else None
    assert seen == [[1, 2, 3], [4, 5, 6], [7]]


def test_half_a_character_is_no_position(hana: Client) -> None:
    for path in ("/organizations", "/repositories"):
        cursor = write_position(f"list_{path[1:]}", "\ud800", UUID(int=1))
        assert hana.get(f"{path}?cursor={cursor}").status_code == 422


def test_a_position_in_one_list_is_none_in_another(hana: Client) -> None:
    cursor = write_position("list_organizations", "a", UUID(int=1))
    assert [hana.get(f"/{of}?cursor={cursor}").status_code for of in ("organizations", "repositories")] == [200, 422]


def test_the_versions_of_a_row_are_its_times() -> None:
    response, moment = Response(), datetime(2026, 11, 27, 15, 33, 0, 1, tzinfo=UTC)
    for row in (SimpleNamespace(created_at=None, updated_at=moment), SimpleNamespace(created_at=moment)):
        tag(response, row)
        assert response.headers["etag"] == f'"{1795793580000001:x}"'
