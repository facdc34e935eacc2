"""Where agents find what they work with."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from tasks.agents.settings import AgentSettings, agent_settings, require_allowed
from tasks.errors import Permanent


def test_a_machine_overrides_its_environment() -> None:
    section = AgentSettings(model="anthropic:a", lease_s=20)
    variables = {
        "MIYABI_AGENT_MODEL": "openai:b",
        "MIYABI_AGENT_COMMAND": '["echo", "{agent}"]',
        "MIYABI_AGENT_LIMITS": '{"at_once": 3}',
        "MIYABI_HOME": "/elsewhere",
    }
    found = agent_settings(section, variables)
    assert (found.model, found.command, found.limits.at_once, found.lease_s) == ("openai:b", ("echo", "{agent}"), 3, 20)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(Permanent) as caught:
        agent_settings(None, {"MIYABI_AGENT_MODEL": "no colon", "MIYABI_AGENT_LEASE_S": "soon"})
    assert "MIYABI_AGENT_MODEL" in str(caught.value)
    assert "MIYABI_AGENT_LEASE_S" in str(caught.value)


@pytest.mark.parametrize(
    ("patterns", "environment", "allowed"),
    [
        (None, "local", True),
        (None, "staging", False),
        ((), "local", False),
        (("*",), "production", True),
        (("Hana/*",), "production", True),
        (("hana/shop",), "production", True),
        (("hana/sho?", "kenji/*"), "production", True),
        (("kenji/*", "*/garden"), "production", False),
        (("hana/*-private",), "production", False),
    ],
)
def test_where_agents_may_work(patterns: tuple[str, ...] | None, environment: str, allowed: bool) -> None:
    settings = AgentSettings(repositories=patterns)
    require_allowed(settings, environment, None)
    if allowed:
        require_allowed(settings, environment, "hana/Shop")
    else:
        with pytest.raises(Permanent, match=r"may not work on 'hana/Shop'; they may on .*`agents.repositories`"):
            require_allowed(settings, environment, "hana/Shop")


@pytest.mark.parametrize("pattern", ["hana", "hana/", "/shop", "hana/shop/x", "hana /shop", ""])
def test_what_can_be_no_repository_is_refused(pattern: str) -> None:
    with pytest.raises(ValidationError):
        AgentSettings(repositories=(pattern,))


def test_the_workspace_is_a_whole_path_under_miyabi_home() -> None:
    home = {"MIYABI_HOME": "/srv/miyabi"}
    assert agent_settings(variables=home).workspace == Path("/srv/miyabi/agents")
    assert agent_settings(AgentSettings(workspace=Path("/var/clones")), home).workspace == Path("/var/clones")
    assert agent_settings(variables={}).workspace == Path(".miyabi/agents").absolute()
