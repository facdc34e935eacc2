"""The files of deployments/environments: where they are, what they say. Imports nothing of Prefect or AWS."""

import os
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(os.environ.get("MIYABI_ROOT") or Path(__file__).resolve().parents[1])
"""The repository whose files are meant; a worker finds its flows there."""
FOLDER = ROOT / "deployments" / "environments"


class BadEnvironment(Exception):
    """An environment file that cannot be used; the message lists every problem."""


def environment_names(folder: Path = FOLDER) -> list[str]:
    """The environments that have a file."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def read_file(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """What an environment's file says, as it stands there. Raises BadEnvironment."""
    path = folder / f"{name}.toml"
    if not path.is_file():
        raise BadEnvironment(f"there is no environment {name!r}; known: {', '.join(environment_names(folder))}")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadEnvironment(f"{path.name}: {error}") from error
