"""What the embedded cloud lacks says so: other services, operations that would only be noted down, moto's own gaps."""

import botocore.session
import pytest
from botocore.exceptions import ClientError

from localcloud.aws.offered import WRITES, why_not
from localcloud.aws.operations import Operation


def gap(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    assert (error["Code"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]) == ("SimulatorGap", 501)
    return error["Message"]


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("sqs", "create_queue", {"QueueName": "q"}),
        ("dynamodb", "list_tables", {}),
        ("ecs", "create_cluster", {}),
        ("elbv2", "describe_load_balancers", {}),
        ("xray", "get_groups", {}),
        ("route53", "list_hosted_zones", {}),
        ("elasticache", "describe_cache_clusters", {}),
        ("kms", "create_key", {}),
    ],
)
def test_another_service_is_a_gap_in_its_own_protocol(aws, service, operation, arguments):
    assert "does not have this service; it has apigatewayv2, cloudfront" in gap(
        getattr(aws(service), operation), **arguments
    )


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("ec2", "run_instances", {"ImageId": "ami-1", "MinCount": 1, "MaxCount": 1}),
        ("ec2", "run_instances", {"ImageId": "ami-1", "MinCount": 1, "MaxCount": 1, "DryRun": True}),
        ("ec2", "create_nat_gateway", {"SubnetId": "subnet-1"}),
        ("iam", "create_user", {"UserName": "u"}),
        ("rds", "create_db_proxy", {"DBProxyName": "p", "EngineFamily": "POSTGRESQL", "RoleArn": "a" * 20,
                                    "VpcSubnetIds": [], "Auth": []}),
        ("rds", "create_db_cluster", {"DBClusterIdentifier": "c", "Engine": "aurora-postgresql"}),
        ("logs", "put_subscription_filter", {"logGroupName": "g", "filterName": "f", "filterPattern": "x",
                                             "destinationArn": "arn:aws:lambda:us-east-1:211234825975:function:f"}),
        ("logs", "start_query", {"logGroupName": "g", "startTime": 0, "endTime": 1, "queryString": "stats count(*)"}),
        ("secretsmanager", "rotate_secret", {"SecretId": "s"}),
        ("lambda", "create_function_url_config", {"FunctionName": "f", "AuthType": "NONE"}),
        ("lambda", "publish_layer_version", {"LayerName": "l", "Content": {"ZipFile": b""}}),
        ("apigatewayv2", "create_vpc_link", {"Name": "v", "SubnetIds": []}),
        ("s3", "put_bucket_website", {"Bucket": "b", "WebsiteConfiguration": {}}),
        ("cloudfront", "create_key_group", {"KeyGroupConfig": {"Name": "k", "Items": []}}),
    ],
)  # fmt: skip
def test_what_would_only_be_noted_down_is_a_gap(aws, service, operation, arguments):
    assert "nothing would come of it" in gap(getattr(aws(service), operation), **arguments)


def test_settings_that_no_process_would_see_are_a_gap(aws):
    function = {"FunctionName": "f", "Runtime": "provided.al2023", "Handler": "h", "Code": {"ZipFile": b"x"}}
    role = "arn:aws:iam::211234825975:role/r"
    assert "Layers" in gap(aws("lambda").create_function, **function, Role=role, Layers=["arn:aws:lambda:l:1"])


def test_a_filter_of_log_events_that_moto_ignores_is_a_gap(aws):
    logs = aws("logs")
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    events = [{"timestamp": 1795200000000 + n, "message": text} for n, text in enumerate(["ERROR one", "INFO two"])]
    logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=events)
    for pattern in ("ERROR", "ERROR one", '"ERROR one"'):
        found = logs.filter_log_events(logGroupName="g", filterPattern=pattern)["events"]
        assert [event["message"] for event in found] == ["ERROR one"]
    assert len(logs.filter_log_events(logGroupName="g")["events"]) == 2
    for pattern in ("{ $.level = ERROR }", "?ERROR ?INFO", "ERROR -one", "[a, b]", '"one" "two"'):
        assert pattern in gap(logs.filter_log_events, logGroupName="g", filterPattern=pattern)


def test_what_is_offered_has_botocores_names(cloud):
    """A word of a pattern that matches no operation is a misspelt name."""
    session = botocore.session.get_session()
    for service, pattern in WRITES.items():
        names = session.get_service_model(service).operation_names
        writes = [name for name in names if not Operation(service, name, "json").is_read]
        offered = [name for name in writes if not why_not(Operation(service, name, "json"))]
        assert offered, service
        assert len(offered) < len(writes), service
        for word in pattern.pattern.split("|"):
            assert not word.isalpha() or any(word in name for name in names), (service, word)
