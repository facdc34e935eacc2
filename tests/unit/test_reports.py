"""Rendering of what a run leaves for people. No Prefect is needed for it."""

import asyncio
import json

import pytest

from tasks.changes import Change, Finding
from tasks.reports import (
    LIMIT,
    ReleaseFacts,
    change_rows,
    fit_rows,
    masked,
    publish_changes,
    publish_release,
    publish_smoke,
    render_release,
)
from tests.support import make_rollout

CHANGE = Change("update", "function x", "memory", "256", "512", "differs from the environment")
SMOKE = [{"check": "GET /health", "status": "200", "ms": "12", "verdict": "ok", "detail": "a | b"}]
FACTS = ReleaseFacts(
    environment="local",
    verdict="succeeded",
    source="python:api",
    git_sha="1f3c2ab",
    version_before="3",
    version_after="4",
    code_sha256="c2hhMjU2",
    schema_version=20261121000011,
    urls={"api": "http://127.0.0.1:1/_api/x"},
    changes=[CHANGE],
    findings=[Finding("function x", "DATABASE_URL holds a secret as a plain value")],
    smoke=SMOKE,
    durations=[("provision", 1.234)],
)


def test_the_change_table_has_the_changes_and_then_the_findings() -> None:
    rows = change_rows([CHANGE], FACTS.findings)
    assert rows[0] == {
        "change": "update",
        "what": "function x",
        "field": "memory",
        "from": "256",
        "to": "512",
        "why": "differs from the environment",
    }
    assert (rows[1]["change"], rows[1]["what"]) == ("finding", "function x")
    assert change_rows([]) == [{"change": "none", "what": "everything is as it should be"}]


def test_the_report_tells_all_that_is_known() -> None:
    text = render_release(FACTS)
    for part in (
        "# Release local: succeeded",
        "| Lambda version | 3 → 4 |",
        "| schema version | 20261121000011 |",
        "| api | http://127.0.0.1:1/_api/x |",
        "## Changes: 1 update",
        "- update function x memory: 256 → 512",
        "- **function x**: DATABASE_URL",
        "| GET /health | 200 | 12 | ok | a \\| b |",
        "| provision | 1.23 |",
    ):
        assert part in text
    assert "Why it stopped" not in text


def test_a_plan_has_a_heading_of_its_own() -> None:
    assert render_release(ReleaseFacts("local", "planned", planning=True)).startswith("# Plan local\n")
    failed = render_release(ReleaseFacts("local", "failed", planning=True))
    assert failed.startswith("# Plan local: failed\n")


def test_an_empty_report_has_no_empty_sections() -> None:
    text = render_release(ReleaseFacts("local", "failed", error="the door\nstays shut"))
    assert "Why it stopped" in text
    assert "Everything was as it should be" in text
    for absent in ("Smoke", "Findings", "Steps", "Lambda version"):
        assert absent not in text


@pytest.mark.parametrize(("before", "after", "line"), [(None, "1", "none → 1"), ("2", "2", "2 (unchanged)")])
def test_versions(before: str | None, after: str, line: str) -> None:
    facts = ReleaseFacts("local", "succeeded", version_before=before, version_after=after)
    assert f"| Lambda version | {line} |" in render_release(facts)


def test_nothing_is_above_the_limit() -> None:
    rows = fit_rows([{"check": "x" * 1000}] * 500)
    assert len(json.dumps(rows)) <= LIMIT + 1100
    assert rows[-1] == {"check": f"… and {501 - len(rows)} more"}
    long = render_release(ReleaseFacts("local", "failed", error="é" * LIMIT))
    assert len(long.encode()) <= LIMIT
    assert long.endswith("… cut at 100 kB\n")
    many = render_release(ReleaseFacts("local", "succeeded", changes=[CHANGE] * 100))
    assert "… and 60 more" in many


def test_credentials_in_urls_are_masked() -> None:
    assert masked("connect postgresql://u:p%40ss@db:5432/x failed") == "connect postgresql://***@db:5432/x failed"
    assert masked("see https://example.org/a@b") == "see https://example.org/a@b"
    assert "p%40ss" not in render_release(ReleaseFacts("local", "failed", error="postgresql://u:p%40ss@db/x"))
    assert fit_rows([{"detail": "redis://:pw@host"}]) == [{"detail": "redis://***@host"}]


def test_outside_a_run_nothing_is_published() -> None:
    asyncio.run(publish_changes(make_rollout()))
    asyncio.run(publish_release(FACTS))
    publish_smoke("local", SMOKE, "version 4")
