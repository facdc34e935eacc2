"""Publishing a site: upload what differs, have the edges forget what was, then remove what two releases do not have.

The manifest is in the environment's database before the first upload, and the way back in the undo log. A page never
refers to what is not there: hashed assets come first, `index.html` last, and stale files go only after the
invalidation; those of one release before stay for pages that are still open. Killed anywhere, the next run finds what
differs, or that the invalidation was not seen to end, and goes on.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from blocks.s3 import Listed, Objects
from database import sites
from database.sites import Manifest
from tasks.changes import PENDING, Change, Rollout
from tasks.errors import Permanent
from tasks.releases import Store
from tasks.reports import publish_site_report
from tasks.sites.building import UNKNOWN_API, BuiltSite
from tasks.sites.distribution import Distribution, observe_distribution
from tasks.sites.files import SiteFile, files_of, manifest_of
from tasks.sites.transfer import differing, earlier_versions, in_waves, named, upload
from tasks.steps import step
from tasks.waiting import wait_until

logger = logging.getLogger(__name__)

KIND = "site"
"""The kind of an undo step of this module."""
Undoable = Callable[[str, str, str, Mapping[str, Any]], AbstractContextManager[None]]
FORGETTING_S, USUAL_S = 1200.0, 60.0


def unrecorded(name: str, kind: str, resource: str, before: Mapping[str, Any]) -> AbstractContextManager[None]:
    """For a publication that nothing has to undo."""
    return nullcontext()


@dataclass(frozen=True)
class Published:
    """What publishing came to."""

    name: str
    url: str
    files: int
    uploaded: int = 0
    uploaded_bytes: int = 0
    removed: int = 0
    manifest: str | None = None
    """Which publication this is, or was found to be; None in a plan of a first one."""


@dataclass(frozen=True)
class SeenSite:
    """What is in the bucket, and what was published there."""

    listed: Mapping[str, Listed]
    current: Manifest | None
    previous: Manifest | None
    all_keys: frozenset[str]
    """Of every attempt; what is in the bucket besides is not ours to remove."""

    @property
    def files(self) -> Mapping[str, Mapping[str, Any]]:
        return self.current.files if self.current else {}

    def is_current(self, files: Sequence[SiteFile]) -> bool:
        """True if exactly these files are what was published last, and the edges were told."""
        return without_etags(self.files) == manifest_of(files)

    def stale(self, files: Sequence[SiteFile]) -> list[Listed]:
        """What neither these files have nor the release before them."""
        before = self.previous if self.is_current(files) else self.current
        kept = {file.key for file in files} | set(before.files if before else ())
        return [one for key, one in sorted(self.listed.items()) if key in self.all_keys and key not in kept]


def without_etags(files: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {key: {name: value for name, value in entry.items() if name != "etag"} for key, entry in files.items()}


def observe_site(store: Store, objects: Objects) -> SeenSite:
    """One listing of the bucket, and its manifests."""
    with store.connection() as connection:
        current, previous = [*sites.latest_manifests(connection, objects.bucket), None, None][:2]
        keys = sites.keys_of_all(connection, objects.bucket)
    return SeenSite(objects.list(), current, previous, frozenset(keys))


def plan_site(subject: str, files: Sequence[SiteFile], seen: SeenSite) -> list[Change]:
    """What has to be uploaded and removed, in two lines."""
    changes, wanted = list[Change](), differing(files, seen.listed, seen.files)
    after = f"{len(wanted)} of {len(files)} uploaded"
    if wanted and seen.is_current(files):  # by somebody's hand: the source is the one that was published
        found = f"{named(wanted)} missing or changed"
        changes.append(Change("update", subject, "published files", found, after, "differ"))
    elif not seen.is_current(files):
        why = "differ" if seen.listed else "the bucket is empty"
        why = why if wanted else "all there, and an earlier run ended before it had told the edges"
        changes.append(Change("update" if seen.current else "create", subject, "files", "", after, why))
    if stale := seen.stale(files):
        after, why = f"{len(stale)} removed", "in neither of two releases"
        changes.append(Change("delete", subject, "files", named(stale), after, why))
    return changes


@step("Publish the site")
def publish_site(
    rollout: Rollout,
    site: BuiltSite,
    bucket: str,
    distribution: Distribution,
    *,
    undoable: Undoable = unrecorded,
    store: Store | None = None,
) -> Published:
    """The site's files in the bucket and on the edges; a no-op says why."""
    store, objects, subject = store or Store(rollout), rollout.aws.objects(bucket), f"site {site.name}"
    if rollout.planning and (PENDING in distribution.id or site.api_url == UNKNOWN_API):
        rollout.note([Change("create", subject, "files", "", f"{len(site.files)} uploaded", "does not exist")])
        return Published(site.name, distribution.url, len(site.files))
    seen = observe_site(store, objects)
    published = rollout.converge(
        subject,
        plan_site(subject, site.files, seen),
        apply=lambda: apply_site(rollout, site, seen, store, objects, distribution, undoable),
        planned=lambda: Published(
            site.name, distribution.url, len(site.files), manifest=str(seen.current.id) if seen.current else None
        ),
    )
    publish_site_report(rollout, published, site)
    return published


def apply_site(
    rollout: Rollout,
    site: BuiltSite,
    seen: SeenSite,
    store: Store,
    objects: Objects,
    distribution: Distribution,
    undoable: Undoable,
) -> Published:
    """Upload, invalidate, and only then remove."""
    files, manifest = site.files, seen.current.id if seen.current else None
    wanted, stale = differing(files, seen.listed, seen.files), seen.stale(files)
    if wanted or not seen.is_current(files):
        manifest = begin(rollout, store, objects.bucket, files)
        before = {"manifest": str(seen.current.id) if seen.current else None, "to": str(manifest)}
        recorded = undoable if seen.current else unrecorded  # a first one has nothing to go back to
        with recorded("Publish the site", KIND, f"{objects.bucket}:{distribution.id}", before):
            etags = upload(objects, wanted, sent=counted("uploaded", len(wanted)))
            finish(rollout, store, manifest, with_etags(files, etags, seen), distribution.id)
    objects.delete(stale)
    with store.connection() as connection:
        sites.drop_unfinished(connection, objects.bucket)
    size = sum(file.size for file in wanted)
    logger.info("site: %d files uploaded (%.1f MB), %d removed", len(wanted), size / 1e6, len(stale))
    return Published(site.name, distribution.url, len(files), len(wanted), size, len(stale), str(manifest))


def begin(rollout: Rollout, store: Store, bucket: str, files: Sequence[SiteFile]) -> UUID:
    with store.connection() as connection:
        manifest = manifest_of(files)
        return sites.add_manifest(connection, environment=rollout.environment.name, bucket=bucket, files=manifest)


def finish(rollout: Rollout, store: Store, manifest: UUID, files: Mapping[str, Any], distribution: str) -> None:
    """Tell the edges, and note the manifest as the current one when they have heard."""
    invalidate(rollout.aws("cloudfront"), distribution)
    with store.connection() as connection:
        sites.publish_manifest(connection, manifest, files)


def with_etags(files: Sequence[SiteFile], etags: Mapping[str, str], seen: SeenSite) -> dict[str, dict[str, Any]]:
    """The manifest, with the ETags that are not the content's MD5."""
    manifest = manifest_of(files)
    for key, entry in manifest.items():
        etag = etags.get(key) or (seen.listed[key].etag if key in seen.listed else entry["md5"])
        if etag != entry["md5"]:
            entry["etag"] = etag
    return manifest


def counted(what: str, total: int) -> Callable[[SiteFile], None]:
    """Says how far it is, about ten times in all."""
    lock, done = threading.Lock(), 0

    def one(file: SiteFile) -> None:
        nonlocal done
        with lock:
            done += 1
            if done == total or done % max(25, total // 10) == 0:
                logger.info("%s %d of %d files", what, done, total)

    return one


def invalidate(client: Any, distribution: str) -> None:
    """Have all edges forget everything, and wait until they have. `/*` is billed as one path."""
    batch = {"Paths": {"Quantity": 1, "Items": ["/*"]}, "CallerReference": f"miyabi-{time.time_ns()}"}
    made = client.create_invalidation(DistributionId=distribution, InvalidationBatch=batch)["Invalidation"]["Id"]

    def poll() -> tuple[str, str | None]:
        status = client.get_invalidation(DistributionId=distribution, Id=made)["Invalidation"]["Status"]
        return status, status if status.lower() == "completed" else None

    wait_until(f"invalidation of {distribution}", poll, patience=FORGETTING_S, expected=USUAL_S)


def restore_site(rollout: Rollout, resource: str, before: Mapping[str, Any]) -> str:
    """Undo one publication: the files of the manifest before it, from the bucket's earlier versions. In words.

    Guarded: if another manifest than this publication's or the one before it is current, someone has published since,
    and the site is left alone. A first publication has nothing to go back to.
    """
    bucket, _, distribution = resource.partition(":")
    store, objects = Store(rollout), rollout.aws.objects(bucket)
    if before["manifest"] is None:
        return f"site in {bucket} has no earlier release to go back to; left as it is"
    seen = observe_site(store, objects)
    if seen.current and str(seen.current.id) not in (before["manifest"], before["to"]):
        text = "was published by someone else since; left as it is"
        rollout.find(f"site in {bucket}", text)
        return f"site in {bucket} {text}"
    with store.connection() as connection:
        target = sites.get_manifest(connection, UUID(before["manifest"]))
        tried = sites.get_manifest(connection, UUID(before["to"]))
    if target is None:
        raise Permanent(f"site in {bucket}: its manifest {before['manifest']} is gone; release the site again")
    wanted = differing(files_of(target.files), seen.listed, (tried or target).files)
    back = [Change("update", f"site in {bucket}", "files", "", f"{len(wanted)} put back", "rolled back")]
    begun = tried is not None and (seen.current is None or seen.current.id != target.id or bool(wanted))
    rollout.converge(
        f"site in {bucket}",
        back if wanted or begun else [],
        apply=lambda: put_back(rollout, store, objects, target, wanted, distribution),
        planned=lambda: None,
    )
    return f"site in {bucket} is as before: {len(wanted)} files put back"


@step("Put the site back")
def return_site(
    rollout: Rollout, manifest: str | None, *, undoable: Undoable = unrecorded, store: Store | None = None
) -> None:
    """The site as an earlier release published it. A release that published none leaves it as it is."""
    if manifest is None:
        logger.info("the site stays as it is: that release published none")
        return
    store, found = store or Store(rollout), observe_distribution(rollout)
    with store.connection() as connection:
        target = sites.get_manifest(connection, UUID(manifest))
    if target is None or found is None:
        raise Permanent(f"the site cannot go back: its {'manifest' if found else 'distribution'} is gone; release it")
    objects = rollout.aws.objects(target.bucket)
    seen = observe_site(store, objects)
    wanted = differing(files_of(target.files), seen.listed, seen.files)
    before = {"manifest": str(seen.current.id) if seen.current else None, "to": manifest}

    def apply() -> None:
        with undoable("Put the site back", KIND, f"{target.bucket}:{found.id}", before):
            put_back(rollout, store, objects, target, wanted, found.id)

    is_there = not wanted and seen.current is not None and seen.current.id == target.id
    change = Change("update", f"site in {target.bucket}", "files", "", f"{len(wanted)} put back", "an earlier release")
    rollout.converge(f"site in {target.bucket}", [] if is_there else [change], apply=apply, planned=lambda: None)


def put_back(
    rollout: Rollout,
    store: Store,
    objects: Objects,
    target: Manifest,
    wanted: Sequence[SiteFile],
    distribution: str,
) -> None:
    """Copy earlier versions to the top, within S3, and tell the edges."""
    found = earlier_versions(wanted, target.files, objects.versions()) if wanted else {}
    if gone := sorted(file.key for file in wanted if file.key not in found):
        raise Permanent(
            f"site in {objects.bucket} cannot go back: the bucket has no earlier version of {', '.join(gone[:5])}"
            f" ({len(gone)} files); release the site again"
        )

    def copy(file: SiteFile) -> str:
        return objects.copy(file.key, found[file.key].version, file.headers)

    etags = in_waves(wanted, copy, sent=counted("put back", len(wanted)), threads=objects.connections)
    files = {
        key: {**entry, "etag": etags.get(key, entry.get("etag", entry["md5"]))} for key, entry in target.files.items()
    }
    finish(rollout, store, target.id, files, distribution)
