"""What people do with the dashboard: watch, start, read a log while it grows, cancel, look things up."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.people import POLL_NOW, Person, Site

Go = Callable[[str], None]


def test_what_was_just_asked_for_is_seen(page: Page, site: Site) -> None:
    person = site.person("Hana")
    person.sign_in(page)
    expect(page.get_by_text("No executions yet")).to_be_visible()
    person.has("issue", "failed", error_message="The model refused")
    running = person.has("crm")
    page.evaluate(POLL_NOW)
    table = page.get_by_role("table")
    expect(table.get_by_role("row")).to_have_count(3)
    expect(table).to_contain_text("The model refused")
    expect(page.get_by_role("link", name="Running")).to_contain_text("1")
    expect(page.get_by_role("img", name=re.compile("1 failed, 0 cancelled, 1 open"))).to_be_visible()
    expect(page.get_by_role("region", name="At work")).to_contain_text("おきゃくさま")
    person.becomes(running, "completed")
    page.evaluate(POLL_NOW)
    expect(page.get_by_role("region", name="At work")).to_contain_text("All agents are idle")
    table.get_by_role("link", name="crm").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("crm")
    expect(page).to_have_title(re.compile("crm completed"))


def test_what_happens_is_seen_at_once(page: Page, person: Person, go: Go) -> None:
    """The API tells of it: a page that asks every eight seconds while nothing happens does not wait for its turn."""
    with page.expect_websocket() as opened:
        go("#/")
    expect(page.get_by_text("No executions yet")).to_be_visible()
    with opened.value.expect_event("framereceived"):
        person.has("crm")
    expect(page.get_by_role("table").get_by_role("row")).to_have_count(2, timeout=3000)


@pytest.mark.parametrize("streams", [True, False])
def test_a_log_is_read_while_it_grows(page: Page, person: Person, go: Go, streams: bool) -> None:
    """As a stream, and page by page as from Lambda, which waits for the next line."""
    if not streams:
        page.route("**/logs*", lambda route: route.continue_(headers={**route.request.headers, "accept": "*/*"}))
    running = person.has()
    person.log(running, [f"line {n}" for n in range(60)])
    go(f"#/executions/{running}")
    lines = page.get_by_role("region", name="Lines of the log")
    expect(lines.get_by_text("line 59")).to_be_in_viewport()
    person.log(running, ["\x1b[31mred\x1b[0m 10%\rred 100%"], "WARN")
    expect(lines.get_by_text("red 100%", exact=True)).to_be_in_viewport()
    lines.hover()
    page.mouse.wheel(0, -400)
    expect(page.get_by_role("button", name="Follow")).to_be_visible()
    person.log(running, ["it broke"], "ERROR")
    expect(lines.get_by_text("it broke")).to_be_attached()
    expect(lines.get_by_text("it broke")).not_to_be_in_viewport()
    expect(page.get_by_role("log")).to_contain_text("Error: it broke")
    page.get_by_role("button", name="Follow").click()
    expect(lines.get_by_text("it broke")).to_be_in_viewport()
    page.get_by_label("Warnings and errors (2)").check()
    expect(lines.locator(".line")).to_have_count(2)
    person.becomes(running, "completed")
    expect(page.locator(".log .live")).to_have_count(0)


def test_a_long_log_is_not_all_on_the_page(page: Page, person: Person, go: Go) -> None:
    done = person.has(status="completed")
    person.sql(
        "INSERT INTO execution_logs (execution_id, log_level, message) "
        "SELECT %s, 'INFO', 'line ' || n FROM generate_series(1, 5000) AS n", done,
    )  # fmt: skip
    go(f"#/executions/{done}")
    expect(page.get_by_text("5,000 lines")).to_be_visible()
    expect(page.locator(".line")).to_have_count(400)
    page.get_by_role("button", name="of 4,600 earlier lines").click()
    expect(page.locator(".line")).to_have_count(800)
    expect(page.locator(".line").first).to_contain_text("line 4201")


def test_an_agent_is_started(page: Page, person: Person, go: Go) -> None:
    go("#/")
    page.get_by_role("link", name="Start an agent").first.click()
    page.get_by_label("Agent", exact=True).select_option("coordinator")
    group = page.get_by_role("group", name="Issue")
    group.get_by_label("Title").fill("Login fails")
    group.get_by_label("Labels").fill("type:bug\n\nP1")
    page.get_by_label("Max parallel").fill("3")
    page.get_by_label("Auto pr").check()
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("coordinator")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Queued")
    wanted = {"issue": {"title": "Login fails", "labels": ["type:bug", "P1"]}, "max_parallel": 3}
    assert person.executions("agent_type, input, options ->> 'auto_pr'") == [("coordinator", wanted, "true")]


def test_a_request_whose_answer_is_lost_is_done_once(page: Page, person: Person, go: Go, expected: list[str]) -> None:
    expected += ["ERR_FAILED", "Failed to load resource"]
    lost: list[int] = []

    def lose(route: Route) -> None:
        lost.append(route.fetch().status)
        route.abort()

    page.route("**/agents/execute", lose, times=1)
    go("#/start?agent=review")
    start = page.get_by_role("button", name="Start", exact=True)
    start.click()
    expect(page.get_by_role("alert")).to_contain_text("The API does not answer")
    start.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("review")
    assert (lost, person.executions()) == ([202], [("pending",)])


def test_what_the_api_refuses_is_said_at_the_field(page: Page, person: Person, go: Go, expected: list[str]) -> None:
    expected += ["422 (Unprocessable", "400 (Bad Request"]
    go("#/start?agent=review")
    page.get_by_label("Ref").fill("-x")
    page.get_by_label("Threshold").fill("500")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("2 problem(s)")
    expect(page.get_by_label("Ref")).to_be_focused()
    expect(page.get_by_label("Threshold")).to_have_accessible_description(re.compile("less than or equal to 100"))
    page.get_by_label("Agent", exact=True).select_option("codegen")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_text("codegen works on an issue; give its issue_number")).to_be_visible()
    page.get_by_label("Agent", exact=True).select_option("crm")
    page.get_by_label("Customers").fill("[{")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_label("Customers")).to_have_accessible_description(re.compile("This is no JSON"))
    page.get_by_text("Add another repository").click()
    page.get_by_label("Owner and name").fill("nonsense")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_label("Owner and name")).to_have_accessible_description(re.compile("owner/repo"))
    page.get_by_label("Owner and name").fill("hana/other")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Repository")).to_have_value(re.compile(r"[0-9a-f-]{36}"))
    expect(page.get_by_label("Repository").locator("option", has_text="hana/other")).to_be_attached()
    assert person.executions() == []


def test_an_execution_is_cancelled_and_another_retried(page: Page, person: Person, go: Go) -> None:
    waiting, failed = person.has(status="pending"), person.has(status="failed", error_message="No such branch")
    go(f"#/executions/{waiting}")
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Keep it").click()
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel it").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Cancelled")
    go(f"#/executions/{failed}")
    expect(page.get_by_text("No such branch")).to_be_visible()
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Queued")
    assert sorted(person.executions()) == [("cancelled",), ("pending",)]


def test_a_button_says_which_permission_it_needs(page: Page, person: Person, go: Go) -> None:
    slug = f"o{person.number}"
    person.sql("INSERT INTO organizations (name, slug) VALUES (%s, %s)", slug, slug)
    person.sql(
        "INSERT INTO organization_members (organization_id, user_id, role) "
        "SELECT id, %s, 'viewer' FROM organizations WHERE slug = %s", person.id, slug,
    )  # fmt: skip
    person.sql(
        "UPDATE repositories SET organization_id = (SELECT id FROM organizations WHERE slug = %s) WHERE id = %s",
        slug, person.repository_id,
    )  # fmt: skip
    go(f"#/executions/{person.has()}")
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_disabled()
    expect(page.get_by_text("needs agents.stop")).to_be_visible()


def test_ten_thousand_executions_are_looked_through(page: Page, person: Person, go: Go) -> None:
    person.has_many(10_000)
    go("#/executions")
    rows = page.get_by_role("table").locator("tbody tr")
    expect(rows).to_have_count(50)
    assert page.evaluate("document.querySelectorAll('*').length") < 1800
    first = rows.first.inner_text()
    page.get_by_role("link", name="Older").click()
    expect(rows.first).to_contain_text("Looked at file 51")
    expect(rows).to_have_count(50)
    page.go_back()
    expect(rows.first).to_contain_text("Looked at file 1")
    assert rows.first.inner_text().split("\n")[:3] == first.split("\n")[:3]
    page.get_by_label("Status").select_option("failed")
    expect(rows.first).to_contain_text("The check failed")
    page.get_by_label("Agent", exact=True).select_option("issue")
    expect(rows.locator("td.agent").first).to_contain_text("issue")
    search = page.get_by_role("searchbox")
    search.press_sequentially("file 9950")
    expect(rows).to_have_count(1)
    expect(search).to_be_focused()
    assert "text=file+9950" in page.url
    search.fill("nothing like it")
    expect(page.get_by_text("Nothing fits")).to_be_visible()


def test_all_agents_and_releases_are_shown(page: Page, person: Person, go: Go) -> None:
    person.has("crm")
    person.sql(
        "INSERT INTO releases (environment, status, requested_by, git_sha, lambda_version_before, "
        "lambda_version_after, verdicts, error, finished_at) VALUES ('staging', 'rolled_back', 'mio', "
        "'1f3c2ab9f', '40', '41', '{\"health\": true, \"summary\": false}', 'Too many errors', now())"
    )
    go("#/agents")
    expect(page.locator("li.agent")).to_have_count(25)
    expect(page.locator("li.agent", has_text="おきゃくさま")).to_contain_text("1 running")
    go("#/releases?environment=staging")
    release = page.locator("li.release").first
    for text in ("Rolled back", "v40 → v41", "1f3c2ab", "by mio", "Too many errors"):
        expect(release).to_contain_text(text)
    expect(release.locator(".verdicts .bad")).to_have_text("Summary")
