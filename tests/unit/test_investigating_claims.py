"""Issue #970's claims, before and after the code changed: each verdict with the exact lines that it stands on."""

from pathlib import Path

import pytest

from tasks.investigating.claims import claims_in, estimates_in
from tasks.investigating.report import render
from tests.society import API, ISSUE, by_subject, earlier, looked_at, now

LIB, SQL = f"{API}/src/lib.rs", f"{API}/migrations"
CLAIMS = {
    "PostgreSQL Connection": ("confirmed", [f"{LIB}:23-26"], "outdated", [f"{LIB}:30-37"]),
    "Organization Schema": ("confirmed", [], "outdated", [f"{SQL}/20251125000000_organizations_teams.sql:3-12"]),
    "RBAC": ("confirmed", [], "outdated", [f"{SQL}/20251125000001_rbac_permissions.sql:1-14"]),
    "JWT Auth": ("confirmed", [f"{LIB}:28"], "outdated", [f"{LIB}:43-46", f"{LIB}:74"]),
    "Dashboard": ("confirmed", ["apps/pantheon-webapp/public/js/app.js:3"]) * 2,
}


@pytest.mark.parametrize("subject", CLAIMS)
def test_each_claim_before_and_after(subject: str, tmp_path: Path) -> None:
    before, then, after, there = CLAIMS[subject]
    claim = by_subject(looked_at(earlier(tmp_path / "earlier")))[subject]
    assert (claim.verdict, [one.place for one in claim.evidence]) == (before, then)
    claim = by_subject(looked_at(now(tmp_path)))[subject]
    assert (claim.verdict, [one.place for one in claim.evidence]) == (after, there)


def test_routes_that_were_commented_out_are_enabled_now(tmp_path: Path) -> None:
    claim = by_subject(looked_at(earlier(tmp_path / "earlier")))["API Routes"]
    assert (claim.verdict, claim.evidence[0].place) == ("confirmed", f"{LIB}:35-48")
    assert "20 of 20 routes are commented out" in claim.actual
    claim = by_subject(looked_at(now(tmp_path)))["API Routes"]
    assert (claim.verdict, claim.actual) == (
        "outdated", "all 28 routes are enabled; 1 more are in routers that nothing mounts",
    )  # fmt: skip


def test_one_route_in_a_comment_makes_it_partly(tmp_path: Path) -> None:
    file = (root := now(tmp_path)) / API / "src/routes/workers.rs"
    file.write_text(file.read_text().replace('        .route("/:id"', '        // .route("/:id"'))
    claim = by_subject(looked_at(root))["API Routes"]
    assert (claim.verdict, [one.place for one in claim.evidence]) == ("partly", [f"{API}/src/routes/workers.rs:8"])


@pytest.mark.parametrize(
    ("subject", "why"),
    [
        ("miyabi-web-api Build", "`cargo build`"),
        ("Database", "no environment was given"),
        ("Billing", "no check is about this"),
    ],
)
def test_what_is_unknown_says_why(subject: str, why: str, tmp_path: Path) -> None:
    claim = by_subject(looked_at(now(tmp_path)))[subject]
    assert claim.verdict == "unknown"
    assert why in claim.why


def test_claims_say_where_the_issue_says_them() -> None:
    found = claims_in(ISSUE.read_text())
    assert [(claim.subject, claim.asserts, claim.line) for claim in found][:2] == [
        ("PostgreSQL Connection", "bad", 9), ("API Routes", "bad", 10),
    ]  # fmt: skip
    assert len(found) == 9


def test_estimates_are_no_claims() -> None:
    assert [(one.number, one.hours) for one in estimates_in(ISSUE.read_text())] == [
        (1, (60, 80)), (2, (40, 50)), (3, (20, 30)), (4, (20, 30)),
    ]  # fmt: skip
    assert claims_in("## Plan\n\n- [ ] Phase 1: JWT is missing\n\n| Part | State |\n|--|--|\n| JWT | missing |\n") == []


def test_the_report_has_the_mission_s_parts(tmp_path: Path) -> None:
    page = render(looked_at(now(tmp_path)))
    parts = [line.removeprefix("## ") for line in page.splitlines() if line.startswith("## ")]
    assert parts == [
        "Executive summary", "Detailed investigation", "Actual problems identified", "Revised plan", "Completeness",
        "Recommendations", "Risks", "What could not be checked", "Conclusion",
    ]  # fmt: skip
    assert (
        "| PostgreSQL Connection | ❌ Disabled (lib.rs:143-144) | ❌ outdated | 🟢 Working | enabled: max_conn" in page
    )
    assert "        .max_connections(100)\n" in page
    assert "The issue estimated 140-190h" in page
    assert "acquire_timeout=30 s" in page
    first = page.split("### At once")[1].splitlines()[2]
    assert first.startswith("1. **2 required variables set nowhere** (0.5-1h): ")


def test_a_phase_without_problems_is_not_needed_and_says_why(tmp_path: Path) -> None:
    file = (root := now(tmp_path)) / API / "src/lib.rs"
    file.write_text(file.read_text().replace("max_connections(100)", "max_connections(5)"))
    page = render(looked_at(root))
    assert "**Phase 1: Database Foundation** is not needed: PostgreSQL connection: enabled: max_connections=5" in page


@pytest.mark.parametrize(
    ("body", "asserts"),
    [
        ("| Part | Claimed | Note |\n|---|---|---|\n| JWT | ✅ Working | x |", ["good"]),
        ("- JWT: not implemented", ["bad"]),
        ("1. Routes are partly commented out", ["partly"]),
        ("- **DB**: 未実装", ["bad"]),
        ("- see the wiki", []),
        ("no table and no list, and nothing works", []),
        ("", []),
    ],
)
def test_what_a_sentence_asserts(body: str, asserts: list[str]) -> None:
    assert [claim.asserts for claim in claims_in(body)] == asserts


def test_an_empty_folder_and_an_issue_without_claims_make_a_report_all_the_same(tmp_path: Path) -> None:
    (issue := tmp_path / "issue.md").write_text("# It does not work\n\nPlease help.\n")
    (empty := tmp_path / "empty").mkdir()
    found = looked_at(empty, issue)
    assert found.not_checked[0] == "Claims: issue.md has no table or list that says how things stand"
    assert (found.claims, found.files) == ([], 0)
    assert "## What could not be checked" in render(found)


def test_values_and_secrets_are_not_quoted(tmp_path: Path) -> None:
    root = now(tmp_path)
    (root / ".env").write_text("DATABASE_URL=postgresql://me:hunter22@db/x\nJWT_SECRET=hunter22hunter22\n")
    file = root / API / "src/lib.rs"
    file.write_text(file.read_text().replace("&config.jwt_secret,", 'secret = "hunter22hunter22",'))
    found = looked_at(root)
    assert "hunter22" not in found.model_dump_json()
    assert "***" in render(found)
