"""The deterministic zip of an 11 MB Rust program against `zipfile` at level 6, in turns.

The program is made of the Rust libraries that the development environment holds anyway, cut to the size of the
mission's `lambda-api`. Both sides write the zip to a file. That ours is no larger is shown beside the time, and held by
tests/unit/test_zipping.py.
"""

import statistics
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.bindings import _rust
from pydantic_core import _pydantic_core

from tasks.bundling.zipping import pack, write_zip
from tests.bench.results import Result

SIZE = 11_000_000
ROUNDS = 5


def bench(*, rounds: int = ROUNDS) -> list[Result]:
    """The table's line."""
    program = rust_program()
    with tempfile.TemporaryDirectory() as folder:
        mine, theirs = Path(folder, "ours.zip"), Path(folder, "zipfile.zip")
        times = [(timed(ours, program, mine), timed(standard, program, theirs)) for _ in range(rounds)]
        size = mine.stat().st_size / theirs.stat().st_size
    us, peer = (statistics.median(side) for side in zip(*times, strict=True))
    ratio = statistics.median(one / other for one, other in times)
    name = "deterministic zip of an 11 MB program"
    return [Result(name, us * 1e3, peer * 1e3, f"zipfile level 6, and ours is {size:.3f}x its size", ratio, 0.40, "<=")]


def rust_program() -> bytes:
    """11 MB of compiled Rust."""
    content = b"".join(Path(module.__file__ or "").read_bytes() for module in (_rust, _pydantic_core))
    return content[:SIZE]


def timed(side: Callable[[bytes, Path], None], program: bytes, path: Path) -> float:
    """Seconds."""
    start = time.perf_counter()
    side(program, path)
    return time.perf_counter() - start


def ours(program: bytes, path: Path) -> None:
    write_zip(path, [pack("bootstrap", program)])


def standard(program: bytes, path: Path) -> None:
    info = zipfile.ZipInfo("bootstrap")
    info.external_attr = 0o100755 << 16
    with zipfile.ZipFile(path, "w") as archive:  # writestr with a ZipInfo wants the level said here
        archive.writestr(info, program, zipfile.ZIP_DEFLATED, compresslevel=6)


if __name__ == "__main__":
    for result in bench():
        print(result)
