"""The issue agent: what rules make of words in two languages, and where an issue comes from."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from blocks.agents import AgentSettings
from database.agent_models import IssueInput, IssueOutput, IssueText
from tasks.agents.issue_rules import judge, waits_for
from tasks.agents.issue_source import Issue, github, issue_of_file, issue_of_markdown, pause_of
from tasks.agents.issues import SecondLook, corrected, run_issue
from tasks.errors import Permanent, Temporary
from tests.agents import Scene

ISSUES = Path(__file__).parents[1] / "fixtures" / "agents" / "issues"


@pytest.mark.parametrize(
    ("title", "body", "type", "priority", "minutes"),
    [
        ("Fix Lambda HTTP 500 errors", "", "bug", "P1", 60),
        ("ログイン画面が動かない", "本番障害です", "bug", "P0", 60),
        ("JWT認証の実装", "", "feature", "P2", 120),
        ("Add API rate limiting", "", "feature", "P2", 120),
        ("Redeploy frontend with new API endpoint", "", "deployment", "P2", 30),
        ("本番にリリース", "", "deployment", "P2", 30),
        ("Refactor Lambda handler for connection pooling", "", "refactor", "P2", 90),
        ("クエリの最適化", "", "refactor", "P2", 90),
        ("Write a runbook", "", "docs", "P2", 30),
        ("READMEの誤字", "", "docs", "P3", 15),
        ("Verify DATABASE_URL format", "", "test", "P2", 45),
        ("結合テスト", "見積: 2〜3時間", "test", "P2", 180),
        ("Security: CVE-2025-1234 in openssl", "", "feature", "P0", 120),
        ("Rewrite the whole parser", "Estimate: 1.5d", "feature", "P2", 720),
        ("Prefix handling", "suffixes and latest contests", "feature", "P2", 120),
    ],
)
def test_words_decide(title: str, body: str, type: str, priority: str, minutes: int) -> None:
    verdict = judge(title, body)
    assert (verdict.type, verdict.priority, verdict.minutes) == (type, priority, minutes)


def test_labels_win_over_words() -> None:
    verdict = judge("Fix the crash", "urgent", ["✨ type:feature", "📝 priority:P3-Low"])
    assert (verdict.type, verdict.priority) == ("feature", "P3")


def test_labels_are_the_missions() -> None:
    assert judge("Fix the login crash").labels == [
        "type:bug", "priority:P1-High", "severity:Sev.2-High", "agent:codegen",
    ]  # fmt: skip
    assert "category:database" in judge("PostgreSQL のスキーマ").labels


def test_a_checklist_is_for_the_coordinator() -> None:
    verdict = judge("Improve", "- [ ] one\n- [x] two\n1. [ ] three")
    assert (verdict.agent_type, verdict.minutes) == ("coordinator", 120 + 2 * 15)


def test_conditions_are_found() -> None:
    assert waits_for("depends on #1, #2 and #3. After: #4 #5、#6 に依存 #7と#8の後; 依存: #9") == list(range(1, 10))
    assert waits_for("see #1, after that #2") == []


@pytest.mark.parametrize("text", ["#1" * 30_000, " " * 60_000, "\n" * 60_000, "estimate" + " " * 59_000, "- " * 30_000])
def test_no_text_makes_the_rules_slow(text: str) -> None:
    judge("x", text)


def test_the_agent_reads_its_issue_from_a_file() -> None:
    scene = Scene(settings=AgentSettings(issues_directory=ISSUES))
    done = asyncio.run(run_issue(scene.context("issue", issue=270)))

    assert isinstance(done.data, IssueOutput)
    assert (done.data.type, done.data.priority, done.data.severity) == ("feature", "P1", "high")
    assert done.data.labels[:3] == ["type:feature", "priority:P1-High", "agent:codegen"]
    assert done.data.refined_by is None
    assert done.artifact is not None
    assert "JWT認証の実装" in done.artifact
    assert [step.name for step in scene.steps.values()] == ["Read the issue"]


def test_the_agent_takes_the_issue_it_is_given() -> None:
    context = Scene().context("issue")
    context.input = IssueInput(issue=IssueText(title="Fix typo"))
    assert asyncio.run(run_issue(context)).summary == "docs, P3, for codegen, about 15 min"


def test_a_model_corrects_what_no_label_says() -> None:
    second = SecondLook(type="bug", priority="P0", estimated_minutes=240, reason="payments are lost")
    verdict = judge("Add payments", labels=["priority:P2-Medium"])

    after = corrected(verdict, second, Issue(title="Add payments", labels=["priority:P2-Medium"]))
    assert (after.type, after.priority, after.severity, after.minutes) == ("bug", "P2", "medium", 240)
    assert after.reasons[-1] == "model: payments are lost"


def test_an_issue_is_needed() -> None:
    with pytest.raises(Permanent, match="needs an issue: ask with an `issue_number`"):
        asyncio.run(run_issue(Scene().context("issue")))


def test_an_absent_file_is_named() -> None:
    scene = Scene(settings=AgentSettings(issues_directory=ISSUES))
    with pytest.raises(Permanent, match=r"there is no issue #5 of 'hana/shop'; looked for .*hana/shop/5\.json"):
        asyncio.run(run_issue(scene.context("issue", issue=5)))


def test_files_are_read_as_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text(
        '{"title": "T", "body": null, "labels": [{"name": "bug"}, "x"], "tasks": [{"id": 1}]}'
    )
    found = issue_of_file(tmp_path / "1.json", 1)
    assert (found.number, found.title, found.body, found.labels, found.tasks) == (1, "T", "", ["bug", "x"], [{"id": 1}])

    assert issue_of_markdown("no heading\nbut text").title == "no heading"
    for text in ("[]", "{", '{"body": "x"}'):
        (tmp_path / "2.json").write_text(text)
        with pytest.raises(Permanent):
            issue_of_file(tmp_path / "2.json")


class Answers(BaseHTTPRequestHandler):
    """Answers every request with what the server holds; remembers what was asked."""

    def do_GET(self) -> None:
        size = int(self.headers.get("content-length") or 0)
        server: Any = self.server
        server.asked.append((self.command, self.path, self.headers.get("authorization"), self.rfile.read(size)))
        status, headers, body = server.answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def github_server(status: int = 200, body: object = None, **headers: str) -> Iterator[tuple[AgentSettings, list[Any]]]:
    server: Any = HTTPServer(("127.0.0.1", 0), Answers)
    server.asked = []
    server.answer = status, headers, body if isinstance(body, bytes) else json.dumps(body).encode()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield AgentSettings(github_api=f"http://127.0.0.1:{server.server_port}"), server.asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_github_is_asked_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "t0ken")
    issue = {"title": "Fix the door", "body": None, "labels": [{"name": "priority:P0-Critical"}], "html_url": "u"}
    with github_server(body=issue) as (settings, asked):
        scene = Scene(settings=settings.model_copy(update={"github_token_secret": "SHOP_TOKEN"}))
        done = asyncio.run(run_issue(scene.context("issue", issue=12, apply=True)))

    assert isinstance(done.data, IssueOutput)
    assert (done.data.priority, done.data.applied) == ("P0", True)
    assert [(method, path, token) for method, path, token, _ in asked] == [
        ("GET", "/repos/hana/shop/issues/12", "Bearer t0ken"),
        ("POST", "/repos/hana/shop/issues/12/labels", "Bearer t0ken"),
    ]
    assert json.loads(asked[1][3]) == {"labels": done.data.labels}
    assert "t0ken" not in repr(scene.steps) + repr(scene.lines)


@pytest.mark.parametrize(
    ("status", "headers", "error", "words"),
    [
        (404, {}, Permanent, "it is not there, or private"),
        (401, {}, Permanent, "check no token is set"),
        (403, {}, Permanent, "needs access"),
        (403, {"x-ratelimit-remaining": "0"}, Temporary, "too many requests"),
        (429, {}, Temporary, "too many requests"),
        (502, {}, Temporary, "trouble"),
    ],
)
def test_githubs_refusals(status: int, headers: dict[str, str], error: type[Exception], words: str) -> None:
    with github_server(status, {}, **headers) as (settings, _), pytest.raises(error, match=words):
        asyncio.run(github(Scene(settings=settings).context("issue"), "GET", "/x"))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "90"}, 90.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1300"}, 300.0),
        ({"x-ratelimit-remaining": "12", "x-ratelimit-reset": "1300"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "900"}, 0.0),
        ({"retry-after": "tomorrow"}, None),
    ],
)
def test_how_long_github_wants_to_be_left_alone(headers: dict[str, str], seconds: float | None) -> None:
    assert pause_of(httpx.Response(429, headers=headers), now=lambda: 1000.0) == seconds


def test_nonsense_and_silence() -> None:
    with github_server(body=b"<html>") as (settings, _), pytest.raises(Permanent, match="answers no JSON"):
        asyncio.run(github(Scene(settings=settings).context("issue"), "GET", "/x"))
    with pytest.raises(Temporary, match="GitHub does not answer"):
        asyncio.run(github(Scene(settings=settings).context("issue"), "GET", "/x"))


def test_a_token_that_is_named_has_to_be_there() -> None:
    settings = AgentSettings(github_token_secret="NO_SUCH_VARIABLE")
    with pytest.raises(Permanent, match="GitHub's token, needs a key: set the variable 'NO_SUCH_VARIABLE'"):
        asyncio.run(github(Scene(settings=settings).context("issue"), "GET", "/x"))


def test_a_repository_is_no_way_out() -> None:
    context = Scene(settings=AgentSettings(issues_directory=ISSUES)).context("issue", issue=1)
    context.claim = replace(context.claim, repository="../../etc")
    with pytest.raises(Permanent, match="is not called as GitHub has it"):
        asyncio.run(run_issue(context))
