"""Where the files to investigate come from: a folder as it is, a ref of it, or an address at a ref.

A ref and an address are checked out into a folder of their own, which goes afterwards; the repository itself is not
touched. A token for private addresses is in the variable MIYABI_GIT_TOKEN and reaches git by its environment, never by
an argument; an address with a password in it is refused, since parameters of flows are kept.
"""

import base64
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tasks.errors import Permanent, Temporary
from tasks.investigating.investigation import Subject

ADDRESS = re.compile(r"^(https?|ssh|git|file)://[^\s-][^\s]*$|^[\w.-]+@[\w.-]+:[\w./~-]+$")
REF = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_./~^-]{0,199}$")
TOKEN = "MIYABI_GIT_TOKEN"
PATIENCE_S = 600.0
AWAY = re.compile(r"could not resolve host|timed? ?out|connection (refused|reset)|unable to access", re.IGNORECASE)


@contextmanager
def checked_out(repository: str, ref: str = "") -> Iterator[Subject]:
    """The files, by name and commit. Raises Permanent for what is no repository, Temporary if the address is away."""
    if ref and not REF.match(ref):
        raise Permanent(f"{ref!r} is no branch, tag or commit")
    if is_address(repository):
        with tempfile.TemporaryDirectory(prefix="miyabi-investigate-") as place:
            yield fetched(repository, ref or "HEAD", Path(place))
    elif not (folder := Path(repository).expanduser()).is_dir():
        raise Permanent(f"{repository!r} is neither a folder here nor the address of a git repository")
    elif ref or is_bare(folder):
        with tempfile.TemporaryDirectory(prefix="miyabi-investigate-") as place:
            yield at_ref(folder.resolve(), ref or "HEAD", Path(place) / "copy")
    else:
        yield Subject(folder.resolve(), folder.resolve().name, commit_of(folder))


def is_bare(folder: Path) -> bool:
    """A repository without files of its own."""
    return all((folder / part).exists() for part in ("HEAD", "objects", "refs"))


def is_address(repository: str) -> bool:
    """True for an address. Raises Permanent for one with a password."""
    if not ADDRESS.match(repository):
        return False
    if "://" in repository and (urlsplit(repository).password or (urlsplit(repository).scheme.startswith("http")
                                and urlsplit(repository).username)):  # fmt: skip
        raise Permanent(f"take the credentials out of the address: set {TOKEN} where the worker runs")
    return True


def fetched(address: str, ref: str, place: Path) -> Subject:
    """One commit of an address, without its history."""
    git(place, "init", "--quiet")
    try:
        git(place, "fetch", "--quiet", "--depth", "1", "--", address, ref, extra=credentials(address))
    except Permanent as error:
        raise Permanent(f"{error}\nOf an address there can be asked a branch, a tag, or a whole commit.") from error
    git(place, "checkout", "--quiet", "--detach", "FETCH_HEAD")
    name = re.sub(r"[^\w.-]", "-", "-".join(re.split(r"[/:]", address.removesuffix(".git"))[-2:]))
    return Subject(place, name.strip("-."), git(place, "rev-parse", "HEAD"))


def at_ref(folder: Path, ref: str, place: Path) -> Subject:
    """A commit of a folder's repository, whose objects are lent."""
    if not ((folder / ".git").exists() or is_bare(folder)):
        raise Permanent(f"{folder} is not the top of a git repository, so it has no {ref!r}: leave the ref out")
    git(folder, "clone", "--quiet", "--shared", "--no-checkout", "--", str(folder), str(place))
    known = [
        one
        for one in (ref, f"origin/{ref}")
        if git(place, "rev-parse", "-q", "--verify", f"{one}^{{commit}}", ok=(0, 1))
    ]
    if not known:
        raise Permanent(f"{folder} has no branch, tag or commit {ref!r}")
    git(place, "checkout", "--quiet", "--detach", known[0])
    return Subject(place, folder.name.removesuffix(".git"), git(place, "rev-parse", "HEAD"))


def commit_of(folder: Path) -> str | None:
    """The folder's commit, `-dirty` where its files differ from it; None outside of git."""
    commit = git(folder, "rev-parse", "-q", "--verify", "HEAD", ok=(0, 1, 128))
    if not commit:
        return None
    return commit + ("-dirty" if git(folder, "--no-optional-locks", "status", "--porcelain", ok=(0, 128)) else "")


def origin_of(folder: str) -> str | None:
    """`owner/name` of a folder's origin or of an address at GitHub, which has the issues."""
    address = folder if ADDRESS.match(folder) else ""
    if Path(folder).is_dir():
        address = git(Path(folder), "remote", "get-url", "origin", ok=(0, 1, 2, 128))
    found = re.search(r"[/:]([\w.-]+/[\w.-]+?)(?:\.git)?/?$", address)
    return found[1] if found else None


def credentials(address: str) -> Mapping[str, str]:
    """The token as git's own environment has it, for this address alone."""
    token = os.environ.get(TOKEN, "")
    if not token or not address.startswith("https://"):
        return {}
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    host = urlsplit(address).netloc
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.https://{host}/.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
    }


def git(folder: Path, *arguments: str, extra: Mapping[str, str] | None = None, ok: tuple[int, ...] = (0,)) -> str:
    """What git prints, or nothing for another of the `ok` statuses. No hooks, no questions, no large files."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") and name != TOKEN}
    env |= {"GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1", **(extra or {})}
    command = ["git", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", *arguments]
    try:
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, errors="replace",
                              timeout=PATIENCE_S, check=False)  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise Temporary(f"git {arguments[0]} has not ended after {PATIENCE_S:.0f} s") from error
    if done.returncode not in ok:
        kind = Temporary if AWAY.search(done.stderr) else Permanent
        raise kind(f"git {arguments[0]}: {done.stderr.strip()[-400:] or f'status {done.returncode}'}")
    return done.stdout.strip() if done.returncode == 0 else ""
