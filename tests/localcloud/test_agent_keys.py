"""Keys of agents in the embedded cloud's Secrets Manager: read through the door, sent, and nowhere to be seen."""

import asyncio
import logging
from dataclasses import replace
from functools import partial

import pytest

from blocks.agents import AgentSettings
from localcloud.cloud import Cloud
from tasks.agents.desk import reading
from tasks.agents.keys import Keys
from tasks.agents.model_agents import close_models, run_model_agent
from tasks.errors import Permanent
from tasks.secrets import read_secret
from tests.agents import Scene
from tests.localcloud.conftest import Client
from tests.model_server import ModelServer
from tests.support import make_environment

NAME, KEY, NEW = "miyabi/test/model-key", "sk-this-is-a-secret-and-never-shown", "sk-and-neither-is-this-one"


def keys_of(cloud: Cloud) -> Keys:
    """As an agent worker has them, without variables of this machine."""
    return Keys(partial(read_secret, reading(make_environment(cloud.aws_endpoint))), variables={})


def test_a_models_key_is_a_secret(cloud: Cloud, aws: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secrets, keys = aws("secretsmanager"), keys_of(cloud)
    secrets.create_secret(Name=NAME, SecretString=KEY)
    scenes: list[Scene] = []

    async def ask(expected: str) -> None:
        scenes.append(scene := Scene())
        async with ModelServer(key=expected) as server:
            scene.settings = AgentSettings(
                model="anthropic:some-model", model_base_url=server.url, model_key_secret=NAME
            )
            context = scene.context("persona", brief="A shop for tea")
            context._help = replace(context._help, keys=keys)
            try:
                await run_model_agent(context)
            finally:
                await close_models()
            assert server.requests[0].key == expected

    asyncio.run(ask(KEY))
    secrets.put_secret_value(SecretId=NAME, SecretString=NEW)
    with pytest.raises(Permanent, match=f"put a valid one into {NAME!r}") as refused:
        asyncio.run(ask(NEW))  # with the old key
    asyncio.run(ask(NEW))  # which was refused, so the new one is read
    seen = [record.getMessage() for record in caplog.records if record.name.startswith(("tasks", "database", "blocks"))]
    everything = f"{seen} {[(scene.steps, scene.lines) for scene in scenes]} {refused.value} {keys!r}"
    assert KEY not in everything
    assert NEW not in everything


def test_a_secret_that_is_not_there_is_named(cloud: Cloud, aws: Client) -> None:
    with pytest.raises(Permanent, match=f"{NAME!r}.*does not exist in Secrets Manager"):
        asyncio.run(keys_of(cloud).value(NAME, "GitHub's token"))
    aws("secretsmanager").create_secret(Name=NAME, SecretBinary=b"\x00")
    with pytest.raises(Permanent, match="is binary"):
        asyncio.run(keys_of(cloud).value(NAME, "GitHub's token"))
