"""The API's description, OpenAPI 3.1, as FastAPI derives it from the handlers, and what that cannot say of itself:
tags, examples, the headers of answers, and that every answer that is not a success is a problem (RFC 9457), and has
that media type.

It is made when somebody asks for it: a cold start does without it.
"""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI

PROBLEM = "application/problem+json"
PROBLEMS: dict[int, tuple[str, str, str]] = {
    400: ("validation_error", "BadRequest", "The body is not JSON"),
    401: ("authentication_error", "NotSignedIn", "Send a bearer token in the Authorization header"),
    403: ("authorization_error", "NotPermitted", "You do not have the permission tasks.update here"),
    404: ("not_found", "NotFound", "You have no such task"),
    412: ("precondition_failed", "ChangedMeanwhile", "It has been changed meanwhile; read it again"),
    413: ("payload_too_large", "TooLarge", "The body is larger than 1048576 bytes"),
    415: ("unsupported_media_type", "NotJson", "Send the body as JSON, with Content-Type: application/json"),
    422: ("validation_error", "Invalid", "1 problem(s) in the request"),
    426: ("validation_error", "NoSocket", "Connect with a WebSocket"),
    429: ("rate_limited", "TooMany", "Too many requests; try again in 4 s"),
    503: ("database_error", "Unavailable", "The database does not answer; try again in a moment"),
}
HEADERS = {
    "X-Request-Id": "Leads to the request's lines in the log",
    "ETag": "The version of what is shown, for If-None-Match and If-Match",
    "Location": "Where the new row is, relative to this request",
    "Idempotency-Replayed": "`true`: this request was sent before, and this is what it heard",
    "X-Next-Cursor": "`cursor` of the next page; absent on the last one",
    "X-Execution-Status": "The status before the lines were read",
    "RateLimit-Policy": 'How much one may ask in how many seconds: `"hour";q=1000;w=3600`',
    "RateLimit": 'What is left, and when all of it is again: `"hour";r=999;t=4`',
    "X-RateLimit-Limit": "What one may ask in the window",
    "X-RateLimit-Remaining": "What is left of it",
    "X-RateLimit-Reset": "Seconds until all of it is there again",
    "Retry-After": "Seconds to wait",
}
RATES = [name for name in HEADERS if "RateLimit" in name]
TAGS = {
    "health": "Whether the backend can work",
    "auth": "Signing in and out, new tokens, and for which organization one acts",
    "executions": "Asking agents to work, watching them, their logs",
    "agents": "The agents there are, and what each wants to be told",
    "dashboard": "Figures for a start page",
    "releases": "What was released where",
    "repositories": "What agents work on",
    "organizations": "Who works together, their plan and settings",
    "members": "Who belongs to an organization, invitations",
    "teams": "Teams of an organization",
    "tasks": "Work that waits, is done, fails and is tried again",
    "workflows": "Plans of several agents, and their runs",
    "live": "What happens, as it happens",
    "processes": "The workers and coordinators that run agents",
}
ID = "018f3a52-7c1e-7d2b-9a6f-2f4b8c1d0e55"
EXAMPLES: dict[str, dict[str, Any]] = {
    "MockLogin": {"github_id": 42, "email": "hana@example.com", "name": "Hana"},
    "Refresh": {"refresh_token": "q1p8Jw0cXkq7Yw0lVdZ3rN5bT2sHfGm9eUxAaLiO4Rk"},
    "Logout": {"refresh_token": "q1p8Jw0cXkq7Yw0lVdZ3rN5bT2sHfGm9eUxAaLiO4Rk"},
    "Switch": {"organization_id": ID},
    "NewExecution": {"repository_id": ID, "agent_type": "codegen", "issue_number": 270, "priority": "P1"},
    "NewRepository": {"full_name": "hana/garden"},
    "RepositoryChanges": {"default_branch": "main"},
    "NewOrganization": {"name": "Green Garden", "slug": "green-garden", "description": "Tools for gardeners"},
    "OrganizationChanges": {"description": "Tools for gardeners and cooks"},
    "NewMember": {"identifier": "kenji@example.com", "role": "member"},
    "NewRole": {"role": "admin"},
    "NewOwner": {"user_id": ID},
    "NewTeam": {"name": "Gardeners", "description": "Who plants"},
    "TeamChanges": {"is_visible": False},
    "NewTeamMember": {"user_id": ID, "role": "lead"},
    "NewTask": {"name": "Water the plants", "priority": "P1", "agent_type": "codegen", "issue_number": 270},
    "TaskChanges": {"priority": "P0"},
    "Completed": {"result": {"summary": "Watered"}},
    "Failed": {"error_message": "There is no water"},
    "NewDependency": {"depends_on_task_id": ID},
    "NewWorkflow": {
        "name": "Plan a product",
        "dag_definition": {
            "nodes": [
                {"id": "market", "agent_type": "market-research", "name": "Look at the market"},
                {"id": "persona", "agent_type": "persona", "name": "Describe who buys"},
            ],
            "edges": [{"from": "market", "to": "persona"}],
        },
    },
    "WorkflowChanges": {"is_active": False},
    "NewRun": {"priority": "P2", "max_parallel": 2},
}


class Described(FastAPI):
    def openapi(self) -> dict[str, Any]:
        is_new = self.openapi_schema is None
        description = super().openapi()
        if is_new:
            complete(description)
        return description


def complete(description: dict[str, Any]) -> None:
    """Write tags, examples and the answers that are not a success into the description."""
    description["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
    description["info"]["description"] = (
        "Agents that work on repositories, and the people and organizations they work for."
    )
    parts = description["components"]
    parts["headers"] = {name: {"description": text, "schema": {"type": "string"}} for name, text in HEADERS.items()}
    parts["responses"] = {name: answer(status, kind, message) for status, (kind, name, message) in PROBLEMS.items()}
    for name, example in EXAMPLES.items():
        if name in parts["schemas"]:
            parts["schemas"][name]["examples"] = [example]
    for path, item in description["paths"].items():
        for method, operation in item.items():
            describe_headers(path, method, operation)
            problem = operation["responses"]["default"]
            problem.update(description="A problem", content={PROBLEM: problem["content"]["application/json"]})
            for status in problems_of(path, operation):
                reference = {"$ref": f"#/components/responses/{PROBLEMS[status][1]}"}
                operation["responses"].setdefault(str(status), reference)


def describe_headers(path: str, method: str, operation: dict[str, Any]) -> None:
    names = {parameter["name"].lower() for parameter in operation.get("parameters", [])}
    makes, is_logs = "idempotency-key" in names, path.endswith("/logs")
    given = {
        "X-Request-Id": True,
        "ETag": method == "get" or makes or ("if-match" in names and method != "delete"),
        "Location": makes,
        "Idempotency-Replayed": makes,
        "X-Next-Cursor": "cursor" in names,
        "X-Execution-Status": is_logs,
        **dict.fromkeys(RATES, is_limited(path, operation)),
    }
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            answer["headers"] = referred(name for name, applies in given.items() if applies)


def referred(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def is_limited(path: str, operation: dict[str, Any]) -> bool:
    return "security" in operation or "/auth/" in path


def problems_of(path: str, operation: dict[str, Any]) -> list[int]:
    """The statuses of an operation, besides its successes and those that only its own rules give."""
    parameters = operation.get("parameters", [])
    names = {parameter["name"].lower() for parameter in parameters}
    is_signed, has_body = "security" in operation, "requestBody" in operation
    reasons = {
        400: has_body,
        401: is_signed,
        403: is_signed,
        404: is_signed and ("organization_id" in names or any(one["in"] == "path" for one in parameters)),
        412: "if-match" in names,
        413: has_body,
        415: has_body,
        422: True,
        426: "101" in operation["responses"],
        429: is_limited(path, operation),
        503: is_limited(path, operation),
    }
    return [status for status, applies in reasons.items() if applies]


def answer(status: int, kind: str, message: str) -> dict[str, Any]:
    from api.errors import ApiError, problem

    example = problem(ApiError(kind, message, status=status))  # type: ignore[arg-type]
    shown = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example | {"instance": f"urn:request:{ID}"}}
    described = {"description": example["title"], "content": {PROBLEM: shown}}
    waits = {429: [*RATES, "Retry-After"], 503: ["Retry-After"]}
    return described | {"headers": referred(["X-Request-Id", *waits.get(status, [])])}
