"""Visits with a real browser: a small page of an API's executions, asked as a suite says."""

import functools
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from blocks.environment import SmokeSettings
from tasks.smoke_answers import SmokeFailed
from tasks.smoke_browser import browser_problem, show
from tasks.suites import Suite, load_suite
from tests.backend import sql
from tests.postgres.suite_support import ALL, asked, local

SITE = Path(__file__).parents[1] / "fixtures" / "site"
DASHBOARD = Path(__file__).parents[2] / "dashboard"
SUITE = load_suite(SITE)
PAGES = SUITE.model_copy(update={"checks": ()})
LABEL = "Browser · see an execution that was just asked for"
pytestmark = pytest.mark.skipif(bool(browser_problem()), reason=browser_problem())


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """`site(api_url, script)` serves the page, which asks that API and runs that script; its URL."""
    handler = functools.partial(Quiet, directory=str(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()

    def publish(api_url: str, script: str = "", folder: Path = SITE) -> str:
        shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
        (tmp_path / "config.js").write_text(f'window.API_BASE = "{api_url}/api/v1";\n{script}')
        return f"http://127.0.0.1:{server.server_port}"

    yield publish
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_visit_sees_what_was_just_made_and_leaves_a_picture(
    served: Any, site: Callable[..., str], migrated: str, tmp_path: Path
) -> None:
    url = served()
    results = asked(local(ALL), url, SUITE, site=site(url), shots=tmp_path / "shots")
    assert results[LABEL].ok
    assert sql(migrated, "SELECT status FROM agent_executions") == [("cancelled",)]
    (shot,) = (tmp_path / "shots" / "local").iterdir()
    assert shot.name == "see-an-execution-that-was-just-asked-for.jpg"
    assert shot.read_bytes()[:3] == b"\xff\xd8\xff"
    assert 2_000 < shot.stat().st_size < 70_000


def test_our_dashboard_answers_its_suite(served: Any, site: Callable[..., str]) -> None:
    url, suite = served(), load_suite(DASHBOARD)
    results = asked(local(ALL), url, suite, site=site(url, folder=DASHBOARD))
    assert [result.ok for result in results.values()] == [True] * len(results)
    assert len(results) == 4


BROKEN = "window.BROKEN = true; fetch('/gone'); console.error('no agents'); console.error('as expected');"


def test_errors_of_the_page_fail_the_visit_though_every_step_worked(
    served: Any, site: Callable[..., str], tmp_path: Path
) -> None:
    url = served()
    (page,) = SUITE.pages
    suite = SUITE.model_copy(update={"pages": (page.model_copy(update={"expected_errors": ("as expected$",)}),)})
    with pytest.raises(SmokeFailed) as caught:
        asked(local(ALL), url, suite, site=site(url, BROKEN))
    for text in ("console: no agents", "the page is broken", "/gone: answered 404"):
        assert text in str(caught.value)
    assert "as expected" not in str(caught.value)


def test_what_is_not_to_be_seen_is_named_with_its_step_and_the_rest_is_cleaned_up(
    served: Any, site: Callable[..., str], migrated: str
) -> None:
    url = served()
    (page,) = SUITE.pages
    hasty = SUITE.model_copy(update={"pages": (page.model_copy(update={"budget_ms": 1500.0}),)})
    with pytest.raises(SmokeFailed, match=r"see text 'Signed in as .*': Locator.wait_for: Timeout"):
        asked(local(ALL), url, hasty, site=site(url, "window.API_BASE += '/nowhere';"))
    assert sql(migrated, "SELECT DISTINCT status FROM agent_executions") == [("cancelled",)]


def test_a_site_that_is_away_is_said(served: Any) -> None:
    with pytest.raises(SmokeFailed, match=r"goto /: .*net::ERR_"):
        asked(local(ALL), served(), PAGES, site="http://127.0.0.1:1")


def test_an_environment_without_browser_says_so(served: Any) -> None:
    settings = SmokeSettings(writes=True, mock_login=True, browser=False)
    result = asked(local(settings), served(), PAGES, site="http://127.0.0.1:1")[LABEL]
    assert (result.ok, result.detail) == (None, "smoke.browser is off here")


def test_a_browser_that_is_missing_says_what_to_install(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")
    with pytest.raises(SmokeFailed, match="CHROMIUM is '/nowhere/chromium', and there is no such program"):
        asked(local(ALL), served(), PAGES, site="http://127.0.0.1:1")
    monkeypatch.delenv("CHROMIUM")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", "/nowhere")
    assert "there is no Chromium: install one" in browser_problem()


def test_an_empty_suite_visits_nothing(served: Any) -> None:
    assert asked(local(ALL), served(), Suite()) == {}


def test_a_browser_that_takes_no_screenshot_says_nothing_of_the_page(caplog: pytest.LogCaptureFixture) -> None:
    from playwright.sync_api import Error

    class Blind:
        def screenshot(self, **_: Any) -> bytes:
            raise Error("Unable to capture screenshot\nCall log:")

    page: Any = Blind()
    show(page, SUITE.pages[0], page)
    assert "Unable to capture screenshot" in caplog.text
