"""Which files of a site are uploaded, and in which order; what of a bucket is stale."""

import threading
from uuid import uuid4

import pytest

from blocks.s3 import Listed
from database.sites import Manifest
from tasks.sites.files import SiteFile, cache_control, content_type, files_of, manifest_of
from tasks.sites.publishing import SeenSite, plan_site, with_etags
from tasks.sites.transfer import differing, earlier_versions, in_waves


def file(key: str, md5: str = "m", size: int = 1) -> SiteFile:
    return SiteFile(key, md5, size, content_type(key), cache_control(key))


def listed(*files: SiteFile, etag: str = "") -> dict[str, Listed]:
    return {one.key: Listed(one.key, etag or one.md5, one.size) for one in files}


def manifest(*files: SiteFile) -> Manifest:
    return Manifest(uuid4(), "bucket", manifest_of(files))


def seen(
    there: dict[str, Listed], current: Manifest | None = None, previous: Manifest | None = None, keys: str = ""
) -> SeenSite:
    return SeenSite(there, current, previous, frozenset(keys.split()))


PAGE, SCRIPT, ASSET = file("index.html"), file("config.js"), file("assets/a.3f2a91bc.js")
SITE = (PAGE, SCRIPT, ASSET)


@pytest.mark.parametrize(
    ("there", "published", "uploaded"),
    [
        ({}, {}, ["index.html", "config.js", "assets/a.3f2a91bc.js"]),
        (listed(*SITE), {}, []),
        (listed(*SITE), manifest_of(SITE), []),
        (listed(PAGE, ASSET, file("config.js", "other")), {}, ["config.js"]),
        (listed(PAGE, ASSET, file("config.js", size=2)), {}, ["config.js"]),
        (listed(*SITE, etag="ff-2"), {}, [one.key for one in SITE]),  # sent in parts by somebody
        (listed(*SITE, etag="kms"), {key: {**e, "etag": "kms"} for key, e in manifest_of(SITE).items()}, []),
        (listed(*SITE), {**manifest_of(SITE), "config.js": {**manifest_of(SITE)["config.js"], "cache": "no-store"}},
         ["config.js"]),
    ],
)  # fmt: skip
def test_only_what_differs_is_uploaded(there: dict[str, Listed], published: dict, uploaded: list[str]) -> None:
    assert [one.key for one in differing(SITE, there, published)] == uploaded


def test_what_others_refer_to_comes_first_and_the_page_last() -> None:
    files = [
        file("index.html"),
        file("about.html"),
        file("logo.png"),
        *(file(f"assets/{n}.3f2a91bc.js") for n in "abc"),
    ]
    sent, lock = list[str](), threading.Lock()

    def send(one: SiteFile) -> str:
        with lock:
            sent.append(one.key)
        return "etag"

    assert in_waves(files, send, sent=lambda one: None, threads=3).keys() == {one.key for one in files}
    assert set(sent[:3]) == {f"assets/{n}.3f2a91bc.js" for n in "abc"}
    assert sent[3:] == ["logo.png", "about.html", "index.html"]


def test_a_failure_stops_before_what_refers_to_it() -> None:
    sent = []

    def send(one: SiteFile) -> str:
        if one.key.startswith("assets/"):
            raise OSError("no")
        sent.append(one.key)
        return ""

    with pytest.raises(OSError, match="no"):
        in_waves(SITE, send, sent=lambda one: None, threads=2)
    assert sent == []


def test_a_second_run_plans_nothing() -> None:
    assert plan_site("site x", SITE, seen(listed(*SITE), manifest(*SITE), keys="index.html")) == []


def test_what_somebody_removed_is_told_apart_from_a_new_source() -> None:
    (change,) = plan_site("site x", SITE, seen(listed(*SITE[1:]), manifest(*SITE)))
    assert (change.field, change.before) == ("published files", f"{SITE[0].key} missing or changed")
    (change,) = plan_site("site x", SITE, seen(listed(*SITE[1:]), manifest(PAGE)))
    assert (change.field, change.before) == ("files", "")


def test_an_invalidation_that_was_not_seen_to_end_is_planned_again() -> None:
    (change,) = plan_site("site x", SITE, seen(listed(*SITE), manifest(PAGE)))
    assert (change.after, change.why) == (
        "0 of 3 uploaded",
        "all there, and an earlier run ended before it had told the edges",
    )


def test_stale_is_what_two_releases_do_not_have_and_we_have_put_there() -> None:
    old, older, theirs = file("assets/old.js"), file("assets/older.js"), file("theirs.txt")
    there, keys = listed(*SITE, old, older, theirs), "index.html assets/old.js assets/older.js"
    before = manifest(PAGE, old)
    publishing = seen(there, before, manifest(PAGE, older), keys)
    assert [one.key for one in publishing.stale(SITE)] == ["assets/older.js"]
    published = seen(there, manifest(*SITE), before, keys)
    assert [one.key for one in published.stale(SITE)] == ["assets/older.js"]
    assert [change.action for change in plan_site("site x", SITE, published)] == ["delete"]


def test_etags_that_are_no_md5_are_remembered() -> None:
    files = with_etags(SITE, {"config.js": "kms"}, seen(listed(PAGE, ASSET)))
    assert files["config.js"]["etag"] == "kms"
    assert "etag" not in files["index.html"]
    assert files_of(manifest_of(SITE)) == SITE


def test_the_newest_version_with_the_content_is_found() -> None:
    versions = [
        Listed("config.js", "other", 1, "4"), Listed("config.js", "m", 1, "3"), Listed("config.js", "m", 1, "2"),
        Listed("index.html", "kms", 1, "1"), Listed("else.js", "m", 1, "0"),
    ]  # fmt: skip
    known = {"index.html": {"etag": "kms"}}
    found = earlier_versions(SITE, known, versions)
    assert {key: one.version for key, one in found.items()} == {"config.js": "3", "index.html": "1"}
