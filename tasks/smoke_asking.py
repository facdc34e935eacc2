"""Who asks: a caller with the tokens of its roles, and conversations, in which checks capture values for later ones."""

import functools
import threading
import uuid
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from prefect import Task
from pydantic import SecretStr

from blocks.environment import Environment
from tasks.changes import Rollout
from tasks.errors import Permanent
from tasks.secrets import read_secret
from tasks.smoke_answers import (
    MISSING,
    Answer,
    CheckFailed,
    CheckUnsettled,
    Result,
    json_at,
    judge,
    required,
    unsigned,
)
from tasks.smoke_http import http_client, passing, request
from tasks.steps import step
from tasks.suite_checks import Check, Condition, Expectation, SocketCheck, filled_check
from tasks.suite_pages import PageCheck
from tasks.suites import Role, Suite
from tasks.variables import blotter, variable_names

Perform = Callable[..., Result]
"""Runs a step with its arguments."""


def as_task(ask: Task[..., Result], *arguments: Any) -> Result:
    """As a task run of its own, which people see."""
    return ask(*arguments)


PAUSE_S = 1.0
PATIENCE_S = 8.0
NO_WAY_IN = "no way to sign in: name a secret in smoke.tokens.{role}, or allow smoke.mock_login"
NO_BROWSER = "smoke.browser is off here"


class Patience:
    """How long a smoke test, all its checks together, tries again what may be well in a moment."""

    def __init__(self, seconds: float = PATIENCE_S) -> None:
        self._left, self._lock = seconds, threading.Lock()

    def spend(self, seconds: float) -> bool:
        """Whether there was some left to spend."""
        with self._lock:
            self._left -= seconds
            return self._left + seconds > 0


class Caller:
    """Asks an API as the roles of one suite. Not a dataclass: Prefect takes those apart, and this holds tokens."""

    def __init__(
        self,
        rollout: Rollout,
        suite: Suite,
        api_url: str,
        *,
        shots: Path | None = None,
        perform: Perform = as_task,
        of_api: bool = True,
        patience: Patience | None = None,
        down: str = "",
    ) -> None:
        self.rollout, self.suite, self.api_url = rollout, suite, api_url
        self.shots = shots
        """Where screenshots are kept."""
        self.perform = perform
        self.of_api = of_api
        """Whether the suite is the API's own, not that of a site in front of it."""
        self.patience = patience or Patience()
        self.down = down
        """Why nothing more is asked of the API; '' as long as it is well."""
        self.api = self.client(api_url)
        self.given = {
            "environment": rollout.environment.name,
            "origin": allowed_origin(rollout.environment),
            "run": uuid.uuid4().hex[:12],
        }
        self.tokens: dict[str, SecretStr] = {}
        self._blot = blotter(rollout)

    def client(self, url: str) -> httpx.Client:
        return http_client(url, timeout=self.rollout.environment.function.timeout_s + 5.0)

    def token(self, role: str | None) -> str:
        return self.tokens[role].get_secret_value() if role is not None else ""

    def needs_api(self, part: Condition) -> bool:
        """All of an API's suite does; of a site's what signs in, and visits."""
        return self.of_api or isinstance(part, PageCheck) or getattr(part, "role", None) is not None

    def may_sign_in(self, role: str) -> bool:
        settings = self.rollout.environment.smoke
        return settings.mock_login or role in settings.tokens

    def reason_against(self, part: Condition) -> str:
        """Why this is not asked here; '' if it is."""
        if reason := exclusion(self.rollout.environment, part):
            return reason
        if self.down and self.needs_api(part):
            return self.down
        if isinstance(part, PageCheck) and not self.rollout.environment.smoke.browser:
            return NO_BROWSER
        role = getattr(part, "role", None)
        if role is None or role in self.tokens:
            return ""
        return f"signing in as {role} failed" if self.may_sign_in(role) else NO_WAY_IN.format(role=role)

    def required(self, result: Result, *, passing: bool = False) -> Result:
        """The result if it is good; else its task fails, for now if that may pass and there is patience left."""
        may_pass = result.failed and passing and self.patience.spend(PAUSE_S + result.ms / 1000)
        return required(result, passing=may_pass)

    def attempt(self, ask: Task[..., Result], part: SocketCheck | PageCheck, url: str) -> Result:
        """Ask, unless this environment is not to be asked this."""
        reason = self.reason_against(part)
        return not_asked(part, reason) if reason else self.outcome(ask, self, part, url)

    def outcome(self, ask: Task[..., Result], *arguments: Any) -> Result:
        """What a step comes to; one that failed has its result in the error."""
        try:
            return self.perform(ask, *arguments)
        except (CheckFailed, CheckUnsettled) as failure:
            return failure.result

    def hide(self, text: str) -> str:
        """The text without secrets and tokens."""
        tokens = (token.get_secret_value() for token in self.tokens.values())
        return functools.reduce(lambda left, token: left.replace(token, "***"), tokens, unsigned(self._blot(text)))


class Conversation:
    """Checks one after the other, each with what those before it have captured."""

    def __init__(self, caller: Caller, client: httpx.Client | None = None) -> None:
        self.caller, self.client = caller, client or caller.api
        self.values: dict[str, str] = dict(caller.given)
        self.withheld: set[str] = set()

    def ask(self, check: Check) -> tuple[Result, bool]:
        """The result, and whether a bad one may pass. What the check captures is known from here on."""
        ready = filled_check(check, self.values)
        answer = request(self.client, ready, token=self.caller.token(check.role))
        result = replace(judge(ready, answer, hide=self.caller.hide), check=check.label)
        return (self._captured(check, answer, result) if result.ok else result), passing(ready, answer)

    def _captured(self, check: Check, answer: Answer, result: Result) -> Result:
        found = {name: found_at(answer, place) for name, place in check.capture.items()}
        if lost := [check.capture[name] for name, value in found.items() if value is MISSING]:
            return replace(result, ok=False, detail=f"there is no {' and no '.join(lost)} to capture")
        self.values |= {name: str(value) for name, value in found.items()}
        return result

    def go_on(self, check: Check) -> Result:
        """Ask by a task of its own. What needs a value that was not asked for is not asked either."""
        reason = self.caller.reason_against(check)
        if withheld := check.uses & self.withheld:
            reason = reason or f"it needs {braced(withheld)}, which was not asked for"
        if reason:
            self.withheld |= set(check.capture)
            return not_asked(check, reason)
        if lost := check.uses - set(self.values):
            return Result(check.label, None, 0.0, False, f"nothing was captured for {braced(lost)}", check.budget_ms)
        return self.caller.outcome(ask_check, self, check)


def not_asked(part: Check | SocketCheck | PageCheck, reason: str) -> Result:
    return Result(part.label, None, 0.0, None, reason, part.budget_ms)


def braced(names: Iterable[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(names))


def exclusion(environment: Environment, part: Condition) -> str:
    """Why this environment is not asked this; '' if it is."""
    variables = variable_names(environment)
    reasons = {
        f"only in {', '.join(part.only)}": bool(part.only) and environment.name not in part.only,
        "it writes, and smoke.writes is off here": part.writes and not environment.smoke.writes,
        f"{part.if_set} is not set here": part.if_set is not None and part.if_set not in variables,
        f"{part.if_unset} is set here": part.if_unset in variables,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def allowed_origin(environment: Environment) -> str:
    """An origin that the API's CORS settings let in."""
    return next((origin for origin in environment.api.cors_origins if "*" not in origin), "https://smoke.example")


def found_at(answer: Answer, place: str) -> object:
    """What a capture takes: a header, or a field of the body."""
    if place.startswith("header:"):
        return answer.headers.get(place.removeprefix("header:").lower(), MISSING)
    return json_at(answer.body, place)


@step("Smoke check", retries=2, pause=PAUSE_S, run_name="{check}")
def ask_check(conversation: Conversation, check: Check) -> Result:
    """One check. Raises CheckFailed, or CheckUnsettled if another try may help."""
    result, may_pass = conversation.ask(check)
    return conversation.caller.required(result, passing=may_pass)


@step("Smoke sign-in", retries=2, pause=PAUSE_S, run_name="Sign in as {role}")
def sign_in(caller: Caller, role: str) -> Result:
    """Have the caller hold this role's token: from the secret that the environment names, else by the suite's request.

    The token stays in the caller: it is no task's input or result.
    """
    settings, way = caller.rollout.environment.smoke, caller.suite.roles[role]
    if secret := settings.tokens.get(role):
        caller.tokens[role] = SecretStr(token_in(secret, read_secret(caller.rollout, secret)))
        return Result(f"sign in as {role} · secret {secret}", None, 0.0, True)
    check = sign_in_check(role, way)
    answer = request(caller.api, filled_check(check, caller.given))
    result = judge(check, answer, hide=caller.hide)
    if result.ok:
        caller.tokens[role] = SecretStr(str(json_at(answer.body, way.token)))
    return caller.required(result, passing=passing(check, answer))


def sign_in_check(role: str, way: Role) -> Check:
    """The sign-in as a check."""
    token = Expectation(type="string", min_length=1)
    return Check(
        name=f"sign in as {role}", method=way.method, path=way.path, body=way.body, status=(200, 201),
        fields={way.token: token},
    )  # fmt: skip


def token_in(name: str, text: str) -> str:
    """The token in a secret: its text, or `access_token` in its JSON. The text stays out of the error."""
    token = text.strip()
    if token.startswith("{"):
        found = json_at(token, "access_token")
        token = found if isinstance(found, str) else ""
    if not token or not token.isascii() or not token.isprintable():
        raise Permanent(f"secret {name!r} has to hold a bearer token, or JSON with access_token")
    return token
