"""The inbox of the embedded cloud."""

from pathlib import Path

from localcloud.inbox import KEPT, Inbox


def test_messages_outlive_the_stack_and_only_the_last_are_kept(tmp_path: Path) -> None:
    for number in range(KEPT + 2):
        Inbox(tmp_path).add({"subject": f"{number}"})
    again = Inbox(tmp_path)
    assert [one["subject"] for one in again.messages()] == [str(number) for number in range(2, KEPT + 2)]
    (tmp_path / "inbox.json").write_text("[{")
    assert again.messages() == []
