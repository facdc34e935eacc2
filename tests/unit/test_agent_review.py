"""The review agent: what tools print, what it costs, and a real review with the linters that are here."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from database.agent_models import ReviewOutput
from tasks.agents import review_parsers as parsers
from tasks.agents.context import AgentResult
from tasks.agents.review import run_review
from tasks.agents.review_findings import (
    Finding,
    breakdown_of,
    distinct,
    escalation_of,
    issues_of,
    label_of,
    recommendations_of,
    score_of,
)
from tasks.agents.review_tools import TOOLS, Heard, Tool, judged, use
from tasks.errors import Permanent
from tests.agents import Scene
from tests.fixtures.agents import git, make_repository, settings_for

ROOT = Path("/repository")
RUFF = next(tool for tool in TOOLS if tool.name == "ruff")


def found(kind: str, severity: str, count: int = 1) -> list[Finding]:
    return [Finding("x", kind, severity, f"fault {n}", file="a.py", line=n) for n in range(count)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("findings", "score"),
    [
        ([], 100),
        (found("lint", "high"), 80),
        (found("lint", "medium"), 90),
        (found("type", "high"), 70),
        (found("security", "critical"), 60),
        (found("security", "high"), 80),
        (found("security", "medium"), 90),
        (found("security", "low"), 95),
        (found("type", "high", 4), 0),
    ],
)
def test_deductions_are_the_missions(findings: list[Finding], score: int) -> None:
    assert score_of(findings) == score


def test_labels_follow_the_score() -> None:
    assert [label_of(score) for score in (100, 90, 89, 80, 79, 60, 59, 0)] == [
        "quality:excellent", "quality:excellent", "quality:good", "quality:good", "quality:needs-improvement",
        "quality:needs-improvement", "quality:poor", "quality:poor",
    ]  # fmt: skip


def test_who_has_to_look() -> None:
    assert escalation_of(60, found("security", "high", 2)) is None
    low = escalation_of(49, found("lint", "high", 3))
    assert low is not None
    assert low.target == "TechLead"
    critical = escalation_of(60, found("security", "critical"))
    assert critical is not None
    assert (critical.target, critical.severity) == ("CISO", "Sev.1-Critical")


def test_what_nobody_measured_has_no_score() -> None:
    parts = breakdown_of(found("lint", "high"), {"lint"}, None)
    assert parts.model_dump() == {
        "eslint_score": 80, "typescript_score": None, "security_score": None, "test_coverage_score": None,
    }  # fmt: skip


def test_the_report_begins_with_what_costs_most() -> None:
    findings = found("lint", "medium", 2) + found("type", "high")
    assert [issue.score_impact for issue in issues_of(findings)] == [-30, -10, -10]
    advice = recommendations_of(findings, {"bandit": "absent"})
    assert advice == ["Mend 1 × x type (+30 points): fault 0", "Mend 2 × x lint (+20 points): fault 0",
                      "Not looked at by bandit: absent"]  # fmt: skip


def test_a_syntax_error_counts_once() -> None:
    both = [Finding("ruff", "type", "high", "Expected …", "invalid-syntax", "a.py", 3),
            Finding("mypy", "type", "high", "Invalid syntax", "syntax", "a.py", 3)]  # fmt: skip
    assert distinct(both) == both[:1]


def test_ruff_is_read() -> None:
    at = {"row": 7, "column": 12}
    text = json.dumps([
        {"code": "F821", "message": "Undefined name", "filename": "/repository/a.py", "location": at},
        {"code": "I001", "message": "Unsorted", "filename": "/repository/a.py", "location": at},
        {"code": "invalid-syntax", "message": "Expected", "filename": "/repository/b.py", "location": at},
    ])  # fmt: skip
    assert [(f.kind, f.severity, f.file, f.line) for f in parsers.ruff(text, ROOT)] == [
        ("lint", "high", "a.py", 7), ("lint", "medium", "a.py", 7), ("type", "high", "b.py", 7),
    ]  # fmt: skip


def test_type_checkers_are_read() -> None:
    mypy = parsers.mypy('a.py:5:11: error: Incompatible types: "int"  [return-value]\na.py:5:1: note: see', ROOT)
    assert mypy == [Finding("mypy", "type", "high", 'Incompatible types: "int"', "return-value", "a.py", 5, 11)]
    tsc = parsers.tsc("src/t.ts(1,31): error TS1110: Type expected.\n", ROOT)
    assert tsc == [Finding("tsc", "type", "high", "Type expected.", "TS1110", "src/t.ts", 1, 31)]


def test_eslint_is_read() -> None:
    messages = [
        {"ruleId": "no-unused-vars", "severity": 2, "message": "unused", "line": 1, "column": 7},
        {"ruleId": "no-console", "severity": 1, "message": "console", "line": 2, "column": 1},
        {"ruleId": None, "fatal": True, "severity": 2, "message": "Parsing error", "line": 1, "column": 7},
    ]
    text = json.dumps([{"filePath": "/repository/a.js", "messages": messages}])
    assert [(f.kind, f.severity, f.file) for f in parsers.eslint(text, ROOT)] == [
        ("lint", "high", "a.js"), ("lint", "medium", "a.js"), ("type", "high", "a.js"),
    ]  # fmt: skip


def test_clippy_is_read() -> None:
    span = [{"file_name": "src/main.rs", "line_start": 4, "column_start": 8, "is_primary": True}]
    levels = [("warning", "clippy::len_zero"), ("error", "E0308"), ("error", "clippy::unwrap_used")]
    lines = [
        {
            "reason": "compiler-message",
            "message": {"level": level, "code": {"code": code}, "message": "m", "spans": span},
        }
        for level, code in levels
    ]
    text = "\n".join(map(json.dumps, [*lines, {"reason": "build-finished", "success": False}]))
    assert [(f.kind, f.severity, f.rule) for f in parsers.clippy(text, ROOT)] == [
        ("lint", "medium", "clippy::len_zero"), ("type", "high", "E0308"), ("lint", "high", "clippy::unwrap_used"),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="cargo did not finish"):
        parsers.clippy("error: no matching package", ROOT)


def test_scanners_are_read() -> None:
    bandit = {
        "issue_severity": "HIGH",
        "issue_text": "shell=True",
        "test_id": "B602",
        "filename": "./a.py",
        "line_number": 4,
    }
    assert [(f.severity, f.file) for f in parsers.bandit(json.dumps({"results": [bandit]}), ROOT)] == [("high", "a.py")]

    pip = {"dependencies": [{"name": "requests", "version": "2.19.0", "vulns": [{"id": "PYSEC-1"}]}]}
    assert [(f.severity, f.message) for f in parsers.pip_audit(json.dumps(pip), ROOT)] == [
        ("high", "requests 2.19.0: PYSEC-1")
    ]

    npm = {"vulnerabilities": {"x": {"severity": "critical", "via": [{"title": "Injection"}, "y"]}}}
    assert [(f.severity, f.message) for f in parsers.npm_audit(json.dumps(npm), ROOT)] == [
        ("critical", "x: Injection; through y")
    ]

    hole = {"advisory": {"id": "R-1", "title": "Overflow", "cvss": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"},
            "package": {"name": "smallvec", "version": "0.6"}}  # fmt: skip
    assert [f.severity for f in parsers.cargo_audit(json.dumps({"vulnerabilities": {"list": [hole]}}), ROOT)] == [
        "critical"
    ]


def test_a_scanner_that_could_not_look_has_found_nothing() -> None:
    with pytest.raises(ValueError, match="1 of 1 packages could not be looked up"):
        parsers.pip_audit('{"dependencies": [{"name": "x", "skip_reason": "not found"}]}', ROOT)
    with pytest.raises(ValueError, match="405 Method Not Allowed"):
        parsers.npm_audit('{"message": "405 Method Not Allowed"}', ROOT)


@pytest.mark.parametrize(
    ("vector", "score"),
    [
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1),
        ("CVSS:3.1/AV:L/AC:H/PR:L/UI:N/S:U/C:N/I:N/A:L", 2.5),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0),
        ("CVSS:3.1/AV:N", None),
    ],
)
def test_cvss_is_computed_as_first_specifies(vector: str, score: float | None) -> None:
    assert parsers.cvss3(vector) == score


@pytest.mark.parametrize(("code", "output"), [(2, ""), (1, "[]"), (0, "nonsense"), (0, '[{"code": "F401"}]')])
def test_a_tool_that_fails_has_not_run(code: int, output: str) -> None:
    heard = Heard()
    heard.line("stdout", output)
    assert judged(RUFF, ROOT, ["a.py"], code, heard, "1.0").state == "failed"


def test_a_tool_that_hangs_or_is_absent_says_so(tmp_path: Path) -> None:
    sleeps = Tool("sleep", "sleep", ("lint",), ("sleep", "60"), parsers.mypy)
    hung = asyncio.run(use(sleeps, tmp_path, tmp_path, [], patience=0.2))
    assert (hung.state, hung.detail) == ("failed", "it did not end within 0 s")

    absent = Tool("x", "no-such-linter", ("lint",), ("no-such-linter",), parsers.mypy)
    gone = asyncio.run(use(absent, tmp_path, tmp_path, [], patience=1))
    assert (gone.state, gone.detail) == ("absent", "'no-such-linter' is not installed")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    files = {"app.py": "import os\n", "ruff.toml": "[lint]\nselect = ['F', 'E']\n", "README.md": "# Shop\n"}
    clone = make_repository(tmp_path / "hana" / "shop", files)
    git(clone, "switch", "--quiet", "--create", "feature/issue-5")
    (clone / "price.py").write_text("def price(x: int) -> str:\n    return x\n\n\ndef tax() -> int:\n    return rate\n")
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", "Add prices")
    git(clone, "switch", "--quiet", "main")
    return clone


def reviewed(clone: Path, *, issue: int | None = 5, scene: Scene | None = None, **given: object) -> AgentResult:
    scene = scene or Scene(settings=settings_for(clone.parents[1], "say"))
    return asyncio.run(run_review(scene.context("review", issue=issue, timeout=600, **given)))


def rules_of(issues: Sequence[object]) -> list[str | None]:
    return [getattr(issue, "rule", None) for issue in issues]


def test_a_change_is_reviewed_by_real_linters(clone: Path) -> None:
    scene = Scene(settings=settings_for(clone.parents[1], "say"))
    done = reviewed(clone, scene=scene)

    assert isinstance(done.data, ReviewOutput)
    assert sorted(map(str, rules_of(done.data.issues))) == ["F821", "name-defined", "return-value"]
    assert (done.data.score, done.data.passed, done.data.label) == (20, False, "quality:poor")
    assert (done.data.breakdown.eslint_score, done.data.breakdown.typescript_score) == (80, 40)
    assert {issue.file for issue in done.data.issues} == {"price.py"}, "app.py was not changed"
    assert done.quality_score == 20
    assert done.escalation is not None
    assert done.escalation.target == "TechLead"
    assert done.artifact is not None
    assert "Quality 20/100: failed" in done.artifact
    assert not list((clone / ".worktrees").iterdir())
    assert [step.name for step in scene.steps.values()][:3] == ["Find what to review", "Run ruff", "Run mypy"]

    again = reviewed(clone, scene=scene)
    assert again.data == done.data


def add(clone: Path, **files: str) -> None:
    """Commit these to the branch that is reviewed; `__` in a name stands for a dot."""
    git(clone, "switch", "--quiet", "feature/issue-5")
    for name, text in files.items():
        (clone / name.replace("__", ".")).write_text(text)
    git(clone, "rm", "--quiet", "price.py")
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", "More")
    git(clone, "switch", "--quiet", "main")


def test_a_leaked_key_does_not_pass(clone: Path) -> None:
    key = "AKIA" + "A2" * 8
    add(clone, keys__py=f'DB_PASSWORD = "hunter2-hunter2"  # noqa: S105\nKEY = "{key}"\n')
    done = reviewed(clone)
    assert isinstance(done.data, ReviewOutput)
    assert sorted(map(str, rules_of(done.data.issues))) == ["S105", "leaked-key"]
    assert (done.data.score, done.data.passed, done.data.breakdown.security_score) == (20, False, 20)
    assert done.escalation is not None
    assert done.escalation.target == "CISO"
    assert key not in done.data.model_dump_json()


def test_a_change_does_not_choose_the_rules_it_is_judged_by(clone: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    add(
        clone,
        ruff__toml="exclude = ['*.py']\n",
        mypy__ini="[mypy]\nplugins = ./plugin.py\nignore_errors = True\n",
        plugin__py=f"open({str(ran)!r}, 'w')\n",
        wrong__py='import subprocess\n\nsubprocess.run("ls", shell=True)\nx: int = ""\n',
    )
    done = reviewed(clone)
    assert isinstance(done.data, ReviewOutput)
    assert {"S602", "assignment"} <= set(map(str, rules_of(done.data.issues)))
    assert not ran.exists()


def test_a_tool_that_a_change_tells_what_to_do_does_not_run(tmp_path: Path) -> None:
    clippy = next(tool for tool in TOOLS if tool.name == "clippy")
    report = asyncio.run(use(clippy, tmp_path, tmp_path, ["a.rs"], patience=1, touched=["a.rs", "x/build.rs"]))
    assert (report.state, report.detail) == ("failed", "the change touches 'x/build.rs', which tells it what to do")


def test_what_no_scanner_reads_is_not_judged(clone: Path) -> None:
    add(clone, fine__py="x = 1\n", main__go="package main\n")
    scene = Scene(settings=settings_for(clone.parents[1], "say"))
    done = reviewed(clone, scene=scene)
    assert isinstance(done.data, ReviewOutput)
    assert (done.data.score, done.data.not_judged) == (100, ["security of Go"])
    assert done.summary.endswith("not judged: security of Go")
    assert [text for level, text, _ in scene.lines if level == "WARN"] == [
        "the security of the Go code was not judged: no scanner that reads it could look"
    ]


def test_an_excuse_counts_for_what_is_not_grave(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import random\nrandom.random()  # noqa: S311\n")
    one = {"filename": str(tmp_path / "a.py"), "message": "m", "location": {"row": 2, "column": 1}}
    assert parsers.ruff_security(json.dumps([one | {"code": "S311"}]), tmp_path) == []
    assert len(parsers.ruff_security(json.dumps([one | {"code": "S602"}]), tmp_path)) == 1


def test_all_files_are_reviewed_where_nothing_is_compared(clone: Path) -> None:
    done = reviewed(clone, issue=None)
    assert isinstance(done.data, ReviewOutput)
    assert (rules_of(done.data.issues), done.data.score, done.data.passed) == (["F401"], 80, True)


def test_there_is_no_score_where_no_linter_looks(clone: Path) -> None:
    with pytest.raises(Permanent, match=r"no linter could look at the 1 file.*none knows these files"):
        reviewed(clone, issue=None, paths=["README.md"])


def test_there_has_to_be_something_to_review(clone: Path) -> None:
    with pytest.raises(Permanent, match="issue #6 has no branch 'feature/issue-6' yet"):
        reviewed(clone, issue=6)
    with pytest.raises(Permanent, match=r"nothing to review: no file of .* differs .* within \['docs'\]"):
        reviewed(clone, paths=["docs"])
