"""The probe of a new API: it waits for an answer, and tells a bad one from silence."""

import httpx
import pytest

from tasks.errors import Temporary
from tasks.probe import probe_api


class Time:
    """A clock that moves only by sleeping."""

    now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def clock(self) -> float:
        return self.now


def answers(*statuses: int) -> tuple[httpx.MockTransport, list[int]]:
    left, given = list(statuses), list[int]()

    def handle(_: httpx.Request) -> httpx.Response:
        given.append(left.pop(0) if len(left) > 1 else left[0])
        if given[-1] == 0:
            raise httpx.ConnectError("refused")
        return httpx.Response(given[-1])

    return httpx.MockTransport(handle), given


@pytest.mark.parametrize(("statuses", "asked"), [([200], 1), ([0, 404, 500, 200], 4), ([401], 1)])
def test_the_probe_waits_until_the_api_answers(statuses: list[int], asked: int) -> None:
    transport, given = answers(*statuses)
    time = Time()
    assert probe_api("http://127.0.0.1:1/h", transport=transport, sleep=time.sleep, clock=time.clock) == ""
    assert len(given) == asked


def test_the_probe_reports_a_bad_answer_and_refuses_silence() -> None:
    time, url = Time(), "http://127.0.0.1:1/h"
    bad = probe_api(url, transport=answers(500)[0], sleep=time.sleep, clock=time.clock)
    assert bad == f"{url} answers 500"
    assert 10 < time.now <= 20
    with pytest.raises(Temporary, match="nothing answers"):
        probe_api(url, transport=answers(0)[0], sleep=time.sleep, clock=time.clock)
