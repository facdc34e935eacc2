"""The components that answer people: function, alias, API, bucket, distribution."""

from collections.abc import Iterator, Mapping
from typing import Any

from blocks.environment import Environment
from tasks.reporting.model import Component
from tasks.reporting.wording import plural, size


def function_component(environment: Environment, seen: Any) -> Iterator[Component]:
    latest, newest = seen.latest, next(reversed(seen.versions), None)
    shown = {
        "runtime": latest.runtime,
        "architecture": latest.architecture,
        "memory": f"{latest.memory_mb} MB",
        "timeout": f"{latest.timeout_s} s",
        "handler": latest.handler,
        "code": latest.code[:12],
        "package": size(seen.sizes[newest]) if newest and seen.sizes.get(newest) else "",
        "in the VPC": f"{plural(len(latest.subnets), 'subnet')}" if latest.subnets else "no",
        "tracing": latest.tracing,
        "reserved concurrency": str(seen.reserved_concurrency or "none"),
        "variables": ", ".join(sorted(latest.variables)),
        **plain_variables(environment, latest.variables),
    }
    says = seen.broken or plural(len(seen.versions), "published version")
    good = not seen.broken and newest is not None
    yield Component(
        "function", environment.names.function, "working" if good else "attention", says, seen.arn,
        {name: value for name, value in shown.items() if value},
    )  # fmt: skip


def plain_variables(environment: Environment, variables: Mapping[str, str]) -> dict[str, str]:
    """The values of those that the environment's file says openly; of all others only the names are told."""
    return {f"variable {name}": variables[name] for name in environment.function.variables if name in variables}


def alias_component(environment: Environment, seen: Any) -> Iterator[Component]:
    """`seen` is the alias with what is provisioned, by version."""
    alias, provisioned = seen
    shares = {version: f"{weight:.0%}" for version, weight in alias.weights.items()}
    shown = {"version": alias.version, **{f"share of version {version}": share for version, share in shares.items()}}
    for version, ready in provisioned.items():
        shown[f"provisioned for {version}"] = f"{ready.requested}, {ready.status}"
    says = f"all traffic on version {alias.version}"
    if shares:
        says = f"a share of the traffic is left on version {', '.join(shares)}"
    good = not shares and all(ready.status != "FAILED" for ready in provisioned.values())
    yield Component("alias", environment.names.alias, "working" if good else "attention", says, alias.arn, shown)


def api_component(environment: Environment, seen: Any) -> Iterator[Component]:
    """`seen` is the API and where it is reached."""
    api, url = seen
    target = str((api.integration or {}).get("IntegrationUri", ""))
    throttle = ((api.stage or {}).get("DefaultRouteSettings")) or {}
    missing = [
        what
        for what, there in (
            ("an integration", api.integration),
            ("the route $default", api.default_routes),
            ("the stage $default", api.stage),
            ("the permission to invoke the function", api.statements),
        )
        if not there
    ]
    shown = {
        "url": url,
        "endpoint": api.endpoint,
        "leads to": target.rpartition("function:")[2],
        "routes": ", ".join(sorted(str(route["RouteKey"]) for route in api.routes)),
        "CORS origins": ", ".join(api.cors.get("AllowOrigins", [])),
        "requests a second": f"{throttle.get('ThrottlingRateLimit', 0):g}" if throttle else "unlimited",
        "burst": str(throttle.get("ThrottlingBurstLimit", "")),
        "may invoke the function": ", ".join(sorted(invokers(*api.statements, *api.other_statements))),
        "access log": str(((api.stage or {}).get("AccessLogSettings") or {}).get("DestinationArn", "none")),
    }
    says = f"lacks {' and '.join(missing)}" if missing else f"answers at {url}"
    settings = {name: value for name, value in shown.items() if value}
    standing = "attention" if missing else "working"
    yield Component("API", environment.names.api, standing, says, api.id, settings)  # type: ignore[arg-type]


def invokers(*statements: Mapping[str, Any]) -> Iterator[str]:
    """Whom each statement of the function's policy lets in: `apigateway.amazonaws.com (apigateway-abc)`."""
    for one in statements:
        principal = one.get("Principal")
        who = ", ".join(map(str, principal.values())) if isinstance(principal, Mapping) else str(principal)
        yield f"{who} ({one.get('Sid', 'no id')})"


def bucket_component(environment: Environment, seen: Any) -> Iterator[Component]:
    """`seen` is its name, which may be somebody else's, and what it is."""
    name, bucket = seen
    settings = {setting: str(value) for setting, value in bucket.settings.items()}
    good = settings["public access"] == "blocked" and settings["encryption"] == "on"
    says = f"public access {settings['public access']}, encryption {settings['encryption']}"
    yield Component("bucket", name, "working" if good else "attention", says, f"arn:aws:s3:::{name}", settings)


def distribution_component(environment: Environment, seen: Any) -> Iterator[Component]:
    config = seen.config
    certificate, behaviour = config.get("ViewerCertificate") or {}, config.get("DefaultCacheBehavior") or {}
    own = certificate.get("ACMCertificateArn") or "CloudFront's own"
    shown = {
        "domain": seen.domain,
        "enabled": "yes" if config.get("Enabled") else "no",
        "viewers": str(behaviour.get("ViewerProtocolPolicy", "")),
        "TLS from": str(certificate.get("MinimumProtocolVersion", "")),
        "certificate": own,
        "price class": str(config.get("PriceClass", "")),
        "HTTP": str(config.get("HttpVersion", "")),
    }
    good = bool(config.get("Enabled")) and seen.status in {"Deployed", "InProgress"}
    says = f"{seen.status}, {seen.domain}" if config.get("Enabled") else f"{seen.status}, turned off"
    settings = {name: value for name, value in shown.items() if value}
    yield Component("distribution", environment.names.site, "working" if good else "attention", says, seen.id, settings)
