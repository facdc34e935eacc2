"""A stack that the files of one group share: bringing one up takes half a minute of both cores."""

from collections.abc import Iterator

import pytest

from tests.e2e.test_make_release import BIN, Machine


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A newcomer's stack, on which nothing is released yet. Its agents find clones in `<home>/../repositories`."""
    folder = tmp_path_factory.mktemp("shared")
    machine = Machine(folder / "home")
    machine.environment["MIYABI_AGENT_CLONE_URL"] = f"{folder}/repositories/{{repository}}"
    machine.environment["MIYABI_AGENT_COMMAND"] = '["sh", "-c", "echo working on {issue}; sleep 60"]'
    machine.run(BIN / "miyabi", "up")
    yield machine
    machine.run(BIN / "miyabi", "down")
