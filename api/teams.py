"""Teams of an organization, and who is in them."""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api import PREFIX
from api.backend import CurrentBackend
from api.bodies import Body, Description, Done, Id, Kept, Name, Object, changes
from api.cursors import CurrentPaging, read_cursor
from api.etags import Change, Changes, tag
from api.idempotency import CurrentCreation
from api.permissions import Access, Needs
from database import teams
from database.teams import ListedTeamMember, Place, Team, TeamMember, TeamRole

router = APIRouter(prefix=f"{PREFIX}/organizations/{{organization_id}}/teams", tags=["teams"])
Reads = Annotated[Access, Needs("teams.read")]
Updates = Annotated[Access, Needs("teams.update")]
Changing = Annotated[Change, Depends(Changes("team"))]


class NewTeam(Body):
    """Without a slug the name's is taken."""

    name: Name
    slug: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    description: Description | None = None
    is_visible: bool = True
    settings: Object = Field({})


class TeamChanges(Body):
    """What is left out stays; null empties it."""

    name: Kept[Name] = None
    description: Description | None = None
    is_visible: Kept[bool] = None
    settings: Kept[Object] = None


class NewTeamMember(Body):
    user_id: Id
    role: TeamRole = "member"


@dataclass(frozen=True)
class Teams:
    teams: list[Team]


@dataclass(frozen=True)
class OneTeam:
    team: Team


@dataclass(frozen=True)
class TeamMembers:
    members: list[ListedTeamMember]


@router.get("", summary="The teams that you may see, in the order in which they were made")
def list_teams(organization_id: UUID, access: Reads, backend: CurrentBackend, paging: CurrentPaging) -> Teams:
    with backend.pool.connection() as connection:
        place = Place(connection, access.user_id, organization_id)
        found = teams.page(place, after=read_cursor(paging), limit=paging.limit + 1)
    return Teams(paging.page(found, lambda last: (last.created_at, last.id)))


@router.post("", status_code=201, summary="Make a team, which you lead")
def create_team(
    organization_id: UUID, body: NewTeam, access: Annotated[Access, Needs("teams.create")], creation: CurrentCreation
) -> OneTeam:
    given: dict[str, Any] = body.model_dump()
    return creation.once(
        lambda connection: teams.create(Place(connection, access.user_id, organization_id), **given), show=OneTeam
    )


@router.get("/{team_id}", summary="One team")
def get_team(
    organization_id: UUID, team_id: UUID, access: Reads, backend: CurrentBackend, response: Response
) -> OneTeam:
    with backend.pool.connection() as connection:
        return OneTeam(tag(response, teams.get(Place(connection, access.user_id, organization_id), team_id)))


@router.patch("/{team_id}", summary="Change a team: those who manage teams, and who leads it")
def update_team(organization_id: UUID, team_id: UUID, body: TeamChanges, access: Updates, change: Changing) -> OneTeam:
    with change.connection() as connection:
        place = Place(connection, access.user_id, organization_id)
        teams.demand(place, team_id, "teams.update")
        return OneTeam(change.tag(teams.update(place, team_id, changes(body))))


@router.delete("/{team_id}", summary="Delete a team")
def delete_team(
    organization_id: UUID, team_id: UUID, access: Annotated[Access, Needs("teams.delete")], change: Changing
) -> Done:
    with change.connection() as connection:
        place = Place(connection, access.user_id, organization_id)
        teams.demand(place, team_id, "teams.delete")
        teams.delete(place, team_id)
    return Done("Team deleted")


@router.get("/{team_id}/members", summary="Who is in the team")
def list_team_members(
    organization_id: UUID, team_id: UUID, access: Reads, backend: CurrentBackend, paging: CurrentPaging
) -> TeamMembers:
    with backend.pool.connection() as connection:
        place = Place(connection, access.user_id, organization_id)
        teams.get(place, team_id)
        found = teams.members(place, team_id, after=read_cursor(paging), limit=paging.limit + 1)
    return TeamMembers(paging.page(found, lambda last: (last.created_at, last.id)))


@router.post("/{team_id}/members", status_code=201, summary="Take an active member of the organization into the team")
def add_team_member(
    organization_id: UUID, team_id: UUID, body: NewTeamMember, access: Updates, creation: CurrentCreation
) -> TeamMember:
    def add(connection: Any) -> TeamMember:
        place = Place(connection, access.user_id, organization_id)
        teams.demand(place, team_id, "teams.update")
        return teams.add(place, team_id, body.user_id, body.role)

    return creation.once(add, at=lambda made: f"members/{made.user_id}")


@router.get("/{team_id}/members/{user_id}", summary="One who is in the team")
def get_team_member(
    organization_id: UUID, team_id: UUID, user_id: UUID, access: Reads, backend: CurrentBackend, response: Response
) -> ListedTeamMember:
    with backend.pool.connection() as connection:
        place = Place(connection, access.user_id, organization_id)
        teams.get(place, team_id)
        return tag(response, teams.member(place, team_id, user_id))


@router.delete("/{team_id}/members/{user_id}", summary="Take somebody out of the team")
def remove_team_member(
    organization_id: UUID,
    team_id: UUID,
    user_id: UUID,
    access: Updates,
    change: Annotated[Change, Depends(Changes("team_member"))],
) -> Done:
    with change.connection() as connection:
        place = Place(connection, access.user_id, organization_id)
        teams.demand(place, team_id, "teams.update")
        teams.remove(place, team_id, user_id)
    return Done("Team member removed")
