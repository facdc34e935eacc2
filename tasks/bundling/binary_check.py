"""The programs and libraries of a package against the platform: format, machine, glibc, loader, needed libraries.

What Lambda says when one of these is wrong is `Runtime.ExitError` or `Runtime.InvalidEntrypoint` at the first request,
with at best one line of the dynamic loader in the log (reference/aws.md §8, causes 4 to 6).
"""

import re
import stat
from collections.abc import Callable, Collection, Sequence
from pathlib import PurePosixPath

from tasks.bundling.elf import Elf, read_elf
from tasks.bundling.platforms import LOADERS, Platform, as_text
from tasks.bundling.wording import listed

Read = Callable[[str], bytes]
MACH_O = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")
SYSTEMS = {"darwin": "macOS", "win32": "Windows", "linux": "Linux"}
EXTENSION = re.compile(r"\.cpython-(?P<version>\d{2,})-[^/]*\.so$")
RUST_TARGETS = {"x86_64": "x86_64-unknown-linux-gnu", "arm64": "aarch64-unknown-linux-gnu"}


def bootstrap_problems(names: Collection[str], read: Read, mode: int, platform: Platform) -> list[str]:
    """The entry point of a native package: `bootstrap` at the root, executable, a program or a script."""
    if "bootstrap" not in names:
        return [missing_bootstrap(names)]
    if stat.S_ISLNK(mode):
        return ["'bootstrap' is a symbolic link: store the program itself"]
    problems = []
    if mode & 0o005 != 0o005:
        problems.append(
            f"'bootstrap' is not executable (mode {mode & 0o7777:04o}): chmod 0755 bootstrap, then zip again"
        )
    content = read("bootstrap")
    if content.startswith(b"#!"):
        problems += shebang_problems(content, platform)
    elif not content.startswith((b"\x7fELF", b"MZ", *MACH_O)):
        problems.append(f"'bootstrap' is neither a program nor a script (it starts with {content[:8]!r})")
    return problems


def missing_bootstrap(names: Collection[str]) -> str:
    """Nearly always it is there, in another place or under another name."""
    for name in sorted(names):
        path = PurePosixPath(name)
        if path.name == "bootstrap":
            return f"'bootstrap' must be at the root of the zip, it is {name!r}: zip from inside {str(path.parent)!r}"
        if name.lower() == "bootstrap":
            return f"the entry point is called {name!r}; Linux wants it in lower case: 'bootstrap'"
    return (
        f"the zip has no 'bootstrap', which is what {len(names)} file(s) need to be started: rename your program to it"
    )


def shebang_problems(content: bytes, platform: Platform) -> list[str]:
    """The first line of a script names an interpreter that the platform has."""
    line = content[2:].split(b"\n", 1)[0]
    if line.endswith(b"\r"):
        return ["'bootstrap' is a script with Windows line ends: Linux looks for an interpreter ending in '\\r'"]
    words = line.decode(errors="replace").split()
    name = words[0] if words else ""
    if name not in platform.interpreters:
        return [f"'bootstrap' is a script for {name!r}, which {platform.name} does not have: use /bin/sh"]
    if name.endswith("/env") and (len(words) < 2 or words[1] not in {"sh", "bash"}):
        program = " ".join(words[1:]) or "nothing"
        return [
            f"'bootstrap' is a script for {program!r} by way of env, which {platform.name} does not have: use /bin/sh"
        ]
    return []


def binary_problems(binaries: Sequence[str], names: Collection[str], read: Read, platform: Platform) -> list[str]:
    """What is wrong with the programs and libraries; one message where many have the same fault."""
    faulty: dict[str, list[str]] = {}
    for name in binaries:
        for fault in binary_faults(name, read(name), names, platform):
            faulty.setdefault(fault, []).append(name)
    return [f"{listed(files)}: {fault}" for fault, files in faulty.items()]


def binary_faults(name: str, content: bytes, names: Collection[str], platform: Platform) -> list[str]:
    """The faults of one file, worded without its name."""
    made_for = "darwin" if content.startswith(MACH_O) else "win32" if content.startswith(b"MZ") else "linux"
    if made_for != platform.system:
        wanted = SYSTEMS.get(platform.system, platform.system)
        return [f"built for {SYSTEMS[made_for]}, but {platform.name} is {wanted}: {rebuild_hint(name, platform)}"]
    if not content.startswith(b"\x7fELF"):
        return []  # a script, a linker script, or a Mac's library on a Mac
    try:
        elf = read_elf(content)
    except ValueError as error:
        return [f"{error}: build it again"]
    if elf.machine != platform.machine:
        hint = f"{rebuild_hint(name, platform)}, or set `architecture` in the environment"
        return [f"built for {elf.machine}, but the function's architecture is {platform.machine}: {hint}"]
    faults = loader_faults(elf, platform) + version_faults(name, elf, platform)
    return faults + library_faults(name, elf, names, platform) + python_faults(name, names, platform)


def loader_faults(elf: Elf, platform: Platform) -> list[str]:
    if elf.loader is None or elf.loader in platform.loaders:
        return []
    hint = "link it statically" if "musl" in elf.loader else f"it must be {LOADERS[platform.machine]}"
    return [f"asks for the dynamic loader {elf.loader}, which {platform.name} does not have: {hint}"]


def version_faults(name: str, elf: Elf, platform: Platform) -> list[str]:
    """A symbol version newer than the platform's library."""
    pairs = [("GLIBC", elf.glibc, platform.glibc), ("GLIBCXX", elf.libstdcxx, platform.libstdcxx)]
    return [
        f"needs {family}_{as_text(wanted)}, but {platform.name} has {as_text(limit)}: "
        f"{rebuild_hint(name, platform)}, or use a newer runtime"
        for family, wanted, limit in pairs
        if wanted is not None and limit is not None and wanted > limit
    ]


def library_faults(name: str, elf: Elf, names: Collection[str], platform: Platform) -> list[str]:
    """Needed libraries that are neither on the platform nor where the loader would look inside the package."""
    folders = library_folders(name, elf)
    absent = [soname for soname in elf.needed if soname not in platform.libraries]
    missing = [soname for soname in absent if not any(f"{folder}{soname}" in names for folder in folders)]
    if not missing:
        return []
    return [f"needs {', '.join(missing)}, which {platform.name} does not have: put it into lib/, or link it statically"]


def python_faults(name: str, names: Collection[str], platform: Platform) -> list[str]:
    """An extension module of another Python version, without a twin of the right one."""
    tag = EXTENSION.search(name)
    if tag is None or platform.python is None or tag["version"] == platform.python.replace(".", ""):
        return []
    stem, right = name[: tag.start()], platform.python.replace(".", "")
    if any(twin.startswith((f"{stem}.cpython-{right}-", f"{stem}.abi3.")) for twin in names):
        return []
    return [f"built for CPython {tag['version'][0]}.{tag['version'][1:]}, but the function runs {platform.python}: "
            f"{rebuild_hint(name, platform)}"]  # fmt: skip


def library_folders(name: str, elf: Elf) -> list[str]:
    """Where the loader looks: the task root and its lib/ (LD_LIBRARY_PATH), RPATH, and auditwheel's neighbours."""
    here = PurePosixPath(name).parent
    folders = [path.replace("${ORIGIN}", "$ORIGIN") for path in elf.search]
    inside = [collapse(here, path.removeprefix("$ORIGIN")) for path in folders if path.startswith("$ORIGIN")]
    inside += [
        collapse(PurePosixPath("."), path.removeprefix("/var/task")) for path in folders if path.startswith("/var/task")
    ]
    siblings = [f"{here}/"] if here.name.endswith(".libs") else []
    return ["", "lib/", *inside, *siblings]


def collapse(start: PurePosixPath, relative: str) -> str:
    """`a/b` and `/../c` as `a/c/`; the root as ``."""
    parts: list[str] = []
    for part in (*start.parts, *PurePosixPath(relative.lstrip("/")).parts):
        if part == "..":
            parts = parts[:-1]
        else:
            parts.append(part)
    return "".join(f"{part}/" for part in parts)


def rebuild_hint(name: str, platform: Platform) -> str:
    """How to get this file for that platform."""
    if name == "bootstrap" and platform.system == "linux":
        glibc = f".{as_text(platform.glibc)}" if platform.glibc else ""
        return f"build it for {RUST_TARGETS[platform.machine]}{glibc} (cargo lambda build, or cargo zigbuild --target)"
    python = f" and Python {platform.python}" if platform.python else ""
    return f"vendor the wheel for {SYSTEMS.get(platform.system, platform.system)} on {platform.machine}{python}"
