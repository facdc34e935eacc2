"""Source specs and manifests: what is understood, and that everything wrong is said at once."""

from pathlib import Path

import pytest

from tasks.bundling.sources import Source, load_manifest, parse_source
from tasks.errors import Rejected


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with one source of each kind, and places that are none."""
    for file in ("api/handler.py", "crate/Cargo.toml", "plain/readme.txt", "out/package.zip"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "path"), [("python:api", "api"), ("rust:crate", "crate"), ("zip:out/package.zip", "out/package.zip")]
)
def test_a_relative_path_counts_from_the_root(root: Path, text: str, path: str) -> None:
    source = parse_source(text, root=root)
    assert (source.kind, source.path) == (text.split(":")[0], root / path)
    assert parse_source(f"{source.kind}:{root / path}", root=Path("/nowhere")) == source


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("api", "write it as python:FOLDER"),
        ("go:api", "write it as python:FOLDER"),
        ("python:", "write it as python:FOLDER"),
        ("python:absent", "does not exist"),
        ("python:out/package.zip", "is not a folder"),
        ("python:plain", "neither Python files nor"),
        ("rust:api", "has no Cargo.toml"),
        ("zip:api", "is not a file"),
    ],
)
def test_a_bad_source_says_what_is_wrong(root: Path, text: str, problem: str) -> None:
    with pytest.raises(Rejected, match=problem):
        parse_source(text, root=root)


def test_a_source_without_manifest_has_the_defaults(root: Path) -> None:
    manifest = load_manifest(Source("python", root / "api"))
    assert manifest.function.handler == "lambda_function.lambda_handler"
    assert manifest.environment.required == ()


def test_the_manifest_of_a_zip_lies_beside_it(root: Path) -> None:
    (root / "out/miyabi.toml").write_text('[environment]\nrequired = ["TOKEN"]\n')
    assert load_manifest(Source("zip", root / "out/package.zip")).environment.required == ("TOKEN",)


def test_every_bad_key_and_value_is_named(root: Path) -> None:
    (root / "api/miyabi.toml").write_text(
        '[function]\nhandlr = "a.b"\nhandler = "nodot"\n[build]\nfeatures = "x"\n[surprise]\n'
    )
    with pytest.raises(Rejected) as caught:
        load_manifest(Source("python", root / "api"))
    fields = [problem.split(":")[0] for problem in caught.value.problems]
    assert sorted(fields) == ["build.features", "function.handler", "function.handlr", "surprise"]


def test_folders_and_files_that_the_manifest_names_must_exist(root: Path) -> None:
    (root / "api/miyabi.toml").write_text('[function]\npackages = ["../api", "../gone"]\nrequirements = "reqs.txt"\n')
    with pytest.raises(Rejected) as caught:
        load_manifest(Source("python", root / "api"))
    assert ["gone" in caught.value.problems[0], "reqs.txt" in caught.value.problems[1]] == [True, True]


def test_a_manifest_that_is_not_toml(root: Path) -> None:
    (root / "api/miyabi.toml").write_text("[function\n")
    with pytest.raises(Rejected, match="is not TOML"):
        load_manifest(Source("python", root / "api"))
