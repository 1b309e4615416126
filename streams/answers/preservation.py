"""Preservation orders (straffeprosessloven § 215 a): while one runs, nothing of the person is erased, whatever asks.

Whom an order is about and its reference lie sealed under a key of the order's own, which is destroyed with its end. The
person is not told of it: an answer says that the law holds the data and by which rule, nothing else.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from schemas.calendars import Calendar
from schemas.counted import counted
from schemas.errors import InputError, KeyUnavailable, Unavailable
from schemas.keys import Keyring
from schemas.tokens import IdentifierKinds, Tokenizer
from schemas.vocabulary import Resolution
from sinks.ports.lineage import IndexReader, Span
from sinks.ports.preservation import PreservationEntry, PreservationLog
from streams.answers.ambiguity import spoken
from streams.answers.attribution import Resolver, ending_before
from streams.answers.frozen import CITATION, Frozen
from streams.answers.question import Identifier, givens
from streams.identity.model import Given

MOST_DAYS = 90
"""An order runs for 90 days at most at a time (straffeprosessloven § 215 a, second paragraph)."""
ORDERED, EXTENDED, LIFTED = "ordered", "extended", "lifted"
_SECOND, _MOMENT = timedelta(seconds=1), timedelta(milliseconds=1)
_TRIES = 5


@dataclass(frozen=True)
class Order:
    """A preservation order as it stands. `until`: the last day on which it holds; `lifted_at`: before that."""

    order_id: str
    ordered_at: datetime
    until: date
    extended: int = 0
    lifted_at: datetime | None = None
    sealed: bytes = field(default=b"", repr=False)
    length: int = 1

    def runs(self, day: date) -> bool:
        """Whether it holds on a day."""
        return self.lifted_at is None and day <= self.until


@dataclass(frozen=True)
class Sealed:
    """What is sealed in an order."""

    identifiers: tuple[Identifier, ...] = field(repr=False)
    reference: str = field(repr=False)


class Preservation:
    """Every method may raise IndexUnavailable and KeyUnavailable."""

    def __init__(
        self,
        log: PreservationLog,
        keyring: Keyring,
        identities: Resolver,
        tokenizer: Callable[[], Tokenizer],
        kinds: IdentifierKinds,
        calendar: Calendar,
    ) -> None:
        self._log = log
        self._keyring = keyring
        self._identities = identities
        self._tokenizer = tokenizer
        self._kinds = kinds
        self._calendar = calendar

    def orders(self) -> list[Order]:
        """Every order, the oldest first."""
        return orders_of(self._log.entries())

    def add(
        self, order_id: str, about: Sequence[Identifier], until: date, reference: str, now: datetime
    ) -> Order:
        """Freeze everything of a person from now on, by a new order of that id. Raises InputError if it is not clear
        who that is."""
        self._check(until, now)
        found = self._identities.person(givens(self._tokenizer(), about), now)
        if found.resolution is Resolution.AMBIGUOUS:
            raise InputError(
                "the identifiers may mean several people; give the"
                f" {spoken(self._kinds.customer.name)}, or an address with the time and port"
            )
        sealed = self._keyring.seal(key_of(order_id), _sealed(about, reference), order_id.encode())
        content = {"until": until.isoformat(), "sealed": base64.b64encode(sealed).decode()}
        self._append(PreservationEntry(order_id, 0, ORDERED, now, content))
        return self.get(order_id)

    def extend(self, order_id: str, until: date, reference: str, now: datetime) -> Order:
        """Let an order that runs hold longer, by a decision with this reference. Raises InputError."""
        self._check(until, now)
        sealed = self._keyring.seal(key_of(order_id), reference.encode(), f"{order_id}/extended".encode())
        content = {"until": until.isoformat(), "sealed": base64.b64encode(sealed).decode()}
        return self._note(order_id, EXTENDED, content, now)

    def lift(self, order_id: str, now: datetime) -> Order:
        """End an order. Raises InputError for one that does not run."""
        lifted = self._note(order_id, LIFTED, {}, now)
        self._keyring.destroy(key_of(order_id))
        return lifted

    def get(self, order_id: str) -> Order:
        """One order. Raises InputError for an unknown one."""
        for order in self.orders():
            if order.order_id == order_id:
                return order
        raise InputError(f"there is no preservation order {order_id}; `innsyn preserve show` lists them")

    def opened(self, order: Order) -> Sealed | None:
        """Whom it is about and its reference; None once its key is destroyed."""
        with suppress(KeyUnavailable):
            return self._opened(order)
        return None

    def is_known(self, order: Order, now: datetime, reader: IndexReader) -> bool:
        """Whether any link, or any event of the index, speaks of whom an order that runs is about."""
        found = self._identities.person(givens(self._tokenizer(), self._opened(order).identifiers), now)
        return bool(found.links or found.shared or (found.spans and reader.find(found.spans).holdings))

    def frozen(self, now: datetime) -> Frozen:
        """All that orders hold at a moment: of whom their identifiers meant when they were ordered, by the links that
        are known now and by those that were known then: a link that came to light since may not set free what was held.

        Raises KeyUnavailable where nobody can say whom an order that runs is about: then nothing may be erased.
        """
        held: dict[Span, date] = {}
        for order in self.orders():
            if order.runs(self._calendar.day(now)):
                for span, day in self.held_by(order).held.items():
                    held[span] = max(day, held.get(span, day))
        return Frozen(held)

    def held_by(self, order: Order) -> Frozen:
        """The same of one order. Raises KeyUnavailable."""
        asked = givens(self._tokenizer(), self._opened(order).identifiers)
        theirs = [_own_span(item, order.ordered_at) for item in asked]
        # What is handed on, such as an address of mail, stands for nobody by itself.
        handed = {item.token for item in asked if not item.kind.stands_for_customer}
        now_known = self._identities.person(asked, order.ordered_at)
        then_known = self._identities.person(asked, order.ordered_at, order.ordered_at)
        theirs += [Span(token) for token in (now_known.subjects | then_known.subjects) - handed]
        # By whatever proof. What was known then says nothing of whose it was later.
        before = ending_before((*then_known.spans, *then_known.shared), order.ordered_at + _MOMENT)
        theirs += [replace(span, proof=None) for span in (*now_known.spans, *now_known.shared, *before)]
        return Frozen(dict.fromkeys(theirs, order.until))

    def destroy_keys(self, now: datetime) -> list[str]:
        """Destroy the keys of the orders that have ended; ids of those that had one."""
        there = set(self._keyring.sealing_keys())
        gone = [
            order.order_id
            for order in self.orders()
            if not order.runs(self._calendar.day(now)) and key_of(order.order_id) in there
        ]
        for order_id in gone:
            self._keyring.destroy(key_of(order_id))
        return gone

    def _check(self, until: date, now: datetime) -> None:
        today = self._calendar.day(now)
        if not today <= until <= today + timedelta(days=MOST_DAYS):
            raise InputError(
                f"an order runs for {counted(MOST_DAYS, 'day')} at most at a time ({CITATION}); give a day until"
                f" {today + timedelta(days=MOST_DAYS)}"
            )

    def _note(self, order_id: str, kind: str, content: dict[str, str], now: datetime) -> Order:
        for _ in range(_TRIES):
            order = self.get(order_id)
            if not order.runs(self._calendar.day(now)):
                raise InputError(f"{order_id} has ended; add a new order")
            if self._append(PreservationEntry(order_id, order.length, kind, now, content), once=True):
                return self.get(order_id)
        raise Unavailable(f"others are changing {order_id} all the time; try again")

    def _append(self, entry: PreservationEntry, *, once: bool = False) -> bool:
        if self._log.append(entry):
            return True
        if once:
            return False
        raise Unavailable(f"{entry.order_id} is there already; try again")

    def _opened(self, order: Order) -> Sealed:
        opened = json.loads(self._keyring.open(key_of(order.order_id), order.sealed, order.order_id.encode()))
        identifiers = (
            Identifier(
                self._kinds.parse(item["kind"]),
                item["value"],
                item["at"] and datetime.fromisoformat(item["at"]),
                item["port"],
            )
            for item in opened["identifiers"]
        )
        return Sealed(tuple(identifiers), opened["reference"])


def key_of(order_id: str) -> str:
    """Name of the order's own key."""
    return f"preservation-{order_id}"


def orders_of(entries: Iterable[PreservationEntry]) -> list[Order]:
    """The orders as they stand after what happened to them, in order. Pure."""
    found: dict[str, Order] = {}
    for entry in entries:
        order = found.get(entry.order_id)
        if entry.kind == ORDERED and order is None:
            sealed = base64.b64decode(entry.content["sealed"])
            until = date.fromisoformat(entry.content["until"])
            found[entry.order_id] = Order(entry.order_id, entry.at, until, sealed=sealed)
        elif order is not None:
            found[entry.order_id] = _after(replace(order, length=order.length + 1), entry)
    return list(found.values())


def _after(order: Order, entry: PreservationEntry) -> Order:
    if entry.kind == LIFTED and order.lifted_at is None:
        return replace(order, lifted_at=entry.at)
    if entry.kind == EXTENDED and order.lifted_at is None:
        until = max(order.until, date.fromisoformat(entry.content["until"]))
        return replace(order, until=until, extended=order.extended + 1)
    return order


def _sealed(about: Sequence[Identifier], reference: str) -> bytes:
    identifiers = [
        {
            "kind": item.kind.name,
            "value": item.value,
            "at": item.at and item.at.isoformat(),
            "port": item.port,
        }
        for item in about
    ]
    return json.dumps({"identifiers": identifiers, "reference": reference}, ensure_ascii=False).encode()


def _own_span(given: Given, ordered_at: datetime) -> Span:
    """Where the identifier itself names the person: an address in its second, if that is known; what may be handed on
    until the order, and the customer number whenever it is met."""
    if given.kind.stands_for_customer:
        return Span(given.token)
    if not given.kind.is_place or given.at is None:
        return Span(given.token, None, ordered_at + _MOMENT)
    ports = (given.port, given.port) if given.port else (0, 65_535)
    return Span(given.token, given.at, given.at + _SECOND, *ports)
