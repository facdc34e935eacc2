"""The embedded cloud in one process: the AWS endpoint, the API front with the Lambda runtime, and CloudFront's sites.

`python -m localcloud.cloud --home H --aws-port P --api-port Q --site-port S` runs until SIGTERM or SIGINT; tests use
`Cloud`. All parts share memory: the fronts read aliases, policies and objects straight from moto's backends. moto's
state is global to a process, so there is one running cloud in a process. Everything binds to loopback.
"""

import argparse
import asyncio
import logging
import os
import signal
import threading
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import uvloop

from localcloud.aws.patches import Patches

if TYPE_CHECKING:
    from localcloud.aws.faults import Call

T = TypeVar("T")
logger = logging.getLogger(__name__)

ACCOUNT = "211234825975"
REGION = "us-east-1"
_running = threading.Lock()


class Database(Protocol):
    """The embedded PostgreSQL as the cloud needs it (`localcloud.postgres.Postgres`)."""

    @property
    def home(self) -> Path: ...

    @property
    def port(self) -> int: ...

    def dsn(self, dbname: str = "postgres") -> str: ...


@dataclass(frozen=True)
class RunningPostgres:
    """A PostgreSQL that the supervisor started on this home."""

    home: Path
    port: int

    def dsn(self, dbname: str = "postgres") -> str:
        password = (self.home / "secrets" / "postgres-superuser").read_text().strip()
        return f"host=127.0.0.1 port={self.port} user=miyabi_root password={password} dbname={dbname}"


@dataclass(frozen=True)
class Timings:
    """How long things take, in seconds; long enough that a client that does not wait is found out."""

    database: float = 0.3
    """An RDS instance in `creating` (at least) and again in each later transition."""
    function: float = 0.2
    """A Lambda function in `Pending`, or with its update `InProgress`."""
    edge: float = 0.3
    """An invalidation in progress; until it is over, its pages are served as they were."""


class Cloud:
    """One embedded cloud. A port of 0 takes a free one; `aws_endpoint`, `api_endpoint` and `site_endpoint` say where.

    Of use to those that share its process: `backend(service)` (moto's state), `state.touch(service)` (have it saved
    after changing it directly), `patches` (wrap moto until the cloud stops), `loop` (the asyncio loop of the front),
    `faults` (inject, record).
    """

    def __init__(
        self,
        home: Path,
        aws_port: int = 0,
        api_port: int = 0,
        postgres: Database | None = None,
        *,
        site_port: int = 0,
        account_id: str = ACCOUNT,
        timings: Timings = Timings(),
    ) -> None:
        os.environ["MOTO_ACCOUNT_ID"] = account_id  # moto reads it at import, so what imports moto waits until here
        from localcloud.aws.faults import Faults
        from localcloud.aws.state import State

        self.home, self.postgres, self.account_id, self.timings = home, postgres, account_id, timings
        self.region = REGION
        self.aws_port, self.api_port, self.site_port = aws_port, api_port, site_port
        self.faults = Faults()
        self.patches = Patches()
        self.state = State(home, account_id=account_id)
        self.loop = uvloop.new_event_loop()
        self._loop_thread = threading.Thread(target=self.loop.run_forever, name="api-front", daemon=True)
        self._stops: list[Any] = []

    @property
    def aws_endpoint(self) -> str:
        return f"http://127.0.0.1:{self.aws_port}"

    @property
    def api_endpoint(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def site_endpoint(self) -> str:
        return f"http://127.0.0.1:{self.site_port}"

    @property
    def calls(self) -> "list[Call]":
        """Every AWS call since `faults.clear()`."""
        return self.faults.calls

    def backend(self, service: str) -> Any:
        """moto's backend of a service, for this account and region (`aws` for the global services)."""
        from localcloud.aws.backends import backends_of

        regions = backends_of(service)[self.account_id]
        return regions[self.region if self.region in regions else "aws"]

    def start(self) -> None:
        """Close moto's gaps, read the saved state, and serve."""
        if not _running.acquire(blocking=False):
            raise RuntimeError("a cloud already runs in this process; moto's state is global, so stop that one first")
        self._stops.append(_running.release)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop serving, save the state, and leave moto as it was found. Also ends a start that failed half-way."""
        while self._stops:
            self._stops.pop()()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the front's loop, from another thread, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def reset(self) -> None:
        """Empty the account: no resource, no database, no fault, no record of calls."""
        self.services.interrupt()
        with self.state.still:
            self.services.reset()
            self.state.forget()
        self.faults.clear()

    def _start(self) -> None:
        from localcloud.aws.imports import one_session

        with one_session():
            from localcloud.aws.front import Front as AwsFront
            from localcloud.aws.server import Dispatcher, Server
            from localcloud.aws.services import Services
            from localcloud.sites import SiteFront

        self._stops.append(self.patches.undo)
        self.services = Services(self)
        self._stops.append(self.services.stop)
        self.state.start()
        self._stops.append(self.state.stop)
        self.services.settle_in()
        dispatcher = Dispatcher()
        endpoint = Server(AwsFront(self, dispatcher), port=self.aws_port)
        self.aws_port = endpoint.port
        self._start_front()
        sites = Server(SiteFront(self), port=self.site_port, threads=8)
        self.site_port = sites.port
        for server in (endpoint, sites):
            server.start()
            self._stops.append(server.stop)
        self.services.resume()
        self._stops.append(self.services.watch())
        self._stops.append(dispatcher.warm_up())
        logger.info("AWS on %s, APIs on %s, sites on %s", self.aws_endpoint, self.api_endpoint, self.site_endpoint)

    def _start_front(self) -> None:
        from localcloud import gateway

        self._loop_thread.start()
        self._stops.append(self._stop_loop)
        front = self.run(gateway.start(self))
        self.api_port = front.port
        self._stops.append(lambda: self.run(front.stop()))

    def _stop_loop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._loop_thread.join()
        self.loop.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a cloud until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m localcloud.cloud", description="The embedded AWS on loopback.")
    parser.add_argument("--home", type=Path, required=True, help="folder of the state")
    parser.add_argument("--aws-port", type=int, default=0, help="port of the AWS endpoint (default: a free one)")
    parser.add_argument("--api-port", type=int, default=0, help="port of the API front (default: a free one)")
    parser.add_argument("--site-port", type=int, default=0, help="port of the sites (default: a free one)")
    parser.add_argument("--postgres-port", type=int, help="port of the PostgreSQL that runs on this home")
    parser.add_argument("--account", default=ACCOUNT, help="the AWS account (default: %(default)s)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    database = RunningPostgres(options.home, options.postgres_port) if options.postgres_port else None
    cloud = Cloud(
        options.home,
        options.aws_port,
        options.api_port,
        database,
        site_port=options.site_port,
        account_id=options.account,
    )
    asked_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked_to_stop.set())
    cloud.start()
    asked_to_stop.wait()
    cloud.stop()


if __name__ == "__main__":
    main()
