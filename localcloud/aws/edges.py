"""CloudFront's edge: what a distribution answers for a path, from its cache or from its bucket.

Only an enabled distribution that is deployed answers. The bucket is asked as CloudFront asks it: signed by the origin
access control, let in by the bucket's policy for this distribution, else 403. What was fetched stays as long as its
`cache-control` and the cache policy say, so an invalidation that nobody waited for is seen as old content.
"""

import gzip
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from localcloud.aws.objects import listed, statements

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

CACHE_POLICIES: Mapping[str, tuple[float, float, float]] = {
    "658327ea-f89d-4fab-a63d-7e88639e58f6": (1, 86400, 31536000),
    "4135ea2d-6df8-44a3-9df3-4b5a84be39ad": (0, 0, 0),
}
"""AWS's managed cache policies CachingOptimized and CachingDisabled: minimum, default and maximum seconds."""
HEADER_POLICIES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "67f7725c-6f97-4210-82d7-5512b31e9d03": (
        ("strict-transport-security", "max-age=31536000"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "SAMEORIGIN"),
        ("x-xss-protection", "1; mode=block"),
        ("referrer-policy", "strict-origin-when-cross-origin"),
    ),
}
"""AWS's managed response headers policy SecurityHeadersPolicy."""
BUCKET = re.compile(r"^(?P<bucket>.+?)\.s3[.-]([a-z0-9-]+\.)?amazonaws\.com$")
COMPRESSED = re.compile(r"^(text/|application/(javascript|json|xml|manifest\+json|wasm)|image/svg\+xml)")
COMPRESSIBLE = range(1000, 10_000_001)
"""Bytes of what CloudFront compresses."""


@dataclass(frozen=True)
class Page:
    """An answer of the origin or of the edge."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def gzipped(self) -> bytes:
        return gzip.compress(self.body, 6, mtime=0)


@dataclass(frozen=True)
class Cached:
    page: Page
    since: float
    until: float


def refusal(status: int, code: str) -> Page:
    """S3's or CloudFront's own error."""
    text = f"<?xml version='1.0' encoding='UTF-8'?>\n<Error><Code>{code}</Code></Error>"
    return Page(status, {"content-type": "application/xml"}, text.encode())


class Edge:
    """All distributions of one cloud, with what is cached of each."""

    def __init__(self, cloud: "Cloud", clock: Callable[[], float] = time.time) -> None:
        self.cloud, self.clock = cloud, clock
        self._cache: dict[tuple[str, str], Cached] = {}

    def distributions(self) -> Iterator[Any]:
        """Those that answer, oldest first."""
        for distribution in list(self.cloud.backend("cloudfront").distributions.values()):
            if distribution.wanted.get("Enabled") and distribution.status == "Deployed":
                yield distribution

    def find(self, host: str) -> Any:
        """The distribution of a host name, by its id or its own name; any other name means the oldest one."""
        label, _, domain = host.partition(":")[0].lower().partition(".")
        if not domain.startswith("cloudfront."):
            return next(self.distributions(), None)
        for found in self.distributions():
            if label in (found.id.lower(), found.domain_name.partition(".")[0]):
                return found
        return None

    def answer(self, distribution: Any, path: str) -> tuple[Page, str, float]:
        """The page of a path as it was sent, whether it came from the cache (`Hit` or `Miss`), its age in seconds."""
        path = path if path != "/" else "/" + (distribution.wanted.get("DefaultRootObject") or "")
        key, now = (distribution.id, path), self.clock()
        found = self._cache.get(key)
        if found and now < found.until and not self._invalidated(distribution.id, path, found.since, now):
            return found.page, "Hit from cloudfront", now - found.since
        page, lifetime = self._fetch(distribution, path)
        if page.status < 500:
            self._cache[key] = Cached(page, now, now + lifetime)
        return page, "Miss from cloudfront", 0.0

    def _invalidated(self, distribution: str, path: str, since: float, now: float) -> bool:
        """True if an invalidation has completed since."""
        invalidations = self.cloud.backend("cloudfront").invalidations.get(distribution, [])
        return any(
            since < invalidation.completes <= now and any(fnmatchcase(path, pattern) for pattern in invalidation.paths)
            for invalidation in invalidations
        )

    def _fetch(self, distribution: Any, path: str) -> tuple[Page, float]:
        """From the origin, with the distribution's error pages; and for how many seconds it may be kept."""
        page = self._origin(distribution, path)
        if page.status < 400:
            return page, lifetime(distribution.wanted["DefaultCacheBehavior"], page.headers.get("cache-control", ""))
        for mapping in distribution.wanted.get("CustomErrorResponses", {}).get("Items") or ():
            if int(mapping["ErrorCode"]) == page.status:
                kept = float(mapping.get("ErrorCachingMinTTL") or 10)
                instead = self._origin(distribution, mapping.get("ResponsePagePath") or path)
                if instead.status < 400:
                    return replace(instead, status=int(mapping.get("ResponseCode") or page.status)), kept
                return page, kept
        return page, 10.0

    def _origin(self, distribution: Any, path: str) -> Page:
        wanted = distribution.wanted
        target = wanted["DefaultCacheBehavior"]["TargetOriginId"]
        origin = next(origin for origin in wanted["Origins"]["Items"] if origin["Id"] == target)
        place = BUCKET.match(origin["DomainName"])
        if place is None:
            return refusal(502, "SimulatorGap")  # any other origin than a bucket
        s3, name = self.cloud.backend("s3"), place["bucket"]
        bucket = s3.buckets.get(name)
        key = unquote((origin.get("OriginPath") or "") + path).lstrip("/")
        if bucket is None:
            return refusal(404, "NoSuchBucket")
        if not self._may("s3:GetObject", f"arn:aws:s3:::{name}/{key}", bucket, distribution, origin):
            return refusal(403, "AccessDenied")
        found = s3.get_object(name, key)
        if found is None:
            seen = self._may("s3:ListBucket", f"arn:aws:s3:::{name}", bucket, distribution, origin)
            return refusal(404, "NoSuchKey") if seen else refusal(403, "AccessDenied")
        headers = {key.lower(): value for key, value in found.metadata.items()}
        kept = ("content-type", "cache-control", "content-encoding", "content-disposition", "content-language")
        headers = {name: headers[name] for name in kept if name in headers}
        return Page(200, {**headers, "etag": found.etag, "last-modified": found.last_modified_RFC1123}, found.value)

    def _may(self, action: str, resource: str, bucket: Any, distribution: Any, origin: Mapping[str, Any]) -> bool:
        """True if the bucket's policy lets this distribution in."""
        controls = self.cloud.backend("cloudfront").origin_access_controls
        signed = origin.get("OriginAccessControlId") in controls
        return any(
            statement.get("Effect") == "Allow"
            and any(fnmatchcase(action, pattern) for pattern in listed(statement.get("Action")))
            and any(fnmatchcase(resource, pattern) for pattern in listed(statement.get("Resource")))
            and is_for(statement, distribution.arn, signed=signed)
            for statement in statements(json.loads(bucket.policy or b"{}"))
        )


def is_for(statement: Mapping[str, Any], arn: str, *, signed: bool) -> bool:
    """True if the statement means this distribution: CloudFront, signing, under the named source; or everybody."""
    if statement.get("Principal") in ("*", {"AWS": "*"}):
        return not statement.get("Condition")
    if not signed or statement.get("Principal") != {"Service": "cloudfront.amazonaws.com"}:
        return False
    conditions = statement.get("Condition") or {}
    sources = [
        source
        for operator, values in conditions.items()
        for name, value in values.items()
        if name.lower() == "aws:sourcearn" and operator in ("StringEquals", "StringLike", "ArnLike", "ArnEquals")
        for source in listed(value)
    ]
    return not conditions or any(fnmatchcase(arn, source) for source in sources)


def lifetime(behaviour: Mapping[str, Any], cache_control: str) -> float:
    """Seconds that an edge keeps a page: what its header says, within the cache policy's bounds."""
    if policy := behaviour.get("CachePolicyId"):
        shortest, default, longest = CACHE_POLICIES.get(policy, (0.0, 86400.0, 31536000.0))
    else:
        shortest, default, longest = (float(behaviour.get(f"{name}TTL") or 0) for name in ("Min", "Default", "Max"))
    directives = dict(part.strip().lower().partition("=")[::2] for part in cache_control.split(","))
    if directives.keys() & {"no-cache", "no-store", "private"}:
        return shortest
    said = directives.get("s-maxage", directives.get("max-age", ""))
    return min(max(float(said), shortest), longest) if said.isdecimal() else max(default, shortest)
