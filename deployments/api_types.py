"""What the API takes and answers, as JSON has it.

Written by tests/client_writer.py from the API's description; a test tells when it is stale.
"""

from typing import Any, Literal, NotRequired, TypedDict


class AgentDetail(TypedDict):
    id: str
    name: str
    names: "list[str]"
    character: "str | None"
    category: Literal["coding", "business", "community"]
    colour: Literal["red", "yellow", "blue", "green"]
    rule: str
    kind: Literal["flow", "model", "command"]
    description: str
    capabilities: "list[str]"
    triggers: "list[str]"
    timeout_s: int
    max_attempts: int
    retries: int
    needs: Literal["nothing", "issue", "issue or input"]
    href: str
    input_schema: "dict[str, Any]"
    output_schema: "dict[str, Any]"


class AgentState(TypedDict):
    agent_type: str
    running: int
    pending: int
    completed: int
    failed: int
    last_id: "str | None"
    last_status: "str | None"
    last_at: "str | None"


class Completed(TypedDict):
    result: "NotRequired[Any]"


class Coordinator(TypedDict):
    coordinator_id: str
    name: str
    environment: str
    host: "str | None"
    port: "int | None"
    status: str
    workers_managed: "list[str]"
    active_tasks: int
    total_capacity: int
    cpu_usage: "float | None"
    memory_usage: "float | None"
    disk_usage: "float | None"
    network_latency_ms: "float | None"
    last_heartbeat: str


class Coordinators(TypedDict):
    coordinators: "list[Coordinator]"
    total: int


class CurrentTask(TypedDict):
    task_id: str
    title: str
    started_at: "str | None"
    progress: "int | None"


class Dag(TypedDict):
    nodes: "list[Node]"
    edges: "NotRequired[list[Edge]]"
    max_parallel: "NotRequired[int]"


class DatabaseHealth(TypedDict):
    active_connections: int
    idle_connections: int
    max_connections: int
    status: str


class Dependencies(TypedDict):
    dependencies: "list[Dependency]"


class Dependency(TypedDict):
    id: str
    task_id: str
    depends_on_task_id: str
    dependency_type: "str | None"
    created_at: str
    name: str
    status: str


class Done(TypedDict):
    message: str


Edge = TypedDict("Edge", {"from": "str", "to": "str"})


class Execution(TypedDict):
    id: str
    repository_id: "str | None"
    issue_number: "int | None"
    agent_type: str
    status: str
    priority: str
    started_at: "str | None"
    completed_at: "str | None"
    result_summary: "str | None"
    quality_score: "int | None"
    pr_number: "int | None"
    error_message: "str | None"
    created_at: str
    updated_at: str


class ExecutionDetail(TypedDict):
    id: str
    repository_id: "str | None"
    issue_number: "int | None"
    agent_type: str
    status: str
    priority: str
    started_at: "str | None"
    completed_at: "str | None"
    result_summary: "str | None"
    quality_score: "int | None"
    pr_number: "int | None"
    error_message: "str | None"
    created_at: str
    updated_at: str
    repository: "str | None"
    options: "dict[str, Any]"
    input: "dict[str, Any]"
    result: "Any"
    attempt: int
    max_attempts: int
    timeout_seconds: "int | None"
    flow_run_id: "str | None"
    parent_id: "str | None"
    heartbeat_at: "str | None"
    run_after: "str | None"
    cancel_requested_at: "str | None"
    cancelled_at: "str | None"
    may_stop: bool
    may_execute: bool
    steps: "NotRequired[list[Step]]"


class Failed(TypedDict):
    error_message: "NotRequired[str | None]"


class Health(TypedDict):
    status: str
    version: str
    database: "DatabaseHealth"
    schema_version: "int | None"
    live: list[Literal["websocket", "events", "polling"]]
    lacking: "list[str]"


class Hour(TypedDict):
    start: str
    completed: int
    failed: int
    cancelled: int
    open: int


class Invitation(TypedDict):
    organization_id: str
    organization_name: str
    organization_slug: str
    role: str
    invited_by: "str | None"
    created_at: str


class Invitations(TypedDict):
    invitations: "list[Invitation]"


class KnownAgent(TypedDict):
    id: str
    name: str
    names: "list[str]"
    character: "str | None"
    category: Literal["coding", "business", "community"]
    colour: Literal["red", "yellow", "blue", "green"]
    rule: str
    kind: Literal["flow", "model", "command"]
    description: str
    capabilities: "list[str]"
    triggers: "list[str]"
    timeout_s: int
    max_attempts: int
    retries: int
    needs: Literal["nothing", "issue", "issue or input"]
    href: str


class ListedExecution(TypedDict):
    id: str
    repository_id: "str | None"
    issue_number: "int | None"
    agent_type: str
    status: str
    priority: str
    started_at: "str | None"
    completed_at: "str | None"
    result_summary: "str | None"
    quality_score: "int | None"
    pr_number: "int | None"
    error_message: "str | None"
    created_at: str
    updated_at: str
    repository: "str | None"
    parent_id: "str | None"
    title: "str | None"


class ListedMember(TypedDict):
    id: str
    organization_id: str
    user_id: str
    role: str
    status: str
    invited_by: "str | None"
    accepted_at: "str | None"
    created_at: str
    updated_at: str
    email: "str | None"
    name: "str | None"
    avatar_url: "str | None"
    github_id: "int | None"


class ListedRelease(TypedDict):
    id: str
    environment: str
    kind: str
    status: str
    requested_by: "str | None"
    git_sha: "str | None"
    source: "str | None"
    code_sha256: "str | None"
    schema_version: "int | None"
    lambda_version_before: "str | None"
    lambda_version_after: "str | None"
    api_url: "str | None"
    verdicts: "dict[str, Any]"
    error: "str | None"
    started_at: str
    finished_at: "str | None"


class ListedTeamMember(TypedDict):
    id: str
    team_id: str
    user_id: str
    role: str
    created_at: str
    updated_at: str
    email: str
    name: "str | None"
    avatar_url: "str | None"


class Live(TypedDict):
    running: int
    pending: int
    hours: "list[Hour]"
    agents: "list[AgentState]"


class LogLine(TypedDict):
    sequence: int
    id: str
    execution_id: str
    log_level: str
    message: str
    timestamp: str
    metadata: "Any"


class Logout(TypedDict):
    token: "NotRequired[str | None]"
    refresh_token: "NotRequired[str | None]"


class Me(TypedDict):
    id: str
    github_id: int
    email: str
    name: "str | None"
    avatar_url: "str | None"
    organization_id: "str | None"
    organization_role: "str | None"


class Member(TypedDict):
    id: str
    organization_id: str
    user_id: str
    role: str
    status: str
    invited_by: "str | None"
    accepted_at: "str | None"
    created_at: str
    updated_at: str


class Members(TypedDict):
    members: "list[ListedMember]"


class Membership(TypedDict):
    user_id: str
    organization_id: str
    organization_name: str
    organization_slug: str
    avatar_url: "str | None"
    role: str
    status: str
    joined_at: str


class MockLogin(TypedDict):
    github_id: int
    email: str
    name: "NotRequired[str | None]"


class NewDependency(TypedDict):
    depends_on_task_id: str
    dependency_type: NotRequired[Literal["finish_to_start", "start_to_start", "finish_to_finish"]]


class NewExecution(TypedDict):
    repository_id: str
    agent_type: str
    issue_number: "NotRequired[int | None]"
    priority: NotRequired[Literal["P0", "P1", "P2", "P3"]]
    options: "NotRequired[Options]"
    input: "NotRequired[dict[str, Any]]"


class NewMember(TypedDict):
    identifier: str
    role: NotRequired[Literal["admin", "member", "viewer"]]


class NewOrganization(TypedDict):
    name: str
    slug: "NotRequired[str | None]"
    description: "NotRequired[str | None]"
    avatar_url: "NotRequired[str | None]"
    github_org_login: "NotRequired[str | None]"
    settings: "NotRequired[dict[str, Any]]"


class NewOwner(TypedDict):
    user_id: str


class NewRepository(TypedDict):
    full_name: str
    organization_id: "NotRequired[str | None]"


class NewRole(TypedDict):
    role: Literal["owner", "admin", "member", "viewer"]


class NewRun(TypedDict):
    repository_id: "NotRequired[str | None]"
    issue_number: "NotRequired[int | None]"
    priority: NotRequired[Literal["P0", "P1", "P2", "P3"]]
    max_parallel: "NotRequired[int | None]"


class NewTask(TypedDict):
    name: str
    description: "NotRequired[str | None]"
    repository_id: "NotRequired[str | None]"
    priority: NotRequired[Literal["P0", "P1", "P2", "P3"]]
    agent_type: "NotRequired[str | None]"
    issue_number: "NotRequired[int | None]"
    metadata: "NotRequired[dict[str, Any]]"
    max_retries: "NotRequired[int]"
    timeout_seconds: "NotRequired[int]"


class NewTeam(TypedDict):
    name: str
    slug: "NotRequired[str | None]"
    description: "NotRequired[str | None]"
    is_visible: "NotRequired[bool]"
    settings: "NotRequired[dict[str, Any]]"


class NewTeamMember(TypedDict):
    user_id: str
    role: NotRequired[Literal["lead", "member"]]


class NewWorkflow(TypedDict):
    name: str
    description: "NotRequired[str | None]"
    repository_id: "NotRequired[str | None]"
    dag_definition: "Dag"
    is_template: "NotRequired[bool]"
    is_public: "NotRequired[bool]"


class Node(TypedDict):
    id: str
    agent_type: str
    name: "NotRequired[str | None]"
    description: "NotRequired[str]"
    depends_on: "NotRequired[list[str]]"
    priority: NotRequired[Literal["P0", "P1", "P2", "P3"] | None]
    issue_number: "NotRequired[int | None]"
    input: "NotRequired[dict[str, Any]]"


class NodeState(TypedDict):
    id: str
    name: str
    agent_type: str
    depends_on: "list[str]"
    status: "NotRequired[str]"
    task_id: "NotRequired[str | None]"
    execution_id: "NotRequired[str | None]"
    started_at: "NotRequired[str | None]"
    completed_at: "NotRequired[str | None]"
    result_summary: "NotRequired[str | None]"
    error_message: "NotRequired[str | None]"


class OneOrganization(TypedDict):
    organization: "Organization"


class OneTask(TypedDict):
    task: "Task"


class OneTeam(TypedDict):
    team: "Team"


class Options(TypedDict):
    use_worktree: "NotRequired[bool]"
    auto_pr: "NotRequired[bool]"
    slack_notify: "NotRequired[bool]"


class Organization(TypedDict):
    id: str
    name: str
    slug: str
    description: "str | None"
    avatar_url: "str | None"
    github_org_id: "int | None"
    github_org_login: "str | None"
    settings: "Any"
    plan: "str | None"
    max_members: "int | None"
    max_repositories: "int | None"
    is_active: bool
    owner_id: "str | None"
    created_at: str
    updated_at: str
    role: "str | None"


class OrganizationChanges(TypedDict):
    name: "NotRequired[str]"
    description: "NotRequired[str | None]"
    avatar_url: "NotRequired[str | None]"
    settings: "NotRequired[dict[str, Any]]"


class Organizations(TypedDict):
    organizations: "list[Membership]"


class PendingInvitation(TypedDict):
    id: str
    organization_id: str
    email: "str | None"
    github_id: "int | None"
    role: str
    invited_by: "str | None"
    created_at: str


class PendingInvitations(TypedDict):
    invitations: "list[PendingInvitation]"


class Problem(TypedDict):
    error: Literal[
        "validation_error",
        "authentication_error",
        "jwt_error",
        "authorization_error",
        "not_found",
        "method_not_allowed",
        "conflict",
        "precondition_failed",
        "payload_too_large",
        "unsupported_media_type",
        "idempotency_key_reused",
        "rate_limited",
        "database_error",
        "configuration_error",
        "server_error",
        "internal_error",
        "external_api_error",
    ]
    message: str
    type: str
    title: str
    status: int
    detail: str
    instance: str
    details: "NotRequired[Any]"


class RecentExecution(TypedDict):
    id: str
    repository_id: "str | None"
    issue_number: "int | None"
    agent_type: str
    status: str
    priority: str
    started_at: "str | None"
    completed_at: "str | None"
    result_summary: "str | None"
    quality_score: "int | None"
    pr_number: "int | None"
    error_message: "str | None"
    created_at: str
    updated_at: str
    repository_owner: "str | None"
    repository_name: "str | None"


class Refresh(TypedDict):
    refresh_token: str


class Repository(TypedDict):
    id: str
    user_id: "str | None"
    github_repo_id: int
    owner: str
    name: str
    full_name: str
    default_branch: "str | None"
    is_active: bool
    organization_id: "str | None"
    team_id: "str | None"
    created_at: str
    updated_at: str


class RepositoryChanges(TypedDict):
    default_branch: "NotRequired[str]"
    team_id: "NotRequired[str | None]"


class Run(TypedDict):
    workflow_id: str
    id: str
    repository_id: "str | None"
    issue_number: "int | None"
    status: str
    priority: str
    result_summary: "str | None"
    error_message: "str | None"
    started_at: "str | None"
    completed_at: "str | None"
    created_at: str
    updated_at: str


class RunDetail(TypedDict):
    workflow_id: str
    id: str
    repository_id: "str | None"
    issue_number: "int | None"
    status: str
    priority: str
    result_summary: "str | None"
    error_message: "str | None"
    started_at: "str | None"
    completed_at: "str | None"
    created_at: str
    updated_at: str
    nodes: "NotRequired[list[NodeState]]"


class Runs(TypedDict):
    runs: "list[Run]"


class Stats(TypedDict):
    total: int
    pending: int
    running: int
    completed: int
    failed: int
    cancelled: int


class Step(TypedDict):
    number: int
    name: str
    status: str
    error: "str | None"
    started_at: str
    completed_at: "str | None"


class Summary(TypedDict):
    total_executions: int
    running_executions: int
    completed_executions: int
    failed_executions: int
    pending_executions: int
    total_repositories: int
    total_prs_created: int


class Switch(TypedDict):
    organization_id: "str | None"


class Switched(TypedDict):
    access_token: str
    expires_in: int
    organization_id: "str | None"
    organization_role: "str | None"


class Task(TypedDict):
    id: str
    user_id: "str | None"
    repository_id: "str | None"
    name: str
    description: "str | None"
    status: str
    priority: "str | None"
    agent_type: "str | None"
    issue_number: "int | None"
    execution_id: "str | None"
    started_at: "str | None"
    completed_at: "str | None"
    failed_at: "str | None"
    cancelled_at: "str | None"
    retry_count: "int | None"
    max_retries: "int | None"
    timeout_seconds: "int | None"
    metadata: "Any"
    result: "Any"
    error_message: "str | None"
    created_at: str
    updated_at: str


class TaskChanges(TypedDict):
    name: "NotRequired[str]"
    description: "NotRequired[str | None]"
    priority: NotRequired[Literal["P0", "P1", "P2", "P3"]]
    status: NotRequired[Literal["pending", "running", "completed", "failed", "cancelled"]]
    metadata: "NotRequired[dict[str, Any]]"


class Tasks(TypedDict):
    tasks: "list[Task]"
    total: int
    page: int
    limit: int


class Team(TypedDict):
    id: str
    organization_id: str
    name: str
    slug: str
    description: "str | None"
    settings: "Any"
    is_visible: "bool | None"
    created_at: str
    updated_at: str


class TeamChanges(TypedDict):
    name: "NotRequired[str]"
    description: "NotRequired[str | None]"
    is_visible: "NotRequired[bool]"
    settings: "NotRequired[dict[str, Any]]"


class TeamMember(TypedDict):
    id: str
    team_id: str
    user_id: str
    role: str
    created_at: str
    updated_at: str


class TeamMembers(TypedDict):
    members: "list[ListedTeamMember]"


class Teams(TypedDict):
    teams: "list[Team]"


class Tokens(TypedDict):
    access_token: str
    refresh_token: str
    expires_in: int
    user: "User"


class User(TypedDict):
    id: str
    github_id: int
    email: str
    name: "str | None"
    avatar_url: "str | None"


class Ways(TypedDict):
    github: bool
    mock: bool


class Worker(TypedDict):
    worker_id: str
    name: str
    kind: str
    environment: str
    pool: "str | None"
    status: str
    current_task: "CurrentTask | None"
    cpu_usage: "float | None"
    memory_usage: "float | None"
    tasks_completed: int
    tasks_failed: int
    capacity: "int | None"
    uptime_seconds: int
    last_heartbeat: str


class Workers(TypedDict):
    workers: "list[Worker]"
    total: int


class Workflow(TypedDict):
    id: str
    user_id: "str | None"
    repository_id: "str | None"
    name: str
    description: "str | None"
    dag_definition: "Any"
    is_template: "bool | None"
    is_public: "bool | None"
    is_active: bool
    created_at: str
    updated_at: str


class WorkflowChanges(TypedDict):
    name: "NotRequired[str]"
    description: "NotRequired[str | None]"
    dag_definition: "NotRequired[Dag]"
    is_template: "NotRequired[bool]"
    is_public: "NotRequired[bool]"
    is_active: "NotRequired[bool]"


class Workflows(TypedDict):
    workflows: "list[Workflow]"
