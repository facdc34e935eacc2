"""Environment files and the loopback guard."""

from pathlib import Path

import pytest

from blocks.environment import is_loopback
from deployments.environment_files import BadEnvironment, environment_names
from deployments.settings import LocalCloud, build_environment, read_environment, read_environments

CLOUD = LocalCloud("http://127.0.0.1:4566", "http://127.0.0.1:4580")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:4566", True),
        ("http://127.8.9.10", True),
        ("http://localhost:1", True),
        ("http://aws.localhost:1", True),
        ("http://[::1]:4566", True),
        ("http://0.0.0.0:4566", True),
        ("https://rds.us-east-1.amazonaws.com", False),
        ("https://10.0.0.7", False),
        ("https://localhost.example.com", False),
        ("not a url", False),
    ],
)
def test_loopback(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected


def test_the_files_that_come_with_us_are_valid() -> None:
    assert environment_names() == ["local", "production", "staging"]
    for name in environment_names():
        assert read_environment(name, CLOUD).name == name


def test_production_is_the_missions() -> None:
    production = read_environment("production")
    assert (production.account_id, production.region) == ("211234825975", "us-east-1")
    assert production.names.database == "miyabi-postgres-prod"
    assert production.database.instance_class == "db.t3.small"
    assert (production.database.storage_gb, production.database.backup_days) == (20, 7)
    assert (production.function.memory_mb, production.function.timeout_s) == (512, 30)
    assert production.approval
    assert not production.database.open_to_world


def test_local_is_laid_over_with_what_the_machine_knows() -> None:
    local = read_environment("local", CLOUD)
    assert local.credentials.aws_client_parameters.endpoint_url == "http://127.0.0.1:4566"
    assert local.api_url == "http://127.0.0.1:4580/_api/{api_id}"
    assert local.database_address is None  # RDS says where its databases are


def test_local_on_aws_is_refused() -> None:
    settings = {"account_id": "1" * 12, "region": "us-east-1", "endpoint_url": "https://rds.amazonaws.com"}
    with pytest.raises(BadEnvironment, match="embedded cloud on loopback"):
        build_environment("local", settings)


def test_others_on_loopback_are_refused() -> None:
    settings = {"account_id": "1" * 12, "region": "us-east-1", "endpoint_url": "http://localhost:4566"}
    with pytest.raises(BadEnvironment, match="must not use an endpoint on loopback"):
        build_environment("staging", settings)


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(
        'account_id = "12"\nregion = "us-east-1"\n[database]\nstorage_gb = 5\nstoarge = 1\n[function]\nmemory_mb = 1\n'
    )
    with pytest.raises(BadEnvironment) as caught:
        read_environment("bad", folder=tmp_path)
    for part in ("account_id", "database.storage_gb", "database.stoarge", "function.memory_mb", "4 problem(s)"):
        assert part in str(caught.value)


def test_misspelt_top_level_settings_are_refused() -> None:
    with pytest.raises(BadEnvironment, match=r"unknown setting.*'databse'"):
        build_environment("staging", {"account_id": "1" * 12, "region": "us-east-1", "databse": {}})


def test_of_several_bad_files_each_is_named(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text("x = [")
    (tmp_path / "two.toml").write_text('account_id = "12"\nregion = "us-east-1"\n')
    with pytest.raises(BadEnvironment, match=r"(?s)^one\.toml: .*\ntwo\.toml has 1 problem"):
        read_environments(["one", "two"], None, folder=tmp_path)


def test_unknown_environment_lists_the_known() -> None:
    with pytest.raises(BadEnvironment, match="known: local, production, staging"):
        read_environment("prod")


def test_ownership_needs_all_our_tags() -> None:
    staging = read_environment("staging")
    assert staging.owns({**staging.tags, "Release": "x"})
    assert not staging.owns({**staging.tags, "Environment": "production"})
    assert not staging.owns({})
