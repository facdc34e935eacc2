"""Load tests on the embedded cloud: run by hand, and at the end of a release, where a missed threshold undoes it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.cloud import Cloud
from tests.release.scene import GOOD, Scene, another_backend, standing
from tests.release.zygote import Zygote

GENEROUS = {"p50_ms": 5000, "p95_ms": 10_000, "p99_ms": 20_000, "per_second": 5}
"""Tests run beside others: they judge that it is judged, not the machine."""


@pytest.fixture(scope="module")
def scene(cloud: Cloud, zygote: Zygote) -> Iterator[Scene]:
    made = standing(cloud, zygote)
    with made.configured(load_test=GENEROUS):
        yield made


def test_a_load_test_leaves_its_page_and_its_history(scene: Scene) -> None:
    ended = scene.run("load_test", source=GOOD, profile="quick", duration_s=1.5, rate=40)
    assert ended.code == 0, ended.error
    page = scene.artifact("load-local")
    assert page.startswith("# Load test local, quick: passed\n")
    assert "40 requests a second for 1.5 s" in page
    assert "](data:image/png;base64," in page
    assert "to this database at most" in page
    with scene.database() as connection:
        row = connection.execute("SELECT requests, errors, passed, partial, p50_ms > 0 FROM load_runs").fetchall()
    assert row == [(60, 0, True, False, True)]
    assert scene.writes == []


def test_what_the_gateway_would_throttle_is_refused_before_anything_is_asked(scene: Scene) -> None:
    ended = scene.run("load_test", source=GOOD, profile="sustained", rate=501)
    assert ended.code == 1
    assert "501 requests a second are asked and the stage lets 500 through" in ended.error


def test_a_release_that_is_too_slow_under_load_is_put_back(scene: Scene, tmp_path: Path) -> None:
    before = scene.live()
    slow = another_backend(tmp_path, name="slow", handler=(
        "import time\n_answer = handler\ndef handler(event, context):\n    time.sleep(0.05)\n"
        "    return _answer(event, context)\n"
    ))  # fmt: skip
    with scene.configured(load_test={**GENEROUS, "after_release": "quick", "p50_ms": 45}):
        ended = scene.run(source=slow)
        assert ended.code == 1
        assert "latency p50" in ended.error
        assert scene.live() == before
        assert scene.last_release().status == "rolled_back"
    again = scene.run(source=GOOD)
    assert again.code == 0, again.error
    with scene.database() as connection:
        ran = connection.execute("SELECT lambda_version, passed FROM load_runs ORDER BY started_at").fetchall()
    assert ran[-1][1] is False
    assert int(ran[-1][0]) > int(before)
