"""The bucket of a site: private, encrypted, owned whole, and keeping earlier versions, which is what a rollback needs.

One that the environment names (`[site] bucket`) is somebody's: of it only versioning is turned on, the rest is said as
a finding, and it is never destroyed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from tasks.changes import Change, Rollout, adoption, deletion, differences, tags_from
from tasks.errors import Permanent, absent_as_none, error_code, when_settled, when_visible
from tasks.steps import step

KEPT_DAYS = 90
"""How long earlier contents are kept, and so how far a rollback reaches."""
BLOCK = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
OWNER = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
ENCRYPTION = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
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
UNSET = frozenset({
    "NoSuchTagSet", "NoSuchPublicAccessBlockConfiguration", "OwnershipControlsNotFoundError", "NoSuchBucketPolicy",
    "ServerSideEncryptionConfigurationNotFoundError", "NoSuchLifecycleConfiguration",
})  # fmt: skip
WANTED: Mapping[str, object] = {
    "public access": "blocked",
    "ownership": "BucketOwnerEnforced",
    "encryption": "on",
    "versioning": "Enabled",
    "earlier contents": f"{KEPT_DAYS} days",
}


@dataclass(frozen=True)
class SeenBucket:
    """A bucket as it stands, in the words of a plan."""

    tags: Mapping[str, str]
    settings: Mapping[str, object]


def observe_bucket(s3: Any, bucket: str) -> SeenBucket | None:
    if absent_as_none(lambda: s3.head_bucket(Bucket=bucket)) is None:
        return None

    def read(operation: str) -> Any:
        return unset_as_empty(lambda: getattr(s3, operation)(Bucket=bucket))

    block = read("get_public_access_block").get("PublicAccessBlockConfiguration", {})
    owner = read("get_bucket_ownership_controls").get("OwnershipControls", {}).get("Rules", [{}])
    rules = read("get_bucket_lifecycle_configuration").get("Rules", [])
    kept = [rule["NoncurrentVersionExpiration"]["NoncurrentDays"] for rule in rules if rule.get("ID") == RULE]
    settings = {
        "public access": "blocked" if all(block.get(name) for name in BLOCK) else "not blocked",
        "ownership": owner[0].get("ObjectOwnership", ""),
        "encryption": "on" if read("get_bucket_encryption") else "off",
        "versioning": read("get_bucket_versioning").get("Status", "off"),
        "earlier contents": f"{kept[0]} days" if kept else "no rule",
    }
    return SeenBucket(tags_from(read("get_bucket_tagging").get("TagSet", [])), settings)


def unset_as_empty(read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The answer of a read; {} when AWS says that this was never set."""
    try:
        answer = read()
    except ClientError as error:
        if error_code(error) in UNSET:
            return {}
        raise
    answer.pop("ResponseMetadata", None)
    return answer


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
        apply=lambda: apply_bucket(rollout, s3, bucket, changes),
        planned=lambda: bucket,
    )


def apply_bucket(rollout: Rollout, s3: Any, bucket: str, changes: list[Change]) -> str:
    """Each call says the whole of what it sets, so repeating them after a crash is right."""
    new = any(change.action == "create" for change in changes)
    if new:
        create_bucket(rollout, s3, bucket)
    setters: Mapping[str, Callable[[], Any]] = {
        "tags": lambda: s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": rollout.tag_list}),
        "public access": lambda: s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=BLOCK),
        "ownership": lambda: s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=OWNER),
        "encryption": lambda: s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=ENCRYPTION),
        "versioning": lambda: s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}),
        "earlier contents": lambda: s3.put_bucket_lifecycle_configuration(
            Bucket=bucket, LifecycleConfiguration=LIFECYCLE
        ),
    }
    for name, setter in setters.items():
        if new or any(change.field == name for change in changes):
            when_visible(lambda setter=setter: when_settled(setter, patience=120))  # type: ignore[misc]
    return bucket


def create_bucket(rollout: Rollout, s3: Any, bucket: str) -> None:
    region = rollout.environment.region
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        s3.create_bucket(Bucket=bucket, ObjectOwnership="BucketOwnerEnforced", **place)
    except ClientError as error:
        if error_code(error) == "BucketAlreadyExists":
            raise Permanent(f"bucket {bucket!r} belongs to another account: name one in [site] bucket") from error
        if error_code(error) != "BucketAlreadyOwnedByYou":
            raise


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
