"""The services of `miyabi up --ha`: what production has several of, twice, on one machine.

Two Prefect API servers behind one address, the servers' background services in a process of their own, on PostgreSQL
and Redis; two workers, two dispatchers, two agent workers. Whichever is killed, its twin goes on and the supervisor
brings it back. Who talks to the API has to give the string in `<home>/secrets/prefect-auth`.
"""

import signal
from importlib.util import find_spec
from pathlib import Path

from localcloud import redis
from localcloud.health import answers
from localcloud.launch import launched
from localcloud.prefect_settings import ROOT, auth_string, clean_environment, server_environment
from localcloud.services import PREFERRED_PORTS as ONE_OF_EACH
from localcloud.services import agents, cloud, fresh, postgres, python, worker
from localcloud.supervisor import Service

APIS = ("prefect-1", "prefect-2")
PREFERRED_PORTS = {**ONE_OF_EACH, "prefect-1": 4251, "prefect-2": 4252, "redis": 16379}


def missing() -> str | None:
    """What this machine lacks for it, and how to get it."""
    try:
        redis.find_server()
    except redis.NoRedis as none:
        return str(none)
    return None if find_spec("prefect_redis") else "prefect-redis is not there: `pip install 'miyabi-pipelines[ha]'`"


def services(home: Path, ports: dict[str, int]) -> list[Service]:
    """All of them. Called when nothing of an earlier run is left running."""
    fresh(home)
    return [
        *(api(home, ports, name) for name in APIS), background(home, ports), front(home, ports), cloud(home, ports),
        postgres(home, ports), redis_server(home, ports), worker(home, ports, "worker-1"),
        worker(home, ports, "worker-2"), agents(home, ports, "dispatcher-1", "dispatch"),
        agents(home, ports, "dispatcher-2", "dispatch"), agents(home, ports, "agents-1", "work"),
        agents(home, ports, "agents-2", "work"),
    ]  # fmt: skip


def redis_server(home: Path, ports: dict[str, int]) -> Service:
    return Service(
        "redis",
        lambda: launched(
            [redis.find_server(), str(redis.write_settings(home, ports["redis"]))], dies_with=signal.SIGTERM
        ),
        lambda _: redis.is_ready(home, ports["redis"]),
        clean_environment(home),
    )


def api(home: Path, ports: dict[str, int], name: str) -> Service:
    """An API server with the UI. The first one migrates the database, the others wait for it."""
    first = name == APIS[0]
    after = ("postgres", "redis") if first else APIS[:1]
    return Service(
        name,
        lambda: python("localcloud.prefect_server", "--part", "api", "--after", *after, dies_with=signal.SIGKILL),
        lambda _: answers(ports[name], "/api/health"),
        environment(home, ports, migrates=first) | {"PREFECT_SERVER_API_PORT": str(ports[name])},
        needs=("postgres", "redis"),
        waits_itself=True,
        directory=ROOT,
    )


def background(home: Path, ports: dict[str, int]) -> Service:
    """Scheduler, automations, events: what the API servers leave to it. It counts as ready once it is there."""
    return Service(
        "prefect-services",
        lambda: python("localcloud.prefect_server", "--part", "services", "--after", APIS[0]),
        lambda _: True,
        environment(home, ports, migrates=False),
        needs=("postgres", "redis"),
        waits_itself=True,
        directory=ROOT,
    )


def front(home: Path, ports: dict[str, int]) -> Service:
    """The one address of the API servers, which clients know as that of Prefect."""
    return Service(
        "prefect",
        lambda: python("localcloud.balancer", str(ports["prefect"]), *(str(ports[name]) for name in APIS)),
        lambda _: answers(ports["prefect"], "/api/health"),
        clean_environment(home),
        needs=APIS,
        waits_itself=True,
        directory=ROOT,
    )


def environment(home: Path, ports: dict[str, int], *, migrates: bool) -> dict[str, str]:
    """That of a server which is one of several: what they share is in PostgreSQL and Redis, nothing in memory."""
    return server_environment(home, ports) | {
        "PREFECT_SERVER_API_AUTH_STRING": auth_string(home),
        "PREFECT_SERVER_DATABASE_MIGRATE_ON_START": str(migrates).lower(),
        "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": str(migrates).lower(),
        "PREFECT_SERVER_EVENTS_MESSAGING_BROKER": "prefect_redis.messaging",
        "PREFECT_SERVER_EVENTS_MESSAGING_CACHE": "prefect_redis.messaging",
        "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": "prefect_redis.ordering",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect_redis.lease_storage",
        "PREFECT_SERVER_WORKER_CHANNEL_CLEANUP_QUEUE_STORAGE": "prefect_redis.cleanup_queue",
        "PREFECT_REDIS_MESSAGING_URL": redis.url(home, ports["redis"], 0),
        "PREFECT_REDIS_WORKER_CLEANUP_QUEUE_URL": redis.url(home, ports["redis"], 0),
        "PREFECT_SERVER_DOCKET_URL": redis.url(home, ports["redis"], 1),
    }
