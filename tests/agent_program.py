"""The program that command agents run in tests of disasters: one effect that can be counted, and a commit.

As a program should, it makes its effect under the key that stays the same in every attempt, and finds work that an
attempt before it has committed.
"""

import os
import subprocess
import time
from pathlib import Path

import psycopg

EFFECT = "INSERT INTO effects (key) SELECT %(key)s WHERE NOT EXISTS (SELECT FROM effects WHERE key = %(key)s)"
PATIENCE_S = 60.0


def main() -> None:
    make_effect(os.environ["DATABASE_URL"], os.environ["MIYABI_IDEMPOTENCY_KEY"])
    time.sleep(0.3)
    if not (work := Path("work.txt")).exists():
        work.write_text("done\n")
        subprocess.run(["git", "add", "work.txt"], check=True)
        subprocess.run(["git", "commit", "--quiet", "--message", "Do the work"], check=True)
    print("the work is done")


def make_effect(dsn: str, key: str) -> None:
    """Once; the database may be away for a while."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            with psycopg.connect(dsn) as connection:
                connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [key])
                connection.execute(EFFECT, {"key": key})
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


if __name__ == "__main__":
    main()
