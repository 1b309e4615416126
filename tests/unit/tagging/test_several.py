"""Several people in one event and one role: each finds what is theirs, and nobody's erasure takes another's along."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from schemas.catalogue import load_catalogue
from schemas.contracts import Contract
from schemas.policy import RetentionAnchors
from schemas.vocabulary import Role
from sinks.memory.index import MemoryIndex
from sinks.ports.erasure import Forgotten, RecordsGone
from sinks.ports.lineage import Span
from streams.answers.erasure_plan import make_plan
from streams.answers.plan import Part, Plan
from tests.support.by_contract import ROW, change, prepare
from tests.support.claims import NOW, TOKENIZER
from tests.support.contracts import ORDER, contract, order
from tests.support.kinds import KINDS

ANNA, BERIT, SENDER = "710001", "710002", "700104"
ENDED = RetentionAnchors(contract_end=date(2015, 1, 1))
CONSIGNEE_MAIL = {
    "category": "C-01",
    "identifier": {"kind": "email", "role": "counterparty"},
    "about": ["counterparty"],
}


def spans(kind: str, value: str) -> list[Span]:
    return [Span(TOKENIZER.token(KINDS[kind], value))]


def numbered(number: str) -> list[Span]:
    return spans("customer_number", number)


def parcel(*consignees: dict[str, Any]) -> dict[str, Any]:
    return {**ROW, "customer": {"number": SENDER}, "consignees": list(consignees)}


def tagged(said: Contract, *messages: Any) -> MemoryIndex:
    index = MemoryIndex()
    prepared = prepare(said, messages)
    assert not prepared.dead
    index.write(prepared.batch, lambda: datetime.fromtimestamp(NOW / 1000).astimezone())
    return index


def crowds(index: MemoryIndex, of: list[Span]) -> list[bool]:
    """Of each event under the spans, in order, whether others stand in the person's role."""
    found = {key[3]: index.tag_sets[row.tag_set].several for key, row, _ in index.under(of)}
    return [found[offset] for offset in sorted(found)]


def planned(index: MemoryIndex, said: Contract, of: list[Span]) -> tuple[Plan, Part]:
    plan = make_plan(
        index.find(of), load_catalogue(), date(2026, 3, 1), ENDED, topics={},
        records={said.record.name: said.record}, others=index.others(of),
    )  # fmt: skip
    return plan, next(part for part in plan.parts if part.category == "C-01")


@pytest.fixture
def parcels(tmp_path: Path) -> Contract:
    fields = {**ORDER["fields"], "consignees[].email": CONSIGNEE_MAIL}
    return contract(tmp_path, order(fields=fields))


def test_events_with_several_in_the_role_are_told_apart(parcels: Contract) -> None:
    """By what differs among the items: two people, one person twice, one person by two kinds of identifier."""
    index = tagged(
        parcels,
        parcel({"number": ANNA}, {"number": BERIT}),
        parcel({"number": ANNA}),
        parcel({"number": ANNA}, {"number": ANNA}),
        parcel({"number": ANNA, "email": "anna@example.no"}),
        parcel({"number": ANNA}, {"email": "a@example.no"}, {"email": "b@example.no"}),
    )
    assert crowds(index, numbered(ANNA)) == [True, False, False, False, True]
    assert crowds(index, numbered(BERIT)) == [True]
    assert crowds(index, numbered(SENDER)) == [False] * 5


def test_each_finds_the_event_and_is_told_of_the_others(parcels: Contract) -> None:
    """What is about a consignee is in each one's answer; that another stands beside them is known of each."""
    index = tagged(parcels, parcel({"number": ANNA}, {"number": BERIT}))
    for number in (ANNA, BERIT):
        found = index.find(numbered(number))
        assert found.total_events == 1
        assert set(found.holdings[0].tags.categories) == set(parcels.record.categories_for("counterparty"))
        (others,) = index.others(numbered(number))
        assert others.others == {Role.OWNER, Role.COUNTERPARTY}


def test_erasing_one_consignee_leaves_the_other(parcels: Contract) -> None:
    """The record stays, without what is about a consignee; the rows of the other and of the sender stay too."""
    index = tagged(parcels, parcel({"number": ANNA}, {"number": BERIT}))
    plan, part = planned(index, parcels, numbered(ANNA))
    assert (part.means, part.stays) == ("redact", 1)
    (command,) = plan.commands
    assert command.fields == ()
    redacted = {item.role: set(item.fields) for order in command.orders for item in order.redactions}
    assert redacted["counterparty"] == {
        "ShopOrder.consignees[].number",
        "ShopOrder.consignees[].email",
        "ShopOrder.consignees[].name",
    }
    whole = dict.fromkeys(plan.kept)
    gone = {tag_set: RecordsGone(frozenset({Role.OWNER})) for tag_set in whole}
    assert index.forget(numbered(ANNA), whole, gone) == Forgotten(1)
    assert [index.find(numbered(number)).total_events for number in (ANNA, BERIT, SENDER)] == [0, 1, 1]


def test_a_row_that_was_moved_to_another_customer_names_two(tmp_path: Path) -> None:
    """The former one's erasure leaves the event to the one who has the row now."""
    said = contract(tmp_path, order(envelope="debezium"))
    former = {**ROW, "customer": {"number": ANNA, "email": "anna@example.no"}}
    now = {**ROW, "customer": {"number": BERIT, "email": "berit@example.no"}}
    index = tagged(said, change("u", former, now))
    assert crowds(index, numbered(ANNA)) == crowds(index, spans("email", "berit@example.no")) == [True]
    plan, part = planned(index, said, numbered(ANNA))
    assert (part.means, part.stays) == ("redact", 1)
    owners = frozenset({Role.OWNER, Role.JOINT_OWNER})
    whole = dict.fromkeys(plan.kept)
    gone = {tag_set: RecordsGone(owners, owners) for tag_set in whole}
    assert index.forget(numbered(ANNA), whole, gone) == Forgotten(1)
    assert index.find(numbered(BERIT)).total_events == 1


def test_a_new_address_is_no_new_person(tmp_path: Path) -> None:
    """The number stayed: both addresses are that customer's, and no record stays for somebody else."""
    said = contract(tmp_path, order(envelope="debezium"))
    former = {**ROW, "customer": {"number": ANNA, "email": "old@example.no"}}
    now = {**ROW, "customer": {"number": ANNA, "email": "new@example.no"}}
    index = tagged(said, change("u", former, now), change("c", None, now))
    assert crowds(index, numbered(ANNA)) == [False, False]
    assert index.others(numbered(ANNA)) == []
    assert planned(index, said, numbered(ANNA))[1].stays == 0
