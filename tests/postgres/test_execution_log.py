"""What agents say: kept in order, bounded, harmless whatever it is, and never in the way of who says it."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from database.execution_log import Bounds, LogLost, LogWriter
from database.log_batches import Line, Sender, clean_line, first_id
from tests.postgres.queue_support import Rows, rows_in


@pytest.fixture
def rows(migrated: str) -> Iterator[Rows]:
    with rows_in(migrated) as rows:
        yield rows


def logged(dsn: str, call: Callable[[LogWriter], Awaitable[Any]], **options: Any) -> None:
    async def in_block() -> None:
        async with LogWriter(dsn, **options) as log:
            await asyncio.wait_for(call(log), 20)

    asyncio.run(in_block())


def lines(rows: Rows, execution: UUID) -> list[tuple[str, str]]:
    query = "SELECT log_level, message FROM execution_logs WHERE execution_id = %s ORDER BY sequence"
    return rows.connection.execute(query, [execution]).fetchall()


def test_lines_keep_their_order_time_and_metadata(migrated: str, rows: Rows) -> None:
    mine, other = rows.add(), rows.add()

    async def speak(log: LogWriter) -> None:
        for number in range(12_000):
            log.write(mine, "INFO", f"line {number}")
        log.write(other, "ERROR", "no", {"code": 7, "more": ["ü"]})
        await log.flush()
        assert rows.one("SELECT count(*) FROM execution_logs WHERE execution_id = %s", other) == 1

    logged(migrated, speak, clock=lambda: 1_800_000_000.25)
    assert lines(rows, mine) == [("INFO", f"line {number}") for number in range(12_000)]
    found = rows.connection.execute(
        "SELECT metadata, extract(epoch FROM timestamp)::float FROM execution_logs WHERE execution_id = %s", [other]
    ).fetchall()
    assert found == [({"code": 7, "more": ["ü"]}, 1_800_000_000.25)]


def test_leaving_the_block_writes_what_is_left(migrated: str, rows: Rows) -> None:
    mine = rows.add()

    async def speak(log: LogWriter) -> None:
        log.write(mine, "INFO", "last words")

    logged(migrated, speak, linger_s=60.0)
    assert lines(rows, mine) == [("INFO", "last words")]


def test_lines_appear_without_being_flushed(migrated: str, rows: Rows) -> None:
    mine = rows.add()

    async def speak(log: LogWriter) -> None:
        log.write(mine, "INFO", "here")
        while not lines(rows, mine):
            await asyncio.sleep(0.01)

    logged(migrated, speak)


def test_any_thread_may_write(migrated: str, rows: Rows) -> None:
    mine = rows.add()

    def chatter(log: LogWriter, name: str) -> None:
        for number in range(500):
            log.write(mine, "INFO", f"{name} {number}")

    async def speak(log: LogWriter) -> None:
        threads = [threading.Thread(target=chatter, args=(log, name)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)

    logged(migrated, speak)
    said = [message for _level, message in lines(rows, mine)]
    for name in "abcd":
        assert [one for one in said if one.startswith(name)] == [f"{name} {number}" for number in range(500)]


def test_what_postgres_cannot_hold_is_harmless(migrated: str, rows: Rows) -> None:
    mine = rows.add()
    odd = ["a\x00b", "\ud800", "tab\tnew\nline\rback\\slash \\N \\.", "", "\\.", "日本語 🎉"]

    async def speak(log: LogWriter) -> None:
        for message in odd:
            log.write(mine, "INFO", message)
        log.write(mine, "INFO", "m", {"a": "\x00\ud800", "path": "c:\\n"})
        log.write(mine, "INFO", "m", {"a": object(), "nan": float("nan")})
        log.write(mine, "INFO", "m", {"a": "x" * 100_000})

    logged(migrated, speak)
    assert [message for _level, message in lines(rows, mine)][:6] == ["a\ufffdb", "\ufffd", *odd[2:]]
    (first, second, third) = [row[0] for row in rows.connection.execute(
        "SELECT metadata FROM execution_logs WHERE metadata IS NOT NULL ORDER BY sequence"
    )]  # fmt: skip
    assert first == {"a": "\ufffd\ufffd", "path": "c:\\n"}
    assert "<object object" in second["text"]
    assert third["cut"] > 100_000


def test_a_huge_line_is_cut_and_says_so(migrated: str, rows: Rows) -> None:
    mine = rows.add()

    async def speak(log: LogWriter) -> None:
        log.write(mine, "ERROR", "é" * 1_000_000)

    logged(migrated, speak)
    ((_level, message),) = lines(rows, mine)
    assert message == "é" * 16_384 + "… (cut: the line has 1,000,000 characters)"


def test_beyond_its_bound_an_execution_keeps_what_matters(migrated: str, rows: Rows) -> None:
    mine, other = rows.add(), rows.add()

    async def speak(log: LogWriter) -> None:
        for number in range(10):
            log.write(mine, "INFO" if number % 2 else "DEBUG", str(number))
            log.write(mine, "WARN", f"careful {number}")
        log.write(other, "INFO", "another one has a bound of its own")
        await log.end(mine)
        log.write(mine, "INFO", "after its end the count begins anew")

    logged(migrated, speak, bounds=Bounds(lines=4))
    said = lines(rows, mine)
    assert [line for line in said if line[1].startswith("careful")] == [("WARN", f"careful {n}") for n in range(10)]
    assert [message for level, message in said if level in ("DEBUG", "INFO")][:4] == ["0", "1", "2", "3"]
    assert said[8] == (
        "WARN", "From here on DEBUG and INFO lines are missing: more than 4 lines or 20,000,000 characters.",
    )  # fmt: skip
    assert said[-2:] == [
        ("WARN", "6 DEBUG and INFO lines are missing."),
        ("INFO", "after its end the count begins anew"),
    ]
    assert len(lines(rows, other)) == 1


def test_the_bound_counts_characters_too(migrated: str, rows: Rows) -> None:
    mine = rows.add()

    async def speak(log: LogWriter) -> None:
        for _ in range(100):
            log.write(mine, "INFO", "x" * 1000)

    logged(migrated, speak, bounds=Bounds(characters=20_000))
    assert 15 < len(lines(rows, mine)) < 25
    assert lines(rows, mine)[-1][1].endswith("DEBUG and INFO lines are missing.")


def test_while_postgres_is_away_memory_stays_bounded_and_warnings_are_kept(rows: Rows) -> None:
    mine = rows.add()

    async def speak() -> None:
        async with LogWriter("host=127.0.0.1 port=1", bounds=Bounds(waiting=10_000), patience_s=0.0) as log:
            for _ in range(1000):
                log.write(mine, "INFO", "x" * 100)
            assert log._waiting < 12_000
            log.write(mine, "ERROR", "still")

    with pytest.raises(LogLost, match=r"\d+ log lines were not written"):
        asyncio.run(speak())


def test_lines_of_a_deleted_execution_are_in_nobodys_way(migrated: str, rows: Rows) -> None:
    mine, gone = rows.add(), uuid4()

    async def speak(log: LogWriter) -> None:
        for number in range(5):
            log.write(gone, "INFO", "to nobody")
            log.write(mine, "INFO", str(number))

    logged(migrated, speak)
    assert [message for _level, message in lines(rows, mine)] == list("01234")


def test_a_batch_that_had_arrived_is_not_stored_twice(migrated: str, rows: Rows) -> None:
    """As when PostgreSQL dies between its commit and its answer."""
    mine = rows.add()

    class Deaf(Sender):
        def _copy(self, lines: Any, ids: int) -> None:
            super()._copy(lines, ids)
            if not heard:
                heard.append(True)
                raise psycopg.OperationalError("the answer was lost")

    heard: list[bool] = []
    sender = Deaf(migrated, pause=lambda seconds: None)
    assert sender.send([clean_line(mine, "INFO", str(number), None, 0.0) for number in range(3)])
    sender.close()
    assert [message for _level, message in lines(rows, mine)] == ["0", "1", "2"]


def test_a_line_that_postgres_refuses_all_the_same_takes_no_other_with_it(migrated: str, rows: Rows) -> None:
    mine = rows.add()
    some = [
        Line(mine, "INFO", "a", "{}", 0.0, 1),
        Line(mine, "INFO", "b", "{no json", 0.0, 1),
        Line(mine, "WARN", "c", None, 0.0, 1),
    ]
    sender = Sender(migrated)
    assert sender.send(some)
    sender.close()
    assert lines(rows, mine) == [("INFO", "a"), ("WARN", "c")]


def test_ids_are_uuids_in_the_order_of_time() -> None:
    early, late = (UUID(int=first_id(clock)) for clock in (lambda: 1_800_000_000.0, lambda: 1_800_000_000.001))
    assert (early.version, early.variant) == (7, "specified in RFC 4122")
    assert early < late
    assert UUID(int=early.int + 1_000_000).version == 7


def test_wrong_use_is_told_at_once(migrated: str, rows: Rows) -> None:
    mine = rows.add()

    async def speak(log: LogWriter) -> None:
        with pytest.raises(ValueError, match="'WARNING' is no log level"):
            log.write(mine, "WARNING", "x")  # type: ignore[arg-type]
        await log.flush()
        closed.append(log)

    closed: list[LogWriter] = []
    logged(migrated, speak)
    with pytest.raises(RuntimeError, match="closed"):
        closed[0].write(mine, "INFO", "x")
    with pytest.raises(LogLost):
        asyncio.run(closed[0].flush())
