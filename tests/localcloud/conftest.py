"""Clients of the embedded cloud (tests/conftest.py)."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config

from localcloud.cloud import Cloud

Client = Callable[[str], Any]


def clients_of(cloud: Cloud) -> Client:
    """A function that gives a boto3 client of a service."""
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=cloud.region)
    clients: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in clients:
            clients[service] = session.client(
                service, endpoint_url=cloud.aws_endpoint, config=Config(retries={"total_max_attempts": 1})
            )
        return clients[service]

    return client


@pytest.fixture
def aws(cloud: Cloud) -> Client:
    """`aws("lambda")` is a client of an empty account. It tries each call once."""
    cloud.reset()
    return clients_of(cloud)
