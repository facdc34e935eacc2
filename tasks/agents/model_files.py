"""The files that a model may see and write: those of one folder, bounded in size and number.

A path is resolved before it is used, links and all, and has to end inside the folder. What usually holds secrets (.env,
keys, git's own files) is refused by name, also through a link. Nothing here knows of models: a refusal is a sentence
that the model reads.
"""

import fnmatch
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

SHOWN = 48_000
"""Characters of one answer: some 12,000 tokens."""
LARGEST = 2 * 1024 * 1024
"""Bytes of a file that is read or searched."""
LISTED, HITS, LOOKED_AT = 500, 60, 20_000
"""Names in a list, lines found, files looked at for them."""
WRITTEN_BYTES, WRITTEN_FILES = 200_000, 30

CLOSED = (
    "*.git", ".git*-credentials", ".worktrees", ".miyabi", ".ssh", ".aws", ".gnupg", ".kube", ".docker", "secrets",
    ".secrets", ".env", ".env.*", "*.env", ".envrc", ".netrc", "_netrc", ".npmrc", ".pypirc", ".pgpass", ".htpasswd",
    "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "id_rsa*", "id_dsa*", "id_ecdsa*",
    "id_ed25519*", "credentials", "credentials.*", "*.tfstate", "*.tfstate.*", "*.tfvars",
)  # fmt: skip
"""Names of files and folders, in lower case, that are not shown and not written."""
OPEN = (".env.example", ".env.sample", ".env.template")
DULL = frozenset({"node_modules", ".venv", "venv", "__pycache__", "target", "dist", "build", ".next", ".mypy_cache",
                  ".ruff_cache", ".pytest_cache"})  # fmt: skip
"""Folders that are not walked through."""


RUNS = (".github/workflows/*", ".github/actions/*", ".gitattributes", "*/.gitattributes", ".gitmodules", ".husky/*",
        ".pre-commit-config.yaml", ".gitlab-ci.yml", ".circleci/*")  # fmt: skip
"""Paths that make other machines run something, or git behave otherwise: read, and not written."""


class Refused(Exception):
    """The reason is for the model: it may ask for something else."""


def closed(name: str) -> bool:
    known = name.casefold()
    return known not in OPEN and any(fnmatch.fnmatchcase(known, pattern) for pattern in CLOSED)


@dataclass
class Files:
    """A folder's files. `written` are those that were, in order. `may_configure`: also what is in RUNS."""

    folder: Path
    clock: Callable[[], float] = time.monotonic
    written: list[str] = field(default_factory=list)
    may_configure: bool = False

    def place(self, path: str) -> Path:
        """Where that is, links resolved. Raises Refused if it is outside, or not to be seen."""
        asked, root = Path(path), self.folder.resolve()
        if not path or len(path) > 500 or "\0" in path or asked.is_absolute() or ".." in asked.parts:
            raise Refused(f"{path[:100]!r} is not a path inside the repository: give one such as 'docs/plan.md'")
        try:
            found = (root / asked).resolve()
        except (OSError, RuntimeError) as error:  # a name too long, links in a circle
            raise Refused(f"{path!r} cannot be looked up: {error}") from error
        if not found.is_relative_to(root):
            raise Refused(f"{path!r} leads out of the repository")
        if any(closed(part) for part in (*asked.parts, *found.relative_to(root).parts)):
            raise Refused(f"{path!r} is not shown and not written: names like it hold secrets, or are git's own")
        return found

    def read(self, path: str, first_line: int = 1) -> str:
        """The file from a line on, with a note of what was left out."""
        lines = content(self.place(path), path).splitlines()
        shown, size = [], 0
        for line in lines[max(first_line, 1) - 1 :]:
            size += len(line) + 1
            if size > SHOWN:
                break
            shown.append(line)
        if not shown and lines and first_line <= len(lines):
            return lines[first_line - 1][:SHOWN] + f"\n[line {first_line} is cut]"
        last = max(first_line, 1) - 1 + len(shown)
        rest = f"\n[lines {last + 1} to {len(lines)} are left out]" if last < len(lines) else ""
        return "\n".join(shown) + rest

    def listing(self, folder: str = ".", pattern: str = "*") -> str:
        """Paths below the folder whose path or name fits the pattern."""
        names = []
        for path in self.walk(folder):
            name = path.relative_to(self.folder.resolve()).as_posix()
            if fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(path.name, pattern):
                names.append(name)
            if len(names) > LISTED:
                return "\n".join([*names[:LISTED], f"[more than {LISTED}: name a folder or a narrower pattern]"])
        return "\n".join(names) or f"[no file below {folder!r} fits {pattern!r}]"

    def search(self, text: str, folder: str = ".", *, patience: float = 5.0) -> str:
        """Lines that contain the text, upper and lower case alike, as `path:line: text`."""
        if not text.strip():
            raise Refused("name a text to search for")
        hits: list[str] = []
        until = self.clock() + patience
        for count, path in enumerate(self.walk(folder)):
            hits += hits_in(path, text.casefold(), path.relative_to(self.folder.resolve()).as_posix())
            if len(hits) > HITS:
                return "\n".join([*hits[:HITS], f"[more than {HITS}: search for a longer text, or in one folder]"])
            if count >= LOOKED_AT or self.clock() > until:
                return "\n".join([*hits, "[not all files were looked at: name a folder]"])
        return "\n".join(hits) or f"[no line below {folder!r} contains {text[:100]!r}]"

    def write(self, path: str, text: str) -> str:
        """Put the text there, in place of what was."""
        found, size = self.place(path), len(text.encode(errors="replace"))
        inside = found.relative_to(self.folder.resolve()).as_posix().casefold()
        if not self.may_configure and any(fnmatch.fnmatchcase(inside, pattern) for pattern in RUNS):
            raise Refused(
                f"{path!r} is not written: it would make machines run something. Say what it should be instead"
            )
        if size > WRITTEN_BYTES:
            raise Refused(f"{path!r} would have {size} bytes: at most {WRITTEN_BYTES} are written")
        if path not in self.written and len(self.written) >= WRITTEN_FILES:
            raise Refused(f"{WRITTEN_FILES} files were written: no more are")
        if found.exists() and not found.is_file():
            raise Refused(f"{path!r} is not a file")
        try:
            found.parent.mkdir(parents=True, exist_ok=True)
            found.write_text(text, errors="replace")
        except OSError as error:
            raise Refused(f"{path!r} cannot be written: {error.strerror}") from error
        if path not in self.written:
            self.written.append(path)
        return f"wrote {size} bytes to {path}"

    def walk(self, folder: str) -> Iterator[Path]:
        """Files below, by name, without what is closed or dull. Links are not followed."""
        if not (start := self.place(folder)).is_dir():
            raise Refused(f"{folder!r} is not a folder of the repository")
        for at, folders, names in os.walk(start):
            folders[:] = sorted(n for n in folders if n not in DULL and not closed(n))
            for name in sorted(names):
                path = Path(at, name)
                if not closed(name) and not path.is_symlink():
                    yield path


def content(found: Path, path: str) -> str:
    """The text of a regular file. Opened so that neither a pipe nor a device is waited for."""
    try:
        descriptor = os.open(found, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(f"{path!r} cannot be read: {error.strerror}") from error
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise Refused(f"{path!r} is not a file: list its folder instead")
        if about.st_size > LARGEST:
            raise Refused(f"{path!r} has {about.st_size} bytes: files of at most {LARGEST} are read")
        data = os.read(descriptor, LARGEST)
    finally:
        os.close(descriptor)
    if b"\0" in data[:8192]:
        raise Refused(f"{path!r} is not a text")
    return data.decode(errors="replace")


def hits_in(path: Path, text: str, name: str) -> list[str]:
    """The file's lines with the text; none of a file that is no text or too large."""
    try:
        lines = content(path, name).splitlines()
    except Refused:
        return []
    found = [(number, line) for number, line in enumerate(lines, 1) if text in line.casefold()]
    return [f"{name}:{number}: {line.strip()[:200]}" for number, line in found[: HITS + 1]]
