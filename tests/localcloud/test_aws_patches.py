"""Wrapping moto can be undone, and a moto that changed is found out."""

import pytest

from localcloud.aws.patches import MotoChanged, Patches


class Moto:
    def answer(self, number):
        return number

    @classmethod
    def count(cls):
        return 1


class Child(Moto):
    """Inherits what is wrapped."""


def test_a_wrapper_gets_the_original_and_is_taken_back():
    patches = Patches()

    @patches.wrap(Child, "answer")
    def doubled(original, self, number):
        return 2 * original(self, number)

    assert (Child().answer(2), Moto().answer(2)) == (4, 2)
    patches.undo()
    assert Child().answer(2) == 2
    assert "answer" not in vars(Child)


def test_wrappers_stack_and_the_original_stays_known():
    patches = Patches()
    original = Moto.answer
    patches.wrap(Moto, "answer")(lambda before, self, number: before(self, number) + 1)
    patches.wrap(Moto, "answer")(lambda before, self, number: before(self, number) * 10)
    assert Moto().answer(2) == 30
    assert patches.original(Moto, "answer") is original
    patches.undo()
    assert Moto.answer is original


def test_a_class_method_is_wrapped_too():
    patches = Patches()
    patches.wrap(Moto, "count")(lambda original: original() + 1)
    assert Moto.count() == 2
    patches.undo()
    assert Moto.count() == 1


def test_something_new_is_added_and_taken_back():
    patches = Patches()
    patches.add(Moto, "more")(lambda self: "more")
    assert Moto().more() == "more"
    patches.undo()
    assert not hasattr(Moto, "more")


def test_a_moto_that_changed_is_found_out():
    patches = Patches()
    with pytest.raises(MotoChanged, match=r"no longer has .*Moto\.gone"):
        patches.wrap(Moto, "gone")
    with pytest.raises(MotoChanged, match=r"no longer has .*Moto\.gone"):
        patches.replace(Moto, "gone", 1)
    with pytest.raises(MotoChanged, match=r"has .*Moto\.answer by now"):
        patches.add(Moto, "answer")
