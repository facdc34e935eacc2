"""From a site's folder to what is published: found, repointed, built where it has a build, checked.

All of it happens on a copy in the work folder; the user's own tree is never written. A build is kept under the hash of
all that went into it, so a release that changes nothing does not build again. The build runs in a process group of its
own, without this process's secrets, and its output is the run's log.
"""

import hashlib
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tasks.changes import Rollout
from tasks.errors import Permanent, Rejected
from tasks.sites.checking import problems_of
from tasks.sites.files import SiteFile, read_site
from tasks.sites.search import Hit, choose, replaced, search
from tasks.sites.sources import Site, find_site
from tasks.steps import step

logger = logging.getLogger(__name__)

UNKNOWN_API = "https://api.invalid"
"""Stands for the API's address before there is an API: what is wrong with a site is said before the first write."""
OUTPUTS = ("dist", "out", "build", "_site", ".output/public", "dist/*/browser", "dist/*", "public")
KEPT_BUILDS = 5
PASSED = re.compile(
    r"^(PATH|HOME|USER|LANG|LC_\w+|TZ|TMPDIR|TEMP|TMP|SYSTEMROOT|\w*_proxy|\w*_PROXY|SSL_CERT_\w+|NODE_\w+|npm_config_\w+|"
    r"NPM_CONFIG_\w+|NVM_\w+|VOLTA_\w+|XDG_\w+)$"
)
"""Variables of this process that a build may see; a site's own are in its `.env` files."""
INSTALLERS: Mapping[str, tuple[str, ...]] = {
    "pnpm-lock.yaml": ("pnpm", "install", "--frozen-lockfile"),
    "yarn.lock": ("yarn", "install", "--frozen-lockfile"),
    "package-lock.json": ("npm", "ci", "--no-audit", "--no-fund"),
    "npm-shrinkwrap.json": ("npm", "ci", "--no-audit", "--no-fund"),
}
"""How dependencies are installed, by the lock file that is there."""


@dataclass(frozen=True)
class BuiltSite:
    """A site that may be published."""

    name: str
    api_url: str
    """The API that it was built for; `UNKNOWN_API` before there is one."""
    address: str
    """The API's address as the site has it now."""
    hits: tuple[Hit, ...]
    """All that was found."""
    used: tuple[Hit, ...]
    """Those that were repointed."""
    files: tuple[SiteFile, ...]


@step("Build and check the site", retries=1)
def build_site(rollout: Rollout, source: str, api_url: str, *, root: Path, work: Path) -> BuiltSite:
    """Find the API's address in a site, repoint it, build and check it. Writes nothing but the work folder.

    Raises Rejected with all the problems: nothing found, ambiguous, still pointing at the visitor's machine.
    """
    site = find_site(source, root=root)
    hits = search(site)
    for hit in hits:
        logger.info("found %s", hit)
    used = choose(site, hits)
    old = next((hit.value for hit in used if hit.value), None)
    address = address_for(api_url, old, site, rollout.environment.api.health_path)
    logger.info("%s becomes %s", ", ".join(sorted({hit.name for hit in used})), address)
    folder = output_of(site, used, address, work=work / "sites")
    bundled = bool(site.script)
    if problems := problems_of(folder, value=address, allow=site.table.allow, bundled=bundled):
        raise Rejected(f"site {site.folder.name}", [*problems, *hint(problems)])
    files = read_site(folder, immutable=site.table.immutable)
    logger.info("site %s: %d files, %.1f MB", site.folder.name, len(files), sum(file.size for file in files) / 1e6)
    return BuiltSite(site.folder.name, api_url, address, tuple(hits), tuple(used), files)


def hint(problems: Sequence[str]) -> list[str]:
    if not any(" points " in problem for problem in problems):
        return []
    return ['if one of these is meant, allow it in the site\'s miyabi.toml: [site] allow = ["http://localhost:…"]']


def address_for(api_url: str, old: str | None, site: Site, health_path: str) -> str:
    """The API's address as the site wants it: `https://…/api/v1`.

    The path that the old value had, whichever it was, becomes the API's own, which its health path begins with. A whole
    URL without a path gets none: then the site's code adds it. `api_suffix` in the manifest says otherwise.
    """
    parts = urlsplit(old or "")
    suffix = "" if parts.netloc and parts.path in ("", "/") else health_path.rpartition("/")[0]
    if site.table.api_suffix is not None:
        suffix = site.table.api_suffix
    slash = "/" if old and len(old) > 1 and old.endswith("/") and not suffix.endswith("/") else ""
    return api_url.rstrip("/") + suffix + slash


def output_of(site: Site, used: Sequence[Hit], address: str, *, work: Path) -> Path:
    """The folder to publish, made in the work folder or found there from last time."""
    files = list(site.files())
    place = work / digest_of(site, files, used, address)
    if not place.is_dir():
        work.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=work, prefix="making-") as scratch:
            copy = Path(scratch) / "site"
            copy_files(site, files, copy)
            repoint(copy, used, address)
            made = built(site, copy, used, address) if site.script else copy / site.published.relative_to(site.folder)
            made.rename(Path(scratch) / "made")
            keep(Path(scratch) / "made", place)
    place.touch()
    tidy(work)
    return place


def digest_of(site: Site, files: Iterable[Path], used: Sequence[Hit], address: str) -> str:
    """The hash of all that a build depends on."""
    facts = [site.table.model_dump_json(), site.script, address, [str(hit) for hit in used]]
    digest = hashlib.sha256(json.dumps(facts).encode())
    for path in files:
        digest.update(f"\0{path.relative_to(site.folder).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:32]


def copy_files(site: Site, files: Iterable[Path], copy: Path) -> None:
    for path in files:
        target = copy / path.relative_to(site.folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        target.chmod(path.stat().st_mode & 0o777 | 0o600)


def repoint(copy: Path, used: Sequence[Hit], address: str) -> None:
    """Put the address in where the hits are; a variable of the build has it instead of its fallback, too."""
    for file in sorted({hit.file for hit in used if hit.end}):
        path = copy / file
        try:
            text = path.read_bytes().decode()
        except UnicodeDecodeError as error:
            raise Rejected(f"site file {file}", ["is to be repointed and is not UTF-8: save it as UTF-8"]) from error
        path.write_bytes(replaced(text, [hit for hit in used if hit.file == file and hit.end], address).encode())


def built(site: Site, copy: Path, used: Sequence[Hit], address: str) -> Path:
    """Run the site's own build on the copy; the folder of its output."""
    variables = {hit.name: address for hit in used if hit.form == "variable"}
    environment = {name: value for name, value in os.environ.items() if PASSED.match(name)}
    environment |= {"CI": "1", "NO_COLOR": "1", "NEXT_TELEMETRY_DISABLED": "1", **variables}
    for command in commands(site):
        if shutil.which(command[0]) is None:
            raise Permanent(
                f"site {site.folder.name} has a build and {command[0]!r} is not installed here: install Node.js, or set"
                ' [site] build = "" and output in its miyabi.toml to publish what is built already'
            )
        run_logged(command, cwd=copy, env=environment, timeout=site.table.build_timeout_s)
    return found_output(site, copy)


def commands(site: Site) -> list[Sequence[str]]:
    """Install what the site depends on, if anything, then build."""
    lock = next((name for name in INSTALLERS if (site.folder / name).is_file()), "")
    install = INSTALLERS.get(lock, ("npm", "install", "--no-audit", "--no-fund"))
    needs = any(site.package.get(kind) for kind in ("dependencies", "devDependencies", "optionalDependencies"))
    return [*([install] if needs else []), (install[0], "run", site.script)]


def found_output(site: Site, copy: Path) -> Path:
    if site.table.output:
        named = copy / site.table.output
        if named.is_dir():
            return named
        raise Rejected(f"site {site.folder.name}", [f"site.output: the build made no folder {site.table.output!r}"])
    for pattern in OUTPUTS:
        for place in sorted(copy.glob(pattern)):
            if (place / "index.html").is_file():
                return place
    places = ", ".join(OUTPUTS)
    raise Rejected(
        f"site {site.folder.name}", [f"its build left no index.html in any of {places}: name it, [site] output"]
    )


def run_logged(command: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float) -> None:
    """Run a program in a group of its own, its output into the log. Raises Rejected when it fails or takes too long."""
    logger.info("$ %s", " ".join(command))
    lines: list[str] = []
    process = subprocess.Popen(
        command, cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", start_new_session=True,
    )  # fmt: skip
    timer = threading.Timer(timeout, end_group, (process.pid,))
    timer.start()
    try:
        for line in process.stdout or ():
            lines.append(line.rstrip())
            logger.info("%s", line.rstrip())
        code = process.wait()
    finally:
        late = not timer.is_alive()
        timer.cancel()
        end_group(process.pid)
        process.wait()
        if process.stdout:
            process.stdout.close()
    if code:
        why = f"took longer than {timeout:.0f} s" if late else f"failed with {code}"
        raise Rejected(f"`{' '.join(command)}` {why}", [line for line in lines if line.strip()][-15:])


def end_group(group: int) -> None:
    """End a process and all that it started and that is still there."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def keep(made: Path, place: Path) -> None:
    """Move a finished build to its place; another run may have been faster."""
    try:
        made.rename(place)
    except OSError:
        if not place.is_dir():
            raise


def tidy(work: Path) -> None:
    """Remove all but the newest builds."""
    builds = sorted(
        (path for path in work.iterdir() if not path.name.startswith("making-")), key=lambda p: p.stat().st_mtime
    )
    for path in builds[:-KEPT_BUILDS]:
        shutil.rmtree(path, ignore_errors=True)
