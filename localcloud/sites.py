"""Sites over HTTP: CloudFront's distributions on a port of their own, so that root-relative addresses work.

`http://127.0.0.1:<port>/` is the oldest distribution, which on a laptop is the only one; by host name it is any:
`http://<distribution id>.cloudfront.localhost:<port>/`, or its own `*.cloudfront.net` in the Host header.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from localcloud.aws.edges import COMPRESSED, COMPRESSIBLE, HEADER_POLICIES, Edge, Page, refusal
from localcloud.aws.wire import Answer, StartResponse

if TYPE_CHECKING:
    from localcloud.cloud import Cloud


class SiteFront:
    """The WSGI application in front of all distributions."""

    def __init__(self, cloud: "Cloud") -> None:
        self.edge = Edge(cloud)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        return self._answer(environ).send(start_response)

    def _answer(self, environ: Mapping[str, Any]) -> Answer:
        distribution = self.edge.find(environ.get("HTTP_HOST", ""))
        if distribution is None:
            return written(refusal(404, "NoSuchDistribution"), environ, [("x-cache", "Error from cloudfront")])
        behaviour = distribution.wanted["DefaultCacheBehavior"]
        if environ["REQUEST_METHOD"] not in (behaviour.get("AllowedMethods", {}).get("Items") or ("GET", "HEAD")):
            return written(refusal(403, "MethodNotAllowed"), environ, [("x-cache", "Error from cloudfront")])
        path = environ["REQUEST_URI"].partition("?")[0].encode("latin-1").decode("utf-8", "replace")
        page, cache, age = self.edge.answer(distribution, path)
        headers = [("x-cache", cache), ("x-amz-cf-id", distribution.id), ("age", str(int(age)))]
        headers += HEADER_POLICIES.get(behaviour.get("ResponseHeadersPolicyId") or "", ())
        return written(page, environ, headers, compress=bool(behaviour.get("Compress")))


def written(page: Page, environ: Mapping[str, Any], more: list[tuple[str, str]], *, compress: bool = False) -> Answer:
    """The page as this client asked for it: not at all if it has it, its head alone, or compressed."""
    headers, etag = dict(page.headers), page.headers.get("etag", "")
    if etag and page.status == 200 and etag in environ.get("HTTP_IF_NONE_MATCH", "").replace("W/", ""):
        return Answer(304, b"", (*((k, v) for k, v in headers.items() if k != "content-type"), *more))
    body = page.body
    if compress and is_compressible(page) and "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
        body = page.gzipped
        headers |= {"content-encoding": "gzip", "vary": "accept-encoding", "etag": f"W/{etag}"}
    answer = Answer(page.status, body, (*headers.items(), *more))
    return Head(page.status, body, answer.headers) if environ["REQUEST_METHOD"] == "HEAD" else answer


def is_compressible(page: Page) -> bool:
    kind = page.headers.get("content-type", "")
    return "content-encoding" not in page.headers and len(page.body) in COMPRESSIBLE and bool(COMPRESSED.match(kind))


class Head(Answer):
    """The answer to HEAD: the length of what GET would send, and nothing of it."""

    def send(self, start_response: StartResponse) -> Iterable[bytes]:
        super().send(start_response)
        return []
