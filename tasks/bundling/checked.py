"""The check of a package, once for each: it reads every file of the zip, which is a quarter of an unchanged release.

What it says depends on the zip, the platform, the handler and the code that checks, and on nothing else. So a package
that has passed is remembered under a hash of these four; one that has not is checked, and said to fail, every time.
"""

import functools
import hashlib
from pathlib import Path

from tasks.bundling.leftovers import mark_used
from tasks.bundling.package_check import check_package
from tasks.bundling.platforms import Platform

FOLDER = "checked"
"""Beside the packages: an empty file for each that has passed."""


def check_once(path: Path, platform: Platform, *, handler: str) -> list[str]:
    """All the problems of the package `<sha256>.zip`, as `check_package` says them."""
    passed = path.parent / FOLDER / fingerprint(path.stem, platform, handler)
    if passed.exists():
        mark_used(passed)
        return []
    problems = check_package(path, platform, handler=handler)
    if not problems:
        passed.parent.mkdir(exist_ok=True)
        passed.touch()
    return problems


def fingerprint(sha256_hex: str, platform: Platform, handler: str) -> str:
    return hashlib.sha256("\0".join([sha256_hex, repr(platform), handler, code()]).encode()).hexdigest()


@functools.cache
def code() -> str:
    """A hash of the code that checks, with all that it could import from this folder."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
