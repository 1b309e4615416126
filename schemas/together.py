"""Work on many things at once whose questions are gathered: what many ask in the same way is asked in one question.

Each piece of work is written as if it were alone. It runs until it asks something; when all of a batch have asked or
ended, each kind of question is answered for all who asked it, and they go on. One of them runs at a time, always in
the same order, so that pieces of work need no locks against each other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from typing import Any, Generic, TypeVar

from schemas.errors import Unavailable
from schemas.garbage import uncollected

Q = TypeVar("Q")
A = TypeVar("A")
T = TypeVar("T")


class _Abandoned(BaseException):
    """The batch is over before its end: nothing more is asked, and no code of the work handles it."""


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
    """Runs batches of at most `at_once` pieces of work; one thread at a time may use it."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._pool: ThreadPoolExecutor | None = None

    def each(self, items: Sequence[Q], work: Callable[[Q], T]) -> list[T | Exception]:
        """What the work gave for each item, or the exception with which it ended. Within a batch, one by one.

        What is no Exception, such as KeyboardInterrupt, ends the whole batch where it stands and is raised.
        """
        if len(items) < 2 or within_batch():
            return [tried(work, item) for item in items]
        if self._pool is None:
            # Kept: the threads' own handles to the index would outlive them.
            self._pool = ThreadPoolExecutor(self._at_once, thread_name_prefix="together")
        found: list[T | Exception] = []
        for start in range(0, len(items), self._at_once):
            back = _Signal()
            pieces = [_Piece(work, item, back) for item in items[start : start + self._at_once]]
            with uncollected():
                outcomes = _run(pieces, self._pool, back)
            found += outcomes
        return found


def tried(work: Callable[[Q], T], item: Q) -> T | Exception:
    """What the work gave, or the exception with which it ended."""
    try:
        return work(item)
    except Exception as error:  # noqa: BLE001 - it is the outcome
        return error


class _Signal:
    """Lets one thread go on that waits for it; sent twice before it is waited for, once. A lock, since a semaphore of
    Python takes longer than many a piece of work."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def send(self) -> None:
        with suppress(RuntimeError):
            self._lock.release()

    def wait(self) -> None:
        self._lock.acquire()


class _Piece(Generic[Q, T]):
    """One piece of work in a thread of its own, which runs when `go` is sent and stops where it asks or ends.

    It wakes whoever has to go on by itself, `then`: a thread that only passes the turn on would double the switches,
    which cost more than many a piece of work. What ends the whole batch wakes `back`.
    """

    def __init__(self, work: Callable[[Q], T], item: Q, back: _Signal) -> None:
        self._work, self._item = work, item
        self._context: Context = copy_context()
        self.go, self.then, self._back = _Signal(), back, back
        self._abandoned = self.ended = False
        self.question: tuple[Callable[[Sequence[Any]], Sequence[Any]], Any] | None = None
        self.answer: Any = None
        self.outcome: T | BaseException | None = None

    def start(self, pool: ThreadPoolExecutor) -> None:
        pool.submit(self._context.run, self._run)

    @property
    def fatal(self) -> BaseException | None:
        """What ended it and is no Exception."""
        error = self.outcome
        return error if isinstance(error, BaseException) and not isinstance(error, Exception) else None

    def abandon(self) -> None:
        """End it where it stands."""
        self._abandoned = True
        while not self.ended:
            _go_on([self], self._back)

    def ask(self, each: Callable[[Sequence[Any]], Sequence[Any]], question: Any) -> Any:
        if self._abandoned:
            raise _Abandoned
        self.question = each, question
        self.then.send()
        self.go.wait()
        if self._abandoned:
            raise _Abandoned
        return self.answer

    def _run(self) -> None:
        self.go.wait()
        _ASKING.set(self)
        try:
            self.outcome = None if self._abandoned else self._work(self._item)
        except BaseException as error:  # noqa: BLE001 - the batch decides what becomes of it
            self.outcome = error
        finally:
            self.ended = True
            (self.then if self.fatal is None else self._back).send()


def _go_on(pieces: Sequence[_Piece[Any, Any]], back: _Signal) -> None:
    """Let each in turn run until it asks or has ended, up to one that ends the batch."""
    for piece, after in zip(pieces, [*(piece.go for piece in pieces[1:]), back], strict=True):
        piece.question, piece.then = None, after
    pieces[0].go.send()
    back.wait()


def _run(pieces: Sequence[_Piece[Q, T]], pool: ThreadPoolExecutor, back: _Signal) -> list[T | Exception]:
    for piece in pieces:
        piece.start(pool)
    going = list(pieces)
    try:
        while going:
            _go_on(going, back)
            ended, going = going, [piece for piece in going if not piece.ended]
            for piece in ended:
                if piece.fatal is not None:
                    raise piece.fatal
            _answer(going)
    except BaseException:
        for piece in going:
            piece.abandon()
        raise
    return [piece.outcome for piece in pieces]  # type: ignore[misc]  # no other BaseException is left


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
