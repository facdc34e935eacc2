"""What tests of the backend share: one made of plain settings, and a client that speaks to it in the same process."""

import asyncio
import json
from http import HTTPStatus
from typing import Any

import httpx
import psycopg
from fastapi import FastAPI

from api.app import create_app
from api.backend import Backend
from api.settings import Settings

JWT_SECRET = "a key for the tests, and long enough for HS256"
NOWHERE = "postgresql://nobody:never-shown@127.0.0.1:1/nothing"
"""Port 1 refuses at once."""


def make_backend(database_url: str = NOWHERE, **settings: Any) -> Backend:
    return Backend(Settings(**{"database_url": database_url, "jwt_secret": JWT_SECRET, **settings}))


class Client:
    """Requests to the app below `/api/v1`, with a token once signed in."""

    def __init__(self, app: FastAPI | Backend) -> None:
        self.app = create_app(app) if isinstance(app, Backend) else app
        self.headers: dict[str, str] = {}

    def sign_in(self, github_id: int = 42, email: str = "hana@example.com") -> "Client":
        """Another client, signed in to the account of that number."""
        other = Client(self.app)
        token = self.post("/auth/mock", json={"github_id": github_id, "email": email}).json()["access_token"]
        other.headers["Authorization"] = f"Bearer {token}"
        return other

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        options["headers"] = self.headers | options.get("headers", {})
        if "json" in options:  # escaped, so that a test may send what httpx would refuse to
            options["content"] = json.dumps(options.pop("json"))
            options["headers"]["Content-Type"] = "application/json"
        return asyncio.run(self._send(method, f"/api/v1{path}", options))

    async def _send(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://backend") as client:
            return await client.request(method, path, **options)


def problem(status: int, error: str, message: str, request_id: str, **more: Any) -> dict[str, Any]:
    """The body of an answer that is not a success."""
    return {
        "type": f"/api/v1/docs#{error}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": message,
        "instance": f"urn:request:{request_id}",
        "error": error,
        "message": message,
        **more,
    }


def sql(dsn: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []


def granted(dsn: str, permission: str, organization: str | None = None) -> None:
    """Give it to hana."""
    add = """
        INSERT INTO user_permissions (user_id, permission_id, organization_id)
        SELECT u.id, p.id, %s FROM users AS u, permissions AS p WHERE u.email = 'hana@example.com' AND p.code = %s
    """
    sql(dsn, add, organization, permission)
