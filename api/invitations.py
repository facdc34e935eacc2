"""Invitations to organizations, as who is invited sees them: accepted or declined."""

from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter

from api import PREFIX
from api.backend import CurrentBackend
from api.bodies import Done
from api.permissions import CurrentCaller
from database import members
from database.members import Invitation, Member

router = APIRouter(prefix=PREFIX, tags=["members"])


@dataclass(frozen=True)
class Invitations:
    invitations: list[Invitation]


@router.get("/invitations", summary="The organizations that invite you")
def list_invitations(caller: CurrentCaller, backend: CurrentBackend) -> Invitations:
    with backend.pool.connection() as connection:
        return Invitations(members.mine(connection, caller.user_id))


@router.post("/organizations/{organization_id}/accept", summary="Accept the invitation to the organization")
def accept_invitation(organization_id: UUID, caller: CurrentCaller, backend: CurrentBackend) -> Member:
    with backend.pool.connection() as connection:
        return members.accept(connection, caller.user_id, organization_id)


@router.post("/organizations/{organization_id}/decline", summary="Decline the invitation to the organization")
def decline_invitation(organization_id: UUID, caller: CurrentCaller, backend: CurrentBackend) -> Done:
    with backend.pool.connection() as connection:
        members.decline(connection, caller.user_id, organization_id)
    return Done("Invitation declined")
