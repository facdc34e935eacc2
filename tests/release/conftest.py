"""Releases in tests: a real Prefect server, the session's embedded cloud, and a zygote that runs the flows.

`releases.run("release", source=…)` runs a flow in a process of its own, as a worker would, in about a second.
"""

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import prefect.settings
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.testing.utilities import prefect_test_harness

from deployments.settings import LocalCloud, build_environment
from localcloud.certificates import write_self_signed
from localcloud.cloud import Cloud
from tests.release.zygote import Ended, Zygote

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
UNUSED = (
    "CANCELLATION_CLEANUP", "EVENT_LOGGER", "EVENT_PERSISTER", "FOREMAN", "LATE_RUNS", "PAUSE_EXPIRATIONS",
    "REPOSSESSOR", "SCHEDULER", "TASK_RUN_RECORDER", "TRIGGERS",
)  # fmt: skip
"""Services of the Prefect server that are off here: storing events and task runs takes four times the CPU of a run's
states, logs and artifacts, and nobody reads them."""


@pytest.fixture(scope="session")
def exhaustive(pytestconfig: pytest.Config) -> bool:
    """`--exhaustive`: sweep what follows from the rest, too."""
    return bool(pytestconfig.getoption("exhaustive"))


class Releases:
    """Runs flows on the session's cloud in processes of their own."""

    def __init__(self, cloud: Cloud, zygote: Zygote) -> None:
        self.cloud = cloud
        self.zygote = zygote
        self.pid = 0

    def run(self, flow: str = "release", **parameters: Any) -> Ended:
        """Run a flow to its end in environment `local`; its exit code and the error's text."""
        if flow in ("release", "plan"):  # what a site adds is in test_sites.py
            parameters = {"site": "", **parameters}
        return self.zygote.run(flow, self._started, environment="local", **parameters)

    def _started(self, pid: int) -> None:
        self.pid = pid


@pytest.fixture(scope="session")
def prefect_api() -> Iterator[str]:
    """A Prefect server for the session; its API's URL. It keeps flow runs, states, logs and artifacts."""
    off = {getattr(prefect.settings, f"PREFECT_SERVER_SERVICES_{service}_ENABLED"): False for service in UNUSED}
    off[prefect.settings.PREFECT_SERVER_ANALYTICS_ENABLED] = False
    with temporary_settings(off), prefect_test_harness(server_startup_timeout=120):
        yield str(PREFECT_API_URL.value())


@pytest.fixture(scope="session")
def zygote(prefect_api: str, cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    """The process that flows are forked from, with environment `local` saved in Prefect."""
    home = tmp_path_factory.mktemp("runs")
    asyncio.run(save_local(LocalCloud(cloud.aws_endpoint, cloud.api_endpoint)))
    write_self_signed(home / "loopback.pem", home / "loopback.key")
    environment = {
        **os.environ,
        "PREFECT_API_URL": prefect_api,
        "PREFECT_API_SSL_CERT_FILE": str(home / "loopback.pem"),  # quick to parse: localcloud/prefect_settings.py
        "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",
        "AWS_NEW_RETRIES_2026": "true",  # botocore's coming default: 25 ms, not half a second, before a second attempt
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_LOGGING_TO_API_ENABLED": "true",
        "MIYABI_ROOT": str(ROOT),
        "MIYABI_HOME": str(home),
        "PYTHONPATH": str(ROOT),
    }
    process = Zygote(environment, home / "error")
    yield process
    process.close()


async def save_local(cloud: LocalCloud) -> None:
    """Save the block `local`, with a function that needs no vendored packages to be quick."""
    settings: dict[str, Any] = {"account_id": "211234825975", "region": "us-east-1", "database": {"sslmode": "prefer"}}
    function = {"host_wheels": True, "python_runtime": f"python3.{sys.version_info.minor}"}
    settings |= {"function": function, "canary": {"steps": [100]}}  # a test of the canary says that it wants one
    settings |= {"report": {"after_release": False}}  # and a test of the report that it wants that
    environment = build_environment("local", cloud.overlay(settings))
    await environment.credentials.asave("miyabi-local", overwrite=True)
    await environment.asave("local", overwrite=True)


@pytest.fixture
def releases(cloud: Cloud, zygote: Zygote) -> Releases:
    """Flows on an empty account."""
    cloud.reset()
    return Releases(cloud, zygote)
