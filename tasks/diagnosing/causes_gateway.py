"""Causes before the function: the address, the API and its parts, what it calls, and whether it may."""

from tasks.diagnosing.facts import Facts
from tasks.diagnosing.judging import RELEASE, breaking, not_seen
from tasks.diagnosing.model import Fix, Judgement, certain, likely, possible, ruled_out

FIX_API = Fix("put the API's parts back", "miyabi diagnose -e {environment} --fix", safe="api")
NO_API = "no API is on the way"


def has_no_api(facts: Facts) -> bool:
    """The target is a function, which is asked past any API."""
    return facts.subject is not None and facts.subject.past_api


def nothing(facts: Facts) -> Judgement:
    """Nothing was released here."""
    subject, function = facts.subject, facts.function
    if subject is None or function is None:
        return not_seen(facts, "subject", "function")
    if function.exists or subject.api_id or subject.past_api or not subject.ours:
        return ruled_out(function.says if function.exists or not subject.api_id else "there is an API")
    alias = facts.alias is not None and facts.alias.newest
    if alias:
        return ruled_out("the function is there")
    return certain(
        f"there is no function {subject.function!r} and no API of its environment",
        fixes=(Fix("release it", "miyabi release -e {environment}"),),
    )


def silent(facts: Facts) -> Judgement:
    """Nobody answers at the address."""
    if facts.answer is None:
        return ruled_out(NO_API) if has_no_api(facts) else not_seen(facts, "answer")
    if facts.answer.status is not None:
        return ruled_out(f"{facts.answer.url} answers {facts.answer.status}")
    return certain(
        f"{facts.answer.url}: {facts.answer.problem}",
        fixes=(
            Fix("look at the address: name, port, certificate; `miyabi status` says where the API is", "miyabi status"),
        ),
    )


def absent_api(facts: Facts) -> Judgement:
    """The API is deleted, or its endpoint is off."""
    if has_no_api(facts):
        return ruled_out(NO_API)
    subject, gateway = facts.subject, facts.gateway
    if subject is not None and not subject.api_id and subject.ours:
        return breaking(facts, "the environment has no API", fixes=(RELEASE,))
    if gateway is None:
        return not_seen(facts, "gateway")
    if not gateway.exists:
        return breaking(facts, gateway.says, fixes=(RELEASE,))
    if gateway.endpoint_off:
        return breaking(facts, "its own endpoint is switched off; it is reached by its custom domain alone")
    return ruled_out(f"API {gateway.api_id} is there")


def stage(facts: Facts) -> Judgement:
    """§8.12: no stage, no route or no deployment for this request: 404 from the gateway itself."""
    if has_no_api(facts):
        return ruled_out(NO_API)
    gateway = facts.gateway
    if gateway is None or not gateway.exists:
        return not_seen(facts, "gateway")
    missing = []
    if not gateway.stage:
        missing.append(f"there is no stage for this path (stages: {', '.join(gateway.stages) or 'none'})")
    elif not gateway.deployed:
        missing.append(f"stage {gateway.stage} has no deployment{'' if gateway.auto_deploy else ' and no auto-deploy'}")
    if not gateway.route:
        missing.append(f"no route takes this request (routes: {', '.join(gateway.routes) or 'none'})")
    elif not gateway.integration_exists:
        missing.append(f"route {gateway.route} leads to {gateway.integration or 'no integration'}, which is not there")
    if missing:
        return breaking(facts, *missing, *status_line(facts), fixes=(FIX_API, RELEASE))
    return ruled_out(f"stage {gateway.stage} is deployed and route {gateway.route} takes this request")


def status_line(facts: Facts) -> list[str]:
    return [f"the URL answers {facts.answer.says}"] if facts.answer else []


def throttle(facts: Facts) -> Judgement:
    """The stage lets nothing, or too little, through: 429 from the gateway."""
    if has_no_api(facts):
        return ruled_out(NO_API)
    gateway = facts.gateway
    if gateway is None or not gateway.stage:
        return not_seen(facts, "gateway")
    if gateway.rate == 0 or gateway.burst == 0:
        evidence = f"stage {gateway.stage} allows {gateway.rate:g} requests a second and bursts of {gateway.burst}"
        return breaking(facts, evidence, *status_line(facts), fixes=(FIX_API, RELEASE))
    if facts.answer is not None and facts.answer.status == 429 and facts.answer.is_gateways:
        return likely(*status_line(facts), f"the stage allows {gateway.rate} requests a second", fixes=(RELEASE,))
    return ruled_out(f"the stage allows {gateway.rate or 'the account’s'} requests a second")


def target(facts: Facts) -> Judgement:
    """§8.2: the integration names a function, a version or an alias that is not there."""
    if facts.target is None:
        if has_no_api(facts) and facts.function is not None:
            return without_api(facts)
        return not_seen(facts, "target")
    if facts.target.exists:
        return ruled_out(facts.target.says)
    return breaking(facts, facts.target.says, f"the integration calls {facts.target.arn}", fixes=fixes_of(facts))


def without_api(facts: Facts) -> Judgement:
    assert facts.function is not None
    if facts.function.exists:
        return ruled_out(facts.function.says)
    fix = Fix("name one that there is; these are", "aws lambda list-functions --query 'Functions[].FunctionName'")
    return certain(facts.function.says, fixes=(fix,))


def fixes_of(facts: Facts) -> tuple[Fix, ...]:
    """An alias that is gone is made again on the version that was live; an integration that went astray is led back."""
    assert facts.target is not None
    alias = facts.alias
    if alias is not None and not alias.exists and facts.target.qualifier == alias.name:
        if alias.newest:
            fix = Fix(f"make the alias {alias.name!r} again", "miyabi diagnose -e {environment} --fix", safe="alias")
            return (fix, RELEASE)
        return (RELEASE,)
    return (FIX_API, RELEASE)


def permission(facts: Facts) -> Judgement:
    """§8.1: API Gateway may not invoke it: HTTP 500, and nothing is logged by the function."""
    if has_no_api(facts):
        return ruled_out(NO_API)
    said = facts.access is not None and "permission" in facts.access.error
    fix = fix_of_permission(facts)
    if facts.policy is None:
        if said and facts.access is not None:
            return likely(f"the access log says: {facts.access.error}", fixes=(fix,))
        return not_seen(facts, "policy")
    if facts.policy.allowed:
        return ruled_out(facts.policy.says)
    evidence = [facts.policy.says]
    if facts.access is not None and said:
        evidence.append(f"the access log says of this request: {facts.access.error}")
    if facts.invoked is not None and facts.invoked.well:
        evidence.append(f"invoked past the gateway, the function answers {facts.invoked.status}")
    return breaking(facts, *evidence, fixes=(fix, RELEASE))


def fix_of_permission(facts: Facts) -> Fix:
    """The right on the alias; an integration that calls something else is led back to the alias first."""
    subject, target, command = facts.subject, facts.target, "miyabi diagnose -e {environment} --fix"
    if subject is None or target is None or not subject.ours:
        return Fix("give API Gateway the right to invoke it", permitting(facts) if target and facts.policy else "")
    if (target.function, target.qualifier) == (subject.function, subject.alias):
        return Fix("give API Gateway the right on exactly this ARN", command, "permission")
    return Fix(f"let the API call {subject.function}:{subject.alias}, and give it the right to", command, "api")


def permitting(facts: Facts) -> str:
    """AWS's command for it."""
    assert facts.target is not None
    assert facts.policy is not None
    qualifier = f" --qualifier {facts.target.qualifier}" if facts.target.qualifier else ""
    source = f"{facts.policy.source.partition('/')[0]}/*/*"
    return (
        f"aws lambda add-permission --function-name {facts.target.function}{qualifier} --statement-id miyabi-diagnose"
        f" --action lambda:InvokeFunction --principal apigateway.amazonaws.com --source-arn '{source}'"
    )


def payload(facts: Facts) -> Judgement:
    """§8.8: the event is sent in another form than the backend reads."""
    if has_no_api(facts):
        return ruled_out(NO_API)
    gateway = facts.gateway
    if gateway is None or not gateway.integration_exists:
        return not_seen(facts, "gateway")
    if gateway.payload == "2.0":
        return ruled_out("the integration sends payload format 2.0")
    evidence = f"the integration sends payload format {gateway.payload or 'none'}, the releases' is 2.0"
    if facts.subject is not None and not facts.subject.ours:
        return possible(evidence)
    return breaking(facts, evidence, *status_line(facts), fixes=(FIX_API, RELEASE))


def access_log(facts: Facts) -> Judgement:
    """The access log is off, or lacks the field in which a missing permission is told."""
    if has_no_api(facts):
        return ruled_out(NO_API)
    if facts.access is None:
        return not_seen(facts, "access")
    if facts.access.on and facts.access.tells_errors:
        return ruled_out(f"{facts.access.group} is written, with integrationErrorMessage")
    return certain(facts.access.says, fixes=(FIX_API, RELEASE))
