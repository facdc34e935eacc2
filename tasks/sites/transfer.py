"""Bringing a site's files into its bucket: what differs, in parallel, in the order in which browsers may meet them.

One listing says what is there, by MD5; of what differs, hashed assets go first and `index.html` last, so that a page
never refers to what is not there, whenever this stops. Imports no Prefect: `tests/bench/site_once.py` runs it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any

from blocks.s3 import Listed, Objects
from tasks.sites.files import SiteFile

Manifest = Mapping[str, Mapping[str, Any]]
Send = Callable[[SiteFile], str]


def differing(files: Iterable[SiteFile], listed: Mapping[str, Listed], published: Manifest) -> list[SiteFile]:
    """The files whose content or headers are not in the bucket. `published` is the manifest of what is.

    An ETag is the MD5, but not in a bucket that encrypts with a key of KMS: there the manifest knows both.
    """
    return [file for file in files if not is_there(file, listed.get(file.key), published.get(file.key))]


def named(files: Sequence[SiteFile | Listed]) -> str:
    """The first of them, for people."""
    return ", ".join(one.key for one in files[:3]) + (", …" if len(files) > 3 else "")


def is_there(file: SiteFile, there: Listed | None, known: Mapping[str, Any] | None) -> bool:
    if there is None or there.size != file.size:
        return False
    if known and (known["type"], known["cache"]) != (file.content_type, file.cache_control):
        return False
    return there.etag == file.md5 or bool(known and known["md5"] == file.md5 and known.get("etag") == there.etag)


def upload(
    objects: Objects, files: Iterable[SiteFile], *, sent: Callable[[SiteFile], None] = lambda file: None
) -> dict[str, str]:
    """Upload the files; their ETags by key. `sent` hears of each."""
    return in_waves(files, lambda file: put(objects, file), sent=sent, threads=objects.connections)


def put(objects: Objects, file: SiteFile) -> str:
    return objects.put(file.key, file.path.read_bytes(), file.headers, md5=file.md5)


def in_waves(
    files: Iterable[SiteFile], send: Send, *, sent: Callable[[SiteFile], None], threads: int
) -> dict[str, str]:
    """Send the files in parallel, those of one order all before those of the next. The first failure ends it."""
    etags: dict[str, str] = {}

    def one(file: SiteFile) -> None:
        etags[file.key] = send(file)
        sent(file)

    with ThreadPoolExecutor(threads, thread_name_prefix="site") as pool:
        for _, wave in groupby(sorted(files, key=lambda file: (file.order, -file.size)), key=lambda file: file.order):
            running = [pool.submit(one, file) for file in wave]
            try:
                for future in running:
                    future.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
    return etags


def earlier_versions(files: Sequence[SiteFile], known: Manifest, versions: Iterable[Listed]) -> dict[str, Listed]:
    """For each file the newest version in the bucket that has its content; no entry where none is left."""
    wanted = {file.key: {file.md5, (known.get(file.key) or {}).get("etag")} for file in files}
    found: dict[str, Listed] = {}
    for version in versions:
        if version.etag in wanted.get(version.key, ()):
            found.setdefault(version.key, version)
    return found
