"""The embedded cloud for tests: one for the whole session, and clients of it."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from localcloud.cloud import Cloud, Timings
from localcloud.postgres import Postgres

Client = Callable[[str], Any]


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud in this process on free ports, with a real PostgreSQL behind RDS."""
    home = tmp_path_factory.mktemp("cloud")
    with contextlib.ExitStack() as stack:
        postgres = Postgres(home)
        postgres.start()
        stack.callback(postgres.stop)
        cloud = Cloud(home, postgres=postgres, timings=Timings(database=0.1, function=0.1))
        cloud.start()
        stack.callback(cloud.stop)
        yield cloud


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
