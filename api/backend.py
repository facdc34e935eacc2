"""What a handler works with: settings, secrets and the pool, made once for a process.

Making it touches nothing outside: a database that is down, or a secret that is missing, is found by the request that
needs it.
"""

import contextlib
import json
from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, Request

from api.errors import Misconfigured
from api.secret_store import SecretStore
from api.settings import SHORTEST_KEY, Settings, read_settings
from database.connection import dsn_from_secret, dsn_from_url
from database.pool import Pool


class Backend:
    """One for each process."""

    def __init__(self, settings: Settings, *, secrets: SecretStore | None = None) -> None:
        self.settings = settings
        self._secrets = secrets or SecretStore()
        self.pool = Pool(self.dsn, size=settings.connections)

    def dsn(self, *, fresh: bool) -> str:
        """Where the database is. Raises `Misconfigured` and `BadAddress`."""
        if arn := self.settings.database_secret_arn:
            try:
                return dsn_from_secret(json.loads(self._secrets.get(arn, fresh=fresh)))
            except (ValueError, AttributeError):
                raise Misconfigured(f"secret {arn!r} is not a JSON object") from None
        if not self.settings.database_url:
            raise Misconfigured("neither DATABASE_SECRET_ARN nor DATABASE_URL is set")
        return dsn_from_url(self.settings.database_url)

    def jwt_secret(self) -> str:
        """The key of the tokens."""
        arn = self.settings.jwt_secret_arn
        secret = self._secrets.get(arn) if arn else self.settings.jwt_secret
        if not secret:
            raise Misconfigured("neither JWT_SECRET_ARN nor JWT_SECRET is set")
        if len(secret.encode()) < SHORTEST_KEY:
            raise Misconfigured(f"the JWT secret is shorter than {SHORTEST_KEY} bytes")
        return secret

    def github_secret(self) -> str:
        """The client secret of our app on GitHub."""
        arn = self.settings.github_secret_arn
        secret = self._secrets.get(arn) if arn else self.settings.github_secret
        if not secret:
            raise Misconfigured("neither GITHUB_CLIENT_SECRET_ARN nor GITHUB_CLIENT_SECRET is set")
        return secret

    def warm_up(self) -> None:
        """Read the secrets before the first request: the start of a Lambda process has a whole CPU for itself."""
        for arn in (self.settings.database_secret_arn, self.settings.jwt_secret_arn):
            with contextlib.suppress(Misconfigured):  # logged there, and asked for again when needed
                if arn:
                    self._secrets.get(arn)


def from_environment(variables: Mapping[str, str]) -> Backend:
    return Backend(read_settings(variables))


async def current_backend(request: Request) -> Backend:
    backend: Backend = request.app.state.backend
    return backend


CurrentBackend = Annotated[Backend, Depends(current_backend)]
