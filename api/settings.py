"""What the backend is told by its environment variables (reference: miyabi.toml beside this file).

On Lambda the secrets come as ARNs; anywhere else plain values will do. Reading them here never fails for a missing
one: the process starts all the same, and `/health` says all that it lacks (`Settings.lacking`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

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

    def lacking(self) -> list[str]:
        """What it does not work without, all at once; names, no values."""
        found = []
        if not (self.database_secret_arn or self.database_url):
            found.append("neither DATABASE_SECRET_ARN nor DATABASE_URL is set")
        if not (self.jwt_secret_arn or self.jwt_secret):
            found.append("neither JWT_SECRET_ARN nor JWT_SECRET is set")
        elif not self.jwt_secret_arn and len(self.jwt_secret.encode()) < SHORTEST_KEY:
            found.append(f"JWT_SECRET is shorter than {SHORTEST_KEY} bytes")
        return found

    @property
    def mock_login(self) -> bool:
        return self.environment in TRYING


def read_settings(variables: Mapping[str, str]) -> Settings:
    """Names and defaults of the mission's backend. What is told no environment is production."""
    environment = variables.get("ENVIRONMENT") or "production"
    is_limited = environment not in UNLIMITED
    return Settings(
        environment=environment,
        database_secret_arn=variables.get("DATABASE_SECRET_ARN", ""),
        jwt_secret_arn=variables.get("JWT_SECRET_ARN", ""),
        database_url=variables.get("DATABASE_URL", ""),
        jwt_secret=variables.get("JWT_SECRET", ""),
        log_level=log_level(variables.get("LOG_LEVEL") or "INFO"),
        access_s=number(variables, "JWT_EXPIRATION", Settings.access_s),
        refresh_s=number(variables, "REFRESH_EXPIRATION", Settings.refresh_s),
        connections=number(variables, "DB_MAX_CONNECTIONS", Settings.connections),
        github_client_id=variables.get("GITHUB_CLIENT_ID", ""),
        github_secret_arn=variables.get("GITHUB_CLIENT_SECRET_ARN", ""),
        github_secret=variables.get("GITHUB_CLIENT_SECRET", ""),
        github_callback_url=variables.get("GITHUB_CALLBACK_URL", ""),
        github_url=(variables.get("GITHUB_URL") or Settings.github_url).rstrip("/"),
        github_api_url=(variables.get("GITHUB_API_URL") or Settings.github_api_url).rstrip("/"),
        frontend_url=variables.get("FRONTEND_URL", "").rstrip("/"),
        cors_origins=tuple((variables.get("CORS_ORIGINS") or "*").replace(",", " ").split()),
        rate_limit=number(variables, "RATE_LIMIT", 1000 * is_limited, least=0),
        login_rate_limit=number(variables, "LOGIN_RATE_LIMIT", 10 * is_limited, least=0),
    )


def log_level(text: str) -> str:
    level = text.upper()
    if level not in LOG_LEVELS:
        raise ValueError(f"LOG_LEVEL is {text!r}: it has to be one of {', '.join(LOG_LEVELS)}")
    return level


def number(variables: Mapping[str, str], name: str, default: int, *, least: int = 1) -> int:
    text = variables.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise ValueError(f"{name} is {text!r}: it has to be a whole number from {least} on")
    return int(text)
