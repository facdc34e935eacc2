"""Would Lambda run this zip? Everything that is wrong with it, at once, before anything is uploaded.

AWS accepts almost any bytes as a package and fails at the first request with an empty log (reference/aws.md §8, causes
4 to 7); the embedded cloud's simulator checks even less. So the checks are here: names and modes of the files, sizes,
the entry point, the handler, and every program and library inside against the platform it will run on.
"""

import stat
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tasks.bundling.binary_check import binary_problems, bootstrap_problems
from tasks.bundling.handler_check import handler_problems
from tasks.bundling.platforms import Platform
from tasks.bundling.wording import SHOWN, listed

MB = 1024 * 1024
DIRECT_LIMIT = 50 * MB
"""Compressed bytes that one request may carry; a larger package goes through S3."""
UNPACKED_LIMIT = 250 * MB
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError)
"""What `zipfile` raises on bytes that are not, or no longer, a zip."""


@dataclass(frozen=True)
class Package:
    """An opened zip: what is in it, and where."""

    archive: zipfile.ZipFile
    files: dict[str, zipfile.ZipInfo]

    def read(self, name: str) -> bytes:
        return self.archive.read(name)

    def head(self, name: str, size: int = 4) -> bytes:
        with self.archive.open(name) as file:
            return file.read(size)


def check_package(path: Path, platform: Platform, *, handler: str, through_s3: bool = True) -> list[str]:
    """All the problems of the package, each with what to do. `handler` counts for Python platforms only."""
    problems = upload_problems(path.stat().st_size, through_s3)
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            too_large = unpacked_problems(infos)
            problems += name_problems(infos) + too_large
            unreadable = storage_problems(infos) or ([] if too_large else damage(archive))
            if unreadable:
                return problems + unreadable
            package = Package(archive, {info.filename: info for info in infos if not info.is_dir()})
            return problems + content_problems(package, platform, handler)
    except UNREADABLE as error:
        return [*problems, f"{path} cannot be read as a zip ({error}): build it again"]


def content_problems(package: Package, platform: Platform, handler: str) -> list[str]:
    """The entry point, the file modes, and what the programs and libraries inside want."""
    names = set(package.files)
    entry = (
        bootstrap_problems(names, package.read, mode_of(package, "bootstrap"), platform)
        if platform.python is None
        else handler_problems(names, package.read, handler, platform.python)
    )
    binaries = [name for name in sorted(names) if is_binary(package, name)]
    return entry + mode_problems(package) + binary_problems(binaries, names, package.read, platform)


def is_binary(package: Package, name: str) -> bool:
    """Programs and libraries are told by their names, then by their first bytes; data files are not opened."""
    path = PurePosixPath(name)
    if name == "bootstrap" or ".so" in path.suffixes or path.suffix == ".pyd":
        return True
    program = path.suffix == "" and bool(mode_of(package, name) & 0o111)
    return program and package.head(name) == b"\x7fELF"


def mode_of(package: Package, name: str) -> int:
    """Unix mode with the file type; 0 when the zip was made where there are none."""
    info = package.files.get(name)
    return info.external_attr >> 16 if info else 0


def upload_problems(size: int, through_s3: bool) -> list[str]:
    limit, way = (UNPACKED_LIMIT, "through S3") if through_s3 else (DIRECT_LIMIT, "in a request")
    if size <= limit:
        return []
    return [f"the package is {size / MB:.1f} MB; Lambda takes {limit // MB} MB {way}: leave files out of it"]


def unpacked_problems(infos: list[zipfile.ZipInfo]) -> list[str]:
    size = sum(info.file_size for info in infos)
    if size <= UNPACKED_LIMIT:
        return []
    largest = sorted(infos, key=lambda info: -info.file_size)[:SHOWN]
    names = ", ".join(f"{info.filename} ({info.file_size / MB:.0f} MB)" for info in largest)
    return [
        f"unpacked the package is {size / MB:.0f} MB; Lambda allows {UNPACKED_LIMIT // MB} MB. The largest: {names}"
    ]


def storage_problems(infos: list[zipfile.ZipInfo]) -> list[str]:
    """Compression and encryption that Lambda does not undo."""
    odd = [i.filename for i in infos if i.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)]
    secret = [i.filename for i in infos if i.flag_bits & 1]
    return several("{} not compressed by deflate, the only way that Lambda unpacks: zip again", odd) + several(
        "{} encrypted: zip again without a password", secret
    )


def damage(archive: zipfile.ZipFile) -> list[str]:
    """Whether every file unpacks to what its checksum says."""
    name = archive.testzip()
    return [f"{name!r} is damaged inside the zip: build it again"] if name else []


def name_problems(infos: list[zipfile.ZipInfo]) -> list[str]:
    """Names that unpack elsewhere, twice, or differently on another file system."""
    names = [info.orig_filename for info in infos]
    paths = {name: PurePosixPath(name) for name in names}
    outside = [name for name, path in paths.items() if path.is_absolute() or ".." in path.parts]
    twice = [name for name, count in Counter(names).items() if count > 1]
    lower = Counter(name.lower() for name in set(names))
    clashing = [name for name in sorted(set(names)) if lower[name.lower()] > 1]
    return (
        several("{} outside the package (absolute, or with '..'): zip from inside the folder", outside)
        + several(
            "{} with backslashes, which are part of the name on Linux: zip with '/'", [n for n in names if "\\" in n]
        )
        + several("{} in the zip more than once: make it anew instead of adding to it", twice)
        + several("{} alike but for upper and lower case, and overwrite each other on a Mac: rename one", clashing)
    )


def mode_problems(package: Package) -> list[str]:
    """Lambda runs as a user who is not the owner of the files."""
    modes = {name: mode_of(package, name) for name in sorted(package.files)}
    hidden = [name for name, mode in modes.items() if mode and not mode & stat.S_IROTH]
    return several("{} not readable by others, and Lambda runs as another user: chmod o+r", hidden)


def several(message: str, names: list[str]) -> list[str]:
    """One message for many files: `'a' is …`, or `'a', 'b', 'c' and 9 more are …`."""
    return [message.format(f"{listed(names)} {'is' if len(names) == 1 else 'are'}")] if names else []
