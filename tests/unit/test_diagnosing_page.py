"""A diagnosis as people and machines read it: the verdict first, commands that can be typed, nothing secret."""

import json
from dataclasses import replace
from typing import Any

import pytest

from blocks.commands import LOCAL_KEYS
from tasks.diagnosing.model import Diagnosis, Probed
from tasks.diagnosing.page import as_json, render, rows_of
from tasks.diagnosing.ranking import headline
from tests.support import make_environment
from tests.unit.diagnosing import OWN_500, facts, judged

ENDPOINT = "http://127.0.0.1:4566"


def diagnosis(mended: tuple[str, ...] = (), **changes: Any) -> Diagnosis:
    found, seen = judged(**changes), facts(**changes)
    probed = [Probed("the URL", "odd", "500 | in 12 ms", 12.3), Probed("metrics", "unknown", "away")]
    return Diagnosis("local", "what is deployed", headline(seen, found), found, probed, seen, 1.5, mended)


def test_the_verdict_comes_first_then_the_way_to_mend_it() -> None:
    page = render(diagnosis(answer=OWN_500, policy={"allowed": False}), make_environment(ENDPOINT))
    assert page.startswith("# ✗ API Gateway may not invoke the function\n\n**Asked about** what is deployed")
    assert "### 1. Certain: API Gateway may not invoke the function" in page
    assert "- give API Gateway the right on exactly this ARN: `miyabi diagnose -e local --fix`" in page
    assert page.index("## Causes") < page.index("## What was looked at") < page.index("## Ruled out")
    assert "| ✗ | the URL | 12 ms | 500 \\| in 12 ms |" in page


def test_several_and_what_was_mended_before() -> None:
    changes = {"answer": OWN_500, "policy": {"allowed": False}, "logs": {"role_exists": False}}
    page = render(diagnosis(("it was: no stage", "create stage"), **changes), make_environment(ENDPOINT))
    assert page.startswith("# ✗ API Gateway may not invoke the function, and 1 more\n")
    assert "## Mended, before this was looked at\n\n- it was: no stage\n- create stage" in page
    assert "*logs are missing*" in page


def test_when_nothing_is_wrong() -> None:
    page = render(diagnosis(), make_environment(ENDPOINT))
    assert page.startswith("# ✓ Nothing is wrong: 200 in 12 ms")
    assert "## Causes" not in page


@pytest.mark.parametrize(
    ("endpoint", "start"),
    [
        (ENDPOINT, f"{LOCAL_KEYS} aws --endpoint-url {ENDPOINT} --region us-east-1 lambda"),
        (None, "aws --region us-east-1 "),
    ],
)
def test_a_command_can_be_typed_where_the_environment_is(endpoint: str | None, start: str) -> None:
    rows = rows_of(diagnosis(answer=OWN_500, function={"reserved": 0}), make_environment(endpoint))
    assert rows[0]["cause"] == "concurrency"
    assert rows[0]["fix"].startswith(start)
    assert " lambda delete-function-concurrency --function-name " in rows[0]["fix"]
    assert rows[0]["fixed by --fix"] == "no"


def test_fix_is_about_what_was_asked_about() -> None:
    url = "https://abc.execute-api.us-east-1.amazonaws.com/a?b=1"
    found = replace(diagnosis(answer=OWN_500, policy={"allowed": False}), asked=url)
    assert f"`miyabi diagnose '{url}' -e local --fix`" in render(found, make_environment(ENDPOINT))


def test_the_right_of_an_api_that_is_not_ours_as_a_command() -> None:
    changes: dict[str, Any] = {"answer": OWN_500, "policy": {"allowed": False}, "subject": {"ours": False}}
    fix = rows_of(diagnosis(**changes), make_environment(None))[0]["fix"].splitlines()[0]
    assert fix.startswith("aws --region us-east-1 lambda add-permission --function-name ")
    assert fix.endswith(":abc/*/*'")


def test_for_machines() -> None:
    whole = json.loads(as_json(diagnosis(answer=OWN_500, policy={"allowed": False}), make_environment(ENDPOINT)))
    assert whole["causes"][0]["cause"] == "permission"
    assert whole["causes"][0]["fixed by --fix"] == "yes"
    assert whole["probes"][0] == {"name": "the URL", "standing": "odd", "says": "500 | in 12 ms", "ms": 12}


def test_passwords_in_addresses_are_masked() -> None:
    page = render(diagnosis(("postgresql://me:hunter2@host/db",)), make_environment(ENDPOINT))
    assert "hunter2" not in page


def test_what_is_anothers_is_not_mended() -> None:
    changes: dict[str, Any] = {"answer": OWN_500, "policy": {"allowed": False}, "subject": {"ours": False}}
    assert diagnosis(**changes).remedies == ()
    assert "--fix" not in render(diagnosis(**changes), make_environment(ENDPOINT))
    assert diagnosis(answer=OWN_500, policy={"allowed": False}).remedies == ("permission",)


def test_fix_is_not_recommended_where_it_would_do_nothing() -> None:
    """What is only possible it leaves alone."""
    found = diagnosis(secrets={"unreadable": ("A",)})
    page, row = render(found, make_environment(ENDPOINT)), rows_of(found, make_environment(ENDPOINT))[0]
    assert "- give the role its rights back: `miyabi release -e local`" in page
    assert (row["verdict"], row["fix"], row["fixed by --fix"]) == ("possible", "miyabi release -e local", "no")
