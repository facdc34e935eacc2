"""What is told of an environment: facts by which automations choose, and nothing that could fail the work."""

from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks.events import LONGEST, fitting, labels, tell


def test_words_and_numbers_are_labels() -> None:
    facts = {"in_a_row": 2, "asked_by": "automation", "checks": ["GET /"], "release": "", "urls": {"API": "x"}}
    assert labels(facts) == {"miyabi.in-a-row": "2", "miyabi.asked-by": "automation"}


def test_an_event_is_about_an_environment_and_short() -> None:
    sent: list[dict[str, Any]] = []
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}):
        tell("local", "smoke.failed", "it fails", "x " * 10_000, emit=lambda **event: sent.append(event), in_a_row=1)
    (event,) = sent
    assert event["event"] == "miyabi.smoke.failed"
    assert event["resource"]["prefect.resource.id"] == "miyabi.environment.local"
    assert (event["payload"]["headline"], event["payload"]["in_a_row"]) == ("it fails", 1)
    assert LONGEST - 5 < len(event["payload"]["text"]) <= LONGEST


def test_what_cannot_be_sent_fails_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(**_event: Any) -> None:
        raise ValueError("too large")

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}):
        tell("local", "release.completed", "done", emit=refuse)
    assert caplog.messages == ["the event 'miyabi.release.completed' was not sent: too large"]


def test_without_a_server_nothing_is_sent() -> None:
    """Prefect would start one, which takes ten seconds."""
    sent: list[dict[str, Any]] = []
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        tell("local", "release.completed", "done", emit=lambda **event: sent.append(event))
    assert sent == []


def test_a_long_text_is_cut_between_two_words() -> None:
    cut = fitting("unbelievable " * 1000)
    assert len(cut) <= LONGEST
    assert cut.endswith("unbelievable …")
    assert fitting("short") == "short"
