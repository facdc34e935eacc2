"""The frames of a live connection, with the mission's names: JSON objects that say what they are in `type`.

Only what something really does is told: executions, their steps and log lines, tasks, releases, and invitations.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic_core import to_json

from database.live import Happened, Reach

TYPES = (
    "agent_started", "agent_progress", "agent_completed", "agent_status", "log_entry", "execution_complete",
    "pr_update", "task_created", "task_updated", "task_completed", "task_failed", "deployment_update", "notification",
)  # fmt: skip
SOURCELESS = ("issue_update", "worktree_update")
"""The mission's backend has these, too. Nothing here does such a thing: one may ask for them and never hears any."""
ENDED = frozenset({"completed", "failed", "cancelled"})
OF_STATUS = {"running": "agent_started", **dict.fromkeys(ENDED, "agent_completed")}
OF_TASK = {"completed": "task_completed", "failed": "task_failed"}
EVERYBODY = "signed in"


@dataclass(frozen=True)
class Frame:
    """Of what belongs to no organization `user_id` hears; of what belongs to one, who has `permission` there.
    `sequence` is of a log line, `transaction` that of a move of an execution."""

    type: str
    text: str
    permission: str
    user_id: UUID | None = None
    organization_id: UUID | None = None
    execution_id: UUID | None = None
    sequence: int = 0
    transaction: int = 0

    def is_for(self, user_id: UUID, reach: Reach) -> bool:
        own = self.organization_id is None and self.user_id is not None and self.user_id == user_id
        if self.permission == EVERYBODY or own:
            return True
        return bool(self.permission) and reach.has(self.permission, self.organization_id)


def dumped(**facts: Any) -> str:
    return to_json(facts).decode()


def frames(happened: Happened) -> Iterator[Frame]:
    match happened.notice.kind:
        case "execution":
            yield from of_execution(happened)
        case "steps":
            yield from of_step(happened)
        case "logs":
            yield from of_lines(happened)
        case "new_task" | "task":
            yield of_task(happened)
        case "release":
            yield of_release(happened)
        case "invitation":
            yield from of_invitation(happened)


def agent_frame(row: dict[str, Any], type: str, transaction: int = 0, **facts: Any) -> Frame:
    known = {name: row[name] for name in ("agent_type", "repository_id", "issue_number", "parent_id")}
    text = dumped(type=type, execution_id=row["id"], **known, **facts)
    whose = row["user_id"], row["organization_id"]
    return Frame(type, text, "agents.read", *whose, row["id"], transaction=transaction)


def of_execution(happened: Happened) -> Iterator[Frame]:
    """The status is that of the message: the row may have moved on meanwhile, and tells of that by another message."""
    row, status, at = happened.row, happened.notice.status, happened.notice.transaction
    if status not in ENDED:
        type = OF_STATUS.get(status or "", "agent_status")
        yield agent_frame(row, type, at, status=status, timestamp=row["updated_at"])
        return
    outcome = {name: row[name] for name in ("result_summary", "quality_score", "pr_number", "error_message")}
    yield agent_frame(row, "agent_completed", at, status=status, **outcome, timestamp=row["updated_at"])
    if row["pr_number"]:
        yield agent_frame(row, "pr_update", at, pr_number=row["pr_number"], timestamp=row["updated_at"])
    yield agent_frame(row, "execution_complete", at, status=status, timestamp=row["updated_at"])


def of_step(happened: Happened) -> Iterator[Frame]:
    if step := happened.step:
        now = {name: step[name] for name in ("number", "name", "status")}
        yield agent_frame(
            happened.row, "agent_progress", step=now, steps_completed=step["completed"], timestamp=step["at"]
        )


def of_lines(happened: Happened) -> Iterator[Frame]:
    row = happened.row
    for line in happened.lines:
        text = dumped(type="log_entry", **vars(line))
        yield Frame(
            "log_entry", text, "agents.read", row["user_id"], row["organization_id"], row["id"], line.sequence
        )  # fmt: skip


def of_task(happened: Happened) -> Frame:
    row, notice = happened.row, happened.notice
    type = "task_created" if notice.kind == "new_task" else OF_TASK.get(notice.status or "", "task_updated")
    told = {
        name: value for name, value in row.items() if name not in ("id", "user_id", "organization_id", "updated_at")
    }
    text = dumped(type=type, task_id=row["id"], **told | {"status": notice.status}, timestamp=row["updated_at"])
    return Frame(type, text, "tasks.read", row["user_id"], row["organization_id"], row["execution_id"])


def of_release(happened: Happened) -> Frame:
    row = happened.row
    text = dumped(
        type="deployment_update", release_id=row["id"], environment=row["environment"], status=happened.notice.status,
        timestamp=row["at"],
    )  # fmt: skip
    return Frame("deployment_update", text, EVERYBODY)


def of_invitation(happened: Happened) -> Iterator[Frame]:
    row = happened.row
    said = f"You are invited to {row['organization_name']} as {row['role']}"
    text = dumped(
        type="notification", level="info", message=said, organization_id=row["organization_id"], timestamp=row["at"]
    )
    for user_id in row["users"]:
        yield Frame("notification", text, "", user_id)
