"""Prefect's own ways to run small flows, each a process: `stock COUNT` prints the seconds it took, `serve` waits."""

import asyncio
import sys
import time

from prefect import flow, serve

AT_ONCE = 20


@flow
async def nothing() -> None:
    """No work."""


async def stock(count: int) -> float:
    """Seconds for so many runs in this process, 20 at a time, after a first one."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with slots:
            await nothing()

    await one()
    began = time.monotonic()
    await asyncio.gather(*(one() for _ in range(count)))
    return time.monotonic() - began


if __name__ == "__main__":
    if sys.argv[1] == "stock":
        print(asyncio.run(stock(int(sys.argv[2]))))
    else:
        serve(nothing.to_deployment("bench"), limit=8)  # type: ignore[arg-type]
