"""Asking by WebSocket: connect, say something or nothing, and hear the right message within the budget."""

import json
import time
from collections.abc import Callable
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from tasks.smoke_answers import Result, body_problems, problems_of
from tasks.smoke_asking import PAUSE_S, Caller
from tasks.steps import step
from tasks.suite_checks import SocketCheck, filled

MESSAGES = 100
"""How many messages are looked at."""


@step("Smoke socket", retries=2, pause=PAUSE_S, run_name="{check}")
def hear_socket(caller: Caller, check: SocketCheck, url: str) -> Result:
    """One WebSocket. A connection that fails is tried again; a wrong message is not."""
    began = time.monotonic()
    problem, passing = hear(filled(check, caller.given), url, caller.token(check.role), began + check.budget_ms / 1000)
    ms = 1000 * (time.monotonic() - began)
    detail = caller.hide(problem)
    return caller.required(Result(check.label, None, ms, not problem, detail, check.budget_ms), passing=passing)


def hear(
    check: SocketCheck, url: str, token: str, deadline: float, *, clock: Callable[[], float] = time.monotonic
) -> tuple[str, bool]:
    """What is wrong, or ''; and whether another try may help."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    address = url.rstrip("/").replace("http", "ws", 1) + check.path
    try:
        with connect(
            address, additional_headers=headers, open_timeout=max(deadline - clock(), 0.1), close_timeout=1, proxy=None
        ) as socket:
            if "send" in check.model_fields_set:
                socket.send(check.send if isinstance(check.send, str) else json.dumps(check.send))
            return (first_fit(socket, check, deadline, clock) if expects(check) else ""), False
    except (OSError, WebSocketException) as error:
        return f"{type(error).__name__}: {error}", True


def expects(check: SocketCheck) -> bool:
    return check.message is not None or bool(check.fields)


def first_fit(socket: Connection, check: SocketCheck, deadline: float, clock: Callable[[], float]) -> str:
    """'' once a message fits; at the deadline, what is wrong with the last one."""
    problems = ["no message came"]
    for _ in range(MESSAGES):
        try:
            message = socket.recv(timeout=max(deadline - clock(), 0.0))
        except TimeoutError:
            return f"within {check.budget_ms:.0f} ms: " + "; ".join(problems)
        problems = differences(check, message)
        if not problems:
            return ""
    return f"among {MESSAGES} messages: " + "; ".join(problems)


def differences(check: SocketCheck, message: Any) -> list[str]:
    text = message.decode(errors="replace") if isinstance(message, bytes) else str(message)
    wrong = problems_of("the message", text, check.message) if check.message else []
    return wrong + body_problems(text, check.fields)
