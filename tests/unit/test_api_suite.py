"""The suite of our own API asks every route that the API describes."""

import re
from pathlib import Path

import pytest

from api.app import create_app
from blocks.environment import SmokeSettings
from tasks.smoke_asking import exclusion
from tasks.suites import load_suite
from tests.backend import make_backend
from tests.support import make_environment

SUITE = load_suite(Path(__file__).parents[2] / "api")
ROUTES = [
    (method.upper(), path)
    for path, item in create_app(make_backend()).openapi()["paths"].items()
    for method in item
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_is_asked(method: str, path: str) -> None:
    pattern = re.compile(re.sub(r"\{\w+\}", r"[^/]+", path) + r"(\?.*)?$")
    checks = [check for check in SUITE.checks if check.method == method and pattern.match(check.path)]
    assert checks, f"api/smoke.yaml asks nothing of {method} {path}"


def test_the_quick_checks_are_few() -> None:
    assert [check.request for check in SUITE.quick] == [
        "GET /api/v1/health", "GET /api/v1/agents", "GET /api/v1/dashboard/summary",
    ]  # fmt: skip


def test_where_nothing_may_be_written_nothing_is() -> None:
    environment = make_environment(smoke=SmokeSettings())
    asked = [check for check in SUITE.checks if not exclusion(environment, check)]
    signs_in = {"/api/v1/auth/mock", "/api/v1/auth/refresh"}
    changing = [check for check in asked if check.method not in ("GET", "DELETE", "OPTIONS")]
    assert all(check.status[0] >= 400 or check.path in signs_in for check in changing)
    assert len(asked) > 30
