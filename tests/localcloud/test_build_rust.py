"""Packages of Rust, built with cargo: the fixture runs from its zip against a Runtime API that is made here."""

import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.bundling.bundle import check_bundle
from tasks.errors import Permanent, Rejected
from tests.localcloud.test_build import FIXTURES, LOCAL, build, unpack
from tests.tools import needs_cargo


class RuntimeApi(http.server.BaseHTTPRequestHandler):
    """Lambda's side of the Runtime API for one function: hands out the events, keeps the answers."""

    protocol_version = "HTTP/1.1"
    events: list[dict[str, Any]]
    answers: list[dict[str, Any]]
    done: threading.Event

    def do_GET(self) -> None:
        if not self.events:
            self.done.set()
            self.close_connection = True
            return
        body = json.dumps(self.events.pop(0)).encode()
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", f"id-{len(self.answers)}")
        chunked = len(self.answers) % 2 == 1
        self.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))))
        self.end_headers()
        halves = (body[:10], body[10:])
        self.wfile.write(b"".join(b"%x\r\n%s\r\n" % (len(h), h) for h in halves) + b"0\r\n\r\n" if chunked else body)

    def do_POST(self) -> None:
        assert self.path == f"/2018-06-01/runtime/invocation/id-{len(self.answers)}/response"
        self.answers.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def runtime_api() -> Iterator[tuple[str, type[RuntimeApi]]]:
    """Address of a Runtime API, and the class that holds its events and answers."""
    handler = type("Api", (RuntimeApi,), {"events": [], "answers": [], "done": threading.Event()})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"127.0.0.1:{server.server_port}", handler
    server.shutdown()
    thread.join()
    server.server_close()


@needs_cargo
def test_a_rust_package_runs_from_its_zip(tmp_path: Path, runtime_api: tuple[str, type[RuntimeApi]]) -> None:
    address, api = runtime_api
    bundle = build("rust:tests/fixtures/rust-lambda", tmp_path / "work")
    assert check_bundle(bundle, LOCAL) == []
    assert [(v.name, v.evidence.split(":")[0]) for v in bundle.required] == [("GREETING", "rust-lambda/src/main.rs")]
    echoed = 'a "quoted"\nline \\ ' * 3000
    api.events += [{"rawPath": "/api/v1/health"}, {"rawPath": "/api/v1/echo", "body": echoed}, {"rawPath": "/x"}]
    env = {"AWS_LAMBDA_RUNTIME_API": address, "GREETING": 'he said "hi"'}
    process = subprocess.Popen([unpack(bundle, tmp_path / "task") / "bootstrap"], env=env, stderr=subprocess.DEVNULL)
    try:
        assert api.done.wait(10)
    finally:
        process.kill()
        process.wait()
    health, echo, absent = api.answers
    assert json.loads(health["body"]) == {"status": "ok", "greeting": 'he said "hi"'}
    assert (echo["statusCode"], echo["body"]) == (200, echoed)
    assert (absent["statusCode"], json.loads(absent["body"])["error"]) == (404, "not_found")


@needs_cargo
def test_the_rust_fixture_dies_without_its_variable(tmp_path: Path) -> None:
    program = unpack(build("rust:tests/fixtures/rust-lambda", tmp_path / "work"), tmp_path / "task") / "bootstrap"
    died = subprocess.run([program], env={"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1"}, capture_output=True, check=False)
    assert died.returncode == 101
    assert b"GREETING must be set" in died.stderr


@needs_cargo
def test_what_the_compiler_says_is_in_the_error_and_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    crate = shutil.copytree(FIXTURES / "rust-lambda", tmp_path / "crate")
    (crate / "src" / "main.rs").write_text("fn main() { unknown() }")
    with caplog.at_level("INFO"), pytest.raises(Permanent, match="cannot find function `unknown`"):
        build("rust:crate", tmp_path / "work", root=tmp_path)
    assert any("src/main.rs:1:13" in record.message for record in caplog.records)


@needs_cargo
def test_a_crate_with_several_programs_wants_to_know_which(tmp_path: Path) -> None:
    crate = tmp_path / "crate"
    (crate / "src" / "bin").mkdir(parents=True)
    (crate / "Cargo.toml").write_text('[package]\nname = "many"\nversion = "1.0.0"\nedition = "2021"\n')
    for name in ("one", "two"):
        (crate / "src" / "bin" / f"{name}.rs").write_text("fn main() {}")
    with pytest.raises(Rejected, match="there are: one, two"):
        build("rust:crate", tmp_path / "work", root=tmp_path)
