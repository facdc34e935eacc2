"""The CloudFront distribution of a site: the bucket behind an origin access control, and nobody else let in.

One that the environment names (`[site] distribution`, the mission's E1FF97QM8U71OR) is somebody's: of it only what a
site cannot do without is set, and only where nothing is set; it gets no tags and is never destroyed. An update carries
the whole configuration as it was read, under its ETag, so nobody else's change is lost.
"""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from tasks.changes import PENDING, Change, Rollout, adoption, deletion, differences, tags_from
from tasks.errors import Permanent, Rejected, Temporary, absent_as_none, error_code
from tasks.sites.access import delete_access_control, ensure_access_control, find_access_control
from tasks.sites.bucket import unset_as_empty
from tasks.sites.origins import (
    CACHE_POLICY,
    HEADERS_POLICY,
    access_control,
    bucket_behind,
    domain_of,
    error_pages,
    new_config,
    origin_of,
    with_changes,
)
from tasks.steps import step
from tasks.waiting import wait_until

DEPLOYING_S, USUAL_S = 1800.0, 300.0
STATEMENT = "MiyabiSite"
CHANGED_MEANWHILE = frozenset({"PreconditionFailed", "InvalidIfMatchVersion", "DistributionAlreadyExists"})


@dataclass(frozen=True)
class Distribution:
    """The distribution as others need it."""

    id: str
    arn: str
    url: str
    """Where the site is reached, without a slash at the end."""


@dataclass(frozen=True)
class SeenDistribution:
    id: str
    arn: str
    domain: str
    status: str
    etag: str
    config: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)


def observe_distribution(rollout: Rollout) -> SeenDistribution | None:
    """The named one, else ours by its comment; whether it is ours or not."""
    client, given = rollout.aws("cloudfront"), rollout.environment.site.distribution
    found = given or next(
        (
            item["Id"]
            for page in client.get_paginator("list_distributions").paginate()
            for item in page["DistributionList"].get("Items", [])
            if item["Comment"] == rollout.environment.names.site
        ),
        None,
    )
    answer = absent_as_none(lambda: client.get_distribution(Id=found)) if found else None
    if answer is None:
        if given:
            raise Permanent(f"distribution {given!r} of the environment's [site] does not exist in this account")
        return None
    one = answer["Distribution"]
    tags = {} if given else tags_from(client.list_tags_for_resource(Resource=one["ARN"])["Tags"]["Items"])
    return SeenDistribution(
        one["Id"], one["ARN"], one["DomainName"], one["Status"], answer["ETag"], one["DistributionConfig"], tags
    )


@step("Find the site's place")
def find_place(rollout: Rollout) -> str:
    """The name of the site's bucket: the environment's, the one behind a named distribution, or our own."""
    settings, seen = rollout.environment.site, None
    if settings.distribution:
        seen = observe_distribution(rollout)
        assert seen
        behind = bucket_behind(seen.config)
        if not behind or settings.bucket not in ("", behind):
            wanted = f"bucket {settings.bucket!r}" if settings.bucket else "a bucket"
            said = f"its origin is {origin_of(seen.config)['DomainName']!r}, not {wanted}"
            raise Rejected(f"distribution {seen.id}", [f"{said}: mend [site] in the environment, or the distribution"])
        return behind
    return rollout.environment.names.site_bucket


def wanted_facts(rollout: Rollout, bucket: str, control: str) -> dict[str, object]:
    """What a distribution of ours has, in the words of a plan (`facts_of`)."""
    return {
        "origin": domain_of(bucket, rollout.environment.region),
        "access control": control,
        "first page": "index.html",
        "error pages": "403 and 404 → /index.html",
        "protocol": "redirect-to-https",
        "cache policy": "CachingOptimized",
        "headers policy": "SecurityHeadersPolicy",
        "compression": "on",
        "price class": rollout.environment.site.price_class,
        "enabled": "yes",
    }


def facts_of(config: Mapping[str, Any]) -> dict[str, object]:
    """A distribution's configuration in the words of a plan."""
    behaviour, origin = config["DefaultCacheBehavior"], origin_of(config)
    cache, headers = behaviour.get("CachePolicyId"), behaviour.get("ResponseHeadersPolicyId")
    return {
        "origin": origin["DomainName"],
        "access control": access_control(origin),
        "first page": config.get("DefaultRootObject", ""),
        "error pages": error_pages(config),
        "protocol": behaviour["ViewerProtocolPolicy"],
        "cache policy": "CachingOptimized" if cache == CACHE_POLICY else cache or "none",
        "headers policy": "SecurityHeadersPolicy" if headers == HEADERS_POLICY else headers or "none",
        "compression": "on" if behaviour.get("Compress") else "off",
        "price class": config.get("PriceClass", ""),
        "enabled": "yes" if config["Enabled"] else "no",
    }


def plan_distribution(
    rollout: Rollout, subject: str, wanted: Mapping[str, object], seen: SeenDistribution | None
) -> list[Change]:
    if seen is None:
        return [Change("create", subject, "", "", "the bucket, by an origin access control", "does not exist")]
    given, actual = rollout.environment.site.distribution, facts_of(seen.config)
    if given:  # of somebody's distribution only what is not set at all
        lacking = [name for name in ("access control", "first page", "error pages") if not actual[name]]
        changes = differences(subject, {name: wanted[name] for name in lacking}, actual, "a site needs it")
    else:
        changes = adoption(subject, rollout.environment, dict(seen.tags)) + differences(subject, wanted, actual)
    if not changes and seen.status != "Deployed":
        changes = [Change("run", subject, "status", seen.status, "Deployed", "an earlier change is on its way")]
    return changes


@step("Ensure the site's distribution")
def ensure_distribution(rollout: Rollout, bucket: str) -> Distribution:
    """The distribution in front of the bucket, deployed everywhere."""
    name, seen = rollout.environment.names.site, observe_distribution(rollout)
    subject = f"distribution {seen.id if seen and rollout.environment.site.distribution else name}"
    if seen and not rollout.environment.site.distribution:
        rollout.require_ours(f"{subject} ({seen.id})", dict(seen.tags))
    if seen and rollout.environment.site.distribution and not seen.config["Enabled"]:
        raise Permanent(f"{subject} is disabled: enable it, or name another one in [site]")
    control = find_access_control(rollout) or PENDING
    changes = plan_distribution(rollout, subject, wanted_facts(rollout, bucket, control), seen)
    return rollout.converge(
        subject,
        changes,
        apply=lambda: described(rollout, apply_distribution(rollout, bucket, changes, seen)),
        planned=lambda: described(rollout, seen),
    )


def described(rollout: Rollout, seen: SeenDistribution | None) -> Distribution:
    domain = seen.domain if seen else PENDING
    url = (rollout.environment.site_url or f"https://{domain}").rstrip("/")
    return Distribution(seen.id if seen else PENDING, seen.arn if seen else PENDING, url)


def apply_distribution(
    rollout: Rollout, bucket: str, changes: Sequence[Change], seen: SeenDistribution | None
) -> SeenDistribution:
    """Create it, or update what differs, and wait until every edge has it."""
    client, names = rollout.aws("cloudfront"), rollout.environment.names
    control = ensure_access_control(rollout) if needs_control(changes, seen) else PENDING
    try:
        if seen is None:
            config = new_config(rollout.environment, bucket, control)
            tagged = {"DistributionConfig": config, "Tags": {"Items": rollout.tag_list}}
            made = client.create_distribution_with_tags(DistributionConfigWithTags=tagged)["Distribution"]["Id"]
        else:
            made = seen.id
            update(rollout, bucket, control, {change.field for change in changes}, seen)
    except ClientError as error:
        if error_code(error) in CHANGED_MEANWHILE:
            raise Temporary(f"distribution {names.site} was changed by someone else just now: {error}") from error
        raise
    wait_deployed(client, made)
    found = observe_distribution(rollout)
    if found is None or found.id != made:
        raise Temporary(f"distribution {made} was made and AWS does not list it yet")
    return found


def needs_control(changes: Sequence[Change], seen: SeenDistribution | None) -> bool:
    return seen is None or any(change.field == "access control" for change in changes)


def update(rollout: Rollout, bucket: str, control: str, fields: set[str], seen: SeenDistribution) -> None:
    client = rollout.aws("cloudfront")
    if "tags" in fields:
        client.tag_resource(Resource=seen.arn, Tags={"Items": rollout.tag_list})
    config = with_changes(seen.config, fields, new_config(rollout.environment, bucket, control))
    if config != seen.config:
        client.update_distribution(Id=seen.id, IfMatch=seen.etag, DistributionConfig=config)


def wait_deployed(client: Any, distribution: str) -> None:
    """Until it is on every edge, with progress."""

    def poll() -> tuple[str, str | None]:
        status = client.get_distribution(Id=distribution)["Distribution"]["Status"]
        return status, status if status.lower() == "deployed" else None

    wait_until(f"distribution {distribution}", poll, patience=DEPLOYING_S, expected=USUAL_S)


@step("Let the distribution read the bucket")
def ensure_access(rollout: Rollout, bucket: str, distribution: Distribution) -> None:
    """The bucket's policy: this distribution may read, beside what else stands in a policy that is not ours."""
    s3 = rollout.aws("s3")
    if rollout.environment.site.distribution and is_read_otherwise(rollout):
        return
    found = absent_as_none(lambda: unset_as_empty(lambda: s3.get_bucket_policy(Bucket=bucket))) or {}
    policy = json.loads(found.get("Policy") or '{"Version": "2012-10-17", "Statement": []}')
    wanted = {
        "Sid": STATEMENT,
        "Effect": "Allow",
        "Principal": {"Service": "cloudfront.amazonaws.com"},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"StringEquals": {"AWS:SourceArn": distribution.arn}},
    }
    others = [statement for statement in policy["Statement"] if statement.get("Sid") != STATEMENT]
    text = json.dumps({**policy, "Statement": [*others, wanted]})
    subject, why = f"bucket {bucket}", "it alone may read the site"
    change = Change("update", subject, "policy", "" if not found else "another", f"distribution {distribution.id}", why)
    rollout.converge(
        f"policy of bucket {bucket}",
        [] if wanted in policy["Statement"] else [change],
        apply=lambda: s3.put_bucket_policy(Bucket=bucket, Policy=text),
        planned=lambda: None,
    )


def is_read_otherwise(rollout: Rollout) -> bool:
    """True if a named distribution reads its bucket by an origin access identity, whose policy is somebody's."""
    seen = observe_distribution(rollout)
    return seen is not None and access_control(origin_of(seen.config)).startswith("origin-access-identity/")


@step("Destroy the site's distribution")
def destroy_distribution(rollout: Rollout) -> None:
    """Disable it, wait, delete it, and its origin access control; one that the environment names stays."""
    if rollout.environment.site.distribution:
        return
    name, seen = rollout.environment.names.site, observe_distribution(rollout)
    rollout.converge(
        f"distribution {name}",
        deletion(rollout, f"distribution {name}", dict(seen.tags) if seen else None),
        apply=lambda: delete_distribution(rollout, seen) if seen else None,
        planned=lambda: None,
    )
    control = find_access_control(rollout)
    rollout.converge(
        f"origin access control {name}",
        [Change("delete", f"origin access control {name}")] if control and not (seen and rollout.planning) else [],
        apply=lambda: delete_access_control(rollout, str(control)),
        planned=lambda: None,
    )


def delete_distribution(rollout: Rollout, seen: SeenDistribution) -> None:
    client = rollout.aws("cloudfront")
    if seen.config["Enabled"]:
        config = {**copy.deepcopy(dict(seen.config)), "Enabled": False}
        client.update_distribution(Id=seen.id, IfMatch=seen.etag, DistributionConfig=config)
    wait_deployed(client, seen.id)
    client.delete_distribution(Id=seen.id, IfMatch=client.get_distribution_config(Id=seen.id)["ETag"])
