"""The bucket of a site: private, encrypted, owned whole, and keeping earlier versions, which is what a rollback needs.

One that the environment names (`[site] bucket`) is somebody's: of it only versioning is turned on, the rest is said as
a finding, and it is never destroyed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks import buckets
from tasks.buckets import PRIVATE, SeenBucket, apply_bucket, unset_as_empty
from tasks.changes import Change, Rollout, adoption, deletion, differences, tags_from
from tasks.errors import Permanent, absent_as_none
from tasks.steps import step

__all__ = ["WANTED", "SeenBucket", "ensure_site_bucket", "observe_bucket", "unset_as_empty"]

KEPT_DAYS = 90
"""How long earlier contents are kept, and so how far a rollback reaches."""
RULE = "miyabi-earlier-contents"
LIFECYCLE = {
    "Rules": [
        {
            "ID": RULE,
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "NoncurrentVersionExpiration": {"NoncurrentDays": KEPT_DAYS},
            "Expiration": {"ExpiredObjectDeleteMarker": True},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        }
    ]
}
WANTED: Mapping[str, object] = {**PRIVATE, "earlier contents": f"{KEPT_DAYS} days"}


def observe_bucket(s3: Any, bucket: str) -> SeenBucket | None:
    return buckets.observe_bucket(s3, bucket, lifetimes)


def lifetimes(rules: Sequence[Mapping[str, Any]]) -> Mapping[str, object]:
    kept = [rule["NoncurrentVersionExpiration"]["NoncurrentDays"] for rule in rules if rule.get("ID") == RULE]
    return {"earlier contents": f"{kept[0]} days" if kept else "no rule"}


def plan_bucket(rollout: Rollout, bucket: str, seen: SeenBucket | None, *, given: bool) -> list[Change]:
    """What is to be done to the bucket; one that the environment names only gets what a rollback needs."""
    subject = f"bucket {bucket}"
    if seen is None:
        return [Change("create", subject, "", "", "private, encrypted, versioned", "does not exist")]
    if given:
        return differences(subject, {"versioning": "Enabled"}, seen.settings, "a rollback needs earlier contents")
    return adoption(subject, rollout.environment, dict(seen.tags)) + differences(subject, WANTED, seen.settings)


@step("Ensure the site's bucket")
def ensure_site_bucket(rollout: Rollout, bucket: str) -> str:
    """The bucket, as it has to be; its name."""
    s3, given = rollout.aws("s3"), bool(rollout.environment.site.bucket or rollout.environment.site.distribution)
    seen = observe_bucket(s3, bucket)
    if seen is None and given:
        raise Permanent(f"bucket {bucket!r} of the environment's [site] does not exist in this account")
    if seen and given and seen.settings["public access"] != "blocked":
        rollout.find(f"bucket {bucket}", "is not closed to the public; block public access once nobody reads it so")
    if seen and not given:
        rollout.require_ours(f"bucket {bucket!r}", dict(seen.tags))
    changes = plan_bucket(rollout, bucket, seen, given=given)
    return rollout.converge(
        f"bucket {bucket}",
        changes,
        apply=lambda: apply_bucket(rollout, bucket, changes, LIFECYCLE),
        planned=lambda: bucket,
    )


@step("Destroy the site's bucket")
def destroy_site_bucket(rollout: Rollout) -> None:
    """Empty the bucket, earlier versions too, and delete it; one that the environment names stays."""
    s3, bucket = rollout.aws("s3"), rollout.environment.names.site_bucket
    if rollout.environment.site.bucket:
        return
    there = absent_as_none(lambda: s3.head_bucket(Bucket=bucket))
    tags = tags_from(unset_as_empty(lambda: s3.get_bucket_tagging(Bucket=bucket)).get("TagSet", [])) if there else None
    rollout.converge(
        f"bucket {bucket}",
        deletion(rollout, f"bucket {bucket}", tags),
        apply=lambda: delete_bucket(rollout, s3, bucket),
        planned=lambda: None,
    )


def delete_bucket(rollout: Rollout, s3: Any, bucket: str) -> None:
    objects = rollout.aws.objects(bucket)
    objects.delete(list(objects.versions(markers=True)))
    absent_as_none(lambda: s3.delete_bucket(Bucket=bucket))
