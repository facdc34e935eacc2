"""When a version goes back, and when it may go on. Pure: figures in, reasons out."""

from collections.abc import Iterator
from dataclasses import dataclass

from blocks.canary import CanarySettings
from database.server_use import Connections
from tasks.canary.figures import NOTHING, Figures

EXPECTED = 20
"""Requests that the new version must have had by its share before their absence in CloudWatch means something."""
CHANCE = 0.05
"""A few failures count if they are less likely than this in a version that fails as often as it may."""
FEW = 3
"""Below so many allowed failures a sample is small."""
LATENCIES = 10
"""Requests after which a version is called slow if even half of them are slower than they may be."""
LEAKED = 5
FULL = ("too many clients", "connection slots are reserved")
"""What PostgreSQL says when nobody else can connect."""


@dataclass(frozen=True)
class Seen:
    """All that was seen of a version at one share of the traffic, and of the old one beside it."""

    share: float
    new: Figures
    old: Figures
    """By probes."""
    url: Figures = NOTHING
    """Our own requests through the public URL."""
    new_metrics: Figures = NOTHING
    old_metrics: Figures = NOTHING
    """Lambda's metrics of the alias's traffic."""
    gateway: Figures = NOTHING
    gateway_before: Figures = NOTHING
    """What the gateway answered to everybody, now and before the canary."""
    connections: Connections | None = None
    leak: tuple[int, int] = (0, 0)
    """Connections that stayed open, and the requests meanwhile."""
    trouble: str = ""
    """Why the database cannot be asked."""


def breaches(allowed: CanarySettings, seen: Seen) -> list[str]:
    """Why the version must go back at once; nothing as long as it may stay. Connections are told where nothing else
    is: a version that fails or is slow has more of them at a time for that."""
    reasons = [
        *failing(allowed, "asked directly", seen.new, seen.old),
        *failing(allowed, "with traffic (Lambda's metrics)", seen.new_metrics, seen.old_metrics),
        *failing_visits(allowed, seen),
        *slow(allowed, "asked directly", seen.new, seen.old),
        *slow(allowed, "with traffic (Lambda's metrics)", seen.new_metrics, seen.old_metrics),
    ]
    return reasons or list(crowded(allowed, seen))


def failing(allowed: CanarySettings, how: str, new: Figures, old: Figures) -> Iterator[str]:
    """More failures than are allowed, or than the old version has. Told as soon as it is certain."""
    inherited = old.error_rate * new.requests
    text = f"{new.failures} of {new.requests} requests failed (old {old.failures} of {old.requests}), {how}; allowed is"
    if exceeds(allowed, new.failures, new.requests, allowed.max_error_rate):
        yield f"{text} {percent(allowed.max_error_rate)}"
    elif new.requests * allowed.max_error_increase >= FEW and exceeds(
        allowed, new.failures - inherited, new.requests, allowed.max_error_increase
    ):
        yield f"{text} {percent(allowed.max_error_increase)} more than the old version"


def exceeds(allowed: CanarySettings, failures: float, requests: float, rate: float) -> bool:
    """Too many failures, even if all others of the least number of requests were good. In a small sample one is no
    sign, and more must be unlikely by chance; `lacking` then asks for more requests."""
    whole = max(round(requests), allowed.min_requests)
    if failures <= rate * whole:
        return False
    return rate * whole >= FEW or rate == 0 or (failures >= 2 and chance(int(failures), whole, rate) <= CHANCE)


def chance(failures: int, requests: int, rate: float) -> float:
    """How likely so many failures or more are at this rate (binomial)."""
    likely, fewer = (1 - rate) ** requests, 0.0
    for k in range(failures):
        fewer += likely
        likely *= (requests - k) / (k + 1) * rate / (1 - rate)
    return 1 - fewer


def ill(allowed: CanarySettings, old: Figures) -> bool:
    """Whether the old version fails more than a version may: then the new one is to be well, and not like it."""
    return exceeds(allowed, old.failures, old.requests, allowed.max_error_rate)


def slow(allowed: CanarySettings, how: str, new: Figures, old: Figures) -> Iterator[str]:
    """Slower than the old version in the same window; over the budget counts only then, as going back is no gain. How
    quickly an old version fails is no measure."""
    if new.p95_ms is None or old.p95_ms is None or ill(allowed, old):
        return
    limit = max(old.p95_ms * (1 + allowed.p95_increase), old.p95_ms + allowed.p95_noise_ms)
    fewest = min(new.requests - new.cold, old.requests - old.cold)
    if min(new.requests, old.requests) < allowed.min_requests and not (
        fewest >= LATENCIES and (new.p50_ms or 0) > limit
    ):
        return
    if new.p95_ms > limit:
        yield f"{how}, p95 is {new.p95_ms:.0f} ms; the old version's is {old.p95_ms:.0f} ms, so {limit:.0f} are allowed"
    elif new.p95_ms > max(allowed.p95_ms, old.p95_ms + allowed.p95_noise_ms):
        yield f"{how}, p95 is {new.p95_ms:.0f} ms; allowed are {allowed.p95_ms:.0f}, the old version: {old.p95_ms:.0f}"


def failing_visits(allowed: CanarySettings, seen: Seen) -> Iterator[str]:
    """What people see. All of the traffic is counted, and the excess over before is by the new version, as long as the
    old one is well: else its failures are among them, and only what is counted by version says whose they are."""
    if ill(allowed, seen.old) or ill(allowed, seen.old_metrics):
        return
    for how, now, before in (
        ("through the public URL", seen.url, seen.old),
        ("at the gateway (HTTP 5xx)", seen.gateway, seen.gateway_before),
    ):
        excess, its_requests = now.failures - before.error_rate * now.requests, seen.share * now.requests
        if exceeds(allowed, excess, its_requests, allowed.max_error_rate):
            yield (
                f"{how}, {now} while it had {percent(seen.share)} of the traffic; before: {percent(before.error_rate)}"
            )


def crowded(allowed: CanarySettings, seen: Seen) -> Iterator[str]:
    """Connections to the database that stay open, or are nearly used up."""
    stayed, requests = seen.leak
    if stayed >= LEAKED and 2 * requests >= allowed.min_requests and stayed > allowed.max_leak * requests:
        yield f"it leaks database connections: {stayed} more stayed open in {requests} requests"
    if seen.connections and seen.connections.used > allowed.max_connections * seen.connections.allowed:
        yield (
            f"{seen.connections.used} of the database's {seen.connections.allowed} connections are in use; allowed are"
            f" {percent(allowed.max_connections)}"
        )
    if any(text in seen.trouble for text in FULL):
        yield f"the database takes no more connections: {seen.trouble}"


def lacking(allowed: CanarySettings, seen: Seen) -> list[str]:
    """What is not known yet, without which a version is not promoted."""
    counts = {"the new version": seen.new.requests}
    if not ill(allowed, seen.old):  # one that hangs until its timeout answers few
        counts["the old version"] = seen.old.requests
    missing = [
        f"{who} answered {count} requests of {allowed.min_requests}"
        for who, count in counts.items()
        if count < allowed.min_requests
    ]
    if seen.new.failures > allowed.max_error_rate * seen.new.requests:
        missing.append(f"{seen.new}, asked directly: more than is allowed, and it may be chance in so few requests")
    if seen.trouble or seen.connections is None:
        missing.append(f"the database does not say how many connections it has: {seen.trouble or 'not asked yet'}")
    if seen.share * seen.url.requests >= EXPECTED and not seen.new_metrics.requests:
        missing.append(
            f"CloudWatch shows no traffic on the new version, of {seen.url.requests} requests through the URL"
        )
    return missing


def percent(share: float) -> str:
    return f"{100 * share:.3g} %"
