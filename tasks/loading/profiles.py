"""The mission's load tests as data: how many ask, how often, for how long. What they ask is the backend's to say.

`baseline`, `spike` and `sustained` are those of the M1 report (10,000 requests at 50, 5,000 at 200, an hour at 50/s),
`phase-4` is phase 4's 100 users on k6's stages 50/100/0, `agents` the mix of asking for executions and watching them,
`quick` a few seconds after a release. `in_range` says what of a wish cannot be.
"""

from dataclasses import dataclass, replace

from tasks.loading.job import Closed, Load, Open

HEADROOM = 0.9
"""Users who could ask faster than the gateway lets through are held to this share of its limit."""
LONGEST_S = 4 * 3600.0
"""A closed load that is given by its number of requests ends after this time at the latest."""


@dataclass(frozen=True)
class Profile:
    """A load, and the mix of requests that it asks (`[[load.<mix>]]` of the source's miyabi.toml)."""

    name: str
    description: str
    load: Load
    mix: str = "reads"


def ramp(duration_s: float, *users: float) -> tuple[tuple[float, float], ...]:
    """Straight lines through these numbers of users, evenly spread over the time."""
    return tuple((duration_s * number / (len(users) - 1), level) for number, level in enumerate(users))


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("quick", "60 requests a second for 4 s", Open(60, 4)),
        Profile(
            "phase-4", "up to 50 users, to 100, and back to none, thinking for 0.25 to 0.75 s",
            Closed(ramp(120, 0, 50, 100, 100, 0), think_s=(0.25, 0.75)),
        ),
        Profile("baseline", "10,000 requests by 50 users", Closed(ramp(LONGEST_S, 50, 50), requests=10_000)),
        Profile("spike", "5,000 requests by 200 users", Closed(ramp(LONGEST_S, 200, 200), requests=5_000)),
        Profile("sustained", "50 requests a second for an hour", Open(50, 3600)),
        Profile("agents", "20 requests a second about executions, for a minute", Open(20, 60), mix="agents"),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Wish:
    """What a person changed of a profile. None: as it is."""

    duration_s: float | None = None
    rate: float | None = None
    users: int | None = None


def wished(load: Load, wish: Wish) -> Load:
    """The profile's load with a person's changes. A duration replaces a number of requests."""
    if isinstance(load, Open):
        return Open(wish.rate or load.rate, wish.duration_s or load.duration_s)
    duration = wish.duration_s or load.duration_s
    factor = (wish.users or load.most_users) / load.most_users
    points = tuple((at * duration / load.duration_s, users * factor) for at, users in load.points)
    requests = None if wish.duration_s else load.requests
    return replace(load, points=points, requests=requests, rate_cap=wish.rate or load.rate_cap)


def below_limit(load: Load, limit: float) -> Load:
    """The load, with users held below the gateway's limit (requests a second)."""
    if isinstance(load, Open):
        return load
    return replace(load, rate_cap=min(load.rate_cap or limit, HEADROOM * limit))


def in_range(profile: Profile, wish: Wish, limit: float) -> list[str]:
    """Why this load cannot be asked; empty if it can."""
    load, problems = wished(profile.load, wish), list[str]()
    if isinstance(load, Open) and wish.users is not None:
        problems.append(f"profile {profile.name!r} has a rate and no users; give `rate` instead")
    asked = load.rate if isinstance(load, Open) else wish.rate
    if asked is not None and asked > limit:
        problems.append(
            f"{asked:g} requests a second are asked and the stage lets {limit:g} through; the rest would be answered"
            " 429. Ask for less, or raise api.rate_limit of the environment and release"
        )
    return problems


def words(load: Load) -> str:
    """The load in words, as it is run."""
    if isinstance(load, Open):
        return f"{load.rate:g} requests a second for {load.duration_s:g} s"
    length = f"{load.requests:,} requests" if load.requests else f"{load.duration_s:g} s"
    levels = dict.fromkeys(f"{users:g}" for _, users in load.points)
    think = "" if load.think_s == (0.0, 0.0) else ", thinking for {:g} to {:g} s".format(*load.think_s)
    cap = "" if load.rate_cap is None else f", at most {load.rate_cap:g} requests a second together"
    return f"{' → '.join(levels)} users, {length}{think}{cap}"
