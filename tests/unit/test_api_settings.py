"""Settings from the environment, the manifest that declares them, secrets and the DSN."""

import ast
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

import api
from api.backend import Backend
from api.errors import Misconfigured
from api.secret_store import SecretStore
from api.settings import Settings, read_settings
from database.connection import BadAddress, dsn_from_secret, dsn_from_url

API = Path(api.__file__).parent
ARN = "arn:aws:secretsmanager:us-east-1:211234825975:secret:miyabi/local/database-AbCdEf"
SECRET = {"engine": "postgres", "host": "db.example", "port": 5432, "username": "miyabi", "password": "p w'\\",
          "dbname": "miyabi", "sslmode": "verify-full"}  # fmt: skip


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Vault:
    """Answers with what is in it, and counts; a missing value fails."""

    def __init__(self, **values: str) -> None:
        self.values, self.reads = values, 0

    def __call__(self, arn: str) -> str:
        self.reads += 1
        return self.values[arn]


def test_defaults() -> None:
    settings = read_settings({})
    assert (settings.environment, settings.access_s, settings.refresh_s) == ("production", 900, 604800)
    assert (settings.mock_login, settings.rate_limit) == (False, 1000)


@pytest.mark.parametrize("name", ["production", "Prod-eu", "live", " production", "", "Local", "local ", "staging-2"])
def test_only_environments_of_the_list_have_mock_login(name: str) -> None:
    assert not read_settings({"ENVIRONMENT": name}).mock_login


@pytest.mark.parametrize("name", ["local", "development", "test", "staging", "restored"])
def test_where_people_try_things_out(name: str) -> None:
    assert read_settings({"ENVIRONMENT": name, "AWS_LAMBDA_FUNCTION_NAME": "f"}).mock_login


GOOD = {"DATABASE_URL": "postgres://u@h/d", "JWT_SECRET": "x" * 32}
GITHUB = {"GITHUB_CLIENT_ID": "i", "GITHUB_CLIENT_SECRET": "s", "GITHUB_CALLBACK_URL": "https://a.example/back",
          "FRONTEND_URL": "https://a.example/app/"}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [
    ("JWT_EXPIRATION", "soon"), ("DB_MAX_CONNECTIONS", "0"), ("REFRESH_EXPIRATION", "-1"), ("RATE_LIMIT", "9" * 5000),
    ("LOG_LEVEL", "LOUD"), ("DATABASE_URL", "hush"),
])  # fmt: skip
def test_a_wrong_setting_is_named_and_the_process_starts(name: str, value: str) -> None:
    settings = read_settings(GOOD | {name: value})
    (problem,) = settings.lacking()
    assert problem.startswith(f"{name} ")
    assert value not in problem
    assert (settings.access_s, settings.rate_limit, settings.log_level) == (900, 1000, "INFO")


def test_all_wrong_settings_are_named_at_once() -> None:
    told = read_settings({"RATE_LIMIT": "x", "JWT_EXPIRATION": "y", "FRONTEND_URL": "z"}).lacking()
    names = [problem.split()[0] for problem in told if not problem.startswith("neither")]
    assert names == [
        "JWT_EXPIRATION", "RATE_LIMIT", "GITHUB_CLIENT_ID", "GITHUB_CLIENT_SECRET", "GITHUB_CALLBACK_URL",
        "FRONTEND_URL",
    ]  # fmt: skip


@pytest.mark.parametrize("url", [
    "not a url", "http://a.b/?x=1#frag", "javascript:alert(1)", "https://", "//a.b", "https://a.b/#x", "http://a.b:x/",
    "https://a.b@evil.example", "https://a.b\\evil", "ftp://a.b",
])  # fmt: skip
def test_a_page_that_is_none(url: str) -> None:
    assert read_settings(GOOD | GITHUB).lacking() == []
    for name in ("FRONTEND_URL", "GITHUB_CALLBACK_URL"):
        (problem,) = read_settings(GOOD | GITHUB | {name: url}).lacking()
        assert problem == f"{name} is no http(s) URL without a query and fragment"


def test_settings_do_not_show_secrets() -> None:
    shown = repr(read_settings({"DATABASE_URL": "postgres://u:hush@h/d", "JWT_SECRET": "hush"}))
    assert "hush" not in shown


def test_the_manifest_declares_every_variable_that_is_read() -> None:
    declared = tomllib.loads((API / "miyabi.toml").read_text())["environment"]
    calls = [node for node in ast.walk(ast.parse((API / "settings.py").read_text())) if isinstance(node, ast.Call)]
    texts = {arg.value for call in calls for arg in call.args if isinstance(arg, ast.Constant)}
    read = {text for text in texts if isinstance(text, str) and text.isupper() and text != "INFO"}
    assert {*declared["required"], *declared["optional"]} == read


def test_the_version_is_the_project_s() -> None:
    project = tomllib.loads((API.parent / "pyproject.toml").read_text())["project"]
    assert api.__version__ == project["version"]


def test_a_dsn_from_a_secret() -> None:
    parts = conninfo_to_dict(dsn_from_secret(SECRET))
    assert (parts["host"], parts["user"], parts["password"]) == ("db.example", "miyabi", "p w'\\")
    assert (parts["sslmode"], parts["connect_timeout"]) == ("verify-full", "3")


def test_a_secret_without_sslmode_means_tls() -> None:
    assert conninfo_to_dict(dsn_from_secret({**SECRET, "sslmode": None}))["sslmode"] == "require"


def test_a_secret_that_lacks_parts_names_them_all() -> None:
    with pytest.raises(BadAddress, match=r"\['host', 'dbname'\]"):
        dsn_from_secret({"username": "u", "password": "hush"})


def test_a_url_keeps_its_own_limits() -> None:
    parts = conninfo_to_dict(dsn_from_url("postgres://u:p@h/d?connect_timeout=9"))
    assert (parts["connect_timeout"], parts["application_name"]) == ("9", "miyabi-api")


def test_a_bad_url_is_not_repeated() -> None:
    with pytest.raises(BadAddress) as caught:
        dsn_from_url("postgres://u:hush@[h/d")
    assert "hush" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_secret_is_read_once_in_five_minutes() -> None:
    clock, vault = Clock(), Vault(a="1")
    store = SecretStore(vault, clock=clock)
    store.get("a")
    clock.now = 299
    assert (store.get("a"), vault.reads) == ("1", 1)
    clock.now, vault.values["a"] = 300, "2"
    assert (store.get("a"), vault.reads) == ("2", 2)


def test_a_fresh_secret_is_read_again_but_not_at_every_failure() -> None:
    clock, vault = Clock(), Vault(a="1")
    store = SecretStore(vault, clock=clock)
    store.get("a")
    vault.values["a"] = "2"
    assert store.get("a", fresh=True) == "1"
    clock.now = 5
    assert store.get("a", fresh=True) == "2"


def test_an_old_secret_is_better_than_none() -> None:
    clock, vault = Clock(), Vault(a="1")
    store = SecretStore(vault, clock=clock)
    store.get("a")
    clock.now = 1000
    vault.values.clear()
    assert store.get("a") == "1"


def test_a_secret_that_cannot_be_read_is_misconfiguration() -> None:
    with pytest.raises(Misconfigured, match="'a' cannot be read"):
        SecretStore(Vault()).get("a")


@pytest.mark.parametrize(("settings", "words"), [
    ({}, "neither JWT_SECRET_ARN nor JWT_SECRET"), ({"jwt_secret": "x" * 31}, "shorter than 32 bytes"),
])  # fmt: skip
def test_a_missing_or_short_jwt_secret(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(Misconfigured, match=words):
        Backend(Settings(**settings)).jwt_secret()


def test_the_dsn_comes_from_the_secret_before_the_url() -> None:
    store = SecretStore(Vault(**{ARN: json.dumps(SECRET)}))
    backend = Backend(Settings(database_secret_arn=ARN, database_url="postgres://u:p@other/d"), secrets=store)
    assert conninfo_to_dict(backend.dsn(fresh=False))["host"] == "db.example"


@pytest.mark.parametrize("text", ["not json", "[]", '"text"'])
def test_a_database_secret_of_another_form(text: str) -> None:
    backend = Backend(Settings(database_secret_arn=ARN), secrets=SecretStore(Vault(**{ARN: text})))
    with pytest.raises(Misconfigured, match="is not a JSON object"):
        backend.dsn(fresh=False)


def test_warming_up_without_secrets_does_not_stop_the_start() -> None:
    vault = Vault()
    Backend(Settings(database_secret_arn="a", jwt_secret_arn="b"), secrets=SecretStore(vault)).warm_up()
    assert vault.reads == 2
