"""The request: what it answers, which route it takes through API Gateway, and whether it may go on to the function."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

import httpx

from blocks.environment import is_loopback
from tasks.diagnosing.facts import Facts
from tasks.diagnosing.facts_request import Answered, GatewaySeen, PolicySeen, TargetSeen
from tasks.diagnosing.looking import Look
from tasks.diagnosing.model import NothingToAsk
from tasks.errors import absent_as_none
from tasks.gateway import list_all

SHOWN = 200
"""Characters of an answer that are shown."""
GATEWAY = "apigateway.amazonaws.com"
Statement = Mapping[str, Any]


def ask(look: Look, facts: Facts) -> Answered:
    """GET the URL as anybody would, once."""
    if facts.subject is None or not facts.subject.url:
        raise NothingToAsk("no URL is known")
    url, begun = facts.subject.url, look.clock()
    try:
        with httpx.Client(timeout=35.0, trust_env=not is_loopback(url), verify=url.startswith("https")) as client:
            answer = client.get(url, headers={"user-agent": "miyabi-pipelines/diagnose"})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Answered(url, None, 1000 * (look.clock() - begun), "", f"{type(error).__name__}: {error}")
    body = " ".join(look.hide_if_possible(answer.text).split())
    return Answered(
        url,
        answer.status_code,
        1000 * (look.clock() - begun),
        body if len(body) <= SHOWN else f"{body[:SHOWN]}…",
        request_id=answer.headers.get("apigw-requestid", ""),
    )


def see_gateway(look: Look, facts: Facts) -> GatewaySeen:
    """Stage, route and integration of this request."""
    subject = facts.subject
    if subject is None or not subject.api_id:
        raise NothingToAsk("there is no API on the way" if subject and not subject.url else "no API of ours is known")
    client, api_id = look.rollout.aws("apigatewayv2"), subject.api_id
    api = absent_as_none(lambda: client.get_api(ApiId=api_id))
    if api is None:
        return GatewaySeen(api_id, False)
    stages = {stage["StageName"]: stage for stage in list_all(client, "get_stages", api_id)}
    routes = {route["RouteKey"]: route for route in list_all(client, "get_routes", api_id)}
    integrations = {one["IntegrationId"]: one for one in list_all(client, "get_integrations", api_id)}
    stage, path = stage_of(stages, subject.path)
    route = best_route(routes, path)
    target = str((routes.get(route) or {}).get("Target") or "").removeprefix("integrations/")
    return GatewaySeen(
        api_id=api_id,
        exists=True,
        endpoint_off=bool(api.get("DisableExecuteApiEndpoint")),
        stages=tuple(stages),
        route=route,
        routes=tuple(routes),
        integration=target,
        integration_exists=target in integrations,
        **stage_facts(stage, stages.get(stage) or {}, route),
        **integration_facts(integrations.get(target) or {}),
    )


def stage_of(stages: Mapping[str, Any], path: str) -> tuple[str, str]:
    """The stage, and the path that its routes see: a named stage is the path's first part. '' if there is none."""
    first = path[1:].partition("/")[0]
    if first in stages and first != "$default":
        return first, path[len(first) + 1 :] or "/"
    return ("$default" if "$default" in stages else ""), path


def stage_facts(name: str, stage: Mapping[str, Any], route: str) -> dict[str, Any]:
    log = stage.get("AccessLogSettings") or {}
    limits = {**(stage.get("DefaultRouteSettings") or {}), **((stage.get("RouteSettings") or {}).get(route) or {})}
    return {
        "stage": name,
        "auto_deploy": bool(stage.get("AutoDeploy")),
        "deployed": bool(stage.get("DeploymentId")),
        "rate": limits.get("ThrottlingRateLimit"),
        "burst": limits.get("ThrottlingBurstLimit"),
        "log_group": str(log.get("DestinationArn") or "").partition(":log-group:")[2].removesuffix(":*"),
        "log_tells_errors": "integrationErrorMessage" in str(log.get("Format") or ""),
    }


def integration_facts(integration: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "kind": str(integration.get("IntegrationType") or ""),
        "uri": str(integration.get("IntegrationUri") or ""),
        "payload": str(integration.get("PayloadFormatVersion") or ""),
        "timeout_ms": integration.get("TimeoutInMillis"),
        "credentials": str(integration.get("CredentialsArn") or ""),
    }


def best_route(keys: Sequence[str] | Mapping[str, Any], path: str, method: str = "GET") -> str:
    """The route that API Gateway takes: the most specific that fits, `$default` last; '' if none does."""
    fitting = [key for key in keys if key != "$default" and fits(key, path, method)]
    ranked = sorted(fitting, key=lambda key: (key.count("+}"), key.count("{"), key.startswith("ANY ")))
    return next(iter([*ranked, *(["$default"] if "$default" in keys else [])]), "")


def fits(key: str, path: str, method: str) -> bool:
    verb, _, template = key.partition(" ")
    pattern = re.sub(r"\\\{[^}]*?\\\+\\\}", "(.+)", re.escape(template))
    pattern = re.sub(r"\\\{[^}]*?\\\}", "([^/]+)", pattern)
    return verb in ("ANY", method) and re.fullmatch(pattern.rstrip("/") + "/?", path) is not None


def function_arn(uri: str) -> str:
    """The function's ARN in an integration's URI, which is that ARN or API Gateway's longer form of it."""
    return uri.rpartition("/functions/")[2].removesuffix("/invocations")


def split_arn(arn: str) -> tuple[str, str]:
    """Name and qualifier, '' for none."""
    name, _, qualifier = arn.rpartition(":function:")[2].partition(":")
    return name, qualifier


def see_target(look: Look, facts: Facts) -> TargetSeen:
    """Is the function, and the version or alias, there that the integration names, in this account and region?"""
    if facts.gateway is None or not facts.gateway.uri:
        raise NothingToAsk("no integration is known")
    arn = function_arn(facts.gateway.uri)
    name, qualifier = split_arn(arn)
    region, account = (arn.split(":") + [""] * 5)[3:5]
    if not arn.startswith("arn:") or ":function:" not in arn:
        return TargetSeen(arn, arn, "", False, "it is not the ARN of a function")
    if (region, account) != (look.rollout.aws.region, look.rollout.aws.account_id):
        return TargetSeen(arn, name, qualifier, False, f"it is in {region} of account {account}, this is another")
    named = {"FunctionName": name, **({"Qualifier": qualifier} if qualifier else {})}
    client = look.rollout.aws("lambda")
    if absent_as_none(lambda: client.get_function_configuration(**named)):
        return TargetSeen(arn, name, qualifier, True)
    there = qualifier and absent_as_none(lambda: client.get_function_configuration(FunctionName=name))
    why = f"the function is, its alias or version {qualifier!r} is not" if there else "there is no such function"
    return TargetSeen(arn, name, qualifier, False, why)


def see_policy(look: Look, facts: Facts) -> PolicySeen:
    """Does the policy of exactly the qualifier that is called let exactly this API call it?"""
    target, gateway = facts.target, facts.gateway
    if target is None or gateway is None or not target.exists:
        raise NothingToAsk("there is no function that the API calls")
    if gateway.credentials:
        raise NothingToAsk(f"the integration calls it as {gateway.credentials}, which needs no policy on the function")
    source = source_arn(look, gateway)
    statements = statements_of(look, target.function, target.qualifier)
    effects = {
        one.get("Effect") for one in statements if fits_call(one, target.arn, source, look.rollout.aws.account_id)
    }
    if effects == {"Allow"}:
        return PolicySeen(target.arn, source, True)
    near = [shortcoming(one, gateway.api_id) for one in statements if is_gateways(one)]
    if not near and target.qualifier and any(map(is_gateways, statements_of(look, target.function, ""))):
        near.append(f"the function itself has one, which does not hold for {target.qualifier!r}")
    return PolicySeen(target.arn, source, False, tuple(near))


def source_arn(look: Look, gateway: GatewaySeen) -> str:
    """Whose call it is, as Lambda sees it: `API/STAGE/METHOD/PATH`, or `API/STAGE/$default`."""
    verb, _, path = gateway.route.partition(" ")
    place = f"{'*' if verb == 'ANY' else verb}{path}" if path else "$default"
    return look.rollout.aws.arn("execute-api", f"{gateway.api_id}/{gateway.stage or '$default'}/{place}")


def statements_of(look: Look, function: str, qualifier: str) -> list[Statement]:
    named = {"FunctionName": function, **({"Qualifier": qualifier} if qualifier else {})}
    answer = absent_as_none(lambda: look.rollout.aws("lambda").get_policy(**named))
    return list(json.loads(answer["Policy"])["Statement"]) if answer else []


def is_gateways(statement: Statement) -> bool:
    principal = statement.get("Principal")
    return principal == "*" or GATEWAY in as_list((principal or {}).get("Service"))


def fits_call(statement: Statement, arn: str, source: str, account: str) -> bool:
    """Whether this statement is about API Gateway invoking the ARN for that source."""
    return (
        is_gateways(statement)
        and any(fnmatchcase("lambda:invokefunction", str(a).lower()) for a in as_list(statement.get("Action")))
        and statement.get("Resource") in (arn, "*")
        and all(holds(*condition, source, account) for condition in conditions(statement))
    )


def conditions(statement: Statement) -> Iterator[tuple[str, str, list[str]]]:
    """Operator, key in lower case, and what it is compared with."""
    for operator, keys in (statement.get("Condition") or {}).items():
        for key, wanted in keys.items():
            yield operator, key.lower(), as_list(wanted)


def holds(operator: str, key: str, wanted: list[str], source: str, account: str) -> bool:
    if key == "aws:sourceaccount":
        return account in wanted
    if key != "aws:sourcearn":
        return False
    return any(like(pattern, source) for pattern in wanted) if operator.endswith("Like") else source in wanted


def like(pattern: str, arn: str) -> bool:
    """IAM's ArnLike: wildcards within each of the six parts of an ARN."""
    wanted, parts = pattern.split(":", 5), arn.split(":", 5)
    return len(wanted) == len(parts) and all(fnmatchcase(part, one) for part, one in zip(parts, wanted, strict=True))


def shortcoming(statement: Statement, api_id: str) -> str:
    """Why a statement about API Gateway does not do."""
    sid = str(statement.get("Sid"))
    for operator, key, wanted in conditions(statement):
        if key == "aws:sourcearn" and not any(f":{api_id}/" in one for one in wanted):
            return f"statement {sid!r} is for another API: {', '.join(wanted)}"
        if key not in ("aws:sourcearn", "aws:sourceaccount"):
            return f"statement {sid!r} has the condition {operator} {key}"
    if statement.get("Effect") != "Allow":
        return f"statement {sid!r} denies it"
    return f"statement {sid!r} does not fit: {json.dumps(statement.get('Condition') or {})}"


def as_list(value: Any) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def path_of(url: str) -> tuple[str, str]:
    """(API id or '', path) of a URL: by its host at AWS, or by the embedded cloud's `/_api/ID/…`."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if found := re.match(r"([a-z0-9]+)\.execute-api\.", host):
        return found[1], parts.path or "/"
    if found := re.match(r"/_api/([a-z0-9]+)(/.*|$)", parts.path):
        return found[1], found[2] or "/"
    return "", parts.path or "/"
