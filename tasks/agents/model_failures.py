"""What it means when a model's server does not answer as it should: who has to act, and whether to ask again.

pydantic-ai sorts the errors of both companies into classes; here each becomes a sentence with what to do. No key is
ever in one: what a server says about a refused key is not repeated, and elsewhere the key is masked.
"""

import json
from dataclasses import dataclass
from typing import Any

from pydantic_ai import exceptions as ai

from tasks.agents.model_choice import Server
from tasks.errors import MiyabiError, Permanent, Temporary

SAID = 300
"""Characters of what a server said that are repeated."""


@dataclass(frozen=True)
class Failure:
    """The error to raise, unless asking again helps. A Temporary one knows how long the server wants to be left."""

    error: MiyabiError
    again: bool = False
    key_refused: bool = False

    @property
    def retry_after(self) -> float | None:
        return self.error.after_s if isinstance(self.error, Temporary) else None


class Misfit(Permanent):
    """The model answered, and not what was asked for."""


def of_request(error: Exception, server: Server, *, waited_s: float) -> Failure:
    """Why one request failed."""
    match error:
        case ai.ModelAPIError():
            return of_server(error, server)
        case TimeoutError():
            return Failure(Temporary(f"the model {server} did not answer within {waited_s:.3g} s"))
        case _:  # the SDKs raise whatever they stumble over in a body that is not their protocol's
            what = said(error, server)
            return Failure(Permanent(f"the server of {server} does not speak {server.protocol!r}: {what}"), again=True)


def of_server(error: ai.ModelAPIError, server: Server) -> Failure:
    status = f" (HTTP {error.status_code})" if isinstance(error, ai.ModelHTTPError) else ""
    told = said(error, server)
    match error:
        case ai.ModelRateLimitError() | ai.ModelUnavailableError() | ai.ModelServerError() | ai.ModelConnectionError():
            busy = Temporary(f"the model {server} cannot be asked now{status}: {told}", after_s=error.retry_after)
            return Failure(busy, again=True)
        case ai.ModelAuthenticationError():
            problem = Permanent(f"the server of {server} refused the key{status}: {where_to_set_it(server)}")
            return Failure(problem, key_refused=True)
        case ai.ModelQuotaExceededError():
            return Failure(Permanent(f"the account has no credit left for {server}{status}: {told}. Top it up."))
        case ai.ModelContextWindowExceededError():
            return Failure(too_long(server, told))
        case ai.ModelNotFoundError():
            advice = "check `agents.model` and `agents.model_base_url`"
            return Failure(Permanent(f"the server has no {server}{status}: {told}; {advice}"))
        case ai.ModelHTTPError(status_code=413):
            return Failure(too_long(server, told))
        case ai.ModelHTTPError(status_code=408 | 409 | 425):
            return Failure(Temporary(f"the model {server} cannot be asked now{status}: {told}"), again=True)
        case ai.ModelHTTPError():
            return Failure(Permanent(f"the server of {server} refused the request{status}: {told}"))
        case _:
            return Failure(Permanent(f"the server of {server} does not speak {server.protocol!r}: {told}"), again=True)


def where_to_set_it(server: Server) -> str:
    if server.key_name:
        return f"put a valid one into {server.key_name!r}, a variable where the agent worker runs or a secret"
    return "name the variable or secret that holds one in `agents.model_key_secret`"


def too_long(server: Server, told: str) -> Permanent:
    return Permanent(
        f"what the model {server} would have to read is too long for it: {told}. Shorten the input, or configure a "
        "model that reads more."
    )


def of_talk(error: ai.AgentRunError, server: Server) -> MiyabiError:
    """Why a talk of several requests ended without an answer."""
    if isinstance(error, ai.UsageLimitExceeded):
        what = str(error).partition(". Consider")[0]
        return Permanent(
            f"the model {server} did not come to an answer within the limits: {what}. Ask for less, or raise it in"
            " `agents.model_limits` (or MIYABI_AGENT_MODEL_LIMITS)"
        )
    return Misfit(f"the model {server} did not answer as asked: {said(error, server)}")


def said(error: BaseException, server: Server) -> str:
    """The first words of what went wrong, on one line."""
    body = getattr(error, "body", None)
    text = message_in(body) if body else f"{error}" or type(error).__name__
    root = root_of(error)
    if not body and str(root) not in text:
        text = f"{text} ({root})"
    return " ".join(server.without_key(text).replace("\0", "").split())[:SAID]


def root_of(error: BaseException) -> BaseException:
    """What it began with: the SDKs say no more than "Connection error."."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def message_in(body: Any) -> str:
    """The message of an error's body: both companies', FastAPI's, or all of it."""
    if isinstance(body, dict):
        inner = body.get("error", body)
        message = inner.get("message") or inner.get("detail") if isinstance(inner, dict) else inner
        return str(message) if message else json.dumps(body, default=str)
    return str(body)
