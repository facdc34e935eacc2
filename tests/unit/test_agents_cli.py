"""`miyabi agents` against an API of canned answers: what it sends, what it prints, how it exits."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from click.testing import CliRunner, Result

from api.agents import get_agent, known
from database.agents import AGENTS
from deployments import agent_text as text
from deployments.api_client import Api, ApiRefused
from deployments.cli import main

ID, OTHER = "3f2a9c1e-0000-4000-8000-000000000001", "3f2ab000-0000-4000-8000-000000000002"
ROW: dict[str, Any] = {
    "id": ID, "repository_id": "r1", "issue_number": 270, "agent_type": "codegen", "status": "pending",
    "priority": "P2", "started_at": None, "completed_at": None, "result_summary": None, "quality_score": None,
    "pr_number": None, "error_message": None, "created_at": "2026-11-21T00:00:00Z",
    "updated_at": "2026-11-21T00:00:00Z",
}  # fmt: skip
ENDED = ROW | {
    "status": "completed", "started_at": "2026-11-21T00:00:01Z", "completed_at": "2026-11-21T00:00:04.2Z",
    "result_summary": "3 files changed", "repository": "hana/garden", "attempt": 1, "max_attempts": 3, "steps": [],
    "input": {}, "result": {"data": {"exit_code": 0}}, "parent_id": None, "flow_run_id": None, "run_after": None,
    "cancel_requested_at": None,
}  # fmt: skip
GARDEN = {"id": "r1", "full_name": "hana/garden"}
PATH = f"/api/v1/agents/executions/{ID}"


class CannedApi:
    """Answers by `METHOD path`, one after the other; the last one stays. Remembers what was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, list[tuple[int, Any, dict[str, str]]]] = {}
        self.asked: list[tuple[str, Any, dict[str, str]]] = []
        canned = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                what = f"{self.command} {self.path.partition('?')[0]}"
                body = json.loads(self.rfile.read(size)) if size else None
                canned.asked.append(
                    (f"{self.command} {self.path}", body, {k.lower(): v for k, v in self.headers.items()})
                )
                missing = [(404, {"error": "not_found", "message": f"no answer for {what}"}, {})]
                left = canned.answers.get(what, missing)
                status, answer, headers = left.pop(0) if len(left) > 1 else left[0]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

            do_POST = do_GET

            def log_message(self, *_args: Any) -> None:
                """Nothing on standard error."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def on(self, what: str, *answers: Any, status: int = 200, **headers: str) -> None:
        method, path = what.split()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers[f"{method} /api/v1{path}"] = [(status, answer, named) for answer in answers]

    def sent(self, what: str) -> list[Any]:
        method, path = what.split()
        return [body for asked, body, _ in self.asked if asked.partition("?")[0] == f"{method} /api/v1{path}"]

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def api() -> Iterator[CannedApi]:
    canned = CannedApi()
    canned.on("POST /auth/mock", {"access_token": "mock"})
    canned.on("POST /repositories", GARDEN, status=201)
    canned.on("GET /repositories", [GARDEN])
    canned.on("POST /agents/execute", ROW, status=202)
    canned.on(f"GET /agents/executions/{ID}", ENDED)
    yield canned
    canned.close()


def miyabi(api: CannedApi, *arguments: str, **options: Any) -> Result:
    variables = {"MIYABI_API_URL": api.url, "MIYABI_API_TOKEN": "token"}
    return CliRunner().invoke(main, ["agents", *arguments], env=variables, **options)


def log(sequence: int, message: str, level: str = "INFO") -> dict[str, Any]:
    return {"sequence": sequence, "log_level": level, "message": message, "timestamp": "2026-11-21T00:00:02Z",
            "metadata": None}  # fmt: skip


def test_run_registers_the_repository_and_asks_once(api: CannedApi) -> None:
    done = miyabi(
        api, "run", "つくるん", "-r", "hana/garden", "--issue", "270", "--input", '{"base": "main"}', "-p", "P1"
    )
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [
        f"codegen #270 hana/garden: pending, {ID}", "watch it with `miyabi agents logs -f 3f2a9c1e`",
    ]  # fmt: skip
    assert api.sent("POST /repositories") == [{"full_name": "hana/garden"}]
    assert api.sent("POST /agents/execute") == [
        {
            "repository_id": "r1",
            "agent_type": "つくるん",
            "issue_number": 270,
            "priority": "P1",
            "input": {"base": "main"},
        }
    ]
    _what, _body, headers = api.asked[-1]
    assert (headers["authorization"], len(headers["idempotency-key"])) == ("Bearer token", 36)


@pytest.mark.parametrize("given", ["{", "[1]", '"x"', "@/no/such/file"])
def test_an_input_that_is_not_an_object_is_wrong_usage(api: CannedApi, given: str) -> None:
    done = miyabi(api, "run", "codegen", "-r", "hana/garden", "--input", given)
    assert (done.exit_code, api.asked) == (2, [])


def test_an_input_comes_from_a_file_or_from_standard_input(api: CannedApi, tmp_path: Any) -> None:
    (tmp_path / "input.json").write_text('{"brief": "水"}')
    miyabi(api, "run", "persona", "-r", "hana/garden", "--input", f"@{tmp_path}/input.json")
    miyabi(api, "run", "persona", "-r", "hana/garden", "--input", "@-", input='{"brief": "茶"}')
    assert [body["input"] for body in api.sent("POST /agents/execute")] == [{"brief": "水"}, {"brief": "茶"}]


def test_all_problems_of_a_request_are_shown(api: CannedApi) -> None:
    problems = [{"field": "body.input.base", "problem": "too long"}, {"field": "body.x", "problem": "unknown"}]
    refusal = {"error": "validation_error", "message": "2 problem(s) in the request", "details": problems}
    api.on("POST /agents/execute", refusal, status=422)
    done = miyabi(api, "run", "codegen", "-r", "hana/garden")
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        "2 problem(s) in the request", "  body.input.base: too long", "  body.x: unknown",
    ]  # fmt: skip


@pytest.mark.parametrize(("end", "code"), [("completed", 0), ("failed", 1), ("cancelled", 1)])
def test_following_shows_the_log_and_exits_by_the_outcome(api: CannedApi, end: str, code: int) -> None:
    path = f"GET /agents/executions/{ID}/logs"
    api.answers["GET /api/v1" + path[4:]] = [
        (200, [log(4, "one"), log(5, "two\nlines", "WARN")], {"X-Execution-Status": "running"}),
        (200, [log(9, "three", "ERROR")], {"X-Execution-Status": end}),
        (200, [], {"X-Execution-Status": end}),
    ]
    api.on(f"GET /agents/executions/{ID}", ENDED | {"status": end})
    done = miyabi(api, "run", "codegen", "-r", "hana/garden", "-f", color=True)
    assert done.exit_code == code, done.output
    lines = done.output.splitlines()
    assert [line.partition("  ")[2] for line in lines[:1]] == ["INFO   one"]
    assert lines[1].startswith("\x1b[33m")
    assert lines[2].startswith(" " * 17)
    assert lines[3].startswith("\x1b[31m")
    assert lines[-2].endswith(f"{end}\x1b[0m after 3.2 s")
    assert [asked.partition("since=")[2] for asked, _, _ in api.asked if "/logs" in asked] == [
        "0&wait=20", "5&wait=20", "9&wait=20",
    ]  # fmt: skip


def test_for_machines_the_outcome_is_one_object_and_the_log_stays_out_of_it(api: CannedApi) -> None:
    logs = f"/api/v1/agents/executions/{ID}/logs"
    api.answers[f"GET {logs}"] = [(200, [log(1, "one")], {}), (200, [], {"X-Execution-Status": "completed"})]
    done = miyabi(api, "run", "codegen", "-r", "hana/garden", "-f", "--json")
    assert (done.exit_code, json.loads(done.stdout)["status"]) == (0, "completed")
    assert "one" in done.stderr


def test_a_log_for_machines_is_one_object_a_line(api: CannedApi) -> None:
    logs = f"/api/v1/agents/executions/{ID}/logs"
    api.answers[f"GET {logs}"] = [(200, [log(1, "a\x1b[2J"), log(2, "b")], {}), (200, [], {})]
    done = miyabi(api, "logs", ID, "--json")
    assert done.exit_code == 0
    assert [json.loads(line)["message"] for line in done.stdout.splitlines()] == ["a\x1b[2J", "b"]


def test_an_id_may_be_cut_short(api: CannedApi) -> None:
    api.on("GET /agents/executions", [ROW, ROW | {"id": OTHER}])
    api.on(f"POST /agents/executions/{ID}/cancel", ROW | {"status": "running"}, status=202)
    done = miyabi(api, "cancel", "3F2A9")
    assert (done.exit_code, done.output.strip()) == (0, f"{ID}: it was asked to stop")
    for text_, what in (("3f2a", "beginning of 2 ids"), ("3f2", "4 letters"), ("ffff", "4 letters")):
        refused = miyabi(api, "cancel", text_)
        assert (refused.exit_code, what in refused.stderr) == (2, True), refused.stderr


def test_what_cannot_be_cancelled_any_more_is_a_failure(api: CannedApi) -> None:
    refusal = {"error": "validation_error", "message": "This execution is completed", "details": {"status": "x"}}
    api.on(f"POST /agents/executions/{ID}/cancel", refusal, status=409)
    done = miyabi(api, "cancel", ID)
    assert (done.exit_code, done.stderr.strip()) == (1, "This execution is completed")


def test_a_list_names_repositories_and_reasons(api: CannedApi) -> None:
    of_task = ROW | {"title": "Add a form", "repository": "hana/garden"}
    api.on("GET /agents/executions", [of_task, ENDED | {"id": OTHER, "status": "failed", "error_message": "it\nbroke"}])
    done = miyabi(api, "list", "--status", "failed")
    titles, first, second = done.output.splitlines()
    assert titles.split() == ["id", "agent", "repository", "issue", "prio", "status", "asked", "took"]
    assert first.split()[:6] == ["3f2a9c1e", "codegen", "hana/garden", "#270", "P2", "pending"]
    assert first.endswith("Add a form")
    assert second.endswith("3.2 s  it…")
    assert "status=failed" in next(asked for asked, _, _ in api.asked if "executions" in asked)
    assert json.loads(miyabi(api, "list", "--json").output)[0] == of_task
    assert all("visible=true" in asked for asked, _, _ in api.asked if "executions" in asked)


def test_one_execution_is_shown_with_steps_and_result(api: CannedApi) -> None:
    step = {"number": 2, "name": "Write code", "status": "failed", "error": "disk full"}
    api.on(f"GET /agents/executions/{ID}", ENDED | {"steps": [step]})
    done = miyabi(api, "show", ID)
    assert done.exit_code == 0
    for part in (
        "codegen #270 hana/garden",
        "1 of 3",
        "3 files changed",
        "✗   2  Write code  disk full",
        '"exit_code": 0',
    ):
        assert part in done.output
    assert json.loads(miyabi(api, "show", ID, "--json").output)["steps"] == [step]


def test_the_agents_and_what_one_can_be_told(api: CannedApi) -> None:
    api.on("GET /agents", [asdict(known(agent)) for agent in AGENTS.values()])
    done = miyabi(api, "types")
    assert len(done.output.splitlines()) == len(AGENTS) + 1
    for name in AGENTS:
        api.on(f"GET /agents/{name}", asdict(asyncio.run(get_agent(name))))
        assert miyabi(api, "types", name).exit_code == 0
    told = miyabi(api, "types", "coordinator").output
    assert "{title, body, labels" in told
    assert not [headers for _, _, headers in api.asked if "authorization" in headers], "these need nobody to sign in"


def test_without_a_token_the_terminal_has_an_account(api: CannedApi) -> None:
    assert Api(api.url + "/api/v1/").register_repository({"full_name": "hana/garden"}) == GARDEN
    assert [asked for asked, _, _ in api.asked] == ["POST /api/v1/auth/mock", "POST /api/v1/repositories"]
    api.on("POST /auth/mock", {"error": "authorization_error", "message": "Mock login is off"}, status=403)
    with pytest.raises(ApiRefused, match=r"set MIYABI_API_TOKEN.*Mock login is off"):
        Api(api.url).list_repositories()


@pytest.mark.parametrize(("said", "shown"), [
    ("\x1b[31mred\x1b[0m \x1b[2Jx", "red x"),
    ("50%\r100%", "50%·100%"),
    ("title\x1b]0;x\x07", "title·]0;x·"),
    ("水　茶\tok\n", "水　茶\tok"),
    ("\u202eevil", "·evil"),
])  # fmt: skip
def test_a_log_cannot_move_the_cursor(said: str, shown: str) -> None:
    assert text.harmless(said) == shown


def test_columns_fit_japanese_letters() -> None:
    lines = text.table([["つくるん", "x"], ["ab", "y"]], titles=("a", "b")).splitlines()
    assert lines[1:] == ["つくるん  x", "ab        y"]


def test_spans() -> None:
    now = datetime(2026, 11, 21, 0, 2, tzinfo=UTC)
    assert [text.span(seconds) for seconds in (-1, 3.21, 119, 121, 7300, 200_000)] == [
        "0.0 s", "3.2 s", "119.0 s", "2 min", "2 h", "2 d",
    ]  # fmt: skip
    assert text.took(ENDED | {"completed_at": None}, now) == "119.0 s"


def test_help_loads_nothing_that_is_slow() -> None:
    program = "import sys, deployments.cli_agents; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert {"httpx", "pydantic", "prefect", "psycopg", "psutil", "deployments.stack"} & set(loaded) == set()
