# mypy: disable-error-code="no-any-return"
# ruff: noqa: E501
"""Every call of the API, as a method with the operation's name.

Written by tests/client_writer.py from the API's description; a test tells when it is stale.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

from deployments import api_types as t

Given = Mapping[str, Any] | None


class Calls(ABC):
    """The API. Whoever inherits from it makes the calls."""

    @abstractmethod
    def _call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Given = None,
        headers: Given = None,
        signed: bool = True,
    ) -> Any:
        """What the API answers, or where it leads to."""

    def get_health(self) -> t.Health:
        """Can the backend work?"""
        return self._call("GET", "/health", signed=False)

    def ways_in(self) -> t.Ways:
        """The ways to sign in here."""
        return self._call("GET", "/auth", signed=False)

    def mock_login(self, body: t.MockLogin) -> t.Tokens:
        """Sign in without GitHub, where people only try things out."""
        return self._call("POST", "/auth/mock", body=body, signed=False)

    def refresh(self, body: t.Refresh) -> t.Tokens:
        """New tokens for a refresh token, which is good once."""
        return self._call("POST", "/auth/refresh", body=body, signed=False)

    def logout(self, body: t.Logout | None = None) -> None:
        """End the session of a refresh token, or of the bearer token."""
        return self._call("POST", "/auth/logout", body=body)

    def get_me(self) -> t.Me:
        """Who is signed in."""
        return self._call("GET", "/auth/me")

    def switch_organization(self, body: t.Switch) -> t.Switched:
        """A token for an organization that you are a member of, or for none."""
        return self._call("POST", "/auth/switch-organization", body=body)

    def to_github(self, *, redirect: str | None = None) -> str:
        """To GitHub, to sign in."""
        return self._call("GET", "/auth/github", params={"redirect": redirect}, signed=False)

    def from_github(self, *, state: str | None = None, code: str | None = None, error: str | None = None) -> str:
        """From GitHub, to the site: with tokens in the fragment, or with an error."""
        return self._call(
            "GET", "/auth/github/callback", params={"state": state, "code": code, "error": error}, signed=False
        )

    def execute(self, body: t.NewExecution, *, idempotency_key: str | None = None) -> t.Execution:
        """Ask an agent to work."""
        return self._call("POST", "/agents/execute", body=body, headers={"idempotency-key": idempotency_key})

    def list_executions(
        self,
        *,
        status: Literal["pending", "running", "completed", "failed", "cancelled"] | None = None,
        agent_type: str | None = None,
        repository_id: str | None = None,
        parent_id: str | None = None,
        text: str | None = None,
        visible: bool | None = None,
        organization_id: str | None = None,
        cursor: str | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> list[t.ListedExecution]:
        """The executions that you asked for, or those of an organization, newest first."""
        return self._call(
            "GET",
            "/agents/executions",
            params={
                "status": status,
                "agent_type": agent_type,
                "repository_id": repository_id,
                "parent_id": parent_id,
                "text": text,
                "visible": visible,
                "organization_id": organization_id,
                "cursor": cursor,
                "before": before,
                "limit": limit,
            },
        )

    def get_execution(self, execution_id: str) -> t.ExecutionDetail:
        """One execution, with its input, steps and result."""
        return self._call("GET", f"/agents/executions/{quote(execution_id, safe='')}")

    def get_logs(
        self,
        execution_id: str,
        *,
        since: int | None = None,
        limit: int | None = None,
        wait: int | None = None,
        last_event_id: int | None = None,
    ) -> list[t.LogLine]:
        """What the agent said, in order; as it says it with Accept: text/event-stream."""
        return self._call(
            "GET",
            f"/agents/executions/{quote(execution_id, safe='')}/logs",
            params={"since": since, "limit": limit, "wait": wait},
            headers={"last-event-id": last_event_id},
        )

    def cancel_execution(self, execution_id: str, *, if_match: str | None = None) -> t.Execution:
        """Cancel it: 200 if it was waiting, 202 if it runs and is being stopped, 409 if it has ended."""
        return self._call(
            "POST", f"/agents/executions/{quote(execution_id, safe='')}/cancel", headers={"if-match": if_match}
        )

    def retry_execution(self, execution_id: str, *, if_match: str | None = None) -> t.Execution:
        """Try a failed one again."""
        return self._call(
            "POST", f"/agents/executions/{quote(execution_id, safe='')}/retry", headers={"if-match": if_match}
        )

    def list_agents(self) -> list[t.KnownAgent]:
        """All agents."""
        return self._call("GET", "/agents", signed=False)

    def get_agent(self, agent: str) -> t.AgentDetail:
        """One agent, with the JSON schemas of its input and its result."""
        return self._call("GET", f"/agents/{quote(agent, safe='')}", signed=False)

    def get_summary(self, *, organization_id: str | None = None) -> t.Summary:
        """How many executions, repositories and pull requests."""
        return self._call("GET", "/dashboard/summary", params={"organization_id": organization_id})

    def get_recent(self, *, organization_id: str | None = None) -> list[t.RecentExecution]:
        """The 20 newest executions with their repositories."""
        return self._call("GET", "/dashboard/recent", params={"organization_id": organization_id})

    def get_live(self, *, organization_id: str | None = None) -> t.Live:
        """What runs and waits, agent by agent, and the last 24 hours; cheap enough to ask for often."""
        return self._call("GET", "/dashboard/live", params={"organization_id": organization_id})

    def list_releases(
        self,
        *,
        environment: str | None = None,
        cursor: str | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> list[t.ListedRelease]:
        """Releases, newest first."""
        return self._call(
            "GET", "/releases", params={"environment": environment, "cursor": cursor, "before": before, "limit": limit}
        )

    def list_repositories(
        self, *, organization_id: str | None = None, cursor: str | None = None, limit: int | None = None
    ) -> list[t.Repository]:
        """The repositories that you have registered, or those of an organization, by name."""
        return self._call(
            "GET", "/repositories", params={"organization_id": organization_id, "cursor": cursor, "limit": limit}
        )

    def register_repository(self, body: t.NewRepository, *, idempotency_key: str | None = None) -> t.Repository:
        """Register owner/repo; 200 if it is registered already."""
        return self._call("POST", "/repositories", body=body, headers={"idempotency-key": idempotency_key})

    def get_repository(self, repository_id: str) -> t.Repository:
        """One repository."""
        return self._call("GET", f"/repositories/{quote(repository_id, safe='')}")

    def update_repository(
        self, repository_id: str, body: t.RepositoryChanges, *, if_match: str | None = None
    ) -> t.Repository:
        """Change a repository; to give it to a team takes repositories.manage."""
        return self._call(
            "PATCH", f"/repositories/{quote(repository_id, safe='')}", body=body, headers={"if-match": if_match}
        )

    def deactivate_repository(self, repository_id: str, *, if_match: str | None = None) -> t.Done:
        """Deactivate a repository: no agent begins to work there any more."""
        return self._call("DELETE", f"/repositories/{quote(repository_id, safe='')}", headers={"if-match": if_match})

    def list_organizations(
        self, *, cursor: str | None = None, before: str | None = None, limit: int | None = None
    ) -> t.Organizations:
        """Your organizations by name, those that invite you too."""
        return self._call("GET", "/organizations", params={"cursor": cursor, "before": before, "limit": limit})

    def create_organization(self, body: t.NewOrganization, *, idempotency_key: str | None = None) -> t.OneOrganization:
        """Make an organization, whose owner you are."""
        return self._call("POST", "/organizations", body=body, headers={"idempotency-key": idempotency_key})

    def get_organization(self, organization_id: str) -> t.OneOrganization:
        """One organization, with your role in it."""
        return self._call("GET", f"/organizations/{quote(organization_id, safe='')}")

    def update_organization(
        self, organization_id: str, body: t.OrganizationChanges, *, if_match: str | None = None
    ) -> t.OneOrganization:
        """Change an organization."""
        return self._call(
            "PATCH", f"/organizations/{quote(organization_id, safe='')}", body=body, headers={"if-match": if_match}
        )

    def delete_organization(self, organization_id: str, *, if_match: str | None = None) -> t.Done:
        """Delete an organization: nobody sees it or anything in it any more."""
        return self._call("DELETE", f"/organizations/{quote(organization_id, safe='')}", headers={"if-match": if_match})

    def list_members(
        self, organization_id: str, *, cursor: str | None = None, before: str | None = None, limit: int | None = None
    ) -> t.Members:
        """Members, and who is invited, in the order in which they came."""
        return self._call(
            "GET",
            f"/organizations/{quote(organization_id, safe='')}/members",
            params={"cursor": cursor, "before": before, "limit": limit},
        )

    def invite_member(
        self, organization_id: str, body: t.NewMember, *, idempotency_key: str | None = None
    ) -> t.PendingInvitation:
        """Invite somebody; the answer is the same whether or not there is an account."""
        return self._call(
            "POST",
            f"/organizations/{quote(organization_id, safe='')}/members",
            body=body,
            headers={"idempotency-key": idempotency_key},
        )

    def get_member(self, organization_id: str, user_id: str) -> t.ListedMember:
        """One member."""
        return self._call("GET", f"/organizations/{quote(organization_id, safe='')}/members/{quote(user_id, safe='')}")

    def change_role(
        self, organization_id: str, user_id: str, body: t.NewRole, *, if_match: str | None = None
    ) -> t.Member:
        """Change a member's role; about owners only owners decide."""
        return self._call(
            "PATCH",
            f"/organizations/{quote(organization_id, safe='')}/members/{quote(user_id, safe='')}",
            body=body,
            headers={"if-match": if_match},
        )

    def remove_member(self, organization_id: str, user_id: str, *, if_match: str | None = None) -> t.Done:
        """Remove a member, who leaves the teams too."""
        return self._call(
            "DELETE",
            f"/organizations/{quote(organization_id, safe='')}/members/{quote(user_id, safe='')}",
            headers={"if-match": if_match},
        )

    def suspend_member(self, organization_id: str, user_id: str, *, if_match: str | None = None) -> t.Member:
        """Take a member's permissions for a while."""
        return self._call(
            "POST",
            f"/organizations/{quote(organization_id, safe='')}/members/{quote(user_id, safe='')}/suspend",
            headers={"if-match": if_match},
        )

    def reactivate_member(self, organization_id: str, user_id: str, *, if_match: str | None = None) -> t.Member:
        """Give a suspended member the permissions back."""
        return self._call(
            "POST",
            f"/organizations/{quote(organization_id, safe='')}/members/{quote(user_id, safe='')}/reactivate",
            headers={"if-match": if_match},
        )

    def transfer_organization(self, organization_id: str, body: t.NewOwner, *, if_match: str | None = None) -> t.Member:
        """Make another member the owner and yourself an admin; owners alone."""
        return self._call(
            "POST",
            f"/organizations/{quote(organization_id, safe='')}/transfer",
            body=body,
            headers={"if-match": if_match},
        )

    def list_pending(self, organization_id: str) -> t.PendingInvitations:
        """Invitations that nobody has accepted yet."""
        return self._call("GET", f"/organizations/{quote(organization_id, safe='')}/invitations")

    def get_pending(self, organization_id: str, invitation_id: str) -> t.PendingInvitation:
        """One invitation."""
        return self._call(
            "GET", f"/organizations/{quote(organization_id, safe='')}/invitations/{quote(invitation_id, safe='')}"
        )

    def withdraw_invitation(self, organization_id: str, invitation_id: str, *, if_match: str | None = None) -> t.Done:
        """Take an invitation back."""
        return self._call(
            "DELETE",
            f"/organizations/{quote(organization_id, safe='')}/invitations/{quote(invitation_id, safe='')}",
            headers={"if-match": if_match},
        )

    def leave_organization(self, organization_id: str) -> t.Done:
        """Leave the organization; its last owner cannot."""
        return self._call("POST", f"/organizations/{quote(organization_id, safe='')}/leave")

    def list_invitations(self) -> t.Invitations:
        """The organizations that invite you."""
        return self._call("GET", "/invitations")

    def accept_invitation(self, organization_id: str) -> t.Member:
        """Accept the invitation to the organization."""
        return self._call("POST", f"/organizations/{quote(organization_id, safe='')}/accept")

    def decline_invitation(self, organization_id: str) -> t.Done:
        """Decline the invitation to the organization."""
        return self._call("POST", f"/organizations/{quote(organization_id, safe='')}/decline")

    def list_teams(
        self, organization_id: str, *, cursor: str | None = None, before: str | None = None, limit: int | None = None
    ) -> t.Teams:
        """The teams that you may see, in the order in which they were made."""
        return self._call(
            "GET",
            f"/organizations/{quote(organization_id, safe='')}/teams",
            params={"cursor": cursor, "before": before, "limit": limit},
        )

    def create_team(self, organization_id: str, body: t.NewTeam, *, idempotency_key: str | None = None) -> t.OneTeam:
        """Make a team, which you lead."""
        return self._call(
            "POST",
            f"/organizations/{quote(organization_id, safe='')}/teams",
            body=body,
            headers={"idempotency-key": idempotency_key},
        )

    def get_team(self, organization_id: str, team_id: str) -> t.OneTeam:
        """One team."""
        return self._call("GET", f"/organizations/{quote(organization_id, safe='')}/teams/{quote(team_id, safe='')}")

    def update_team(
        self, organization_id: str, team_id: str, body: t.TeamChanges, *, if_match: str | None = None
    ) -> t.OneTeam:
        """Change a team: those who manage teams, and who leads it."""
        return self._call(
            "PATCH",
            f"/organizations/{quote(organization_id, safe='')}/teams/{quote(team_id, safe='')}",
            body=body,
            headers={"if-match": if_match},
        )

    def delete_team(self, organization_id: str, team_id: str, *, if_match: str | None = None) -> t.Done:
        """Delete a team."""
        return self._call(
            "DELETE",
            f"/organizations/{quote(organization_id, safe='')}/teams/{quote(team_id, safe='')}",
            headers={"if-match": if_match},
        )

    def list_team_members(
        self,
        organization_id: str,
        team_id: str,
        *,
        cursor: str | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> t.TeamMembers:
        """Who is in the team."""
        return self._call(
            "GET",
            f"/organizations/{quote(organization_id, safe='')}/teams/{quote(team_id, safe='')}/members",
            params={"cursor": cursor, "before": before, "limit": limit},
        )

    def add_team_member(
        self, organization_id: str, team_id: str, body: t.NewTeamMember, *, idempotency_key: str | None = None
    ) -> t.TeamMember:
        """Take an active member of the organization into the team."""
        return self._call(
            "POST",
            f"/organizations/{quote(organization_id, safe='')}/teams/{quote(team_id, safe='')}/members",
            body=body,
            headers={"idempotency-key": idempotency_key},
        )

    def get_team_member(self, organization_id: str, team_id: str, user_id: str) -> t.ListedTeamMember:
        """One who is in the team."""
        return self._call(
            "GET",
            f"/organizations/{quote(organization_id, safe='')}/teams/{quote(team_id, safe='')}/members/{quote(user_id, safe='')}",
        )

    def remove_team_member(
        self, organization_id: str, team_id: str, user_id: str, *, if_match: str | None = None
    ) -> t.Done:
        """Take somebody out of the team."""
        return self._call(
            "DELETE",
            f"/organizations/{quote(organization_id, safe='')}/teams/{quote(team_id, safe='')}/members/{quote(user_id, safe='')}",
            headers={"if-match": if_match},
        )

    def list_tasks(
        self,
        *,
        page: int | None = None,
        limit: int | None = None,
        organization_id: str | None = None,
        status: Literal["pending", "running", "completed", "failed", "cancelled"] | None = None,
        priority: Literal["P0", "P1", "P2", "P3"] | None = None,
        repository_id: str | None = None,
        agent_type: str | None = None,
    ) -> t.Tasks:
        """Tasks: urgent ones first, of these the newest."""
        return self._call(
            "GET",
            "/tasks",
            params={
                "page": page,
                "limit": limit,
                "organization_id": organization_id,
                "status": status,
                "priority": priority,
                "repository_id": repository_id,
                "agent_type": agent_type,
            },
        )

    def create_task(self, body: t.NewTask, *, idempotency_key: str | None = None) -> t.OneTask:
        """Make a task, in a repository or for yourself."""
        return self._call("POST", "/tasks", body=body, headers={"idempotency-key": idempotency_key})

    def get_stats(self, *, organization_id: str | None = None) -> t.Stats:
        """How many tasks are in which state."""
        return self._call("GET", "/tasks/stats", params={"organization_id": organization_id})

    def get_task(self, task_id: str) -> t.OneTask:
        """One task."""
        return self._call("GET", f"/tasks/{quote(task_id, safe='')}")

    def update_task(self, task_id: str, body: t.TaskChanges, *, if_match: str | None = None) -> t.OneTask:
        """Change a task."""
        return self._call("PATCH", f"/tasks/{quote(task_id, safe='')}", body=body, headers={"if-match": if_match})

    def delete_task(self, task_id: str, *, if_match: str | None = None) -> t.Done:
        """Delete a task."""
        return self._call("DELETE", f"/tasks/{quote(task_id, safe='')}", headers={"if-match": if_match})

    def start_task(self, task_id: str, *, if_match: str | None = None) -> t.OneTask:
        """pending → running, when what it depends on is done."""
        return self._call("POST", f"/tasks/{quote(task_id, safe='')}/start", headers={"if-match": if_match})

    def complete_task(self, task_id: str, body: t.Completed | None = None, *, if_match: str | None = None) -> t.OneTask:
        """running → completed, with a result."""
        return self._call(
            "POST", f"/tasks/{quote(task_id, safe='')}/complete", body=body, headers={"if-match": if_match}
        )

    def fail_task(self, task_id: str, body: t.Failed | None = None, *, if_match: str | None = None) -> t.OneTask:
        """pending or running → failed, with the reason."""
        return self._call("POST", f"/tasks/{quote(task_id, safe='')}/fail", body=body, headers={"if-match": if_match})

    def cancel_task(self, task_id: str, *, if_match: str | None = None) -> t.OneTask:
        """pending or running → cancelled."""
        return self._call("POST", f"/tasks/{quote(task_id, safe='')}/cancel", headers={"if-match": if_match})

    def retry_task(self, task_id: str, *, if_match: str | None = None) -> t.OneTask:
        """failed → pending, as often as max_retries says."""
        return self._call("POST", f"/tasks/{quote(task_id, safe='')}/retry", headers={"if-match": if_match})

    def list_dependencies(self, task_id: str) -> t.Dependencies:
        """What a task waits for."""
        return self._call("GET", f"/tasks/{quote(task_id, safe='')}/dependencies")

    def add_dependency(
        self, task_id: str, body: t.NewDependency, *, idempotency_key: str | None = None
    ) -> t.Dependency:
        """Let a task wait for another one."""
        return self._call(
            "POST",
            f"/tasks/{quote(task_id, safe='')}/dependencies",
            body=body,
            headers={"idempotency-key": idempotency_key},
        )

    def get_dependency(self, task_id: str, depends_on_task_id: str) -> t.Dependency:
        """One that a task waits for."""
        return self._call("GET", f"/tasks/{quote(task_id, safe='')}/dependencies/{quote(depends_on_task_id, safe='')}")

    def remove_dependency(self, task_id: str, depends_on_task_id: str, *, if_match: str | None = None) -> t.Done:
        """Let a task not wait for another one any more."""
        return self._call(
            "DELETE",
            f"/tasks/{quote(task_id, safe='')}/dependencies/{quote(depends_on_task_id, safe='')}",
            headers={"if-match": if_match},
        )

    def list_workflows(
        self,
        *,
        repository_id: str | None = None,
        organization_id: str | None = None,
        cursor: str | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> t.Workflows:
        """Workflows, newest first."""
        return self._call(
            "GET",
            "/workflows",
            params={
                "repository_id": repository_id,
                "organization_id": organization_id,
                "cursor": cursor,
                "before": before,
                "limit": limit,
            },
        )

    def create_workflow(self, body: t.NewWorkflow, *, idempotency_key: str | None = None) -> t.Workflow:
        """Store a workflow, in a repository or for yourself."""
        return self._call("POST", "/workflows", body=body, headers={"idempotency-key": idempotency_key})

    def get_workflow(self, workflow_id: str) -> t.Workflow:
        """One workflow, with its graph."""
        return self._call("GET", f"/workflows/{quote(workflow_id, safe='')}")

    def update_workflow(self, workflow_id: str, body: t.WorkflowChanges, *, if_match: str | None = None) -> t.Workflow:
        """Change a workflow; what runs goes on as it began."""
        return self._call(
            "PATCH", f"/workflows/{quote(workflow_id, safe='')}", body=body, headers={"if-match": if_match}
        )

    def delete_workflow(self, workflow_id: str, *, if_match: str | None = None) -> t.Done:
        """Delete a workflow of which nothing runs."""
        return self._call("DELETE", f"/workflows/{quote(workflow_id, safe='')}", headers={"if-match": if_match})

    def execute_workflow(
        self, workflow_id: str, body: t.NewRun | None = None, *, idempotency_key: str | None = None
    ) -> t.Run:
        """Run a workflow."""
        return self._call(
            "POST",
            f"/workflows/{quote(workflow_id, safe='')}/execute",
            body=body,
            headers={"idempotency-key": idempotency_key},
        )

    def list_runs(
        self, workflow_id: str, *, cursor: str | None = None, before: str | None = None, limit: int | None = None
    ) -> t.Runs:
        """The runs of a workflow, newest first."""
        return self._call(
            "GET",
            f"/workflows/{quote(workflow_id, safe='')}/runs",
            params={"cursor": cursor, "before": before, "limit": limit},
        )

    def get_run(self, workflow_id: str, run_id: str) -> t.RunDetail:
        """One run, with the state of each node."""
        return self._call("GET", f"/workflows/{quote(workflow_id, safe='')}/runs/{quote(run_id, safe='')}")

    def cancel_run(self, workflow_id: str, run_id: str, *, if_match: str | None = None) -> t.RunDetail:
        """Cancel a run and all that it started."""
        return self._call(
            "POST",
            f"/workflows/{quote(workflow_id, safe='')}/runs/{quote(run_id, safe='')}/cancel",
            headers={"if-match": if_match},
        )

    def list_workers(
        self, *, cursor: str | None = None, before: str | None = None, limit: int | None = None
    ) -> t.Workers:
        """Agent workers, and the workers of Prefect's work pools."""
        return self._call("GET", "/workers", params={"cursor": cursor, "before": before, "limit": limit})

    def get_worker(self, worker_id: str) -> t.Worker:
        """One worker."""
        return self._call("GET", f"/workers/{quote(worker_id, safe='')}")

    def list_coordinators(
        self, *, cursor: str | None = None, before: str | None = None, limit: int | None = None
    ) -> t.Coordinators:
        """Dispatchers, each with the workers of its environment."""
        return self._call("GET", "/coordinators", params={"cursor": cursor, "before": before, "limit": limit})

    def get_coordinator(self, coordinator_id: str) -> t.Coordinator:
        """One coordinator."""
        return self._call("GET", f"/coordinators/{quote(coordinator_id, safe='')}")
