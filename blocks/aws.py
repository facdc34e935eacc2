"""The one door to AWS.

Every client is made here, by prefect-aws credentials, with one retry policy. Before the first one is handed out the
account is compared with the environment's: a wrong one stops the run before its first call. A planning run's clients
refuse, inside botocore, every operation that is not a read, so a forgotten `if` cannot write.
"""

import functools
import threading
from collections.abc import Collection
from typing import Any

import boto3
from botocore.config import Config
from botocore.loaders import Loader
from prefect_aws import AwsCredentials

from blocks.reads import DoorError, PlanningCannotWrite, is_read, refuse_unless_read
from blocks.s3 import Objects

__all__ = ["Aws", "DoorError", "PlanningCannotWrite", "WrongAccount", "is_read", "refuse_writes"]

CLIENT_CONFIG: dict[str, Any] = {
    "retries": {"mode": "standard", "total_max_attempts": 6},
    "connect_timeout": 5,
    "read_timeout": 60,
    "max_pool_connections": 20,
}
MODELS = Loader()
"""botocore's models of the services, read once a process; a session each, as usual, reads them all again (0.3 s)."""


class WrongAccount(DoorError):
    """STS answers another account than the environment names."""


def refuse_writes(model: Any, besides: Collection[str] = (), **_: Any) -> None:
    """The botocore `before-call` handler of a planning run's clients; `besides` holds what it lets pass, too."""
    service = model.service_model.service_name
    if f"{service}.{model.name}" not in besides:
        refuse_unless_read(service, model.name, planning=True)


class Aws:
    """Clients of one account and region: `aws("rds").describe_db_instances()`. Safe to share between threads."""

    def __init__(
        self,
        credentials: AwsCredentials,
        *,
        account_id: str,
        planning: bool = False,
        besides: Collection[str] = (),
        session: boto3.Session | None = None,
    ) -> None:
        """`besides`: what a planning door lets pass that is not a read, as `lambda.Invoke`."""
        self.account_id = account_id
        self.planning = planning
        self.besides = frozenset(besides)
        self.credentials = credentials.model_copy(update={"aws_client_parameters": self._parameters(credentials)})
        self._session = session
        self._clients: dict[str, Any] = {}
        self._lock = threading.RLock()

    def _parameters(self, credentials: AwsCredentials) -> Any:
        """Client parameters with our retry policy. The user agent tells planning runs from others in CloudTrail."""
        parameters = credentials.aws_client_parameters
        return parameters.model_copy(
            update={"config": {**CLIENT_CONFIG, **(parameters.config or {}), "user_agent_extra": self.agent}}
        )

    @property
    def agent(self) -> str:
        return "miyabi-pipelines/planning" if self.planning else "miyabi-pipelines"

    @property
    def region(self) -> str:
        return str(self.credentials.region_name)

    def __call__(self, service: str) -> Any:
        """A client of the service; the first call of all checks the account."""
        with self._lock:
            if not self._clients:
                self._verify_account()
            if service not in self._clients:
                self._clients[service] = self._make(service)
            return self._clients[service]

    def once(self, service: str) -> Any:
        """A client that makes each call once: for who wants to know the first answer, not the best."""
        with self._lock:
            self(service)  # the account is checked
            key = f"{service}, once"
            if key not in self._clients:
                self._clients[key] = self._make(service, Config(retries={"total_max_attempts": 1}))
            return self._clients[key]

    def objects(self, bucket: str) -> Objects:
        """A bucket's objects, for many of them at a time; the same guards, without a client's weight."""
        with self._lock:
            if not self._clients:
                self._verify_account()
            session = self._boto3_session()
        parameters = self.credentials.aws_client_parameters
        return Objects(
            bucket,
            credentials=session.get_credentials(),
            region=self.region,
            endpoint=parameters.endpoint_url,
            planning=self.planning,
            verify=str(parameters.verify_cert_path or "") or bool(parameters.verify),
            agent=self.agent,
        )

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account_id}:{resource}"

    def _make(self, service: str, otherwise: Config | None = None) -> Any:
        """A client of the one session; a session for each, as `get_client` makes, costs 60-300 ms every time."""
        parameters = self.credentials.aws_client_parameters.get_params_override()
        if otherwise is not None:
            parameters["config"] = parameters["config"].merge(otherwise)
        client: Any = self._boto3_session().client(service, region_name=self.region, **parameters)  # type: ignore[call-overload]
        if self.planning:
            refuse = functools.partial(refuse_writes, besides=self.besides)
            client.meta.events.register("before-call", refuse, unique_id="miyabi-planning")
        return client

    def _boto3_session(self) -> boto3.Session:
        if self._session is None:
            self._session = self.credentials.get_boto3_session()
            self._session._session.register_component("data_loader", MODELS)
        return self._session

    def _verify_account(self) -> None:
        sts = self._make("sts")
        actual = sts.get_caller_identity()["Account"]
        if actual != self.account_id:
            raise WrongAccount(
                f"these credentials belong to account {actual!r}, the environment names {self.account_id!r}; "
                "nothing was read or written. Use the right credentials, or mend account_id and run `miyabi configure`."
            )
        self._clients["sts"] = sts
