"""Keys that the settings name: where they are looked for, in which order, and for how long they are kept."""

import asyncio

import pytest

from tasks.agents.keys import KEPT_S, Keys
from tasks.errors import Permanent, Temporary


class Vault:
    """Secrets that count how often they are read, and a clock."""

    def __init__(self, **secrets: str) -> None:
        self.secrets, self.reads, self.now = secrets, 0, 0.0

    def read(self, name: str) -> str:
        self.reads += 1
        if name not in self.secrets:
            raise Permanent(f"secret {name!r} does not exist in Secrets Manager")
        return self.secrets[name]

    def keys(self, **variables: str) -> Keys:
        return Keys(self.read, variables=variables, clock=lambda: self.now)


def value(keys: Keys, name: str) -> str:
    return asyncio.run(keys.value(name, "the model 'openai:x'"))


def test_the_variable_goes_before_the_secret() -> None:
    vault = Vault(MINE="of the secret")
    assert value(vault.keys(MINE=" of the variable "), "MINE") == "of the variable"
    assert vault.reads == 0
    assert value(vault.keys(MINE=" "), "MINE") == "of the secret"


def test_a_secret_is_read_once_for_all_who_ask_and_anew_after_a_while() -> None:
    vault = Vault(MINE="first")
    keys = vault.keys()

    async def many() -> set[str]:
        return set(await asyncio.gather(*(keys.value("MINE", "it") for _ in range(50))))

    assert asyncio.run(many()) == {"first"}
    assert vault.reads == 1
    vault.secrets["MINE"] = "second"
    vault.now = KEPT_S - 1
    assert value(keys, "MINE") == "first"
    vault.now = KEPT_S
    assert value(keys, "MINE") == "second"


def test_one_that_was_refused_is_read_anew() -> None:
    vault = Vault(MINE="old")
    keys = vault.keys()
    value(keys, "MINE")
    vault.secrets["MINE"] = "new"
    keys.forget("MINE")
    assert value(keys, "MINE") == "new"
    keys.forget("never asked for")


@pytest.mark.parametrize("text", ["sk-1", " sk-1\n", '{"OPENAI_API_KEY": "sk-1"}'])
def test_a_secret_is_text_or_what_the_console_makes_of_it(text: str) -> None:
    assert value(Vault(MINE=text).keys(), "MINE") == "sk-1"


@pytest.mark.parametrize("text", ["", '{"a": "sk-1", "b": "sk-2"}', '{"a": 1}', "{}"])
def test_another_secret_is_refused_without_its_text(text: str) -> None:
    with pytest.raises(Permanent, match="neither the key itself nor JSON") as caught:
        value(Vault(MINE=text).keys(), "MINE")
    assert "sk-1" not in str(caught.value)


def test_what_is_nowhere_says_where_it_may_be_put() -> None:
    with pytest.raises(
        Permanent, match=r"'openai:x' needs a key: set the variable 'MINE'.* secret of that name"
    ) as caught:
        value(Vault().keys(), "MINE")
    assert "does not exist in Secrets Manager" in str(caught.value)
    with pytest.raises(Permanent, match=r"set the variable 'MINE' where the agent worker runs$"):
        value(Keys(variables={}), "MINE")


def test_aws_that_is_away_may_be_back() -> None:
    def away(_name: str) -> str:
        raise Temporary("AWS could not be reached")

    with pytest.raises(Temporary, match="AWS could not be reached"):
        value(Keys(away, variables={}), "MINE")
