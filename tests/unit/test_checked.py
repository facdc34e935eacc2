"""A package that has passed its check is not read again; any other is."""

import zipfile
from dataclasses import replace
from pathlib import Path

from tasks.bundling.checked import check_once
from tasks.bundling.platforms import lambda_platform

PYTHON = lambda_platform("python3.12", "x86_64")
HANDLER = "app.handler"


def package(folder: Path, name: str = "app.py") -> Path:
    """A zip under a name that stands for its hash."""
    path = folder / "0a1b.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = 0o100644 << 16
        archive.writestr(info, "def handler(event, context): return {}\n")
    return path


def test_what_has_passed_is_remembered_for_the_same_hash_platform_and_handler(tmp_path: Path) -> None:
    path = package(tmp_path)
    assert check_once(path, PYTHON, handler=HANDLER) == []
    path.write_bytes(b"nobody reads this")
    assert check_once(path, PYTHON, handler=HANDLER) == []
    assert check_once(path, PYTHON, handler="other.handler")
    assert check_once(path, replace(PYTHON, machine="arm64"), handler=HANDLER)
    assert check_once(path.rename(tmp_path / "2c3d.zip"), PYTHON, handler=HANDLER)


def test_what_has_not_passed_is_checked_again(tmp_path: Path) -> None:
    assert check_once(package(tmp_path, "wrong.py"), PYTHON, handler=HANDLER)
    assert check_once(package(tmp_path, "wrong.py"), PYTHON, handler=HANDLER)
    assert check_once(package(tmp_path), PYTHON, handler=HANDLER) == []
