"""Messages arrive: Slack, e-mail and a webhook, each by the notification block that people make, at a stand-in."""

import asyncio
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_string
from email.policy import default
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock, SlackWebhook
from pydantic import SecretStr

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # apprise uses it

SUBJECT = "diagnose local: API Gateway may not invoke the function"
BODY = "What to do:\n- give it the right: `miyabi diagnose --fix -e local`\nWhy, certain: nothing lets it"


class Http(BaseHTTPRequestHandler):
    """Takes what is posted."""

    def do_POST(self) -> None:
        self.server.told.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: Any) -> None: ...


class Smtp(socketserver.StreamRequestHandler):
    """Takes mails, by as much of RFC 5321 as a client without TLS and password needs."""

    def handle(self) -> None:
        self.say("220 stand-in")
        while line := self.rfile.readline().decode().strip():
            if line.upper() == "DATA":
                self.say("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.told.append(b"".join(lines).decode())  # type: ignore[attr-defined]
            self.say("221 bye" if line.upper() == "QUIT" else "250 ok")

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class Server(socketserver.ThreadingTCPServer):
    """Its port is free."""

    daemon_threads = True

    def __init__(self, handler: type[socketserver.BaseRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.told: list[Any] = []


@contextmanager
def standing_in(handler: type[socketserver.BaseRequestHandler]) -> Iterator[tuple[int, list[Any]]]:
    """The port, and what arrives."""
    with Server(handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1], server.told
        finally:
            server.shutdown()
            thread.join()


def notify(block: Any) -> None:
    """As Prefect's server does."""
    with block.raise_on_failure():
        asyncio.run(block.anotify(subject=SUBJECT, body=BODY))


def test_slack() -> None:
    block = SlackWebhook(url=SecretStr("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"))
    with standing_in(Http) as (port, arrived):
        block._apprise_client.servers[0].webhook_url = f"http://127.0.0.1:{port}"
        notify(block)
    (message,) = arrived
    assert SUBJECT in json.dumps(message)
    assert "miyabi diagnose --fix -e local" in json.dumps(message)


def test_e_mail() -> None:
    """Prefect has no block for SMTP; the one for Slack takes any of Apprise's URLs."""
    with standing_in(Smtp) as (port, arrived):
        address = f"mailto://127.0.0.1:{port}?from=miyabi@example.com&to=oncall@example.com&format=text"
        notify(SlackWebhook(url=SecretStr(address)))
    mail = message_from_string(arrived[0], policy=default)
    assert (mail["subject"], mail["to"]) == (SUBJECT, "oncall@example.com")
    text = mail.get_body(("plain",))
    assert text is not None
    assert text.get_content().strip().splitlines() == BODY.splitlines()


def test_a_webhook() -> None:
    with standing_in(Http) as (port, arrived):
        says = {"subject": "{{subject}}", "body": "{{body}}"}
        notify(CustomWebhookNotificationBlock(name="oncall", url=f"http://127.0.0.1:{port}", json_data=says))
    assert arrived == [{"subject": SUBJECT, "body": BODY}]
