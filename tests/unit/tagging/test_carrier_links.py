"""The parcel carrier's customers, whom e-mail address, phone and login lead to: each in the time of the link alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.examples import load_messages
from sinks.memory.index import MemoryIndex
from streams.answers.lookup import access
from streams.answers.question import Identifier, Question
from streams.identity.identities import given
from streams.simulate.plan import Plan
from streams.simulate.story.play import Played
from tests.support.stories import LATER, START, Schemas, Told, tagged, tell

CUSTOMERS, ORDERS, NOTICES = "crm.public.customer", "shop.orders", "shop.notices"
KARI, OLA = "TB-200001", "TB-200002"
SHARED, NEW = "post@example.no", "kari.ny@example.no"
LOGINS = {KARI: "kari1", OLA: "ola2"}


def day(number: float) -> datetime:
    return START + timedelta(days=number)


class Writer:
    """Writes messages as the examples have them, with other people and times."""

    def __init__(self, told: Told) -> None:
        self._examples = load_messages(told.company)

    def _said(self, example: str) -> dict[str, Any]:
        value = self._examples[example].value
        assert value is not None
        copied: dict[str, Any] = json.loads(json.dumps(value))
        return copied

    def changed(self, at: float, number: str, before: str | None, email: str | None) -> Played:
        """A row of the register: made (no address before), changed, or deleted (none behind)."""
        kind = "created" if before is None else "moved" if email else "deleted"
        change = self._said(f"{CUSTOMERS}/{kind}")
        moment = round(day(at).timestamp() * 1000)
        own = {"customer_number": number, "login": LOGINS[number], "phone": None}
        for image, address in (("before", before), ("after", email)):
            if address is not None:
                change[image] |= {**own, "email": address, "updated_at": moment * 1000}
        change["ts_ms"] = change["source"]["ts_ms"] = moment + 200
        return played(at, CUSTOMERS, change)

    def ordered(self, at: float, number: str) -> Played:
        order = self._said(f"{ORDERS}/to-one")
        order["customer"] = {"number": number, "email": None, "login": LOGINS[number], "name": "x"}
        return played(at, ORDERS, {**order, "placedAt": round(day(at).timestamp() * 1000)})

    def noticed(self, at: float, to: str) -> Played:
        letter = self._said(f"{NOTICES}/on-its-way")
        return played(at, NOTICES, {**letter, "sentAt": day(at).isoformat(), "email": to})


def played(at: float, topic: str, value: Mapping[str, Any]) -> Played:
    return Played(day(at), topic, "", "", None, json.dumps(value).encode(), value, None, ())


@pytest.fixture(scope="module")
def told() -> Told:
    """Kari's address is Ola's later on; letters go to it before, between and after."""
    made = tell(plan=Plan(customers=3, days=3, seed=1, start=START))
    writer = Writer(made)
    events = [
        writer.changed(0, KARI, None, SHARED),
        writer.noticed(1, SHARED),
        writer.ordered(2, KARI),
        writer.changed(3, KARI, SHARED, NEW),
        writer.noticed(4, SHARED),
        writer.changed(5, OLA, None, SHARED),
        writer.noticed(6, SHARED),
        writer.noticed(6, NEW),
        writer.ordered(7, OLA),
        writer.changed(8, OLA, SHARED, None),
        writer.noticed(9, SHARED),
    ]
    prepared = tagged(made.company, Schemas(), events)
    assert not prepared.dead
    index = MemoryIndex()
    index.write(prepared.batch, lambda: LATER)
    return replace(made, prepared=prepared, reader=index)


def found(told: Told, kind: str, value: str, at: float | None = None) -> int:
    """How many events an answer finds."""
    asked = Identifier(told.company.kinds.parse(kind), value, None if at is None else day(at))
    return int(access(Question([asked]), told, LATER)["total_events"])


def test_each_of_two_holders_of_an_address_finds_what_was_theirs(told: Told) -> None:
    """By number, by address at their time, by login: two rows of Kari's register, two letters, one order; Ola's two
    rows, one letter and one order. What came between them or after them is nobody's."""
    kari = [
        found(told, "sender_number", KARI),
        found(told, "email", SHARED, at=1),
        found(told, "email", NEW),
        found(told, "username", LOGINS[KARI]),
    ]
    assert kari == [5] * 4
    ola = [
        found(told, "sender_number", OLA),
        found(told, "email", SHARED, at=6),
    ]
    assert ola == [4] * 2


def test_an_address_of_which_the_register_says_nothing_any_more_names_nobody(told: Told) -> None:
    """Between two holders, and since the second one's row was deleted."""
    assert found(told, "email", SHARED, at=4) == 0
    assert found(told, "email", SHARED) == 0


def test_whose_an_address_was_is_told_with_its_time(told: Told) -> None:
    """By the moments that the register gives."""
    kinds = told.company.kinds
    token = {number: told.tokenizer.token(kinds.parse("sender_number"), number) for number in (KARI, OLA)}
    asked = given(told.tokenizer, kinds.parse("email"), SHARED)
    (links,) = told.identities.links([asked])
    late = timedelta(milliseconds=200)
    assert [(link.subject, link.since, link.until) for link in links] == [
        (token[KARI], day(0), day(3) + late),
        (token[OLA], day(5), day(8) + late),
    ]
    assert links[0].since is not None
    assert links[0].since.tzinfo == UTC
