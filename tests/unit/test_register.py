"""Whose Prefect `miyabi configure` speaks to, and whose files it reads."""

import os
from pathlib import Path

import pytest

from deployments.register import BadFiles, own_addresses, run_apply


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("http://127.0.0.1:4200/api", True),
        ("http://localhost:4200/api", True),
        ("http://127.0.0.1:4201/api", False),
        ("https://prefect.example.com/api", False),
    ],
)
def test_the_local_stack_s_own_server_is_known_by_its_address(url: str, own: bool) -> None:
    assert (url in own_addresses({"prefect": 4200})) is own


def test_a_root_without_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFiles, match=f"MIYABI_ROOT is {tmp_path}, and no prefect.yaml is there"):
        run_apply({**os.environ, "MIYABI_ROOT": str(tmp_path)}, [], print)
