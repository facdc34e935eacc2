"""S3: contents that are saved once, a digest that is checked, and a block of public access that blocks.

moto pickles every object's content with every save of the service, which stops all writes for a fifth of a second at
20 MB; here a content becomes a blob when it is first saved. And moto minds neither Content-MD5 nor the block.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from moto.s3.exceptions import S3ClientError
from moto.s3.models import FakeKey, S3Backend
from moto.s3.responses import S3Response

from localcloud.aws.patches import Patches
from localcloud.aws.state import Blob

if TYPE_CHECKING:
    from localcloud.cloud import Cloud


class PublicPolicy(S3ClientError):
    """What S3 answers to a public policy on a bucket that blocks them."""

    def __init__(self) -> None:
        super().__init__(
            "AccessDenied",
            "User is not authorized to perform: s3:PutBucketPolicy because public policies are blocked by the "
            "BlockPublicPolicy block public access setting.",
        )


class BadDigest(S3ClientError):
    """What S3 answers to a content that is not what its Content-MD5 says."""

    def __init__(self) -> None:
        super().__init__("BadDigest", "The Content-MD5 you specified did not match what we received.")


def install(cloud: "Cloud") -> None:
    """Close S3's gaps."""
    _install_saving(cloud.patches)
    _install_digests(cloud.patches)
    _install_access(cloud.patches)


def _install_saving(patches: Patches) -> None:
    @patches.wrap(FakeKey, "__getstate__")
    def state(original: Any, key: Any) -> dict[str, Any]:
        if key.disposed or key.multipart:
            return dict(original(key))
        if "saved_content" not in vars(key):
            key.saved_content = Blob(key.value)
        left_out = ("_value_buffer", "lock", "saved_content")
        kept = {name: value for name, value in vars(key).items() if name not in left_out}
        return {**kept, "value": key.saved_content}


def _install_digests(patches: Patches) -> None:
    @patches.wrap(S3Response, "put_object")
    def put(original: Any, response: Any) -> Any:
        said = response.headers.get("Content-MD5")
        if said and base64.b64encode(hashlib.md5(response.body, usedforsecurity=False).digest()).decode() != said:
            raise BadDigest
        return original(response)


def _install_access(patches: Patches) -> None:
    @patches.wrap(S3Backend, "put_bucket_policy")
    def put(original: Any, backend: Any, bucket_name: str, policy: bytes) -> None:
        block = backend.get_bucket(bucket_name).public_access_block
        if block and block.block_public_policy in (True, "true") and is_public(json.loads(policy)):
            raise PublicPolicy
        original(backend, bucket_name, policy)


def is_public(policy: Mapping[str, Any]) -> bool:
    """True if the policy lets everybody in: an allowed principal `*` without a condition."""
    return any(
        statement.get("Effect") == "Allow"
        and not statement.get("Condition")
        and statement.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
        for statement in statements(policy)
    )


def statements(policy: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = policy.get("Statement", [])
    return found if isinstance(found, list) else [found]


def listed(value: Any) -> list[str]:
    """A policy's `Action` or `Resource`, which may be one text."""
    return [value] if isinstance(value, str) else list(value or ())
