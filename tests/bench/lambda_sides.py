"""What the Lambda benchmark sets against each other: our cloud with functions deployed to it, and two emulators."""

import contextlib
import http.client
import io
import json
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil

from localcloud.lambda_python import START, interpreter, provided_packages

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
PROCESSES = 4
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
HANDLER = """
def handler(event, context):
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": '{"ok":true}'}
"""


# --- ours ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Side:
    """Where it answers, and its processes."""

    url: str
    roots: tuple[int, ...]

    def cpu_s(self) -> float:
        """Seconds of CPU that its processes and their children have used."""
        used = 0.0
        for root in map(psutil.Process, self.roots):
            for process in (root, *root.children(recursive=True)):
                times = process.cpu_times()
                used += times.user + times.system
        return used


@contextlib.contextmanager
def deployed(folder: Path) -> Iterator[dict[str, Side]]:
    """A cloud in its own process with two functions behind APIs, by name."""
    aws_port, api_port = free_port(), free_port()
    command = [sys.executable, "-m", "localcloud.cloud", "--home", str(folder / "cloud")]
    with running([*command, "--aws-port", str(aws_port), "--api-port", str(api_port)]) as cloud:
        wait_for(f"http://127.0.0.1:{aws_port}/_cloud/health")
        session = Session(f"http://127.0.0.1:{aws_port}")
        codes = {"python": python_zip(), "native": native_zip()}
        urls = {
            name: f"http://127.0.0.1:{api_port}/_api/{session.deploy(name, code)}/x" for name, code in codes.items()
        }
        for url in urls.values():
            wait_for(url)
        yield {name: Side(url, (cloud,)) for name, url in urls.items()}


class Session:
    """Makes functions and APIs on an endpoint."""

    def __init__(self, endpoint: str) -> None:
        self._session: Any = boto3.Session(
            aws_access_key_id="bench", aws_secret_access_key="bench", region_name="us-east-1"
        )
        self._endpoint = endpoint

    def client(self, service: str) -> Any:
        return self._session.client(service, endpoint_url=self._endpoint)

    def deploy(self, name: str, code: bytes, *, handler: str = "app.handler", **variables: str) -> str:
        """A function with an alias, and an API with an access log in front; the API's id. Names without `native` are
        Python's."""
        functions, apis, logs = self.client("lambda"), self.client("apigatewayv2"), self.client("logs")
        group = f"/aws/apigateway/{name}"
        logs.create_log_group(logGroupName=group)
        functions.create_function(
            FunctionName=name, Role=self._role(name), Handler=handler, Code={"ZipFile": code}, MemorySize=512,
            Runtime=PYTHON if name == "python" or variables else "provided.al2023", Publish=True, Timeout=30,
            Environment={"Variables": variables or {"GREETING": "hello"}},
        )  # fmt: skip
        functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05})
        alias = functions.create_alias(FunctionName=name, Name="live", FunctionVersion="1")["AliasArn"]
        api = str(apis.create_api(Name=name, ProtocolType="HTTP")["ApiId"])
        integration = apis.create_integration(
            ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=alias, PayloadFormatVersion="2.0"
        )
        apis.create_route(ApiId=api, RouteKey="$default", Target=f"integrations/{integration['IntegrationId']}")
        arn = f"arn:aws:logs:us-east-1:211234825975:log-group:{group}"
        apis.create_stage(
            ApiId=api, StageName="$default", AutoDeploy=True,
            AccessLogSettings={"DestinationArn": arn, "Format": "$context.requestId $context.status"},
            DefaultRouteSettings={"ThrottlingRateLimit": 1_000_000.0, "ThrottlingBurstLimit": 1_000_000},
        )  # fmt: skip
        functions.add_permission(
            FunctionName=name, Qualifier="live", StatementId="gateway", Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com", SourceArn=f"arn:aws:execute-api:us-east-1:211234825975:{api}/*/*",
        )  # fmt: skip
        return api

    def _role(self, name: str) -> str:
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        write = {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}
        iam = self.client("iam")
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))["Role"]
        iam.put_role_policy(RoleName=name, PolicyName="logs", PolicyDocument=policy(write))
        return str(role["Arn"])


def policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def python_zip() -> bytes:
    return zip_of("app.py", HANDLER.encode(), mode=0o644)


def native_zip() -> bytes:
    """The light Python bootstrap, on this interpreter."""
    return zip_of("bootstrap", fast_bootstrap(), mode=0o755)


def fast_bootstrap() -> bytes:
    _, _, text = (FIXTURES / "functions" / "fast_bootstrap.py").read_text().partition("\n")
    return f"#!{interpreter(PYTHON)} -IS\n{text}".encode()


def zip_of(name: str, content: bytes, *, mode: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = (0o100000 | mode) << 16
        archive.writestr(entry, content)
    return buffer.getvalue()


# --- peers --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def plain(folder: Path) -> Iterator[Side]:
    """The Starlette emulator with its awslambdaric processes."""
    port, task = free_port(), folder / "task"
    task.mkdir()
    (task / "app.py").write_text(HANDLER)
    packages = provided_packages(folder, PYTHON)
    runtime = [str(interpreter(PYTHON)), "-s", "-S", "-c", START, str(task), str(packages), "app.handler"]
    variables = {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}", "AWS_LAMBDA_FUNCTION_NAME": "f"}
    with running([sys.executable, "-m", "tests.bench.lambda_plain", str(port)]) as emulator:
        wait_for_port(port)
        with contextlib.ExitStack() as stack:
            runtimes = [stack.enter_context(running(runtime, variables, folder=task)) for _ in range(PROCESSES)]
            url = f"http://127.0.0.1:{port}/x"
            wait_for(url)
            yield Side(url, (emulator, *runtimes))


@contextlib.contextmanager
def cargo(program: Path, folder: Path) -> Iterator[Side]:
    """cargo-lambda's emulator (`watch`, without building anything) with the light bootstrap."""
    project, port = folder / "cargo", free_port()
    (project / "src").mkdir(parents=True)
    (project / "Cargo.toml").write_text('[package]\nname = "bench"\nversion = "0.1.0"\nedition = "2021"\n')
    (project / "src" / "main.rs").write_text("fn main() {}\n")
    bootstrap = project / "bootstrap"
    bootstrap.write_bytes(fast_bootstrap())
    bootstrap.chmod(0o755)
    watch = [str(program), "lambda", "watch", "--only-lambda-apis", "-A", "127.0.0.1", "-P", str(port)]
    variables = {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}/.rt/bench"}
    with running([*watch, "--concurrency", str(PROCESSES), "--disable-cors"], folder=project) as emulator:
        wait_for_port(port)
        with contextlib.ExitStack() as stack:
            runtimes = [stack.enter_context(running([str(bootstrap)], variables)) for _ in range(PROCESSES)]
            url = f"http://127.0.0.1:{port}/lambda-url/bench/x"
            wait_for(url)
            yield Side(url, (emulator, *runtimes))


@contextlib.contextmanager
def running(command: list[str], variables: dict[str, str] | None = None, *, folder: Path = ROOT) -> Iterator[int]:
    """A process for a while; its id. With `variables`, it gets these and nothing else of the environment."""
    output = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=folder, env=variables, stdout=output, stderr=output)
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()  # uvicorn waits for those who ask it for events, who wait for it
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def status(url: str) -> int:
    host, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        connection.request("GET", f"/{path}")
        return connection.getresponse().status
    finally:
        connection.close()


def wait_for(url: str, *, patience: float = 60.0) -> None:
    """Until it answers 200."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if status(url) == 200:
                return
        time.sleep(0.05)
    raise TimeoutError(f"{url} does not answer")


def wait_for_port(port: int, *, patience: float = 60.0) -> None:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on port {port}")
