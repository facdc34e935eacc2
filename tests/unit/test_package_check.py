"""The package check: each kind of damage is found, said with its remedy, and nothing else is said."""

import stat
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.bundling.handler_check import handler_problems
from tasks.bundling.package_check import check_package
from tasks.bundling.platforms import host_platform, lambda_platform
from tasks.bundling.zipping import Entry, pack, write_zip
from tests.fixtures.packages import REJECTED, BrokenKind, make_broken, with_mode
from tests.fixtures.packages.elf import program

AL2023 = lambda_platform("provided.al2023", "x86_64")
AL2 = lambda_platform("provided.al2", "x86_64")
ARM = lambda_platform("provided.al2023", "arm64")
PYTHON = lambda_platform("python3.12", "x86_64")
HANDLER = "app.main.handler"
GOOD_APP = {"app/__init__.py": b"", "app/main.py": b"import json\ndef handler(event, context): ...\n"}


def check(tmp_path: Path, *entries: Entry, platform: object = AL2023, **options: object) -> list[str]:
    write_zip(tmp_path / "p.zip", entries)
    return check_package(tmp_path / "p.zip", platform, **{"handler": HANDLER, **options})  # type: ignore[arg-type]


def check_files(tmp_path: Path, files: Mapping[str, bytes], platform: object = PYTHON) -> list[str]:
    return check(tmp_path, *(pack(name, content) for name, content in files.items()), platform=platform)


@pytest.mark.parametrize("platform", [AL2023, AL2, host_platform("provided.al2023")], ids=lambda p: p.name)
def test_a_sound_program_passes(tmp_path: Path, platform: object) -> None:
    machine = platform.machine  # type: ignore[attr-defined]
    assert check(tmp_path, pack("bootstrap", program(machine)), platform=platform) == []


def test_a_static_program_and_a_script_pass(tmp_path: Path) -> None:
    assert check(tmp_path, pack("bootstrap", program(loader=None, needed=(), versions=()))) == []
    for line in (b"#!/bin/sh\n", b"#! /bin/bash -eu\n", b"#!/usr/bin/env bash\n"):
        assert check(tmp_path, pack("bootstrap", line)) == []


@pytest.mark.parametrize(
    "kind", [kind for kind in REJECTED if kind not in {"missing-variable", "missing-handler", "mach-o"}]
)
def test_each_broken_package_is_rejected_for_its_own_reason(tmp_path: Path, kind: BrokenKind) -> None:
    platform = host_platform("provided.al2023")
    (problem,) = check_package(make_broken(kind, tmp_path), platform, handler="bootstrap")
    assert REJECTED[kind] in problem


def test_a_broken_handler_is_rejected(tmp_path: Path) -> None:
    (problem,) = check_package(make_broken("missing-handler", tmp_path), PYTHON, handler=HANDLER)
    assert problem == "handler 'app.main.handler': app/main.py does not define 'handler' (it has 'other')"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("bin/bootstrap", b"#!/bin/sh\n", "must be at the root of the zip"),
        ("Bootstrap", b"#!/bin/sh\n", "in lower case"),
        ("server", b"#!/bin/sh\n", "no 'bootstrap'"),
        ("bootstrap", b"#!/usr/bin/python3\n", "does not have: use /bin/sh"),
        ("bootstrap", b"#!/usr/bin/env python3\n", "'python3'"),
        ("bootstrap", b"#!/bin/sh\r\necho\r\n", "Windows line ends"),
        ("bootstrap", b"fn main() {}", "neither a program nor a script"),
        ("bootstrap", b"MZ" + bytes(80), "built for Windows"),
        ("bootstrap", b"\xcf\xfa\xed\xfe" + bytes(80), "built for macOS"),
        ("bootstrap", b"\x7fELF" + bytes(20), "damaged ELF"),
        ("bootstrap", program("arm64"), "built for arm64"),
        ("bootstrap", program(versions=("GLIBC_2.35",)), "needs GLIBC_2.35, but provided.al2023 on x86_64 has 2.34"),
        ("bootstrap", program(versions=("GLIBC_ABI_DT_RELR",)), "needs GLIBC_2.36"),
        ("bootstrap", program(needed=("libpq.so.5", "libc.so.6")), "needs libpq.so.5,"),
        ("bootstrap", program(loader="/lib/ld-musl-x86_64.so.1"), "link it statically"),
    ],
)
def test_a_bad_entry_point(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (problem,) = check(tmp_path, with_mode(pack(name, content), 0o100755))
    assert said in problem


def test_glibc_is_compared_as_numbers(tmp_path: Path) -> None:
    entry = pack("bootstrap", program(versions=("GLIBC_2.4", "GLIBC_2.28", "GLIBC_PRIVATE")))
    assert check(tmp_path, entry) == []
    (problem,) = check(tmp_path, entry, platform=AL2)
    assert "needs GLIBC_2.28, but provided.al2 on x86_64 has 2.26" in problem


def test_openssl_3_is_on_al2023_and_not_on_al2(tmp_path: Path) -> None:
    entry = pack("bootstrap", program(needed=("libssl.so.3", "libcrypto.so.3")))
    assert check(tmp_path, entry) == []
    (problem,) = check(tmp_path, entry, platform=AL2)
    assert "libssl.so.3, libcrypto.so.3" in problem


def test_libraries_are_looked_up_inside_the_package(tmp_path: Path) -> None:
    library = program(loader=None, needed=())
    wants = program(needed=("libours.so.1",))
    assert check(tmp_path, pack("bootstrap", wants), pack("lib/libours.so.1", library)) == []
    assert len(check(tmp_path, pack("bootstrap", wants), pack("deps/libours.so.1", library))) == 1
    by_path = program(needed=("libours.so.1",), runpath="$ORIGIN/deps/../deps")
    assert check(tmp_path, pack("bootstrap", by_path), pack("deps/libours.so.1", library)) == []


def test_a_vendored_wheel_finds_its_own_libraries(tmp_path: Path) -> None:
    extension = program(loader=None, needed=("libpq-1.so.5",), runpath="$ORIGIN/../pkg.libs")
    files = {**GOOD_APP, "pkg/ext.cpython-312-x86_64-linux-gnu.so": extension}
    libraries = {"pkg.libs/libpq-1.so.5": program(loader=None, needed=("libssl-1.so.3",)),
                 "pkg.libs/libssl-1.so.3": program(loader=None)}  # fmt: skip
    assert check_files(tmp_path, {**files, **libraries}) == []
    (problem,) = check_files(tmp_path, files)
    assert "libpq-1.so.5" in problem


def test_many_libraries_with_one_fault_are_one_message(tmp_path: Path) -> None:
    files = {f"pkg/x{number}.so": program("arm64", loader=None) for number in range(9)}
    (problem,) = check_files(tmp_path, {**GOOD_APP, **files})
    assert problem.startswith("'pkg/x0.so', 'pkg/x1.so', 'pkg/x2.so' and 6 more: built for arm64")


def test_an_extension_of_another_python_is_found(tmp_path: Path) -> None:
    extension = program(loader=None)
    wrong = {**GOOD_APP, "pkg/_c.cpython-311-x86_64-linux-gnu.so": extension}
    (problem,) = check_files(tmp_path, wrong)
    assert "built for CPython 3.11, but the function runs 3.12" in problem
    assert check_files(tmp_path, {**wrong, "pkg/_c.cpython-312-x86_64-linux-gnu.so": extension}) == []


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    bad = program("x86_64", versions=("GLIBC_2.39",), needed=("libnowhere.so.1",))
    problems = check(
        tmp_path, with_mode(pack("bootstrap", bad), 0o100600), pack("../x", b""), pack("A", b""), pack("a", b"")
    )
    found = [
        "outside the package",
        "upper and lower case",
        "not executable",
        "not readable",
        "GLIBC_2.39",
        "libnowhere",
    ]
    assert [word for word in found if any(word in problem for problem in problems)] == found
    assert len(problems) == len(found)


def test_names_that_unpack_elsewhere_or_twice(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's own, of the name that is there twice
        for name in ("bootstrap", "bootstrap", "/etc/passwd", "dir\\file"):
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o100755 << 16
            archive.writestr(info, b"#!/bin/sh\n")
    problems = check_package(tmp_path / "p.zip", AL2023, handler="bootstrap")
    assert [
        word in text for word, text in zip(["outside", "backslashes", "more than once"], problems, strict=True)
    ] == [True] * 3


def test_a_symbolic_link_is_no_entry_point(tmp_path: Path) -> None:
    (problem,) = check(tmp_path, with_mode(pack("bootstrap", b"server"), stat.S_IFLNK | 0o777))
    assert "symbolic link" in problem


def test_a_zip_made_on_windows_has_no_modes(tmp_path: Path) -> None:
    assert check(tmp_path, *(with_mode(pack(n, c), 0) for n, c in GOOD_APP.items()), platform=PYTHON) == []
    (problem,) = check(tmp_path, with_mode(pack("bootstrap", b"#!/bin/sh\n"), 0))
    assert "not executable (mode 0000)" in problem


def test_compression_that_lambda_does_not_know(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "p.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("bootstrap", b"#!/bin/sh\n")
    (problem,) = check_package(tmp_path / "p.zip", AL2023, handler="bootstrap")
    assert "not compressed by deflate" in problem


@pytest.mark.parametrize("offset", [45, 60, 200])
def test_damaged_bytes_are_found_wherever_they_are(tmp_path: Path, offset: int) -> None:
    write_zip(tmp_path / "p.zip", [pack("bootstrap", b"#!/bin/sh\n" + bytes(range(256)) * 8)])
    content = bytearray((tmp_path / "p.zip").read_bytes())
    content[offset] ^= 0xFF
    (tmp_path / "p.zip").write_bytes(content)
    (problem,) = check_package(tmp_path / "p.zip", AL2023, handler="bootstrap")
    assert "damaged" in problem or "cannot be read as a zip" in problem


def test_an_encrypted_zip(tmp_path: Path) -> None:
    write_zip(tmp_path / "p.zip", [pack("bootstrap", b"#!/bin/sh\n")])
    content = (tmp_path / "p.zip").read_bytes()
    marked = content.replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01")
    (tmp_path / "p.zip").write_bytes(marked)
    (problem,) = check_package(tmp_path / "p.zip", AL2023, handler="bootstrap")
    assert "encrypted" in problem


def test_what_is_not_a_zip(tmp_path: Path) -> None:
    (tmp_path / "p.zip").write_bytes(b"not a zip")
    (problem,) = check_package(tmp_path / "p.zip", AL2023, handler="bootstrap")
    assert "cannot be read as a zip" in problem


def test_a_large_zip_goes_through_s3(tmp_path: Path) -> None:
    zeros = bytes(51 * 1024 * 1024)
    ballast = Entry("ballast", zeros, deflated=False, crc=zlib.crc32(zeros), size=len(zeros), mode=0o100644)
    script = pack("bootstrap", b"#!/bin/sh\n")
    assert check(tmp_path, script, ballast) == []
    (problem,) = check(tmp_path, script, ballast, through_s3=False)
    assert "Lambda takes 50 MB in a request" in problem


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def handler(event, context): ...", None),
        ("async def handler(event, context): ...", None),
        ("from mangum import Mangum\nhandler = Mangum(None)", "mangum"),
        ("handler: object = print", None),
        ("if True:\n    def handler(): ...\nelse:\n    handler = None", None),
        ("try:\n    import fast\nexcept ImportError:\n    fast = None\nhandler = print", None),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import nowhere\nhandler = print", None),
        ("from app.other import *", None),
        ("def __getattr__(name): ...", None),
        ("import boto3, botocore.client\nhandler = print", None),
        ("from . import other\nfrom .other import f as handler", None),
        ("def main(): ...", "does not define 'handler' (it has 'main')"),
        ("x = 1", "it defines no function"),
        ("def handler(: ...", "app/main.py:1 is not Python"),
        ("import nowhere.deep\nhandler = print", "app/main.py:1 imports 'nowhere'"),
        ("from .broken import f as handler", "app/broken.py:1 imports 'absent'"),
    ],
)
def test_the_handler_is_looked_up_in_the_text(source: str, said: str | None) -> None:
    files = {
        **GOOD_APP,
        "app/main.py": source.encode(),
        "app/other.py": b"f = 1",
        "app/broken.py": b"import absent\nf = 1",
    }
    problems = handler_problems(files, files.__getitem__, HANDLER, "3.12")
    assert len(problems) == (1 if said else 0)
    assert said is None or said in problems[0]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("App/main.py", "Linux distinguishes case"),
        ("src/app/main.py", "it is in 'src'"),
        ("other.py", "the zip has no 'app/main.py'"),
    ],
)
def test_a_handler_in_the_wrong_place(name: str, said: str) -> None:
    (problem,) = handler_problems([name], lambda name: b"", HANDLER, "3.12")
    assert said in problem


def test_a_mac_runs_its_own_programs_and_no_others(tmp_path: Path) -> None:
    mac = replace(AL2023, name="this Mac", system="darwin", glibc=None, loaders=frozenset())
    assert check(tmp_path, with_mode(pack("bootstrap", b"\xcf\xfa\xed\xfe" + bytes(80)), 0o100755), platform=mac) == []
    (problem,) = check(tmp_path, pack("bootstrap", program()), platform=mac)
    assert "built for Linux, but this Mac is macOS" in problem


@pytest.mark.parametrize(
    ("runtime", "glibc"), [("python3.11", (2, 26)), ("python3.12", (2, 34)), ("python3.9", (2, 26))]
)
def test_the_python_runtimes_and_their_linux(runtime: str, glibc: tuple[int, int]) -> None:
    assert lambda_platform(runtime, "x86_64").glibc == glibc
