"""Ways to break a good small system: each does what a person, or time, does to it, and gives back how to undo it.

`FAULTS` names them by what was done; `cause` is what a diagnosis has to call it.
"""

import io
import json
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from localcloud.lambda_states import Impairment, impair, mend
from tests.fixtures.packages import BrokenKind, make_broken
from tests.release.conftest import FIXTURES
from tests.release.scene import API, FUNCTION, Scene

Undo = Callable[[], Any]
HANDLER = (FIXTURES / "python-lambda" / "handler.py").read_text()
ROLE, POLICY, ARN = "miyabi-lambda-local", "miyabi-least-privilege", "arn:aws:lambda:us-east-1:211234825975:function"
KEY = "arn:aws:kms:us-east-1:211234825975:key/1234abcd"


@dataclass(frozen=True)
class Fault:
    """`breaks` gives back how to undo it."""

    cause: str
    breaks: Callable[[Scene], Undo]
    hides: bool = False
    """Nothing behind it can be seen while it is there."""


def api_id(scene: Scene) -> str:
    return next(api["ApiId"] for api in scene.aws("apigatewayv2").get_apis()["Items"] if api["Name"] == API)


def permission(scene: Scene) -> Undo:
    client, api = scene.aws("lambda"), api_id(scene)
    named = {"FunctionName": FUNCTION, "Qualifier": "live", "StatementId": f"apigateway-{api}"}
    client.remove_permission(**named)
    source = f"arn:aws:execute-api:us-east-1:211234825975:{api}/*/*"
    right = {"Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com", "SourceArn": source}
    return lambda: client.add_permission(**named, **right)


def permission_of_another_api(scene: Scene) -> Undo:
    give_back = permission(scene)
    client, named = scene.aws("lambda"), {"FunctionName": FUNCTION, "Qualifier": "live", "StatementId": "another"}
    client.add_permission(
        **named,
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn="arn:aws:execute-api:us-east-1:211234825975:zzzzzzzz/*/*",
    )
    return lambda: (client.remove_permission(**named), give_back())


def integration(**changes: Any) -> Callable[[Scene], Undo]:
    """The integration otherwise: another function, another format."""

    def breaks(scene: Scene) -> Undo:
        client, api = scene.aws("apigatewayv2"), api_id(scene)
        (before,) = client.get_integrations(ApiId=api)["Items"]
        kept = {"IntegrationUri": before["IntegrationUri"], "PayloadFormatVersion": "2.0"}
        named = {"ApiId": api, "IntegrationId": before["IntegrationId"]}
        client.update_integration(**named, **{**kept, **changes})
        return lambda: client.update_integration(**named, **kept)

    return breaks


def stage(scene: Scene, **otherwise: Any) -> Undo:
    """Delete the stage, or make it anew otherwise."""
    client, api = scene.aws("apigatewayv2"), api_id(scene)
    before = client.get_stage(ApiId=api, StageName="$default")
    fields = ("StageName", "AutoDeploy", "AccessLogSettings", "DefaultRouteSettings", "Tags")
    good = {"ApiId": api, **{name: before[name] for name in fields}}
    client.delete_stage(ApiId=api, StageName="$default")
    if not otherwise:
        return lambda: client.create_stage(**good)
    client.create_stage(**{**good, **otherwise})
    return lambda: (client.delete_stage(ApiId=api, StageName="$default"), client.create_stage(**good))


def route(scene: Scene) -> Undo:
    client, api = scene.aws("apigatewayv2"), api_id(scene)
    (before,) = client.get_routes(ApiId=api)["Items"]
    client.delete_route(ApiId=api, RouteId=before["RouteId"])
    return lambda: client.create_route(ApiId=api, RouteKey="$default", Target=before["Target"])


def alias(scene: Scene) -> Undo:
    """Its policy goes with it."""
    client, give_back = scene.aws("lambda"), permission(scene)
    client.delete_alias(FunctionName=FUNCTION, Name="live")
    return lambda: (client.create_alias(FunctionName=FUNCTION, Name="live", FunctionVersion="1"), give_back())


def switched_off(scene: Scene) -> Undo:
    client = scene.aws("lambda")
    client.put_function_concurrency(FunctionName=FUNCTION, ReservedConcurrentExecutions=0)
    return lambda: client.delete_function_concurrency(FunctionName=FUNCTION)


def failed(scene: Scene) -> Undo:
    reason = "The function's network interface cannot be made: the limit of the VPC is reached."
    impair(scene.cloud, FUNCTION, Impairment("Failed", "EniLimitExceeded", reason))
    return lambda: mend(scene.cloud, FUNCTION)


def policy_without(sid: str) -> Callable[[Scene], Undo]:
    """The role's policy without one of its statements."""

    def breaks(scene: Scene) -> Undo:
        iam, named = scene.aws("iam"), {"RoleName": ROLE, "PolicyName": POLICY}
        good = iam.get_role_policy(**named)["PolicyDocument"]
        less = {**good, "Statement": [one for one in good["Statement"] if one["Sid"] != sid]}
        iam.put_role_policy(**named, PolicyDocument=json.dumps(less))
        return lambda: iam.put_role_policy(**named, PolicyDocument=json.dumps(good))

    return breaks


def log_group(scene: Scene) -> Undo:
    logs, name = scene.aws("logs"), f"/aws/lambda/{FUNCTION}"
    logs.delete_log_group(logGroupName=name)
    return lambda: logs.create_log_group(logGroupName=name)


def version(code: bytes | str, **settings: Any) -> Callable[[Scene], Undo]:
    """Another version that has the traffic; text is the handler's."""

    def breaks(scene: Scene) -> Undo:
        client = scene.aws("lambda")
        good = client.get_function_configuration(FunctionName=FUNCTION, Qualifier="1")
        content = zipped({"handler.py": code}) if isinstance(code, str) else code
        changed(client.update_function_code, client, ZipFile=content)
        names = ("Runtime", "Handler", "Timeout", "MemorySize", "Environment")
        kept = {name: good[name] for name in names}
        changed(client.update_function_configuration, client, **{**kept, "KMSKeyArn": "", **settings})
        made = client.publish_version(FunctionName=FUNCTION)["Version"]
        settled(client, made)
        client.update_alias(FunctionName=FUNCTION, Name="live", FunctionVersion=made)
        return lambda: client.update_alias(FunctionName=FUNCTION, Name="live", FunctionVersion="1")

    return breaks


def changed(update: Callable[..., Any], client: Any, **wanted: Any) -> None:
    settled(client, "$LATEST")
    update(FunctionName=FUNCTION, **wanted)
    settled(client, "$LATEST")


def settled(client: Any, qualifier: str) -> None:
    for _ in range(500):
        seen = client.get_function_configuration(FunctionName=FUNCTION, Qualifier=qualifier)
        if seen["State"] == "Active" and seen.get("LastUpdateStatus") != "InProgress":
            return
        time.sleep(0.02)
    raise AssertionError(f"{FUNCTION} {qualifier} does not settle")


def without(variable: str) -> Callable[[Scene], Undo]:
    """A version whose code needs a variable, and lacks it."""

    def breaks(scene: Scene) -> Undo:
        seen = scene.aws("lambda").get_function_configuration(FunctionName=FUNCTION, Qualifier="1")
        variables = {k: v for k, v in seen["Environment"]["Variables"].items() if k != variable}
        needy = f"import os\nWANTED = os.environ[{variable!r}]\n{HANDLER}"
        return version(needy, Environment={"Variables": variables})(scene)

    return breaks


def native(kind: BrokenKind) -> Callable[[Scene], Undo]:
    """A broken package of the fixtures, which a release would refuse, uploaded by hand."""

    def breaks(scene: Scene) -> Undo:
        with tempfile.TemporaryDirectory() as folder:
            content = make_broken(kind, Path(folder)).read_bytes()
        return version(content, Runtime="provided.al2023", Handler="bootstrap")(scene)

    return breaks


def zipped(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def answering(text: str) -> str:
    return f"import os, time\ndef handler(event, context):\n    {text}\n"


FAULTS: dict[str, Fault] = {
    "no permission": Fault("permission", permission),
    "permission of another API": Fault("permission", permission_of_another_api),
    "gone function": Fault("target", integration(IntegrationUri=f"{ARN}:nosuch"), hides=True),
    "gone version": Fault("target", integration(IntegrationUri=f"{ARN}:{FUNCTION}:99"), hides=True),
    "another region": Fault(
        "target", integration(IntegrationUri=f"{ARN}:{FUNCTION}".replace("us-east-1", "eu-west-1")), hides=True
    ),
    "gone alias": Fault("target", alias, hides=True),
    "no stage": Fault("stage", stage),
    "no route": Fault("stage", route, hides=True),
    "no deployment": Fault("stage", partial(stage, AutoDeploy=False)),
    "stage that lets nothing through": Fault(
        "throttle", partial(stage, DefaultRouteSettings={"ThrottlingRateLimit": 0.0, "ThrottlingBurstLimit": 0})
    ),
    "payload 1.0": Fault("payload", integration(PayloadFormatVersion="1.0")),
    "reserved concurrency 0": Fault("concurrency", switched_off, hides=True),
    "no network interface": Fault("key-or-network", failed, hides=True),
    "denied key": Fault("key-or-network", version(HANDLER, KMSKeyArn=KEY), hides=True),
    "not executable": Fault("entry", native("not-executable")),
    "no handler": Fault("entry", version("x = 1\n")),
    "other machine": Fault("machine", native("wrong-architecture")),
    "glibc too new": Fault("libraries", native("glibc-too-new")),
    "missing library": Fault("libraries", native("missing-library")),
    "variable not set": Fault("variable", without("DATABASE_SECRET_ARN")),
    "exits at start": Fault("start", native("exits-at-start")),
    "no response": Fault("shape", version(answering('return {"statusCode": 200, "body": {"status": "ok"}}'))),
    "too slow": Fault("timeout", version(answering("time.sleep(30)"), Timeout=1)),
    "too little memory": Fault(
        "memory", version(answering("hoard = [os.urandom(1 << 20) for _ in range(500)]; time.sleep(1)"), MemorySize=128)
    ),
    "an exception": Fault("code", version(answering('raise ValueError("no good")'))),
    "a 503 of its own": Fault("backend", version(answering('return {"statusCode": 503, "body": "down"}'))),
    "no right to log": Fault("log-rights", policy_without("WriteLogs")),
    "no log group": Fault("log-rights", log_group),
    "access log without errors": Fault(
        "access-log",
        partial(
            stage,
            AccessLogSettings={
                "DestinationArn": f"arn:aws:logs:us-east-1:211234825975:log-group:/aws/apigateway/{API}",
                "Format": "$context.requestId",
            },
        ),
    ),
}
