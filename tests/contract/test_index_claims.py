"""What every index promises those who ask what was said about identity."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, get_args

import pyarrow as pa
import pytest

from schemas.vocabulary import ClaimForm, Mark
from sinks.clickhouse.client import ClickHouse
from sinks.ports.identity import (
    KNOWN_CLAIM_SCHEMA,
    NOTHING,
    PREFIX_SCHEMA,
    ClaimKey,
    OpenClaims,
    RetainedClaims,
)
from sinks.ports.lineage import LineageBatch
from streams.identity.gather import upward
from streams.identity.links.table import FOREVER
from tests.support.company import model
from tests.support.index import (
    NOW,
    Claim,
    Index,
    claim_table,
    finding_table,
    prefix_table,
    sql_index,
    table,
    token,
)

HOUR = timedelta(hours=1)
OPEN = Claim(
    0, line=4, mark=Mark.OPEN, at=1_000, since=500, until=9_000, part=2, ports=(1_024, 65_535), length=56
)
SEEN = Claim(1, token=5, at=2_000)
OFF = Claim(2, token=None, subject=None, group=None, mark=Mark.OFF, at=3_000)


def learn(index: Index, *claims: Claim, now: datetime = NOW) -> None:
    index.writer.write(LineageBatch(table([]), claims=OpenClaims(claim_table(claims))), lambda: now)


def offsets(
    index: Index, *numbers: int, of: ClaimKey = "token", known_at: datetime | None = None
) -> list[int]:
    found = index.claims.claims([token(number) for number in numbers], known_at, of=of)
    return sorted(found["offset"].to_pylist())


def rows(found: pa.Table) -> list[dict[str, Any]]:
    return sorted(
        found.to_pylist(), key=lambda row: str([row["topic"], row["partition"], row["offset"], row["part"]])
    )


def test_a_claim_comes_back_as_it_was_made(index: Index) -> None:
    """Every column is what was written, absent times stay absent, and the moment it was learnt is added."""
    learn(index, OPEN, SEEN)
    found = index.claims.claims([token(2)], of="subject")
    assert found.schema == KNOWN_CLAIM_SCHEMA
    made = claim_table([OPEN, SEEN]).to_pylist()
    assert rows(found) == [{**row, "learnt_at": NOW.replace(tzinfo=None)} for row in made]


def test_a_claim_is_found_by_each_of_its_keys_and_once(index: Index) -> None:
    """Token, subject, group and line each lead to it, in the place that is asked about and in no other."""
    learn(index, OPEN, SEEN, OFF)
    places: tuple[ClaimKey, ...] = ("token", "subject", "group", "line")
    assert [offsets(index, 1, 2, 3, 4, 5, 6, of=of) for of in places] == [[0, 1], [0, 1], [0, 1], [0]]
    assert [offsets(index, number) for number in (1, 2, 5)] == [[0], [], [1]]
    assert offsets(index, 1, 1) == [0]
    assert offsets(index) == []
    assert index.claims.claims([], of="line").schema == KNOWN_CLAIM_SCHEMA


def test_a_key_named_twice_by_one_claim_gives_it_once(index: Index) -> None:
    """An identifier may be its own group: a slot of a register."""
    learn(index, Claim(0, token=1, group=1, subject=2, form=ClaimForm.STATE))
    assert offsets(index, 1, 2) == offsets(index, 1, 2, of="group") == offsets(index, 2, of="subject") == [0]


def test_a_server_leads_to_its_marks_only(index: Index) -> None:
    """The sessions of a server are everybody's: only what it says of itself is found by it."""
    learn(index, OPEN, SEEN, OFF, Claim(3, None, None, None, mark=Mark.ON), Claim(4, token=9))
    assert offsets(index, 9, of="server") == [2, 3]
    assert offsets(index, 9) == [4]


def test_nothing_is_no_key(index: Index) -> None:
    """Claims that lack a subject have nothing in common."""
    learn(index, SEEN, replace(SEEN, subject=None), OFF)
    for of in get_args(ClaimKey):
        assert index.claims.claims([NOTHING], of=of).num_rows == 0


def test_known_at_is_the_moment_a_claim_was_first_learnt(index: Index) -> None:
    """A claim that is written again was known from the first time, and it is what it was then."""
    learn(index, SEEN, now=NOW + HOUR)
    learn(index, SEEN, OFF, now=NOW + 2 * HOUR)
    assert offsets(index, 5, known_at=NOW + HOUR - timedelta(milliseconds=1)) == []
    assert offsets(index, 5, known_at=NOW + HOUR) == offsets(index, 5) == [1]
    assert offsets(index, 9, of="server", known_at=NOW + HOUR) == []
    assert offsets(index, 9, of="server", known_at=NOW + 2 * HOUR) == [2]
    learn(index, replace(SEEN, at=7_000), OFF, now=NOW + 3 * HOUR)
    (found,) = rows(index.claims.claims([token(5)], of="token"))
    assert found["learnt_at"] == (NOW + HOUR).replace(tzinfo=None)
    assert found["at"] == (NOW + timedelta(milliseconds=2_000)).replace(tzinfo=None)


def test_two_parts_of_an_event_are_two_claims(index: Index) -> None:
    """So are the same offset in two partitions and in two topics."""
    claims = [SEEN, replace(SEEN, part=1), replace(SEEN, partition=1), replace(SEEN, topic="crm.customers")]
    learn(index, *claims)
    learn(index, *claims)
    assert index.claims.claims([token(5)], of="token").num_rows == 4


def test_what_a_source_deleted_ends_its_slot_in_turn(index: Index) -> None:
    """It is read with what the slot held, and comes before what its partition says of it next, whatever its time."""
    held = Claim(0, form=ClaimForm.STATE, mark=Mark.OPEN, line=None, server=None)
    gone = replace(held, offset=1, token=None, mark=Mark.CLOSE, at=10_000)
    anew = replace(held, offset=2, token=6, at=5_000)
    learn(index, anew, gone, held)
    links = upward(index.claims, [token(1), token(6)], model().catalogue.identity_sources).links
    begin = round(NOW.timestamp() * 1000)
    assert {
        (links.name(links.token[at]), int(links.since[at]) - begin, int(links.until[at]))
        for at in range(len(links))
    } == {(token(1), 0, begin + 5_000), (token(6), 5_000, FOREVER)}


def test_what_is_retained_for_the_police_is_never_read(index: Index) -> None:
    """Claims from data kept under ekomloven § 3-13 alone lead nowhere: § 3-14 forbids any other use."""
    index.writer.write(
        LineageBatch(
            table([]),
            claims=OpenClaims(claim_table([SEEN])),
            retained=RetainedClaims(claim_table([OPEN, OFF])),
        ),
        lambda: NOW,
    )
    assert [offsets(index, 1, 2, 3, 4, 5, 9, of=of) for of in get_args(ClaimKey)] == [[1], [1], [1], [], []]


def test_a_hundred_thousand_keys_are_one_question(index: Index) -> None:
    """As many as a batch of events names."""
    learn(index, *(Claim(number, token=number + 10, subject=5, group=None) for number in range(0, 3_000, 3)))
    found = index.claims.claims([token(number) for number in range(10, 100_010)], of="token")
    assert sorted(found["offset"].to_pylist()) == list(range(0, 3_000, 3))


def test_prefixes_lead_to_addresses_and_back(index: Index) -> None:
    """The prefixes above an address, the addresses under a prefix; each pair once, however often it was seen."""
    pairs = [(1, 56, 11), (2, 64, 11), (1, 56, 12)]
    for _ in range(2):
        index.writer.write(LineageBatch(table([]), prefixes=prefix_table(pairs)), lambda: NOW)
    above = index.claims.prefixes([token(11), token(99)])
    assert above.schema == PREFIX_SCHEMA
    assert sorted(above["prefix"].to_pylist()) == [token(1), token(2)]
    assert sorted(above["length"].to_pylist()) == [56, 64]
    under = index.claims.addresses([token(1), token(1)])
    assert sorted(under["token"].to_pylist()) == [token(11), token(12)]
    assert index.claims.prefixes([]).num_rows == index.claims.addresses([]).num_rows == 0
    assert index.claims.prefixes([token(1)]).num_rows == 0


@pytest.mark.parametrize("width", [0, 1, 15])
def test_a_key_that_is_no_token_is_refused(database: ClickHouse, width: int) -> None:
    """Keys travel joined: one of another length would be read as part of its neighbour."""
    index = sql_index(database)
    with pytest.raises(ValueError, match="16 bytes"):
        index.claims.claims([token(5), token(5)[:width]], of="token")


def test_the_view_spells_claims_out_once(database: ClickHouse) -> None:
    """One row per claim, with words for form, mark and proof, and hex for tokens."""
    index = sql_index(database)
    for _ in range(2):
        learn(index, OPEN, SEEN, OFF)
    columns = "form, mark, token, subject, group, line, server, proof, offset"
    assert database.query(f"SELECT {columns} FROM v_identity_claims ORDER BY offset") == [
        (
            "session",
            "open",
            token(1).hex(),
            token(2).hex(),
            token(3).hex(),
            token(4).hex(),
            token(9).hex(),
            "subscriber",
            0,
        ),
        (
            "session",
            "seen",
            token(5).hex(),
            token(2).hex(),
            token(3).hex(),
            "",
            token(9).hex(),
            "subscriber",
            1,
        ),
        ("session", "off", "", "", "", "", token(9).hex(), "subscriber", 2),
    ]


def test_findings_are_counted_once(database: ClickHouse) -> None:
    """A repeated write changes no count; two hypotheses on one place are two findings of one event."""
    index = sql_index(database)
    found = finding_table(
        [
            ("web.visits", 0, "fodselsnummer"),
            ("web.visits", 0, "kontonummer"),
            ("web.visits", 1, "kontonummer"),
        ]
    )
    for _ in range(2):
        index.writer.write(LineageBatch(table([]), findings=found), lambda: NOW)
    assert database.query(
        "SELECT topic, kind, category, detections, events FROM v_detections_summary ORDER BY kind"
    ) == [
        ("web.visits", "fodselsnummer", "C-02", 1, 1),
        ("web.visits", "kontonummer", "C-02", 2, 2),
    ]
    assert database.query("SELECT count() FROM v_detections") == [(3,)]
