"""What agents need to know of where they run: the environment's `agents` section under this machine's variables.

`MIYABI_AGENT_<FIELD>` overrides a field (`MIYABI_AGENT_MODEL=anthropic:…`; lists and tables as JSON). A secret is
named, never held: its value is read at the moment of use.
"""

import json
import os
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from blocks.agents import AgentSettings
from tasks.errors import Permanent

PREFIX = "MIYABI_AGENT_"
__all__ = ["AgentSettings", "agent_settings", "require_allowed"]


def agent_settings(section: AgentSettings | None = None, variables: Mapping[str, str] = os.environ) -> AgentSettings:
    """The section with `MIYABI_AGENT_*` laid over it, the workspace as a whole path under MIYABI_HOME.

    Raises Permanent with all problems.
    """
    given = {
        field: parsed(variables[PREFIX + field.upper()])
        for field in AgentSettings.model_fields
        if PREFIX + field.upper() in variables
    }
    try:
        settings = AgentSettings.model_validate({**(section or AgentSettings()).model_dump(), **given})
    except ValidationError as error:
        problems = [f"  - {PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors()]
        raise Permanent("\n".join(["the agents' settings cannot be used:", *problems])) from error
    home = Path(variables.get("MIYABI_HOME") or ".miyabi").expanduser()
    return settings.model_copy(update={"workspace": (home / settings.workspace).absolute()})


def require_allowed(settings: AgentSettings, environment: str, repository: str | None) -> None:
    """Raise Permanent, with what to do, if agents of this environment may not work on the repository.

    Whoever signs in may register any name, and agents work there with the worker's credentials.
    """
    patterns = settings.repositories if settings.repositories is not None else ("*",) if environment == "local" else ()
    if repository is None or any(fnmatchcase(repository.lower(), pattern.lower()) for pattern in patterns):
        return
    raise Permanent(
        f"agents of {environment!r} may not work on {repository!r}; they may on {', '.join(patterns) or 'none'}: name "
        "it in `agents.repositories` of the environment's file and run `miyabi configure` (or set "
        f"{PREFIX}REPOSITORIES, a JSON list, where the agent worker runs), then try this execution again"
    )


def parsed(text: str) -> Any:
    """Lists and tables are JSON; all else is the text itself."""
    if not text.startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
