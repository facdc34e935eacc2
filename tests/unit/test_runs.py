"""A run from the terminal: what is said of it while it goes on and at its end."""

import json
from typing import Any

import pytest

from deployments.prefect_api import PrefectApi, PrefectAway
from deployments.runs import Ended, contents, run_deployment
from tasks.reports import document

RUN = {"id": "1f", "name": "release local 1f3c2ab", "state_type": "COMPLETED", "state_name": "Completed"}
URL = "http://127.0.0.1:4200/runs/flow-run/1f"


class Dying(PrefectApi):
    """A server that makes the run and is not there any more."""

    def request(self, method: str, path: str, body: Any = None) -> Any:
        if path.endswith("/create_flow_run"):
            return {"id": "1f"}
        if path.startswith("/deployments/"):
            return {"id": "d1"}
        raise PrefectAway(f"Prefect does not answer at {self.url}: refused. Is it up? `miyabi up`")


@pytest.mark.parametrize(
    ("stopped", "patience", "waiting"),
    [(False, (30, 60), ["‖ Prefect does not answer; waiting for it"]), (True, (0, 1), [])],
    ids=["may come back", "was stopped"],
)
def test_a_server_that_dies_is_said_in_words_with_the_run(
    stopped: bool, patience: tuple[float, float], waiting: list[str]
) -> None:
    shown: list[str] = []
    slept: list[float] = []
    prefect = Dying("http://127.0.0.1:1/api")
    with pytest.raises(PrefectAway) as caught:
        run_deployment(
            prefect, "release", "nosuch", {},
            artifact="release", show=shown.append, gone=lambda: stopped, sleep=slept.append,
        )  # fmt: skip
    assert patience[0] <= sum(slept) <= patience[1]
    assert shown == ["release nosuch  http://127.0.0.1:1/runs/flow-run/1f", *waiting]
    for part in (
        "Prefect does not answer at http://127.0.0.1:1/api",
        "The run http://127.0.0.1:1/runs/flow-run/1f may go on unseen, or have ended.",
        "running it again is safe",
    ):
        assert part in str(caught.value)


def test_a_failed_run_ends_with_its_reason() -> None:
    state = {"message": "Flow run encountered an exception: Permanent: it is forbidden"}
    ended = Ended(
        RUN | {"state_type": "FAILED", "state_name": "Failed", "state": state, "total_run_time": 1}, URL, None
    )
    assert not ended.done
    assert list(ended.lines()) == ["\nrelease local 1f3c2ab: Failed after 1.0 s", "it is forbidden"]


def test_a_report_is_shown_without_what_was_shown_while_it_went_on() -> None:
    head = "# Release local: succeeded\n\n| git | 1f3c2ab |\n\n"
    text = head + "## Changes: 1 create\n\n- create x\n\n## Steps\n\n| a | 1 |\n"
    ended = Ended(RUN, URL, {"type": "markdown", "data": text})
    assert next(ended.lines()) == "\n# Release local: succeeded\n| git | 1f3c2ab |"
    assert ended.facts("release")["release"] == text


def test_a_plan_is_its_change_table() -> None:
    rows = [{"change": "create", "what": "role x", "field": "", "from": "", "to": "", "why": ""}]
    ended = Ended(RUN, URL, {"type": "table", "data": json.dumps(rows)})
    assert next(ended.lines()) == "\n  create   role x"
    assert ended.facts("changes") == {
        "flow_run": "1f", "url": URL, "state": "Completed", "message": None, "changes": rows,
    }  # fmt: skip


def test_further_tables_of_a_report_are_there_for_machines() -> None:
    """One that the run did not leave is null."""

    class Done(PrefectApi):
        def run(self, deployment: str, parameters: dict[str, Any]) -> dict[str, Any]:
            return {"id": "1f"}

        def request(self, method: str, path: str, body: Any = None) -> Any:
            if path == "/flow_runs/1f":
                return RUN
            if path != "/artifacts/filter":
                return []
            assert body["sort"] == "CREATED_DESC"  # without it: any of several
            (key,) = body["artifacts"]["key"]["any_"]
            table = {"type": "table", "data": json.dumps([{"key": key}])}
            return [] if key.startswith("drift") else [table]

    ended = run_deployment(
        Done("http://127.0.0.1:1/api"), "report", "nosuch", {},
        artifact="components", others=("costs", "drift"), show=lambda line: None, gone=lambda: False,
        sleep=lambda s: None,
    )  # fmt: skip
    facts = ended.facts("components")
    assert facts["components"] == [{"key": "components-nosuch"}]
    assert (facts["costs"], facts["drift"]) == ([{"key": "costs-nosuch"}], None)


def test_a_document_is_read_as_what_it_is() -> None:
    """A table of one cell named `json`: the whole of a report."""
    whole = {"headline": "x", "problems": [1]}
    assert contents({"type": "table", "data": json.dumps(document(json.dumps(whole)))}) == whole


def test_a_report_is_shown_without_its_pictures() -> None:
    page = "# Backup\n\n![RPO](data:image/png;base64,iVBORw0)\n\nwhole ![a link](docs/x.png)\n"
    assert (
        next(Ended(RUN, URL, {"type": "markdown", "data": page}).lines()) == "\n# Backup\nwhole ![a link](docs/x.png)"
    )


def test_a_report_is_shown_without_its_settings() -> None:
    ended = Ended(
        RUN, URL, {"type": "markdown", "data": "# Status report\n\n## Costs\n\nmuch\n\n## Settings\n\nlong\n"}
    )
    assert next(ended.lines()) == "\n# Status report\n## Costs\nmuch"


def test_a_rollback_of_nothing_is_not_done_and_says_what_to_name() -> None:
    state = {"message": "traffic stays where it is: name one to go to, `miyabi rollback ID`: c9a0b077 (version 1)"}
    ended = Ended(RUN | {"state_name": "NotDone", "state": state, "total_run_time": 1}, URL, None)
    assert not ended.done
    assert list(ended.lines())[-1] == state["message"]
