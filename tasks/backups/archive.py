"""The bucket of backups as an archive: what is in it, newest first, and a dump's bytes as they come.

Nothing of a dump is ever held whole, in memory or on this worker's disk.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import IO, Any

from boto3.exceptions import S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from tasks.backups.manifest import KINDS, MANIFEST, BadManifest, Kind, Manifest, manifest_key, parse_manifest
from tasks.changes import Rollout
from tasks.errors import Permanent, Temporary, absent_as_none, is_absent

PART = 16 * 1024 * 1024
"""Bytes of one part of an upload: S3 takes 10,000 of them, so a dump may have 156 GB."""
TRANSFER = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=4)
"""At most four parts are in memory at a time, and one that is read."""
CHUNK = 1024 * 1024


class NoBackup(Permanent):
    """There is none, or not the one that was named."""


class Archive:
    """The backups of one environment."""

    def __init__(self, rollout: Rollout) -> None:
        self.bucket = rollout.environment.names.backups_bucket
        self._s3 = rollout.aws("s3")

    def ids(self) -> list[tuple[str, Kind]]:
        """(id, kind) of every backup that has a manifest, newest first. None where there is no bucket."""
        found: list[tuple[str, Kind]] = []
        for kind in KINDS:
            keys = (key for key in self.keys(f"{kind}/") if key.endswith(f"/{MANIFEST}"))
            found += [(key.split("/")[1], kind) for key in keys]
        return sorted(found, reverse=True)

    def keys(self, prefix: str) -> Iterator[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        try:
            for page in pages:
                yield from (str(item["Key"]) for item in page.get("Contents", []))
        except ClientError as error:
            if not is_absent(error):
                raise

    def manifest(self, backup: str, kind: Kind) -> Manifest:
        """Raises BadManifest, or NoBackup where it is gone."""
        key = manifest_key(kind, backup)
        text = self.read(key)
        if text is None:
            raise NoBackup(f"the manifest {key} is not in {self.bucket} any more")
        return parse_manifest(text, key=key)

    def find(self, backup: str = "") -> tuple[str, Kind]:
        """The backup with this id, or the newest. Raises NoBackup with what there is."""
        known = self.ids()
        if not known:
            raise NoBackup(f"there is no backup in {self.bucket!r}: run `miyabi backup`")
        if not backup:
            return known[0]
        for found in known:
            if found[0] == backup:
                return found
        newest = ", ".join(name for name, _ in known[:5])
        raise NoBackup(f"there is no backup {backup!r} in {self.bucket!r}; the newest are {newest}")

    def before(self, manifest: Manifest) -> Manifest | None:
        """The backup before this one that can be read."""
        for backup, kind in self.ids():
            if backup < manifest.id:
                try:
                    return self.manifest(backup, kind)
                except BadManifest:
                    continue
        return None

    def read(self, key: str) -> bytes | None:
        found = absent_as_none(lambda: self._s3.get_object(Bucket=self.bucket, Key=key))
        return bytes(found["Body"].read()) if found else None

    def put_json(self, key: str, text: str) -> None:
        self._s3.put_object(
            Bucket=self.bucket, Key=key, Body=text.encode(), ContentType="application/json",
            ServerSideEncryption="AES256",
        )  # fmt: skip

    def size(self, manifest: Manifest) -> int | None:
        """Of the stored dump; None if it is gone."""
        found = absent_as_none(lambda: self._s3.head_object(**self._place(manifest)))
        return int(found["ContentLength"]) if found else None

    def replaced(self, manifest: Manifest) -> str | None:
        """What lies in the dump's place now, if it is not what the manifest says; None if it is."""
        if manifest.version in ("", "null"):
            return None
        now = absent_as_none(lambda: self._s3.head_object(Bucket=self.bucket, Key=manifest.key))
        if now is None:
            return "it was deleted"
        if now.get("VersionId") == manifest.version:
            return None
        return f"another object of {now['ContentLength']:,} bytes was put there at {now['LastModified']:%Y-%m-%d %H:%M}"

    def upload(self, key: str, source: "Measured") -> str:
        """Store what the source gives, in parts; S3's version of it. Raises what the source raises."""
        extra = {"ServerSideEncryption": "AES256", "ContentType": "application/octet-stream"}
        try:
            self._s3.upload_fileobj(source, self.bucket, key, ExtraArgs=extra, Config=TRANSFER)
        except S3UploadFailedError as error:
            raise Temporary(f"the dump cannot be stored as {key} in {self.bucket}: {error}") from error
        return str(self._s3.head_object(Bucket=self.bucket, Key=key).get("VersionId", ""))

    def stream(self, manifest: Manifest) -> Iterator[bytes]:
        """The dump's bytes, in order."""
        yield from self._s3.get_object(**self._place(manifest))["Body"].iter_chunks(CHUNK)

    def _place(self, manifest: Manifest) -> dict[str, Any]:
        version = {"VersionId": manifest.version} if manifest.version not in ("", "null") else {}
        return {"Bucket": self.bucket, "Key": manifest.key, **version}


class Measured:
    """A stream that is measured while it is read; `ended` is called at its end, before whoever reads hears of it.

    So a program that failed fails the upload of its output, and no object comes of it.
    """

    def __init__(self, source: IO[bytes], ended: Callable[[], None], progress: Callable[[int], None]) -> None:
        self._source, self._ended, self._progress = source, ended, progress
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self._digest.update(data)
        self.size += len(data)
        self._progress(self.size)
        if not data or (size >= 0 and len(data) < size):
            self._ended()
        return data


def dumped(fields: dict[str, Any]) -> str:
    """JSON for people and machines."""
    return json.dumps(fields, indent=1, default=str)


def now() -> datetime:
    return datetime.now(UTC)
