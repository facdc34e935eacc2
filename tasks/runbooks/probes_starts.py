"""Cold starts, by what Lambda wrote into the function's log."""

import re
from typing import Any

from tasks.diagnosing.facts import Facts
from tasks.diagnosing.looking import Look
from tasks.diagnosing.model import NothingToAsk
from tasks.errors import absent_as_none
from tasks.provisioned import observe_provisioned
from tasks.runbooks.facts import StartsSeen

HOURS, MOST = 24, 1000
"""How far back, and how many starts are enough."""
INIT = re.compile(r"Max Memory Used: (?P<used>\d+) MB.*?Init Duration: (?P<init>[\d.]+) ms")


def see_starts(look: Look, facts: Facts) -> StartsSeen:
    """The starts of the last day: CloudWatch has no metric of them, the REPORT lines have."""
    function = facts.function
    if function is None or not function.exists:
        raise NothingToAsk("there is no function that could start")
    found = [match for line in reports(look, function.log_group) if (match := INIT.search(line))]
    client = look.rollout.aws("lambda")
    size = client.get_function_configuration(FunctionName=function.name)["CodeSize"]
    stands = observe_provisioned(client, function.name).values()
    return StartsSeen(
        hours=HOURS,
        starts_ms=tuple(sorted(float(one["init"]) for one in found)),
        memory_mb=function.memory_mb,
        used_mb=max((int(one["used"]) for one in found), default=0),
        package_mb=size / 1e6,
        provisioned=sum(one.requested for one in stands),
    )


def reports(look: Look, group: str) -> list[str]:
    """The REPORT lines of first requests. Raises NothingToAsk where there is no such group."""
    wanted: dict[str, Any] = {
        "logGroupName": group,
        "filterPattern": '"Init Duration"',
        "startTime": int(1000 * (look.now() - 3600 * HOURS)),
        "PaginationConfig": {"MaxItems": MOST},
    }
    pages = look.rollout.aws("logs").get_paginator("filter_log_events").paginate(**wanted)
    lines = absent_as_none(lambda: [str(event["message"]) for page in pages for event in page["events"]])
    if lines is None:
        raise NothingToAsk(f"there is no log group {group}")
    return lines
