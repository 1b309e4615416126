"""What the demo says to be so is looked at."""

from __future__ import annotations

from console.demo.looked import Looked, unread_lines
from sinks.ports.dead_letters import OpenLetters
from tests.support.company import model


def test_what_is_not_so_is_kept() -> None:
    """In its order; what is so leaves nothing."""
    looked = Looked()
    assert looked.at(True, "never said")
    assert not looked.at(False, "the first")
    assert not looked.at(False, "the second")
    assert looked.wrong == ["the first", "the second"]


def test_what_could_not_be_read_is_told_by_record_and_reason() -> None:
    """How many of how many, with what the reason means; a topic that nobody knows by its name."""
    letters = [
        OpenLetters("crm.customers", "truncated", 3),
        OpenLetters("gone.topic", "unknown_schema", 1),
    ]
    first, second = unread_lines(letters, {"crm.customers": 40}, model().topics)
    assert first == (
        "3 of 40 events of CustomerDetails (crm.customers) could not be read: truncated: It breaks off before its end;"
        " its source has to send it again."
    )
    assert second.startswith("1 of 0 events of gone.topic could not be read: unknown_schema: ")
