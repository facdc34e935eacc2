"""What a release adds to a package of its own: the file is there, the zip stays deterministic, nothing is replaced."""

import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from blocks.environment import FunctionSettings
from tasks.bundling.bundle import Bundle, build_bundle
from tasks.bundling.sources import parse_source
from tasks.errors import Rejected

ROOT = Path(__file__).parents[2]
SETTINGS = FunctionSettings(host_wheels=True, python_runtime=f"python3.{sys.version_info.minor}")


def build(spec: str, work: Path, **extra: bytes) -> Bundle:
    return build_bundle(parse_source(spec, root=ROOT), SETTINGS, root=ROOT, work=work, extra=extra)


def add(spec: str, work: Path, content: bytes) -> Bundle:
    """A package with a file of the release's own."""
    return build(spec, work, **{"database-ca.pem": content})


@pytest.mark.parametrize("kind", ["python", "zip"])
def test_a_file_is_added_and_the_zip_stays_deterministic(tmp_path: Path, kind: str) -> None:
    spec = "python:tests/fixtures/python-lambda"
    if kind == "zip":
        spec = f"zip:{shutil.copy(build(spec, tmp_path / 'made').path, tmp_path / 'backend.zip')}"
    plain, one, two = (
        build(spec, tmp_path / "plain"),
        add(spec, tmp_path / "1", b"ca"),
        add(spec, tmp_path / "2", b"ca"),
    )
    assert one.sha256_hex == two.sha256_hex != plain.sha256_hex
    with zipfile.ZipFile(one.path) as archive:
        added = archive.getinfo("database-ca.pem")
        assert (archive.read(added), added.external_attr >> 16) == (b"ca", 0o100644)
        assert archive.testzip() is None
        assert "handler.py" in archive.namelist()


def test_a_file_that_is_there_already_is_left_and_another_of_its_name_refused(tmp_path: Path) -> None:
    spec = f"zip:{shutil.copy(add('python:tests/fixtures/python-lambda', tmp_path, b'ca').path, tmp_path / 'own.zip')}"
    assert add(spec, tmp_path / "same", b"ca").sha256_hex == build(spec, tmp_path / "as it is").sha256_hex
    with pytest.raises(Rejected, match=r"it has a file 'database-ca\.pem' of its own, which the release needs"):
        add(spec, tmp_path / "another", b"other")
