"""Python functions: the interpreter of exactly the version asked for, and what Lambda has beside it.

Lambda's Python runtimes come with awslambdaric, boto3 and what these need, and with nothing else. The same is put
together under `<home>/lambda/runtime-python3.X/` as links to our own copies, so the function sees neither our virtual
environment nor anything else of this machine. awslambdaric's compiled client fits one Python version only; for others
a small one over http.client stands in for it.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROVIDED = (
    "awslambdaric", "boto3", "botocore", "dateutil", "jmespath", "s3transfer", "simplejson", "six",
    "snapshot_restore_py", "urllib3",
)  # fmt: skip
COMPILED = "runtime_client"

START = """
import sys
sys.path[:0], sys.path[len(sys.path):] = [sys.argv[1]], [sys.argv[2]]
sys.path[:] = [folder for folder in sys.path if folder]
sys.argv = ["bootstrap", sys.argv[3]]
from awslambdaric.__main__ import main
main(sys.argv)
"""
"""As Lambda's /var/runtime/bootstrap: the task's own folder first, the provided packages last."""

PORTABLE_CLIENT = '''"""Stands in for awslambdaric's compiled client, which is for another Python version."""

import http.client
import os

_connection = None
_BASE = "/2018-06-01/runtime/invocation/"


def initialize_client(user_agent):
    global _connection
    _connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])


def next():
    _connection.request("GET", _BASE + "next")
    response = _connection.getresponse()
    return response.read(), dict(response.getheaders())


def _post(path, body, content_type):
    _connection.request("POST", _BASE + path, body, {"Content-Type": content_type})
    response = _connection.getresponse()
    response.read()
    if response.status >= 400:
        raise RuntimeError(f"Failed to post to {path}: {response.status}")


def post_invocation_result(invoke_id, body, content_type, invocation_id=None):
    _post(invoke_id + "/response", body, content_type)


def post_error(invoke_id, body, xray_cause, invocation_id=None):
    _post(invoke_id + "/error", body.encode(), "application/json")
'''


class NoInterpreter(Exception):
    """This machine does not have the Python version: the message says what to do."""


def interpreter(runtime: str, *, search_path: str | None = None) -> Path:
    """The interpreter for `python3.X`: our own if it is of that version, else `python3.X` on the PATH."""
    version = runtime.removeprefix("python")
    if version == _ours():
        return Path(getattr(sys, "_base_executable", sys.executable))
    found = shutil.which(f"python{version}", path=search_path)
    if found is None or not _is_version(found, version):
        raise NoInterpreter(
            f"this machine has no working python{version} on the PATH: install it, "
            f"or let the function use python{_ours()}, which is here"
        )
    return Path(found)


def provided_packages(home: Path, runtime: str) -> Path:
    """The folder with Lambda's own packages, brought up to date."""
    folder = home / "lambda" / f"runtime-{runtime}"
    folder.mkdir(parents=True, exist_ok=True)
    for name in PROVIDED:
        _link(folder, _location(name))
    if runtime.removeprefix("python") == _ours():
        _link(folder, _location(COMPILED))
    else:
        _write(folder / f"{COMPILED}.py", PORTABLE_CLIENT)
    return folder


def _ours() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _is_version(executable: str, version: str) -> bool:
    """Whether it runs and is what its name says; pyenv's shims exist for versions that they then refuse to run."""
    command = [executable, "-I", "-S", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    return done.returncode == 0 and done.stdout.strip() == version


def _location(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise NoInterpreter(f"the package {name!r} is missing: install the project with its `local` extra")
    origin = Path(spec.origin)
    return origin.parent if spec.submodule_search_locations else origin


def _link(folder: Path, target: Path) -> None:
    """A link to `target`, replaced at once if it points elsewhere, for other threads may be looking."""
    link = folder / target.name
    if link.is_symlink() and link.readlink() == target:
        return
    beside = folder / f".{target.name}.{os.urandom(4).hex()}"
    beside.symlink_to(target)
    beside.replace(link)


def _write(path: Path, text: str) -> None:
    if path.exists() and path.read_text() == text:
        return
    beside = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    beside.write_text(text)
    beside.replace(path)
