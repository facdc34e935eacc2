"""Lambda's Invoke API: what `boto3.client("lambda").invoke` reaches, in place of moto's.

The AWS endpoint's thread finds the function, hands the event to the loop and waits. `RequestResponse`, `Event` (tried
once) and `DryRun`, versions and aliases with their weights, the log's tail, and errors as AWS names them.
"""

import base64
import json
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from localcloud.lambda_facts import Function, Target, resolve, split_arn
from localcloud.lambda_invocation import Invocation
from localcloud.lambda_policy import key_denied
from localcloud.lambda_states import ASLEEP, wake

if TYPE_CHECKING:
    from localcloud.cloud import Cloud
    from localcloud.lambda_runtime import LambdaRuntime

MAX_PAYLOAD = {"RequestResponse": 6 * 1024 * 1024, "Event": 1024 * 1024}
"""Bytes of an event, by the kind of invocation (AWS's quotas)."""
TAIL = 4096
"""Bytes of the log that `LogType=Tail` returns."""

Reply = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True)
class Outcome:
    """What became of an invocation."""

    payload: bytes
    failed: bool
    log: tuple[str, ...]


class Direct(Invocation):
    """An invocation that a thread waits for."""

    __slots__ = ("future",)

    def __init__(self, event: bytes, arn: str) -> None:
        super().__init__(event, arn)
        self.log = []
        self.future: Future[Outcome] = Future()

    def done(self, payload: bytes, failed: bool) -> None:
        self.future.set_result(Outcome(payload, failed, tuple(self.log or ())))


class Invoker:
    """Invokes functions from threads other than the loop's."""

    def __init__(self, cloud: "Cloud", runtime: "LambdaRuntime", *, random: Callable[[], float]) -> None:
        self._cloud, self._runtime, self._random = cloud, runtime, random

    def reply(self, name: str, qualifier: str, event: bytes, headers: dict[str, str]) -> Reply:
        """Answer an Invoke request: status, headers, body. Raises moto's error for an unknown function."""
        target = resolve(self._cloud, name, qualifier)
        kind = headers.get("x-amz-invocation-type", "RequestResponse")
        if target.state == "Inactive":
            wake(self._cloud, target.name)
            return error(502, "ResourceNotReadyException", ASLEEP)
        refused = _refused(target, kind, event)
        if refused is not None:
            return refused
        if kind == "DryRun":
            return 204, {}, b""
        function = target.pick(self._random())
        if function.kms_key and (denied := key_denied(self._cloud.backend("iam"), function.role, function.kms_key)):
            return error(502, "KMSAccessDeniedException", denied)
        invocation = Direct(event or b"{}", target.arn)
        accepted: Future[bool] = Future()
        self._runtime.loop.call_soon_threadsafe(self._submit, target, function, invocation, accepted)
        if not accepted.result():
            return error(
                429,
                "TooManyRequestsException",
                "Rate Exceeded.",
                Reason="ReservedFunctionConcurrentInvocationLimitExceeded",
            )
        if kind == "Event":
            return 202, {}, b""
        return _answer(function, invocation.future.result(), tail=headers.get("x-amz-log-type") == "Tail")

    def _submit(self, target: Target, function: Function, invocation: Direct, accepted: "Future[bool]") -> None:
        pools = {pool.function: pool for _, pool in self._runtime.pools(target)}
        accepted.set_result(pools[function].submit(invocation))


def _answer(function: Function, outcome: Outcome, *, tail: bool) -> Reply:
    headers = {"Content-Type": "application/json", "X-Amz-Executed-Version": function.version}
    if outcome.failed:
        headers["X-Amz-Function-Error"] = "Unhandled"
    if tail:
        headers["X-Amz-Log-Result"] = base64.b64encode("".join(outcome.log).encode()[-TAIL:]).decode()
    return 200, headers, outcome.payload


def error(status: int, code: str, message: str, **more: str) -> Reply:
    """An error as Lambda's REST API sends it."""
    body = json.dumps({"Type": "User", "message": message, **more}).encode()
    return status, {"Content-Type": "application/json", "x-amzn-ErrorType": code}, body


def _refused(target: Target, kind: str, event: bytes) -> Reply | None:
    """Why an invocation cannot even be tried; None if it can."""
    if target.state != "Active":
        message = (
            "The operation cannot be performed at this time. "
            f"The function is currently in the following state: {target.state}"
        )
        return error(409, "ResourceConflictException", message)
    if kind not in ("RequestResponse", "Event", "DryRun"):
        return error(400, "InvalidParameterValueException", f"{kind!r} is not an invocation type")
    limit = MAX_PAYLOAD.get(kind, MAX_PAYLOAD["RequestResponse"])
    if len(event) > limit:
        message = f"{len(event)} byte payload is too large for the {kind} invocation type (limit {limit} bytes)"
        return error(413, "RequestTooLargeException", message)
    try:
        json.loads(event or b"{}")
    except ValueError as problem:
        return error(400, "InvalidRequestContentException", f"Could not parse request body into json: {problem}")
    return None


def install_invoke(cloud: "Cloud", runtime: "LambdaRuntime") -> None:
    """Replace moto's Invoke (which needs docker) by ours."""
    from moto.awslambda.responses import LambdaResponse

    invoker = Invoker(cloud, runtime, random=Random().random)

    def invoke(_original: Any, response: Any) -> Reply:
        name, in_name = split_arn(unquote(response.path.rsplit("/", 2)[-2]))
        qualifier = in_name or response.querystring.get("Qualifier", [""])[0]
        body = response.raw_body if isinstance(response.raw_body, bytes) else response.body.encode()
        headers = {key.lower(): value for key, value in response.headers.items()}
        status, answer_headers, answer = invoker.reply(name, qualifier, body, headers)
        return status, {**answer_headers, "status": str(status)}, answer  # moto reads the status from the headers

    cloud.patches.wrap(LambdaResponse, "invoke")(invoke)
