"""The origin access control: how CloudFront shows a bucket who asks. One for each environment, found by its name."""

from botocore.exceptions import ClientError

from tasks.changes import Rollout
from tasks.errors import Temporary, error_code


def find_access_control(rollout: Rollout) -> str | None:
    """The id of our origin access control."""
    pages = rollout.aws("cloudfront").get_paginator("list_origin_access_controls").paginate()
    items = [item for page in pages for item in page["OriginAccessControlList"].get("Items", [])]
    return next((item["Id"] for item in items if item["Name"] == rollout.environment.names.site), None)


def ensure_access_control(rollout: Rollout) -> str:
    if found := find_access_control(rollout):
        return found
    config = {
        "Name": rollout.environment.names.site,
        "SigningProtocol": "sigv4",
        "SigningBehavior": "always",
        "OriginAccessControlOriginType": "s3",
    }
    try:
        made = rollout.aws("cloudfront").create_origin_access_control(OriginAccessControlConfig=config)
    except ClientError as error:
        if error_code(error) == "OriginAccessControlAlreadyExists":
            raise Temporary("the origin access control was made just now and is not listed yet") from error
        raise
    return str(made["OriginAccessControl"]["Id"])


def delete_access_control(rollout: Rollout, control: str) -> None:
    client = rollout.aws("cloudfront")
    etag = client.get_origin_access_control(Id=control)["ETag"]
    client.delete_origin_access_control(Id=control, IfMatch=etag)
