"""What a package will run on: Lambda's runtimes, or this machine where the embedded cloud is.

The figures are those of the runtimes' base images: `provided.al2` and python3.8-3.11 are Amazon Linux 2 (glibc 2.26,
OpenSSL 1.0.2, gcc 7), `provided.al2023` and python3.12 on are Amazon Linux 2023 minimal (glibc 2.34, OpenSSL 3,
gcc 11). Libraries are listed by soname; only those that a program may rely on.
"""

import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Machine = Literal["x86_64", "arm64"]
Version = tuple[int, ...]

GLIBC_PARTS = (
    "ld-linux-x86-64.so.2 ld-linux-aarch64.so.1 linux-vdso.so.1 libc.so.6 libm.so.6 libpthread.so.0 libdl.so.2 "
    "librt.so.1 libresolv.so.2 libutil.so.1 libanl.so.1 libnss_files.so.2 libnss_dns.so.2 libgcc_s.so.1 libstdc++.so.6 "
    "libz.so.1 libbz2.so.1 liblzma.so.5 libzstd.so.1 libcurl.so.4 libsqlite3.so.0 libxml2.so.2 libuuid.so.1 "
    "libgssapi_krb5.so.2 libkrb5.so.3 libk5crypto.so.3 libcom_err.so.2 libselinux.so.1 libnghttp2.so.14 "
    "libidn2.so.0 libreadline.so.{readline} libncurses.so.6 libtinfo.so.6 libpcre{pcre} libffi.so.{ffi} "
    "libssl.so.{openssl} libcrypto.so.{openssl} libcrypt.so.{crypt}"
)
AL2_LIBRARIES = GLIBC_PARTS.format(readline=6, pcre=".so.1", ffi=6, openssl=10, crypt=1)
AL2023_LIBRARIES = GLIBC_PARTS.format(readline=8, pcre="2-8.so.0", ffi=8, openssl=3, crypt=2)
SHELLS = frozenset({"/bin/sh", "/bin/bash", "/usr/bin/sh", "/usr/bin/bash", "/usr/bin/env"})
LOADERS = {"x86_64": "/lib64/ld-linux-x86-64.so.2", "arm64": "/lib/ld-linux-aarch64.so.1"}


@dataclass(frozen=True)
class Platform:
    """Where the code runs. `None` for a version means: not known, so not checked."""

    name: str
    """As a message says it: `provided.al2023 on x86_64`."""
    system: str
    """`linux`, `darwin` or `win32`, as `sys.platform` says."""
    machine: Machine
    python: str | None
    """`3.12` for a Python runtime."""
    glibc: Version | None
    libstdcxx: Version | None
    """Highest GLIBCXX symbol version."""
    libraries: frozenset[str]
    loaders: frozenset[str]
    interpreters: frozenset[str]
    """What a script's first line may name."""


def lambda_platform(runtime: str, machine: Machine) -> Platform:
    """AWS Lambda's own: `provided.al2`, `provided.al2023` or `python3.X`."""
    python = runtime.removeprefix("python") if runtime.startswith("python") else None
    new = runtime == "provided.al2023" or (python is not None and as_version(python) >= (3, 12))
    libraries = set((AL2023_LIBRARIES if new else AL2_LIBRARIES).split())
    libraries |= {f"libpython{python}.so.1.0"} if python else set()
    return Platform(
        name=f"{runtime} on {machine}",
        system="linux",
        machine=machine,
        python=python,
        glibc=(2, 34) if new else (2, 26),
        libstdcxx=(3, 4, 29) if new else (3, 4, 24),
        libraries=frozenset(libraries),
        loaders=frozenset({LOADERS[machine]}),
        interpreters=SHELLS | ({f"/var/lang/bin/python{python}", "/var/lang/bin/python3"} if python else set()),
    )


def host_platform(runtime: str, *, root: Path = Path("/")) -> Platform:
    """This machine, on which the embedded cloud runs what it is given."""
    kind, glibc = platform.libc_ver()
    python = runtime.removeprefix("python") if runtime.startswith("python") else None
    return Platform(
        name=f"{runtime} on this machine",
        system=sys.platform,
        machine=host_machine(),
        python=python,
        glibc=as_version(glibc) if kind == "glibc" else None,
        libstdcxx=None,
        libraries=frozenset(libraries_below(root)),
        loaders=frozenset(path for path in LOADERS.values() if (root / path[1:]).exists()),
        interpreters=frozenset(path for path in SHELLS | {"/usr/bin/python3"} if (root / path[1:]).exists()),
    )


def host_machine() -> Machine:
    """This machine's architecture in Lambda's words."""
    return "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"


def libraries_below(root: Path) -> set[str]:
    """The shared libraries in the folders that the dynamic loader searches by default."""
    folders = [root / where for where in ("lib", "lib64", "usr/lib", "usr/lib64", "usr/local/lib")]
    folders += [path for folder in folders for path in folder.glob("*-linux-*") if path.is_dir()]
    return {path.name for folder in folders if folder.is_dir() for path in folder.iterdir() if ".so" in path.name}


def as_version(text: str) -> Version:
    """`2.34` as (2, 34), so that 2.4 is below 2.34."""
    return tuple(int(part) for part in text.split("."))


def as_text(version: Version) -> str:
    return ".".join(str(part) for part in version)
