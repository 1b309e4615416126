"""What the demo tells: the events of a company whose people are invented, and one of them who asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from schemas.company import Company


class Event(Protocol):
    """An event on its way: to Kafka as `body`, to the system of record as `kept`, None where that keeps nothing."""

    @property
    def topic(self) -> str: ...
    @property
    def record(self) -> str: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def body(self) -> bytes | None: ...
    @property
    def kept(self) -> Mapping[str, Any] | None: ...


@dataclass(frozen=True)
class Asker:
    """Whoever asks. `asked_by`: what the question and the requests name; `own`: every identifier of theirs.

    `sure`: how many events are this person's, as who invented them knows; `maybe`: how many more may show as such.
    """

    asked_by: Sequence[tuple[str, str]]
    own: Sequence[tuple[str, str]]
    contract_end: date | None
    sure: int
    maybe: int
    how_asked: str
    how_erased: str


class Tale(Protocol):
    """One company's demo. `acts`: what the first two acts are about; `next_steps`: what to do, and how."""

    @property
    def company(self) -> Company: ...
    @property
    def acts(self) -> tuple[str, str]: ...
    @property
    def next_steps(self) -> Sequence[tuple[str, str]]: ...

    def events(self) -> Iterator[Event]:
        """All events in time order, each counted as it is handed on."""

    def asker(self) -> Asker:
        """Who asks, once all events have been handed on."""
