"""The dashboard in a real browser, against the real API on a real PostgreSQL.

One Chromium, one API and one database for all of them; each test has a user and a page of its own. The
files are served at the root, as CloudFront does. Whatever a page writes to the console as an error
fails its test, unless the test says that it expects it.
"""

import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from api.app import create_app
from database import migrations
from localcloud.postgres import Postgres
from tests.backend import make_backend
from tests.browser.people import Person, Site

ROOT = Path(__file__).parents[2]
PLACE = "/"
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@contextmanager
def serving(make: Callable[[str], ASGIApp]) -> Iterator[str]:
    """An app on a free port, made knowing where that is; and where that is."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(make(url), log_level="error", timeout_graceful_shutdown=1, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield url
        server.should_exit = True
        thread.join()


def files(api: Callable[[], str]) -> ASGIApp:
    """`dashboard/` below `PLACE`, with the one generated file as a deployment would write it."""

    async def config(_request: Request) -> Response:
        return Response(f'window.API_BASE = "{api()}";\n', media_type="text/javascript")

    return Starlette(
        routes=[Route(f"{PLACE}config.js", config), Mount(PLACE, StaticFiles(directory=ROOT / "dashboard", html=True))]
    )


@pytest.fixture(scope="package")
def site(postgres: Postgres) -> Iterator[Site]:
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE dashboard")
    dsn = postgres.dsn("dashboard") + "?sslmode=disable"
    migrations.run(dsn, migrations.load(ROOT / "migrations"))
    backend = make_backend(dsn, connections=10)
    with serving(lambda _url: create_app(backend)) as api_url, psycopg.connect(dsn, autocommit=True) as connection:
        api = f"{api_url}/api/v1"
        with serving(lambda _url: files(lambda: api)) as url:
            yield Site(f"{url}{PLACE}", api, connection)
    backend.pool.close()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Ends with these tests: while Playwright runs, nothing else in its process may use it."""
    found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if found is None:
        pytest.fail(f"no browser: install one of {', '.join(CHROMIUMS)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        expect.set_options(timeout=30_000)
        yield browser
        browser.close()


@pytest.fixture
def expected() -> list[str]:
    """Parts of what the console may say: a test adds what it provokes."""
    return []


@pytest.fixture(scope="package")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One for all tests, so that the files are fetched once; what is kept of a session belongs to a page."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    context.set_default_timeout(30_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, expected: list[str]) -> Iterator[Page]:
    said: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: message.type in ("error", "warning") and said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    page.close()
    assert [text for text in said if not any(part in text for part in expected)] == []


@pytest.fixture
def person(site: Site, page: Page, request: pytest.FixtureRequest) -> Person:
    """Somebody with one repository, signed in."""
    person = site.person(request.node.name)
    person.is_in(page)
    return person


@pytest.fixture
def go(site: Site, page: Page) -> Callable[[str], None]:
    """Open a page of the dashboard by its hash."""

    def go(hash: str) -> None:
        page.goto(site.url + hash)

    return go
