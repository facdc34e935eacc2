"""All services at once: close their gaps, empty them, and what the cloud says of them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data

from localcloud.aws import account, apis, cloudwatch, distributions, functions, objects, rds, rds_moves, topics
from localcloud.aws.alarms import AlarmClock, Ticker
from localcloud.aws.rds_metrics import EVERY, Gauges

if TYPE_CHECKING:
    from localcloud.cloud import Cloud


class Services:
    """The services of one cloud. Making it closes every gap; `MotoChanged` says where moto is not the one we know."""

    def __init__(self, cloud: "Cloud") -> None:
        self._cloud = cloud
        self._databases = rds.install(cloud)
        functions.install(cloud)
        apis.install(cloud)
        account.install(cloud)
        distributions.install(cloud)
        cloudwatch.install(cloud)
        topics.install(cloud)
        objects.install(cloud)

    def settle_in(self) -> None:
        """Before anything is served: let what was saved find the databases where they are today."""
        if self._databases.databases:
            rds_moves.follow(self._cloud, self._databases.databases.move())

    def resume(self) -> None:
        """Go on with what an earlier cloud's end interrupted."""
        self._databases.resume(self._cloud.backend("rds"))

    def watch(self) -> Callable[[], None]:
        """Evaluate alarms and measure databases from now on; answers a function that ends it and saves the metrics."""
        tickers, closing = [Ticker("alarm-clock", 1.0, AlarmClock(self._cloud).tick)], []
        if self._databases.databases:
            gauges = Gauges(self._cloud, self._databases.databases)
            tickers.append(Ticker("rds-gauges", EVERY, gauges.look))
            closing.append(gauges.close)

        def end() -> None:
            for ticker in tickers:
                ticker.stop()
            for close in closing:
                close()
            self._cloud.state.touch("cloudwatch")

        return end

    def interrupt(self) -> None:
        """Leave everything where it is."""
        self._databases.interrupt()

    def stop(self) -> None:
        """Leave everything where it is, and empty moto: it is global, and the next cloud starts from what was saved."""
        self.interrupt()
        if self._databases.databases:
            self._databases.databases.servers.stop()
        _forget()

    def reset(self) -> None:
        """Empty the account, databases included; nothing may be in progress."""
        if self._databases.databases:
            self._databases.databases.drop_all()
        if self._databases.snapshots:
            self._databases.snapshots.forget_all()
        _forget()

    def status(self) -> dict[str, Any]:
        """What runs here, without a secret: APIs, functions, databases and sites by name."""
        cloud = self._cloud
        apis = {
            api.name: {"id": api.api_id, "url": f"{cloud.api_endpoint}/_api/{api.api_id}"}
            for api in cloud.backend("apigatewayv2").apis.values()
        }
        functions = {
            function.function_name: {"runtime": function.run_time, "state": function.state}
            for function in cloud.backend("lambda").list_functions()
        }
        return {"apis": apis, "functions": functions, "databases": self._status_of_databases(), "sites": self._sites()}

    def _sites(self) -> dict[str, Any]:
        """The distributions that are served, by id; the oldest has the port's own address."""
        cloud = self._cloud
        served = [d for d in cloud.backend("cloudfront").distributions.values() if d.wanted.get("Enabled")]
        names = ["127.0.0.1", *(f"{d.id.lower()}.cloudfront.localhost" for d in served[1:])]
        return {
            d.id: {"url": f"http://{name}:{cloud.site_port}", "state": d.status}
            for d, name in zip(served, names, strict=False)
        }

    def _status_of_databases(self) -> dict[str, Any]:
        return {
            database.db_instance_identifier: {
                "status": database.status,
                "host": (database.endpoint or {}).get("Address"),
                "port": (database.endpoint or {}).get("Port"),
                "name": database.db_name,
                "user": database.master_username,
            }
            for database in self._cloud.backend("rds").databases.values()
        }


def _forget() -> None:
    BackendDict.reset()
    reset_model_data()
