"""The product's HTTP API, as the `miyabi agents` commands call it.

Where it is and who calls: MIYABI_API_URL and MIYABI_API_TOKEN, or else the backend released on the embedded cloud and a
mock login, which needs no account. A call whose answer was lost is made again, if that does no harm.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import uuid4

import httpx

PREFIX = "/api/v1"
PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Before each further try; together longer than a cold start, or a restart of the local database."""
ENDED = ("completed", "failed", "cancelled")
WHO = {"github_id": 900_000_000_001, "email": "terminal@localhost", "name": "Terminal"}
"""The mock account of the terminal: a number that GitHub will not give for a long time."""

Body = dict[str, Any]


class ApiRefused(Exception):
    """The API did not do it; the message says why."""


class ApiFailed(ApiRefused):
    """It could not, whoever asks: it does not answer, failed inside, or the execution's state is against it."""


class Api:
    """`url` may end in /api/v1. Without a token the first call that needs one signs in."""

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

    def agents(self) -> list[Body]:
        return list(self._json("GET", "/agents", signed=False))

    def agent(self, name: str) -> Body:
        return dict(self._json("GET", f"/agents/{name}", signed=False))

    def repositories(self) -> list[Body]:
        return list(self._json("GET", "/repositories"))

    def register(self, full_name: str) -> Body:
        """The repository owner/name, made if it is not there."""
        return dict(self._json("POST", "/repositories", {"full_name": full_name}, safe=True))

    def execute(self, request: Body) -> Body:
        """Ask an agent to work, once, also if the call has to be made twice."""
        return dict(self._json("POST", "/agents/execute", request, safe=True, key=str(uuid4())))

    def executions(self, **wanted: Any) -> list[Body]:
        """The newest that are `wanted` (status, agent_type, parent_id, limit), of all that this account may look at."""
        given = {name: value for name, value in wanted.items() if value is not None} | {"visible": True}
        return list(self._json("GET", "/agents/executions", params=given))

    def execution(self, execution_id: str) -> Body:
        return dict(self._json("GET", f"/agents/executions/{execution_id}"))

    def cancel(self, execution_id: str) -> Body:
        return dict(self._json("POST", f"/agents/executions/{execution_id}/cancel"))

    def retry(self, execution_id: str) -> Body:
        return dict(self._json("POST", f"/agents/executions/{execution_id}/retry"))

    def logs(self, execution_id: str, *, follow: bool) -> Iterator[Body]:
        """Its lines; with `follow` as they come, until it has ended."""
        since, pause, path = 0, 0.2, f"/agents/executions/{execution_id}/logs"
        while True:
            answer = self._send("GET", path, params={"since": since})
            lines = answer.json()
            yield from lines
            if not lines and (not follow or answer.headers.get("x-execution-status") in ENDED):
                return
            since = lines[-1]["sequence"] if lines else since
            if follow and len(lines) < 100:
                pause = 0.2 if lines else min(1.5 * pause, 1.0)
                self._sleep(pause)

    def _json(self, method: str, path: str, body: Body | None = None, **how: Any) -> Any:
        return self._send(method, path, body, **how).json()

    def _send(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        safe: bool | None = None,
        key: str | None = None,
        signed: bool = True,
    ) -> httpx.Response:
        """The answer, if it is a success. `safe`: to call it twice does no harm; without it, a GET is."""
        safe = method == "GET" if safe is None else safe
        for pause in (*PAUSES_S, None):
            headers = {"Authorization": f"Bearer {self._signed_in()}"} if signed else {}
            headers |= {"Idempotency-Key": key} if key else {}
            try:
                answer = self._http.request(method, path, json=body, params=params, headers=headers)
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
                self._token = str(self._json("POST", "/auth/mock", WHO, safe=True, signed=False)["access_token"])
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
    """A success, or ApiRefused with the API's own words and all problems that it lists."""
    if answer.is_success:
        return answer
    try:
        body = answer.json()
        text, details = str(body["message"]), body.get("details")
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError):
        text, details = f"the API answered {answer.status_code}: {answer.text[:500]}", None
    for problem in details if isinstance(details, list) else []:
        text += f"\n  {problem.get('field')}: {problem.get('problem')}"
    kind = ApiFailed if answer.status_code >= 500 or answer.status_code == 409 else ApiRefused
    raise kind(text)
