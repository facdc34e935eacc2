"""Agents that ask a model, over HTTP against a server on this machine, in each of the wire formats."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from blocks.agents import AgentSettings
from database.agents import AGENTS
from database.business_models import MODELS
from database.business_research import Personas
from tasks.agents.context import AgentResult
from tasks.agents.model_agents import MODEL_RUNNERS, PROMPTS, close_models, refine, run_model_agent
from tasks.agents.runners import RUNNERS
from tasks.errors import Permanent
from tests.agents import Scene
from tests.model_server import ModelServer, Reply, call, calls, fill, hang, hang_up, refuse, say
from tests.model_wires import Call

WIRES = {"anthropic": "anthropic", "openai-chat": "chat", "openai-responses": "responses"}
KEY = "sk-this-is-a-secret-and-never-shown"


def settings(server: ModelServer, protocol: str = "anthropic", **more: Any) -> AgentSettings:
    url = server.url if protocol == "anthropic" else f"{server.url}/v1"
    return AgentSettings.model_validate({**more, "model": f"{protocol}:some-model", "model_base_url": url})


async def perform(
    server: ModelServer, scene: Scene, agent: str = "persona", *, protocol: str = "anthropic", **given: Any
) -> AgentResult:
    """One attempt, as the agent worker runs it."""
    scene.settings = settings(server, protocol, **scene.settings.model_dump(exclude_unset=True))
    try:
        return await run_model_agent(scene.context(agent, **(given or {"brief": "A shop for tea"})))
    finally:
        await close_models()


def run(
    replies: Sequence[Reply] = (), scene: Scene | None = None, **given: Any
) -> tuple[AgentResult, Scene, ModelServer]:
    async def main() -> tuple[AgentResult, Scene, ModelServer]:
        async with ModelServer(replies) as server:
            known = scene or Scene()
            return await perform(server, known, **given), known, server

    return asyncio.run(main())


def test_all_fifteen_are_registered() -> None:
    assert MODEL_RUNNERS.items() <= RUNNERS.items()
    assert MODEL_RUNNERS.keys() == MODELS.keys()


def test_each_has_a_prompt_of_its_own_and_there_are_no_others() -> None:
    prompts = {file.stem: file.read_text() for file in PROMPTS.glob("*.md")}
    assert prompts.keys() == MODELS.keys() | {"common", "refine"}
    for agent in MODELS:
        assert prompts[agent].startswith(f"You are {AGENTS[agent].name}")
        assert (AGENTS[agent].character or "") in prompts[agent]


@pytest.mark.parametrize("agent", MODELS)
def test_every_agent_is_asked_with_its_prompt_and_answers_in_its_form(agent: str) -> None:
    result, _, server = run([fill(summary="It is done.")], agent=agent, brief="A shop for tea, from Kyoto")
    assert isinstance(result.data, MODELS[agent][1])
    assert result.summary == "It is done."
    [asked] = server.requests
    assert (PROMPTS / f"{agent}.md").read_text()[:60] in str(asked.body["system"])
    assert "from Kyoto" in asked.text


@pytest.mark.parametrize(("protocol", "wire"), WIRES.items())
def test_tools_and_the_form_in_each_wire_format(protocol: str, wire: str, tmp_path: Path) -> None:
    folder = tmp_path / "hana/shop"
    folder.mkdir(parents=True)
    (folder / "7.md").write_text("# Sell more tea\n\nGreen tea is rising.")
    scene = Scene(AgentSettings(issues_directory=tmp_path))
    replies = [call("list_issues", state="open"), fill(summary="Tea it is.")]
    result, scene, server = run(replies, scene, protocol=protocol, brief="Tea")
    assert [asked.wire for asked in server.requests] == [wire, wire]
    assert "#7 Sell more tea [] Green tea is rising." in server.requests[1].text
    assert result.summary == "Tea it is."
    assert result.metrics == {
        "model": f"{protocol}:some-model", "model_requests": 2, "tool_calls": 1, "input_tokens": 200,
        "output_tokens": 40, "model_ms": result.metrics["model_ms"],
    }  # fmt: skip
    assert ("INFO", "the model lists open issues") in [line[:2] for line in scene.lines]


def test_the_model_is_told_the_issue_the_input_and_the_language(tmp_path: Path) -> None:
    (tmp_path / "7.md").write_text("# Sell more tea\nLabels: agent:persona\n\nGreen tea is rising.")
    scene = Scene(AgentSettings(issues_directory=tmp_path))
    _, scene, server = run([], scene, issue=7, product="Sencha", personas_wanted=2, language="en", currency="USD")
    text = server.requests[0].text
    for part in ("Issue #7: Sell more tea", "Green tea is rising.", "Sencha", '\\"personas_wanted\\": 2', "In English",
                 "Amounts are in USD", "hana/shop"):  # fmt: skip
        assert part in text
    assert [step.name for step in scene.steps.values()] == ["Read the issue", "Ask the model"]


def test_a_second_attempt_gets_the_answers_that_were_paid_for(tmp_path: Path) -> None:
    async def main() -> None:
        scene = Scene(AgentSettings(issues_directory=tmp_path))
        async with ModelServer([call("list_issues", state="all"), refuse(400, "no")]) as server:
            with pytest.raises(Permanent, match="refused the request"):
                await perform(server, scene)
            assert [step.done for step in scene.steps.values()] == [True, False]
            server.replies = [fill(summary="At last.")]
            result = await perform(server, scene)
        assert len(server.requests) == 3  # the first answer is not asked for again
        assert (result.summary, result.metrics["model_requests"], result.metrics["input_tokens"]) == (
            "At last.", 2, 200,
        )  # fmt: skip
        again = await perform(server, scene)  # the server is gone
        assert again.data == result.data

    asyncio.run(main())


def test_without_a_model_it_says_what_to_set() -> None:
    with pytest.raises(Permanent, match="no model is configured: set"):
        asyncio.run(run_model_agent(Scene().context("persona", brief="Tea")))


def test_without_anything_to_go_on_it_says_so() -> None:
    with pytest.raises(Permanent, match="the 'persona' agent was told nothing"):
        run([], language="en", brief="")


def test_the_answer_is_shown_as_markdown() -> None:
    persona = {"name": "Aya", "age": 34, "occupation": "Nurse", "situation": "Night shift", "goals": ["Sleep"],
               "pains": [], "objections": ["Price"], "budget": 3000, "quote": "Tea, please",
               "journey": [{"stage": "interest", "thought": "Hm", "channel": "x"}]}  # fmt: skip
    result, _, _ = run([fill(summary="One nurse.", personas=[persona], next_steps=["Call her"])])
    assert isinstance(result.data, Personas)
    assert result.artifact is not None
    for part in ("## Summary\n\nOne nurse.", "1. **Name: Aya**\n   - Age: 34", "   - Budget: 3,000",
                 "stage interest, thought Hm, channel x", "## Next steps\n\n1. Call her"):  # fmt: skip
        assert part in result.artifact
    assert "Pains" not in result.artifact


def test_the_key_is_sent_and_nowhere_to_be_seen(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEA_KEY", KEY)
    caplog.set_level(logging.DEBUG)

    async def main() -> Scene:
        scene = Scene(AgentSettings(model_key_secret="TEA_KEY"))
        async with ModelServer(key=KEY) as server:
            await perform(server, scene)
            assert server.requests[0].key == KEY
        async with ModelServer(key="another") as server:
            with pytest.raises(Permanent, match="put a valid one into 'TEA_KEY'") as caught:
                await perform(server, Scene(AgentSettings(model_key_secret="TEA_KEY")))
            assert KEY not in str(caught.value)
        return scene

    scene = asyncio.run(main())
    assert KEY not in str([record.getMessage() for record in caplog.records])
    assert KEY not in str(scene.steps) + str(scene.lines)


class Remarks(BaseModel):
    remarks: list[str]


async def second_look(replies: Sequence[Reply], scene: Scene, **more: Any) -> Remarks | None:
    async with ModelServer(replies) as server:
        scene.settings = settings(server)
        try:
            return await refine(scene.context("review"), "Look at this", Remarks, **more)
        finally:
            await close_models()


def count_words(text: str) -> int:
    """Count the words of a text."""
    return len(text.split())


def test_a_second_look_is_one_step() -> None:
    scene = Scene()
    replies = [call("count_words", text="a b c"), fill(remarks=["It leaks."])]
    assert asyncio.run(second_look(replies, scene, tools=[count_words])) == Remarks(remarks=["It leaks."])
    assert [step.name for step in scene.steps.values()] == ["Ask the model for a second look"]
    assert asyncio.run(second_look([hang_up()], scene)) == Remarks(remarks=["It leaks."])


def test_there_is_no_second_look_without_a_model() -> None:
    scene = Scene()
    assert asyncio.run(refine(scene.context("review"), "Look at this", Remarks)) is None
    assert scene.steps == {}


def test_a_second_look_that_fails_is_done_without() -> None:
    scene = Scene()
    assert asyncio.run(second_look([say("I would rather not")] * 3, scene)) is None
    [(_level, line, _)] = [entry for entry in scene.lines if entry[0] == "WARN"]
    assert line.startswith("no second look by a model: the model 'some-model' at 127.0.0.1")
    assert "words instead of the form: 'I would rather not'" in line


def test_a_second_look_takes_no_more_than_half_of_the_time() -> None:
    async def main() -> None:
        scene = Scene()
        async with ModelServer([hang()]) as server:
            scene.settings = settings(server)
            assert await refine(scene.context("review", timeout=0.4), "Look at this", Remarks) is None
        assert scene.lines[-1][:2] == ("WARN", "no second look by a model: it took too long")
        await close_models()

    asyncio.run(main())


def test_many_calls_in_one_answer_are_all_done(tmp_path: Path) -> None:
    scene = Scene(AgentSettings(issues_directory=tmp_path))
    both = calls(Call("list_issues", {}), Call("list_issues", {}))
    result, _, server = run([both, fill(summary="ok")], scene)
    assert (result.metrics["tool_calls"], len(server.requests)) == (2, 2)


def test_many_that_wait_share_one_client() -> None:
    async def main() -> None:
        async with ModelServer(delay_s=2.0) as server:
            known = settings(server)
            attempts = [run_model_agent(Scene(known).context("persona", brief="Tea")) for _ in range(60)]
            assert len(await asyncio.gather(*attempts)) == 60
            assert server.most_at_once == 60
            assert len(server.connections) <= 60
        await close_models()

    asyncio.run(main())
