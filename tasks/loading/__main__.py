"""The engine's process: `python -m tasks.loading`.

One line of JSON on standard input is the job; lines of JSON on standard output are progress, one a second, and at last
the result. SIGTERM, and the end of standard input (the parent has died), stop it; what was measured by then is still
told, and said to be partial.
"""

import contextlib
import gc
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from tasks.loading.engine import Engine, stop_on_signal
from tasks.loading.job import Open, read_job
from tasks.loading.samples import figures


def main() -> None:
    job = read_job(json.loads(sys.stdin.buffer.raw.readline()))  # type: ignore[union-attr]
    allow_many_files()
    try:
        engine = Engine(job)
    except (OSError, ValueError) as error:
        say({"refused": f"{job.url}: {error}"})
        sys.exit(1)
    stop_on_signal(engine)
    gc.disable()  # nothing here makes cycles, and a pause would be in the figures
    cpu, wall = time.process_time(), time.perf_counter()
    table = engine.run(lambda progress: say({"progress": progress}), watch=sys.stdin.fileno()).table()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    if job.samples:
        table.save(Path(job.samples))
    period = job.load.duration_s if isinstance(job.load, Open) and not engine.stopping else None
    told = figures(table, [request.name for request in job.requests], period)
    say({"result": told | engine.account() | {"cpu_s": cpu, "busy": cpu / wall, "wall_s": wall}})


def say(line: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(line), flush=True)


def allow_many_files() -> None:
    """A socket is a file, and many systems start a program with a limit of 256 or 1,024."""
    if os.name == "posix":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()
