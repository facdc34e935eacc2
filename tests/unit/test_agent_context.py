"""Steps of an agent: done once, recorded as JSON, and given back in the type that was promised."""

import asyncio
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel

from tasks.agents.context import AgentContext, Child, ChildRequest
from tasks.errors import Permanent, Temporary
from tests.agents import Scene, StepSeen


class Note(BaseModel):
    text: str
    id: UUID


@dataclass(frozen=True)
class Pair:
    left: int
    right: tuple[str, ...]


ID = uuid4()


async def make_note() -> Note:
    return Note(text="ab", id=ID)


def make_pair(left: int, *, right: tuple[str, ...]) -> Pair:
    return Pair(left, right)


async def fail() -> None:
    raise AssertionError("a finished step must not run again")


async def both(context: AgentContext) -> tuple[Note, Pair]:
    return await context.step("Note", make_note), await context.step("Pair", make_pair, 1, right=("a", "b"))


def test_a_second_attempt_gets_what_the_first_recorded() -> None:
    scene = Scene()
    first = asyncio.run(both(scene.context("waterspider")))
    assert [step.name for step in scene.steps.values()] == ["Note", "Pair"]
    assert scene.steps[1].output == {"text": "ab", "id": str(ID)}
    assert scene.steps[2].output == {"left": 1, "right": ["a", "b"]}

    async def again(context: AgentContext) -> tuple[Note, Pair]:
        note = await context.step("Note", make_note_never)
        return note, await context.step("Pair", make_pair_never)

    async def make_note_never() -> Note:
        raise AssertionError

    def make_pair_never() -> Pair:
        raise AssertionError

    assert asyncio.run(again(scene.context("waterspider"))) == first


def test_a_failed_step_is_done_again() -> None:
    scene, tried = Scene(), []

    async def work() -> str:
        tried.append(1)
        if len(tried) == 1:
            raise Temporary("not now")
        return "done"

    with pytest.raises(Temporary):
        asyncio.run(scene.context("waterspider").step("Work", work))
    assert (scene.steps[1].done, scene.steps[1].error) == (False, "Temporary: not now")
    assert asyncio.run(scene.context("waterspider").step("Work", work)) == "done"


def test_a_step_that_was_another_one_stops_the_attempt() -> None:
    scene = Scene(steps={1: StepSeen("Read", output=1, done=True)})
    with pytest.raises(Permanent, match="step 1 was 'Read' in an earlier attempt and is 'Write' now"):
        asyncio.run(scene.context("waterspider").step("Write", fail))


def test_a_step_has_a_key_that_is_the_same_in_each_attempt() -> None:
    scene, keys = Scene(), []

    async def run(context: AgentContext) -> None:
        async def note() -> None:
            keys.append(context.key)

        await asyncio.gather(context.step("A", note), context.step("B", note))

    asyncio.run(run(scene.context("waterspider")))
    assert keys == [f"{scene.id}:1", f"{scene.id}:2"]


def test_children_are_asked_for_once_and_waited_for() -> None:
    looks: list[int] = []

    def answer(id: UUID, request: ChildRequest) -> Child:
        looks.append(1)
        return Child(id, request.agent_type, "completed" if len(looks) > 2 else "running")

    scene = Scene(answer=answer)

    async def run(context: AgentContext) -> list[Child]:
        return await context.wait_for(await context.children([ChildRequest("issue"), ChildRequest("review")]))

    found = asyncio.run(run(scene.context("coordinator")))
    assert [child.agent_type for child in found] == ["issue", "review"]
    assert scene.slept == [0.5]
    assert len(scene.children) == 2
    asyncio.run(run(scene.context("coordinator")))
    assert len(scene.children) == 2


def test_the_deadline_is_told() -> None:
    context = Scene().context("waterspider", timeout=100)
    assert 99 < context.left <= 100
