"""The API's description, OpenAPI 3.1, as FastAPI derives it from the handlers, and what that cannot say of itself:
tags, examples, and that every answer that is not a success is a problem (RFC 9457), and has that media type.

It is made when somebody asks for it: a cold start does without it.
"""

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
    429: ("rate_limited", "TooMany", "Too many requests; try again in 4 s"),
    503: ("database_error", "Unavailable", "The database does not answer; try again in a moment"),
}
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
    parts["responses"] = {name: answer(status, kind, message) for status, (kind, name, message) in PROBLEMS.items()}
    for name, example in EXAMPLES.items():
        if name in parts["schemas"]:
            parts["schemas"][name]["examples"] = [example]
    for path, item in description["paths"].items():
        for operation in item.values():
            problem = operation["responses"]["default"]
            problem.update(description="A problem", content={PROBLEM: problem["content"]["application/json"]})
            for status in problems_of(path, operation):
                reference = {"$ref": f"#/components/responses/{PROBLEMS[status][1]}"}
                operation["responses"].setdefault(str(status), reference)


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
        429: is_signed or "/auth/" in path,
        503: is_signed or "/auth/" in path,
    }
    return [status for status, applies in reasons.items() if applies]


def answer(status: int, kind: str, message: str) -> dict[str, Any]:
    from api.errors import ApiError, problem

    example = problem(ApiError(kind, message, status=status))  # type: ignore[arg-type]
    shown = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example | {"instance": f"urn:request:{ID}"}}
    described: dict[str, Any] = {"description": example["title"], "content": {PROBLEM: shown}}
    if status in (429, 503):
        described["headers"] = {"Retry-After": {"description": "Seconds", "schema": {"type": "string"}}}
    return described
