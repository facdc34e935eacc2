"""What holds on every page of the dashboard: sessions, a lost API, phones, keyboards, accessibility, little traffic."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, Response, Route, expect

from tests.browser.people import POLL_NOW, Person, Site

Go = Callable[[str], None]
MADE_OF_OTHERS = ("#/workflows", "#/tasks", "#/repositories")
"""Lists whose parts are looked at on other pages."""
LONG = "an-endless-word-" * 40


@pytest.fixture
def pages(person: Person) -> dict[str, str]:
    """Every page by its hash and its heading, with data that is long."""
    shown = person.has("coordinator", "running", input={"issue": {"title": LONG, "labels": [LONG]}}, issue_number=7)
    person.log(shown, [LONG, "short"], "ERROR")
    person.sql("INSERT INTO execution_steps (execution_id, number, name) VALUES (%s, 1, %s)", shown, LONG)
    done = person.has(
        "review", "failed", error_message=LONG, result_summary=LONG,
        result={"score": 7, "issues": [{"file": LONG, "line": 1, "why": LONG}], "note": LONG},
    )  # fmt: skip
    person.sql("INSERT INTO releases (environment, status, error, git_sha) VALUES ('local', 'failed', %s, 'a')", LONG)
    made = person.api.create_organization({"name": f"Garden {person.number} {LONG[:200]}"})["organization"]["id"]
    person.api.register_repository({"full_name": f"{'o' * 39}/{'n' * 90}-{person.number}", "organization_id": made})
    node = {"id": "a", "agent_type": "persona", "name": LONG[:200]}
    workflow = person.api.create_workflow(
        {"name": LONG[:200], "repository_id": person.repository_id, "dag_definition": {"nodes": [node]}}
    )["id"]
    person.api.execute_workflow(workflow)
    task = person.api.create_task({"name": LONG[:200], "description": LONG, "metadata": {"note": LONG}})["task"]["id"]
    person.api.invite_member(made, {"identifier": f"{'a' * 60}@{'b' * 60}.example"})
    return {
        "#/organizations": "Organizations", f"#/organizations/{made}": "Garden",
        "#/": "Overview", "#/executions": "Executions", f"#/executions/{shown}": "coordinator",
        "#/workflows": "Workflows", f"#/workflows/{workflow}": "an-endless", "#/tasks": "Tasks",
        f"#/tasks/{task}": "an-endless", "#/repositories": "Repositories",
        f"#/repositories/{person.repository_id}": "hana/garden", f"#/executions/{done}": "review",
        "#/start?agent=crm": "Start an agent", "#/agents": "Agents",
        "#/releases": "Releases",
    }  # fmt: skip


def shown(page: Page, heading: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_contain_text(heading)
    expect(page.get_by_label("Loading")).to_have_count(0)


def test_a_session_lasts_until_it_is_ended(site: Site, page: Page, person: Person, expected: list[str]) -> None:
    expected.append("401 (Unauthorized)")
    page.goto(site.url)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    assert "access_token" not in page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")
    person.sql("DELETE FROM repositories WHERE user_id = %s", person.id)
    person.sql("DELETE FROM users WHERE id = %s", person.id)
    page.reload()
    expect(page.get_by_text("Your session has ended")).to_be_visible()
    assert page.evaluate("sessionStorage['miyabi.session'] ?? localStorage['miyabi.session'] ?? null") is None


def test_a_short_access_token_is_renewed_without_a_word(site: Site, page: Page, person: Person) -> None:
    """Many requests at once wait for one renewal, and a page that is loaded again goes on with the newest token."""
    renewals: list[str] = []
    page.on("request", lambda request: "/auth/refresh" in request.url and renewals.append(request.url))
    page.clock.install()
    page.goto(site.url)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.get_by_text("No executions yet")).to_be_visible()
    assert len(renewals) == 1
    with page.expect_response(lambda response: "/auth/refresh" in response.url):
        page.clock.fast_forward(15 * 60_000)
    page.wait_for_timeout(300)
    assert len(renewals) == 2
    page.reload()
    expect(page.get_by_text("No executions yet")).to_be_visible()
    assert len(renewals) == 3


def test_who_signs_out_is_out_in_the_backend_too(site: Site, page: Page, person: Person) -> None:
    page.goto(site.url)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    with page.expect_response(lambda response: "/auth/logout" in response.url and response.status == 204):
        page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in to Miyabi")).to_be_visible()
    over = person.sql("SELECT revoked_because FROM auth_sessions WHERE user_id = %s", person.id)
    assert over == [("logout",)]


def test_who_signs_out_while_the_token_is_renewed_stays_out(site: Site, page: Page, person: Person) -> None:
    renewals: list[Route] = []
    page.route("**/auth/refresh", lambda route: renewals.append(route))
    page.goto(site.url)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    (renewal,) = renewals
    tokens = renewal.fetch()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in to Miyabi")).to_be_visible()
    with page.expect_response("**/auth/refresh"):
        renewal.fulfill(response=tokens)
    page.wait_for_timeout(100)
    expect(page.get_by_role("heading", name="Sign in to Miyabi")).to_be_visible()
    assert page.evaluate("sessionStorage['miyabi.session'] ?? localStorage['miyabi.session'] ?? null") is None


def test_tokens_in_the_address_count_for_a_tab_that_asked_for_them(site: Site, page: Page, person: Person) -> None:
    """As the API's way back from GitHub hands them over. Nobody is signed in as somebody else by a link."""
    back = f"{site.url}?back#access_token=x&refresh_token={person.sign_in_again()}&expires_in=900"
    page.goto(site.url)
    page.get_by_role("button", name="Sign out").click()
    page.goto(back)
    expect(page.get_by_role("heading", name="Sign in to Miyabi")).to_be_visible()
    assert "token" not in page.url
    page.evaluate("sessionStorage.setItem('miyabi.github', '1')")
    page.goto(site.url)
    page.goto(back)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    assert "token" not in page.url


def test_a_sign_in_that_github_refused_is_explained_to_who_began_it(site: Site, page: Page, person: Person) -> None:
    page.goto(site.url)
    page.get_by_role("button", name="Sign out").click()
    for begun, shown in (("", 0), ("sessionStorage.setItem('miyabi.github', '1')", 1)):
        page.evaluate(begun)
        page.goto(f"{site.url}?{shown}#error=authentication_error&error_description=GitHub+did+not+sign+you+in")
        expect(page.get_by_role("heading", name="Sign in to Miyabi")).to_be_visible()
        expect(page.get_by_role("alert").get_by_text("GitHub did not sign you in")).to_have_count(shown)
        assert "error" not in page.url


def test_a_refused_sign_in_is_explained(site: Site, page: Page, person: Person, expected: list[str]) -> None:
    expected.append("403 (Forbidden)")
    page.goto(site.url)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Email").fill("somebody.else@example.com")
    page.get_by_label("GitHub id").fill(str(person.number))
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("belongs to another account")


def test_an_api_that_is_away_is_said_and_comes_back(page: Page, person: Person, go: Go, expected: list[str]) -> None:
    expected += ["ERR_FAILED"]
    go("#/")
    expect(page.get_by_text("No executions yet")).to_be_visible()
    page.route(re.compile("/api/v1/"), lambda route: route.abort())
    page.evaluate(POLL_NOW)
    expect(page.get_by_text("The API does not answer.")).to_be_visible()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.unroute_all()
    page.get_by_role("button", name="Try now").click()
    expect(page.get_by_text("The API does not answer.")).to_have_count(0)


def test_a_hidden_page_asks_for_nothing_and_a_seen_one_for_little(page: Page, person: Person, go: Go) -> None:
    page.clock.install()
    go("#/")
    answers: list[Response] = []
    page.on("response", lambda response: "/api/" in response.url and answers.append(response))
    expect(page.get_by_text("No executions yet")).to_be_visible()
    with page.expect_response(lambda response: "/dashboard/live" in response.url and response.status == 304):
        page.clock.run_for(9_000)
    page.evaluate("""() => {
        Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
        document.dispatchEvent(new Event("visibilitychange"));
    }""")
    page.wait_for_timeout(300)
    answers.clear()
    page.clock.run_for(60_000)
    page.wait_for_timeout(300)
    assert answers == []
    with page.expect_response(lambda response: "/dashboard/live" in response.url):
        page.evaluate('delete document.hidden, document.dispatchEvent(new Event("visibilitychange"))')


def test_a_phone_needs_no_sideways_scrolling(
    browser: Browser, site: Site, person: Person, pages: dict[str, str]
) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
    page = context.new_page()
    person.is_in(page)
    for hash, heading in pages.items():
        page.goto(site.url + hash)
        shown(page, heading)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, hash
    context.close()


def test_no_page_shuts_anybody_out(page: Page, go: Go, pages: dict[str, str]) -> None:
    """axe-core finds nothing serious, on any page, and on the sign-in page; no text is too faint in the dark."""
    found = {}
    for hash, heading in pages.items():
        if hash in MADE_OF_OTHERS:
            continue
        go(hash)
        shown(page, heading)
        found[hash] = seen_by_axe(page)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Email")).to_be_visible()
    found["sign in"] = seen_by_axe(page)
    assert {hash: problems for hash, problems in found.items() if problems} == {}


def seen_by_axe(page: Page) -> list[str]:
    found = violations(page, {})
    page.emulate_media(color_scheme="dark")
    found += violations(page, {"runOnly": ["color-contrast"]})
    page.emulate_media(color_scheme="light")
    return found


def violations(page: Page, options: dict[str, Any]) -> list[str]:
    response = Axe().run(page, options={"resultTypes": ["violations"], **options}).response
    return [
        f"{violation['id']}: {node['html'][:120]} {node['failureSummary'][-160:]}"
        for violation in response["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def test_the_keyboard_is_enough(page: Page, person: Person, go: Go) -> None:
    """From the overview to a started agent."""
    go("#/")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    press_until(page, "Start an agent")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Start an agent")).to_be_focused()
    expect(page.get_by_label("Repository")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.type("review")
    expect(page.get_by_label("Threshold")).to_be_visible()
    press_until(page, "Start")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("review")
    assert person.executions("agent_type") == [("review",)]
    press_until(page, "Cancel")
    page.keyboard.press("Enter")
    press_until(page, "Cancel it")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Cancelled")


def press_until(page: Page, text: str) -> None:
    """Tab on to the link or button of that text."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == text:
            return
    raise AssertionError(f"{text!r} is not reached by Tab")


def test_nobody_else_is_spoken_to(
    page: Page, site: Site, person: Person, pages: dict[str, str], go: Go, expected: list[str]
) -> None:
    """No fonts, scripts or pictures of others; and nothing could be: the page's own policy is in force."""
    expected.append("Content Security Policy")
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))
    for hash, heading in pages.items():
        go(hash)
        shown(page, heading)
    assert {request.url.split("/")[2] for request in asked} == {site.url.split("/")[2], site.api.split("/")[2]}
    assert page.evaluate("fetch('http://127.0.0.1:9/').catch(error => error.constructor.name)") == "TypeError"
