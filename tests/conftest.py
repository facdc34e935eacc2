"""What the whole suite shares: one PostgreSQL and one embedded cloud a session, and a machine kept out.

moto's state is global to a process, so there can be one cloud; a test that needs it empty asks for `aws` or calls
`cloud.reset()`. Credentials and settings of the machine are dropped before anything is imported, and connections to
other machines are refused: no test can reach AWS or a paid model.
"""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.loopback import close_the_world

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadFileScheduling

    from localcloud.cloud import Cloud
    from localcloud.postgres import Postgres

OURS = ("AWS_", "PREFECT_", "MIYABI_", "DATABASE_URL", "ANTHROPIC_", "OPENAI_", "GITHUB_TOKEN")
for variable in [name for name in os.environ if name.startswith(OURS)]:
    del os.environ[variable]
close_the_world()
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"  # 0.1 s for each empty account otherwise; nobody asks for them
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--exhaustive", action="store_true", help="sweep also the crashes and faults that follow from the others"
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> "LoadFileScheduling | None":
    """A file to a worker, as `--dist loadfile` has it, but all of tests/e2e to one: those share a stack."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class OneStack(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return "tests/e2e" if nodeid.startswith("tests/e2e/") else str(super()._split_scope(nodeid))

    return OneStack(config, log)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Postgres]":
    """A running PostgreSQL: installed, else the wheel's."""
    from localcloud.postgres import Postgres

    server = Postgres(tmp_path_factory.mktemp("postgres"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory, postgres: "Postgres") -> "Iterator[Cloud]":
    """An embedded cloud in this process, on free ports, with a real PostgreSQL behind RDS."""
    from localcloud.cloud import Cloud, Timings

    cloud = Cloud(
        tmp_path_factory.mktemp("cloud"), postgres=postgres, timings=Timings(database=0.1, function=0.1, edge=0.1)
    )
    cloud.start()
    yield cloud
    cloud.stop()
