"""What every index promises of sealed identifiers: written with the batch, read by nobody who looks up, and erased."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from schemas.vocabulary import Mark
from sinks.ports.erasure import Forgotten
from sinks.ports.expiry import RunOut
from sinks.ports.identity import OpenClaims, RetainedClaims
from sinks.ports.lineage import Span
from tests.support.index import (
    NOW,
    Claim,
    Index,
    Row,
    batch,
    claim_table,
    identifier_table,
    moment,
    tags,
    token,
)

WEB = tags()
BILL = tags("C-11", "C-12", topic="billing.invoices", system="billing", purposes=("P-BILL",))
HELD = replace(BILL, categories=("C-12",), held_only=True)
ADDRESS, PERSON, NEIGHBOUR, PAYER = 1, 2, 3, 4
SPANS = [Span(token(ADDRESS)), Span(token(PERSON))]


def write(
    index: Index, rows: Sequence[Row], claims: Sequence[Claim], *numbers: int, minutes: int = 0
) -> None:
    """A batch that mentions these tokens, so many minutes after NOW."""
    named = [(number, "ip", "identifiers-2026-06", f"sealed {number}".encode()) for number in numbers]
    made = replace(batch(rows), claims=OpenClaims(claim_table(claims)), identifiers=identifier_table(named))
    index.writer.write(made, lambda: NOW + timedelta(minutes=minutes))


def claim(offset: int, subject: int, of: int = ADDRESS) -> Claim:
    return Claim(offset, token=of, subject=subject, topic="web.visits", group=100 + subject)


def keyed(key: str) -> dict[str, Any]:
    """That the person's token stands in that key of a claim."""
    return {key: PERSON}


def there(index: Index) -> list[int]:
    """The numbers whose identifiers are there."""
    numbers = (ADDRESS, PERSON, NEIGHBOUR, PAYER)
    found = set(index.identifiers.sealed([token(number) for number in numbers])["token"].to_pylist())
    return [number for number in numbers if token(number) in found]


def test_an_identifier_is_read_as_it_was_written(index: Index) -> None:
    """Kind, key and what is sealed, byte by byte; of tokens that have none nothing is there."""
    sealed = bytes(range(256)) + b"\0"
    rows = identifier_table([(8, "email", "identifiers-2026-06", sealed)])
    index.writer.write(replace(batch([Row(8, 0, WEB)]), identifiers=rows), lambda: NOW)
    assert index.identifiers.sealed([token(8), token(9)]).to_pylist() == rows.to_pylist()
    assert index.identifiers.sealed([token(9)]).num_rows == 0
    assert index.identifiers.sealed([]).num_rows == 0
    assert index.identifiers.sealing_keys() == {"identifiers-2026-06"}


def test_of_a_token_what_was_written_last_stands(index: Index) -> None:
    """Sealed anew under the next month's key, it is there once; and a replay of the batch leaves one."""
    for minutes, key in enumerate(("identifiers-2026-06", "identifiers-2026-07", "identifiers-2026-07")):
        rows = identifier_table([(8, "email", key, key.encode())])
        index.writer.write(
            replace(batch([Row(8, 0, WEB)]), identifiers=rows),
            partial(moment, 60_000 * minutes),
        )
    (found,) = index.identifiers.sealed([token(8)]).to_pylist()
    assert (found["key"], found["sealed"]) == ("identifiers-2026-07", b"identifiers-2026-07")


def test_identifiers_go_with_the_last_claim_that_mentions_them(index: Index) -> None:
    """The person's own go; the address stays named as long as it was a neighbour's too, and goes with the neighbour."""
    rows = [Row(ADDRESS, 0, WEB), Row(PERSON, 0, WEB), Row(NEIGHBOUR, 5, WEB)]
    write(index, rows, [claim(0, PERSON), claim(5, NEIGHBOUR)], ADDRESS, PERSON, NEIGHBOUR)
    assert index.eraser.forget(SPANS, {WEB.id: None}).rows_removed == 2
    assert there(index) == [ADDRESS, NEIGHBOUR]
    index.eraser.forget([Span(token(NEIGHBOUR))], {WEB.id: None})
    assert there(index) == []


def test_what_a_claim_that_goes_mentions_besides_goes_too(index: Index) -> None:
    """An account that is in nobody's span, since whoever paid may be anybody."""
    write(index, [Row(PERSON, 0, WEB)], [claim(0, PERSON, of=PAYER)], PERSON, PAYER)
    index.eraser.forget([Span(token(PERSON))], {WEB.id: None})
    assert there(index) == []


def test_an_identifier_under_which_something_is_held_stays(index: Index) -> None:
    """When its day comes the system has to be told; it goes when the rest does."""
    rows = [Row(ADDRESS, 0, WEB), Row(PERSON, 0, WEB), Row(PERSON, 3, BILL)]
    write(index, rows, [claim(0, PERSON)], ADDRESS, PERSON)
    assert index.eraser.forget(SPANS, {WEB.id: None, BILL.id: HELD}) == Forgotten(2, 1)
    assert there(index) == [PERSON]
    index.eraser.forget(SPANS, {HELD.id: None})
    assert there(index) == []


def test_an_erasure_that_removes_nothing_takes_no_identifier(index: Index) -> None:
    """Nothing was decided on, or only narrowed."""
    write(index, [Row(PERSON, 3, BILL)], [Claim(9, token=ADDRESS, subject=PERSON)], ADDRESS, PERSON)
    index.eraser.forget(SPANS, {BILL.id: HELD})
    index.eraser.forget(SPANS, {WEB.id: None})
    assert there(index) == [ADDRESS, PERSON]


def test_whoever_comes_later_is_named_again(index: Index) -> None:
    """The address of somebody who was erased, given to the next: its claim brings the identifier back."""
    write(index, [Row(ADDRESS, 0, WEB)], [claim(0, PERSON)], ADDRESS, PERSON)
    index.eraser.forget(SPANS, {WEB.id: None})
    assert there(index) == []
    write(index, [Row(ADDRESS, 7, WEB)], [claim(7, NEIGHBOUR)], ADDRESS, NEIGHBOUR, minutes=1)
    assert there(index) == [ADDRESS, NEIGHBOUR]


def test_claims_for_the_police_alone_keep_no_identifier(index: Index) -> None:
    """They are no claims that anything here rests on."""
    retained = RetainedClaims(claim_table([claim(9, PERSON)]))
    write(index, [Row(ADDRESS, 0, WEB)], [claim(0, PERSON)], ADDRESS, PERSON)
    index.writer.write(replace(batch([Row(9, 9, WEB)]), retained=retained), lambda: NOW)
    index.eraser.forget(SPANS, {WEB.id: None})
    assert there(index) == []


@pytest.mark.parametrize("again", [False, True])
def test_forgetting_twice_is_forgetting_once(index: Index, again: bool) -> None:
    """Also what an earlier version of the index left: an identifier without a claim goes with its rows."""
    write(index, [Row(ADDRESS, 0, WEB)], [], ADDRESS)
    for _ in range(1 + again):
        index.eraser.forget(SPANS, {WEB.id: None})
    assert there(index) == []


@pytest.mark.parametrize("mark", [Mark.SEEN, Mark.ON])
@pytest.mark.parametrize("key", ["group", "line", "server"])
def test_a_key_of_the_network_mentions_nobody(index: Index, key: str, mark: Mark) -> None:
    """Of somebody else's session, in which the same token stands for a server, a line or a slot."""
    other = replace(Claim(5, token=NEIGHBOUR, subject=PAYER, topic=WEB.topic, mark=mark), **keyed(key))
    rows = [Row(ADDRESS, 0, WEB), Row(PERSON, 0, WEB), Row(NEIGHBOUR, 5, WEB)]
    write(index, rows, [claim(0, PERSON), other], ADDRESS, PERSON, NEIGHBOUR, PAYER)
    index.eraser.forget(SPANS, {WEB.id: None})
    assert there(index) == [NEIGHBOUR, PAYER]


@pytest.mark.parametrize("key", ["group", "line", "server"])
def test_a_key_of_the_network_keeps_no_identifier_that_has_run_out(index: Index, key: str) -> None:
    other = replace(Claim(5, token=NEIGHBOUR, subject=PAYER, topic=WEB.topic), **keyed(key))
    rows = [Row(ADDRESS, 0, WEB), Row(PERSON, 0, WEB), Row(NEIGHBOUR, 5, WEB, at=9)]
    write(index, rows, [claim(0, PERSON), other], ADDRESS, PERSON, NEIGHBOUR, PAYER)
    index.expirer.expire([RunOut(WEB.id, NOW + timedelta(milliseconds=5))])
    assert there(index) == [NEIGHBOUR, PAYER]
