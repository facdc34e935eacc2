"""States and settings that keep a good function from running: idle, without interfaces, its key denied; payload 1.0."""

import json

import pytest
from botocore.exceptions import ClientError

from localcloud.lambda_states import Impairment, impair, mend
from tests.localcloud.gateway_support import ECHO, Lab

KEY = "arn:aws:kms:us-east-1:211234825975:key/1234abcd"


@pytest.fixture
def lab(cloud, aws):
    made = Lab(cloud, aws)
    yield made
    made.clear()


def refusal(lab):
    with pytest.raises(ClientError) as caught:
        lab.invoke()
    return caught.value.response["Error"]["Code"]


def test_an_inactive_function_fails_once_and_wakes(lab):
    lab.python(ECHO)
    impair(lab.cloud, "f", Impairment("Inactive", "Idle", "The function is idle."))
    seen = lab.aws("lambda").get_function_configuration(FunctionName="f")
    assert (seen["State"], seen["StateReasonCode"]) == ("Inactive", "Idle")
    assert refusal(lab) == "ResourceNotReadyException"
    lab.aws("lambda").get_waiter("function_active_v2").wait(FunctionName="f", WaiterConfig={"Delay": 0.05})
    assert lab.invoke()["StatusCode"] == 200


def test_a_failed_function_stays_so(lab):
    lab.python(ECHO)
    impair(lab.cloud, "f", Impairment("Failed", "EniLimitExceeded", "no interface"))
    assert refusal(lab) == "ResourceConflictException"
    assert refusal(lab) == "ResourceConflictException"
    api = lab.api(function="f")
    assert lab.call(api).status == 500
    mend(lab.cloud, "f")
    assert lab.call(api).status == 200


def test_variables_are_decrypted_with_the_roles_right_to_the_key(lab):
    lab.python(ECHO, KMSKeyArn=KEY)
    api = lab.api(function="f")
    assert refusal(lab) == "KMSAccessDeniedException"
    assert lab.call(api).status == 500
    right = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": KEY}
    policy = {"Version": "2012-10-17", "Statement": [right]}
    lab.aws("iam").put_role_policy(RoleName="runner", PolicyName="key", PolicyDocument=json.dumps(policy))
    assert lab.call(api).status == 200


def test_payload_1_has_another_event_and_wants_a_status(lab):
    lab.python(ECHO)
    api = lab.api(function="f", routes=("GET /tasks/{id}",))
    client = lab.aws("apigatewayv2")
    (integration,) = client.get_integrations(ApiId=api)["Items"]
    client.update_integration(ApiId=api, IntegrationId=integration["IntegrationId"], PayloadFormatVersion="1.0")
    event = lab.call(api, "/tasks/7?a=1&a=2", headers={"x-mine": "yes"}).json["event"]
    assert (event["version"], event["httpMethod"], event["path"]) == ("1.0", "GET", "/tasks/7")
    assert (event["resource"], event["pathParameters"]) == ("/tasks/{id}", {"id": "7"})
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"]}
    assert event["headers"]["x-mine"] == "yes"
    assert "rawPath" not in event
    assert lab.call(api, "/tasks/7?answer=%7B%22hello%22%3A1%7D").status == 500
