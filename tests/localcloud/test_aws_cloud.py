"""The endpoint as a whole: the account, the routes of our own, honest gaps."""

import json
import urllib.request

import pytest
from botocore.exceptions import ClientError

from localcloud.cloud import ACCOUNT, Cloud


def get(cloud: Cloud, path: str) -> object:
    with urllib.request.urlopen(cloud.aws_endpoint + path) as answer:
        return json.load(answer)


def test_answers_for_the_account_of_the_mission(aws):
    assert aws("sts").get_caller_identity()["Account"] == ACCOUNT


def test_says_that_it_is_healthy(cloud):
    assert get(cloud, "/_cloud/health") == {"status": "ok"}


def test_status_is_empty_in_an_empty_account(cloud, aws):
    assert get(cloud, "/_cloud/status") == {"apis": {}, "functions": {}, "databases": {}, "sites": {}}


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("rds", "describe_certificates", {}),
        ("iam", "simulate_custom_policy", {"PolicyInputList": ["{}"], "ActionNames": ["s3:GetObject"]}),
        ("lambda", "get_account_settings", {}),
        ("apigatewayv2", "export_api", {"ApiId": "a", "OutputType": "JSON", "Specification": "OAS30"}),
        ("logs", "test_metric_filter", {"filterPattern": "x", "logEventMessages": ["x"]}),
        ("ec2", "describe_capacity_blocks", {}),
    ],
)
def test_what_is_missing_is_a_simulator_gap(aws, service, operation, arguments):
    with pytest.raises(ClientError) as caught:
        getattr(aws(service), operation)(**arguments)
    assert caught.value.response["Error"]["Code"] == "SimulatorGap"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert service in str(caught.value)


def test_a_second_cloud_in_one_process_is_refused(cloud, tmp_path):
    with pytest.raises(RuntimeError, match="already runs"):
        Cloud(tmp_path).start()
