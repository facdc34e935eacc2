"""The pages: the report with its chapters, the last release's session, the quick start; and how figures are said."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from blocks.reporting import Assumptions
from database.release_story import LoggedStep, Story
from tasks.reporting.components import components_of
from tasks.reporting.costs import costs_of
from tasks.reporting.drift import Drift
from tasks.reporting.leaving import descriptions
from tasks.reporting.mission import judged_tables
from tasks.reporting.model import Scene, Unseen
from tasks.reporting.page import render
from tasks.reporting.prices import read_book
from tasks.reporting.quickstart import place_of, render_quickstart
from tasks.reporting.report import Report, component_rows, drift_rows, facts_for_machines, finding_rows
from tasks.reporting.security import findings_of, weighed
from tasks.reporting.session import Session, render_session
from tasks.reporting.setup import setup_of
from tasks.reporting.timeline import Moment
from tasks.reporting.wording import dollars, number, plural, seconds, size
from tests.support import make_environment
from tests.unit.reporting import AT, database, release, scene


def report(seen: Scene, **changed: Any) -> Report:
    book = read_book()
    made = Report(
        environment="testing", region="us-east-1", account="123456789012", at=AT, components=components_of(seen),
        costs=costs_of(setup_of(seen), Assumptions(), book), mission=judged_tables(book),
        findings=findings_of(seen, AT.date()), quickstart="",
    )  # fmt: skip
    return replace(made, **changed)


def session(*moments: Moment, **changed: Any) -> Session:
    return Session(Story(release(**changed), 4), moments, {"3": 4_800_000})


def test_the_report_has_all_its_chapters_in_order() -> None:
    page = render(report(scene(), since=AT, drift=[Drift("changed", "alias live", "version", "2", "3")], by_hand=True))
    chapters = [line for line in page.splitlines() if line.startswith("## ")]
    assert chapters == [
        "## Drift", "## Components", "## Security: 1 finding: 1 low", "## Costs",
        "## The mission's tables beside the arithmetic", "## Session: no release", "## What could not be looked at",
        "## Settings",
    ]  # fmt: skip
    assert page.startswith("# Status report testing: 21 of 21 components as they should be (100 %)")
    assert "| changed | alias live | version | 2 | 3 |" in page
    assert "somebody changed this by hand" in page
    assert "Its shares" in page


def test_a_blind_report_says_what_it_could_not_see_and_still_has_costs() -> None:
    seen = Scene(make_environment(), dict.fromkeys(scene().seen, Unseen("AWS could not be asked: no way")))
    made = report(seen)
    page = render(made)
    assert made.headline == "0 of 15 components as they should be (0 %)"
    assert "- **database miyabi-postgres-testing**: AWS could not be asked: no way" in page
    assert "- the check **open ports**: network: AWS could not be asked: no way" in page
    assert "| RDS | db.t3.small |" in page


def test_findings_stand_at_their_components() -> None:
    seen = scene(database=database(encrypted=False, DeletionProtection=False))
    findings = findings_of(seen, AT.date())
    made = report(seen, components=weighed(components_of(seen), findings))
    (one,) = [one for one in made.components if one.kind == "database"]
    assert (one.standing, one.says) == ("attention", "high: unencrypted storage; available")
    at = {row["kind"]: row["findings"] for row in component_rows(made)}
    assert (at["database"], at["function"]) == ("3", "")
    assert [row["severity"] for row in finding_rows(made)] == ["high", "low", "low"]
    facts = facts_for_machines(made)
    assert facts["progress"] == {"done": 20, "of": 21}
    assert len(facts["findings"]) == 3


def test_tables_without_rows_say_so() -> None:
    assert drift_rows(report(scene())) == [{"change": "none", "what": "this is the first report"}]
    assert drift_rows(report(scene(), since=AT))[0]["what"] == "nothing since the last report"


def test_the_session_tells_times_tries_sizes_and_verdicts() -> None:
    told = session(
        Moment("Build", 40.0, AT - timedelta(seconds=42)),
        Moment("Ensure database", 180.0, AT, tries=3),
        Moment("Smoke test", 0.4, None, state="Failed"),
        verdicts={"GET /": True, "POST /": False},
    )
    page = "\n".join(render_session(told))
    assert "| took | 4 min 23 s |" in page  # from the first step on, which is before the release's row
    assert "| steps tried again | 2 |" in page
    assert "| package | 4.8 MB |" in page
    assert "| Lambda version | 2 → 3 |" in page
    assert "1 of 2 checks passed" in page
    assert "- failed: POST /" in page
    assert f"| +42.0 s | Ensure database | 3 min 0 s | {'▇' * 24} | tried 3 times |" in page
    assert "|  | Smoke test | 0.4 s | ▇ | Failed |" in page


def test_a_session_of_a_failed_release_without_steps() -> None:
    undo = LoggedStep(1, "Shift traffic", "alias", "live", "undone", AT, AT, AT)
    told = Session(Story(release(status="failed", error="no room", finished_at=None), 1, [undo]), (), {})
    page = "\n".join(render_session(told))
    assert "no room" in page
    assert "it has not ended" in page
    assert "keeps no steps" in page
    assert "| 1 | Shift traffic | live | undone |" in page


def test_the_quick_start_has_the_real_addresses_and_no_secret() -> None:
    seen = scene()
    page = render_quickstart(seen.environment, place_of(seen))
    assert "curl -s https://a1b2c3.execute-api.us-east-1.amazonaws.com/api/v1/health" in page
    assert "- Site: https://d1.cloudfront.net" in page
    assert "host=db.example port=5432 user=miyabi_admin" in page
    assert "log-groups/log-group/$252Faws$252Flambda$252Fmiyabi-api-testing" in page
    assert "miyabi rollback -e testing" in page
    local = make_environment("http://127.0.0.1:4566")
    page = render_quickstart(local, place_of(Scene(local, {})))
    assert "There is no API yet" in page
    assert "--endpoint-url http://127.0.0.1:4566" in page
    assert "console.aws" not in page


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (dollars(Decimal("26.28")), "$26.28"),
        (dollars(Decimal("0.004")), "<$0.01"),
        (dollars(Decimal("0")), "$0.00"),
        (dollars(Decimal("-1234.5")), "-$1,234.50"),
        (number(Decimal("0.0000002")), "0.0000002"),
        (number(Decimal("1E+6")), "1,000,000"),
        (number(Decimal("730.0")), "730"),
        (plural(1, "policy", "policies"), "1 policy"),
        (plural(2, "policy", "policies"), "2 policies"),
        (seconds(0.44), "0.4 s"),
        (seconds(221), "3 min 41 s"),
        (size(1700), "1.7 kB"),
        (size(4_800_000), "4.8 MB"),
    ],
)
def test_how_figures_are_said(said: str, text: str) -> None:
    assert said == text


def test_each_artifact_s_tile_says_what_is_in_it() -> None:
    told = descriptions(report(scene()))
    assert len(set(told.values())) == len(told) == 9
    assert "components as they should be" in told["report"]
    assert told["findings"].startswith("testing: security: ")
