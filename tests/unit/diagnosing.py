"""The facts of a system that is well, for tests that change one or two of them."""

from dataclasses import replace
from typing import Any

from tasks.diagnosing.causes import CAUSES
from tasks.diagnosing.facts import Facts
from tasks.diagnosing.facts_function import AliasSeen, FiguresSeen, FunctionSeen, Invoked, LogsSeen
from tasks.diagnosing.facts_means import ContractSeen, DatabaseSeen, PackageSeen, SecretsSeen, WarmthSeen
from tasks.diagnosing.facts_request import AccessSeen, Answered, GatewaySeen, PolicySeen, Subject, TargetSeen
from tasks.diagnosing.model import Judged
from tasks.diagnosing.ranking import judge_all

URL = "https://abc.execute-api.us-east-1.amazonaws.com/api/v1/health"
ARN = "arn:aws:lambda:us-east-1:123456789012:function:miyabi-api-testing:live"
SOURCE = "arn:aws:execute-api:us-east-1:123456789012:abc/$default/$default"
OWN_500 = Answered(URL, 500, 12.0, '{"message":"Internal Server Error"}', request_id="r1")
GOOD = Facts(
    subject=Subject(URL, "/api/v1/health", "abc", "miyabi-api-testing", "live", "what is deployed", "python:api"),
    answer=Answered(URL, 200, 12.0, '{"status":"ok"}', request_id="r1"),
    function=FunctionSeen(
        "miyabi-api-testing", "live", True, "3", "Active", update="Successful", modified="2026-11-27T10:00:00",
        runtime="provided.al2023", architecture="x86_64", handler="bootstrap", memory_mb=512, timeout_s=30,
        role="arn:aws:iam::123456789012:role/miyabi-lambda-testing", log_group="/aws/lambda/miyabi-api-testing",
        variables=frozenset({"DATABASE_SECRET_ARN", "ENVIRONMENT"}), secrets={"DATABASE_SECRET_ARN": "arn"},
    ),
    alias=AliasSeen("live", True, "3", newest="3"),
    gateway=GatewaySeen(
        "abc", True, stage="$default", stages=("$default",), auto_deploy=True, deployed=True, rate=500.0, burst=1000,
        route="$default", routes=("$default",), integration="i1", integration_exists=True, kind="AWS_PROXY", uri=ARN,
        payload="2.0", timeout_ms=30000, log_group="/aws/apigateway/miyabi-api-testing", log_tells_errors=True,
    ),
    target=TargetSeen(ARN, "miyabi-api-testing", "live", True),
    policy=PolicySeen(ARN, SOURCE, True),
    figures=FiguresSeen(15, 100, 0, 0, 80.0, 100, 0),
    invoked=Invoked(status=200, duration_ms=5.0, init_ms=200.0, used_mb=60, size_mb=512, body='{"status":"ok"}'),
    access=AccessSeen("/aws/apigateway/miyabi-api-testing", True, True, True, "", "200"),
    logs=LogsSeen("/aws/lambda/miyabi-api-testing", True, "/aws/lambda/miyabi-api-testing", 3, 5.0, 7,
                  "miyabi-lambda-testing"),
    package=PackageSeen("1 file"),
    contract=ContractSeen({"DATABASE_SECRET_ARN": "api/miyabi.toml"}, (), (), frozenset({"DATABASE_SECRET_ARN"})),
    secrets=SecretsSeen({}, (), 1),
    database=DatabaseSeen("miyabi-postgres-testing", True, "available", tls="TLSv1.3", used=10, allowed=100, here=3),
    warmth=WarmthSeen(200.0, 5.0, (2.0, 2.0, 3.0, 2.0), 0, 0, 0),
)  # fmt: skip


def failing(error: str, message: str = "", *tail: str, **more: Any) -> dict[str, Any]:
    """The facts of a function that fails so; it is asked no further."""
    invoked = Invoked(error=error, message=message, tail=tail, duration_ms=3.0, used_mb=60, size_mb=512)
    access = AccessSeen("/aws/apigateway/x", True, True, True, f"The Lambda function returned an error: {error}")
    return {"answer": OWN_500, "invoked": replace(invoked, **more), "warmth": None, "access": access}


def judged(**changes: Any) -> list[Judged]:
    """All causes, ranked, with these facts otherwise; a mapping changes fields of a fact."""
    return judge_all(CAUSES, facts(**changes))


def facts(**changes: Any) -> Facts:
    whole = {
        name: replace(getattr(GOOD, name), **value) if isinstance(value, dict) and name != "why_not" else value
        for name, value in changes.items()
    }
    gone = {name: f"{name} was not found out" for name, value in whole.items() if value is None}
    return replace(GOOD, **{"why_not": gone, **whole})


def having(found: list[Judged], verdict: str) -> list[str]:
    return [one.cause.key for one in found if one.verdict == verdict]
