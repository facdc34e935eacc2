"""Which tool builds a Rust backend: the plain one where it can, one that aims elsewhere where it must."""

from dataclasses import replace

import pytest

from tasks.bundling.cargo import built_file, choose_tool
from tasks.bundling.platforms import Platform, lambda_platform
from tasks.errors import Permanent

AL2, AL2023 = lambda_platform("provided.al2", "x86_64"), lambda_platform("provided.al2023", "x86_64")
ARM = lambda_platform("provided.al2023", "arm64")
DEBIAN = replace(AL2023, name="this machine", glibc=(2, 36))
OLD = replace(AL2023, name="this machine", glibc=(2, 31))
MAC = replace(ARM, name="this machine", system="darwin", glibc=None)


@pytest.mark.parametrize(
    ("platform", "host", "tools", "chosen", "target"),
    [
        (DEBIAN, DEBIAN, {"cargo", "cargo-lambda"}, "cargo build", None),
        (AL2023, OLD, {"cargo", "cargo-zigbuild"}, "cargo build", None),
        (AL2023, DEBIAN, {"cargo"}, "cargo build", None),
        (AL2, DEBIAN, {"cargo", "cargo-zigbuild"}, "cargo zigbuild", "x86_64-unknown-linux-gnu.2.26"),
        (
            AL2,
            DEBIAN,
            {"cargo", "cargo-zigbuild", "cargo-lambda"},
            "cargo lambda build",
            "x86_64-unknown-linux-gnu.2.26",
        ),
        (ARM, DEBIAN, {"cargo", "cargo-zigbuild"}, "cargo zigbuild", "aarch64-unknown-linux-gnu.2.34"),
        (AL2023, MAC, {"cargo", "cargo-lambda"}, "cargo lambda build", "x86_64-unknown-linux-gnu.2.34"),
        (MAC, MAC, {"cargo"}, "cargo build", None),
    ],
)
def test_the_tool_follows_from_here_and_there(
    platform: Platform, host: Platform, tools: set[str], chosen: str, target: str | None
) -> None:
    tool = choose_tool(platform, host, lambda name: name if name in tools else None)
    assert (tool.name, tool.target) == (chosen, target)
    assert tool.why


@pytest.mark.parametrize(
    ("platform", "host", "tools", "said"),
    [
        (AL2023, DEBIAN, set(), "install it with rustup, or build elsewhere and use zip:FILE"),
        (ARM, DEBIAN, {"cargo"}, "this machine is x86_64, not arm64"),
        (AL2023, MAC, {"cargo"}, "this machine is darwin, not linux"),
    ],
)
def test_without_the_tool_it_says_what_to_install(
    platform: Platform, host: Platform, tools: set[str], said: str
) -> None:
    with pytest.raises(Permanent, match=said):
        choose_tool(platform, host, lambda name: name if name in tools else None)


def test_the_program_is_where_cargos_messages_say() -> None:
    message = '{"reason":"compiler-artifact","target":{"name":"api"},"executable":"/x/api"}'
    library = '{"reason":"compiler-artifact","target":{"name":"api"},"executable":null}'
    assert str(built_file([library, message, '{"reason":"build-finished"}'], "api")) == "/x/api"
    with pytest.raises(Permanent, match=r"is it a \[\[bin\]\]"):
        built_file([library], "api")
