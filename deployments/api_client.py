"""The product's HTTP API for Python: the calls of `api_calls.py`, made with patience, and a log followed to its end.

Where it is and who calls: MIYABI_API_URL and MIYABI_API_TOKEN, or else the backend released on the embedded cloud and a
mock login, which needs no account. A call whose answer was lost is made again, if that does no harm.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx

from deployments.api_calls import Calls, Given
from deployments.api_types import LogLine, MockLogin

PREFIX = "/api/v1"
PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Before each further try; together longer than a cold start, or a restart of the local database."""
KEY = "idempotency-key"
WAIT_S = 20
"""For a line of a log, in one request."""
ENDED = ("completed", "failed", "cancelled")
WHO: MockLogin = {"github_id": 900_000_000_001, "email": "terminal@localhost", "name": "Terminal"}
"""The mock account of the terminal: a number that GitHub will not give for a long time."""


class ApiRefused(Exception):
    """The API did not do it; the message says why. `status`, `code` (`error` of the answer) and `details` are for
    programs, and None where there was no answer, or none of the API's own."""

    def __init__(
        self, message: str, *, status: int | None = None, code: str | None = None, details: Any = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.details = status, code, details


class ApiFailed(ApiRefused):
    """It could not, whoever asks: it does not answer, failed inside, or the execution's state is against it."""


class Api(Calls):
    """`url` may end in /api/v1. Without a token the first call that needs one signs in. Of the answer that came last,
    `next` is the `cursor` of the page after it, and `etag` the version, for `if_match`; None if there is none."""

    next: str | None = None
    etag: str | None = None

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url.rstrip("/").removesuffix(PREFIX) + PREFIX
        self._token, self._is_mock, self._sleep = token, False, sleep
        self._http = httpx.Client(base_url=self.url, timeout=35, transport=transport)  # Lambda's 30 s and the way

    def logs(self, execution_id: str, *, follow: bool) -> Iterator[LogLine]:
        """Its lines; with `follow` as they come, until it has ended."""
        since, path = 0, f"/agents/executions/{execution_id}/logs"
        while True:
            asked = time.monotonic()
            answer = self._send("GET", path, params={"since": since, "wait": WAIT_S if follow else 0})
            lines: list[LogLine] = answer.json()
            yield from lines
            if not lines and (not follow or answer.headers.get("x-execution-status") in ENDED):
                return
            since = lines[-1]["sequence"] if lines else since
            if len(lines) < 100 and time.monotonic() - asked < 1.0:  # small pages come together, and some do not wait
                self._sleep(0.2 if lines else 1.0)

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Given = None,
        headers: Given = None,
        signed: bool = True,
    ) -> Any:
        """A call that makes something has a key, and so can be made again."""
        headers = dict(headers or {})
        if KEY in headers:
            headers[KEY] = headers[KEY] or str(uuid4())
        answer = self._send(method, path, body, params=params, headers=headers, safe=KEY in headers, signed=signed)
        self.next, self.etag = answer.headers.get("x-next-cursor"), answer.headers.get("etag")
        if answer.is_redirect:
            return answer.headers["location"]
        return answer.json() if answer.content else None

    def _send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Given = None,
        headers: Given = None,
        safe: bool = False,
        signed: bool = True,
    ) -> httpx.Response:
        """The answer, if it is a success. `safe`: to call it twice does no harm, as of a GET."""
        safe = safe or method == "GET"
        params = {name: value for name, value in (params or {}).items() if value is not None}
        given = {name: str(value) for name, value in (headers or {}).items() if value is not None}
        for pause in (*PAUSES_S, None):
            signature = {"Authorization": f"Bearer {self._signed_in()}"} if signed else {}
            try:
                answer = self._http.request(method, path, json=body, params=params, headers=given | signature)
            except httpx.TransportError as error:
                if pause is None or not (safe or isinstance(error, httpx.ConnectError)):
                    raise ApiFailed(f"the API does not answer at {self.url}: {error}") from error
            else:
                expired = answer.status_code == 401 and self._is_mock
                if pause is None or not (expired or (safe and answer.status_code in (502, 503, 504))):
                    return checked(answer)
                self._token = None if expired else self._token
            self._sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _signed_in(self) -> str:
        if self._token is None:
            self._is_mock = True
            try:
                answer = self._send("POST", "/auth/mock", WHO, safe=True, signed=False)
                self._token = str(answer.json()["access_token"])
            except ApiFailed:
                raise
            except ApiRefused as error:
                raise ApiRefused(f"set MIYABI_API_TOKEN; signing in without it was refused: {error}") from error
        return self._token


def connect() -> Api:
    """The API that the environment names, or the one on the embedded cloud."""
    if url := os.environ.get("MIYABI_API_URL"):
        return Api(url, token=os.environ.get("MIYABI_API_TOKEN") or None)
    from deployments import stack

    url = stack.status_json()["api_url"]
    if not url:
        raise ApiRefused("there is no API here; `miyabi up` and `miyabi release` make one, or set MIYABI_API_URL")
    return Api(url)


def checked(answer: httpx.Response) -> httpx.Response:
    """A success, or a redirection; or ApiRefused with the API's own words and all problems that it lists."""
    if answer.is_success or answer.is_redirect:
        return answer
    try:
        body = answer.json()
        text, code, details = str(body["message"]), body.get("error"), body.get("details")
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError):
        text, code, details = f"the API answered {answer.status_code}: {answer.text[:500]}", None, None
    for problem in details if isinstance(details, list) else []:
        text += f"\n  {problem.get('field')}: {problem.get('problem')}"
    kind = ApiFailed if answer.status_code >= 500 or answer.status_code == 409 else ApiRefused
    raise kind(text, status=answer.status_code, code=code, details=details)
