"""A model's server that does not answer as it should, over HTTP: who has to act, and whether it is asked again."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import BaseModel, Field

from blocks.agents import AgentSettings
from tasks.agents.keys import Keys
from tasks.agents.model_choice import Server, server
from tasks.agents.model_failures import Misfit
from tasks.agents.model_provider import LONGEST, close
from tasks.agents.model_talk import Patience, Said, talk
from tasks.errors import MiyabiError, Permanent, Temporary
from tests.agents import Scene
from tests.model_server import ModelServer, Reply, call, calls, fill, flood, hang, hang_up, raw, refuse, say
from tests.model_wires import Call, Turn

PROTOCOLS = ("anthropic", "openai-chat", "openai-responses")
KEY = "sk-this-is-a-secret-and-never-shown"


class Tea(BaseModel):
    name: str = Field(min_length=3)
    grams: int = Field(ge=1, le=100)


@dataclass
class Talk:
    """One talk, and what came of it."""

    replies: Sequence[Reply]
    protocol: str = "anthropic"
    limits: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""
    expected_key: str = ""
    timeout: float = 60.0
    scene: Scene = field(default_factory=Scene)
    requests: int = 0

    def run(self) -> Said[Tea]:
        async def main() -> Said[Tea]:
            async with ModelServer(self.replies, key=self.expected_key) as listening:
                try:
                    return await self.ask(listening)
                finally:
                    self.requests = len(listening.requests)
                    await close()

        return asyncio.run(main())

    async def ask(self, listening: ModelServer) -> Said[Tea]:
        url = listening.url if self.protocol == "anthropic" else f"{listening.url}/v1"
        self.scene.settings = AgentSettings.model_validate({"model_limits": dict(self.limits)})
        return await talk(
            self.scene.context("persona", timeout=self.timeout),
            Server(self.protocol, "some-model", url, "TEA_KEY" if self.key else None, self.key),
            Tea,
            instructions="You sell tea.",
            prompt="Which one?",
            patience=Patience(sleep=self.scene.sleep, chance=lambda: 0.0),
        )

    def fails(self, kind: type[MiyabiError], *parts: str) -> str:
        with pytest.raises(MiyabiError) as caught:
            self.run()
        message = str(caught.value)
        assert type(caught.value).__mro__.index(kind) <= 1
        for part in parts:
            assert part in message
        assert len(message) < 800
        return message


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("reply", "kind", "parts"),
    [
        (refuse(401, "no such key"), Permanent, ["refused the key (HTTP 401)", "`agents.model_key_secret`"]),
        (refuse(403, "no"), Permanent, ["refused the key (HTTP 403)"]),
        (refuse(404, "model: some-model"), Permanent, ["has no 'some-model'", "check `agents.model`"]),
        (refuse(400, "tools: too many"), Permanent, ["refused the request (HTTP 400): tools: too many"]),
        (refuse(413, "too large"), Permanent, ["too long for it: too large", "Shorten the input"]),
        (refuse(418, "a teapot"), Permanent, ["refused the request (HTTP 418): a teapot"]),
        (raw(b"", status=302, location="http://192.0.2.1/"), Permanent, ["does not speak"]),
        (hang(), Temporary, ["did not answer within 0.3 s"]),
        (raw(b"<html>Welcome</html>", content_type="text/html"), Permanent, ["does not speak"]),
        (raw(b'{"id": "msg_1", "con'), Permanent, ["does not speak", "JSON"]),
        (raw(b""), Permanent, ["does not speak"]),
        (raw(b"{}"), Permanent, ["does not speak"]),
        (raw(b"null"), Permanent, ["does not speak"]),
        (raw(b"[1, 2]"), Permanent, ["does not speak"]),
        (raw(b"\xff\xfe\x00\x01"), Permanent, ["does not speak"]),
        (refuse(429, "slow down"), Temporary, ["cannot be asked now (HTTP 429): slow down"]),
        (refuse(500, "oops"), Temporary, ["cannot be asked now (HTTP 500): oops"]),
        (refuse(529, "Overloaded"), Temporary, ["cannot be asked now (HTTP 529): Overloaded"]),
        (raw(b"<html>Bad Gateway</html>", status=502), Temporary, ["(HTTP 502)", "Bad Gateway"]),
        (refuse(408, "request timeout"), Temporary, ["(HTTP 408)"]),
        (hang_up(), Temporary, ["cannot be asked now: Connection error."]),
    ],
)  # fmt: skip
def test_what_a_server_may_do_instead_of_answering(
    protocol: str, reply: Reply, kind: type[MiyabiError], parts: list[str]
) -> None:
    talk = Talk([reply], protocol, {"answer_s": 0.3, "tries": 1})
    talk.fails(kind, "'some-model' at 127.0.0.1:", *parts)
    [step] = talk.scene.steps.values()
    assert not step.done  # whoever tries again asks again


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_too_long_an_input(protocol: str) -> None:
    said = {"anthropic": "prompt is too long: 210000 tokens > 200000 maximum"}
    reply = refuse(400, said.get(protocol, "This model's maximum context length is 8192 tokens."))
    Talk([reply], protocol).fails(Permanent, "too long for it", "Shorten the input, or configure a model that reads")


def test_an_account_without_credit() -> None:
    body = b'{"error": {"message": "You exceeded your quota", "code": "insufficient_quota", "type": "x"}}'
    talk = Talk([raw(body, status=429)], "openai-chat")
    talk.fails(Permanent, "no credit left", "You exceeded your quota. Top it up.")
    assert talk.requests == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_key_is_in_no_message(protocol: str) -> None:
    refused = Talk([], protocol, key=KEY, expected_key="another")
    assert KEY not in refused.fails(Permanent, "put a valid one into 'TEA_KEY'")
    repeated = Talk([refuse(400, f"bad header {KEY}")], protocol, key=KEY)
    assert KEY not in repeated.fails(Permanent, "bad header ***")
    assert KEY not in repr(Server(protocol, "m", "http://x", "TEA_KEY", KEY))
    assert KEY not in str([talk.scene.steps for talk in (refused, repeated)])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_busy_server_is_asked_again_when_it_says(protocol: str) -> None:
    replies = [refuse(429, "slow down", retry_after="7"), refuse(529, "Overloaded"), hang_up(), fill(name="Sencha")]
    talk = Talk(replies, protocol)
    said = talk.run()
    assert said.form == Tea(name="Sencha", grams=1)
    assert talk.scene.slept == [7.0, 2.0, 4.0]
    assert (talk.requests, len(talk.scene.steps)) == (3 + 1, 1)
    assert next(line for level, line, _ in talk.scene.lines if level == "WARN").endswith("asking again in 7.0 s")


def test_a_server_that_stays_busy_is_left_to_a_later_attempt() -> None:
    talk = Talk([refuse(503, "later")] * 9)
    talk.fails(Temporary, "(HTTP 503): later")
    assert (talk.requests, talk.scene.slept) == (4, [1.0, 2.0, 4.0])


@pytest.mark.parametrize(("retry_after", "timeout"), [("3600", 60.0), ("50", 10.0)])
def test_a_pause_that_is_too_long_is_left_to_a_later_attempt(retry_after: str, timeout: float) -> None:
    talk = Talk([refuse(429, "slow down", retry_after=retry_after)], timeout=timeout)
    with pytest.raises(Temporary, match="HTTP 429") as failure:
        talk.run()
    assert failure.value.after_s == float(retry_after)
    assert talk.scene.slept == []


def test_a_server_that_does_not_answer_is_not_asked_again() -> None:
    """The next attempt does; four times the wait in this one would help nobody."""
    talk = Talk([hang()] * 2, limits={"answer_s": 0.2})
    talk.fails(Temporary, "did not answer within")
    assert talk.requests == 1


def test_the_executions_own_time_ends_a_wait() -> None:
    Talk([hang()], timeout=0.2).fails(Temporary, "did not answer within")


def test_an_answer_without_end_does_not_fill_the_memory() -> None:
    talk = Talk([flood()], limits={"tries": 1})
    talk.fails(Temporary, f"the answer is longer than {LONGEST // 2**20} MiB")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_answer_that_does_not_fit_is_sent_back_with_the_reason(protocol: str) -> None:
    replies = [say("Sencha, I think"), fill(name="S", grams=500), fill(name="Sencha")]
    talk = Talk(replies, protocol)
    assert talk.run().form.name == "Sencha"
    assert talk.requests == 3
    assert [step.done for step in talk.scene.steps.values()] == [True] * 3


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("reply", "part"),
    [
        (say("Tea is nice."), "words instead of the form: 'Tea is nice.'"),
        (fill(name="S", grams=500), "name: String should have at least 3 characters; grams: Input should be less"),
        (calls(Call("final_result", "{}")), "name: Field required; grams: Field required"),
    ],
)
def test_a_model_that_never_gets_it_right(protocol: str, reply: Reply, part: str) -> None:
    talk = Talk([reply] * 9, protocol)
    talk.fails(Misfit, "did not answer as asked, 3 times; the last time:", part)
    assert talk.requests == 3
    assert [step.done for step in talk.scene.steps.values()] == [True, True, False]


def test_arguments_that_are_no_json_are_sent_back() -> None:
    broken = calls(Call("final_result", '{"name": "Sen'))
    talk = Talk([broken, fill(name="Sencha")], "openai-chat")
    assert talk.run().form.name == "Sencha"
    Talk([broken] * 3, "openai-chat").fails(Misfit, "Invalid JSON")


def test_whoever_asks_again_after_a_misfit_gets_a_new_answer() -> None:
    talk = Talk([say("no")] * 3)
    talk.fails(Misfit)
    talk.replies = [fill(name="Sencha")]
    assert talk.run().form.name == "Sencha"
    assert talk.requests == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_answer_that_is_cut_off(protocol: str) -> None:
    cut = Reply(Turn((Call("final_result", '{"name": "Sen'),), stop="length"))
    talk = Talk([cut], protocol, {"answer_tokens": 100})
    talk.fails(Misfit, "was cut off at 100 tokens", "MIYABI_AGENT_MODEL_LIMITS")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_long_answer_may_be_asked_for(protocol: str) -> None:
    assert Talk([fill(name="Sencha")], protocol, {"answer_tokens": 128_000}).run().form.name == "Sencha"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_model_that_calls_tools_for_ever(protocol: str) -> None:
    talk = Talk([call("brew", leaves=1)] * 50, protocol, {"requests": 4})
    talk.fails(Permanent, "did not come to an answer within the limits", "request_limit of 4", "`agents.model_limits`")
    assert talk.requests == 4


def test_a_model_that_reads_too_much() -> None:
    greedy = Reply(Turn(form={"name": "Sencha"}, input_tokens=900_000))
    Talk([greedy]).fails(Permanent, "within the limits", "total_tokens_limit of 400000")


def test_letters_that_no_database_takes() -> None:
    body = calls(Call("final_result", '{"name": "Sen\\u0000cha", "grams": 1}'))
    assert Talk([body], "openai-chat").run().form.name == "Sen\0cha"  # database/documents.py cleans what is kept


@pytest.mark.parametrize(
    ("given", "variables", "part"),
    [
        ({}, {}, "no model is configured: set `agents.model`"),
        ({"model": "gemini:pro"}, {}, "begin it with anthropic:, openai:, openai-chat:, openai-responses:"),
        ({"model": "anthropic:x"}, {}, "set the variable 'ANTHROPIC_API_KEY' where the agent worker runs"),
        ({"model": "openai:x"}, {"ANTHROPIC_API_KEY": "k"}, "'OPENAI_API_KEY'"),
        ({"model": "openai:x", "model_key_secret": "MINE"}, {"OPENAI_API_KEY": "k", "MINE": " "}, "'MINE'"),
    ],
)
def test_what_is_missing_is_named(given: dict[str, Any], variables: dict[str, str], part: str) -> None:
    with pytest.raises(Permanent) as caught:
        asyncio.run(server(AgentSettings(**given), Keys(variables=variables)))
    assert part in str(caught.value)


def test_a_companys_key_goes_to_its_own_server_alone() -> None:
    keys = Keys(variables={"OPENAI_API_KEY": "theirs", "MINE": "mine"})

    def chosen(**given: Any) -> Server:
        return asyncio.run(server(AgentSettings(**given), keys))

    url = "http://127.0.0.1:1/v1"
    own = chosen(model="openai:x", model_base_url=url)
    assert (own.key, own.url) == ("", url)
    assert chosen(model="openai:x", model_base_url=url, model_key_secret="MINE").key == "mine"
    assert chosen(model="openai:x").url == "https://api.openai.com/v1"
