"""What a workflow is made of: nodes, each the work of one agent, and what waits for what. Checked before it is stored,
all problems at once, and again before it runs: rows may come from other backends.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator

from database.agent_models import Priority
from database.agents import AGENTS, find

MOST_NODES = 200
LARGEST = 200 * 1024
"""Bytes as compact JSON: a run's input holds it."""
COORDINATOR = "coordinator"


def agent_id(name: str) -> str:
    agent = find(name)
    if agent is None:
        raise ValueError(f"no such agent; there are {', '.join(AGENTS)}")
    if agent.id == COORDINATOR:
        raise ValueError("a workflow is run by a coordinator, which starts no other")
    return agent.id


NodeId = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[\w.-]+$")]


class Node(BaseModel):
    """`depends_on` are ids of other nodes. What an agent is told in words is `name` and `description`, unless `input`
    says it. An agent that works on an issue takes the node's, else that of the run."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: NodeId
    agent_type: Annotated[
        str, Field(max_length=100, validation_alias=AliasChoices("agent_type", "agent")), AfterValidator(agent_id)
    ]
    name: str | None = Field(None, max_length=255)
    description: str = Field("", max_length=10_000)
    depends_on: list[NodeId] = Field([], max_length=MOST_NODES)
    priority: Priority | None = None
    issue_number: int | None = Field(None, ge=1, le=2**31 - 1)
    input: dict[str, Any] = {}

    @property
    def title(self) -> str:
        return self.name or self.id

    def asked(self) -> dict[str, Any]:
        """What its agent is asked."""
        fields = AGENTS[self.agent_type].input.model_fields
        named = next((name for name in ("instructions", "brief") if name in fields), None)
        words = f"{self.title}\n\n{self.description}".strip()
        return ({named: words} if named else {}) | self.input


class Edge(BaseModel):
    """Another way to write `depends_on`: `to` waits for `from`."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    source: NodeId = Field(alias="from")
    target: NodeId = Field(alias="to")


class Dag(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [{
        "nodes": [
            {"id": "research", "agent_type": "market-research", "name": "Look at the market"},
            {"id": "concept", "agent_type": "product-concept", "depends_on": ["research"], "name": "Find the concept"},
        ],
    }]})  # fmt: skip

    nodes: list[Node] = Field(min_length=1, max_length=MOST_NODES)
    edges: list[Edge] = Field([], max_length=10 * MOST_NODES)
    max_parallel: int = Field(5, ge=1, le=5)

    @model_validator(mode="after")
    def holds_together(self) -> "Dag":
        if problems := list(problems_of(self)):
            raise ValueError("; ".join(problems))
        return self

    def waits_for(self) -> dict[str, list[str]]:
        """What each node waits for, by id, however it was written."""
        waits = {node.id: list(node.depends_on) for node in self.nodes}
        for edge in self.edges:
            waits.setdefault(edge.target, []).append(edge.source)
        return {id: sorted(set(others)) for id, others in waits.items()}


def problems_of(dag: Dag) -> Iterator[str]:
    ids, waits = [node.id for node in dag.nodes], dag.waits_for()
    doubles = sorted({id for id in ids if ids.count(id) > 1})
    unknown = sorted({other for others in [list(waits), *waits.values()] for other in others} - set(ids))
    yield from (f"two nodes have the id {id!r}" for id in doubles)
    yield from (f"{id!r} is no node" for id in unknown)
    if not doubles and not unknown and (circle := circle_in(waits)):
        yield f"these wait for each other in a circle: {' -> '.join(circle)}"
    for node in dag.nodes:
        yield from problems_of_input(node)
    size = len(json.dumps(dag.model_dump(mode="json"), ensure_ascii=False, separators=(",", ":")).encode())
    if size > LARGEST:
        yield f"it has {size} bytes as JSON, and {LARGEST} at most can be run"


def problems_of_input(node: Node) -> Iterator[str]:
    try:
        AGENTS[node.agent_type].check(node.asked())
    except ValidationError as error:
        for e in error.errors():
            yield f"node {node.id!r}: input.{'.'.join(map(str, e['loc']))}: {e['msg']}"


def circle_in(waits: Mapping[str, Sequence[str]]) -> list[str]:
    """Nodes that wait for each other, the first of them at both ends; empty if there are none."""
    left = dict(waits)
    while free := [id for id, others in left.items() if not set(others) & left.keys()]:
        for id in free:
            del left[id]
    path: list[str] = [next(iter(left))] if left else []
    while path and path[-1] not in path[:-1]:
        path.append(next(other for other in left[path[-1]] if other in left))
    return path[path.index(path[-1]) :] if path else []


def lacking(dag: Dag, issue_number: int | None) -> list[str]:
    """Nodes whose agent has no issue to work on, each in words."""
    found = (
        (node, AGENTS[node.agent_type].lacks(node.issue_number or issue_number, node.asked())) for node in dag.nodes
    )
    return [f"node {node.id!r}: {reason}" for node, reason in found if reason]


def planned(dag: Dag) -> list[dict[str, Any]]:
    """The nodes as tasks of a coordinator's plan (tasks/agents/coordinator_plan.py), in their order."""
    waits = dag.waits_for()
    return [
        {
            "id": node.id, "title": node.title, "description": node.description, "agent": node.agent_type,
            "priority": node.priority, "depends_on": waits[node.id], "issue_number": node.issue_number,
            "input": node.asked(),
        }
        for node in dag.nodes
    ]  # fmt: skip
