"""What AWS/RDS shows of an instance, taken from the PostgreSQL that stands behind it and the machine that it runs on.

DatabaseConnections are those of the instance's own role and database. CPUUtilization is the share of all cores that
PostgreSQL's processes used; FreeableMemory and FreeStorageSpace are this machine's, since no volume of the instance's
size exists. Latencies and IOPS of a volume are not known, and not published.
"""

import logging
from typing import TYPE_CHECKING, Any

import psutil
import psycopg

from localcloud.aws.rds_postgres import Databases, Login
from localcloud.aws.rds_servers import Server
from localcloud.meters import gauge_kind, metrics_of

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

logger = logging.getLogger(__name__)

EVERY = 5.0
CONNECTIONS = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE backend_type = 'client backend' AND (usename = %s OR datname = %s) AND pid <> pg_backend_pid()"
)


class Gauges:
    """Looks at the instances of a cloud; `look` is called every few seconds."""

    def __init__(self, cloud: "Cloud", databases: Databases) -> None:
        self._cloud, self._databases = cloud, databases
        self._connections: dict[str, psycopg.Connection[Any]] = {}
        self._before: dict[int, float] = {}
        self._looked_at = 0.0

    def look(self, now: float) -> None:
        """Note what every available instance looks like. While PostgreSQL is away there is nothing to note."""
        logins = self._databases.logins()
        available = [
            database.db_instance_identifier
            for database in list(self._cloud.backend("rds").databases.values())
            if database.status == "available" and database.db_instance_identifier in logins
        ]
        try:
            levels = {name: self._levels(name, logins[name]) for name in available}
            cpu = self._cpu(now) if available else None
        except psycopg.OperationalError as error:
            logger.info("PostgreSQL cannot be measured: %s", error)
            self.close()
            return
        for name, level in levels.items():
            self._note(now, name, level if cpu is None else level | {("CPUUtilization", "Percent"): cpu})

    def close(self) -> None:
        while self._connections:
            self._connections.popitem()[1].close()

    def _levels(self, name: str, login: Login) -> dict[tuple[str, str], float]:
        admin = self._admin(self._databases.servers.of(name))
        found = admin.execute(CONNECTIONS, [login.username, login.dbname]).fetchone()
        return {
            ("DatabaseConnections", "Count"): found[0] if found else 0,
            ("FreeStorageSpace", "Bytes"): psutil.disk_usage(str(self._cloud.home)).free,
            ("FreeableMemory", "Bytes"): psutil.virtual_memory().available,
        }

    def _note(self, now: float, name: str, levels: dict[tuple[str, str], float]) -> None:
        metrics = metrics_of(self._cloud)
        for (metric, unit), value in levels.items():
            meter = metrics.meter(gauge_kind("AWS/RDS", metric, unit), {"DBInstanceIdentifier": name})
            meter.raise_to(now, float(value))

    def _cpu(self, now: float) -> float | None:
        """Percent of all cores since the last look; None at the first."""
        used = self._cpu_seconds()
        spent = sum(seconds - self._before.get(pid, 0.0) for pid, seconds in used.items())
        share = spent / max(now - self._looked_at, 0.001) / (psutil.cpu_count() or 1) * 100
        known, self._before, self._looked_at = bool(self._before), used, now
        return min(share, 100.0) if known else None

    def _cpu_seconds(self) -> dict[int, float]:
        """Processor time of the servers' processes."""
        used = {}
        for process in [process for server in self._databases.servers.all() for process in self._processes(server)]:
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            used[process.pid] = times.user + times.system
        return used

    def _processes(self, server: Server) -> list[psutil.Process]:
        main = psutil.Process(self._admin(server).info.backend_pid).parent()
        return [main, *main.children()] if main else []

    def _admin(self, server: Server) -> psycopg.Connection[Any]:
        dsn = server.dsn()
        if dsn not in self._connections or self._connections[dsn].closed:
            self._connections[dsn] = psycopg.connect(dsn, autocommit=True, connect_timeout=2)
        return self._connections[dsn]
