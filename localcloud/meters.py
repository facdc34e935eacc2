"""What of the cloud is measured, under the names and dimensions that AWS shows.

Lambda: by function, by function and version or alias, and the versions of an alias apart while it splits its traffic.
HTTP APIs have names of their own (`5xx`, `ApiId`), not those of REST APIs (`5XXError`, `ApiName`). Nothing that cannot
be known here is published.
"""

from functools import cache
from typing import TYPE_CHECKING, cast

from localcloud.metrics import Kind, Meter, Metrics

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

FUNCTION = Kind("AWS/Lambda", (("Duration", "Milliseconds"),), ("Errors", "Throttles"), "Invocations")
ERRORS, THROTTLES = 0, 1
"""Places of FUNCTION's flags."""
CONCURRENCY = Kind("AWS/Lambda", (("ConcurrentExecutions", "Count"),))
API = Kind(
    "AWS/ApiGateway",
    (("Latency", "Milliseconds"), ("IntegrationLatency", "Milliseconds"), ("DataProcessed", "Bytes")),
    ("4xx", "5xx"),
    "Count",
)
LATENCY, INTEGRATION, PROCESSED = 0, 1, 2
"""Places of API's values."""


def metrics_of(cloud: "Cloud") -> Metrics:
    """The metrics of a cloud, which are a part of CloudWatch's state."""
    return cast(Metrics, cloud.backend("cloudwatch").metrics)


def function_meter(metrics: Metrics, name: str, qualifier: str, version: str, *, split: bool) -> Meter:
    """Of a version that is called as `qualifier`; `split`: an alias that has others beside it."""
    function = {"FunctionName": name}
    resource = function | {"Resource": f"{name}:{qualifier}" if qualifier else name}
    executed = (resource | {"ExecutedVersion": version},) if split else ()
    return metrics.meter(FUNCTION, {}, function, resource, *executed)


def concurrency_meter(metrics: Metrics, name: str) -> Meter:
    """Of how many requests of a function run or wait; a second has the highest number in it."""
    return metrics.meter(CONCURRENCY, {"FunctionName": name})


def stage_meter(metrics: Metrics, api_id: str, stage: str) -> Meter:
    return metrics.meter(API, {"ApiId": api_id}, {"ApiId": api_id, "Stage": stage})


def route_meter(metrics: Metrics, api_id: str, stage: str, route_key: str) -> Meter:
    """Of a stage's route with detailed metrics, which AWS shows by method and path as well."""
    method, _, path = route_key.partition(" ")
    route = {"ApiId": api_id, "Stage": stage, "Method": method, "Resource": path}
    return metrics.meter(API, {"ApiId": api_id}, {"ApiId": api_id, "Stage": stage}, *((route,) if path else ()))


@cache
def gauge_kind(namespace: str, metric: str, unit: str) -> Kind:
    """Of something with one metric."""
    return Kind(namespace, ((metric, unit),))
