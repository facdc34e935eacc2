"""Wrong usage, as a shell sees it: the exit code, and what is said. Nothing runs here; a clone has the broken files."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from localcloud.state import Identity, ServiceState, State

ROOT = Path(__file__).parents[2]
CODE = ("api", "blocks", "database", "deployments", "flows", "localcloud", "tasks", "migrations", "prefect.yaml")


class Shell:
    """`miyabi` of a copy of the repository, with an empty state folder."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "repository"
        self.root.mkdir()
        for name in CODE:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
            copy(ROOT / name, self.root / name)
        self.environments = self.root / "deployments" / "environments"
        self.state = folder / "state"
        self.variables = {**os.environ, "PYTHONPATH": str(self.root), "MIYABI_HOME": str(self.state)}

    def miyabi(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "deployments.cli", *arguments],
            cwd=self.root,
            env={**self.variables, **variables},
            capture_output=True,
            text=True,
        )


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_broken_environments_are_all_named_and_none_is_saved(shell: Shell) -> None:
    production = shell.environments / "production.toml"
    production.write_text(production.read_text().replace("memory_mb = 512", "memory_mb = 1\nmemmory = 512"))
    (shell.environments / "staging.toml").write_text("x = [")
    ended = shell.miyabi("configure", PREFECT_API_URL="http://127.0.0.1:1/api")
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[0] == "nothing was saved:"
    for said in ("function.memory_mb", "function.memmory", "staging.toml: Invalid value"):
        assert said in ended.stderr


def test_without_prefect_there_is_nothing_to_save_to(shell: Shell) -> None:
    ended = shell.miyabi("configure", PREFECT_API_URL="http://127.0.0.1:1/api")
    assert ended.returncode == 1
    assert ended.stderr == "Prefect does not answer at http://127.0.0.1:1/api: All connection attempts failed\n"
    ended = shell.miyabi("configure")
    assert ended.returncode == 2
    assert "start it with `miyabi up`" in ended.stderr


def test_status_is_1_when_nothing_runs(shell: Shell) -> None:
    ended = shell.miyabi("status")
    assert (ended.returncode, ended.stdout.splitlines()[0]) == (1, "nothing runs; start it with `miyabi up`")
    ended = shell.miyabi("status", "--json")
    assert (ended.returncode, json.loads(ended.stdout)["services"]) == (1, {})


def test_status_is_1_when_a_service_is_not_well(shell: Shell) -> None:
    this = psutil.Process()
    alive = Identity(this.pid, this.create_time())
    well, ill = ServiceState("ready", alive), ServiceState("unhealthy", alive)
    shell.state.mkdir()
    State(supervisor=alive, services={"postgres": well, "prefect": ill}).save(shell.state)
    ended = shell.miyabi("status")
    assert (ended.returncode, ended.stdout.splitlines()[:2]) == (1, ["  ✓ postgres", "  ✗ prefect"])
    ended = shell.miyabi("status", "--json")
    assert (ended.returncode, json.loads(ended.stdout)["services"]) == (1, {"postgres": True, "prefect": False})
    State(supervisor=alive, services={"postgres": well}).save(shell.state)
    assert shell.miyabi("status").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--directory", "no/such"], "no/such': name the one that holds the migrations"),
        (["--target-version", "7"], "migration 7 is not present in the migration source"),
        (["--target-version", "next"], "'next' is not a valid integer"),
    ],
)
@pytest.mark.parametrize("variables", [{}, {"DATABASE_URL": "postgresql://127.0.0.1:1/x"}], ids=["local", "url"])
def test_migrate_knows_wrong_usage_before_it_starts(
    shell: Shell, arguments: list[str], said: str, variables: dict[str, str]
) -> None:
    ended = shell.miyabi("migrate", *arguments, **variables)
    assert ended.returncode == 2
    assert said in (ended.stdout + ended.stderr).splitlines()[-1]
