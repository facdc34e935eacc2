"""Deploying to the embedded cloud: real processes run the package, real HTTP goes through the gateway.

Also what moto alone cannot show: answers that are lost after AWS has done the work, a missing permission that is
HTTP 500, a package that does not start, and traffic that moves between two versions.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from blocks.environment import ApiSettings, Environment, FunctionSettings, SmokeSettings
from localcloud.aws.faults import Fault
from localcloud.cloud import Cloud
from tasks.aliases import ensure_alias, restore_alias, shift_traffic
from tasks.changes import Rollout
from tasks.configuration import Wiring
from tasks.errors import Temporary
from tasks.functions import destroy_function, ensure_function, observe_function
from tasks.gateway import Api, destroy_api, ensure_api
from tasks.smoke import smoke_api, smoke_version
from tasks.smoke_answers import Result, SmokeFailed
from tasks.smoke_suites import Target, smoke_suites
from tasks.suite_checks import Check
from tasks.suites import Suite
from tests.localcloud.conftest import Client
from tests.support import changes_of, make_environment, make_rollout
from tests.unit.deploying import TRUST, Built, pack

T = TypeVar("T")
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
HEALTH = Check.model_validate({"path": "/api/v1/health", "fields": {"status": "ok"}})
APP = """
import json, os

def handler(event, context):
    body = {"status": "ok", "text": TEXT, "path": event["rawPath"], "environment": os.environ["ENVIRONMENT"]}
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}
"""
NAME = "miyabi-api-local"


@dataclass
class World:
    """An empty account with what provisioning makes, and packages for it."""

    environment: Environment
    wiring: Wiring
    folder: Path
    cloud: Cloud

    def rollout(self, *, planning: bool = False) -> Rollout:
        return make_rollout(self.environment, planning=planning)

    def package(self, text: str = "one", app: str = APP) -> Built:
        source = f"TEXT = {text!r}\n{app}"
        return pack(self.folder / f"{text}.zip", {"app.py": source}, runtime=PYTHON, handler="app.handler")

    def deploy(self, package: Built, rollout: Rollout | None = None) -> Api:
        """What `deploy-backend` does, each step tried again as Prefect would."""
        rollout = rollout or self.rollout()
        made = again(lambda: ensure_function.fn(rollout, package, self.wiring))
        again(lambda: smoke_version.fn(rollout, made.version, [HEALTH]))
        alias = again(lambda: ensure_alias.fn(rollout, made.version))
        api = again(lambda: ensure_api.fn(rollout, alias.arn))
        again(lambda: shift_traffic.fn(rollout, made.version))
        again(lambda: smoke_api.fn(rollout, api.url, [HEALTH]))
        return api


def again(step: Callable[[], T], attempts: int = 4) -> T:
    """Prefect's retries without its pauses."""
    for _ in range(attempts - 1):
        try:
            return step()
        except Temporary:
            continue
    return step()


@pytest.fixture
def world(cloud: Cloud, aws: Client, tmp_path: Path) -> World:
    environment = make_environment(
        cloud.aws_endpoint,
        api_url=f"{cloud.api_endpoint}/_api/{{api_id}}",
        function=FunctionSettings(in_vpc=False, timeout_s=5),
    )
    role = aws("iam").create_role(RoleName=environment.names.role, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    for group in (environment.names.function_logs, environment.names.api_logs):
        aws("logs").create_log_group(logGroupName=group)
    secret = "arn:aws:secretsmanager:us-east-1:211234825975:secret:x"
    return World(environment, Wiring(role, secret, secret), tmp_path, cloud)


def asked(api: Api, path: str = "/api/v1/health") -> Any:
    return httpx.get(api.url + path, trust_env=False, timeout=10).json()


def test_a_package_becomes_an_api_that_answers(world: World) -> None:
    api = world.deploy(world.package())
    assert asked(api) == {"status": "ok", "text": "one", "path": "/api/v1/health", "environment": "local"}
    second = world.rollout()
    world.deploy(world.package(), second)
    assert second.changes == []


def test_traffic_moves_with_the_alias_and_back(world: World) -> None:
    api = world.deploy(world.package())
    rollout = world.rollout()
    made = ensure_function.fn(rollout, world.package("two"), world.wiring)
    smoke_version.fn(rollout, made.version, [HEALTH])
    assert (made.previous_version, asked(api)["text"]) == ("1", "one")
    shift_traffic.fn(rollout, made.version)
    assert asked(api)["text"] == "two"
    restore_alias(rollout, f"{NAME}:live", {"version": "1", "to": made.version})
    assert asked(api)["text"] == "one"


BROKEN = {
    "exits at start": ("import sys\nsys.exit(3)\n", "exit"),
    "a variable is not set": ("import os\nos.environ['GITHUB_CLIENT_ID']\n", "GITHUB_CLIENT_ID"),
    "raises": ("def handler(event, context):\n    raise ValueError('no such thing')\n", "ValueError: no such thing"),
    "hangs": ("import time\ndef handler(event, context):\n    time.sleep(60)\n", "timed out"),
    "answers 503": ("def handler(event, context):\n    return {'statusCode': 503, 'body': 'no db'}\n", "503"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_package_moves_no_traffic(world: World, case: str) -> None:
    app, text = BROKEN[case]
    api = world.deploy(world.package())
    world.environment = world.environment.model_copy(update={"function": FunctionSettings(in_vpc=False, timeout_s=1)})
    with pytest.raises(SmokeFailed, match=text):
        world.deploy(world.package("broken", app))
    assert asked(api)["text"] == "one"


def test_a_lost_permission_is_500_and_is_given_back(world: World, aws: Client) -> None:
    api = world.deploy(world.package())
    aws("lambda").remove_permission(FunctionName=NAME, Qualifier="live", StatementId=f"apigateway-{api.id}")
    with pytest.raises(SmokeFailed, match="answered 500"):
        smoke_api.fn(world.rollout(), api.url, [HEALTH], attempts=1)
    rollout = world.rollout()
    world.deploy(world.package(), rollout)
    (change,) = rollout.changes
    assert (change.action, change.resource) == ("create", f"permission of API {NAME} to invoke")
    assert asked(api)["text"] == "one"


def test_drift_of_what_moto_alone_cannot_change_is_repaired(world: World, aws: Client) -> None:
    api = world.deploy(world.package())
    stage = {"DefaultRouteSettings": {"ThrottlingBurstLimit": 1, "ThrottlingRateLimit": 1.0}, "AutoDeploy": False}
    aws("apigatewayv2").update_stage(ApiId=api.id, StageName="$default", **stage)
    aws("lambda").update_function_configuration(FunctionName=NAME, MemorySize=1024)
    aws("lambda").get_waiter("function_updated_v2").wait(FunctionName=NAME, WaiterConfig={"Delay": 0.05})
    rollout = world.rollout()
    world.deploy(world.package(), rollout)
    assert changes_of(rollout) == [
        f"update function {NAME} memory mb: 1024 → 512",
        f"update stage $default of API {NAME} AutoDeploy: False → True",
        f"update stage $default of API {NAME} DefaultRouteSettings.ThrottlingBurstLimit: 1 → 1000",
        f"update stage $default of API {NAME} DefaultRouteSettings.ThrottlingRateLimit: 1.0 → 500.0",
    ]
    second = world.rollout()
    world.deploy(world.package(), second)
    assert second.changes == []


def test_a_burst_beyond_the_throttle_is_429_and_drift_of_the_throttle_is_named(world: World, aws: Client) -> None:
    settings = {"api": ApiSettings(rate_limit=1, burst_limit=5), "smoke": SmokeSettings(exercise=True)}
    world.environment = world.environment.model_copy(update=settings)
    api, suite = world.deploy(world.package()), Suite(throttle="/api/v1/health")

    def asked() -> tuple[Result, ...]:
        targets = [Target("the API", suite, api.url, api.url)]
        return smoke_suites.fn(world.rollout(), "local", targets, perform=lambda ask, *given: ask.fn(*given))

    setting, burst = asked()
    assert (setting.ok, burst.ok, burst.status) == (True, True, 429)
    stage = {"DefaultRouteSettings": {"ThrottlingBurstLimit": 5000, "ThrottlingRateLimit": 10000.0}}
    aws("apigatewayv2").update_stage(ApiId=api.id, StageName="$default", **stage)
    with pytest.raises(SmokeFailed, match="10000 a second and bursts of 5000 instead of 1 a second and bursts of 5"):
        asked()


def test_a_plan_writes_nothing(world: World, aws: Client) -> None:
    planning = world.rollout(planning=True)
    made = ensure_function.fn(planning, world.package(), world.wiring)
    alias = ensure_alias.fn(planning, made.version)
    ensure_api.fn(planning, alias.arn)
    assert len(planning.changes) > 8
    assert aws("lambda").list_functions()["Functions"] == []
    assert aws("apigatewayv2").get_apis()["Items"] == []


def state_of(world: World) -> dict[str, Any]:
    """One of each, and nothing that nobody needs."""
    client = world.rollout().aws
    now = observe_function(client("lambda"), NAME)
    gateway = client("apigatewayv2")
    (api,) = gateway.get_apis()["Items"]
    reads = {"integrations": gateway.get_integrations, "routes": gateway.get_routes, "stages": gateway.get_stages}
    parts = {name: len(read(ApiId=api["ApiId"])["Items"]) for name, read in reads.items()}
    live = client("lambda").get_alias(FunctionName=NAME, Name="live")["FunctionVersion"]
    return {"versions": list(now.versions) if now else [], "live": live, **parts}


WRITES = [
    ("lambda", "CreateFunction"),
    ("lambda", "PublishVersion"),
    ("lambda", "CreateAlias"),
    ("apigatewayv2", "CreateApi"),
    ("apigatewayv2", "CreateIntegration"),
    ("apigatewayv2", "CreateRoute"),
    ("apigatewayv2", "CreateStage"),
    ("lambda", "AddPermission"),
]


@pytest.mark.parametrize(("service", "operation"), WRITES, ids=[write[1] for write in WRITES])
def test_a_write_whose_answer_is_lost_leaves_one_of_each(world: World, service: str, operation: str) -> None:
    world.cloud.faults.add(Fault("reset", service, operation, when="after"))
    api = world.deploy(world.package())
    assert world.cloud.faults.active == ()
    assert state_of(world) == {"versions": ["1"], "live": "1", "integrations": 1, "routes": 1, "stages": 1}
    assert asked(api)["text"] == "one"
    second = world.rollout()
    world.deploy(world.package(), second)
    assert second.changes == []


UPDATES = ["UpdateFunctionCode", "UpdateFunctionConfiguration", "PublishVersion", "UpdateAlias"]


@pytest.mark.parametrize("operation", UPDATES)
@pytest.mark.parametrize("kind", ["reset", "conflict", "server-error"])
def test_an_update_that_is_disturbed_is_done_once(world: World, operation: str, kind: Any) -> None:
    world.deploy(world.package())
    world.environment = world.environment.model_copy(update={"function": FunctionSettings(in_vpc=False, timeout_s=6)})
    world.cloud.faults.add(Fault(kind, "lambda", operation, when="before" if kind == "conflict" else "after"))
    api = world.deploy(world.package("two"))
    assert world.cloud.faults.active == ()
    assert state_of(world)["versions"] == ["1", "2"]
    assert asked(api)["text"] == "two"


def test_teardown_leaves_nothing(world: World, aws: Client) -> None:
    world.deploy(world.package())
    rollout = world.rollout()
    destroy_api.fn(rollout)
    destroy_function.fn(rollout)
    assert aws("lambda").list_functions()["Functions"] == []
    assert aws("apigatewayv2").get_apis()["Items"] == []
    destroy_api.fn(rollout)
    destroy_function.fn(rollout)
