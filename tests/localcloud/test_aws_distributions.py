"""CloudFront: what an update needs, what is kept, and an invalidation that completes."""

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def cloudfront(aws):
    return aws("cloudfront")


@pytest.fixture
def control(cloudfront):
    return cloudfront.create_origin_access_control(OriginAccessControlConfig=access("site"))["OriginAccessControl"][
        "Id"
    ]


def access(name):
    return {
        "Name": name, "SigningProtocol": "sigv4", "SigningBehavior": "always", "OriginAccessControlOriginType": "s3",
    }  # fmt: skip


def wanted(control, **changes):
    origin = {
        "Id": "site", "DomainName": "site.s3.us-east-1.amazonaws.com", "OriginAccessControlId": control,
        "S3OriginConfig": {"OriginAccessIdentity": ""},
    }  # fmt: skip
    return {
        "CallerReference": "once", "Comment": "site", "Enabled": True, "DefaultRootObject": "index.html",
        "Origins": {"Quantity": 1, "Items": [origin]},
        "DefaultCacheBehavior": {"TargetOriginId": "site", "ViewerProtocolPolicy": "redirect-to-https"}, **changes,
    }  # fmt: skip


@pytest.fixture
def distribution(cloudfront, control):
    return cloudfront.create_distribution(DistributionConfig=wanted(control))


def refusal(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"]


def test_the_origin_access_control_is_kept(cloudfront, control, distribution):
    read = cloudfront.get_distribution_config(Id=distribution["Distribution"]["Id"])
    (origin,) = read["DistributionConfig"]["Origins"]["Items"]
    assert origin["OriginAccessControlId"] == control
    assert origin["S3OriginConfig"] == {"OriginAccessIdentity": ""}


def test_an_update_needs_the_current_etag(cloudfront, control, distribution):
    name = distribution["Distribution"]["Id"]
    config = wanted(control, Comment="changed")
    assert refusal(cloudfront.update_distribution, Id=name, IfMatch="stale", DistributionConfig=config) == (
        "PreconditionFailed"
    )
    updated = cloudfront.update_distribution(Id=name, IfMatch=distribution["ETag"], DistributionConfig=config)
    assert updated["ETag"] != distribution["ETag"]
    assert updated["Distribution"]["Status"] == "InProgress"
    cloudfront.get_waiter("distribution_deployed").wait(Id=name, WaiterConfig={"Delay": 0, "MaxAttempts": 5})
    assert cloudfront.get_distribution_config(Id=name)["ETag"] == updated["ETag"]


def test_the_same_request_again_makes_no_second_one(cloudfront, control, distribution):
    again = cloudfront.create_distribution(DistributionConfig=wanted(control))
    assert again["Distribution"]["Id"] == distribution["Distribution"]["Id"]
    assert refusal(cloudfront.create_distribution, DistributionConfig=wanted(control, Comment="other")) == (
        "DistributionAlreadyExists"
    )


def test_an_invalidation_completes(cloudfront, distribution):
    name = distribution["Distribution"]["Id"]
    batch = {"Paths": {"Quantity": 1, "Items": ["/*"]}, "CallerReference": "r1"}
    made = cloudfront.create_invalidation(DistributionId=name, InvalidationBatch=batch)["Invalidation"]["Id"]
    again = cloudfront.create_invalidation(DistributionId=name, InvalidationBatch=batch)["Invalidation"]["Id"]
    assert again == made
    cloudfront.get_waiter("invalidation_completed").wait(
        DistributionId=name, Id=made, WaiterConfig={"Delay": 0.05, "MaxAttempts": 20}
    )


def test_deleting_is_in_order(cloudfront, control, distribution):
    name = distribution["Distribution"]["Id"]
    assert refusal(cloudfront.delete_distribution, Id=name, IfMatch=distribution["ETag"]) == "DistributionNotDisabled"
    etag = cloudfront.get_origin_access_control(Id=control)["ETag"]
    assert refusal(cloudfront.delete_origin_access_control, Id=control, IfMatch=etag) == "OriginAccessControlInUse"
    off = cloudfront.update_distribution(
        Id=name, IfMatch=distribution["ETag"], DistributionConfig=wanted(control, Enabled=False)
    )
    cloudfront.delete_distribution(Id=name, IfMatch=off["ETag"])
    assert refusal(cloudfront.delete_origin_access_control, Id=control, IfMatch="stale") == "PreconditionFailed"
    cloudfront.delete_origin_access_control(Id=control, IfMatch=etag)


def test_the_name_of_an_access_control_is_unique(cloudfront, control):
    assert refusal(cloudfront.create_origin_access_control, OriginAccessControlConfig=access("site")) == (
        "OriginAccessControlAlreadyExists"
    )
