"""What the demo tells: the events of a company whose people are invented, and one of them who asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from schemas.company import Company
from streams.rights.protocol.messages import Named
from streams.rights.reference_job.changing import ChangingStore


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
    """Whoever asks. `asked_by`: what the question names; `erased_by`: what the systems of record are told.

    `sure`: how many events are this person's, as who invented them knows; `maybe`: how many more may show as such.
    """

    asked_by: Sequence[tuple[str, str]]
    own: Sequence[tuple[str, str]]
    erased_by: Sequence[tuple[str, str] | Named]
    contract_end: date | None
    sure: int
    maybe: int
    how_asked: str
    how_erased: str | None = None


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


def systems(company: Company, home: Path, stack: ExitStack) -> Mapping[str, ChangingStore]:
    """A SQLite file for every system of record that erases on command."""
    names = (system.id for system in company.catalogue.systems.values() if system.erasure == "command")
    stores = {
        name: ChangingStore(home / "systems" / f"{name}.sqlite", company.every_record, company.kinds)
        for name in names
    }
    for store in stores.values():
        stack.callback(store.close)
    return stores
