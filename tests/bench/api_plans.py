"""What PostgreSQL does for a request of the API: auto_explain tells the process that asks, statement by statement."""

import re
import statistics
from dataclasses import dataclass
from typing import Any, Self

import psycopg

from api.backend import Backend
from api.settings import Settings
from database.pool import Pool
from tests.backend import JWT_SECRET, Client

EXPLAIN = {
    "auto_explain.log_min_duration": "0", "auto_explain.log_analyze": "on", "auto_explain.log_timing": "off",
    "auto_explain.log_nested_statements": "off", "client_min_messages": "log",
}  # fmt: skip
TOLD = re.compile(r"duration: ([\d.]+) ms +plan:\n(.*)", re.DOTALL)
ROUNDS, SHOWN = 5, 14


@dataclass(frozen=True)
class Found:
    """Of one request: all statements together, and the plan of the longest."""

    milliseconds: float
    statements: int
    plan: str


class ExplainingPool(Pool):
    """Hears of every statement of its connections."""

    said: list[tuple[float, str]]

    def _connect(self) -> Any:
        connection = super()._connect()
        connection.execute("LOAD 'auto_explain'")
        for name, value in EXPLAIN.items():
            connection.execute(f"SET {name} = {value}".encode())
        connection.add_notice_handler(self._hear)
        return connection

    def _hear(self, notice: psycopg.errors.Diagnostic) -> None:
        if found := TOLD.search(notice.message_primary or ""):
            self.said.append((float(found[1]), found[2]))


class Plans:
    """`with Plans(dsn, token) as plans: plans.of(path)`."""

    def __init__(self, dsn: str, token: str) -> None:
        self._backend = Backend(Settings(database_url=dsn, jwt_secret=JWT_SECRET, environment="bench"))
        self._pool = self._backend.pool = ExplainingPool(self._backend.dsn, size=2)
        self._client = Client(self._backend)
        self._client.headers["Authorization"] = f"Bearer {token}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    def of(self, path: str) -> Found:
        """The median of some requests, after one that warms up."""
        rounds = [self._request(path) for _ in range(ROUNDS + 1)][1:]
        total = statistics.median(sum(took for took, _ in said) for said in rounds)
        longest = max(rounds[-1], key=lambda statement: statement[0])
        return Found(total, len(rounds[-1]), condensed(longest[1]))

    def _request(self, path: str) -> list[tuple[float, str]]:
        self._pool.said = []
        answer = self._client.get(path)
        if answer.status_code != 200:
            raise RuntimeError(f"{path} answered {answer.status_code}: {answer.text[:300]}")
        return self._pool.said


def condensed(plan: str) -> str:
    """Its nodes without their costs."""
    nodes = [line for line in plan.splitlines() if "(cost=" in line]
    return "\n".join(re.sub(r"\(cost=\S+ rows=\S+ width=\d+\) ?", "", line) for line in nodes[:SHOWN])
