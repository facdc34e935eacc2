"""What a model may see and write: nothing outside of its folder, nothing that holds secrets, nothing without end."""

import os
from pathlib import Path

import pytest

from tasks.agents.model_files import HITS, LARGEST, LISTED, SHOWN, WRITTEN_BYTES, WRITTEN_FILES, Files, Refused, closed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository with a secret beside it."""
    (tmp_path / "secret.txt").write_text("outside")
    root = tmp_path / "shop"
    (root / "docs").mkdir(parents=True)
    (root / "docs/plan.md").write_text("# Plan\nSell Tea\nsell more tea\n")
    (root / "README.md").write_text("Tea")
    (root / ".env").write_text("TOKEN=1")
    (root / ".git").write_text("gitdir: elsewhere")
    return root


@pytest.mark.parametrize(
    "path",
    ["../secret.txt", "docs/../../secret.txt", "/etc/passwd", "", "docs/\0", "x" * 501, "~/../../x", "docs/../.env"],
)
def test_a_path_that_leads_elsewhere_is_refused(folder: Path, path: str) -> None:
    files = Files(folder)
    for attempt in (lambda: files.read(path), lambda: files.write(path, "x"), lambda: files.listing(path)):
        with pytest.raises(Refused):
            attempt()
    assert (folder.parent / "secret.txt").read_text() == "outside"


def test_a_link_that_leads_out_is_refused(folder: Path) -> None:
    (folder / "out").symlink_to(folder.parent)
    (folder / "file").symlink_to(folder.parent / "secret.txt")
    (folder / "new").symlink_to(folder.parent / "not-there-yet")
    (folder / "circle").symlink_to("circle")
    files = Files(folder)
    for path in ("out/secret.txt", "file", "new", "circle", "out/made-here.txt"):
        with pytest.raises(Refused):
            files.read(path)
        with pytest.raises(Refused):
            files.write(path, "overwritten")
    with pytest.raises(Refused):
        files.listing("out")
    assert sorted(path.name for path in folder.parent.iterdir()) == ["secret.txt", "shop"]
    assert files.search("outside") == "[no line below '.' contains 'outside']"


def test_a_link_inside_is_followed_to_what_may_be_seen(folder: Path) -> None:
    (folder / "latest.md").symlink_to("docs/plan.md")
    (folder / "harmless.txt").symlink_to(".env")
    files = Files(folder)
    assert files.read("latest.md").startswith("# Plan")
    with pytest.raises(Refused, match="hold secrets"):
        files.read("harmless.txt")


@pytest.mark.parametrize(
    "name",
    [".env", ".ENV", ".env.production", "prod.env", "server.pem", "id_rsa", "id_ed25519.pub", ".netrc", ".git",
     ".aws", "credentials", "terraform.tfstate", ".npmrc", "secrets", ".git-credentials", "store.p12"],
)  # fmt: skip
def test_names_that_hold_secrets(folder: Path, name: str) -> None:
    assert closed(name)
    files = Files(folder)
    for path in (name, f"docs/{name}", f"{name}/inner.txt"):
        with pytest.raises(Refused, match="is not shown and not written"):
            files.read(path)
        with pytest.raises(Refused, match="is not shown and not written"):
            files.write(path, "x")


@pytest.mark.parametrize("name", ["secrets.py", ".env.example", ".gitignore", ".github", "monkey.py", "environment.py"])
def test_names_that_hold_none(name: str) -> None:
    assert not closed(name)


def test_what_is_closed_is_neither_listed_nor_found(folder: Path) -> None:
    files = Files(folder)
    assert files.listing() == "README.md\ndocs/plan.md"
    assert files.listing("docs", "*.md") == "docs/plan.md"
    assert files.listing(".", "*.py") == "[no file below '.' fits '*.py']"
    assert files.search("token") == "[no line below '.' contains 'token']"


def test_lines_are_found_in_upper_and_lower_case(folder: Path) -> None:
    assert Files(folder).search("SELL") == "docs/plan.md:2: Sell Tea\ndocs/plan.md:3: sell more tea"
    with pytest.raises(Refused):
        Files(folder).search("  ")


def test_a_long_file_comes_in_parts(folder: Path) -> None:
    (folder / "long.txt").write_text("\n".join(f"line {number}" for number in range(1, 20_001)))
    files = Files(folder)
    first = files.read("long.txt")
    assert len(first) < SHOWN + 100
    last = int(first.rsplit("[lines ", 1)[1].split()[0])
    assert files.read("long.txt", last).startswith(f"line {last}\n")
    assert files.read("long.txt", 20_000) == "line 20000"
    assert files.read("long.txt", 30_000) == ""
    (folder / "wide.txt").write_text("x" * 100_000)
    assert files.read("wide.txt").endswith("[line 1 is cut]")


def test_only_texts_of_some_size_are_read(folder: Path) -> None:
    (folder / "picture").write_bytes(b"\x89PNG\0\0")
    with (folder / "huge").open("wb") as file:
        file.truncate(LARGEST + 1)
    os.mkfifo(folder / "pipe")
    files = Files(folder)
    for path, reason in (("picture", "not a text"), ("huge", "at most"), ("pipe", "not a file"), ("docs", "not a file"),
                         ("absent", "No such file")):  # fmt: skip
        with pytest.raises(Refused, match=reason):
            files.read(path)
    assert files.search("x") == "[no line below '.' contains 'x']"


def test_lists_and_searches_have_an_end(folder: Path) -> None:
    many = folder / "many"
    many.mkdir()
    for number in range(LISTED + 10):
        (many / f"{number:04}.txt").write_text("tea\n")
    files = Files(folder)
    assert len(files.listing("many").splitlines()) == LISTED + 1
    assert len(files.search("tea", "many").splitlines()) == HITS + 1
    clock = iter(range(0, 100_000, 10))
    assert "[not all files were looked at: name a folder]" in Files(folder, lambda: float(next(clock))).search("absent")


def test_what_is_written_is_bounded(folder: Path) -> None:
    files = Files(folder)
    assert files.write("docs/new/plan.md", "テ") == "wrote 3 bytes to docs/new/plan.md"
    assert files.write("docs/new/plan.md", "\ud800") == "wrote 1 bytes to docs/new/plan.md"
    with pytest.raises(Refused, match="at most"):
        files.write("big.md", "x" * (WRITTEN_BYTES + 1))
    with pytest.raises(Refused, match="is not a file"):
        files.write("docs", "x")
    with pytest.raises(Refused, match="cannot be written"):
        files.write("README.md/below", "x")
    for number in range(WRITTEN_FILES - 1):
        files.write(f"{number}.md", "x")
    with pytest.raises(Refused, match="no more are"):
        files.write("one-more.md", "x")
    assert files.written[0] == "docs/new/plan.md"
    assert len(files.written) == WRITTEN_FILES


def test_what_makes_machines_run_something_is_read_and_not_written(folder: Path) -> None:
    files = Files(folder)
    for path in (".github/workflows/ci.yml", ".gitattributes", "docs/.gitattributes", ".GitHub/workflows/x/y.yml"):
        with pytest.raises(Refused, match="would make machines run something"):
            files.write(path, "x")
    assert Files(folder, may_configure=True).write(".github/workflows/ci.yml", "on: push\n")
    assert files.read(".github/workflows/ci.yml") == "on: push"
