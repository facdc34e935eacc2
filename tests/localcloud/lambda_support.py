"""Functions and APIs for the tests of the Lambda runtime: zips from text, deployed with boto3."""

import contextlib
import io
import json
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from localcloud import lambda_runtime
from localcloud.cloud import Cloud
from tests.localcloud.conftest import Client

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
LOGS = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": "*",
            }
        ],
    }
)
QUICKLY = {"Delay": 0.01, "MaxAttempts": 500}
NATIVE = "provided.al2023"
BOOTSTRAP = (Path(__file__).parents[1] / "fixtures" / "functions" / "bootstrap.py").read_text()
SHEBANG = f"#!{sys.executable} -I\n"
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"


def zipped(files: dict[str, str | bytes], *, modes: dict[str, int] | None = None) -> bytes:
    """A zip of these files; `bootstrap` is executable unless `modes` says otherwise."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            mode = (modes or {}).get(name, 0o755 if name == "bootstrap" else 0o644)
            entry.external_attr = (0o100000 | mode) << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


NATIVE_ZIP = zipped({"bootstrap": SHEBANG + BOOTSTRAP.split("\n", 1)[1]})


@dataclass
class Deployer:
    """Makes functions and APIs in an empty account."""

    cloud: Cloud
    aws: Client

    def role(self, *, name: str = "runner", policy: str | None = LOGS) -> str:
        iam = self.aws("iam")
        arn = str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"])
        if policy:
            iam.put_role_policy(RoleName=name, PolicyName="logs", PolicyDocument=policy)
        return arn

    def function(
        self,
        code: bytes,
        *,
        name: str = "f",
        runtime: str = PYTHON,
        role: str = "",
        handler: str = "app.handler",
        **settings: Any,
    ) -> str:
        """Create a function; its name."""
        client = self.aws("lambda")
        settings.setdefault("Timeout", 10)
        client.create_function(
            FunctionName=name,
            Runtime=runtime,
            Role=role or self.role(),
            Handler=handler,
            Code={"ZipFile": code},
            **settings,
        )
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=QUICKLY)
        return name

    def native(self, **settings: Any) -> str:
        """The bootstrap of tests/fixtures/functions, on this interpreter."""
        return self.function(NATIVE_ZIP, runtime=NATIVE, **settings)

    def python(self, source: str, **settings: Any) -> str:
        return self.function(zipped({"app.py": source}), **settings)

    def invoke(self, name: str = "f", event: Any = None, **settings: Any) -> dict[str, Any]:
        """Invoke; the answer with its payload read as JSON."""
        answer = self.aws("lambda").invoke(FunctionName=name, Payload=json.dumps(event).encode(), **settings)
        raw = answer["Payload"].read()
        return {**answer, "Payload": json.loads(raw) if raw else None}

    def log(self, group: str = "/aws/lambda/f") -> list[str]:
        """All messages of a log group, in order; [] if there is no such group."""
        self.cloud.run(self._flush())
        groups = self.cloud.backend("logs").groups
        if group not in groups:
            return []
        events = [event for stream in groups[group].streams.values() for event in stream.events]
        return [event.message for event in sorted(events, key=lambda event: event.event_id)]

    def clear(self) -> None:
        """End every process and empty the account; nothing of this test reaches the next one's logs."""
        self.cloud.run(lambda_runtime.of(self.cloud).empty())
        self.cloud.run(self._flush())
        self.cloud.reset()

    async def _flush(self) -> None:
        lambda_runtime.of(self.cloud).logs.flush()


@contextlib.contextmanager
def limited(cloud: Cloud, **values: Any) -> Iterator[None]:
    """Other limits of the runtime for a while: `limited(cloud, init_timeout_s=1)`."""
    runtime = lambda_runtime.of(cloud)
    before, runtime.limits = runtime.limits, replace(runtime.limits, **values)
    try:
        yield
    finally:
        runtime.limits = before


def failure(answer: dict[str, Any]) -> tuple[str, str]:
    """Type and message of the error that an invocation ended with."""
    assert answer["FunctionError"] == "Unhandled"
    return answer["Payload"]["errorType"], answer["Payload"]["errorMessage"]
