"""What can be known of image, compose file, workflows and variables without Docker or GitHub."""

import asyncio
import copy
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any
from uuid import uuid4

import botocore.session
import click
import pytest
import yaml
from botocore.validate import validate_parameters
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_AUTH_STRING, temporary_settings

from deployments.agents import roles_of
from deployments.cli import main
from deployments.configuring.pool_files import BadPool, base_template, check_pools, pool_names, work_pool
from deployments.configuring.pools import ensure_pools

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
READ = r"""(?:environ(?:\.get)?[\[(]|variables(?:\.get)?[\[(]|number\(variables, |envvar=)"([A-Z][A-Z0-9_]+)\""""
OF_OTHERS = {"AWS_LAMBDA_FUNCTION_NAME"}
"""Read to learn where the code runs; nobody sets it."""


def example() -> set[str]:
    return set(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))


def instructions() -> list[list[str]]:
    """Those of the Containerfile, in words."""
    text = (ROOT / "Containerfile").read_text().replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def test_every_variable_that_is_read_is_in_the_example() -> None:
    folders = ("api", "blocks", "database", "deployments", "flows", "tasks")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    found = {name for path in files for name in re.findall(READ, path.read_text())}
    assert len(found) > 20
    backend = tomllib.loads((ROOT / "api" / "miyabi.toml").read_text())["environment"]
    wanted = (found - OF_OTHERS) | set(backend["required"]) | set(backend["optional"])
    assert wanted - example() == set(), "say in .env.example what it is for"


def test_the_example_names_nothing_that_nobody_reads() -> None:
    used = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "compose.yaml").read_text()))
    files = [path for folder in ("deployments", "tasks", "database") for path in (ROOT / folder).rglob("*.py")]
    sources = [*files, *ROOT.glob("api/*.*")]
    text = "".join(path.read_text() for path in sources if path.is_file())
    named = {name for name in example() if name not in used and not re.search(rf"\b{name}\b", text)}
    assert named - {"MIYABI_AGENT_MODEL", "AWS_REGION", "AWS_PROFILE"} == set()  # the libraries read these


def test_compose_asks_for_variables_of_the_example_alone_and_holds_no_secret() -> None:
    text = (ROOT / "compose.yaml").read_text()
    assert set(re.findall(r"\$\{([A-Z_]+)", text)) <= example()
    empty = re.findall(r"^([A-Z_]+)=$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert set(re.findall(r"\$\{([A-Z_]+):\?", text)) == set(empty)
    commands = [" ".join(map(str, service.get("command", []))) for service in COMPOSE["services"].values()]
    assert not [command for command in commands if re.search(r"\$\{\w*(PASSWORD|AUTH|KEY)", command)]


def test_compose_starts_what_the_scaled_out_set_up_consists_of() -> None:
    services = COMPOSE["services"]
    twice = {name for name, service in services.items() if service.get("deploy", {}).get("replicas") == 2}
    assert twice == {"api", "worker", "isolated-agents", "dispatcher", "agents"}
    assert {"postgres", "redis", "services", "front", "migrate"} <= set(services)
    assert "--no-services" in services["api"]["command"]
    for service in services.values():
        for needed in service.get("depends_on", []):
            assert needed in services
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / source).is_file(), volume
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:${PREFECT_PORT:-4200}:4200"]


def test_compose_runs_agents_in_roles_that_there_are() -> None:
    for name in ("agents", "dispatcher"):
        command = COMPOSE["services"][name]["command"]
        assert command[:3] == ["python", "-m", "deployments.agents"]
        assert len(roles_of(command[command.index("--roles") + 1])) == 1


def test_the_servers_of_compose_share_what_those_of_this_machine_share(tmp_path: Path) -> None:
    from localcloud import scale_out

    ports = dict.fromkeys(scale_out.PREFERRED_PORTS, 1)
    here = scale_out.environment(tmp_path, ports, migrates=False)
    there = COMPOSE["x-server"]
    for name in [name for name, value in here.items() if value.startswith(("prefect_redis.", "redis:"))]:
        assert there[name].split("/0")[0].split("/1")[0][:9] == here[name][:9], name
    assert there["PREFECT_SERVER_DATABASE_MIGRATE_ON_START"] == "false"


def test_the_image_copies_what_there_is_and_all_that_is_installed() -> None:
    copied = [word.rstrip("/") for line in instructions() if line[0] == "COPY" and "--from" not in line[1]
              for word in line[1:-1]]  # fmt: skip
    assert [path for path in copied if not (ROOT / path).exists()] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert packages | {"migrations", "dashboard", "prefect.yaml", "constraints.txt"} <= set(copied)
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(copied) == kept


def test_the_image_is_pinned_and_runs_as_nobody_in_particular() -> None:
    lines = instructions()
    assert [line[1] for line in lines if line[0] == "USER"] == ["10001"]
    (install,) = [" ".join(line) for line in lines if "pip" in line]
    assert "--constraint constraints.txt" in install
    extras = re.search(r"\[([a-z,]+)\]", install)
    assert extras
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras[1].split(",")) <= set(known)
    assert "://" not in (ROOT / "Containerfile").read_text()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_pin_what_they_use_and_may_write_nothing(path: Path) -> None:
    text = path.read_text()
    workflow = yaml.safe_load(text)
    for line in re.findall(r"^\s+(?:- )?uses: (.*)$", text, re.MULTILINE):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"], name
        assert job.get("permissions", {"contents": "read"}) in (
            {"contents": "read"}, {"contents": "read", "id-token": "write"},
        )  # fmt: skip
        assert set([job["needs"]] if "needs" in job else []) <= set(workflow["jobs"])
        for step in job["steps"]:
            assert "${{" not in step.get("run", ""), "pass it in the environment: it could be a program"


def test_the_reusable_workflow_uses_the_inputs_that_it_declares() -> None:
    text = (ROOT / ".github" / "workflows" / "deploy-backend.yml").read_text()
    called = yaml.safe_load(text)[True]["workflow_call"]  # `on` is a truth value in YAML 1.1
    assert set(re.findall(r"inputs\.(\w+) }}", text)) == set(called["inputs"])
    assert set(re.findall(r"{{ secrets\.([a-z_]+) }}", text)) == set(called["secrets"])
    usage = text[: text.index("name: deploy-backend")]
    assert set(re.findall(r"^#         (\w+): ", usage, re.MULTILINE)) <= set(called["inputs"]) | set(called["secrets"])


def test_workflows_run_commands_that_there_are() -> None:
    found = 0
    for path in WORKFLOWS:
        for command in re.findall(r"\.venv/bin/miyabi (.*)$", path.read_text(), re.MULTILINE):
            name, *words = shlex.split(command)
            known = main.get_command(click.Context(main), name)
            assert known is not None, name
            options = {option for parameter in known.params for option in parameter.opts}
            assert {word for word in words if word.startswith("--")} <= options
            found += 1
    assert found == 4
    assert (ROOT / ".ci" / "run").is_file()


def test_production_comes_after_staging_and_asks_for_approval() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "deploy-backend.yml").read_text())["jobs"]
    assert [(name, job.get("needs"), job.get("environment")) for name, job in jobs.items()] == [
        ("build", None, None), ("staging", "build", "staging"), ("production", "staging", "production"),
    ]  # fmt: skip


def test_every_pool_is_what_its_workers_type_knows() -> None:
    assert {work_pool(name)["type"] for name in pool_names()} == {"process", "docker", "ecs"}
    for name in pool_names():
        made, base = work_pool(name), base_template(work_pool(name)["type"])
        template = made["base_job_template"]
        assert template["job_configuration"] == base["job_configuration"]
        assert set(template["variables"]["properties"]) == set(base["variables"]["properties"])


class Account:
    """Credentials of an AWS account with one network, which the worker asks for its subnets."""

    def get_client(self, service: str) -> "Account":
        assert service == "ec2"
        return self

    def describe_vpcs(self, **_: Any) -> dict[str, Any]:
        return {"Vpcs": [{"VpcId": "vpc-1"}]}

    def describe_subnets(self, **_: Any) -> dict[str, Any]:
        return {"Subnets": [{"SubnetId": "subnet-1"}]}


@pytest.mark.parametrize(
    ("pool", "weights"), [("ecs", {"FARGATE_SPOT": 7, "FARGATE": 3}), ("ecs-critical", {"FARGATE": 1})]
)
def test_a_flow_run_is_asked_of_ecs_as_the_mission_has_it(pool: str, weights: dict[str, int]) -> None:
    """By prefect-aws's own worker, whose requests are held against AWS's model: seven of ten tasks on Spot (Pattern 3),
    and critical ones never."""
    from prefect_aws.workers.ecs_worker import ECSJobConfiguration, ECSWorker

    run = FlowRun(flow_id=uuid4(), deployment_id=uuid4(), name="report staging")
    template = work_pool(pool)["base_job_template"]
    nobody = PrefectClient("http://127.0.0.1:1/api")  # the template names no blocks that he would be asked for
    job = asyncio.run(ECSJobConfiguration.from_template_and_values(template, {}, client=nobody))
    job.aws_credentials = Account()  # type: ignore[assignment]
    with temporary_settings({PREFECT_API_AUTH_STRING: "miyabi:word"}):
        job.prepare_for_flow_run(run)
    worker = ECSWorker(work_pool_name=pool)
    task = worker._prepare_task_definition(job, region="us-east-1", flow_run=run)
    request = worker._prepare_task_run_request(job, copy.deepcopy(task), "arn:aws:ecs:::task-definition/t:1", True)
    ecs = botocore.session.get_session().get_service_model("ecs")
    for operation, body in (("RegisterTaskDefinition", task), ("RunTask", request)):
        validate_parameters(body, ecs.operation_model(operation).input_shape)
    assert {one["capacityProvider"]: one["weight"] for one in request["capacityProviderStrategy"]} == weights
    assert "launchType" not in request  # ECS refuses both
    assert (request["cluster"], task["requiresCompatibilities"]) == ("miyabi-production", ["FARGATE"])
    (container,) = task["containerDefinitions"]
    assert [secret["name"] for secret in container["secrets"]] == ["PREFECT_API_AUTH_STRING"]
    assert container["logConfiguration"]["options"]["awslogs-stream-prefix"] == "flow-run"
    told = request["overrides"]["containerOverrides"][0]
    assert "miyabi:word" not in str(request)
    assert {"PREFECT__FLOW_RUN_ID", "PREFECT__DEPLOYMENT_ID"} <= {variable["name"] for variable in told["environment"]}


def test_a_pool_with_what_its_worker_has_not_is_refused_with_all_problems(tmp_path: Path) -> None:
    pool = {"type": "ecs", "description": "", "variables": {"memroy": 1, "cpu": "much", "launch_type": "MOON"}}
    (tmp_path / "odd.yaml").write_text(yaml.safe_dump(pool))
    with pytest.raises(BadPool) as refused:
        work_pool("odd", tmp_path)
    for problem in ("has no 'memroy'", "cpu: 'much'", "launch_type: 'MOON' is not one of"):
        assert problem in str(refused.value)
    with pytest.raises(BadPool, match="memroy"):
        check_pools(["local", "odd"], tmp_path)


def test_a_pool_that_is_missing_is_made_as_its_file_says() -> None:
    asked: list[tuple[str, str, Any]] = []

    class Prefect:
        def request(self, method: str, path: str, body: Any = None) -> Any:
            asked.append((method, path, body))
            return None if method == "GET" else {**body, "concurrency_limit": body.get("concurrency_limit")}

    said: list[str] = []
    ensure_pools(Prefect(), ["ecs", "local"], said.append, agents=4)
    assert said == ["made work pool ecs (ecs)", "made work pool local (process)"]
    made = [body for method, _, body in asked if method == "POST"]
    assert made[0] == work_pool("ecs")
    assert made[1]["name"] == "local"
