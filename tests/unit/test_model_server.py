"""The fake model speaks as real servers do: the companies' own clients understand it. Nothing goes elsewhere."""

import asyncio
import socket
from collections.abc import Iterator

import pytest
from anthropic import APIStatusError, AsyncAnthropic
from openai import AsyncOpenAI, AuthenticationError
from pydantic import BaseModel, Field

from tests.loopback import Closed, is_here
from tests.model_forms import least
from tests.model_server import ModelServer, call, fill, refuse, say

TOOL = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}


class Fruit(BaseModel):
    name: str = Field(min_length=3)
    seeds: int = Field(ge=2)
    parts: list[str] = Field(min_length=1)
    colour: str | None


def test_the_least_that_a_form_allows_fits_it() -> None:
    assert Fruit.model_validate(least(Fruit.model_json_schema())) == Fruit(name="xxx", seeds=2, parts=[""], colour="")


def test_anthropics_client_understands_it() -> None:
    async def ask() -> None:
        replies = [call("read_file", path="a.md"), say("done"), refuse(529, "Overloaded")]
        async with (
            ModelServer(replies, key="k") as server,
            AsyncAnthropic(api_key="k", base_url=server.url, max_retries=0) as client,
        ):
            tool = {"name": "read_file", "input_schema": TOOL}
            first = await client.messages.create(
                model="claude-x", max_tokens=9, messages=[{"role": "user", "content": "hi"}], tools=[tool]
            )
            assert (first.stop_reason, first.content[0].type) == ("tool_use", "tool_use")
            assert first.content[0].input == {"path": "a.md"}
            second = await client.messages.create(
                model="claude-x", max_tokens=9, messages=[{"role": "user", "content": "hi"}]
            )
            assert (second.stop_reason, second.content[0].text, second.usage.input_tokens) == ("end_turn", "done", 100)
            with pytest.raises(APIStatusError) as caught:
                await client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
            assert (caught.value.status_code, caught.value.body["error"]["type"]) == (529, "overloaded_error")

    asyncio.run(ask())


def test_openais_client_understands_both_of_its_formats() -> None:
    async def ask() -> None:
        schema = {"name": "fruit", "schema": Fruit.model_json_schema()}
        async with (
            ModelServer([fill(name="apple")] * 2, key="k") as server,
            AsyncOpenAI(api_key="k", base_url=f"{server.url}/v1", max_retries=0) as client,
        ):
            chat = await client.chat.completions.create(
                model="m",
                messages=[{"role": "user", "content": "hi"}],
                response_format={"type": "json_schema", "json_schema": schema},
            )
            assert Fruit.model_validate_json(chat.choices[0].message.content or "").name == "apple"
            response = await client.responses.create(
                model="m", input="hi", text={"format": {"type": "json_schema", **schema}}
            )
            assert Fruit.model_validate_json(response.output_text).name == "apple"
            with pytest.raises(AuthenticationError):
                await client.with_options(api_key="wrong").responses.create(model="m", input="hi")

    asyncio.run(ask())


@pytest.fixture
def stranger() -> Iterator[socket.socket]:
    with socket.socket() as endpoint:
        endpoint.settimeout(0.1)
        yield endpoint


def test_no_test_connects_to_another_machine(stranger: socket.socket) -> None:
    with pytest.raises(Closed, match="192"):
        stranger.connect(("192.0.2.1", 443))  # an address kept for documentation


def test_what_is_here() -> None:
    here = [("127.0.0.1", 1), ("::1", 1, 0, 0), "/tmp/socket", ("localhost", 1)]
    assert [is_here(address) for address in here] == [True] * 4
    assert [is_here(address) for address in [("10.0.0.1", 1), ("api.anthropic.com", 443)]] == [False] * 2
