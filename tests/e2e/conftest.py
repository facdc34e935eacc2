"""One stack for all files here: to start one takes half a minute of two cores.

test_make_release.py starts it as a newcomer does, test_people.py works with it, and test_secrets.py, the last, looks
through all that came of it. Each works alone, too. `pytest_xdist_make_scheduler` (tests/conftest.py) keeps them on one
worker.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.machine import Machine


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Its agents find a repository hana/shop, and programs that take a minute."""
    machine = Machine(tmp_path_factory.mktemp("home"))
    shop = tmp_path_factory.mktemp("repositories") / "hana" / "shop"
    make_repository(shop)
    machine.environment["MIYABI_AGENT_CLONE_URL"] = f"{shop.parents[1]}/{{repository}}"
    machine.environment["MIYABI_AGENT_COMMAND"] = '["sh", "-c", "echo working on {issue}; sleep 60"]'
    machine.begin()
    yield machine
    machine.end()


def make_repository(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("# Shop\n")
    git = ["git", "-C", str(folder), "-c", "user.name=hana", "-c", "user.email=hana@example.com"]
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "Begin"]):
        subprocess.run([*git, *command], check=True)
