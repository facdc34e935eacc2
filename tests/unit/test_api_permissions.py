"""Who may call a route: each declares it, once."""

import pytest
from fastapi.routing import APIRoute

from api.app import PARTS
from api.permissions import declarations

ROUTES = [route for part in PARTS for route in part.router.routes if isinstance(route, APIRoute)]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{min(route.methods)} {route.path}")
def test_a_route_declares_one_thing(route: APIRoute) -> None:
    assert len(declarations(route)) == 1, f"{route.path} declares {declarations(route)}: see api/permissions.py"
