"""The REST API of the Prefect server that is configured, and the lines that say what was changed there."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import PrefectHTTPStatusError

Report = Callable[[str], None]
PAGE = 200
LEFT_OVER = "left over, for `--prune` to remove:"


class Refused(Exception):
    """Prefect did not take what it was given; the message is what it said."""


class Server(Protocol):
    """A Prefect server, or a stand-in in a test."""

    def request(self, method: str, path: str, body: Any = None) -> Any: ...


class PrefectServer:
    """Asked through Prefect's own client, which knows keys, passwords, TLS, CSRF tokens and Cloud."""

    def __init__(self, client: SyncPrefectClient) -> None:
        self._client: Any = client

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON answer; None where there is nothing of that name."""
        try:
            answer: httpx.Response = self._client.request(method, path, json=body)
        except PrefectHTTPStatusError as error:
            if error.response.status_code == 404 and method in ("GET", "DELETE"):
                return None
            raise Refused(f"{method} {path}: {error.response.status_code} {error.response.text[:2000]}") from error
        return answer.json() if answer.content else None


def everything(server: Server, path: str, body: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """All that a `filter` route has, page by page."""
    found: list[dict[str, Any]] = []
    while True:
        page = server.request("POST", path, {**(body or {}), "limit": PAGE, "offset": len(found)})
        found += page
        if len(page) < PAGE:
            return found


def differing(wanted: Mapping[str, Any], have: Mapping[str, Any]) -> list[str]:
    """The names of what is not as it is wanted."""
    return sorted(key for key, value in wanted.items() if have.get(key) != value)
