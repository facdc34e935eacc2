"""Commands as a person has to type them."""

import pytest

from blocks.commands import LOCAL_KEYS, log_command, typed
from tests.support import make_environment

ENDPOINT = "http://127.0.0.1:4566"


@pytest.mark.parametrize(
    ("text", "local", "at_aws"),
    [
        ("aws rds list-x --name {database}",
         f"{LOCAL_KEYS} aws --endpoint-url {ENDPOINT} --region us-east-1 rds list-x --name miyabi-postgres-local",
         "aws --region us-east-1 rds list-x --name miyabi-postgres-testing"),
        ("or at once: aws iam get-x (aws s3api put-y)",
         f"or at once: {LOCAL_KEYS} aws --endpoint-url {ENDPOINT} --region us-east-1 iam get-x ({LOCAL_KEYS} aws"
         f" --endpoint-url {ENDPOINT} --region us-east-1 s3api put-y)",
         "or at once: aws --region us-east-1 iam get-x (aws --region us-east-1 s3api put-y)"),
        ("`miyabi release -e {environment}` it", "`miyabi release -e local` it", "`miyabi release -e testing` it"),
        ("the files of aws are elsewhere", *["the files of aws are elsewhere"] * 2),
    ],
)  # fmt: skip
def test_a_text_with_commands(text: str, local: str, at_aws: str) -> None:
    assert typed(text, make_environment(ENDPOINT)) == local
    assert typed(text, make_environment(None)) == at_aws


def test_a_log_of_the_last_minutes() -> None:
    assert "--start-time $(($(date +%s) - 600))000 " in log_command("/aws/lambda/x", 10)
