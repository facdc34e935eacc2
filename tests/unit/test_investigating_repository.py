"""Where the files come from: a folder, a ref, an address; what is refused, and what never reaches git's arguments."""

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from flows.investigate import issue_read
from tasks.errors import Permanent
from tasks.investigating.repository import checked_out, credentials, origin_of
from tests.society import ISSUE

GIT = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com"]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Two commits; the first has the tag `old`, and the file differs from the second."""
    root = tmp_path / "shop"
    root.mkdir()
    subprocess.run([*GIT, "init", "-q"], cwd=root, check=True)
    for text in ("old", "new"):
        (root / "a.txt").write_text(text)
        subprocess.run([*GIT, "add", "-A"], cwd=root, check=True)
        subprocess.run([*GIT, "commit", "-q", "-m", text], cwd=root, check=True)
        subprocess.run([*GIT, "tag", text], cwd=root, check=True)
    (root / "a.txt").write_text("newest")
    return root


@pytest.mark.parametrize(("ref", "text"), [("", "newest"), ("old", "old"), ("new", "new")])
def test_a_folder_as_it_is_or_at_a_ref(shop: Path, ref: str, text: str) -> None:
    with checked_out(str(shop), ref) as subject:
        assert (subject.name if not ref else "shop", (subject.folder / "a.txt").read_text()) == ("shop", text)
        assert (subject.commit or "").endswith("-dirty") == (not ref)
        place = subject.folder
    assert place.exists() == (not ref)


def test_an_address_at_a_ref(shop: Path) -> None:
    with checked_out(f"file://{shop}", "old") as subject:
        assert (subject.folder / "a.txt").read_text() == "old"
        assert subject.name.endswith("-shop")


@pytest.mark.parametrize(
    ("repository", "ref", "words"),
    [
        ("/no/such/folder", "", "neither a folder here nor the address"),
        ("https://me:secret@example.com/a/b.git", "", "take the credentials out"),
        (".", "--upload-pack=x", "no branch, tag or commit"),
    ],
)
def test_what_is_refused(repository: str, ref: str, words: str) -> None:
    with pytest.raises(Permanent, match=words) as refused, checked_out(repository, ref):
        pass
    assert "secret" not in str(refused.value)


def test_no_such_ref(shop: Path) -> None:
    with pytest.raises(Permanent, match="no branch, tag or commit 'nowhere'"), checked_out(str(shop), "nowhere"):
        pass


def test_a_token_is_for_one_host_and_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIYABI_GIT_TOKEN", "t0ken")
    assert credentials("https://example.com/a/b.git")["GIT_CONFIG_KEY_0"] == "http.https://example.com/.extraHeader"
    assert credentials("http://example.com/a/b.git") == {}


def test_issues_are_read_from_files(tmp_path: Path) -> None:
    (file := tmp_path / "issue.json").write_text(json.dumps({"title": "T", "body": ISSUE.read_text()}))
    read = asyncio.run(issue_read(".", str(file), None))
    assert read is not None
    assert (read.title, read.source) == ("T", "issue.json")
    assert asyncio.run(issue_read(".", "", None)) is None
    with pytest.raises(Permanent, match="there is no file"):
        asyncio.run(issue_read(".", "no.md", None))
    with pytest.raises(Permanent, match="no origin at GitHub"):
        asyncio.run(issue_read(str(tmp_path), "970", None))


def test_an_origin_is_an_owner_and_a_name() -> None:
    assert origin_of("https://github.com/me/shop.git") == "me/shop"
    assert origin_of("git@github.com:me/shop.git") == "me/shop"
