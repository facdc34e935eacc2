"""A system that stands, for tests that break it: released once, looked at from outside, put right again.

A scene knows the version that serves. Everything it says is read where a user would read it: from AWS, through the
public URL, in the environment's own database, and in Prefect.
"""

import asyncio
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import httpx
import psycopg
from prefect.settings import PREFECT_API_URL

from blocks.aws import is_read
from blocks.environment import Environment
from database.releases import Release, latest_release
from localcloud.cloud import Cloud
from tests.release.conftest import FIXTURES, Releases
from tests.release.zygote import Ended, Zygote

GOOD = "python:tests/fixtures/python-lambda"
FUNCTION = API = "miyabi-api-local"
DATABASE = "miyabi-postgres-local"
NOTHING = [{"change": "none", "what": "everything is as it should be"}]
"""The change table of a run that has nothing to do."""


class Scene:
    """The environment `local` of a test module, and the good backend on it."""

    def __init__(self, cloud: Cloud, zygote: Zygote) -> None:
        self.cloud = cloud
        self.releases = Releases(cloud, zygote)

    def run(self, flow: str = "release", **parameters: Any) -> Ended:
        """Run a flow in `local`; the record of AWS calls begins with it."""
        self.cloud.faults.clear()
        return self.releases.run(flow, **parameters)

    def release_good(self) -> str:
        """The good backend, released; the version that serves."""
        ended = self.run(source=GOOD)
        assert ended.code == 0, ended.error
        assert self.health().status_code == 200
        return self.live()

    def aws(self, service: str) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.cloud.aws_endpoint,
            region_name="us-east-1",
            aws_access_key_id="someone",
            aws_secret_access_key="else",
        )

    @property
    def writes(self) -> list[str]:
        """What the last run wrote, or ran: `lambda.PublishVersion`."""
        return [f"{call.service}.{call.operation}" for call in self.cloud.calls if not is_read(call.operation)]

    def live(self) -> str:
        """The version that has the traffic."""
        return str(self.aws("lambda").get_alias(FunctionName=FUNCTION, Name="live")["FunctionVersion"])

    def versions(self) -> list[str]:
        listed = self.aws("lambda").list_versions_by_function(FunctionName=FUNCTION)["Versions"]
        return [entry["Version"] for entry in listed if entry["Version"] != "$LATEST"]

    def health(self) -> httpx.Response:
        """What a user of the API gets."""
        status = httpx.get(f"{self.cloud.aws_endpoint}/_cloud/status").json()
        return httpx.get(f"{status['apis'][API]['url']}/api/v1/health", timeout=40)

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection[Any]]:
        """The environment's database, as its master user."""
        login = json.loads((self.cloud.home / "secrets" / "rds.json").read_text())[DATABASE]
        with psycopg.connect(
            host=login["host"],
            port=login["port"],
            user=login["username"],
            password=login["password"],
            dbname=login["dbname"],
            autocommit=True,
        ) as connection:
            yield connection

    def last_release(self) -> Release:
        with self.database() as connection:
            release = latest_release(connection, "local")
        assert release
        return release

    def artifact(self, key: str) -> Any:
        """The newest artifact of a key: text, or the rows of a table."""
        answer = httpx.get(f"{PREFECT_API_URL.value()}/artifacts/{key}/latest").json()
        return json.loads(answer["data"]) if answer["type"] == "table" else answer["data"]

    def changes(self, *, planned: bool = False) -> list[dict[str, str]]:
        """The change table that the last run, or plan, left in Prefect."""
        return list(self.artifact("planned-changes-local" if planned else "changes-local"))

    def plan(self, **parameters: Any) -> list[dict[str, str]]:
        """What a release would change, from its change table."""
        ended = self.run("plan", source=parameters.pop("source", GOOD), **parameters)
        assert ended.code == 0, ended.error
        assert self.writes == []
        return self.changes(planned=True)

    def last_state(self) -> tuple[str, str]:
        """How Prefect says that the last run ended: the state's name and message."""
        wanted = {"sort": "EXPECTED_START_TIME_DESC", "limit": 1}
        (run,) = httpx.post(f"{PREFECT_API_URL.value()}/flow_runs/filter", json=wanted).json()
        return run["state"]["name"], run["state"]["message"] or ""

    @contextmanager
    def configured(self, **changes: Any) -> Iterator[None]:
        """Other settings in the environment's block, as long as this lasts.

        `function={"memory_mb": 256}` changes one setting of that part; `account_id="…"` the field itself.
        """
        before = load_block()
        parts = {name: changed(getattr(before, name), value) for name, value in changes.items()}
        save_block(before.model_copy(update=parts))
        try:
            yield
        finally:
            save_block(before)


def changed(part: Any, value: Any) -> Any:
    return part.model_copy(update=value) if isinstance(value, Mapping) else value


def load_block() -> Environment:
    return asyncio.run(Environment.aload("local"))


def save_block(environment: Environment) -> None:
    asyncio.run(environment.asave("local", overwrite=True))


def standing(cloud: Cloud, zygote: Zygote) -> Scene:
    """A scene on an empty account, with the good backend released: version 1."""
    cloud.reset()
    scene = Scene(cloud, zygote)
    assert scene.release_good() == "1"
    return scene


def another_backend(folder: Path, *, name: str, handler: str = "", manifest: str = "", checks: str = "") -> str:
    """The good backend with something added to its code, manifest and smoke suite, as a source of its own."""
    place = folder / name
    shutil.copytree(FIXTURES / "python-lambda", place)
    for file, text in (("handler.py", f"# {name}\n{handler}"), ("miyabi.toml", manifest), ("smoke.yaml", checks)):
        (place / file).write_text((place / file).read_text() + "\n" + text)
    return f"python:{place}"
