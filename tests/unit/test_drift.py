"""An environment's file against what Prefect has saved of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from prefect_aws import AwsCredentials

from deployments import drift
from deployments.configuring.environments import merged
from deployments.prefect_api import PrefectRefused
from deployments.settings import LocalCloud, read_environment

CLOUD = LocalCloud("http://127.0.0.1:4566", "http://127.0.0.1:4580")
FILE = 'account_id = "111111111111"\nregion = "us-east-1"\nprofile = "mine"\n[function]\nmemory_mb = 512\n'
LOCAL = 'account_id = "111111111111"\nregion = "us-east-1"\n'


class Saved:
    """Prefect after `miyabi configure`: the block of the file as it was then."""

    def __init__(self, folder: Path, name: str, credentials: Mapping[str, Any] | None = None) -> None:
        environment = read_environment(name, CLOUD, folder)
        self.data = environment.model_dump(mode="json", exclude={"block_type_slug"})
        self.data["credentials"] |= credentials or {}
        self.fields = type(environment).model_json_schema()

    def request(self, method: str, path: str) -> Any:
        assert (method, path.rpartition("/")[2]) == ("GET", self.data["name"])
        return {"data": self.data, "block_schema": {"fields": self.fields}}


class NothingSaved:
    def request(self, method: str, path: str) -> Any:
        raise PrefectRefused("Prefect answered 404")


def warned(folder: Path, before: str, after: str, name: str = "staging", **credentials: Any) -> str | None:
    """The warning when a file was saved as `before` and now says `after`."""
    (folder / f"{name}.toml").write_text(before)
    saved = Saved(folder, name, credentials)
    (folder / f"{name}.toml").write_text(after)
    return drift.warning(saved, name, folder)


@pytest.mark.parametrize(("name", "file"), [("staging", FILE), ("local", LOCAL), ("staging", LOCAL + "# note\n")])
def test_a_file_that_is_saved_is_not_spoken_of(tmp_path: Path, name: str, file: str) -> None:
    assert warned(tmp_path, file, file, name) is None


@pytest.mark.parametrize(
    ("after", "line"),
    [
        (FILE.replace("512", "1024"), "function.memory_mb: 1024, saved: 512"),
        (FILE + '[database]\nsslmode = "prefer"\n', "database.sslmode: 'prefer', saved: 'require'"),
        (FILE + "variables = { X = '1' }\n", "function.variables.X: '1', saved: nothing"),
        (FILE + "memmory = 1\n", "function.memmory: 1, saved: nothing"),
        (FILE.replace("us-east-1", "eu-west-1"), "region: 'eu-west-1', saved: 'us-east-1'"),
        (FILE.replace('profile = "mine"\n', ""), "profile: nothing, saved: 'mine'"),
        ("approval = true\n" + FILE, "approval: True, saved: False"),
    ],
)
def test_an_edited_file_is_told_with_what_to_do(tmp_path: Path, after: str, line: str) -> None:
    assert warned(tmp_path, FILE, after) == (
        "staging.toml differs from what Prefect has saved, and this run uses what is saved:\n"
        f"  {line}\nSave the file with `miyabi configure`."
    )


def test_a_setting_that_left_the_file_is_told(tmp_path: Path) -> None:
    changed = FILE.replace("512", "1024")
    assert "function.memory_mb: 512, saved: 1024" in str(warned(tmp_path, changed, FILE.partition("[")[0]))


def test_a_broken_file_is_told_with_what_to_do(tmp_path: Path) -> None:
    text = str(warned(tmp_path, FILE, FILE + "x = ["))
    assert text.startswith("staging.toml: Invalid value")
    assert text.endswith("Mend the file, then save it with `miyabi configure`.")


def test_many_differences_are_counted(tmp_path: Path) -> None:
    variables = "\n".join(f"V{number} = '1'" for number in range(9))
    assert "… and 3 more" in str(warned(tmp_path, FILE, f"{FILE}[function.variables]\n{variables}\n"))


def test_keys_that_a_person_entered_go_before_the_files_profile(tmp_path: Path) -> None:
    after = FILE.replace('"mine"', '"other"')
    assert "profile: 'other', saved: 'mine'" in str(warned(tmp_path, FILE, after))
    assert warned(tmp_path, FILE, after, aws_access_key_id="a-key") is None


def test_what_the_machine_fills_in_may_be_said_by_the_file(tmp_path: Path) -> None:
    assert warned(tmp_path, LOCAL, LOCAL + "[function]\narchitecture = 'other'\n", "local")


def test_what_has_no_file_or_no_block_is_left_to_the_run(tmp_path: Path) -> None:
    assert drift.warning(NothingSaved(), "staging", tmp_path) is None
    (tmp_path / "staging.toml").write_text(FILE)
    assert drift.warning(NothingSaved(), "staging", tmp_path) is None


def test_saving_keeps_entered_keys_and_else_follows_the_file() -> None:
    wanted = AwsCredentials(region_name="eu-west-1", profile_name="new")
    followed = merged(AwsCredentials(region_name="us-east-1", profile_name="old", assume_role_arn="arn"), wanted)
    assert (followed.region_name, followed.profile_name, followed.assume_role_arn) == ("eu-west-1", "new", "arn")
    entered = AwsCredentials(region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    kept = merged(entered, wanted)
    assert (kept.region_name, kept.profile_name, kept.aws_access_key_id) == ("eu-west-1", None, "a")
