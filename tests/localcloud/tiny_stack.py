"""A supervisor of tiny services, for tests: `python -m tests.localcloud.tiny_stack --home H`.

`<home>/plan.json` says which: `{name: {"needs": [...], "mode": "serve" | "crash" | "refuse", "child": bool,
"stubborn": bool, "orphan": bool}}`. A service that serves answers 200 on its port, which is named like it.
"""

import argparse
import json
import logging
import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from localcloud.health import answers
from localcloud.launch import launched
from localcloud.ports import free_port
from localcloud.processes import MARK, mark_of
from localcloud.supervisor import Service, supervise


def tiny(home: Path, name: str, plan: dict[str, Any], port: int) -> Service:
    def refuse() -> None:
        raise ValueError("the disk is full of moths")

    command = [sys.executable, __file__, str(port), json.dumps(plan)]
    return Service(
        name,
        lambda: command if plan.get("orphan") else launched(command, dies_with=signal.SIGTERM),
        lambda _: answers(port, "/"),
        {**os.environ, MARK: mark_of(home)},
        needs=tuple(plan.get("needs", [])),
        prepare=refuse if plan["mode"] == "refuse" else lambda: None,
        stop_patience=0.5,
    )


class Ok(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silent."""


def serve(port: int, plan: dict[str, Any]) -> None:
    if plan["mode"] == "crash":
        sys.exit("no bread, no work")
    if plan.get("stubborn"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if plan.get("child"):
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    HTTPServer(("127.0.0.1", port), Ok).serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    home = parser.parse_args().home
    logging.basicConfig(level=logging.INFO)
    plans = json.loads((home / "plan.json").read_text())
    preferred = json.loads((home / "ports.json").read_text()) if (home / "ports.json").exists() else {}
    preferred = {name: preferred.get(name) or free_port() for name in plans}
    supervise(home, preferred, lambda ports: [tiny(home, name, plans[name], ports[name]) for name in plans])


if __name__ == "__main__":
    if sys.argv[1] == "--home":
        main()
    else:
        serve(int(sys.argv[1]), json.loads(sys.argv[2]))
