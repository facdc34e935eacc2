"""The Python client has every operation of the API's description, and nothing else."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from deployments.api_client import Api
from tests import client_writer
from tests.backend import make_backend

FOLDER = Path(__file__).parents[2] / "deployments"


@pytest.mark.parametrize(("file", "write"), [
    ("api_types.py", client_writer.types), ("api_calls.py", client_writer.calls),
])  # fmt: skip
def test_the_client_is_what_the_description_says(file: str, write: Callable[[Any], str]) -> None:
    wanted = write(create_app(make_backend()).openapi())
    if os.environ.get("WRITE_CLIENT"):
        (FOLDER / file).write_text(wanted)
    found = (FOLDER / file).read_text()
    assert found == wanted, f"deployments/{file} is stale: WRITE_CLIENT=1 pytest {__file__}"


def test_a_call_is_sent_as_described() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"tasks": []}, headers={"X-Next-Cursor": "there"})

    api = Api("http://api", token="t", transport=httpx.MockTransport(answer))
    api.list_teams("a/../b", limit=5)
    assert api.next == "there"
    assert str(seen[0].url) == "http://api/api/v1/organizations/a%2F..%2Fb/teams?limit=5"
    api.create_task({"name": "weed"})
    api.update_task("7", {"name": "sow"}, if_match='"1"')
    api.list_agents()
    assert [request.headers.get("if-match") for request in seen] == [None, None, '"1"', None]
    assert [len(request.headers.get("idempotency-key", "")) for request in seen] == [0, 36, 0, 0]
    assert ["authorization" in request.headers for request in seen] == [True, True, True, False]


def test_a_redirection_is_where_it_leads_and_nothing_is_none() -> None:
    there = httpx.Response(302, headers={"Location": "https://github.com/login"})
    answers = iter([there, httpx.Response(204)])
    api = Api("http://api", token="t", transport=httpx.MockTransport(lambda _request: next(answers)))
    assert api.to_github(redirect="/") == "https://github.com/login"
    assert api.logout() is None
