"""A log as it is written: as server-sent events until the execution has ended, or with `wait`, page by page, where an
answer has to be whole (Lambda behind API Gateway).

Events: `log` (a line; its id is the `sequence`), `status` (when it changes), `end` (the last one). A stream that ends
without `end` was cut off: a browser's EventSource then asks again by itself, with the last id it saw.
The table is asked, not listened to: no connection is held while nothing happens. Stop a server that has streams with
`uvicorn --timeout-graceful-shutdown 5`: it waits for them otherwise.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import psycopg
from fastapi import Request
from fastapi.responses import StreamingResponse
from pydantic import TypeAdapter
from starlette.concurrency import run_in_threadpool

from api.errors import ApiError, log_database_error
from database.execution_rows import Log, LogLine
from database.pool import Unavailable

logger = logging.getLogger(__name__)
ENDED = frozenset({"completed", "failed", "cancelled"})
MEDIA_TYPE = "text/event-stream"
SHORTEST_S, LONGEST_S = 0.1, 1.0
SIGN_OF_LIFE_S = 15.0
MANY = 100
LONGEST_WAIT_S = 25
"""API Gateway gives up after 30 s."""
SPARE_S = 3.0
"""Of a Lambda function's time, to answer in."""
LINE = TypeAdapter(LogLine)


def is_wanted(request: Request) -> bool:
    """Lambda cannot stream: its answer is whole or not at all."""
    return MEDIA_TYPE in request.headers.get("accept", "") and "aws.event" not in request.scope


class EventStream(StreamingResponse):
    """The log from `first` on. `read` gives some of the lines after the number `since`, the first ones."""

    def __init__(self, read: Callable[[int], Log], first: Log, *, since: int) -> None:
        headers = {"X-Accel-Buffering": "no"}  # a proxy (nginx) would wait for more
        super().__init__(events(read, first, since=since), media_type=MEDIA_TYPE, headers=headers)


async def events(
    read: Callable[[int], Log], log: Log, *, since: int, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> AsyncIterator[bytes]:
    """Asks at once while there is much to tell, and ever more seldom while there is nothing."""
    told, pause, silence = "", SHORTEST_S, 0.0
    while True:
        for line in log.lines:
            since = line.sequence
            yield b"id: %d\nevent: log\ndata: %s\n\n" % (since, LINE.dump_json(line))
        if log.status != told:
            yield event("status", log.status)
            told = log.status
        if log.status in ENDED and not log.lines:
            yield event("end", log.status)
            return
        if log.status not in ENDED and len(log.lines) < MANY:
            pause, silence = (SHORTEST_S, 0.0) if log.lines else (min(2 * pause, LONGEST_S), silence + pause)
            if silence > SIGN_OF_LIFE_S:
                yield b": still here\n\n"
                silence = 0.0
            await sleep(pause)
        try:
            log = await run_in_threadpool(read, since)
        except ApiError as error:
            logger.info("a stream ended: %s", error)  # it is gone, or not to be seen any more
            return
        except (Unavailable, psycopg.Error) as error:
            log_database_error(error)
            return


def event(name: str, status: str) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'status': status})}\n\n".encode()


def patience(request: Request, wait_s: float) -> float:
    """How long this answer may wait: a Lambda function is ended when its time is up."""
    context = request.scope.get("aws.context")
    return (
        wait_s
        if context is None or not wait_s
        else min(wait_s, context.get_remaining_time_in_millis() / 1000 - SPARE_S)
    )


async def next_page(
    read: Callable[[int], Log],
    *,
    since: int,
    wait_s: float,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Log:
    """The lines after `since` as soon as there are some; none when the status changes, or after `wait_s` seconds."""
    until, pause = clock() + wait_s, SHORTEST_S
    first = log = await run_in_threadpool(read, since)
    while not log.lines and log.status == first.status and log.status not in ENDED and (left := until - clock()) > 0:
        await sleep(min(pause, left))
        pause = min(2 * pause, LONGEST_S)
        log = await run_in_threadpool(read, since)
    return log
