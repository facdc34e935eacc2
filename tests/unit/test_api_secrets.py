"""A secret read as on Lambda, with botocore and nothing but the ARN."""

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from api.secret_store import client, read_secret


@mock_aws
def test_a_secret_is_found_by_its_arn_in_its_own_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    client.cache_clear()
    made = boto3.client("secretsmanager", region_name="eu-west-1").create_secret(Name="miyabi/x/jwt", SecretString="k")
    assert read_secret(made["ARN"]) == "k"
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        read_secret(made["ARN"].replace("miyabi/x/jwt", "miyabi/y/jwt"))
    client.cache_clear()
