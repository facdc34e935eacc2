"""Lambda's Invoke API, and what its log group shows afterwards."""

import base64
import json
import re
import time

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.lambda_support import Deployer


@pytest.fixture
def lab(cloud, aws):
    """A deployer in an empty account. No process of an earlier test is left."""
    made = Deployer(cloud, aws)
    yield made
    made.clear()


# --- logs ---------------------------------------------------------------------------------------------------------


def test_the_log_has_lambdas_lines_and_what_was_printed(lab):
    lab.native()
    answer = lab.invoke(event={"do": "print", "text": "hello log"}, LogType="Tail")
    log = lab.log()
    assert [line.split(" ")[0].strip() for line in log] == ["INIT_START", "START", "hello", "on", "END", "REPORT"]
    assert re.fullmatch(
        r"REPORT RequestId: [0-9a-f-]{36}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\t"
        r"Max Memory Used: [1-9]\d* MB\tInit Duration: [\d.]+ ms\t\n",
        log[-1],
    )
    assert base64.b64decode(answer["LogResult"]).decode() == "".join(log[1:])
    lab.invoke()
    assert "Init Duration" not in lab.log()[-1]


def test_each_process_has_a_stream_named_as_on_lambda(lab):
    lab.native()
    lab.invoke()
    lab.log()
    streams = lab.aws("logs").describe_log_streams(logGroupName="/aws/lambda/f")["logStreams"]
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", streams[0]["logStreamName"])


def test_a_role_without_the_right_to_log_leaves_no_log_group(lab):
    lab.native(role=lab.role(policy=None))
    answer = lab.invoke(event={"do": "print", "text": "unseen"}, LogType="Tail")
    assert b"unseen" in base64.b64decode(answer["LogResult"])
    assert lab.log() == []
    assert lab.aws("logs").describe_log_groups()["logGroups"] == []


def test_a_role_that_may_not_make_the_group_writes_into_an_existing_one(lab):
    arn = "arn:aws:logs:us-east-1:211234825975:log-group:/aws/lambda/f:*"
    statement = {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": arn}
    lab.native(role=lab.role(policy=json.dumps({"Version": "2012-10-17", "Statement": statement})))
    lab.invoke()
    assert lab.log() == []
    lab.aws("logs").create_log_group(logGroupName="/aws/lambda/f")
    lab.invoke()
    assert [line.split()[0] for line in lab.log()[-3:]] == ["START", "END", "REPORT"]  # by a second process, perhaps


# --- invoking -----------------------------------------------------------------------------------------------------


def test_event_and_dry_run_do_not_wait(lab):
    lab.native()
    assert lab.invoke(InvocationType="DryRun")["StatusCode"] == 204
    assert lab.log() == []
    assert lab.invoke(InvocationType="Event", event={"do": "print", "text": "later"})["StatusCode"] == 202
    deadline = time.monotonic() + 10
    while "later\n" not in lab.log():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_unknown_functions_and_bad_payloads_are_refused(lab):
    lab.native()
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        lab.invoke("nobody")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        lab.invoke(Qualifier="7")
    with pytest.raises(ClientError, match="InvalidRequestContentException"):
        lab.aws("lambda").invoke(FunctionName="f", Payload=b"{not json")
