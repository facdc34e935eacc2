"""Policies: may API Gateway invoke exactly this, may this role write logs."""

import json

import pytest

from localcloud.lambda_policy import arn_like, gateway_may_invoke, role_allows

ARN = "arn:aws:lambda:us-east-1:211234825975:function:f:live"
SOURCE = "arn:aws:execute-api:us-east-1:211234825975:api/$default/$default"


def statement(**changes):
    base = {
        "Effect": "Allow",
        "Principal": {"Service": "apigateway.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": ARN,
        "Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:execute-api:us-east-1:211234825975:api/*/*"}},
    }
    return {**base, **changes}


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({}, True),
        ({"Condition": {}}, True),
        ({"Principal": "*"}, True),
        ({"Action": "lambda:*"}, True),
        ({"Condition": {"StringEquals": {"AWS:SourceAccount": "211234825975"}}}, True),
        ({"Resource": ARN.removesuffix(":live")}, False),
        ({"Resource": ARN.replace(":live", ":1")}, False),
        ({"Principal": {"Service": "s3.amazonaws.com"}}, False),
        ({"Action": "lambda:GetFunction"}, False),
        ({"Condition": {"ArnLike": {"AWS:SourceArn": SOURCE.replace(":api/", ":other/")}}}, False),
        ({"Condition": {"StringEquals": {"AWS:SourceAccount": "1"}}}, False),
        ({"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}, False),
    ],
)
def test_the_invoke_permission_is_for_the_exact_qualifier_and_api(changes, allowed):
    found = gateway_may_invoke([statement(**changes)], function_arn=ARN, source_arn=SOURCE, account="211234825975")
    assert found is allowed


def test_a_deny_wins():
    both = [statement(), statement(Effect="Deny")]
    assert not gateway_may_invoke(both, function_arn=ARN, source_arn=SOURCE, account="211234825975")
    assert not gateway_may_invoke([], function_arn=ARN, source_arn=SOURCE, account="211234825975")


def test_arn_wildcards_stay_inside_their_part():
    assert arn_like("arn:aws:execute-api:*:*:api/*/GET/pets", "arn:aws:execute-api:r:a:api/s/GET/pets")
    assert not arn_like("arn:aws:execute-api:*", "arn:aws:execute-api:r:a:api/s")


class Role:
    def __init__(self, arn, *documents):
        self.arn, self.policies, self.managed_policies = arn, dict(enumerate(map(json.dumps, documents))), {}


class Iam:
    def __init__(self, *roles):
        self.roles = roles

    def get_roles(self):
        return self.roles


@pytest.mark.parametrize(
    ("statements", "allowed"),
    [
        ([{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}], True),
        ({"Effect": "Allow", "Action": ["LOGS:putlogevents"], "Resource": ["arn:aws:logs:r:a:log-group:g:*"]}, True),
        ([{"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "arn:aws:logs:r:a:log-group:other:*"}], False),
        ([{"Effect": "Allow", "Action": "*", "Resource": "*"},
          {"Effect": "Deny", "Action": "logs:*", "Resource": "*"}], False),
        ([], False),
    ],
)  # fmt: skip
def test_a_role_may_what_its_policies_say(statements, allowed):
    iam = Iam(Role("arn:role", {"Statement": statements}))
    assert role_allows(iam, "arn:role", "logs:PutLogEvents", "arn:aws:logs:r:a:log-group:g:log-stream:s") is allowed
    assert not role_allows(iam, "arn:gone", "logs:PutLogEvents", "*")
