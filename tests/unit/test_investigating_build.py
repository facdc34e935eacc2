"""`cargo build` of a copy: what it says of code that builds, does not, takes too long; and what is built."""

import os
from pathlib import Path

import pytest

from tasks.investigating.building import built, failed, roots
from tests.tools import needs_cargo


def crate(folder: Path, main: str, manifest: str = "", build: str = "") -> Path:
    (folder / "src").mkdir(parents=True)
    (folder / "Cargo.toml").write_text(f'[package]\nname = "it"\nversion = "0.1.0"\nedition = "2021"\n{manifest}')
    (folder / "src" / "main.rs").write_text(main)
    if build:
        (folder / "build.rs").write_text(build)
    return folder


@needs_cargo
def test_a_crate_that_builds_and_one_that_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "hunter22")
    script = (
        'fn main() { assert!(std::env::var("A_SECRET").is_err()); assert!(!std::path::Path::new(".env").exists()); }'
    )
    root = crate(tmp_path / "it", "fn main() { let unused = 1; }\n", build=script)
    (root / ".env").write_text("A_SECRET=hunter22\n")
    found = built(root, tmp_path / "target")
    assert found.ok, found.output
    assert found.says.endswith(", 1 warning")
    assert not (root / "target").exists()
    assert not (root / "Cargo.lock").exists()
    (root / "src" / "main.rs").write_text('fn main() {\n    let a: u32 = "x";\n}\n')
    found = built(root, tmp_path / "target")
    assert (found.ok, found.says) == (False, "does not build: 1 error")
    assert [(str(place), text[:12]) for place, text in found.errors] == [("src/main.rs:2", "error[E0308]")]


@needs_cargo
def test_programs_with_required_features_are_built_too(tmp_path: Path) -> None:
    manifest = '[features]\nlambda = []\n[[bin]]\nname = "it"\npath = "src/main.rs"\nrequired-features = ["lambda"]\n'
    found = built(crate(tmp_path / "it", "fn main() { nonsense }\n", manifest), tmp_path / "target")
    assert (found.command, found.ok) == ("cargo build --workspace --features lambda", False)


def fake_cargo(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (file := folder / "fakecargo").write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("script", "says", "untried"),
    [
        ("sleep 60 & sleep 60", "has not ended after 0.3 s", True),
        (
            "echo 'error: failed to get `axum`'; exit 101",
            "could not get what the code depends on",
            True,
        ),
        ("echo 'error: no such subcommand'; exit 1", "does not build: error: no such subcommand", False),
        ("kill -9 $$", "does not build: it says nothing", False),
    ],
)
def test_what_goes_wrong_says_why(
    script: str, says: str, untried: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_cargo(tmp_path, script, monkeypatch)
    root = crate(tmp_path / "it", "fn main() {}\n")
    found = built(root, tmp_path / "target", patience_s=0.3 if "sleep" in script else 20, cargo="fakecargo")
    assert (found.ok, found.untried) == (False, untried)
    assert says in found.says


def test_without_cargo_or_a_manifest_nothing_is_tried(tmp_path: Path) -> None:
    root = crate(tmp_path / "it", "fn main() {}\n")
    assert "nocargo is not where the worker runs" in built(root, tmp_path / "target", cargo="nocargo").says
    (root / "Cargo.toml").unlink()
    assert built(root, tmp_path / "target").says == "there is no Cargo.toml, and only Rust is built"


def test_workspaces_are_built_once_and_tests_folders_not() -> None:
    paths = ["Cargo.toml", "crates/a/Cargo.toml", "tests/b/Cargo.toml"]
    assert roots(paths) == [""]
    assert roots(paths[1:]) == ["crates/a"]
    assert roots(["a/Cargo.toml", "ab/Cargo.toml", "a/b/Cargo.toml"]) == ["a", "ab"]


def test_errors_have_their_places_from_the_repository_s_root() -> None:
    output = "src/lib.rs:3:5: error[E0308]: mismatched types\nerror: could not compile"
    (found,) = failed("cargo build", "crates/a", 101, output, 1).errors
    assert (str(found[0]), found[1]) == ("crates/a/src/lib.rs:3", "error[E0308]: mismatched types")
