"""A Rust backend, for real: built by cargo, checked, deployed, smoke-tested, and answering through the API."""

import pytest

from localcloud.cloud import Cloud
from tests.release.conftest import FIXTURES
from tests.release.scene import FUNCTION, Scene
from tests.release.zygote import Zygote
from tests.tools import needs_cargo

SOURCE = "rust:tests/fixtures/rust-lambda"
GREETING = "こんにちは"

pytestmark = needs_cargo


@pytest.fixture(scope="module")
def scene(cloud: Cloud, zygote: Zygote) -> Scene:
    """An empty account."""
    cloud.reset()
    return Scene(cloud, zygote)


def test_without_its_variable_it_is_refused_by_the_line_that_reads_it(scene: Scene) -> None:
    ended = scene.run(source=SOURCE)
    assert ended.code == 1
    assert scene.writes == []
    for text in (
        f"requires the variable 'GREETING' (rust-lambda/src/main.rs:{line_of('GREETING')})",
        "add it to `variables` or `plain_secrets` of the environment's function",
    ):
        assert text in ended.error
        assert text in scene.last_state()[1]


def line_of(text: str) -> int:
    lines = (FIXTURES / "rust-lambda" / "src" / "main.rs").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_with_it_the_program_serves(scene: Scene) -> None:
    with scene.configured(function={"variables": {"GREETING": GREETING}}):
        ended = scene.run(source=SOURCE)
        assert ended.code == 0, ended.error
        assert scene.health().json() == {"status": "ok", "greeting": GREETING}
        function = scene.aws("lambda").get_function_configuration(FunctionName=FUNCTION, Qualifier="live")
        assert (function["Runtime"], function["Handler"]) == ("provided.al2023", "bootstrap")
        assert scene.run(source=SOURCE).code == 0
        assert set(scene.writes) == {"lambda.Invoke"}
    assert scene.versions() == ["1"]
