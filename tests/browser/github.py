"""A GitHub on this machine: whoever is sent to it comes back signed in as `who`, without being asked."""

from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CODE, TOKEN = "a-code", "gho_of_the_stand_in"


class GitHub:
    """`who` is the number, the login and the address of the account that sits before the browser."""

    def __init__(self) -> None:
        self.who = (4242, "hana", "hana@example.com")
        self.app = Starlette(routes=[
            Route("/login/oauth/authorize", self.authorize),
            Route("/login/oauth/access_token", self.token, methods=["POST"]),
            Route("/user", self.user), Route("/user/emails", self.emails),
        ])  # fmt: skip

    async def authorize(self, request: Request) -> Response:
        query = urlencode({"code": CODE, "state": request.query_params["state"]})
        return RedirectResponse(f"{request.query_params['redirect_uri']}?{query}", status_code=302)

    async def token(self, request: Request) -> Response:
        assert CODE in (await request.body()).decode()
        return JSONResponse({"access_token": TOKEN, "scope": "read:user user:email"})

    async def user(self, request: Request) -> Response:
        number, login, _ = self.who
        assert request.headers["authorization"].endswith(TOKEN)
        return JSONResponse({"id": number, "login": login, "name": login.title(), "avatar_url": None})

    async def emails(self, _request: Request) -> Response:
        return JSONResponse([{"email": self.who[2], "primary": True, "verified": True}])
