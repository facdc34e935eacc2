"""The record of releases and its undo log, on a real PostgreSQL: guarded moves, dead runs, and kill -9."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from botocore.exceptions import ClientError
from pydantic import SecretStr

from database import releases
from database.releases import NotRunning, Outcome, Release, Request
from tasks.changes import Rollout
from tasks.errors import Permanent, Temporary
from tasks.releases import Journal, Store, close_release, open_release
from tasks.returning import find_release
from tasks.undo import replay_undo
from tests.support import make_rollout

Alias = dict[str, str]

DIES = """
import os, sys
from pydantic import SecretStr
from tests.support import make_rollout
from database.releases import Request
from tasks.releases import Store, open_release

rollout = make_rollout()
journal = open_release.fn(rollout, Request("testing"), store=Store(rollout, SecretStr(sys.argv[1])))
with journal.undoable("Shift traffic", "alias", "f:live", {"version": "1", "to": "2"}):
    os.kill(os.getpid(), 9)
"""


@pytest.fixture
def connection(migrated: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(migrated, autocommit=True) as connection:
        yield connection


@pytest.fixture
def rollout() -> Rollout:
    return make_rollout()


@pytest.fixture
def store(rollout: Rollout, migrated: str) -> Store:
    return Store(rollout, SecretStr(migrated))


def opened(rollout: Rollout, store: Store) -> Journal:
    return open_release.fn(rollout, Request("testing", requested_by="ci", git_sha="1f3c2ab"), store=store)


def shift(journal: Journal, alias: Alias, to: str) -> None:
    """A reversible change of something that is not AWS."""
    with journal.undoable("Shift traffic", "alias", "f:live", {"version": alias["version"], "to": to}):
        alias["version"] = to


def undoer_of(alias: Alias) -> Mapping[str, Any]:
    def restore(_: Rollout, resource: str, before: Mapping[str, Any]) -> str:
        alias["version"] = before["version"]
        return f"{resource} is on {before['version']}"

    return {"alias": restore}


def status_of(connection: psycopg.Connection[Any], journal: Journal) -> tuple[str, str | None]:
    assert journal.release_id is not None
    release = releases.get_release(connection, journal.release_id)
    assert release is not None
    return release.status, release.error


def test_a_release_is_recorded_whole(connection: psycopg.Connection[Any], rollout: Rollout, store: Store) -> None:
    journal = opened(rollout, store)
    outcome = Outcome(
        "succeeded",
        code_sha256="abc",
        schema_version=20261121000011,
        lambda_version_before="1",
        lambda_version_after="2",
        api_url="http://x",
        verdicts={"smoke": "ok"},
    )
    close_release.fn(journal, outcome)
    release = releases.latest_release(connection, "testing")
    assert release is not None
    assert (release.status, release.requested_by, release.git_sha) == ("succeeded", "ci", "1f3c2ab")
    assert (release.lambda_version_before, release.lambda_version_after) == ("1", "2")
    assert release.verdicts == {"smoke": "ok"}
    assert release.finished_at is not None


def test_undo_puts_back_the_last_change_first(
    connection: psycopg.Connection[Any], rollout: Rollout, store: Store
) -> None:
    alias, journal = {"version": "1"}, opened(rollout, store)
    shift(journal, alias, "2")
    shift(journal, alias, "3")
    close_release.fn(journal, Outcome("succeeded"))
    done = replay_undo.fn(rollout, undoer_of(alias), store=store)
    assert done == ["f:live is on 2", "f:live is on 1"]
    assert alias == {"version": "1"}
    assert status_of(connection, journal) == ("rolled_back", None)
    assert replay_undo.fn(rollout, undoer_of(alias), store=store) == []


def test_a_failing_release_puts_back_and_then_says_why(
    connection: psycopg.Connection[Any], rollout: Rollout, store: Store
) -> None:
    alias, journal = {"version": "1"}, opened(rollout, store)
    shift(journal, alias, "2")
    replay_undo.fn(rollout, undoer_of(alias), release_id=journal.release_id, store=store)
    close_release.fn(journal, Outcome("failed", error="smoke test failed"))
    assert status_of(connection, journal) == ("rolled_back", "smoke test failed")
    assert alias == {"version": "1"}


def test_a_failure_before_any_change_is_a_failed_release(
    connection: psycopg.Connection[Any], rollout: Rollout, store: Store
) -> None:
    journal = opened(rollout, store)
    assert replay_undo.fn(rollout, {}, release_id=journal.release_id, store=store) == []
    close_release.fn(journal, Outcome("failed", error="bootstrap is not executable"))
    assert status_of(connection, journal) == ("failed", "bootstrap is not executable")


def test_a_change_that_may_or_may_not_have_happened_is_put_back(rollout: Rollout, store: Store) -> None:
    alias, journal = {"version": "1"}, opened(rollout, store)
    with (
        contextlib.suppress(TimeoutError),
        journal.undoable("Shift traffic", "alias", "f:live", {"version": "1", "to": "2"}),
    ):
        alias["version"] = "2"
        raise TimeoutError
    assert replay_undo.fn(rollout, undoer_of(alias), store=store) == ["f:live is on 1"]


def test_traffic_goes_back_though_the_site_cannot(
    connection: psycopg.Connection[Any], rollout: Rollout, store: Store
) -> None:
    """The site is newest in the log. What failed stays there, and the next rollback tries that alone."""
    alias, site, journal, away = {"version": "1"}, {"version": "a"}, opened(rollout, store), [True]
    shift(journal, alias, "2")
    for to in ("b", "c"):
        with journal.undoable("Publish the site", "site", "bucket", dict(site, to=to)):
            site["version"] = to
    close_release.fn(journal, Outcome("succeeded"))

    def restore(_: Rollout, resource: str, before: Mapping[str, Any]) -> str:
        if away:
            raise Temporary("the bucket does not answer")
        site["version"] = before["version"]
        return f"{resource} shows {before['version']}"

    undoers = {**undoer_of(alias), "site": restore}
    with pytest.raises(Temporary) as caught:
        replay_undo.fn(rollout, undoers, store=store)
    assert str(caught.value).splitlines()[1:] == [
        "  - not put back: step 3 'Publish the site' of site bucket: the bucket does not answer",
        "  - put back: f:live is on 1",
    ]
    assert (alias, site) == ({"version": "1"}, {"version": "c"})
    assert status_of(connection, journal) == ("succeeded", None)
    away.clear()
    assert replay_undo.fn(rollout, undoers, store=store) == ["bucket shows b", "bucket shows a"]
    assert status_of(connection, journal) == ("rolled_back", None)


def test_one_problem_that_will_not_pass_makes_all_of_it_permanent(rollout: Rollout, store: Store) -> None:
    journal = opened(rollout, store)
    shift(journal, {"version": "1"}, "2")
    with journal.undoable("Publish the site", "site", "bucket", {}):
        pass

    def away(*_: Any) -> str:
        raise ClientError({"Error": {"Code": "SlowDown"}}, "PutObject")

    with pytest.raises(Permanent, match=r"(?s)2 problem.*SlowDown.*of kind 'alias', which this version cannot undo"):
        replay_undo.fn(rollout, {"site": away}, store=store)


def test_an_undo_killed_half_way_goes_on_where_it_was(rollout: Rollout, store: Store) -> None:
    alias, journal = {"version": "1"}, opened(rollout, store)
    shift(journal, alias, "2")
    shift(journal, alias, "3")
    calls = iter(range(1))

    def dies_on_the_second(given: Rollout, resource: str, before: Mapping[str, Any]) -> str:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return str(undoer_of(alias)["alias"](given, resource, before))

    with pytest.raises(KeyboardInterrupt):
        replay_undo.fn(rollout, {"alias": dies_on_the_second}, store=store)
    assert alias == {"version": "2"}
    assert replay_undo.fn(rollout, undoer_of(alias), store=store) == ["f:live is on 1"]


def test_a_run_killed_with_9_in_the_middle_of_a_change_is_undone_by_another(
    connection: psycopg.Connection[Any], rollout: Rollout, store: Store, migrated: str
) -> None:
    root = Path(__file__).parents[2]
    child = subprocess.run([sys.executable, "-c", DIES, migrated], cwd=root, timeout=60, check=False)
    assert child.returncode == -signal.SIGKILL
    alias = {"version": "2"}
    assert replay_undo.fn(rollout, undoer_of(alias), store=store) == ["f:live is on 1"]
    journal = opened(rollout, store)
    assert connection.execute("SELECT status FROM releases ORDER BY started_at").fetchall() == [
        ("rolled_back",), ("running",)]  # fmt: skip
    assert journal.release_id is not None
    assert releases.steps_to_undo(connection, journal.release_id) == []


def test_the_next_release_takes_over_what_a_dead_one_changed(
    connection: psycopg.Connection[Any], rollout: Rollout, store: Store
) -> None:
    alias, dead = {"version": "1"}, opened(rollout, store)
    shift(dead, alias, "2")
    also_dead = opened(rollout, store)
    shift(also_dead, alias, "3")
    journal = opened(rollout, store)
    close_release.fn(journal, Outcome("succeeded"))
    for died in (dead, also_dead):
        assert status_of(connection, died) == ("failed", "the run died; the next release took over from it")
    assert replay_undo.fn(rollout, undoer_of(alias), store=store) == ["f:live is on 2", "f:live is on 1"]
    assert status_of(connection, journal)[0] == "rolled_back"


def test_an_undo_that_never_came_is_taken_over_too(
    connection: psycopg.Connection[Any], rollout: Rollout, store: Store
) -> None:
    alias, failed = {"version": "1"}, opened(rollout, store)
    shift(failed, alias, "2")
    close_release.fn(failed, Outcome("failed", error="smoke test failed"))
    journal = opened(rollout, store)
    assert status_of(connection, failed) == ("failed", "smoke test failed")
    assert replay_undo.fn(rollout, undoer_of(alias), release_id=journal.release_id, store=store) == ["f:live is on 1"]


def test_a_run_that_was_taken_for_dead_stops(rollout: Rollout, store: Store) -> None:
    slow, alias = opened(rollout, store), {"version": "1"}
    opened(rollout, store)
    with pytest.raises(Permanent, match="taken its place"):
        shift(slow, alias, "2")
    assert alias == {"version": "1"}
    with pytest.raises(Permanent, match="not running any more"):
        close_release.fn(slow, Outcome("succeeded"))


def test_environments_do_not_disturb_each_other(
    connection: psycopg.Connection[Any], rollout: Rollout, store: Store
) -> None:
    journal = opened(rollout, store)
    releases.start_release(connection, Request("staging"))
    assert status_of(connection, journal)[0] == "running"
    assert journal.release_id is not None
    with pytest.raises(Permanent, match="has no release"):
        replay_undo.fn(rollout, {}, release_id=uuid4(), store=store)
    with pytest.raises(NotRunning):
        releases.note_step(connection, uuid4(), name="x", kind="alias", resource="f", before={})


def test_a_release_that_found_everything_in_place_is_not_what_rollback_means(rollout: Rollout, store: Store) -> None:
    alias, journal = {"version": "1"}, opened(rollout, store)
    shift(journal, alias, "2")
    close_release.fn(journal, Outcome("succeeded"))
    close_release.fn(opened(rollout, store), Outcome("succeeded"))
    assert replay_undo.fn(rollout, undoer_of(alias), store=store) == ["f:live is on 1"]


def test_rolling_back_twice_does_not_go_two_releases_back(rollout: Rollout, store: Store) -> None:
    alias, ids = {"version": "1"}, list[UUID | None]()
    for version in ("2", "3"):
        journal = opened(rollout, store)
        shift(journal, alias, version)
        close_release.fn(journal, Outcome("succeeded"))
        ids.append(journal.release_id)
    for expected in (["f:live is on 2"], []):
        assert replay_undo.fn(rollout, undoer_of(alias), store=store) == expected
    assert replay_undo.fn(rollout, undoer_of(alias), release_id=ids[0], store=store) == ["f:live is on 1"]


def test_a_release_that_took_itself_back_is_not_what_rollback_means_either(rollout: Rollout, store: Store) -> None:
    """The one before it serves as if it had not been; one that is put back after its end stays the last change."""
    alias, serving = {"version": "1"}, opened(rollout, store)
    shift(serving, alias, "2")
    close_release.fn(serving, Outcome("succeeded", lambda_version_after="2"))
    fix = opened(rollout, store)
    shift(fix, alias, "3")
    replay_undo.fn(rollout, undoer_of(alias), release_id=fix.release_id, store=store)
    close_release.fn(fix, Outcome("failed", error="taken back at 50 %"))
    for expected in (["f:live is on 1"], []):
        assert replay_undo.fn(rollout, undoer_of(alias), store=store) == expected
    half = opened(rollout, store)
    shift(half, alias, "4")
    close_release.fn(half, Outcome("failed", error="taken back, but AWS was away"))
    for expected in (["f:live is on 1"], []):
        assert replay_undo.fn(rollout, undoer_of(alias), store=store) == expected


def test_what_could_be_named_is_the_last_good_release_of_each_other_version(
    connection: psycopg.Connection[Any], rollout: Rollout, store: Store
) -> None:
    released(rollout, store, "1")
    released(rollout, store, "2", status="failed", error="never well")
    third, again = released(rollout, store, "3"), released(rollout, store, "1")
    released(rollout, store, "4")
    found = releases.well_with_another(connection, "testing", "4")
    assert [one.id for one in found] == [again, third]


def test_a_plan_records_nothing(connection: psycopg.Connection[Any], rollout: Rollout, store: Store) -> None:
    alias, done = {"version": "1"}, opened(rollout, store)
    shift(done, alias, "2")
    planning = make_rollout(planning=True)
    journal = open_release.fn(planning, Request("testing"), store=store)
    with journal.undoable("Shift traffic", "alias", "f:live", {}):
        pass
    close_release.fn(journal, Outcome("succeeded"))
    restored = {"version": "2"}
    assert replay_undo.fn(planning, undoer_of(restored), store=store) == ["f:live is on 1"]
    assert status_of(connection, done) == ("running", None)
    assert len(replay_undo.fn(rollout, undoer_of(alias), store=store)) == 1


def test_a_kind_that_nobody_can_undo_is_an_error(rollout: Rollout, store: Store) -> None:
    shift(opened(rollout, store), {"version": "1"}, "2")
    with pytest.raises(Permanent, match="of kind 'alias', which this version cannot undo"):
        replay_undo.fn(rollout, {}, store=store)


def test_a_database_without_the_tables_says_what_to_do(rollout: Rollout, database: str) -> None:
    with pytest.raises(Permanent, match="run migrate first"):
        opened(rollout, Store(rollout, SecretStr(database)))


def test_a_database_that_is_away_may_be_tried_again(rollout: Rollout, migrated: str) -> None:
    away = Store(rollout, SecretStr("postgresql://u:p4ssword@127.0.0.1:1/x?connect_timeout=1"), patience=0.1)
    with pytest.raises(Temporary, match="cannot be reached") as caught:
        opened(rollout, away)
    assert "p4ssword" not in str(caught.value)


def released(rollout: Rollout, store: Store, version: str, **fields: Any) -> UUID:
    """A release that ended on this version; its id."""
    journal = opened(rollout, store)
    close_release.fn(journal, Outcome(fields.pop("status", "succeeded"), lambda_version_after=version, **fields))
    assert journal.release_id
    return journal.release_id


def test_earlier_releases_are_found_by_version_by_order_and_by_the_beginning_of_an_id(
    connection: psycopg.Connection[Any], rollout: Rollout, store: Store
) -> None:
    first, second = released(rollout, store, "1"), released(rollout, store, "2")
    released(rollout, store, "3", status="failed", error="never well")
    again = released(rollout, store, "2")
    fourth = released(rollout, store, "4")

    def id_of(found: Release | None) -> UUID | None:
        return found and found.id

    assert id_of(releases.release_with(connection, "testing", "2")) == again
    assert id_of(releases.release_with(connection, "testing", "3")) is None
    assert id_of(releases.release_before(connection, "testing", "4")) == again
    assert id_of(releases.release_before(connection, "testing", "2")) == first
    assert id_of(releases.release_before(connection, "testing", "1")) is None
    assert id_of(releases.release_before(connection, "staging", "4")) is None
    assert [found.id for found in releases.releases_like(connection, "testing", str(second)[:13])] == [second]
    assert len(releases.releases_like(connection, "testing", "")) == 2
    assert releases.good_versions(connection, "testing", 2) == ["4", "2"]
    releases.roll_back_release(connection, fourth)
    assert id_of(releases.release_with(connection, "testing", "4")) == fourth
    assert releases.good_versions(connection, "testing", 9) == ["2", "1"]


def test_before_the_first_version_there_is_nothing_to_go_back_to(rollout: Rollout, store: Store) -> None:
    class Lambda:
        def get_alias(self, FunctionName: str, Name: str) -> dict[str, Any]:
            return {"FunctionVersion": "1"}

    released(rollout, store, "1")
    rollout.aws = lambda _: Lambda()  # type: ignore[assignment,method-assign,return-value]
    with pytest.raises(Permanent, match="there is no release before the live version of 'testing'"):
        find_release.fn(rollout, "previous", store=store)


def test_going_back_is_a_release_that_says_to_what(
    connection: psycopg.Connection[Any], rollout: Rollout, store: Store
) -> None:
    target, alias = released(rollout, store, "1", site_manifest="a1b2"), {"version": "2"}
    back = open_release.fn(rollout, Request("testing", kind="rollback", target_id=target), store=store)
    shift(back, alias, "1")
    close_release.fn(back, Outcome("succeeded", lambda_version_after="1"))
    found = releases.latest_release(connection, "testing")
    assert found
    assert (found.kind, found.target_id, found.version) == ("rollback", target, "1")
    first = releases.get_release(connection, target)
    assert first
    assert (first.kind, first.target_id, first.site_manifest) == ("release", None, "a1b2")
    assert replay_undo.fn(rollout, undoer_of(alias), store=store) == ["f:live is on 2"]


def test_a_run_asks_whether_it_may_go_on(rollout: Rollout, store: Store) -> None:
    slow = opened(rollout, store)
    slow.require_running()
    opened(rollout, store)
    with pytest.raises(Permanent, match="another run has taken its place"):
        slow.require_running()
    Journal(store, None).require_running()
