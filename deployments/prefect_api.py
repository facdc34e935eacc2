"""The few calls of Prefect's REST API that the `miyabi` command needs, without importing Prefect (0.8 s)."""

import os
from typing import Any

import httpx

PAGE = 200
"""What Prefect lists at once."""


class PrefectRefused(Exception):
    """Prefect could not be reached or did not accept the request; the message says what to do."""


class PrefectAway(PrefectRefused):
    """Prefect does not answer at all."""


class PrefectApi:
    """A client of one Prefect server. `url` ends in /api; `auth` is `user:password`, else the environment's."""

    def __init__(self, url: str, auth: str = "") -> None:
        auth = auth or os.environ.get("PREFECT_API_AUTH_STRING", "")
        key = os.environ.get("PREFECT_API_KEY")
        self.url = url.rstrip("/")
        self._http = httpx.Client(
            base_url=self.url,
            auth=tuple(auth.split(":", 1)) if ":" in auth else None,  # type: ignore[arg-type]
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=30,
        )

    def close(self) -> None:
        self._http.close()

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON answer. Raises PrefectRefused with the server's own reason."""
        try:
            answer = self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise PrefectAway(f"Prefect does not answer at {self.url}: {error}. Is it up? `miyabi up`") from error
        if answer.is_error:
            raise PrefectRefused(reason(answer))
        return answer.json() if answer.content else None

    def deployment(self, name: str) -> dict[str, Any]:
        """The deployment `flow/name`."""
        try:
            return dict(self.request("GET", f"/deployments/name/{name}"))
        except PrefectRefused as error:
            known = (
                ", ".join(sorted(d["name"] for d in self.deployments_of(name.split("/")[0])))
                or "none; `miyabi configure` makes them"
            )
            raise PrefectRefused(f"there is no deployment {name!r} (environments of this flow: {known})") from error

    def deployments_of(self, flow: str) -> list[dict[str, Any]]:
        return list(self.request("POST", "/deployments/filter", {"flows": {"name": {"any_": [flow]}}}))

    def run(self, deployment: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Create a flow run of `flow/environment`; parameters are laid over the deployment's own.

        MIYABI_WORK_QUEUE names another queue of its work pool, such as that of a worker that has the package.
        """
        found = self.deployment(deployment)
        body: dict[str, Any] = {"parameters": parameters, "state": {"type": "SCHEDULED", "name": "Scheduled"}}
        if queue := os.environ.get("MIYABI_WORK_QUEUE"):
            body["work_queue_name"] = queue
        return dict(self.request("POST", f"/deployments/{found['id']}/create_flow_run", body))

    def flow_run(self, run_id: str) -> dict[str, Any]:
        return dict(self.request("GET", f"/flow_runs/{run_id}"))

    def task_runs(self, run_id: str) -> list[dict[str, Any]]:
        """All of a run's, in the order of their beginning."""
        wanted = {"flow_runs": {"id": {"any_": [run_id]}}, "sort": "EXPECTED_START_TIME_ASC", "limit": PAGE}
        found = list(self.request("POST", "/task_runs/filter", wanted))
        while found and len(found) % PAGE == 0:
            if not (more := self.request("POST", "/task_runs/filter", {**wanted, "offset": len(found)})):
                break
            found += more
        return found

    def logs(self, run_id: str, offset: int) -> list[dict[str, Any]]:
        """Log lines from `offset` on, oldest first."""
        body = {"logs": {"flow_run_id": {"any_": [run_id]}}, "sort": "TIMESTAMP_ASC", "offset": offset, "limit": 200}
        return list(self.request("POST", "/logs/filter", body))

    def artifact(self, run_id: str, key: str) -> dict[str, Any] | None:
        """The newest artifact of this key that the run left, if it left any: a diagnosis that mends leaves two."""
        wanted = {"flow_run_id": {"any_": [run_id]}, "key": {"any_": [key]}}
        body = {"artifacts": wanted, "sort": "CREATED_DESC", "limit": 1}
        found = list(self.request("POST", "/artifacts/filter", body))
        return found[0] if found else None

    def cancel(self, run_id: str) -> None:
        self.request("POST", f"/flow_runs/{run_id}/set_state", {"state": {"type": "CANCELLING"}})


def reason(answer: httpx.Response) -> str:
    """The server's words for why it refused."""
    try:
        detail = answer.json().get("detail", answer.text)
    except ValueError:
        detail = answer.text
    return f"Prefect answered {answer.status_code}: {detail}"
