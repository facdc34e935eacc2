"""Who belongs to an organization: invited, active or suspended, as owner, admin, member or viewer.

An invitation to an address or a GitHub number waits in a table of its own until whoever has that accepts: the inviter
does not hear whether there is an account. (The mission's backend made a membership that is `invited`.) An organization
always has an owner who is active, and only owners decide about owners. Whether the user may manage members at all is
decided before (api/permissions.py).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from database.execution_rows import Cursor
from database.organizations import absent, locked
from database.queries import load
from database.refusals import Absent, Conflict, Forbidden, Invalid

SQL = load("members.sql")
Role = Literal["owner", "admin", "member", "viewer"]
Invited = Literal["admin", "member", "viewer"]
"""Nobody is invited as an owner: an owner makes a member one."""
LONGEST_EMAIL = 255
Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Member:
    id: UUID
    organization_id: UUID
    user_id: UUID
    role: str
    status: str
    invited_by: UUID | None
    accepted_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class ListedMember(Member):
    """With the account; of one that has not accepted only what the inviter wrote."""

    email: str | None
    name: str | None
    avatar_url: str | None
    github_id: int | None


@dataclass(frozen=True)
class PendingInvitation:
    """To whoever has this address or this number of GitHub, and has not accepted: there need not be an account."""

    id: UUID
    organization_id: UUID
    email: str | None
    github_id: int | None
    role: str
    invited_by: UUID | None
    created_at: datetime


@dataclass(frozen=True)
class Invitation:
    """To the user who asks."""

    organization_id: UUID
    organization_name: str
    organization_slug: str
    role: str
    invited_by: UUID | None
    created_at: datetime


def page(
    connection: Connection, organization_id: UUID, *, after: Cursor | None = None, limit: int = 50,
    user_id: UUID | None = None,
) -> list[ListedMember]:  # fmt: skip
    values = {
        "organization_id": organization_id, "user_id": user_id, "limit": limit,
        "after_at": after and after.created_at, "after_id": after and after.id,
    }  # fmt: skip
    with connection.cursor(row_factory=class_row(ListedMember)) as cursor:
        return cursor.execute(SQL["list"], values).fetchall()


def listed(connection: Connection, organization_id: UUID, user_id: UUID) -> ListedMember:
    """One as the list shows it. Raises Absent."""
    if found := page(connection, organization_id, user_id=user_id):
        return found[0]
    raise no_such_member()


def no_such_member() -> Absent:
    return Absent("This organization has no such member")


def get(connection: Connection, organization_id: UUID, user_id: UUID) -> Member:
    """Raises Absent."""
    return _member(connection, "get", {"organization_id": organization_id, "user_id": user_id})


def _member(connection: Connection, query: str, values: dict[str, Any]) -> Member:
    with connection.cursor(row_factory=class_row(Member)) as cursor:
        if found := cursor.execute(SQL[query], values).fetchone():
            return found
    raise no_such_member()


def invite(
    connection: Connection, by: UUID, organization_id: UUID, identifier: str, role: Invited
) -> PendingInvitation:
    """Invite an address or a GitHub number. Raises Invalid, and Conflict if it is invited or a member, or if the plan
    has no more places."""
    email, github_id = identified(identifier)
    values = {
        "organization_id": organization_id, "invited_by": by, "role": role, "email": email, "github_id": github_id,
    }  # fmt: skip
    with locked(connection, organization_id) as limits:
        (count,) = connection.execute(SQL["count"], values).fetchone() or (0,)
        if connection.execute(SQL["is_member"], values).fetchone() == (True,):
            raise Conflict("This person is a member already")
        if limits.max_members is not None and count >= limits.max_members:
            raise Conflict(f"The plan has {limits.max_members} members", {"max_members": limits.max_members})
        with connection.cursor(row_factory=class_row(PendingInvitation)) as cursor:
            if made := cursor.execute(SQL["invite"], values).fetchone():
                return made
    raise Conflict("This person is invited already")


def identified(identifier: str) -> tuple[str | None, int | None]:
    """The address, or the GitHub number. Names are nobody's alone. Raises Invalid."""
    text = identifier.strip()
    local, at, domain = text.partition("@")
    if at and local and domain and "@" not in domain and len(text) <= LONGEST_EMAIL and not any(map(str.isspace, text)):
        return text.lower(), None
    if text.isascii() and text.isdigit() and 0 < int(text) < 2**63:
        return None, int(text)
    raise Invalid("identifier has to be an e-mail address or the number of a GitHub account")


def invitations(
    connection: Connection, organization_id: UUID, *, limit: int = 1000, invitation_id: UUID | None = None
) -> list[PendingInvitation]:
    """Those that nobody has accepted; the plan's limit keeps them few."""
    values = {"organization_id": organization_id, "invitation_id": invitation_id, "limit": limit}
    with connection.cursor(row_factory=class_row(PendingInvitation)) as cursor:
        return cursor.execute(SQL["invitations"], values).fetchall()


def invitation(connection: Connection, organization_id: UUID, invitation_id: UUID) -> PendingInvitation:
    """Raises Absent."""
    if found := invitations(connection, organization_id, invitation_id=invitation_id):
        return found[0]
    raise Absent("This organization has no such invitation")


def withdraw(connection: Connection, organization_id: UUID, invitation_id: UUID) -> None:
    """Raises Absent."""
    values = {"organization_id": organization_id, "invitation_id": invitation_id}
    if connection.execute(SQL["withdraw"], values).fetchone() is None:
        raise Absent("This organization has no such invitation")


def mine(connection: Connection, user_id: UUID, *, limit: int = 1000) -> list[Invitation]:
    """What the user is invited to."""
    with connection.cursor(row_factory=class_row(Invitation)) as cursor:
        return cursor.execute(SQL["mine"], {"user_id": user_id, "limit": limit}).fetchall()


def accept(connection: Connection, user_id: UUID, organization_id: UUID) -> Member:
    """Raises Absent."""
    values = {"organization_id": organization_id, "user_id": user_id}
    with connection.cursor(row_factory=class_row(Member)) as cursor:
        for query in ("accept", "accept_membership"):
            if accepted := cursor.execute(SQL[query], values).fetchone():
                return accepted
    raise not_invited()


def decline(connection: Connection, user_id: UUID, organization_id: UUID) -> None:
    """Raises Absent."""
    values = {"organization_id": organization_id, "user_id": user_id}
    if connection.execute(SQL["decline"], values).fetchone() is None:
        raise not_invited()


def not_invited() -> Absent:
    return Absent("You have no invitation to such an organization")


def change_role(connection: Connection, by: UUID, organization_id: UUID, user_id: UUID, role: Role) -> Member:
    """Raises Absent, Forbidden if an owner is concerned and `by` is none, Conflict if it is the last owner."""
    with locked(connection, organization_id):
        member = _decided(connection, by, organization_id, user_id, becomes_owner=role == "owner")
        if role == "owner":
            _in_state(member, "active")
        elif member.role == "owner":
            _leaves_an_owner(connection, member)
        return _changed(connection, member, role=role)


def suspend(connection: Connection, by: UUID, organization_id: UUID, user_id: UUID) -> Member:
    """Take all from a member but the place. Raises as `change_role`, and Conflict if the member is not active."""
    with locked(connection, organization_id):
        member = _in_state(_decided(connection, by, organization_id, user_id), "active")
        if member.role == "owner":
            _leaves_an_owner(connection, member)
        return _changed(connection, member, status="suspended")


def reactivate(connection: Connection, by: UUID, organization_id: UUID, user_id: UUID) -> Member:
    """Raises as `change_role`, and Conflict if the member is not suspended."""
    with locked(connection, organization_id):
        member = _in_state(_decided(connection, by, organization_id, user_id), "suspended")
        return _changed(connection, member, status="active")


def remove(connection: Connection, by: UUID, organization_id: UUID, user_id: UUID) -> None:
    """A member, or who is invited. Raises as `change_role`."""
    with locked(connection, organization_id):
        member = _decided(connection, by, organization_id, user_id)
        if member.role == "owner" and member.status == "active":
            _leaves_an_owner(connection, member)
        connection.execute(SQL["remove"], {"organization_id": organization_id, "user_id": user_id})
        connection.execute(SQL["own"], {"organization_id": organization_id, "user_id": None})


def leave(connection: Connection, user_id: UUID, organization_id: UUID) -> None:
    """Raises Absent, and Conflict for the last owner."""
    values = {"organization_id": organization_id, "user_id": user_id}
    if connection.execute(SQL["get"], values).fetchone() is None:
        raise absent()  # whether there is one is not for a stranger
    remove(connection, user_id, organization_id, user_id)


def transfer(connection: Connection, by: UUID, organization_id: UUID, user_id: UUID) -> Member:
    """Make another active member the owner, and the one who was an admin. Raises as `change_role`."""
    with locked(connection, organization_id):
        member = _in_state(_decided(connection, by, organization_id, user_id, becomes_owner=True), "active")
        if member.user_id == by:
            raise Conflict("You are an owner already")
        new = _changed(connection, member, role="owner")
        _changed(connection, get(connection, organization_id, by), role="admin")
        connection.execute(SQL["own"], {"organization_id": organization_id, "user_id": user_id})
        return new


def _decided(
    connection: Connection, by: UUID, organization_id: UUID, user_id: UUID, *, becomes_owner: bool = False
) -> Member:
    """The member, if `by` may decide: about owners, and who becomes one, only owners do."""
    member = get(connection, organization_id, user_id)
    if becomes_owner or (member.role == "owner" and by != user_id):
        decides = get(connection, organization_id, by)
        if (decides.role, decides.status) != ("owner", "active"):
            raise Forbidden("Only an owner decides about owners")
    return member


def _in_state(member: Member, status: str) -> Member:
    if member.status != status:
        raise Conflict(f"This member is {member.status}, not {status}", {"status": member.status})
    return member


def _leaves_an_owner(connection: Connection, member: Member) -> None:
    values = {"organization_id": member.organization_id, "user_id": member.user_id}
    if connection.execute(SQL["other_owners"], values).fetchone() == (0,):
        raise Conflict("This is the last owner: make another member an owner first")


def _changed(connection: Connection, member: Member, *, role: str | None = None, status: str | None = None) -> Member:
    values = {"organization_id": member.organization_id, "user_id": member.user_id, "role": role, "status": status}
    changed = _member(connection, "change", values)
    connection.execute(SQL["own"], values | {"user_id": None})
    return changed
