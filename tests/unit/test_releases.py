"""The record of a release where there is no database: a plan needs none, and nothing shows the connection string."""

import pickle

import pytest
from pydantic import SecretStr

from database.releases import SQL, Outcome, Request
from tasks.releases import Journal, Store, close_release, open_release
from tests.support import make_rollout


def nowhere(*, planning: bool) -> Store:
    return Store(make_rollout(planning=planning), SecretStr("postgresql://u:p4ssword@127.0.0.1:1/x"), patience=0.1)


def test_a_plan_needs_no_database() -> None:
    store = nowhere(planning=True)
    journal = open_release.fn(store.rollout, Request("testing"), store=store)
    changed = []
    with journal.undoable("Shift traffic", "alias", "f:live", {"version": "1"}):
        changed.append(True)
    close_release.fn(journal, Outcome("succeeded"))
    assert (journal.release_id, changed) == (None, [True])


def test_the_connection_string_is_in_no_text_and_no_pickle() -> None:
    journal = Journal(nowhere(planning=False), None)
    assert "p4ssword" not in repr(journal) + repr(journal.store) + repr(vars(journal.store))
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.dumps(journal)


def test_every_move_of_a_release_is_guarded() -> None:
    for name in ("close_abandoned", "finish", "roll_back", "step_done", "step_undone", "note_step"):
        assert "status" in SQL[name].rpartition("WHERE")[2]
