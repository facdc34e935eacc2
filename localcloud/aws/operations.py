"""Which operation of which service a request is, by the names that boto3 uses: ("lambda", "CreateFunction").

Query services say it in `Action`, JSON ones in `X-Amz-Target`; a REST request is matched against botocore's own model
of the service, through moto's router. The service is read from the signature's scope.
"""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from botocore.exceptions import UnknownServiceError
from moto.core.request import Request
from moto.core.routing import get_service_router
from werkzeug.exceptions import HTTPException

from localcloud.aws.wire import Protocol

SCOPE = re.compile(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/aws4_request")
BY_SIGNING_NAME = {"monitoring": "cloudwatch", "elasticloadbalancing": "elbv2", "tagging": "resourcegroupstaggingapi"}
REST_XML = frozenset({"s3", "s3control", "cloudfront", "route53"})
READS = re.compile(
    r"^(BatchGet|Describe|Estimate|Filter|Get|Head|List|Lookup|Query|Scan|Search|Select|Simulate|Test|Validate)"
)
UNKNOWN = "Unknown"


@dataclass(frozen=True)
class Operation:
    """`name` is `Unknown` where botocore does not know the route either."""

    service: str
    name: str
    protocol: Protocol
    dry_run: bool = False
    """EC2's DryRun: nothing is to be done."""

    @property
    def is_read(self) -> bool:
        return READS.match(self.name) is not None


def operation_of(environ: dict[str, Any]) -> Operation:
    """The operation that a WSGI request asks for. Reads the body of query requests and rewinds it."""
    service = _service(environ)
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target:
        return Operation(service, target.rpartition(".")[2], "json")
    fields = _fields(environ)
    if action := fields.get("Action", [""])[0]:
        dry_run = service == "ec2" and fields.get("DryRun", [""])[0].lower() == "true"
        return Operation(service, action, "ec2" if service == "ec2" else "query", dry_run)
    return Operation(service, _route(service, environ), "rest-xml" if service in REST_XML else "rest-json")


def _service(environ: dict[str, Any]) -> str:
    scope = SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    if not scope:
        return "s3"
    name = scope.group(2).lower()
    if name == "apigateway" and environ["PATH_INFO"].startswith("/v2/"):
        return "apigatewayv2"
    return BY_SIGNING_NAME.get(name, name)


def _fields(environ: dict[str, Any]) -> dict[str, list[str]]:
    """The form of a query request."""
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        body: bytes = environ["wsgi.input"].read()
        environ["wsgi.input"].seek(0)
        return parse_qs(body.decode("utf-8", "replace"))
    return parse_qs(environ.get("QUERY_STRING", ""))


def _route(service: str, environ: dict[str, Any]) -> str:
    try:
        operation, _ = get_service_router(service).match(Request(environ))
    except (HTTPException, NotImplementedError, UnknownServiceError):
        return UNKNOWN
    return str(operation.name)
