"""Teams of an organization. A team's role counts in the whole organization, but for what concerns a team itself: that
is for those who manage teams, and for who leads this one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from database.execution_rows import Cursor
from database.organizations import chosen_slug
from database.queries import load
from database.refusals import Absent, Conflict, Forbidden, Invalid

SQL = load("teams.sql")
Connection = psycopg.Connection[Any]
TeamRole = Literal["lead", "member"]


@dataclass(frozen=True)
class Team:
    id: UUID
    organization_id: UUID
    name: str
    slug: str
    description: str | None
    settings: Any
    is_visible: bool | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class TeamMember:
    id: UUID
    team_id: UUID
    user_id: UUID
    role: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class ListedTeamMember(TeamMember):
    email: str
    name: str | None
    avatar_url: str | None


@dataclass(frozen=True)
class Place:
    """Whose teams, and who asks."""

    connection: Connection
    user_id: UUID
    organization_id: UUID

    def values(self, team_id: UUID | None = None, **more: Any) -> dict[str, Any]:
        return {"user_id": self.user_id, "organization_id": self.organization_id, "team_id": team_id, **more}


def page(place: Place, *, after: Cursor | None = None, limit: int = 50, team_id: UUID | None = None) -> list[Team]:
    values = place.values(
        team_id, manages=manages(place, "teams.update"), limit=limit,
        after_at=after and after.created_at, after_id=after and after.id,
    )  # fmt: skip
    with place.connection.cursor(row_factory=class_row(Team)) as cursor:
        return cursor.execute(SQL["list"], values).fetchall()


def get(place: Place, team_id: UUID) -> Team:
    """Raises Absent."""
    if found := page(place, team_id=team_id):
        return found[0]
    raise absent()


def absent() -> Absent:
    return Absent("This organization has no such team")


def manages(place: Place, code: str) -> bool:
    return place.connection.execute(SQL["manages"], place.values(code=code)).fetchone() == (True,)


def demand(place: Place, team_id: UUID, code: str) -> Team:
    """The team, if the user may do this with it. Raises Absent and Forbidden."""
    team = get(place, team_id)
    if not manages(place, code):
        leads = place.connection.execute(SQL["leads"], place.values(team_id)).fetchone() == (True,)
        if code != "teams.update" or not leads:
            raise Forbidden(f"You do not have the permission {code} for this team", {"permission": code})
    return team


def create(
    place: Place, *, name: str, slug: str | None, description: str | None, is_visible: bool, settings: Mapping[str, Any]
) -> Team:
    """The user leads it. Raises Invalid, and Conflict if the slug is taken."""
    chosen = chosen_slug(name, slug)
    values = place.values(
        name=name, slug=chosen, description=description, is_visible=is_visible, settings=Jsonb(dict(settings))
    )
    with place.connection.cursor(row_factory=class_row(Team)) as cursor:
        if made := cursor.execute(SQL["create"], values).fetchone():
            return made
    raise Conflict(f"The organization has a team {chosen!r}; give another slug", {"slug": chosen})


def update(place: Place, team_id: UUID, changes: Mapping[str, Any]) -> Team:
    """Write `name`, `description`, `is_visible` and `settings`, those given. Raises Absent."""
    values = dict.fromkeys(("name", "description", "is_visible", "settings")) | dict(changes)
    if values["settings"] is not None:
        values["settings"] = Jsonb(values["settings"])
    values = place.values(team_id, given=list(changes), **values)
    with place.connection.cursor(row_factory=class_row(Team)) as cursor:
        if changed := cursor.execute(SQL["update"], values).fetchone():
            return changed
    raise absent()


def delete(place: Place, team_id: UUID) -> None:
    place.connection.execute(SQL["delete"], place.values(team_id))


def members(
    place: Place, team_id: UUID, *, after: Cursor | None = None, limit: int = 50, member: UUID | None = None
) -> list[ListedTeamMember]:
    values = place.values(
        team_id, member=member, limit=limit, after_at=after and after.created_at, after_id=after and after.id
    )
    with place.connection.cursor(row_factory=class_row(ListedTeamMember)) as cursor:
        return cursor.execute(SQL["members"], values).fetchall()


def member(place: Place, team_id: UUID, member: UUID) -> ListedTeamMember:
    """Raises Absent."""
    if found := members(place, team_id, member=member):
        return found[0]
    raise Absent("This team has no such member")


def add(place: Place, team_id: UUID, member: UUID, role: TeamRole) -> TeamMember:
    """Raises Conflict if it is a member of the team already, Invalid if not an active one of the organization."""
    values = place.values(team_id, member=member, role=role)
    with place.connection.cursor(row_factory=class_row(TeamMember)) as cursor:
        if made := cursor.execute(SQL["add"], values).fetchone():
            return made
    if place.connection.execute(SQL["is_in"], values).fetchone() == (True,):
        raise Conflict("This person is a member of the team already")
    raise Invalid("Only an active member of the organization can be in its teams")


def remove(place: Place, team_id: UUID, member: UUID) -> None:
    """Raises Absent."""
    if not place.connection.execute(SQL["remove"], place.values(team_id, member=member)).rowcount:
        raise Absent("This team has no such member")
