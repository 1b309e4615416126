"""Work on many things at once whose questions are gathered: what many ask in the same way is asked in one question.

Each piece of work is written as if it were alone. It runs until it asks something; when all of a batch have asked or
ended, each kind of question is answered for all who asked it, and they go on. One of them runs at a time, always in
the same order, so that pieces of work need no locks against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar, copy_context
from typing import Any, Generic, TypeVar

from greenlet import greenlet

from schemas.errors import Unavailable
from schemas.garbage import uncollected

Q = TypeVar("Q")
A = TypeVar("A")
T = TypeVar("T")


_ASKING: ContextVar[_Piece[Any, Any] | None] = ContextVar("asking", default=None)


def asked(each: Callable[[Sequence[Q]], Sequence[A | Exception]], question: Q) -> A:
    """The answer to one question; within a batch it is asked together with those of the others.

    `each` answers many, each at its place; an answer that is an exception is raised. Where `each` itself raises
    anything but Unavailable they are asked one by one, so that one that cannot be answered does not stop the others.
    """
    piece = _ASKING.get()
    answer = each([question])[0] if piece is None else piece.ask(each, question)
    if isinstance(answer, Exception):
        raise answer
    return answer


def within_batch() -> bool:
    """Whether this is work of a batch."""
    return _ASKING.get() is not None


class Together:
    """Runs batches of at most `at_once` pieces of work."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once

    def each(self, items: Sequence[Q], work: Callable[[Q], T]) -> list[T | Exception]:
        """What the work gave for each item, or the exception with which it ended. Within a batch, one by one.

        What is no Exception, such as KeyboardInterrupt, ends the whole batch where it stands and is raised.
        """
        if len(items) < 2 or within_batch():
            return [tried(work, item) for item in items]
        found: list[T | Exception] = []
        for start in range(0, len(items), self._at_once):
            with uncollected():
                found += _run([_Piece(work, item) for item in items[start : start + self._at_once]])
        return found


def tried(work: Callable[[Q], T], item: Q) -> T | Exception:
    """What the work gave, or the exception with which it ended."""
    try:
        return work(item)
    except Exception as error:  # noqa: BLE001 - it is the outcome
        return error


class _Piece(Generic[Q, T]):
    """One piece of work on a stack of its own, which stops where it asks or ends."""

    def __init__(self, work: Callable[[Q], T], item: Q) -> None:
        self._work, self._item = work, item
        self._stack = greenlet(self._run)
        self._stack.gr_context = copy_context()
        self.question: tuple[Callable[[Sequence[Any]], Sequence[Any]], Any] | None = None
        self.answer: Any = None
        self.outcome: T | Exception | None = None

    @property
    def ended(self) -> bool:
        return bool(self._stack.dead)

    def go_on(self) -> None:
        """Until it asks or has ended. Raises what it ends with that is no Exception."""
        self.question = None
        self._stack.switch()

    def abandon(self) -> None:
        """End it where it stands: nothing more is asked, and no code of the work handles it."""
        while not self.ended:
            self._stack.throw()

    def ask(self, each: Callable[[Sequence[Any]], Sequence[Any]], question: Any) -> Any:
        self.question = each, question
        assert self._stack.parent is not None
        self._stack.parent.switch()
        return self.answer

    def _run(self) -> None:
        _ASKING.set(self)
        self.outcome = tried(self._work, self._item)


def _run(pieces: Sequence[_Piece[Q, T]]) -> list[T | Exception]:
    going = list(pieces)
    try:
        while going:
            for piece in going:
                piece.go_on()
            going = [piece for piece in going if not piece.ended]
            _answer(going)
    except BaseException:
        for piece in going:
            piece.abandon()
        raise
    return [piece.outcome for piece in pieces]  # type: ignore[misc]  # each has ended


def _answer(asking: Sequence[_Piece[Any, Any]]) -> None:
    """Each kind of question in one, in the order in which it was first asked."""
    kinds: dict[Any, list[_Piece[Any, Any]]] = {}
    for piece in asking:
        assert piece.question is not None
        kinds.setdefault(piece.question[0], []).append(piece)
    for each, pieces in kinds.items():
        questions = [piece.question[1] for piece in pieces if piece.question is not None]
        for piece, answer in zip(pieces, _answers(each, questions), strict=True):
            piece.answer = answer


def _answers(each: Callable[[Sequence[Any]], Sequence[Any]], questions: Sequence[Any]) -> Sequence[Any]:
    try:
        return each(questions)
    except Unavailable as error:
        return [error] * len(questions)
    except Exception as error:  # noqa: BLE001 - one that cannot be answered is no reason to leave the others
        if len(questions) == 1:
            return [error]
        return [answer for question in questions for answer in _answers(each, [question])]
