"""The load tests' profiles for locust, where one machine is not enough: see load.md. locust is no dependency of ours.

    pip install locust
    MIYABI_LOAD_PROFILE=spike locust -f docs/locustfile.py --master --host https://…      (one)
    MIYABI_LOAD_PROFILE=spike locust -f docs/locustfile.py --worker --master-host …       (as many as it takes)

Requests are those of the source's miyabi.toml. A token comes from MIYABI_LOAD_TOKEN. locust's latency counts from when
a request was sent: it says how much a system takes, and hides how long a stall lasts.
"""

import json
import os
import sys
import tomllib
from pathlib import Path
from typing import Any, ClassVar

from locust import FastHttpUser, LoadTestShape, between, constant_throughput

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tasks.loading.job import Open  # noqa: E402
from tasks.loading.profiles import PROFILES  # noqa: E402
from tasks.loading.schedule import wanted_users  # noqa: E402

PROFILE = PROFILES[os.environ.get("MIYABI_LOAD_PROFILE", "phase-4")]
TOKEN = os.environ.get("MIYABI_LOAD_TOKEN", "")
SOURCE = Path(os.environ.get("MIYABI_LOAD_SOURCE", ROOT / "api"))
LOAD = PROFILE.load
EACH = 1.0
"""Requests a second of one user in an open load."""


def mix() -> list[dict[str, Any]]:
    """What can be asked: without a token what needs none, and nothing that has to be made first (`{execution}`)."""
    asked = tomllib.loads((SOURCE / "miyabi.toml").read_text(encoding="utf-8")).get("load", {}).get(PROFILE.mix, [])
    return [one for one in asked if (TOKEN or not one.get("signed_in")) and not makes(one)]


def makes(request: dict[str, Any]) -> bool:
    return any(name in request["path"] + body_of(request) for name in ("{repository}", "{execution}"))


def body_of(request: dict[str, Any]) -> str:
    return json.dumps(request["body"]) if "body" in request else ""


def asks(request: dict[str, Any]) -> Any:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {TOKEN}"} if TOKEN else {})

    def ask(user: FastHttpUser) -> None:
        user.client.request(request.get("method", "GET"), request["path"], name=request["path"].partition("?")[0],
                            headers=headers, data=body_of(request) or None, allow_redirects=False)  # fmt: skip

    return ask


REQUESTS = mix()
if not REQUESTS:
    sys.exit(f"nothing of mix {PROFILE.mix!r} can be asked; is MIYABI_LOAD_TOKEN set?")


class Visitor(FastHttpUser):
    """One user of the profile."""

    tasks: ClassVar[dict[Any, int]] = {asks(request): max(1, round(request.get("weight", 1))) for request in REQUESTS}
    wait_time = constant_throughput(EACH) if isinstance(LOAD, Open) else between(*LOAD.think_s)


class Shape(LoadTestShape):
    """How many users there are: along the profile's points; of an open load, one for each request a second."""

    def tick(self) -> tuple[int, float] | None:
        now = self.get_run_time()
        if now > LOAD.duration_s or (not isinstance(LOAD, Open) and self._asked() >= (LOAD.requests or float("inf"))):
            return None
        users = LOAD.rate / EACH if isinstance(LOAD, Open) else wanted_users(LOAD.points, now)
        return max(1, round(users)), 100.0

    def _asked(self) -> int:
        return int(self.runner.stats.num_requests) if self.runner else 0
