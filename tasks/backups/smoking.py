"""The application on a restored database: started here, as a process, and asked its whole smoke suite.

A database that holds every row may still not do for the code. What the suite makes there is thrown away with the
database, so it may write whatever the environment allows otherwise. The process gets the connection string and a JWT
secret of its own through its environment, and no credentials.
"""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from prefect import Task
from pydantic import SecretStr

from tasks.backups.comparing import Check, judged
from tasks.backups.dumping import Listener
from tasks.bundling.sources import Source, load_manifest
from tasks.changes import Rollout
from tasks.smoke_answers import Result
from tasks.smoke_asking import Caller
from tasks.smoke_suites import Target, ask_suite
from tasks.suites import Suite, load_suite

NAME = "the application answers"
STARTS_S = 60.0
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE")
"""Of our own environment."""


class CannotStart(Exception):
    """The application does not start on the restored database; the message is what it said."""


def smoke_on(target: Rollout, source: Source, dsn: SecretStr) -> Check:
    """Start the source's application on the database and ask its suite."""
    app = load_manifest(source).function.asgi
    if not app:
        return Check(NAME, None, f"{source} names no `asgi` in its miyabi.toml, so it cannot be started here")
    suite = without_surroundings(load_suite(source.folder))
    try:
        with serving(app, paths_of(source), dsn, health=target.environment.api.health_path) as url:
            results = ask_suite(
                Caller(willing(target), suite, url, perform=plainly), Target("the API", suite, url, url)
            )
    except CannotStart as error:
        return Check(NAME, False, str(error))
    wrong = [f"{result.check}: {result.detail}" for result in results if result.failed]
    asked = sum(result.ok is not None for result in results)
    return judged(NAME, wrong or ([] if asked else ["nothing was asked"]), f"{asked} smoke checks")


def willing(target: Rollout) -> Rollout:
    """The environment as it is to a suite that may do what it likes: the database is thrown away."""
    smoke = target.environment.smoke.model_copy(
        update={"writes": True, "mock_login": True, "tokens": {}, "exercise": False, "browser": False}
    )
    return target.at(target.environment.model_copy(update={"smoke": smoke}))


def without_surroundings(suite: Suite) -> Suite:
    """What a database alone can show: no pages, and nothing of API Gateway."""
    return suite.model_copy(update={"pages": (), "throttle": None})


def plainly(ask: Task[..., Result], *arguments: Any) -> Result:
    """Without a task run for each check."""
    return ask.fn(*arguments)


def paths_of(source: Source) -> list[Path]:
    """What a package of the source has at its root, as Python's path."""
    packages = load_manifest(source).function.packages
    return sorted({(source.folder / package).resolve().parent for package in packages}) or [source.folder]


@contextmanager
def serving(app: str, paths: Sequence[Path], dsn: SecretStr, *, health: str) -> Iterator[str]:
    """The application's URL while it runs. Raises CannotStart."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        fd = listening.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", app, "--fd", str(fd), "--log-level", "warning", "--no-access-log"],
            env=variables(paths, dsn), cwd=paths[0], pass_fds=[fd], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )  # fmt: skip
    try:
        wait_answering(process, Listener(process), url + health)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def variables(paths: Sequence[Path], dsn: SecretStr) -> dict[str, str]:
    return {
        **{name: os.environ[name] for name in KEPT if name in os.environ},
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "DATABASE_URL": dsn.get_secret_value(),
        "JWT_SECRET": secrets.token_urlsafe(48),
        "ENVIRONMENT": "restored",
    }


def wait_answering(
    process: "subprocess.Popen[bytes]",
    said: Listener,
    url: str,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    end = clock() + STARTS_S
    while process.poll() is None and clock() < end:
        try:
            httpx.get(url, timeout=5.0, trust_env=False)
            return
        except httpx.TransportError:
            sleep(0.1)
    raise CannotStart(f"it did not start on the restored database: {said.last()}")
