"""What stands in front of moto: our own routes, the faults, the record of calls, saving, and honest gaps.

Each request to AWS is recorded, met by a fault if one is set, done by moto, and its service saved if it wrote. What
moto does not have, or fails at, is answered as `SimulatorGap` with HTTP 501, which no SDK retries.
"""

import json
import logging
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError
from waitress.channel import ClientDisconnected

from localcloud.aws import functions, offered
from localcloud.aws.faults import Dropped, Fault
from localcloud.aws.function_names import Refused, plainly_named
from localcloud.aws.operations import UNKNOWN, Operation, operation_of
from localcloud.aws.wire import Answer, StartResponse, error_answer, json_answer
from localcloud.inbox import Inbox

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

logger = logging.getLogger(__name__)
FAULTS = TypeAdapter(list[Fault])


class Front:
    """The WSGI application of the AWS endpoint."""

    def __init__(self, cloud: "Cloud", moto: Any) -> None:
        self.cloud = cloud
        self.moto = moto
        self.inbox = Inbox(cloud.home)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith("/_cloud/"):
            return self._own(environ, path.removeprefix("/_cloud/")).send(start_response)
        if path.startswith("/_code/"):
            return functions.download(self.cloud, path.removeprefix("/_code/"), environ["QUERY_STRING"]).send(
                start_response
            )
        try:
            return self._aws(environ).send(start_response)
        except Dropped:
            raise ClientDisconnected from None

    def _own(self, environ: dict[str, Any], name: str) -> Answer:
        match environ["REQUEST_METHOD"], name:
            case "GET", "health":
                return json_answer({"status": "ok"})
            case "GET", "status":
                return json_answer(self.cloud.services.status())
            case "GET", "calls":
                return json_answer([asdict(call) for call in self.cloud.faults.calls])
            case "POST", "inbox":
                self.inbox.add(json.loads(environ["wsgi.input"].read()))
                return json_answer([])
            case "GET", "inbox":
                return json_answer(self.inbox.messages())
            case "GET", "faults":
                return json_answer([asdict(fault) for fault in self.cloud.faults.active])
            case "POST", "faults":
                return self._add_faults(environ["wsgi.input"].read())
            case "DELETE", "faults" | "calls":
                self.cloud.faults.clear()
                return json_answer([])
        return json_answer({"error": f"no such route: {name!r}"}, status=404)

    def _add_faults(self, body: bytes) -> Answer:
        try:
            faults = FAULTS.validate_json(body if body.lstrip().startswith(b"[") else b"[" + body + b"]")
        except ValidationError as error:
            return json_answer({"error": json.loads(error.json(include_url=False))}, status=400)
        for fault in faults:
            self.cloud.faults.add(fault)
        return json_answer([asdict(fault) for fault in self.cloud.faults.active])

    def _aws(self, environ: dict[str, Any]) -> Answer:
        operation = operation_of(environ)
        faults = self.cloud.faults
        call = faults.begin(operation)
        answer = faults.reach(call, "before", operation)
        if answer is None:
            answer = self._execute(operation, environ)
        return faults.reach(call, "after", operation) or answer

    def _execute(self, operation: Operation, environ: dict[str, Any]) -> Answer:
        if reason := offered.why_not(operation):
            return gap(operation, reason)
        if operation.dry_run:  # which moto does for half of EC2, and for the other half all the same
            message = "Request would have succeeded, but DryRun flag is set."
            return error_answer("ec2", code="DryRunOperation", message=message, status=412)
        try:
            if operation.service == "lambda":
                environ = plainly_named(environ, operation, account=self.cloud.account_id, region=self.cloud.region)
            if operation.service == "s3":  # the path as it was sent: a key may hold an encoded `?` or `%20`
                environ = {**environ, "RAW_URI": environ.get("REQUEST_URI", "")}
            if operation.is_read or operation.name in UNLOCKED:
                answer = self._moto(environ)
            else:
                with self.cloud.state.writing(operation.service):
                    answer = self._moto(environ)
        except Refused as refused:
            return refused.answer
        except NotImplementedError as error:
            return gap(operation, f"the embedded cloud does not have it: {error}")
        except Exception as error:
            logger.exception("moto failed at %s.%s", operation.service, operation.name)
            return gap(operation, f"the embedded cloud failed: {error!r}")
        if _is_unrouted(answer) or (operation.name == UNKNOWN and answer.status == 404 and not answer.body):
            return gap(operation, "the embedded cloud does not have it: no route")
        return answer

    def _moto(self, environ: dict[str, Any]) -> Answer:
        started: list[Any] = []
        chunks = self.moto(environ, lambda status, headers, *_: started.extend((status, headers)))
        try:
            body = b"".join(chunks)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        status, headers = started
        kept = tuple((name, value) for name, value in headers if name.lower() not in DROPPED_HEADERS)
        length = dict(headers).get("Content-Length", "") if environ["REQUEST_METHOD"] == "HEAD" else ""
        return Answer(int(status.split()[0]), body, kept, length)


UNLOCKED = frozenset({"Invoke", "InvokeAsync", "InvokeWithResponseStream"})
"""A function that runs may itself call AWS, so nothing is held while it does."""

DROPPED_HEADERS = frozenset({"content-length", "connection", "transfer-encoding", "server", "date"})


def gap(operation: Operation, reason: str) -> Answer:
    """The answer for what the embedded cloud does not have."""
    message = f"{operation.service}.{operation.name}: {reason}"
    return error_answer(operation.protocol, code="SimulatorGap", message=message, status=501)


def _is_unrouted(answer: Answer) -> bool:
    """Flask's own 404 page, which is HTML; no AWS service answers with it."""
    return answer.status == 404 and answer.body.startswith(b"<!doctype html>") and b"requested URL" in answer.body
