"""The files that are begun first are there."""

from __future__ import annotations

from tests.support.order import FIRST, TESTS, place


def test_what_is_begun_first_is_a_file_and_named_once() -> None:
    """A file that was renamed would silently be begun among the last."""
    assert not [name for name in FIRST if not (TESTS / name).is_file()]
    assert len(set(FIRST)) == len(FIRST)
    assert [place(TESTS / name) for name in FIRST] == [*range(len(FIRST))]
    assert place(TESTS / "conftest.py") == place(TESTS.parent / "README.md") == len(FIRST)
