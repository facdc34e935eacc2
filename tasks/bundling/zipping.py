"""Deterministic zips: the same names and contents give the same bytes, on any machine and at any time.

Names are sorted, the date is 1980-01-01, modes follow from the content (never from umask or the file system), and the
compressor is libdeflate at level 6: three times faster than zlib's and smaller (reference/performance.md §7). The
headers are written here, since `zipfile` cannot take data that is compressed already; that also lets a package reuse
the compressed dependencies of the last one.
"""

import struct
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from zlib import crc32

from deflate import deflate_compress

LEVEL = 6
EXECUTABLE, ORDINARY = 0o100755, 0o100644
MIDNIGHT_1980 = (0, 0x21)
"""DOS time and date of 1980-01-01 00:00, the first that a zip can hold."""
UTF8_NAME = 0x800
LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
MOST_ENTRIES, MOST_BYTES = 0xFFFE, 0xFFFF_FFFE
"""Beyond these a zip needs the 64-bit format; Lambda's own limits are far below."""


@dataclass(frozen=True)
class Entry:
    """One file, as it stands in the zip."""

    name: str
    data: bytes
    """Compressed if `deflated`."""
    deflated: bool
    crc: int
    size: int
    mode: int


def pack(name: str, content: bytes) -> Entry:
    """Compress one file, unless that does not make it smaller. `name` is its path inside the zip, with `/`."""
    squeezed = bytes(deflate_compress(content, LEVEL))
    deflated = len(squeezed) < len(content)
    return Entry(
        name, squeezed if deflated else content, deflated, crc32(content), len(content), mode_of(name, content)
    )


def mode_of(name: str, content: bytes) -> int:
    """0755 for `bootstrap`, programs, libraries and scripts; 0644 for the rest. Lambda runs as another user."""
    executable = name == "bootstrap" or content.startswith((b"\x7fELF", b"#!"))
    return EXECUTABLE if executable else ORDINARY


def write_zip(path: Path, entries: Iterable[Entry]) -> None:
    """Write the entries in the order of their names. Raises ValueError on two of one name, or too much for a zip."""
    ordered = sorted(entries, key=lambda entry: entry.name)
    for one, other in pairwise(ordered):
        if one.name == other.name:
            raise ValueError(f"two files would be {one.name!r} in {path}")
    if len(ordered) > MOST_ENTRIES or sum(len(entry.data) + 200 for entry in ordered) > MOST_BYTES:
        raise ValueError(f"{path} would need a 64-bit zip: {len(ordered)} files")
    directory, offset = [], 0
    with path.open("wb") as file:
        for entry in ordered:
            head = local_header(entry)
            file.write(head)
            file.write(entry.data)
            directory.append(central_header(entry, offset))
            offset += len(head) + len(entry.data)
        listing = b"".join(directory)
        count = len(ordered)
        file.write(listing + END + struct.pack("<4H2LH", 0, 0, count, count, len(listing), offset, 0))


def common_fields(entry: Entry, name: bytes) -> bytes:
    """What the local and the central header share, from `version needed` to the length of the extra field."""
    flags = 0 if name.isascii() else UTF8_NAME
    method = zipfile.ZIP_DEFLATED if entry.deflated else zipfile.ZIP_STORED
    sizes = (entry.crc, len(entry.data), entry.size, len(name), 0)
    return struct.pack("<5H3L2H", 20, flags, method, *MIDNIGHT_1980, *sizes)


def local_header(entry: Entry) -> bytes:
    name = entry.name.encode()
    return LOCAL + common_fields(entry, name) + name


def central_header(entry: Entry, offset: int) -> bytes:
    name = entry.name.encode()
    made_by_unix = struct.pack("<H", 3 << 8 | 20)
    place = struct.pack("<3H2L", 0, 0, 0, entry.mode << 16, offset)
    return CENTRAL + made_by_unix + common_fields(entry, name) + place + name


def append(path: Path, files: Mapping[str, bytes]) -> None:
    """Add files to a zip, whoever made it. They are stored as they are: zlib's versions compress differently."""
    with zipfile.ZipFile(path, "a") as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name)  # of midnight 1980
            entry.external_attr, entry.create_system = mode_of(name, content) << 16, 3
            archive.writestr(entry, content, zipfile.ZIP_STORED)


def read_entries(path: Path) -> list[Entry]:
    """The entries of a zip of ours, still compressed, so that they can go into another one as they are."""
    with zipfile.ZipFile(path) as archive:
        listing = archive.infolist()
    content = path.read_bytes()
    return [entry_at(content, info) for info in listing]


def entry_at(content: bytes, info: zipfile.ZipInfo) -> Entry:
    """One entry of `write_zip`: its data follows the 30 bytes of the local header and the name."""
    start = info.header_offset + 30 + len(info.filename.encode())
    data = content[start : start + info.compress_size]
    return Entry(info.filename, data, info.compress_type != 0, info.CRC, info.file_size, info.external_attr >> 16)
