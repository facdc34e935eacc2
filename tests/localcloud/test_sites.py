"""Sites on the embedded cloud: what an edge serves and forgets, objects through the door, bucket and distribution."""

import hashlib
import time
from collections.abc import Callable

import httpx
import pytest
from botocore.exceptions import ClientError

from blocks.aws import PlanningCannotWrite
from blocks.s3 import Listed
from localcloud.aws.edges import lifetime
from localcloud.aws.faults import Fault
from localcloud.cloud import Cloud
from tasks.changes import Rollout
from tasks.errors import NotOurs, Permanent, Rejected
from tasks.sites.bucket import destroy_site_bucket, ensure_site_bucket
from tasks.sites.distribution import (
    Distribution,
    destroy_distribution,
    ensure_access,
    ensure_distribution,
    find_place,
)
from tasks.sites.publishing import invalidate
from tests.support import make_environment, make_rollout

BUCKET = "miyabi-site-local-211234825975"
MD5_OF_X = "9dd4e461268c8034f5c8564e155c67a6"


@pytest.fixture
def world(cloud: Cloud) -> Callable[..., Rollout]:
    """Rollouts on an empty account; `site` and other fields of the environment may be given."""
    cloud.reset()

    def make(*, planning: bool = False, adopt: bool = False, **fields: object) -> Rollout:
        environment = make_environment(cloud.aws_endpoint, site_url=cloud.site_endpoint, **fields)
        return make_rollout(environment, planning=planning, adopt=adopt)

    return make


def ensure_all(rollout: Rollout) -> Distribution:
    bucket = ensure_site_bucket.fn(rollout, find_place.fn(rollout))
    distribution = ensure_distribution.fn(rollout, bucket)
    ensure_access.fn(rollout, bucket, distribution)
    return distribution


def put(rollout: Rollout, key: str, text: str, cache: str = "no-cache") -> None:
    headers = {"CacheControl": cache, "ContentType": "text/html; charset=utf-8"}
    rollout.aws("s3").put_object(Bucket=BUCKET, Key=key, Body=text.encode(), **headers)


def test_bucket_and_distribution_are_made_once(cloud: Cloud, world: Callable[..., Rollout]) -> None:
    plan = world(planning=True)
    ensure_all(plan)
    assert [change.action for change in plan.changes] == ["create", "create", "update"]
    made = ensure_all(world())
    again = world()
    assert ensure_all(again) == made
    assert again.changes == []
    s3 = again.aws("s3")
    assert all(s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"].values())
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    assert s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"]
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_bucket_policy(Bucket=BUCKET, Policy='{"Statement": [{"Effect": "Allow", "Principal": "*"}]}')


def test_keys_of_any_letters_are_stored_and_served(cloud: Cloud, world: Callable[..., Rollout]) -> None:
    rollout = world()
    ensure_all(rollout)
    key, url = "sub dir/ü+%20#?.txt", f"{cloud.site_endpoint}/sub%20dir/%C3%BC+%2520%23%3F.txt"
    objects = rollout.aws.objects(BUCKET)
    objects.put(key, b"x", {"Cache-Control": "no-cache"}, md5=MD5_OF_X)
    assert list(objects.list()) == [key]
    assert httpx.get(url).text == "x"
    (first,) = objects.versions()
    objects.copy(key, first.version, {"Content-Type": "text/plain"})
    assert [found.key for found in objects.versions()] == [key, key]
    assert rollout.aws("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"x"
    objects.delete(list(objects.list().values()))
    assert objects.list() == {}


def test_what_was_changed_by_hand_is_put_right(world: Callable[..., Rollout]) -> None:
    made = ensure_all(world())
    rollout = world()
    rollout.aws("s3").delete_public_access_block(Bucket=BUCKET)
    rollout.aws("s3").delete_bucket_policy(Bucket=BUCKET)
    cloudfront = rollout.aws("cloudfront")
    read = cloudfront.get_distribution_config(Id=made.id)
    config = {**read["DistributionConfig"], "CustomErrorResponses": {"Quantity": 0}, "Comment": "miyabi-site-local"}
    cloudfront.update_distribution(Id=made.id, IfMatch=read["ETag"], DistributionConfig=config)
    ensure_all(rollout)
    assert {(change.resource.split()[0], change.field) for change in rollout.changes} == {
        ("bucket", "public access"), ("bucket", "policy"), ("distribution", "error pages"),
    }  # fmt: skip
    again = world()
    ensure_all(again)
    assert again.changes == []


def test_an_edge_serves_the_bucket_and_keeps_it_until_it_is_told(cloud: Cloud, world: Callable[..., Rollout]) -> None:
    rollout = world()
    bucket = ensure_site_bucket.fn(rollout, BUCKET)
    distribution = ensure_distribution.fn(rollout, bucket)
    put(rollout, "index.html", "first " * 300, "public,max-age=0,s-maxage=600")
    with httpx.Client(base_url=cloud.site_endpoint) as client:
        assert client.get("/").status_code == 403  # nobody has let it in
        ensure_access.fn(rollout, bucket, distribution)
        invalidate(rollout.aws("cloudfront"), distribution.id)
        page = client.get("/")
        assert (page.status_code, page.headers["x-cache"]) == (200, "Miss from cloudfront")
        assert page.headers["content-encoding"] == "gzip"
        assert client.get("/a/route").text == page.text
        assert client.head("/").headers["content-length"] == page.headers["content-length"]
        assert client.get("/", headers={"if-none-match": page.headers["etag"]}).status_code == 304
        assert client.post("/").status_code == 403
        put(rollout, "index.html", "second")
        assert client.get("/").text == page.text
        made = rollout.aws("cloudfront").create_invalidation(
            DistributionId=distribution.id,
            InvalidationBatch={"Paths": {"Quantity": 1, "Items": ["/*"]}, "CallerReference": "r"},
        )["Invalidation"]
        assert made["Status"] == "InProgress"
        assert client.get("/").text == page.text  # it is not over yet
        time.sleep(cloud.timings.edge + 0.05)
        assert client.get("/").text == "second"
        other = client.get("/", headers={"host": f"{distribution.id.lower()}.cloudfront.localhost:1"})
        assert other.text == "second"
        assert client.get("/", headers={"host": "nobody.cloudfront.net"}).status_code == 404


@pytest.mark.parametrize(
    ("cache_control", "seconds"),
    [("", 86400), ("no-cache", 1), ("max-age=60", 60), ("public,max-age=0,s-maxage=600", 600), ("max-age=0", 1)],
)
def test_how_long_an_edge_keeps_a_page(cache_control: str, seconds: float) -> None:
    behaviour = {"CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6"}
    assert lifetime(behaviour, cache_control) == seconds


def by_hand(rollout: Rollout, **changes: object) -> str:
    """A bucket and a distribution in front of it as somebody made them; the distribution's id."""
    rollout.aws("s3").create_bucket(Bucket="their-site")
    origin = {"Id": "s3", "DomainName": "their-site.s3.amazonaws.com", "S3OriginConfig": {"OriginAccessIdentity": ""}}
    config = {
        "CallerReference": "2025", "Comment": "pantheon", "Enabled": True, "PriceClass": "PriceClass_All",
        "Origins": {"Quantity": 1, "Items": [origin]},
        "DefaultCacheBehavior": {"TargetOriginId": "s3", "ViewerProtocolPolicy": "allow-all", "MinTTL": 5,
                                 "ForwardedValues": {"QueryString": True, "Cookies": {"Forward": "none"}}},
        **changes,
    }  # fmt: skip
    return str(rollout.aws("cloudfront").create_distribution(DistributionConfig=config)["Distribution"]["Id"])


def test_a_named_distribution_gets_only_what_it_lacks(cloud: Cloud, world: Callable[..., Rollout]) -> None:
    name = by_hand(world())
    before = world().aws("cloudfront").get_distribution_config(Id=name)["DistributionConfig"]
    rollout = world(site={"distribution": name})
    assert find_place.fn(rollout) == "their-site"
    ensure_all(rollout)
    assert [change.field for change in rollout.changes] == [
        "versioning", "access control", "first page", "error pages", "policy",
    ]  # fmt: skip
    assert "is not closed to the public" in rollout.findings[0].text
    after = rollout.aws("cloudfront").get_distribution_config(Id=name)["DistributionConfig"]
    for key in before.keys() - {"Origins", "CustomErrorResponses", "DefaultRootObject"}:
        assert after[key] == before[key], key
    rollout.aws("s3").put_object(Bucket="their-site", Key="index.html", Body=b"theirs")
    assert httpx.get(cloud.site_endpoint).text == "theirs"
    again = world(site={"distribution": name})
    ensure_all(again)
    assert again.changes == []
    destroy_distribution.fn(again)
    destroy_site_bucket.fn(again)
    assert again.changes == []
    assert rollout.aws("cloudfront").list_tags_for_resource(Resource=arn_of(rollout, name))["Tags"]["Items"] == []


def arn_of(rollout: Rollout, distribution: str) -> str:
    return str(rollout.aws("cloudfront").get_distribution(Id=distribution)["Distribution"]["ARN"])


def test_a_named_distribution_must_fit(world: Callable[..., Rollout]) -> None:
    name = by_hand(world())
    with pytest.raises(Rejected, match=r"its origin is 'their-site\.s3\.amazonaws\.com', not bucket 'other-site'"):
        find_place.fn(world(site={"distribution": name, "bucket": "other-site"}))
    with pytest.raises(Permanent, match="'E1FF97QM8U71OR' of the environment's"):
        find_place.fn(world(site={"distribution": "E1FF97QM8U71OR"}))


def test_a_bucket_of_the_right_name_is_not_taken_silently(world: Callable[..., Rollout]) -> None:
    world().aws("s3").create_bucket(Bucket=BUCKET)
    with pytest.raises(NotOurs, match="adopt=true"):
        ensure_site_bucket.fn(world(), BUCKET)
    adopting = world(adopt=True)
    ensure_site_bucket.fn(adopting, BUCKET)
    assert "adopted" in [change.why for change in adopting.changes]
    ensure_site_bucket.fn(world(), BUCKET)


def test_all_of_it_is_destroyed(world: Callable[..., Rollout]) -> None:
    rollout = world()
    ensure_all(rollout)
    for text in ("one", "two"):
        put(rollout, "index.html", text)
    rollout.aws("s3").delete_object(Bucket=BUCKET, Key="index.html")
    for _ in range(2):
        destroy_distribution.fn(world())
        destroy_site_bucket.fn(world())
    assert rollout.aws("s3").list_buckets()["Buckets"] == []
    assert "Items" not in rollout.aws("cloudfront").list_distributions()["DistributionList"]
    assert rollout.aws("cloudfront").list_origin_access_controls()["OriginAccessControlList"]["Quantity"] == 0


def test_objects_through_the_door(cloud: Cloud, world: Callable[..., Rollout]) -> None:
    rollout = world()
    ensure_site_bucket.fn(rollout, BUCKET)
    objects = rollout.aws.objects(BUCKET)
    headers = {"Content-Type": "text/plain", "Cache-Control": "no-cache"}
    key = "ein ordner/ü+&=#%.txt"  # moto ends a key at a question mark
    assert objects.put(key, b"x", headers, md5=MD5_OF_X) == MD5_OF_X
    cloud.faults.add(Fault("throttle", "s3", "PutObject", times=2))
    cloud.faults.add(Fault("reset", "s3", "PutObject", when="after"))
    objects.put(key, b"yy", headers, md5=hashlib.md5(b"yy").hexdigest())
    assert [(one.key, one.size) for one in objects.list().values()] == [(key, 2)]
    first = next(one for one in objects.versions() if one.etag == MD5_OF_X)
    assert objects.copy(key, first.version, headers) == MD5_OF_X
    got = rollout.aws("s3").get_object(Bucket=BUCKET, Key=key)
    assert (got["Body"].read(), got["ContentType"], got["CacheControl"]) == (b"x", "text/plain", "no-cache")
    with pytest.raises(ClientError, match="BadDigest"):
        objects.put(key, b"z", headers, md5=MD5_OF_X)
    objects.delete([Listed(key, "", 0)])
    assert objects.list() == {}
    with pytest.raises(ClientError, match="NoSuchBucket"):
        rollout.aws.objects("no-such-bucket").list()


def test_a_planning_run_cannot_write_objects_either(cloud: Cloud, world: Callable[..., Rollout]) -> None:
    ensure_site_bucket.fn(world(), BUCKET)
    cloud.faults.clear()
    objects = world(planning=True).aws.objects(BUCKET)
    assert objects.list() == {}
    for write in (
        lambda: objects.put("a", b"x", {}, md5=MD5_OF_X),
        lambda: objects.copy("a", "1", {}),
        lambda: objects.delete([Listed("a", "", 0)]),
    ):
        with pytest.raises(PlanningCannotWrite, match="a planning run may not call s3"):
            write()
    assert {call.operation for call in cloud.calls} == {"GetCallerIdentity", "ListObjectsV2"}


def test_the_door_to_objects_asks_for_the_account_first(world: Callable[..., Rollout]) -> None:
    from blocks.aws import WrongAccount

    with pytest.raises(WrongAccount):
        world(account_id="999999999999").aws.objects(BUCKET)
