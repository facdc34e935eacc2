"""What the engine is told: requests, and when they are due. Crosses into its process as one line of JSON.

In an open load, request k is due k/rate seconds after the start, whether the one before was answered or not, as with
people who know nothing of each other. In a closed load, each user asks again when the answer is there (and thought
about), so a slow server is asked less: it says how much a server can take, and hides how long others would have waited.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    """One kind of request. Redirects are answers: they are not followed."""

    name: str
    path: str
    """With its query, from the job's URL on."""
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    weight: float = 1.0
    """Its share among the others."""
    accept: tuple[int, ...] = ()
    """Statuses that are right. Empty: 200 to 399."""


@dataclass(frozen=True)
class Open:
    """Request k is due at k/rate."""

    rate: float
    duration_s: float


@dataclass(frozen=True)
class Closed:
    """Users that ask, wait for the answer, think, and ask again."""

    points: tuple[tuple[float, float], ...]
    """(second, users): straight lines between them; the last one is the end."""
    requests: int | None = None
    """The end comes earlier if so many have been asked."""
    think_s: tuple[float, float] = (0.0, 0.0)
    """Least and most; evenly spread."""
    rate_cap: float | None = None
    """All users together ask no faster than this: below a limit that is known beforehand, say."""

    @property
    def duration_s(self) -> float:
        return self.points[-1][0]

    @property
    def most_users(self) -> float:
        return max(users for _, users in self.points)


Load = Open | Closed


@dataclass(frozen=True)
class Job:
    """One run of the engine. Headers may hold a token: a job is never logged and never on a command line."""

    url: str
    requests: tuple[Request, ...]
    load: Load
    connections: int = 100
    """At most so many in an open load; a closed one has one for each user."""
    timeout_s: float = 30.0
    ca_file: str = ""
    """Certificate authorities for HTTPS; empty: this machine's."""
    samples: str = ""
    """File for a line per request (numpy's .npz); empty: none."""
    seed: int = 1
    """Which request is next, and how long a user thinks, are the same for the same seed."""

    def dump(self) -> dict[str, Any]:
        return asdict(self)


def read_job(data: Mapping[str, Any]) -> Job:
    """The job that `Job.dump` wrote."""
    load, requests = data["load"], data["requests"]
    shape: Load = Open(**load) if "rate" in load else Closed(**{**load, "points": pairs(load["points"]),
                                                                "think_s": tuple(load["think_s"])})  # fmt: skip
    known = tuple(Request(**{**request, "accept": tuple(request["accept"])}) for request in requests)
    return Job(**{**data, "load": shape, "requests": known})


def pairs(points: Sequence[Sequence[float]]) -> tuple[tuple[float, float], ...]:
    return tuple((float(at), float(users)) for at, users in points)
