"""AWS as recorded answers, for what the embedded cloud does not have. Each must have the shape that botocore knows."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.validate import validate_parameters

Answer = Mapping[str, Any] | Exception | Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Refusal(Exception):
    """AWS refuses with this code."""


class Answers:
    """A door: `Answers({"ecs.ListClusters": {"clusterArns": []}})("ecs").list_clusters()`."""

    account_id, region = "211234825975", "us-east-1"

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self._answers, self.asked = answers, list[str]()

    def __call__(self, service: str) -> Any:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": self.region}
        client = boto3.client(service, **keys)  # type: ignore[call-overload]
        client.meta.events.register("before-call", self._answer)
        return client

    def _answer(self, model: Any, params: Mapping[str, Any], context: Mapping[str, Any], **_: Any) -> Any:
        name = f"{model.service_model.service_name}.{model.name}"
        self.asked.append(name)
        answer = self._answers[name]
        if isinstance(answer, Refusal):
            return SimpleNamespace(status_code=400), {"Error": {"Code": str(answer), "Message": "no"}}
        found = answer(params) if callable(answer) else answer
        assert not (report := validate_parameters(found, model.output_shape)), report
        return SimpleNamespace(status_code=200), {**found, "ResponseMetadata": {}}
