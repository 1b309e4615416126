"""Events that concern several people: what becomes of the rows of others when one of them is forgotten."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from schemas.vocabulary import Role
from sinks.clickhouse.client import ClickHouse
from sinks.ports.erasure import Forgotten, RecordsGone
from sinks.ports.identity import OpenClaims
from sinks.ports.lineage import LineageBatch, Others, Span
from tests.contract.test_index_forget import finding_offsets
from tests.support.index import (
    Claim,
    Index,
    Row,
    claim_table,
    finding_table,
    memory_index,
    moment,
    sql_index,
    table,
    tags,
    token,
)

CALLS = tags("C-16", topic="network.traffic", system="flow_collector", purposes=("P-CONTRACT",))
CHATS = tags("C-12", topic="support.chats", system="contact_centre", purposes=("P-SUPPORT",))
HELD = replace(CALLS, categories=("C-15",), held_only=True)
OWNER, OTHER, AGENT, MENTIONED, JOINT = (
    role.code for role in (Role.OWNER, Role.COUNTERPARTY, Role.AGENT, Role.MENTIONED, Role.JOINT_OWNER)
)
ANNA, BERIT, AGNES = 1, 2, 3
"""Tokens of three people; BERIT is a customer."""
OWNERS = frozenset({Role.OWNER, Role.JOINT_OWNER})
BOTH = OWNERS | {Role.COUNTERPARTY}
DELETED = RecordsGone(BOTH)
REDACTED = RecordsGone(BOTH, BOTH)


def call(offset: int, caller: int, callee: int) -> list[Row]:
    """One record, two rows."""
    return [Row(caller, offset, CALLS, role=OWNER, port=7), Row(callee, offset, CALLS, role=OTHER)]


def chat(offset: int, customer: int, agent: int, *mentioned: int) -> list[Row]:
    """A message of a customer to an agent, in which others are named."""
    rows = [Row(customer, offset, CHATS, role=OWNER), Row(agent, offset, CHATS, role=AGENT)]
    return [*rows, *(Row(number, offset, CHATS, role=MENTIONED) for number in mentioned)]


def person(*numbers: int) -> list[Span]:
    return [Span(token(number)) for number in numbers]


def events(index: Index, number: int) -> int:
    return index.reader.find(person(number)).total_events


def known(index: Index, *numbers: int) -> None:
    """The register knows whose these are."""
    claims = [
        Claim(number, topic="crm.customers", token=number, subject=90, group=None) for number in numbers
    ]
    index.writer.write(LineageBatch(table([]), claims=OpenClaims(claim_table(claims))), lambda: moment(0))


def test_a_record_that_was_deleted_counts_for_nobody_any_more(index: Index) -> None:
    """Both ends lose the event that is gone, and no other."""
    index.write([*call(0, ANNA, BERIT), *call(1, BERIT, ANNA), *call(2, BERIT, AGNES)])
    done = index.eraser.forget(
        person(ANNA), {CALLS.id: None}, {CALLS.id: RecordsGone(frozenset({Role.OWNER}))}
    )
    assert done == Forgotten(2, 0, 1)
    # As callee Anna had no say in it: that record of Berit's stays without her.
    assert (events(index, ANNA), events(index, BERIT), events(index, AGNES)) == (0, 2, 1)


def test_a_record_that_was_redacted_stays_for_the_other(index: Index) -> None:
    """Whoever is the other end keeps it; when the last one goes it is gone, also for those who only appear in it."""
    index.write([*call(0, ANNA, BERIT), *call(1, BERIT, ANNA)])
    index.write([Row(AGNES, 0, CALLS, role=MENTIONED)])
    assert index.eraser.forget(person(ANNA), {CALLS.id: None}, {CALLS.id: REDACTED}) == Forgotten(2, 0, 0)
    assert (events(index, ANNA), events(index, BERIT), events(index, AGNES)) == (0, 2, 1)
    assert index.eraser.forget(person(BERIT), {CALLS.id: None}, {CALLS.id: REDACTED}) == Forgotten(2, 0, 1)
    assert (events(index, BERIT), events(index, AGNES)) == (0, 0)


def test_nothing_of_others_ends_before_it_is_said(index: Index) -> None:
    """Without a word of the system the rows of others stay, whatever becomes of the person's own."""
    index.write(call(0, ANNA, BERIT))
    assert index.eraser.forget(person(ANNA), {CALLS.id: None}) == Forgotten(1, 0, 0)
    assert events(index, BERIT) == 1


def test_a_record_that_is_held_in_part_ends_nobody_s_row(index: Index) -> None:
    """It is still there: the person's row is narrowed, the other's stays as it was."""
    index.write(call(0, ANNA, BERIT))
    assert index.eraser.forget(person(ANNA), {CALLS.id: HELD}, {CALLS.id: DELETED}) == Forgotten(0, 1, 0)
    assert [item.tags for item in index.reader.find(person(BERIT)).holdings] == [CALLS]


def test_a_call_to_oneself_is_one_person_s(index: Index) -> None:
    """Caller and callee are the same: nobody is left to keep it for."""
    index.write(call(0, ANNA, ANNA))
    assert index.reader.others(person(ANNA)) == []
    assert index.eraser.forget(person(ANNA), {CALLS.id: None}, {CALLS.id: REDACTED}) == Forgotten(2, 0, 0)
    assert events(index, ANNA) == 0


def test_one_role_is_one_person_by_whatever_identifiers(index: Index) -> None:
    """Another identifier of the owner is nobody else, and goes with the record."""
    handle = 40
    index.write([*chat(0, ANNA, AGNES), Row(handle, 0, CHATS, role=OWNER)])
    assert {item.others for item in index.reader.others(person(ANNA))} == {frozenset({Role.AGENT})}
    gone = {CHATS.id: RecordsGone(OWNERS, OWNERS)}
    assert index.eraser.forget(person(ANNA), {CHATS.id: None}, gone) == Forgotten(1, 0, 2)
    assert (events(index, handle), events(index, AGNES)) == (0, 0)


def test_joint_owners_keep_a_record_for_each_other(index: Index) -> None:
    """The first one to go leaves it to the other."""
    index.write([Row(ANNA, 0, CHATS, role=OWNER), Row(BERIT, 0, CHATS, role=JOINT)])
    gone = {CHATS.id: RecordsGone(OWNERS, OWNERS)}
    assert index.eraser.forget(person(BERIT), {CHATS.id: None}, gone) == Forgotten(1, 0, 0)
    assert events(index, ANNA) == 1
    assert index.eraser.forget(person(ANNA), {CHATS.id: None}, gone) == Forgotten(1, 0, 0)


def test_others_tell_in_which_roles_and_whether_anybody_knows_them(index: Index) -> None:
    """Per pattern of roles; known are those of whom there is a claim, whenever it came."""
    index.write([*call(0, ANNA, BERIT), *call(1, ANNA, AGNES), *call(2, BERIT, ANNA), *call(3, ANNA, AGNES)])
    index.write([*chat(0, ANNA, AGNES, BERIT, ANNA), Row(ANNA, 9, CHATS)])
    known(index, BERIT)
    owner, other = frozenset({Role.OWNER}), frozenset({Role.COUNTERPARTY})
    named = frozenset({Role.AGENT, Role.MENTIONED})
    assert set(index.reader.others(person(ANNA))) == {
        Others(CALLS.id, owner, other, other, 1),
        Others(CALLS.id, owner, other, frozenset(), 2),
        Others(CALLS.id, other, owner, owner, 1),
        Others(CHATS.id, owner | {Role.MENTIONED}, named, frozenset({Role.MENTIONED}), 1),
    }
    assert list(index.reader.others([])) == []
    outside = [Span(token(ANNA), until=moment(0))]
    assert list(index.reader.others(outside)) == []


def test_ending_is_repeatable_and_what_hangs_on_the_event_goes_too(index: Index) -> None:
    """Findings of a text that is gone go with it, though somebody was named in it; a second time nothing is left."""
    index.write([*chat(0, ANNA, AGNES, BERIT), *chat(1, BERIT, AGNES, ANNA)])
    found = finding_table([("support.chats", 0, "phone"), ("support.chats", 1, "phone")])
    index.writer.write(LineageBatch(table([]), findings=found), lambda: moment(0))
    gone = {CHATS.id: RecordsGone(OWNERS, OWNERS)}
    assert index.eraser.forget(person(ANNA), {CHATS.id: None}, gone) == Forgotten(2, 0, 2)
    assert finding_offsets(index) == [("support.chats", 1)]
    assert (events(index, BERIT), events(index, AGNES)) == (1, 1)
    assert index.eraser.forget(person(ANNA), {CHATS.id: None}, gone) == Forgotten()
    assert (events(index, BERIT), events(index, AGNES)) == (1, 1)


def test_a_replay_brings_all_rows_back_and_the_next_erasure_ends_them_again(index: Index) -> None:
    """The index alone does not remember whom it forgot: what holds is that both ends come and go together."""
    rows = [*call(0, ANNA, BERIT), *call(1, BERIT, ANNA)]
    only_mine = {CALLS.id: RecordsGone(frozenset({Role.OWNER}))}
    index.write(rows)
    index.eraser.forget(person(ANNA), {CALLS.id: None}, only_mine)
    index.write(rows)
    assert (events(index, ANNA), events(index, BERIT)) == (2, 2)
    assert index.eraser.forget(person(ANNA), {CALLS.id: None}, only_mine) == Forgotten(2, 0, 1)
    assert (events(index, ANNA), events(index, BERIT)) == (0, 1)


def test_older_versions_of_an_ended_row_do_not_come_back(index: Index) -> None:
    """The other's row was tagged anew under another catalogue: both versions go."""
    newer = tags("C-16", topic="network.traffic", system="flow_collector", version="000000000002")
    index.write(call(0, ANNA, BERIT))
    index.write([replace(row, tags=newer) for row in call(0, ANNA, BERIT)])
    gone = {newer.id: DELETED}
    assert index.eraser.forget(person(ANNA), {newer.id: None}, gone) == Forgotten(1, 0, 1)
    assert events(index, BERIT) == 0


def test_thousands_of_shared_events_end_at_once(index: Index) -> None:
    """In more than one statement; the neighbours' stay."""
    rows = [
        row
        for offset in range(4_400)
        for row in call(offset, ANNA if offset % 2 else BERIT, 100 + offset % 300)
    ]
    index.write(rows)
    done = index.eraser.forget(person(ANNA), {CALLS.id: None}, {CALLS.id: DELETED})
    assert done == Forgotten(2_200, 0, 2_200)
    everybody = index.reader.find(person(*range(100, 400)))
    assert everybody.total_events == events(index, BERIT) == 2_200


def test_both_kinds_of_index_do_the_same(database: ClickHouse) -> None:
    """Whoever is in whatever roles: towns of four people each, events by chance, one or two asked, records gone."""
    random = Random(29)
    both = (sql_index(database), memory_index())
    towns = [range(10 * number, 10 * number + 4) for number in range(1, 9)]
    rows = [
        Row(random.choice(town), town[0] + random.randrange(4), CALLS, role=random.randrange(1, 6))
        for town in towns
        for _ in range(14)
    ]
    for index in both:
        index.write(rows)
        known(index, *(town[1] for town in towns))
    real, memory = both
    for town in towns:
        spans = person(*random.sample(town, random.randrange(1, 3)))
        records = RecordsGone(*(frozenset(random.sample(list(Role), random.randrange(5))) for _ in range(2)))
        assert Counter(real.reader.others(spans)) == Counter(memory.reader.others(spans))
        done = [index.eraser.forget(spans, {CALLS.id: None}, {CALLS.id: records}) for index in (real, memory)]
        assert done[0] == done[1]
        assert [events(real, number) for number in town] == [events(memory, number) for number in town]


@pytest.mark.parametrize("removed", [DELETED, REDACTED])
def test_the_copy_by_event_holds_nobody_who_is_gone(database: ClickHouse, removed: RecordsGone) -> None:
    """No row of it outlives the one in lineage, and none lacks."""
    index = sql_index(database)
    index.write([*call(0, ANNA, BERIT), *call(1, BERIT, ANNA), *call(2, ANNA, AGNES), *chat(0, BERIT, AGNES)])
    index.eraser.forget(person(ANNA), {CALLS.id: None}, {CALLS.id: removed})
    columns = "topic, partition, offset, role, token"
    copied, there = (
        database.query(f"SELECT {columns} FROM {name} FINAL ORDER BY ALL SETTINGS apply_deleted_mask = 0")
        for name in ("lineage_by_event", "lineage")
    )
    assert copied == there


def test_whoever_stands_in_two_events_stays_in_the_one_that_stays(index: Index) -> None:
    """Of one event the record is gone, with everybody in it; in the other stands the same second person, and the person
    by another identifier, which goes from there with what is theirs."""
    anna, moved, ola = 31, 32, 33
    gone_with, stays = (tags("C-01", topic=name, system="crm") for name in ("deleted", "redacted"))
    index.write(
        [
            *(Row(anna, 0, item, role=Role.OWNER.code) for item in (gone_with, stays)),
            *(Row(ola, 0, item, role=Role.COUNTERPARTY.code) for item in (gone_with, stays)),
            Row(moved, 0, stays, role=Role.OWNER.code),
        ]
    )
    spans = [Span(token(anna)), Span(token(moved), until=moment(-1))]
    kept, gone = {gone_with.id: None, stays.id: None}, {gone_with.id: RecordsGone(frozenset({Role.OWNER}))}
    index.eraser.forget(spans, kept, gone)
    assert [item.tags for item in index.reader.find([Span(token(ola))]).holdings] == [stays]
    assert index.reader.find([Span(token(anna)), Span(token(moved))]).total_events == 0
