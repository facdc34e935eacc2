"""How a package's bytes reach Lambda: in the call up to 50 MB, through a private bucket above that.

In the call is one request and nothing to clean up, so it is the rule. The bucket is made when the first large package
comes, with public access blocked, and its objects are named by their content, so the same package is sent once.
"""

from typing import Any, Protocol

from botocore.exceptions import ClientError

from tasks.changes import Rollout, deletion, tags_from
from tasks.errors import absent_as_none, error_code, is_absent
from tasks.steps import step

DIRECT_LIMIT = 50 * 1000 * 1000
"""Bytes of zip that Lambda takes in the call itself (Lambda quotas: 50 MB)."""


class Package(Protocol):
    """What deploying needs to know of a built package (`tasks.bundling.bundle.Bundle`)."""

    @property
    def path(self) -> Any: ...
    @property
    def sha256_hex(self) -> str: ...
    @property
    def code_sha256(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def runtime(self) -> str: ...
    @property
    def architecture(self) -> str: ...
    @property
    def handler(self) -> str: ...


def code_of(rollout: Rollout, package: Package, *, limit: int = DIRECT_LIMIT) -> dict[str, Any]:
    """The code parameters of `create_function` and `update_function_code`."""
    if package.size <= limit:
        return {"ZipFile": package.path.read_bytes()}
    bucket, key = rollout.environment.names.artifacts_bucket, f"{package.sha256_hex}.zip"
    s3 = rollout.aws("s3")
    ensure_bucket(rollout, s3, bucket)
    if not exists(lambda: s3.head_object(Bucket=bucket, Key=key)):
        with package.path.open("rb") as body:
            s3.put_object(Bucket=bucket, Key=key, Body=body, ChecksumSHA256=package.code_sha256)
    return {"S3Bucket": bucket, "S3Key": key}


def ensure_bucket(rollout: Rollout, s3: Any, bucket: str) -> None:
    """A private bucket. Each call says the whole of what it sets, so repeating them after a crash is right."""
    if not exists(lambda: s3.head_bucket(Bucket=bucket)):
        region = rollout.environment.region
        place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=bucket, **place)
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": rollout.tag_list})


def exists(head: Any) -> bool:
    """False when the HEAD request answers 404; every other error is raised."""
    try:
        head()
    except ClientError as error:
        if is_absent(error):
            return False
        raise
    return True


@step("Destroy the packages")
def destroy_uploads(rollout: Rollout) -> None:
    """Empty the bucket of packages and delete it; nothing to do where no package was ever large."""
    s3, bucket = rollout.aws("s3"), rollout.environment.names.artifacts_bucket
    tags = absent_as_none(lambda: bucket_tags(s3, bucket))
    rollout.converge(
        f"bucket {bucket}",
        deletion(rollout, f"bucket {bucket}", tags),
        apply=lambda: delete_bucket(s3, bucket),
        planned=lambda: None,
    )


def bucket_tags(s3: Any, bucket: str) -> dict[str, str]:
    try:
        return tags_from(s3.get_bucket_tagging(Bucket=bucket)["TagSet"])
    except ClientError as error:
        if error_code(error) == "NoSuchTagSet":
            return {}
        raise


def delete_bucket(s3: Any, bucket: str) -> None:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        if keys := [{"Key": item["Key"]} for item in page.get("Contents", [])]:
            s3.delete_objects(Bucket=bucket, Delete={"Objects": keys})
    s3.delete_bucket(Bucket=bucket)
