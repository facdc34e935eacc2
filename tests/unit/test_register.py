"""Whose Prefect `miyabi configure` speaks to."""

import pytest

from deployments.register import own_addresses


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
