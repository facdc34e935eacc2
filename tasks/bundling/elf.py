"""What an ELF file says about the machine that can run it, read with pyelftools."""

from dataclasses import dataclass
from io import BytesIO
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from elftools.elf.segments import InterpSegment

from tasks.bundling.platforms import Version, as_version

MACHINES = {"EM_X86_64": "x86_64", "EM_AARCH64": "arm64", "EM_386": "i386 (32 bit)", "EM_ARM": "arm (32 bit)"}
RELATIVE_RELOCATIONS = ("GLIBC_ABI_DT_RELR", (2, 36))
"""A symbol version that is no number: packed relocations, which glibc reads from 2.36 on."""


@dataclass(frozen=True)
class Elf:
    """The facts of one program or library."""

    machine: str
    """`x86_64`, `arm64`, or another machine's name."""
    loader: str | None
    """Path of the dynamic loader that a program asks for; None for a library or a static program."""
    needed: tuple[str, ...]
    """Sonames of the libraries it wants."""
    search: tuple[str, ...]
    """Folders of its RPATH or RUNPATH, with `$ORIGIN` as it stands."""
    glibc: Version | None
    """Highest GLIBC symbol version that it wants."""
    libstdcxx: Version | None


def read_elf(content: bytes) -> Elf:
    """Read the facts. Raises ValueError when the file is damaged."""
    try:
        file = ELFFile(BytesIO(content))
        needed, search = dynamic_entries(file)
        wanted = wanted_versions(file)
        loaders = [segment.get_interp_name() for segment in file.iter_segments() if isinstance(segment, InterpSegment)]
    except (ELFError, ValueError, KeyError, UnicodeDecodeError, OverflowError, AttributeError) as error:
        raise ValueError(f"damaged ELF file ({error or type(error).__name__})") from error
    return Elf(
        machine=MACHINES.get(str(file["e_machine"]), str(file["e_machine"])),
        loader=loaders[0] if loaders else None,
        needed=needed,
        search=search,
        glibc=highest("GLIBC", wanted),
        libstdcxx=highest("GLIBCXX", wanted),
    )


def dynamic_entries(file: ELFFile) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The needed libraries and the search folders."""
    section = file.get_section_by_name(".dynamic")
    if not isinstance(section, DynamicSection):
        return (), ()
    tags: list[Any] = list(section.iter_tags())  # each has the attribute that its d_tag names
    needed = tuple(tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED")
    paths = [tag.runpath for tag in tags if tag.entry.d_tag == "DT_RUNPATH"]
    paths += [tag.rpath for tag in tags if tag.entry.d_tag == "DT_RPATH"]
    return needed, tuple(folder for path in paths for folder in path.split(":") if folder)


def wanted_versions(file: ELFFile) -> list[str]:
    """All symbol versions of `.gnu.version_r`, such as `GLIBC_2.34`."""
    sections = [section for section in file.iter_sections() if isinstance(section, GNUVerNeedSection)]
    return [version.name for section in sections for _, versions in section.iter_versions() for version in versions]


def highest(family: str, versions: list[str]) -> Version | None:
    """The highest of one family. `GLIBC_PRIVATE` and its like are not versions."""
    numbers = [name.removeprefix(f"{family}_") for name in versions if name.startswith(f"{family}_")]
    found = [as_version(number) for number in numbers if number[:1].isdigit()]
    if family == "GLIBC" and RELATIVE_RELOCATIONS[0] in versions:
        found.append(RELATIVE_RELOCATIONS[1])
    return max(found, default=None)
