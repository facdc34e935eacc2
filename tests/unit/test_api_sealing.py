"""GitHub's tokens as they are kept."""

import pytest

from api.sealing import seal, unseal

SECRET = "a key for the tests, and long enough for HS256"


def test_a_token_is_read_back_and_not_seen() -> None:
    kept = seal(SECRET, "gho_hush", 42)
    assert "hush" not in kept
    assert kept != seal(SECRET, "gho_hush", 42), "a nonce was used twice"
    assert unseal(SECRET, kept, 42) == "gho_hush"


@pytest.mark.parametrize(("secret", "github_id"), [(SECRET + "x", 42), (SECRET, 43)])
def test_another_key_or_another_account_opens_nothing(secret: str, github_id: int) -> None:
    assert unseal(secret, seal(SECRET, "gho_hush", 42), github_id) is None


def test_what_was_changed_opens_nothing() -> None:
    kept = seal(SECRET, "gho_hush", 42)
    for changed in (kept[:-4] + "AAAA", kept[:20], "sealed.v1.", "sealed.v1.é"):
        assert unseal(SECRET, changed, 42) is None


def test_a_row_of_the_mission_s_backend_is_in_clear() -> None:
    assert unseal(SECRET, "gho_clear", 42) == "gho_clear"
