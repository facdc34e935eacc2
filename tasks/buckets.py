"""A private bucket: closed to the public, owned whole, encrypted, keeping earlier versions, with rules of how long.

What a site and the backups lie in. Each says itself which lifecycle rules it wants, and under which names they stand in
a plan.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from tasks.changes import Change, Rollout, tags_from
from tasks.errors import Permanent, absent_as_none, error_code, when_settled, when_visible

BLOCK = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
OWNER = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
ENCRYPTION = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
UNSET = frozenset({
    "NoSuchTagSet", "NoSuchPublicAccessBlockConfiguration", "OwnershipControlsNotFoundError", "NoSuchBucketPolicy",
    "ServerSideEncryptionConfigurationNotFoundError", "NoSuchLifecycleConfiguration",
})  # fmt: skip
PRIVATE: Mapping[str, object] = {
    "public access": "blocked",
    "ownership": "BucketOwnerEnforced",
    "encryption": "on",
    "versioning": "Enabled",
}
"""What every such bucket is to be, in the words of a plan."""
Lifetimes = Callable[[Sequence[Mapping[str, Any]]], Mapping[str, object]]
"""What a bucket's lifecycle rules say, in the words of a plan."""


@dataclass(frozen=True)
class SeenBucket:
    """A bucket as it stands, in the words of a plan."""

    tags: Mapping[str, str]
    settings: Mapping[str, object]


def observe_bucket(s3: Any, bucket: str, lifetimes: Lifetimes) -> SeenBucket | None:
    if absent_as_none(lambda: s3.head_bucket(Bucket=bucket)) is None:
        return None

    def read(operation: str) -> Any:
        return unset_as_empty(lambda: getattr(s3, operation)(Bucket=bucket))

    block = read("get_public_access_block").get("PublicAccessBlockConfiguration", {})
    owner = read("get_bucket_ownership_controls").get("OwnershipControls", {}).get("Rules", [{}])
    settings = {
        "public access": "blocked" if all(block.get(name) for name in BLOCK) else "not blocked",
        "ownership": owner[0].get("ObjectOwnership", ""),
        "encryption": "on" if read("get_bucket_encryption") else "off",
        "versioning": read("get_bucket_versioning").get("Status", "off"),
        **lifetimes(read("get_bucket_lifecycle_configuration").get("Rules", [])),
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


def apply_bucket(rollout: Rollout, bucket: str, changes: Sequence[Change], lifecycle: Mapping[str, Any]) -> str:
    """Each call says the whole of what it sets, so repeating them after a crash is right."""
    s3, new = rollout.aws("s3"), any(change.action == "create" for change in changes)
    if new:
        create_bucket(rollout, s3, bucket)
    setters: Mapping[str, Callable[[], Any]] = {
        "tags": lambda: s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": rollout.tag_list}),
        "public access": lambda: s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=BLOCK),
        "ownership": lambda: s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=OWNER),
        "encryption": lambda: s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=ENCRYPTION),
        "versioning": lambda: s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}),
    }
    changed = {change.field for change in changes}
    for name, setter in setters.items():
        if new or name in changed:
            when_visible(lambda setter=setter: when_settled(setter, patience=120))  # type: ignore[misc]
    if new or changed - set(setters):
        rules = {"Bucket": bucket, "LifecycleConfiguration": lifecycle}
        when_visible(lambda: when_settled(lambda: s3.put_bucket_lifecycle_configuration(**rules), patience=120))
    return bucket


def create_bucket(rollout: Rollout, s3: Any, bucket: str) -> None:
    region = rollout.environment.region
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        s3.create_bucket(Bucket=bucket, ObjectOwnership="BucketOwnerEnforced", **place)
    except ClientError as error:
        if error_code(error) == "BucketAlreadyExists":
            raise Permanent(f"bucket {bucket!r} belongs to another account") from error
        if error_code(error) != "BucketAlreadyOwnedByYou":
            raise
