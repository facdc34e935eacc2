"""The HTTP API: what is planned, what is done, what a crash leaves behind, and the permission."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api import app
from blocks.environment import ApiSettings, Environment
from tasks.aliases import ensure_alias
from tasks.changes import PENDING, Rollout
from tasks.errors import NotOurs, Permanent, Temporary
from tasks.functions import ensure_function
from tasks.gateway import EXPOSED, Api, apply_api, described, destroy_api, ensure_api, observe_api, wanted_api
from tasks.gateway_parts import SeenApi, Spec, plan_api, remove
from tests.support import answer_call, changes_of, fail_call, make_environment, make_rollout, record_calls
from tests.unit.deploying import aws, build, killed_at, wire

NAME = "miyabi-api-testing"
SERVICES = ("apigatewayv2", "lambda")


@pytest.fixture(scope="module")
def environment() -> Environment:
    return make_environment()


@pytest.fixture
def world(environment: Environment, tmp_path: Path) -> Iterator[Environment]:
    """With a function and its alias."""
    with aws():
        prepare(environment, tmp_path)
        yield environment


def prepare(environment: Environment, folder: Path) -> None:
    rollout = make_rollout(environment)
    made = ensure_function.fn(rollout, build(folder), wire(rollout))
    ensure_alias.fn(rollout, made.version)


def alias_arn(rollout: Rollout) -> str:
    return rollout.aws.arn("lambda", f"function:{NAME}:live")


def converge(environment: Environment, **options: Any) -> tuple[Rollout, SeenApi]:
    rollout = make_rollout(environment, **options)
    return rollout, converged(rollout)


def converged(rollout: Rollout) -> SeenApi:
    """Everything of `ensure_api` but the probe: nothing answers behind moto."""
    spec = wanted_api(rollout, alias_arn(rollout))
    seen = observe_api(rollout, spec.name)
    changes = plan_api(rollout.environment, spec, seen)
    done = rollout.converge("API", changes, apply=lambda: apply_api(rollout, spec, seen), planned=lambda: seen)
    assert done is not None
    return done


def good(environment: Environment) -> tuple[Spec, SeenApi]:
    """What is wanted, and an API that is exactly that."""
    rollout = make_rollout(environment)
    spec = wanted_api(rollout, "arn:alias")
    permission = spec.permission("abc")
    statement = {
        "Sid": "apigateway-abc",
        "Effect": "Allow",
        "Action": "lambda:InvokeFunction",
        "Resource": "arn:alias",
        "Principal": {"Service": "apigateway.amazonaws.com"},
        "Condition": {"ArnLike": {"AWS:SourceArn": permission.source_arn}},
    }
    return spec, SeenApi(
        id="abc",
        endpoint="https://abc.example",
        tags=environment.tags,
        cors=spec.cors,
        integrations=[{"IntegrationId": "i1", **spec.integration}],
        routes=[{"RouteId": "r1", "RouteKey": "$default", "Target": "integrations/i1"}],
        stage={"StageName": "$default", **spec.stage, "StageVariables": {}},
        statements=[statement],
    )


SUBJECT = f"API {NAME}"


def drifted(seen: SeenApi, part: str) -> SeenApi:
    """The good API with one thing wrong."""
    integration, route, statement = dict(seen.integrations[0]), dict(seen.routes[0]), dict(seen.statements[0])
    stage = dict(seen.stage or {})
    fields: dict[str, dict[str, Any]] = {
        "nothing": {},
        "alias": {"integrations": [{**integration, "IntegrationUri": "arn:function"}]},
        "payload": {"integrations": [{**integration, "PayloadFormatVersion": "1.0"}]},
        "no integration": {"integrations": []},
        "no route": {"routes": []},
        "dangling route": {"routes": [{**route, "Target": "integrations/gone"}]},
        "no stage": {"stage": None},
        "throttle": {"stage": {**stage, "DefaultRouteSettings": {"ThrottlingRateLimit": 0.0}}},
        "no access log": {"stage": {key: value for key, value in stage.items() if key != "AccessLogSettings"}},
        "log arn with a star": {
            "stage": {
                **stage,
                "AccessLogSettings": {
                    **stage["AccessLogSettings"],
                    "DestinationArn": stage["AccessLogSettings"]["DestinationArn"] + ":*",
                },
            }
        },
        "cors": {"cors": {**seen.cors, "AllowOrigins": ["https://old.example"]}},
        "cors in another order": {"cors": {**seen.cors, "AllowHeaders": [*reversed(seen.cors["AllowHeaders"])]}},
        "no permission": {"statements": []},
        "permission of another api": {
            "statements": [statement, {**statement, "Sid": "apigateway-old", "Condition": {}}]
        },
        "permission on the function": {"statements": [{**statement, "Resource": "arn:function"}]},
        "second integration": {"integrations": [integration, {**integration, "IntegrationId": "i2"}]},
        "second route": {"routes": [route, {**route, "RouteId": "r2"}]},
        "route by hand": {
            "routes": [route, {"RouteId": "r2", "RouteKey": "GET /x", "Target": "integrations/i2"}],
            "integrations": [integration, {**integration, "IntegrationId": "i2"}],
        },
        "twin": {"twins": ("xyz",)},
    }
    return dataclasses.replace(seen, **fields[part])


PLANS: list[tuple[str, list[str]]] = [
    ("nothing", []),
    ("alias", [f"update integration of {SUBJECT} IntegrationUri: arn:function → arn:alias"]),
    ("payload", [f"update integration of {SUBJECT} PayloadFormatVersion: 1.0 → 2.0"]),
    (
        "no integration",
        [
            f"create integration of {SUBJECT}",
            f"update route $default of {SUBJECT} Target: integrations/i1 → integrations/{PENDING}",
        ],
    ),
    ("no route", [f"create route $default of {SUBJECT}"]),
    ("dangling route", [f"update route $default of {SUBJECT} Target: integrations/gone → integrations/i1"]),
    ("no stage", [f"create stage $default of {SUBJECT}"]),
    (
        "throttle",
        [
            f"update stage $default of {SUBJECT} DefaultRouteSettings.ThrottlingBurstLimit: None → 1000",
            f"update stage $default of {SUBJECT} DefaultRouteSettings.ThrottlingRateLimit: 0.0 → 500.0",
        ],
    ),
    ("log arn with a star", []),
    ("cors", [f"update CORS of {SUBJECT} AllowOrigins: https://old.example → *"]),
    ("cors in another order", []),
    ("permission of another api", [f"delete permission of {SUBJECT} to invoke statement: apigateway-old → "]),
    ("second integration", [f"delete integration i2 of {SUBJECT}"]),
    ("second route", [f"delete route r2 of {SUBJECT}"]),
    ("route by hand", []),
    ("twin", [f"delete API xyz of {SUBJECT}"]),
]


@pytest.mark.parametrize(("part", "expected"), PLANS, ids=[plan[0] for plan in PLANS])
def test_plan(environment: Environment, part: str, expected: list[str]) -> None:
    spec, seen = good(environment)
    changes = plan_api(environment, spec, drifted(seen, part))
    assert [str(dataclasses.replace(change, why="")) for change in changes] == expected


@pytest.mark.parametrize("part", ["no permission", "permission on the function", "no access log"])
def test_plan_names_what_makes_errors_invisible(environment: Environment, part: str) -> None:
    spec, seen = good(environment)
    text = "\n".join(map(str, plan_api(environment, spec, drifted(seen, part))))
    assert ("integrationErrorMessage" if part == "no access log" else "HTTP 500 and nothing is logged") in text


def test_plan_of_an_absent_api(environment: Environment) -> None:
    spec, _ = good(environment)
    actions = [f"{change.action} {change.resource}" for change in plan_api(environment, spec, None)]
    assert actions == [
        f"create {SUBJECT}",
        f"create integration of {SUBJECT}",
        f"create route $default of {SUBJECT}",
        f"create stage $default of {SUBJECT}",
        f"create permission of {SUBJECT} to invoke",
    ]


def test_the_api_is_made_whole_and_then_left_alone(world: Environment) -> None:
    _, seen = converge(world)
    assert seen.integration is not None
    assert seen.integration["IntegrationUri"].endswith(f":function:{NAME}:live")
    assert [route["Target"] for route in seen.routes] == [f"integrations/{seen.integration['IntegrationId']}"]
    assert seen.stage is not None
    assert "$context.integrationErrorMessage" in seen.stage["AccessLogSettings"]["Format"]
    (statement,) = seen.statements
    assert statement["Resource"].endswith(":live")
    assert statement["Condition"]["ArnLike"]["AWS:SourceArn"].endswith(f":{seen.id}/*/*")
    rollout = make_rollout(world)
    calls = record_calls(rollout, *SERVICES)
    assert ensure_api.fn(rollout, alias_arn(rollout)).id == seen.id
    assert rollout.changes == []
    assert calls == ["GetApis", "GetPolicy", "GetIntegrations", "GetRoutes", "GetStage"]


def test_a_plan_writes_nothing(world: Environment) -> None:
    planning = make_rollout(world, planning=True)
    planned = ensure_api.fn(planning, alias_arn(planning))
    assert planned.id == PENDING
    assert f"create {SUBJECT}" in changes_of(planning)
    assert observe_api(planning, NAME) is None


def test_the_url_is_the_environments_or_aws_own(world: Environment) -> None:
    rollout, seen = converge(world)
    assert described(rollout, seen).url == seen.endpoint
    other = world.model_copy(update={"api_url": "http://127.0.0.1:9/_api/{api_id}/"})
    assert described(make_rollout(other), seen).url == f"http://127.0.0.1:9/_api/{seen.id}"
    assert described(rollout, seen) == Api(
        seen.id, seen.endpoint, seen.endpoint, f"arn:aws:apigateway:us-east-1::/apis/{seen.id}"
    )


@pytest.mark.parametrize("break_it", ["permission", "integration", "route", "cors", "old statement", "twins", "second"])
def test_drift_is_repaired(world: Environment, break_it: str) -> None:
    rollout, seen = converge(world)
    api, functions = rollout.aws("apigatewayv2"), rollout.aws("lambda")
    sid = str(seen.statements[0]["Sid"])
    assert seen.integration is not None
    integration = seen.integration["IntegrationId"]
    match break_it:
        case "permission":
            functions.remove_permission(FunctionName=NAME, Qualifier="live", StatementId=sid)
        case "integration":
            api.update_integration(ApiId=seen.id, IntegrationId=integration, IntegrationUri="arn:of:the:function")
        case "route":
            api.delete_route(ApiId=seen.id, RouteId=seen.routes[0]["RouteId"])
        case "cors":
            api.delete_cors_configuration(ApiId=seen.id)
        case "old statement":
            source = rollout.aws.arn("execute-api", "old/*/*")
            functions.add_permission(
                FunctionName=NAME, Qualifier="live", StatementId="apigateway-old", Action="lambda:InvokeFunction",
                Principal="apigateway.amazonaws.com", SourceArn=source,
            )  # fmt: skip
        case "twins":
            for _ in range(2):
                api.create_api(Name=NAME, ProtocolType="HTTP", Tags=rollout.tags)
        case "second":
            api.create_integration(ApiId=seen.id, IntegrationType="AWS_PROXY", PayloadFormatVersion="2.0")
            api.create_route(ApiId=seen.id, RouteKey="$default", Target="integrations/none")
    repair, _ = converge(world)
    assert len(repair.changes) >= 1
    again, now = converge(world)
    assert again.changes == []
    assert (now.id, len(now.integrations), len(now.routes), len(now.statements)) == (seen.id, 1, 1, 1)


def test_no_origins_means_no_cors(world: Environment) -> None:
    converge(world)
    closed = world.model_copy(update={"api": ApiSettings(cors_origins=())})
    rollout, seen = converge(closed)
    assert changes_of(rollout) == [f"delete CORS of {SUBJECT}"]
    assert not seen.cors
    assert converge(closed)[0].changes == []


def test_routes_made_by_hand_are_a_finding(world: Environment) -> None:
    rollout, seen = converge(world)
    rollout.aws("apigatewayv2").create_route(ApiId=seen.id, RouteKey="GET /debug")
    again = make_rollout(world)
    ensure_api.fn(again, alias_arn(again))
    assert again.changes == []
    assert "'GET /debug' was made by hand" in again.findings[0].text


def test_an_api_that_is_not_ours_is_adopted_only_on_request(world: Environment) -> None:
    rollout = make_rollout(world)
    theirs = rollout.aws("apigatewayv2").create_api(Name=NAME, ProtocolType="HTTP")["ApiId"]
    with pytest.raises(NotOurs):
        ensure_api.fn(rollout, alias_arn(rollout))
    _, seen = converge(world, adopt=True)
    assert seen.id == theirs
    assert world.owns(dict(seen.tags))


@pytest.mark.parametrize("ours", [True, False])
def test_two_apis_of_which_neither_is_a_leftover_are_an_error(world: Environment, *, ours: bool) -> None:
    client = make_rollout(world).aws("apigatewayv2")
    ids = [client.create_api(Name=NAME, ProtocolType="HTTP", Tags=world.tags if ours else {})["ApiId"] for _ in "ab"]
    for api_id in ids:
        client.create_route(ApiId=api_id, RouteKey="$default")
    with pytest.raises(Permanent, match="more than once") as caught:
        observe_api(make_rollout(world), NAME)
    assert all(api_id in str(caught.value) for api_id in ids)


def test_a_setting_that_aws_does_not_keep_is_an_error(world: Environment) -> None:
    rollout = make_rollout(world)
    answer_call(rollout, "lambda", "AddPermission", lambda _: {"Statement": "{}"}, times=4)
    spec = wanted_api(rollout, alias_arn(rollout))
    with pytest.raises(Temporary, match="does not stay as it is set: create permission"):
        apply_api(rollout, spec, None)


def test_conflicts_and_things_not_yet_visible_are_waited_for(world: Environment) -> None:
    rollout = make_rollout(world)
    fail_call(rollout, "apigatewayv2", "CreateIntegration", "NotFoundException")
    fail_call(rollout, "apigatewayv2", "CreateRoute", "ConflictException")
    fail_call(rollout, "lambda", "AddPermission", "ResourceConflictException")
    apply_api(rollout, wanted_api(rollout, alias_arn(rollout)), None)
    assert converge(world)[0].changes == []


@pytest.mark.parametrize("kind", ["route", "integration", "API"])
def test_a_part_that_is_gone_counts_as_removed(world: Environment, kind: str) -> None:
    rollout = make_rollout(world)
    seen = apply_api(rollout, wanted_api(rollout, alias_arn(rollout)), None)
    remove(rollout.aws("apigatewayv2"), seen.id, kind, "gone")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_call_the_next_run_ends_in_the_same_state(
    environment: Environment, tmp_path: Path, *, after: bool
) -> None:
    call, died = 0, [True]
    while died:
        with aws():
            prepare(environment, tmp_path)
            rollout = make_rollout(environment)
            with killed_at(rollout, call, after=after, services=SERVICES) as died:
                converged(rollout)
            _, seen = converge(environment)
            assert converge(environment)[0].changes == []
            assert (len(seen.integrations), len(seen.routes), len(seen.statements)) == (1, 1, 1)
            assert len(make_rollout(environment).aws("apigatewayv2").get_apis()["Items"]) == 1
        call += 1
    assert call > 10


def test_teardown(world: Environment) -> None:
    _, seen = converge(world)
    rollout = make_rollout(world)
    destroy_api.fn(rollout)
    destroy_api.fn(rollout)
    assert changes_of(rollout) == [f"delete API {NAME} ({seen.id})"]
    assert observe_api(rollout, NAME) is None
    with pytest.raises(rollout.aws("lambda").exceptions.ResourceNotFoundException):
        rollout.aws("lambda").get_policy(FunctionName=NAME, Qualifier="live")


def test_the_access_log_has_every_field_that_a_diagnosis_needs(environment: Environment) -> None:
    spec, _ = good(environment)
    fields = set(json.loads(spec.stage["AccessLogSettings"]["Format"]).values())
    needed = ["requestId", "status", "routeKey", "integrationStatus", "integrationErrorMessage", "error.message"]
    assert {f"$context.{name}" for name in [*needed, "authorizer.error", "integrationLatency"]} <= fields


def test_the_gateway_shows_browsers_what_the_api_itself_would() -> None:
    assert set(EXPOSED) == {name.lower() for name in app.EXPOSED}
