"""CORS as an HTTP API does it when it has a CORS configuration: preflights are answered by the gateway itself, and the
headers of the function's responses are replaced.
"""

from dataclasses import dataclass
from typing import Any

from localcloud.gateway_request import Request
from localcloud.gateway_response import Response


@dataclass(frozen=True)
class Cors:
    """An API's CORS configuration."""

    origins: tuple[str, ...]
    methods: str
    headers: str
    expose: str
    max_age: str
    credentials: bool

    @classmethod
    def read(cls, configuration: dict[str, Any] | None) -> "Cors | None":
        """From moto's form of it; None if the API has none."""
        if not configuration:
            return None
        return cls(
            origins=tuple(configuration.get("allowOrigins") or ()),
            methods=",".join(configuration.get("allowMethods") or ()),
            headers=",".join(configuration.get("allowHeaders") or ()),
            expose=",".join(configuration.get("exposeHeaders") or ()),
            max_age=str(configuration.get("maxAge") or ""),
            credentials=bool(configuration.get("allowCredentials")),
        )

    def preflight(self, request: Request) -> Response | None:
        """The answer to a preflight; None if the request is not one."""
        if request.method != "OPTIONS" or "access-control-request-method" not in request.headers:
            return None
        allowed = self._origin(request)
        headers = [*allowed, *self._given("methods"), *self._given("headers"), *self._max_age()] if allowed else []
        return Response(204, headers, b"")

    def apply(self, request: Request, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """A response's headers with the gateway's CORS headers instead of the function's."""
        kept = [(name, value) for name, value in headers if not name.lower().startswith("access-control-")]
        allowed = self._origin(request)
        if allowed and self.expose:
            allowed.append(("access-control-expose-headers", self.expose))
        return kept + allowed

    def _origin(self, request: Request) -> list[tuple[str, str]]:
        origin = request.headers.get("origin", "")
        if "*" in self.origins and origin:
            return [("access-control-allow-origin", "*")]
        if not origin or not any(_fits(origin, allowed) for allowed in self.origins):
            return []
        headers = [("access-control-allow-origin", origin), ("vary", "Origin")]
        return headers + ([("access-control-allow-credentials", "true")] if self.credentials else [])

    def _given(self, name: str) -> list[tuple[str, str]]:
        value = str(getattr(self, name))
        return [(f"access-control-allow-{name}", value)] if value else []

    def _max_age(self) -> list[tuple[str, str]]:
        return [("access-control-max-age", self.max_age)] if self.max_age else []


def _fits(origin: str, allowed: str) -> bool:
    """`https://*` and `http://*` stand for any host."""
    return origin == allowed or (allowed in ("https://*", "http://*") and origin.startswith(allowed[:-1]))
