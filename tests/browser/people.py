"""Users of the dashboard in tests, and what agents would do for them."""

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
from playwright.sync_api import Page, expect

from deployments.api_client import Api
from deployments.api_types import MockLogin

POLL_NOW = "dispatchEvent(new Event('poll-now'))"
"""Ask now: what happens when somebody presses "try now"."""
NUMBERS = itertools.count(1001)
MANY = """
INSERT INTO agent_executions
    (user_id, repository_id, agent_type, status, created_at, started_at, completed_at, result_summary, error_message)
SELECT user_id, id, (ARRAY['review', 'codegen', 'issue', 'crm'])[1 + n %% 4],
    CASE WHEN n %% 50 = 0 THEN 'failed' ELSE 'completed' END, now() - n * interval '1 minute',
    now() - n * interval '1 minute', now() - n * interval '1 minute' + interval '9 s', 'Looked at file ' || n,
    CASE WHEN n %% 50 = 0 THEN 'The check failed' END
FROM repositories, generate_series(1, %s) AS n
WHERE id = %s
"""


class Site:
    """Where the dashboard and its API are, and the database behind them."""

    def __init__(self, url: str, api: str, connection: psycopg.Connection[Any]) -> None:
        self.url, self.api, self.connection = url, api, connection

    def person(self, name: str) -> "Person":
        return Person(self, next(NUMBERS), name[:40])


def api_of(site: Site, token: str | None = None) -> Api:
    """Keeps no connection: nobody would close it."""
    transport = httpx.HTTPTransport(limits=httpx.Limits(max_keepalive_connections=0))
    return Api(site.api, token=token, transport=transport)


class Person:
    """An account with one repository."""

    def __init__(self, site: Site, number: int, name: str) -> None:
        self.site, self.number, self.email, self.name = site, number, f"u{number}@example.com", name
        self.account: MockLogin = {"github_id": number, "email": self.email, "name": name}
        self.tokens = api_of(site).mock_login(self.account)
        self.id, self.repository = self.tokens["user"]["id"], f"hana/garden-{number}"
        self.api = api_of(site, self.tokens["access_token"])
        self.repository_id = self.api.register_repository({"full_name": self.repository})["id"]

    def sign_in_again(self) -> str:
        """Another sign-in's refresh token."""
        return api_of(self.site).mock_login(self.account)["refresh_token"]

    def is_in(self, page: Page) -> None:
        """Signed in as if before: what the page has kept of it."""
        kept = json.dumps(json.dumps({"refresh_token": self.tokens["refresh_token"], "user": self.tokens["user"]}))
        keep = f"sessionStorage.setItem('miyabi.session', {kept})"
        page.add_init_script(f"if (!window.name) {{ window.name = 'began'; {keep}; }}")

    def sign_in(self, page: Page) -> None:
        page.goto(self.site.url)
        page.get_by_label("Email").fill(self.email)
        page.get_by_label("GitHub id").fill(str(self.number))
        page.get_by_label("Name").fill(self.name)
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        cursor = self.site.connection.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []

    def executions(self, columns: str = "status") -> list[tuple[Any, ...]]:
        return self.sql(f"SELECT {columns} FROM agent_executions WHERE user_id = %s ORDER BY created_at", self.id)

    def has(self, agent: str = "review", status: str = "running", **cells: Any) -> UUID:
        """An execution as an agent would have left it."""
        cells = {"started_at": "now" if status != "pending" else None, **cells}
        cells |= {"id": uuid4(), "user_id": self.id, "agent_type": agent, "status": status}
        cells.setdefault("repository_id", self.repository_id)
        names = ", ".join(cells)
        marks = ", ".join(["%s"] * len(cells))
        values = [json.dumps(cell) if isinstance(cell, Mapping) else cell for cell in cells.values()]
        self.sql(f"INSERT INTO agent_executions ({names}) VALUES ({marks})", *values)
        return UUID(str(cells["id"]))

    def has_many(self, count: int) -> None:
        self.sql(MANY, count, self.repository_id)

    def log(self, execution_id: UUID, lines: Sequence[str], level: str = "INFO") -> None:
        for line in lines:
            self.sql(
                "INSERT INTO execution_logs (execution_id, log_level, message) VALUES (%s, %s, %s)",
                execution_id, level, line,
            )  # fmt: skip

    def becomes(self, execution_id: UUID, status: str) -> None:
        self.sql("UPDATE agent_executions SET status = %s, completed_at = now() WHERE id = %s", status, execution_id)
