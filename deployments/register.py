"""Bring Prefect up to date with the files: environments and deployments. Skipped when nothing changed since.

The work is done by `python -m deployments.apply` in the Prefect environment of the local stack, or in the user's own
when PREFECT_API_URL names another server.
"""

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from localcloud.prefect_settings import client_environment
from localcloud.state import load_state

ROOT = Path(__file__).resolve().parent.parent
SOURCES = (
    "prefect.yaml", "blocks/*.py", "database/agents.py", "flows/*.py", "deployments/*.py",
    "deployments/configuring/*.py", "deployments/environments/*.toml", "deployments/automations/*.yaml",
    "deployments/work_pools/*",
)  # fmt: skip
BAD_FILES = 2
"""The exit code of `deployments.apply` when it is the files that are wrong."""
Report = Callable[[str], None]


class RegistrationFailed(Exception):
    """Prefect did not take the environments or deployments; the message is what it said."""


class BadFiles(RegistrationFailed):
    """An environment file or prefect.yaml is wrong; the message lists every problem."""


def register(home: Path, ports: Mapping[str, int], report: Report) -> None:
    """Register with the local stack unless its files, ports and Python are those of the last time."""
    stamp, wanted = home / "registered", fingerprint(ports)
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    done: list[str] = []
    run_apply(client_environment(home, ports), ["--prune", *endpoints(ports)], done.append)
    for line in summary(done):
        report(f"  {line}")
    stamp.write_text(wanted)


def make_ready(home: Path, ports: Mapping[str, int], report: Report) -> None:
    """What a stack that has just come up needs: its files registered, and no run that died with an earlier one."""
    from deployments.prefect_api import PrefectApi
    from deployments.recovery import recover

    register(home, ports, report)
    own = client_environment(home, ports)
    with closing(PrefectApi(own["PREFECT_API_URL"], own.get("PREFECT_API_AUTH_STRING", ""))) as prefect:
        recover(prefect, load_state(home).started, report)


def run_apply(environment: Mapping[str, str], arguments: list[str], report: Report) -> None:
    """Run `deployments.apply`, passing its lines on as they come. It says nothing when nothing is to be changed."""
    root = Path(environment.get("MIYABI_ROOT") or ROOT)
    if not (root / "prefect.yaml").is_file():
        raise BadFiles(f"MIYABI_ROOT is {root}, and no prefect.yaml is there")
    command = [sys.executable, "-m", "deployments.apply", *arguments]
    with subprocess.Popen(
        command, cwd=root, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        for line in process.stdout:
            report(line.rstrip())
        errors = process.stderr.read()
    if process.returncode:
        said = errors.strip() or f"{' '.join(command[1:3])} ended with {process.returncode}"
        raise BadFiles(said) if process.returncode == BAD_FILES else RegistrationFailed(said)


def summary(lines: Sequence[str]) -> list[str]:
    """`made deployment a`, `made deployment b` as `made 2 deployments`; what is no such line stays."""
    found = [re.match(r"(made|changed|removed) (work pool|\w+) ", line) for line in lines]
    counted = Counter((match[1], match[2]) for match in found if match)
    others = [line for line, match in zip(lines, found, strict=True) if not match]
    return [f"{verb} {number} {noun}{'s' * (number > 1)}" for (verb, noun), number in counted.items()] + others


def endpoints(ports: Mapping[str, int]) -> list[str]:
    """The arguments of `deployments.apply` that describe the embedded cloud."""
    aws, api, site = (f"http://127.0.0.1:{ports[name]}" for name in ("aws", "api", "site"))
    return [aws, api, site]


def fingerprint(ports: Mapping[str, int], root: Path = ROOT) -> str:
    """A hash of everything that a registration depends on."""
    digest = hashlib.sha256(f"{sys.executable} {sys.version} {sorted(ports.items())}".encode())
    for pattern in SOURCES:
        for path in sorted(root.glob(pattern)):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def own_addresses(ports: Mapping[str, int]) -> set[str]:
    """What PREFECT_API_URL may be when it is the local stack's own server."""
    return {f"http://{host}:{ports['prefect']}/api" for host in ("127.0.0.1", "localhost")}


def register_anyway(report: Report, local: tuple[Path, Mapping[str, int]] | None, *, prune: bool = False) -> None:
    """`miyabi configure`: register now, with PREFECT_API_URL's server or with the local stack (home, ports)."""
    options = ["--prune"] if prune else []
    given = os.environ.get("PREFECT_API_URL", "").rstrip("/")
    if given and not (local and given in own_addresses(local[1])):
        run_apply(os.environ, options, report)
    elif local:
        home, ports = local
        run_apply(client_environment(home, ports), [*options, *endpoints(ports)], report)
        (home / "registered").write_text(fingerprint(ports))
    else:
        raise RegistrationFailed(
            "Prefect is not running here and PREFECT_API_URL is not set; start it with `miyabi up`"
        )
