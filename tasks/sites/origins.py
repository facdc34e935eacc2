"""A distribution's configuration as AWS writes it: what is read out of one, and what a new one is."""

import copy
import re
from collections.abc import Mapping
from typing import Any

from blocks.environment import Environment

CACHE_POLICY = "658327ea-f89d-4fab-a63d-7e88639e58f6"
"""AWS's managed policy CachingOptimized: compressed, by path alone, for as long as the file's header says."""
HEADERS_POLICY = "67f7725c-6f97-4210-82d7-5512b31e9d03"
"""AWS's managed policy SecurityHeadersPolicy: HSTS, nosniff, frame options, referrer policy."""
ERRORS = (403, 404)
"""With an origin access control a missing object is 403; both mean a route of the page."""
ERROR_SECONDS = 10
BUCKET = re.compile(r"^(?P<bucket>.+?)\.s3[.-]([a-z0-9-]+\.)?amazonaws\.com$")


def domain_of(bucket: str, region: str) -> str:
    return f"{bucket}.s3.{region}.amazonaws.com"


def new_config(environment: Environment, bucket: str, control: str) -> dict[str, Any]:
    """The configuration of a distribution of ours."""
    methods = {"Quantity": 2, "Items": ["GET", "HEAD"]}
    origin = {
        "Id": "site",
        "DomainName": domain_of(bucket, environment.region),
        "OriginAccessControlId": control,
        "S3OriginConfig": {"OriginAccessIdentity": ""},
    }
    page = {"ResponsePagePath": "/index.html", "ResponseCode": "200", "ErrorCachingMinTTL": ERROR_SECONDS}
    return {
        "CallerReference": environment.names.site,
        "Comment": environment.names.site,
        "Enabled": True,
        "DefaultRootObject": "index.html",
        "Origins": {"Quantity": 1, "Items": [origin]},
        "DefaultCacheBehavior": {
            "TargetOriginId": "site",
            "ViewerProtocolPolicy": "redirect-to-https",
            "AllowedMethods": {**methods, "CachedMethods": methods},
            "Compress": True,
            "CachePolicyId": CACHE_POLICY,
            "ResponseHeadersPolicyId": HEADERS_POLICY,
        },
        "CustomErrorResponses": {"Quantity": len(ERRORS), "Items": [{"ErrorCode": code, **page} for code in ERRORS]},
        "PriceClass": environment.site.price_class,
        "HttpVersion": "http2and3",
        "IsIPV6Enabled": True,
    }


def origin_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The origin of the default behaviour."""
    target = config["DefaultCacheBehavior"]["TargetOriginId"]
    return next(origin for origin in config["Origins"]["Items"] if origin["Id"] == target)


def bucket_behind(config: Mapping[str, Any]) -> str | None:
    found = BUCKET.match(origin_of(config)["DomainName"])
    return found["bucket"] if found else None


def access_control(origin: Mapping[str, Any]) -> str:
    """How CloudFront proves who it is: the id of an access control, an older identity, or '' for not at all."""
    identity = (origin.get("S3OriginConfig") or {}).get("OriginAccessIdentity") or ""
    return str(origin.get("OriginAccessControlId") or identity)


def error_pages(config: Mapping[str, Any]) -> str:
    """`403 and 404 → /index.html`; '' for none, and anything else in AWS's words."""
    items = (config.get("CustomErrorResponses") or {}).get("Items") or []
    pages = {(item.get("ResponsePagePath"), str(item.get("ResponseCode"))) for item in items}
    if pages == {("/index.html", "200")} and sorted(item["ErrorCode"] for item in items) == list(ERRORS):
        return "403 and 404 → /index.html"
    return ", ".join(f"{item['ErrorCode']} → {item.get('ResponsePagePath') or '-'}" for item in items)


def with_changes(config: Mapping[str, Any], fields: set[str], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The whole configuration with these facts as in `wanted`, and all else as it was."""
    changed = copy.deepcopy(dict(config))
    origin, behaviour = origin_of(changed), changed["DefaultCacheBehavior"]
    whole = {"first page": "DefaultRootObject", "error pages": "CustomErrorResponses", "price class": "PriceClass",
             "enabled": "Enabled"}  # fmt: skip
    parts = {"protocol": "ViewerProtocolPolicy", "cache policy": "CachePolicyId",
             "headers policy": "ResponseHeadersPolicyId", "compression": "Compress"}  # fmt: skip
    for name in fields & whole.keys():
        changed[whole[name]] = copy.deepcopy(wanted[whole[name]])
    for name in fields & parts.keys():
        behaviour[parts[name]] = wanted["DefaultCacheBehavior"][parts[name]]
    if "cache policy" in fields:  # AWS refuses these beside a policy
        for old in ("ForwardedValues", "MinTTL", "DefaultTTL", "MaxTTL"):
            behaviour.pop(old, None)
    if "origin" in fields:
        origin["DomainName"] = origin_of(wanted)["DomainName"]
    if "access control" in fields:
        origin["OriginAccessControlId"] = origin_of(wanted)["OriginAccessControlId"]
        origin["S3OriginConfig"] = {"OriginAccessIdentity": ""}
    return changed
