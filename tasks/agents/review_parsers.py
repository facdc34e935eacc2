"""What linters and scanners print, as findings. One function a tool; each raises ValueError for what is not its output.

What a tool does not say is decided here, and stands beside it: which of ruff's rules are errors, and how grave an
advisory is that comes without a severity.
"""

import json
import re
from collections.abc import Iterator, Mapping
from math import ceil
from pathlib import Path
from typing import Any

from database.agent_models import Severity
from tasks.agents.review_findings import Finding

RUFF_ERRORS = re.compile(r"F\d|E9|PLE")
"""Faults that show when the code runs: pyflakes, E9 and pylint's errors. All else of ruff's is a warning."""
SECRETS = frozenset({"S105", "S106", "S107"})
HIGH = frozenset(
    {"S103", "S202", "S304", "S305", "S324", "S501", "S502", "S505", "S507", "S602", "S605", "S609", "S701"}
)
LOW = frozenset({"S110", "S112", "S311", "S404", "S504", "S603", "S606", "S607"})
"""bandit's own severities of the rules that ruff took from it; all others are medium. It takes a secret for low: we
do not."""
IS_TEST = re.compile(r"(^|/)(tests?/|test_[^/]*$|conftest\.py$)|_test\.py$")
EXCUSE = re.compile(r"#\s*no(qa|sec)\b")
MYPY = re.compile(
    r"^(?P<file>.+?):(?P<line>\d+):(?:(?P<column>\d+):)? error: (?P<text>.*?)(?:  \[(?P<rule>[\w-]+)\])?$"
)
TSC = re.compile(r"^(?P<file>.+?)\((?P<line>\d+),(?P<column>\d+)\): error (?P<rule>TS\d+): (?P<text>.*)$")
GRAVITY: Mapping[str, Severity] = {
    "critical": "critical", "high": "high", "moderate": "medium", "medium": "medium", "low": "low", "info": "low",
}  # fmt: skip
UNKNOWN: Severity = "high"
"""Of an advisory without a severity: someone has to look."""


def inside(root: Path, file: str) -> str:
    """The path below the root, as git writes it."""
    path = Path(file)
    return (path.relative_to(root) if path.is_absolute() and path.is_relative_to(root) else path).as_posix()


def ruff(text: str, root: Path) -> list[Finding]:
    return [ruff_finding(found, root) for found in json.loads(text)]


def ruff_finding(found: Mapping[str, Any], root: Path) -> Finding:
    code, at = found["code"] or "invalid-syntax", found["location"]
    syntax = code == "invalid-syntax"
    return Finding(
        "ruff", "type" if syntax else "lint", "high" if syntax or RUFF_ERRORS.match(code) else "medium",
        found["message"], code, inside(root, found["filename"]), at["row"], at["column"],
    )  # fmt: skip


def ruff_security(text: str, root: Path) -> list[Finding]:
    """flake8-bandit's rules. ruff gives no severity."""
    found = [
        Finding(
            "ruff security", "security", gravity_of(one["code"], file := inside(root, one["filename"])),
            one["message"], one["code"], file, one["location"]["row"], one["location"]["column"],
        )
        for one in json.loads(text) if (one["code"] or "").startswith("S")
    ]  # fmt: skip
    return [finding for finding in found if not excused(finding, root)]


def gravity_of(rule: str, file: str) -> Severity:
    """A key in the code is known to all who read it; in a test it is seldom one."""
    if rule in SECRETS:
        return "low" if IS_TEST.search(file) else "critical"
    return "high" if rule in HIGH else "low" if rule in LOW else "medium"


def excused(finding: Finding, root: Path) -> bool:
    """Whether a comment in its line asks not to be told. What is grave is told all the same."""
    if finding.severity in ("critical", "high"):
        return False
    try:
        line = (root / str(finding.file)).read_text(errors="replace").splitlines()[(finding.line or 1) - 1]
    except (OSError, IndexError):
        return False
    return EXCUSE.search(line) is not None


def mypy(text: str, root: Path) -> list[Finding]:
    return list(lines_of("mypy", MYPY, text, root))


def tsc(text: str, root: Path) -> list[Finding]:
    return list(lines_of("tsc", TSC, text, root))


def lines_of(tool: str, pattern: re.Pattern[str], text: str, root: Path) -> Iterator[Finding]:
    for match in filter(None, map(pattern.match, text.splitlines())):
        column = match["column"]
        yield Finding(
            tool, "type", "high", match["text"], match["rule"], inside(root, match["file"]), int(match["line"]),
            int(column) if column else None,
        )  # fmt: skip


def eslint(text: str, root: Path) -> list[Finding]:
    return [
        Finding(
            "eslint", "type" if message.get("fatal") else "lint", "high" if message["severity"] == 2 else "medium",
            message["message"], message["ruleId"], inside(root, file["filePath"]), message.get("line"),
            message.get("column"),
        )
        for file in json.loads(text)
        for message in file["messages"]
    ]  # fmt: skip


def clippy(text: str, root: Path) -> list[Finding]:
    """The compiler's errors are type errors; a lint that is set to deny is an error, all else a warning."""
    found = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    if not any(message.get("reason") == "build-finished" for message in found):
        raise ValueError("cargo did not finish")
    messages = [message["message"] for message in found if message.get("reason") == "compiler-message"]
    return [clippy_finding(message, root) for message in messages if message["spans"]]


def clippy_finding(message: Mapping[str, Any], root: Path) -> Finding:
    rule, error = (message["code"] or {}).get("code"), message["level"] == "error"
    compiler = error and not (rule or "").startswith("clippy::")
    at = next((span for span in message["spans"] if span["is_primary"]), message["spans"][0])
    return Finding(
        "clippy", "type" if compiler else "lint", "high" if error else "medium", message["message"], rule,
        inside(root, at["file_name"]), at["line_start"], at["column_start"],
    )  # fmt: skip


def bandit(text: str, root: Path) -> list[Finding]:
    """ruff's rules are its rules, under the same number."""
    found = [
        Finding(
            "bandit", "security", bandit_gravity(one, file := inside(root, one["filename"])), one["issue_text"],
            one["test_id"], file, one["line_number"], one.get("col_offset"),
        )
        for one in json.loads(text)["results"]
    ]  # fmt: skip
    return [finding for finding in found if not excused(finding, root)]


def bandit_gravity(found: Mapping[str, Any], file: str) -> Severity:
    rule = "S" + found["test_id"][1:]
    return gravity_of(rule, file) if rule in SECRETS else GRAVITY.get(found["issue_severity"].lower(), "low")


def pip_audit(text: str, root: Path) -> list[Finding]:
    """It gives no severity."""
    packages = json.loads(text)["dependencies"]
    if skipped := [package["skip_reason"] for package in packages if "skip_reason" in package]:
        raise ValueError(f"{len(skipped)} of {len(packages)} packages could not be looked up: {skipped[0]}")
    return [
        Finding("pip-audit", "security", UNKNOWN, f"{package['name']} {package['version']}: {hole['id']}", hole["id"])
        for package in packages
        for hole in package["vulns"]
    ]


def npm_audit(text: str, root: Path) -> list[Finding]:
    answer = json.loads(text)
    if "vulnerabilities" not in answer:
        raise ValueError(answer.get("message") or "no list of vulnerabilities")
    return [
        Finding("npm audit", "security", GRAVITY.get(hole["severity"], UNKNOWN), f"{name}: {titles_of(hole)}", name)
        for name, hole in answer["vulnerabilities"].items()
    ]


def titles_of(hole: Mapping[str, Any]) -> str:
    """Its advisories' titles; one that comes through another package names that."""
    return "; ".join(via["title"] if isinstance(via, dict) else f"through {via}" for via in hole["via"])


def cargo_audit(text: str, root: Path) -> list[Finding]:
    return [
        Finding(
            "cargo audit", "security", severity_of(hole["advisory"].get("cvss")),
            f"{hole['package']['name']} {hole['package']['version']}: {hole['advisory']['title']}",
            hole["advisory"]["id"],
        )
        for hole in json.loads(text)["vulnerabilities"]["list"]
    ]  # fmt: skip


def severity_of(vector: str | None) -> Severity:
    """The severity of a CVSS 3 vector, by FIRST's table: 9 critical, 7 high, 4 medium."""
    score = cvss3(vector) if vector and vector.startswith("CVSS:3") else None
    if score is None:
        return UNKNOWN
    return "critical" if score >= 9 else "high" if score >= 7 else "medium" if score >= 4 else "low"


WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2}, "AC": {"L": 0.77, "H": 0.44}, "UI": {"N": 0.85, "R": 0.62},
    "C": {"H": 0.56, "L": 0.22, "N": 0}, "I": {"H": 0.56, "L": 0.22, "N": 0}, "A": {"H": 0.56, "L": 0.22, "N": 0},
}  # fmt: skip
PRIVILEGES = {"U": {"N": 0.85, "L": 0.62, "H": 0.27}, "C": {"N": 0.85, "L": 0.68, "H": 0.5}}


def cvss3(vector: str) -> float | None:
    """The base score, by section 7.1 of the CVSS 3.1 specification; None if the vector lacks something."""
    given = dict(part.split(":", 1) for part in vector.split("/") if ":" in part)
    try:
        weight = {name: table[given[name]] for name, table in WEIGHTS.items()}
        scope, privilege = given["S"], PRIVILEGES[given["S"]][given["PR"]]
    except KeyError:
        return None
    base = 1 - (1 - weight["C"]) * (1 - weight["I"]) * (1 - weight["A"])
    impact = 6.42 * base if scope == "U" else 7.52 * (base - 0.029) - 3.25 * (base - 0.02) ** 15
    if impact <= 0:
        return 0.0
    ease = 8.22 * weight["AV"] * weight["AC"] * weight["UI"] * privilege
    total = impact + ease if scope == "U" else 1.08 * (impact + ease)
    return ceil(round(min(total, 10) * 10, 4)) / 10
