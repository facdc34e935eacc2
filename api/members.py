"""Members of an organization: invited, changed and removed by those who manage them; who is invited answers in
`api.invitations`."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api import PREFIX
from api.backend import CurrentBackend
from api.bodies import Body, Done, Id
from api.cursors import CurrentPaging, read_cursor
from api.etags import Change, Changes, tag
from api.idempotency import CurrentCreation
from api.permissions import Access, CurrentCaller, Needs
from database import members
from database.members import Invited, ListedMember, Member, PendingInvitation, Role

router = APIRouter(prefix=f"{PREFIX}/organizations/{{organization_id}}", tags=["members"])
Reads = Annotated[Access, Needs("organization.members.read")]
Manages = Annotated[Access, Needs("organization.members.manage")]
Changing = Annotated[Change, Depends(Changes("member"))]


class NewMember(Body):
    """`identifier` is an e-mail address or the number of a GitHub account; there need not be an account yet."""

    identifier: str = Field(min_length=1, max_length=255)
    role: Invited = "member"


class NewRole(Body):
    role: Role


class NewOwner(Body):
    user_id: Id


@dataclass(frozen=True)
class Members:
    members: list[ListedMember]


@dataclass(frozen=True)
class PendingInvitations:
    invitations: list[PendingInvitation]


@router.get("/members", summary="Members, and who is invited, in the order in which they came")
def list_members(organization_id: UUID, _access: Reads, backend: CurrentBackend, paging: CurrentPaging) -> Members:
    with backend.pool.connection() as connection:
        found = members.page(connection, organization_id, after=read_cursor(paging), limit=paging.limit + 1)
    return Members(paging.page(found, lambda last: (last.created_at, last.id)))


@router.post(
    "/members", status_code=201, summary="Invite somebody; the answer is the same whether or not there is an account"
)
def invite_member(
    organization_id: UUID, body: NewMember, access: Manages, creation: CurrentCreation
) -> PendingInvitation:
    return creation.once(
        lambda connection: members.invite(connection, access.user_id, organization_id, body.identifier, body.role),
        at=lambda made: f"invitations/{made.id}",
    )


@router.get("/members/{user_id}", summary="One member")
def get_member(
    organization_id: UUID, user_id: UUID, _access: Reads, backend: CurrentBackend, response: Response
) -> ListedMember:
    with backend.pool.connection() as connection:
        return tag(response, members.listed(connection, organization_id, user_id))


@router.patch("/members/{user_id}", summary="Change a member's role; about owners only owners decide")
def change_role(organization_id: UUID, user_id: UUID, body: NewRole, access: Manages, change: Changing) -> Member:
    with change.connection() as connection:
        return change.tag(members.change_role(connection, access.user_id, organization_id, user_id, body.role))


@router.delete("/members/{user_id}", summary="Remove a member, who leaves the teams too")
def remove_member(organization_id: UUID, user_id: UUID, access: Manages, change: Changing) -> Done:
    with change.connection() as connection:
        members.remove(connection, access.user_id, organization_id, user_id)
    return Done("Member removed")


@router.post("/members/{user_id}/suspend", summary="Take a member's permissions for a while")
def suspend_member(organization_id: UUID, user_id: UUID, access: Manages, change: Changing) -> Member:
    with change.connection() as connection:
        return change.tag(members.suspend(connection, access.user_id, organization_id, user_id))


@router.post("/members/{user_id}/reactivate", summary="Give a suspended member the permissions back")
def reactivate_member(organization_id: UUID, user_id: UUID, access: Manages, change: Changing) -> Member:
    with change.connection() as connection:
        return change.tag(members.reactivate(connection, access.user_id, organization_id, user_id))


@router.post("/transfer", summary="Make another member the owner and yourself an admin; owners alone")
def transfer_organization(
    organization_id: UUID,
    body: NewOwner,
    access: Manages,
    change: Annotated[Change, Depends(Changes("organization"))],
) -> Member:
    with change.connection() as connection:
        return members.transfer(connection, access.user_id, organization_id, body.user_id)


@router.get("/invitations", summary="Invitations that nobody has accepted yet")
def list_pending(organization_id: UUID, _access: Manages, backend: CurrentBackend) -> PendingInvitations:
    with backend.pool.connection() as connection:
        return PendingInvitations(members.invitations(connection, organization_id))


@router.get("/invitations/{invitation_id}", summary="One invitation")
def get_pending(
    organization_id: UUID, invitation_id: UUID, _access: Manages, backend: CurrentBackend, response: Response
) -> PendingInvitation:
    with backend.pool.connection() as connection:
        return tag(response, members.invitation(connection, organization_id, invitation_id))


@router.delete("/invitations/{invitation_id}", summary="Take an invitation back")
def withdraw_invitation(
    organization_id: UUID,
    invitation_id: UUID,
    _access: Manages,
    change: Annotated[Change, Depends(Changes("invitation"))],
) -> Done:
    with change.connection() as connection:
        members.withdraw(connection, organization_id, invitation_id)
    return Done("Invitation withdrawn")


@router.post("/leave", summary="Leave the organization; its last owner cannot")
def leave_organization(organization_id: UUID, caller: CurrentCaller, backend: CurrentBackend) -> Done:
    with backend.pool.connection() as connection:
        members.leave(connection, caller.user_id, organization_id)
    return Done("You have left the organization")
