"""What the backend is told by its environment variables (reference: miyabi.toml beside this file).

On Lambda the secrets come as ARNs; anywhere else plain values will do. Reading them here never fails for one that is
missing or wrong: the process starts all the same, and `/health` says all that it lacks (`Settings.lacking`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from database.connection import BadAddress, dsn_from_url

SHORTEST_KEY = 32
"""Bytes of the key of tokens with HS256 (RFC 7518 §3.2)."""
TRYING = ("local", "development", "test", "staging", "restored")
"""Environments with mock login. In any other, and where none is told, only GitHub says who somebody is: a name that is
mistyped, or new, opens nothing. `restored` is a backup that is being verified, on this machine alone."""
UNLIMITED = ("local", "development", "test")
"""Environments whose requests are not limited unless they are told to: one person, and suites that ask everything."""
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@dataclass(frozen=True)
class Settings:
    environment: str = "development"
    database_secret_arn: str = ""
    jwt_secret_arn: str = ""
    database_url: str = field(default="", repr=False)
    jwt_secret: str = field(default="", repr=False)
    log_level: str = "INFO"
    access_s: int = 15 * 60
    refresh_s: int = 7 * 24 * 3600
    connections: int = 5
    github_client_id: str = ""
    github_secret_arn: str = ""
    github_secret: str = field(default="", repr=False)
    github_callback_url: str = ""
    github_url: str = "https://github.com"
    github_api_url: str = "https://api.github.com"
    frontend_url: str = ""
    cors_origins: tuple[str, ...] = ("*",)
    rate_limit: int = 0
    login_rate_limit: int = 0
    unread: tuple[str, ...] = ()
    """What is set and was not understood: the default counts in its place."""

    def lacking(self) -> list[str]:
        """What it does not work without, all at once; names, no values."""
        return [*self.unread, *self._database_problems(), *self._key_problems(), *self.github_problems()]

    def _database_problems(self) -> list[str]:
        if self.database_secret_arn:
            return []
        if not self.database_url:
            return ["neither DATABASE_SECRET_ARN nor DATABASE_URL is set"]
        try:
            dsn_from_url(self.database_url)
        except BadAddress:
            return ["DATABASE_URL is not a connection string"]
        return []

    def _key_problems(self) -> list[str]:
        found = []
        if not (self.jwt_secret_arn or self.jwt_secret):
            found.append("neither JWT_SECRET_ARN nor JWT_SECRET is set")
        elif not self.jwt_secret_arn and len(self.jwt_secret.encode()) < SHORTEST_KEY:
            found.append(f"JWT_SECRET is shorter than {SHORTEST_KEY} bytes")
        return found

    @property
    def github(self) -> dict[str, str]:
        """What signing in with GitHub needs: all of it, or none."""
        return {
            "GITHUB_CLIENT_ID": self.github_client_id,
            "GITHUB_CLIENT_SECRET": self.github_secret_arn or self.github_secret,
            "GITHUB_CALLBACK_URL": self.github_callback_url,
            "FRONTEND_URL": self.frontend_url,
        }

    def github_problems(self) -> list[str]:
        if not any(self.github.values()):
            return []
        lacking = [f"{name} is not set: to sign in with GitHub needs it" for name, it in self.github.items() if not it]
        pages = (name for name, it in self.github.items() if "_URL" in name and it and not is_page(it))
        return lacking + [f"{name} is no http(s) URL without a query and fragment" for name in pages]

    @property
    def mock_login(self) -> bool:
        return self.environment in TRYING


def read_settings(variables: Mapping[str, str]) -> Settings:
    """Names and defaults of the mission's backend. What is told no environment is production."""
    environment = variables.get("ENVIRONMENT") or "production"
    is_limited = environment not in UNLIMITED
    read = Reader(variables)
    return Settings(
        environment=environment,
        database_secret_arn=variables.get("DATABASE_SECRET_ARN", ""),
        jwt_secret_arn=variables.get("JWT_SECRET_ARN", ""),
        database_url=variables.get("DATABASE_URL", ""),
        jwt_secret=variables.get("JWT_SECRET", ""),
        log_level=read.log_level(),
        access_s=read.number("JWT_EXPIRATION", Settings.access_s),
        refresh_s=read.number("REFRESH_EXPIRATION", Settings.refresh_s),
        connections=read.number("DB_MAX_CONNECTIONS", Settings.connections),
        github_client_id=variables.get("GITHUB_CLIENT_ID", ""),
        github_secret_arn=variables.get("GITHUB_CLIENT_SECRET_ARN", ""),
        github_secret=variables.get("GITHUB_CLIENT_SECRET", ""),
        github_callback_url=variables.get("GITHUB_CALLBACK_URL", ""),
        github_url=(variables.get("GITHUB_URL") or Settings.github_url).rstrip("/"),
        github_api_url=(variables.get("GITHUB_API_URL") or Settings.github_api_url).rstrip("/"),
        frontend_url=variables.get("FRONTEND_URL", "").rstrip("/"),
        cors_origins=tuple((variables.get("CORS_ORIGINS") or "*").replace(",", " ").split()),
        rate_limit=read.number("RATE_LIMIT", 1000 * is_limited, least=0),
        login_rate_limit=read.number("LOGIN_RATE_LIMIT", 10 * is_limited, least=0),
        unread=tuple(read.problems),
    )


class Reader:
    """Values of other types than text. One that is none counts as not set, and is a problem."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = variables
        self.problems: list[str] = []

    def number(self, name: str, default: int, *, least: int = 1) -> int:
        text = self.variables.get(name) or str(default)
        if text.isascii() and text.isdigit() and least <= int(text[:10]) and len(text) < 10:
            return int(text)
        self.problems.append(f"{name} has to be a whole number from {least} on, of nine digits at most")
        return default

    def log_level(self) -> str:
        level = (self.variables.get("LOG_LEVEL") or Settings.log_level).upper()
        if level in LOG_LEVELS:
            return level
        self.problems.append(f"LOG_LEVEL has to be one of {', '.join(LOG_LEVELS)}")
        return Settings.log_level


def is_page(url: str) -> bool:
    """Whether it is an address of the web that a path, or a fragment, can be put behind."""
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
            and url.isprintable() and not any(mark in url for mark in " ?#\\@")
        )  # fmt: skip
    except ValueError:  # a port that is no number, half an IPv6 address
        return False
