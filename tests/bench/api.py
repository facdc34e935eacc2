"""The API with a million executions and ten million log lines: in the database, under uvicorn, through the embedded
Lambda, and the start of a cold function.

In the database: every statement of a request, those of the permissions too, as PostgreSQL's auto_explain timed it; its
longest plan is shown. The peer of the others is a bare Starlette route that reads one row with psycopg (api_peer.py),
served in the same way. Routes are asked one after another; the milliseconds are p50, and p95 is printed beside.
"""

import contextlib
import http.client
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from api.tokens import issue
from blocks.environment import FunctionSettings
from database.users import User
from localcloud.cloud import Cloud
from localcloud.lambda_runtime import of
from tasks.bundling.bundle import Bundle, build_bundle
from tasks.bundling.sources import parse_source
from tests.backend import JWT_SECRET
from tests.bench.api_data import filled, uuid_of
from tests.bench.api_plans import Plans
from tests.bench.lambda_sides import ROOT, Session, free_port, running, wait_for
from tests.bench.results import Result

HANA = User(uuid_of("user0"), 1000, "u0@example.com", "User 0", None)
EXECUTION, LONG, TASK = uuid_of("execution500000"), uuid_of("execution5"), uuid_of("task1000")
REPOSITORY, ORGANIZATION = uuid_of("repository101"), uuid_of("org")
ROUTES = {
    "executions": "/agents/executions?limit=50",
    "executions, all visible": "/agents/executions?limit=50&visible=true",
    "executions, of an organization": f"/agents/executions?limit=50&organization_id={ORGANIZATION}",
    "executions, of a status": "/agents/executions?limit=50&status=running",
    "executions, failed of all": "/agents/executions?limit=50&status=failed&visible=true",
    "executions, of an agent": "/agents/executions?limit=50&agent_type=crm",
    "executions, of a repository": f"/agents/executions?limit=50&repository_id={REPOSITORY}",
    "one execution": f"/agents/executions/{EXECUTION}",
    "log, a page": f"/agents/executions/{EXECUTION}/logs",
    "log, far into a long one": f"/agents/executions/{LONG}/logs?since=40000&limit=1000",
    "dashboard, summary": "/dashboard/summary",
    "dashboard, summary of all": f"/dashboard/summary?organization_id={ORGANIZATION}",
    "dashboard, recent": "/dashboard/recent",
    "dashboard, recent of all": f"/dashboard/recent?organization_id={ORGANIZATION}",
    "dashboard, live": "/dashboard/live",
    "dashboard, live of all": f"/dashboard/live?organization_id={ORGANIZATION}",
    "tasks": "/tasks?limit=50",
    "tasks of all": f"/tasks?limit=50&organization_id={ORGANIZATION}",
    "task statistics": "/tasks/stats",
    "task statistics of all": f"/tasks/stats?organization_id={ORGANIZATION}",
    "one task": f"/tasks/{TASK}",
    "repositories": "/repositories?limit=50",
    "organizations": "/organizations",
    "members": f"/organizations/{ORGANIZATION}/members?limit=100",
    "releases": "/releases",
}
IN_DATABASE_MS = 20.0
SERVED = ("executions", "one execution", "log, a page", "dashboard, live", "tasks", "organizations")
"""Through Lambda these, for the others differ from them by their statements alone."""
REQUESTS, LONGEST_S, COLD_STARTS = 100, 4.0, 7
PEER = "a bare route, one query"


def bench() -> list[Result]:
    token = issue(JWT_SECRET, HANA, lifetime_s=24 * 3600)
    with filled() as dsn:
        results = [*in_database(dsn, token), *under_uvicorn(dsn, token)]
        return results + through_lambda(dsn, token)


def in_database(dsn: str, token: str) -> Iterator[Result]:
    with Plans(dsn, token) as plans:
        for name, path in ROUTES.items():
            found = plans.of(path)
            print(f"\n{name}: {found.milliseconds:.1f} ms in {found.statements} statements\n{found.plan}")
            ratio = found.milliseconds / IN_DATABASE_MS
            yield Result(f"{name}, in the database", found.milliseconds, IN_DATABASE_MS, "20 ms", ratio, 1.0, "<=")


def under_uvicorn(dsn: str, token: str) -> Iterator[Result]:
    with served("api.app:app", dsn) as ours, served("tests.bench.api_peer:app", dsn) as peer:
        for name, path in ROUTES.items():
            mine, other = alternating(f"{ours}/api/v1{path}", f"{peer}/one", token)
            yield compared(f"{name}, uvicorn", mine, other)


@contextlib.contextmanager
def served(app: str, dsn: str) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--log-level", "warning", "--no-access-log"]
    with running(command, {**os.environ, **variables(dsn)}):
        wait_for(f"http://127.0.0.1:{port}/api/v1/health")
        yield f"http://127.0.0.1:{port}"


def variables(dsn: str) -> dict[str, str]:
    return {
        "DATABASE_URL": dsn,
        "JWT_SECRET": JWT_SECRET,
        "ENVIRONMENT": "bench",
        "LOG_LEVEL": "ERROR",
        "RATE_LIMIT": "0",
    }


def compared(name: str, ours: list[float], peer: list[float]) -> Result:
    """Milliseconds of requests, as medians."""
    mine, other = statistics.median(ours), statistics.median(peer)
    print(f"{name}: p50 {mine:.1f} ms, p95 {statistics.quantiles(ours, n=20)[-1]:.1f} ms; the peer {other:.1f} ms")
    return Result(name, mine, other, PEER, mine / other, None, "<=")


def alternating(ours: str, peer: str, token: str) -> tuple[list[float], list[float]]:
    sides = Asking(ours, token), Asking(peer, token)
    for side in sides:
        side.ask()
    times, until = list[list[float]](), time.monotonic() + LONGEST_S
    while len(times) < REQUESTS and (len(times) < 5 or time.monotonic() < until):
        times.append([side.ask() for side in sides])
    return [mine for mine, _ in times], [other for _, other in times]


class Asking:
    """One URL, over one connection."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.netloc, timeout=60)
        self._path = f"{parts.path}?{parts.query}"
        self._headers = {"Authorization": f"Bearer {token}"}

    def ask(self) -> float:
        """Milliseconds of a request."""
        began = time.perf_counter()
        self._connection.request("GET", self._path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{self._path} answered {answer.status}: {body[:300]!r}")
        return (time.perf_counter() - began) * 1000


# --- Lambda -------------------------------------------------------------------------------------------------------


def through_lambda(dsn: str, token: str) -> list[Result]:
    """The API and the peer as functions behind the embedded gateway, and how long the API's takes to start."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = built(Path(folder, "work"))
        print(f"\nzip: {bundle.size / 1e6:.2f} MB, {bundle.unpacked_size / 1e6:.1f} MB unpacked")
        cloud = Cloud(Path(folder, "cloud"))
        cloud.start()
        try:
            session = Session(cloud.aws_endpoint)
            code = bundle.path.read_bytes()
            api = session.deploy("api", code, handler="api.handler.handler", **variables(dsn))
            url = f"{cloud.api_endpoint}/_api/{api}"
            wait_for(f"{url}/api/v1/health")
            results = [lambda_route(route, url, token) for route in SERVED]
            return [*results, cold_start(cloud, url, Path(folder), bundle)]
        finally:
            cloud.stop()


def built(work: Path) -> Bundle:
    settings = FunctionSettings(host_wheels=True, python_runtime=f"python3.{sys.version_info.minor}")
    return build_bundle(parse_source("python:api", root=ROOT), settings, root=ROOT, work=work)


def lambda_route(name: str, url: str, token: str) -> Result:
    """Beside the shortest route of the same function: what the route itself costs."""
    mine, other = alternating(f"{url}/api/v1{ROUTES[name]}", f"{url}/api/v1/auth", token)
    found = compared(f"{name}, embedded Lambda", mine, other)
    return Result(found.name, found.ours_ms, found.peer_ms, "GET /auth, same function", found.ratio, None, "<=")


def cold_start(cloud: Cloud, url: str, folder: Path, bundle: Bundle) -> Result:
    """The first answer of a fresh process, and what its start consists of."""
    runtime, rounds = of(cloud), []
    for _ in range(COLD_STARTS):
        cloud.run(runtime.empty())
        began = time.perf_counter()
        wait_for(f"{url}/api/v1/agents")
        [sandbox] = runtime.sandboxes
        rounds.append((time.perf_counter() - began, sandbox.spawn_s, sandbox.init_s))
    total, spawn, init = (statistics.median(column) * 1000 for column in zip(*rounds, strict=True))
    rest = total - spawn - init
    print(f"cold start: {total:.0f} ms = spawn {spawn:.0f} + init {init:.0f} + request and gateway {rest:.0f}")
    print("\n".join(imports(folder, bundle)))
    return Result("cold start of the Lambda zip", total, 1000.0, "1 s", total / 1000, 1.0, "<=")


def imports(folder: Path, bundle: Bundle) -> list[str]:
    """What the import of the handler takes, by package: the packed bytecode, in a process like the function's."""
    place = folder / "unpacked"
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(bundle.path), str(place)], check=True)
    command = [sys.executable, "-s", "-S", "-X", "importtime", "-c", "import api.handler"]
    clean = {"PYTHONPATH": str(place), **variables("postgresql://x@127.0.0.1:1/x")}
    before = cpu_of_children()
    subprocess.run([word for word in command if word not in ("-X", "importtime")], cwd=place, env=clean, check=True)
    cpu = (cpu_of_children() - before) * 1000
    done = subprocess.run(command, cwd=place, env=clean, capture_output=True, text=True, check=True)
    own: dict[str, float] = {}
    for line in done.stderr.splitlines():
        took, _, module = line.removeprefix("import time:").split("|")
        if took.strip().isdigit():
            package = module.strip().partition(".")[0]
            own[package] = own.get(package, 0.0) + int(took) / 1000
    largest = sorted(own.items(), key=lambda item: -item[1])[:10]
    shown = ", ".join(f"{package} {took:.0f}" for package, took in largest)
    return [
        f"a process that imports the handler and ends: {cpu:.0f} ms of CPU, whatever else the machine does",
        f"its imports, {sum(own.values()):.0f} ms with -X importtime: {shown}",
    ]


def cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    for result in bench():
        print(result)
