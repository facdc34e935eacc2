"""How traffic moves to a new version, and what takes it back.

The budgets are the mission's targets for production: errors < 1 % and p95 < 100 ms (completion report of 2025-11-18).
The bake is long enough for CloudWatch to say something, as it publishes a minute or two late. 10, 50 and 100 % are the
steps of issue 4; the other figures are ours, and each has its reason beside it.
"""

from pydantic import Field, model_validator

from blocks.settings import Settings


class CanarySettings(Settings):
    """A canary: shares of the traffic, how long each is watched, and what a version may do worse than the old one."""

    steps: tuple[int, ...] = Field((10, 50, 100), description="percent of the traffic; (100,) moves all at once")
    bake_s: float = Field(300, gt=0, description="seconds that each share below 100 % is watched")
    interval_s: float = Field(15, gt=0, description="seconds between two looks at the figures")
    extension_s: float = Field(
        300, ge=0, description="seconds to wait longer for missing figures; then the version is taken back"
    )
    min_requests: int = Field(200, ge=20, description="requests to each version below which nothing is promoted")
    probes_per_s: float = Field(2, gt=0, le=100, description="direct requests a second to each of the two versions")
    traffic_per_s: float = Field(
        5, gt=0, le=100, description="requests a second through the public URL; synthetic where people send fewer"
    )
    max_error_rate: float = Field(0.01, ge=0, le=1, description="failed requests of the new version")
    max_error_increase: float = Field(0.005, ge=0, le=1, description="and how much higher than the old one's")
    p95_ms: float = Field(100, gt=0, description="for a version that is also slower than the old one by p95_noise_ms")
    p95_increase: float = Field(
        0.5, ge=0, description="how much slower than the old version: 0.5 is half as much again"
    )
    p95_noise_ms: float = Field(20, ge=0, description="a difference below this is never called slower")
    max_connections: float = Field(0.8, gt=0, le=1, description="share of the database's connections in use")
    max_leak: float = Field(0.02, gt=0, description="connections that stay open, for each request")

    @model_validator(mode="after")
    def guard_steps(self) -> "CanarySettings":
        """Shares grow, and in the end everything has moved."""
        rising = all(before < after for before, after in zip((0, *self.steps), self.steps, strict=False))
        if not rising or self.steps[-1:] != (100,):
            raise ValueError(f"canary.steps must grow and end with 100, unlike {self.steps}")
        return self
