"""Which errors may be tried again, and what they say."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from tasks.errors import Permanent, Rejected, SimulatorGap, Temporary, absent_as_none, explain, when_settled


def client_error(code: str, message: str = "message", operation: str = "CreateThing") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (client_error("ThrottlingException"), Temporary),
        (client_error("500"), Temporary),
        (client_error("ResourceConflictException"), Temporary),
        (
            client_error(
                "InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda."
            ),
            Temporary,
        ),
        (EndpointConnectionError(endpoint_url="http://x"), Temporary),
        (client_error("InvalidParameterValueException", "Unknown runtime"), Permanent),
        (client_error("OperationAbortedException"), Temporary),
        (client_error("AccessDeniedException"), Permanent),
        (client_error("LimitExceeded"), Permanent),
        (client_error("SimulatorGap"), SimulatorGap),
    ],
)
def test_explain(error: Exception, kind: type[Exception]) -> None:
    assert type(explain(error, "make the thing")) is kind
    assert "make the thing" in str(explain(error, "make the thing"))


def test_access_denied_names_the_missing_permission() -> None:
    assert "permission for CreateThing" in str(explain(client_error("AccessDenied"), "x"))


def test_rejected_lists_all_problems() -> None:
    error = Rejected("package", ["not executable", "wrong machine"])
    assert str(error) == "package: 2 problem(s)\n  - not executable\n  - wrong machine"


def test_when_settled_waits_for_conflicts_and_iam() -> None:
    answers = [
        client_error("ResourceConflictException"),
        client_error("InvalidParameterValueException", "The role ... cannot be assumed by Lambda."),
    ]
    pauses: list[float] = []

    def call() -> str:
        if answers:
            raise answers.pop(0)
        return "done"

    assert when_settled(call, sleep=pauses.append) == "done"
    assert pauses == [0.1, 0.2]


def test_when_settled_gives_up_after_its_patience() -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    def call() -> None:
        raise client_error("ResourceConflictException")

    with pytest.raises(ClientError):
        when_settled(call, patience=10, sleep=sleep, clock=lambda: now[0])
    assert 5 < now[0] <= 10


def test_when_settled_does_not_retry_other_errors() -> None:
    calls: list[int] = []

    def call() -> None:
        calls.append(1)
        raise client_error("AccessDenied")

    with pytest.raises(ClientError):
        when_settled(call, sleep=lambda s: None)
    assert len(calls) == 1


def test_absent_as_none() -> None:
    def absent() -> str:
        raise client_error("NoSuchEntity")

    def denied() -> str:
        raise client_error("AccessDenied")

    assert absent_as_none(absent) is None
    with pytest.raises(ClientError):
        absent_as_none(denied)
