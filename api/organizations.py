"""Organizations: made by whoever is signed in, seen by their members, deleted by making them inactive."""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api import PREFIX
from api.backend import CurrentBackend
from api.bodies import Body, Description, Done, Kept, Name, Object, changes
from api.cursors import CurrentPaging
from api.etags import Change, Changes, tag
from api.idempotency import CurrentCreation
from api.permissions import Access, CurrentCaller, Needs
from database import organizations
from database.organizations import Membership, Organization

router = APIRouter(prefix=f"{PREFIX}/organizations", tags=["organizations"])
Changing = Annotated[Change, Depends(Changes("organization"))]
Url = Annotated[str, Field(max_length=2000, pattern=r"^https?://\S+$")]


class NewOrganization(Body):
    """Without a slug the name's is taken: `Green Garden` is `green-garden`."""

    name: Name
    slug: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    description: Description | None = None
    avatar_url: Url | None = None
    github_org_login: Annotated[str, Field(max_length=255)] | None = None
    settings: Object = Field({})


class OrganizationChanges(Body):
    """What is left out stays; null empties it."""

    name: Kept[Name] = None
    description: Description | None = None
    avatar_url: Url | None = None
    settings: Kept[Object] = None


@dataclass(frozen=True)
class Organizations:
    organizations: list[Membership]


@dataclass(frozen=True)
class OneOrganization:
    organization: Organization


@router.get("", summary="Your organizations by name, those that invite you too")
def list_organizations(caller: CurrentCaller, backend: CurrentBackend, paging: CurrentPaging) -> Organizations:
    with backend.pool.connection() as connection:
        found = organizations.page(connection, caller.user_id, after=paging.position(str, UUID), limit=paging.limit + 1)
    return Organizations(paging.page(found, lambda last: (last.organization_name, last.organization_id)))


@router.post("", status_code=201, summary="Make an organization, whose owner you are")
def create_organization(body: NewOrganization, caller: CurrentCaller, creation: CurrentCreation) -> OneOrganization:
    given: dict[str, Any] = body.model_dump()
    return creation.once(
        lambda connection: organizations.create(connection, caller.user_id, **given), show=OneOrganization
    )


@router.get("/{organization_id}", summary="One organization, with your role in it")
def get_organization(
    organization_id: UUID,
    access: Annotated[Access, Needs("organization.read")],
    backend: CurrentBackend,
    response: Response,
) -> OneOrganization:
    with backend.pool.connection() as connection:
        return OneOrganization(tag(response, organizations.get(connection, access.user_id, organization_id)))


@router.patch("/{organization_id}", summary="Change an organization")
def update_organization(
    organization_id: UUID,
    body: OrganizationChanges,
    access: Annotated[Access, Needs("organization.update")],
    change: Changing,
) -> OneOrganization:
    with change.connection() as connection:
        changed = organizations.update(connection, access.user_id, organization_id, changes(body))
        return OneOrganization(change.tag(changed))


@router.delete("/{organization_id}", summary="Delete an organization: nobody sees it or anything in it any more")
def delete_organization(
    organization_id: UUID, _access: Annotated[Access, Needs("organization.delete")], change: Changing
) -> Done:
    with change.connection() as connection:
        organizations.deactivate(connection, organization_id)
    return Done("Organization deleted")
