"""Planned work in the dashboard: workflows and their runs, tasks and their moves, repositories."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.people import POLL_NOW, Person

Go = Callable[[str], None]
NODES = [
    {"id": "market", "agent_type": "market-research", "name": "Look at the market"},
    {"id": "concept", "agent_type": "product-concept", "name": "Find the concept", "depends_on": ["market"]},
]


def test_a_workflow_is_run_and_cancelled(page: Page, person: Person, go: Go) -> None:
    person.api.create_workflow(
        {"name": "Plan a product", "repository_id": person.repository_id, "dag_definition": {"nodes": NODES}}
    )
    go("#/workflows")
    expect(page.get_by_text("2 nodes")).to_be_visible()
    page.get_by_role("link", name="Plan a product").click()
    expect(page.get_by_text("It has not been run.")).to_be_visible()
    expect(page.locator(".graph > li")).to_have_count(2)
    page.get_by_role("button", name="Run", exact=True).click()
    graph = page.get_by_role("region", name="Graph")
    expect(graph.locator("header")).to_contain_text("Queued")
    expect(graph.locator(".node", has_text="Find the concept")).to_contain_text("after market")
    expect(graph.locator(".node").first).to_contain_text("Waiting")
    page.get_by_role("button", name="Cancel the run").click()
    expect(graph.locator("header")).to_contain_text("Cancelled")
    expect(page.get_by_role("region", name="Runs").get_by_role("listitem")).to_have_count(1)
    assert person.executions("agent_type, status") == [("coordinator", "cancelled")]


def test_a_task_is_done(page: Page, person: Person, go: Go, expected: list[str]) -> None:
    expected += ["409 (Conflict)", "412 (Precondition Failed)"]
    sow, weed = (
        person.api.create_task({"name": name, "repository_id": person.repository_id, "priority": priority})["task"][
            "id"
        ]
        for name, priority in (("Sow the beans", "P0"), ("Weed the beds", "P3"))
    )
    person.api.add_dependency(weed, {"depends_on_task_id": sow})
    go("#/tasks")
    expect(page.get_by_role("table").locator("tbody tr").first).to_contain_text("Sow the beans")
    page.get_by_label("Priority").select_option("P3")
    expect(page.get_by_role("table").locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Weed the beds").click()
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("alert")).to_contain_text("waits for 1 other")
    page.get_by_role("region", name="Waits for").get_by_role("link", name="Sow the beans").click()
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_contain_text("Sow the beans")
    person.sql("UPDATE tasks SET description = 'Twice a day' WHERE id = %s", sow)
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("alert")).to_contain_text("changed meanwhile")
    expect(page.get_by_text("Twice a day")).to_be_visible()
    page.get_by_role("button", name="Start").click()
    expect(heading).to_contain_text("Running")
    page.get_by_role("button", name="Complete").click()
    expect(heading).to_contain_text("Completed")


def test_a_repository_shows_what_goes_on_in_it(page: Page, person: Person, go: Go) -> None:
    person.api.create_task({"name": "Sow the beans", "repository_id": person.repository_id})
    go("#/repositories")
    page.get_by_role("link", name=person.repository, exact=True).click()
    expect(page.get_by_text("No agent has worked here.")).to_be_visible()
    expect(page.get_by_role("region", name="Tasks")).to_contain_text("Sow the beans")
    person.has("crm")
    page.evaluate(POLL_NOW)
    expect(page.get_by_role("region", name="Newest executions")).to_contain_text("crm")
    page.get_by_role("link", name="Start an agent here").click()
    expect(page.get_by_label("Repository")).to_have_value(person.repository_id)


def test_what_is_not_there_is_said(page: Page, person: Person, go: Go, expected: list[str]) -> None:
    expected.append("404 (Not Found)")
    nobody = "00000000-0000-0000-0000-000000000000"
    for kind in ("workflow", "task"):
        go(f"#/{kind}s/{nobody}")
        expect(page.get_by_role("heading", name=f"There is no such {kind}")).to_be_visible()
