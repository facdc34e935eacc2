"""Tokens: the claims, expiry, what is refused, and what takes a refresh token's place."""

import time
from typing import Any
from uuid import UUID

import jwt
import pytest

from api.errors import ApiError
from api.tokens import Caller, issue, new_refresh_token, next_refresh_token, verify
from database.users import User

SECRET = "a key for the tests, and long enough for HS256"
USER = User(UUID(int=7), 42, "hana@example.com", "Hana", None)


def token(**changes: Any) -> str:
    claims = {"sub": str(USER.id), "github_id": 42, "iat": int(time.time()), "exp": int(time.time()) + 60, **changes}
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, SECRET, algorithm="HS256")


def refusal(text: str, *, secret: str = SECRET) -> str:
    with pytest.raises(ApiError) as caught:
        verify(secret, text)
    assert (caught.value.kind, caught.value.status) == ("jwt_error", 401)
    return caught.value.message


def test_the_claims_are_the_mission_s_and_the_kind() -> None:
    issued = issue(SECRET, USER, lifetime_s=3600, now=1_700_000_000.9)
    assert jwt.get_unverified_header(issued)["alg"] == "HS256"
    assert jwt.decode(issued, options={"verify_signature": False}) == {
        "sub": "00000000-0000-0000-0000-000000000007",
        "github_id": 42,
        "iat": 1_700_000_000,
        "exp": 1_700_003_600,
        "typ": "access",
    }


def test_a_token_is_read_back() -> None:
    organization, session = (UUID(int=3), "owner"), UUID(int=4)
    assert verify(SECRET, issue(SECRET, USER, lifetime_s=60)) == Caller(USER.id, 42)
    told = issue(SECRET, USER, lifetime_s=60, organization=organization, session_id=session)
    assert verify(SECRET, told) == Caller(USER.id, 42, *organization, session)


@pytest.mark.parametrize("typ", ["refresh", "oauth-state", ""])
def test_a_token_for_something_else_is_refused(typ: str) -> None:
    assert refusal(token(typ=typ)) == "This is not an access token"


def test_what_takes_a_refresh_token_s_place_is_always_the_same_and_known_to_us_alone() -> None:
    first = new_refresh_token()
    assert next_refresh_token(SECRET, first) == next_refresh_token(SECRET, first)
    others = {next_refresh_token(SECRET + "x", first), next_refresh_token(SECRET, new_refresh_token()), first}
    assert next_refresh_token(SECRET, first) not in others
    assert len(next_refresh_token(SECRET, first)) == len(first) == 43


def test_a_token_of_the_mission_s_backend_is_an_access_token() -> None:
    caller = verify(SECRET, token(org_id=str(UUID(int=3)), org_role="owner"))
    assert (caller.org_id, caller.org_role) == (UUID(int=3), "owner")


def test_expiry_has_a_minute_of_leeway() -> None:
    assert verify(SECRET, token(exp=int(time.time()) - 50)).github_id == 42
    assert refusal(token(exp=int(time.time()) - 70)) == "The token has expired"


@pytest.mark.parametrize("changes", [
    {"exp": None}, {"sub": None}, {"sub": "nobody"}, {"sub": 7}, {"github_id": None}, {"github_id": "many"},
    {"github_id": []}, {"exp": "soon"}, {"org_id": "x"}, {"org_id": 7},
])  # fmt: skip
def test_claims_that_are_missing_or_wrong(changes: dict[str, Any]) -> None:
    assert refusal(token(**changes)) == "The token is not valid"


@pytest.mark.parametrize("text", ["", "a.b.c", "nonsense", "é.é.é", token()[:-2]])
def test_text_that_is_no_token(text: str) -> None:
    assert refusal(text) == "The token is not valid"


def test_another_key_and_no_signature_are_refused() -> None:
    assert refusal(token(), secret="another key for the tests, also long enough") == "The token is not valid"
    unsigned = jwt.encode({"sub": str(USER.id), "github_id": 1, "exp": 2**40}, None, algorithm="none")
    assert refusal(unsigned) == "The token is not valid"
