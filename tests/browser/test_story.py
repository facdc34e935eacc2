"""Two people and an agent, from the first sign-in to the end: in the browser, against the API as it is.

Hana signs in with GitHub, makes an organization with a repository and invites Kenji; he signs in, accepts, and has an
agent work on the repository. Its log is watched while it is written, and the work is cancelled.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, Page, expect
from psycopg.conninfo import make_conninfo

from api.app import create_app
from tests.backend import make_backend
from tests.browser.conftest import files, serving
from tests.browser.github import GitHub
from tests.browser.people import Site

HANA, KENJI = (42_420_001, "hana", "hana@garden.example"), (42_420_002, "kenji", "kenji@garden.example")


@pytest.fixture
def github() -> GitHub:
    return GitHub()


@pytest.fixture
def home(site: Site, github: GitHub) -> Iterator[Site]:
    """A site of its own whose API knows the GitHub of this machine; the database is that of the others."""
    places: dict[str, str] = {}
    info = site.connection.info
    dsn = make_conninfo(info.dsn, password=info.password)

    def api(there: str) -> FastAPI:
        places["api"] = f"{there}/api/v1"
        backend = make_backend(
            dsn, github_client_id="id", github_secret="secret", github_url=places["github"],
            github_api_url=places["github"], github_callback_url=f"{there}/api/v1/auth/github/callback",
            frontend_url=places["site"],
        )  # fmt: skip
        stack.callback(backend.pool.close)
        return create_app(backend)

    with ExitStack() as stack:
        places["site"] = stack.enter_context(serving(lambda _url: files(lambda: places["api"])))
        places["github"] = stack.enter_context(serving(lambda _url: github.app))
        stack.enter_context(serving(api))
        yield Site(f"{places['site']}/", places["api"], site.connection)


@pytest.fixture
def desks(browser: Browser, home: Site) -> Iterator[Callable[[], Page]]:
    """Browsers of people who have nothing of each other's."""
    contexts: list[BrowserContext] = []

    def desk() -> Page:
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce"))
        contexts[-1].set_default_timeout(30_000)
        return contexts[-1].new_page()

    yield desk
    for context in contexts:
        context.close()


def signs_in(page: Page, home: Site, github: GitHub, who: tuple[int, str, str]) -> None:
    github.who = who
    page.goto(home.url)
    page.get_by_role("link", name="Sign in with GitHub").click()
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    expect(page.get_by_title(who[2])).to_be_visible()


def goes_to(page: Page, name: str) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()


def test_from_the_first_sign_in_to_a_cancelled_agent(desks: Callable[[], Page], home: Site, github: GitHub) -> None:
    hana, kenji = desks(), desks()
    signs_in(hana, home, github, HANA)
    goes_to(hana, "Organizations")
    hana.get_by_label("Name").fill("Green Garden")
    hana.get_by_role("button", name="Create").click()
    expect(hana.get_by_role("heading", name="Green Garden", level=1)).to_be_visible()
    hana.get_by_label("Owner and name").fill("green/garden")
    hana.get_by_role("button", name="Add").click()
    expect(hana.get_by_role("region", name="Repositories")).to_contain_text("green/garden")
    hana.get_by_label("Invite by e-mail").fill(KENJI[2])
    hana.get_by_role("button", name="Invite").click()
    expect(hana.get_by_role("region", name="Members")).to_contain_text("has not accepted yet")

    signs_in(kenji, home, github, KENJI)
    goes_to(kenji, "Organizations")
    kenji.get_by_role("button", name="Accept Green Garden").click()
    kenji.get_by_role("link", name="Green Garden").click()
    expect(kenji.get_by_role("region", name="Members").get_by_role("row")).to_have_count(3)
    expect(kenji.get_by_role("button", name="Invite")).to_have_count(0)
    kenji.get_by_role("link", name="Start an agent on green/garden").click()
    kenji.get_by_label("Agent", exact=True).select_option("review")
    kenji.get_by_role("button", name="Start", exact=True).click()
    expect(kenji.get_by_role("heading", level=1)).to_contain_text("Queued")

    execution = kenji.url.rpartition("/")[2]
    becomes(home, execution, "running")
    says(home, execution, "Looking at the roses")
    lines = kenji.get_by_role("region", name="Lines of the log")
    expect(lines.get_by_text("Looking at the roses")).to_be_visible()
    expect(kenji.get_by_role("heading", level=1)).to_contain_text("Running")
    says(home, execution, "and at the weeds")
    expect(lines.get_by_text("and at the weeds")).to_be_visible()
    hana.goto(f"{home.url}#/executions/{execution}")
    expect(hana.get_by_role("region", name="Lines of the log")).to_contain_text("and at the weeds")
    kenji.get_by_role("button", name="Cancel").click()
    kenji.get_by_role("button", name="Cancel it").click()
    expect(kenji.get_by_role("heading", level=1)).to_contain_text("Cancelling")
    becomes(home, execution, "cancelled")
    for page in (kenji, hana):
        expect(page.get_by_role("heading", level=1)).to_contain_text("Cancelled")


def becomes(home: Site, execution: str, status: str) -> None:
    """As the agent worker would write it."""
    move = "UPDATE agent_executions SET status = %s, started_at = coalesce(started_at, now()) WHERE id = %s"
    home.connection.execute(move, (status, execution))


def says(home: Site, execution: str, line: str) -> None:
    add = "INSERT INTO execution_logs (execution_id, log_level, message) VALUES (%s, 'INFO', %s)"
    home.connection.execute(add, (execution, line))
