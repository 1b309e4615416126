"""Work of a batch asks in one question what each piece of it would have asked alone, and comes to the same."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import IndexUnavailable
from schemas.together import Together, asked, within_batch


class Index:
    """Doubles numbers and remembers how it was asked."""

    def __init__(self) -> None:
        self.doubled: list[list[int]] = []
        self.squared: list[list[int]] = []
        self.bad: set[int] = set()
        self.away = False

    def double_each(self, numbers: Sequence[int]) -> list[int]:
        self.doubled.append(list(numbers))
        if self.away:
            raise IndexUnavailable("the index is away")
        if self.bad.intersection(numbers):
            raise ValueError("one of them is bad")
        return [2 * number for number in numbers]

    def square_each(self, numbers: Sequence[int]) -> list[int]:
        self.squared.append(list(numbers))
        return [number * number for number in numbers]

    def work(self, number: int) -> int:
        """Asks as often as the number says, of one kind or the other."""
        for _ in range(number % 4):
            number = asked(self.double_each if number % 3 else self.square_each, number)
        return number


def test_a_question_outside_of_a_batch_is_asked_alone() -> None:
    index = Index()
    assert asked(index.double_each, 4) == 8
    assert index.doubled == [[4]]
    assert not within_batch()


def test_what_many_ask_in_one_way_is_one_question() -> None:
    """In the order of the items; whoever asks less does not hold the others up."""
    index = Index()
    assert Together(8).each([1, 2, 7], lambda n: asked(index.double_each, n)) == [2, 4, 14]
    assert index.doubled == [[1, 2, 7]]
    assert Together(8).each([1, 2, 7], index.work) == [2, 8, 56]
    assert index.doubled[1:] == [[1, 2, 7], [4, 14], [28]]


@given(st.lists(st.integers(0, 99), max_size=12), st.integers(2, 5))
def test_a_batch_comes_to_what_its_pieces_come_to_alone(numbers: list[int], at_once: int) -> None:
    alone, index = Index(), Index()
    assert Together(at_once).each(numbers, index.work) == [alone.work(number) for number in numbers]


def test_a_piece_that_fails_ends_alone() -> None:
    """By its own fault, or since its question cannot be answered."""
    index = Index()
    index.bad = {5}
    first, second, third = Together(8).each([4, 5, 6], lambda n: 1 // (6 - asked(index.double_each, n) // 2))
    assert first == 0
    assert isinstance(second, ValueError)
    assert isinstance(third, ZeroDivisionError)
    assert index.doubled == [[4, 5, 6], [4], [5], [6]]


def test_an_index_that_is_away_is_asked_once() -> None:
    """All who asked are told; each may go on by itself."""
    index = Index()
    index.away = True

    def work(number: int) -> str:
        try:
            return str(asked(index.double_each, number))
        except IndexUnavailable:
            return "later"

    assert Together(8).each([1, 2], work) == ["later", "later"]
    assert len(index.doubled) == 1


def test_an_answer_that_is_an_exception_is_raised_where_it_was_asked_for() -> None:
    """Within a batch and outside of one; the others go on."""

    def half_each(numbers: Sequence[int]) -> list[int | Exception]:
        return [ValueError("odd") if number % 2 else number // 2 for number in numbers]

    first, second = Together(4).each([3, 4], lambda n: asked(half_each, n))
    assert isinstance(first, ValueError)
    assert second == 2
    with pytest.raises(ValueError, match="odd"):
        asked(half_each, 5)


@pytest.mark.parametrize("where", ["in the work", "in the answer"])
def test_what_ends_the_process_ends_the_batch_where_it_stands(where: str) -> None:
    """Nothing more is asked, and the next batch works as ever."""
    index, together = Index(), Together(4)
    seen: list[int] = []

    class Killed(BaseException):
        pass

    def kill(numbers: Sequence[int]) -> list[int]:
        raise Killed

    def work(number: int) -> int:
        try:
            number = asked(index.double_each, number)
            if number == 6 and where == "in the work":
                raise Killed
            seen.append(asked(kill if where == "in the answer" else index.square_each, number))
        except Exception:  # noqa: BLE001 - even what handles every error does not go on
            seen.append(0)
        return number

    with pytest.raises(Killed):
        together.each([1, 2, 3, 4], work)
    assert seen == []
    assert index.squared == []
    assert together.each([1, 2, 3, 4], index.work) == [2, 8, 6561, 4]


def test_a_batch_within_a_batch_is_gathered_with_it() -> None:
    """Its items one after the other, in the one piece of work."""
    index, together = Index(), Together(4)
    inner = together.each([1, 2], lambda n: together.each([n, n + 10], lambda m: asked(index.double_each, m)))
    assert inner == [[2, 22], [4, 24]]
    assert index.doubled == [[1, 2], [11, 12]]
