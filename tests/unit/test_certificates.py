"""verify-full: which file is trusted, what is refused, what package and secret get, and whose name is compared."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from moto import mock_aws
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from blocks.environment import Environment
from deployments.settings import LocalCloud, build_environment
from localcloud.certificates import write_self_signed
from localcloud.postgres import certificate_of
from tasks.certificates import PACKAGED, packaged_files, trusted_authorities, verified_way
from tasks.database_connection import wait_connected
from tasks.errors import Permanent, Rejected
from tasks.secrets import database_dsn, ensure_database_address, ensure_secrets, read_secret
from tests.support import changes_of, make_environment, make_rollout

SECRET = "miyabi/testing/database"


def verifying(bundle: str, **fields: Any) -> Environment:
    return make_environment(database={"sslmode": "verify-full", "ca_bundle": bundle}, **fields)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_self_signed(tmp_path / "ca bundle.pem", tmp_path / "key.pem")
    return tmp_path / "ca bundle.pem"


@pytest.fixture
def world() -> Iterator[None]:
    with mock_aws():
        yield


def test_a_file_is_found_from_the_root_and_by_its_whole_path(bundle: Path) -> None:
    for written in (bundle.name, str(bundle)):
        assert trusted_authorities(verifying(written), root=bundle.parent) == bundle
    assert packaged_files(verifying(str(bundle))) == {PACKAGED: bundle.read_bytes()}


@pytest.mark.parametrize("sslmode", ["prefer", "require"])
def test_other_modes_need_no_file(sslmode: str) -> None:
    environment = make_environment(database={"sslmode": sslmode, "ca_bundle": "no/such/file"})
    assert trusted_authorities(environment) is None
    assert packaged_files(environment) == {}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, r"needs the authorities to trust: download https://truststore\.pki\.rds.*database\.ca_bundle"),
        ("missing", r"nothing\.pem cannot be read on this worker \(No such file or directory\)"),
        ("no certificate", r"holds no certificates in PEM form"),
        ("", r"holds no certificates in PEM form"),
    ],
)
def test_what_is_wrong_is_refused(tmp_path: Path, content: str | None, words: str) -> None:
    file = tmp_path / ("nothing.pem" if content == "missing" else "something.pem")
    if content not in (None, "missing"):
        file.write_text(str(content))
    with pytest.raises(Rejected, match=words):
        trusted_authorities(verifying("" if content is None else str(file)))


def test_the_secret_names_the_file_of_the_package_as_long_as_it_is_wanted(world: None, bundle: Path) -> None:
    def settle(environment: Environment) -> tuple[list[str], dict[str, object]]:
        rollout = make_rollout(environment)
        ensure_secrets.fn(rollout)
        rollout.changes.clear()
        ensure_database_address.fn(rollout, address="db.example.com", port=5432)
        return changes_of(rollout), json.loads(read_secret(rollout, SECRET))

    strict, lax = verifying(str(bundle)), make_environment()
    assert settle(strict)[1]["sslrootcert"] == PACKAGED
    assert settle(strict)[0] == []
    secret = settle(lax)[1]
    assert (secret["sslmode"], secret["sslrootcert"]) == ("require", None)
    assert settle(lax)[0] == []
    assert settle(strict)[1]["sslrootcert"] == PACKAGED


def dsn(environment: Environment, **how: Any) -> dict[str, Any]:
    url = database_dsn(make_rollout(environment), **how).get_secret_value()
    return dict(conninfo_to_dict(url))


def test_the_worker_verifies_by_its_own_file_and_the_function_by_the_packages(world: None, bundle: Path) -> None:
    environment = verifying(str(bundle))
    ensure_secrets.fn(make_rollout(environment))
    ensure_database_address.fn(make_rollout(environment), address="db.example.com", port=5432)
    mine, its = dsn(environment), dsn(environment, inside=True)
    assert (mine["sslmode"], mine["sslrootcert"], mine["host"]) == ("verify-full", str(bundle), "db.example.com")
    assert (its["sslmode"], its["sslrootcert"], its["host"]) == ("verify-full", PACKAGED, "db.example.com")
    tunnelled = dsn(verifying(str(bundle), database_address="127.0.0.1:6432"))
    assert [tunnelled[key] for key in ("host", "hostaddr", "port")] == ["db.example.com", "127.0.0.1", "6432"]


def test_local_trusts_its_own_server_unless_told_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIYABI_HOME", str(tmp_path))
    cloud = LocalCloud("http://127.0.0.1:4566", "http://127.0.0.1:4580")

    def bundle(**database: str) -> str:
        settings = {"account_id": "211234825975", "region": "us-east-1", "database": database}
        return build_environment("local", cloud.overlay(settings)).database.ca_bundle

    assert bundle(sslmode="verify-full") == str(certificate_of(tmp_path))
    assert bundle(ca_bundle="mine.pem") == "mine.pem"


@pytest.mark.parametrize(
    ("own", "address", "expected"),
    [
        ("db.example.com:5432", "db.example.com:5432", ("db.example.com:5432", {})),
        ("db.example.com:5432", "10.0.0.7:6432", ("db.example.com:6432", {"hostaddr": "10.0.0.7"})),
        ("db.example.com:5432", "bastion.example.com:6432", ("bastion.example.com:6432", {})),
        ("127.0.0.1:15432", "127.0.0.1:15432", ("127.0.0.1:15432", {})),
        ("", "10.0.0.7:6432", ("10.0.0.7:6432", {})),
    ],
)
def test_whose_name_is_compared(own: str, address: str, expected: tuple[str, dict[str, str]]) -> None:
    assert verified_way(own, address) == expected


@pytest.mark.parametrize(
    "said",
    [
        "SSL error: certificate verify failed",
        'server certificate for "db" does not match host name "x"',
        "server does not support SSL, but SSL was required",
    ],
)
def test_what_time_does_not_mend_is_said_at_once(said: str) -> None:
    def connect(_: SecretStr) -> None:
        raise psycopg.OperationalError(f"connection failed\n{said}")

    with pytest.raises(Permanent, match=r"as database\.sslmode wants it: .*database\.ca_bundle"):
        wait_connected("d", SecretStr("x"), connect=connect)
