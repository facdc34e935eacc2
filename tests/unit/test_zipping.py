"""Deterministic zips: readable by others, and the same bytes whatever the machine does."""

import hashlib
import random
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from pydantic_core import _pydantic_core

from tasks.bundling.zipping import Entry, pack, read_entries, write_zip

CONTENTS = {
    "bootstrap": b"#!/bin/sh\nexit 0\n",
    "pkg/data.txt": b"the same line\n" * 1000,
    "pkg/empty": b"",
    "pkg/noise.bin": random.Random(1).randbytes(5000),
    "pkg/日本.txt": b"a name that is not ASCII",
    "lib/native.so": b"\x7fELF" + bytes(2000),
}
KNOWN = "fb5251c3c184fc6ede19fb4dbc96963f0c66bb9446af41a0d4b8f38f12185a21"


def entries() -> list[Entry]:
    return [pack(name, content) for name, content in CONTENTS.items()]


def test_others_read_what_was_written(tmp_path: Path) -> None:
    write_zip(tmp_path / "a.zip", entries())
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == CONTENTS
        assert archive.namelist() == sorted(CONTENTS)
        modes = {info.filename: oct(info.external_attr >> 16) for info in archive.infolist()}
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert modes["bootstrap"] == modes["lib/native.so"] == "0o100755"
    assert modes["pkg/data.txt"] == modes["pkg/empty"] == "0o100644"


def test_info_zip_agrees(tmp_path: Path) -> None:
    if not shutil.which("unzip"):
        pytest.skip("unzip is not installed")
    write_zip(tmp_path / "a.zip", entries())
    subprocess.run(["unzip", "-q", "a.zip", "-d", "out"], cwd=tmp_path, check=True)
    assert (tmp_path / "out/bootstrap").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "out/pkg/noise.bin").read_bytes() == CONTENTS["pkg/noise.bin"]


def test_what_does_not_shrink_is_stored(tmp_path: Path) -> None:
    assert not pack("noise", CONTENTS["pkg/noise.bin"]).deflated
    assert pack("data", CONTENTS["pkg/data.txt"]).deflated


def test_the_order_of_the_files_does_not_matter(tmp_path: Path) -> None:
    write_zip(tmp_path / "a.zip", entries())
    write_zip(tmp_path / "b.zip", reversed(entries()))
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_the_bytes_are_these_on_every_machine(tmp_path: Path) -> None:
    """Changes only with libdeflate's version, which constraints.txt pins, or with this format."""
    write_zip(tmp_path / "a.zip", entries())
    assert hashlib.sha256((tmp_path / "a.zip").read_bytes()).hexdigest() == KNOWN


def test_entries_go_from_one_zip_into_another_as_they_are(tmp_path: Path) -> None:
    write_zip(tmp_path / "a.zip", entries())
    taken = read_entries(tmp_path / "a.zip")
    assert sorted(taken, key=lambda entry: entry.name) == sorted(entries(), key=lambda entry: entry.name)
    write_zip(tmp_path / "b.zip", taken)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two files would be 'x'"):
        write_zip(tmp_path / "a.zip", [pack("x", b"1"), pack("x", b"2")])


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    many = [Entry(str(number), b"", deflated=False, crc=0, size=0, mode=0) for number in range(70_000)]
    with pytest.raises(ValueError, match="64-bit"):
        write_zip(tmp_path / "a.zip", many)


def test_machine_code_is_no_larger_than_with_the_standard_library(tmp_path: Path) -> None:
    program = Path(_pydantic_core.__file__ or "").read_bytes()
    write_zip(tmp_path / "ours.zip", [pack("bootstrap", program)])
    with zipfile.ZipFile(tmp_path / "theirs.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        archive.writestr("bootstrap", program)
    assert (tmp_path / "ours.zip").stat().st_size <= (tmp_path / "theirs.zip").stat().st_size
