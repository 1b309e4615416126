"""The identifiers that claims mention are sealed with the batch, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.codec import single_object_prefix
from schemas.errors import KeyUnavailable
from schemas.keys import Keyring
from schemas.records import load_records
from schemas.tokens import Tokenizer, delegated_tokens, prefix_tokens
from sinks.memory.index import MemoryIndex
from sinks.ports.identifiers import bound_to
from sinks.ports.lineage import LineageBatch
from streams.identity.claims.mentioned import Mentioned, tokens_of
from streams.identity.values import Resealing, SealedValues
from streams.kafka.batches import TopicBatch
from streams.tagging.decode.schema_lookup import WriterSchemas
from streams.tagging.prepare import Prepared, Preparer
from streams.tagging.sealing import IdentifierSeals
from streams.tagging.tag import Tagger
from tests.support.claims import NOW, QUIET, TOKENIZER, token
from tests.support.company import model
from tests.support.kinds import IP, KINDS
from tests.support.records import body_of

MARCH, APRIL = datetime(2026, 3, 31, 23, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
TOPICS = {"network.assignments": "AddressAssignment", "crm.customers": "CustomerDetails"}
RECORDS = load_records()


class Desk:
    """A tagger of its own keys; `tag` gives what is written, `opened` what can be read of it."""

    def __init__(self, folder: Path, tokenizer: Tokenizer = TOKENIZER) -> None:
        self.keyring = Keyring(folder / "keys").made()
        tagger = Tagger(tokenizer, "v1", KINDS, model().catalogue.placeholders, keyring=self.keyring)
        self.preparer = Preparer(tagger, WriterSchemas(RECORDS.values(), model().catalogue).resolve, TOPICS)

    def prepare(self, now: datetime, topic: str, *events: dict[str, Any]) -> Prepared:
        record = RECORDS[TOPICS[topic]]
        blank = {field.name: None for field in record.fields} | {"occurred_at": NOW, "updated_at": NOW}
        messages = [single_object_prefix(record) + body_of(record, blank | event) for event in events]
        many = len(messages)
        batch = TopicBatch(topic, messages, np.arange(many, dtype=np.int32) % 2, np.arange(many), NOW, 0)
        return self.preparer.prepare([batch], [], {(topic, 0): 1, (topic, 1): 1}, now)

    def tag(self, *reports: dict[str, Any], now: datetime = MARCH) -> LineageBatch:
        """Reports of the network."""
        return self.prepare(now, "network.assignments", *(QUIET | said for said in reports)).batch

    def opened(self, batch: LineageBatch) -> dict[bytes, tuple[str, str, int]]:
        """Kind, value and length by token."""
        index = MemoryIndex()
        index.write(batch, lambda: MARCH)
        tokens = batch.identifiers["token"].to_pylist()
        found = SealedValues(index, self.keyring).of(tokens)
        return {token: (value.kind, value.text, value.length) for token, value in found.items()}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_what_a_report_says_of_whom_can_be_opened_again(desk: Desk) -> None:
    """The address in its one spelling, the prefix with its length, and the user whose they were."""
    found = desk.opened(
        desk.tag({"address": "2001:DB8::1", "delegated_prefix": "2001:db8:42::/56", "username": " Kari "})
    )
    prefix = dict(prefix_tokens(TOKENIZER, "2001:db8:42::1"))
    (of_56,) = [token for token, length in prefix.items() if length == 56]
    assert found == {
        token("ip", "2001:db8::1"): ("ip", "2001:db8::1", 0),
        of_56: ("ip", "2001:db8:42::/56", 56),
        token("username", "kari"): ("username", "kari", 0),
    }


def test_a_prefix_between_the_known_lengths_is_kept_in_its_parts(desk: Desk) -> None:
    """As it got its tokens; one of 128 bits is an address."""
    found = desk.opened(desk.tag({"delegated_prefix": "2001:db8:40::/54", "username": "kari"}))
    tokens = dict(delegated_tokens(TOKENIZER, "2001:db8:40::/54", IP))
    assert {found[token] for token in tokens} == {
        ("ip", f"2001:db8:40:{number}00::/56", 56) if number else ("ip", "2001:db8:40::/56", 56)
        for number in range(4)
    }
    found = desk.opened(desk.tag({"delegated_prefix": "2001:db8:40::9/128", "username": "kari"}))
    assert found[token("ip", "2001:db8:40::9")] == ("ip", "2001:db8:40::9", 0)


def test_the_register_names_a_person_by_every_number(desk: Desk) -> None:
    """E-mail, phone and user name as the register has them; a line of the network is nobody's identifier."""
    said = {
        "customer_number": "700104", "name": "Kari", "email": "Kari@Example.no", "phone": "400 00 001",
        "username": "kari", "line_id": "olt3-1/2/17",
    }  # fmt: skip
    batch = desk.prepare(MARCH, "crm.customers", said).batch
    kinds = sorted(kind for kind, _, _ in desk.opened(batch).values())
    assert kinds == ["customer_number", "email", "phone", "username"]
    assert ("phone", "+4740000001", 0) in desk.opened(batch).values()
    assert TOKENIZER.key("line", "olt3-1/2/17") in tokens_of(batch.claims)


def test_what_is_kept_for_the_police_alone_is_not_kept_here(desk: Desk) -> None:
    """Its address and its user stand in no claim that anything but their question may read."""
    locked = {"address": "203.0.113.9", "username": "ola", "purpose": "retention"}
    batch = desk.tag({"address": "203.0.113.8", "username": "kari"}, locked)
    assert batch.retained.table.num_rows == 1
    assert {value for _, value, _ in desk.opened(batch).values()} == {"203.0.113.8", "kari"}
    assert desk.tag(locked).identifiers.num_rows == 0


def test_an_event_that_is_none_leaves_nothing(desk: Desk) -> None:
    """Its neighbours in the batch do."""
    batch = desk.tag({"address": "203.0.113.8", "username": "kari", "port_from": 7})
    assert batch.dead
    assert batch.identifiers.num_rows == 0


def test_observed_values_that_no_claim_mentions_are_not_kept(desk: Desk) -> None:
    """A hardware address that somebody else's name makes needless is a row, and no claim."""
    batch = desk.tag({"address": "203.0.113.8", "username": "kari", "mac": "02:00:5e:10:00:01"})
    assert {kind for kind, _, _ in desk.opened(batch).values()} == {"ip", "username"}


def test_a_value_is_sealed_once_a_month_and_written_with_every_batch(desk: Desk) -> None:
    """An erasure may have taken it away between two batches, and a replay writes the same."""
    first, again = (desk.tag({"address": "203.0.113.8", "username": "kari"}) for _ in range(2))
    assert first.identifiers.equals(again.identifiers)
    assert first.identifiers["key"].to_pylist() == ["identifiers-2026-03"] * 2
    later = desk.tag({"address": "203.0.113.8", "username": "kari"}, now=APRIL)
    assert later.identifiers["key"].to_pylist() == ["identifiers-2026-04"] * 2
    assert len(desk.opened(later)) == 2


def test_with_the_key_of_its_month_destroyed_nothing_of_it_opens(desk: Desk) -> None:
    """Not even under the key that is made in its place; what comes from then on does."""
    march = desk.tag({"address": "203.0.113.8", "username": "kari"})
    april = desk.tag({"address": "203.0.113.8", "username": "kari"}, now=APRIL)
    desk.keyring.destroy("identifiers-2026-03")
    assert desk.opened(march) == {}
    assert len(desk.opened(april)) == 2
    anew = desk.tag({"address": "203.0.113.8", "username": "kari"})
    assert desk.opened(march) == {}
    assert len(desk.opened(anew)) == 2


def test_a_value_does_not_open_under_another_token_or_kind(desk: Desk) -> None:
    """Whoever can write to the index cannot have somebody else's identifier named as this one."""
    (row,) = [
        row
        for row in desk.tag({"address": "203.0.113.8", "username": "kari"}).identifiers.to_pylist()
        if row["kind"] == "username"
    ]
    opened = desk.keyring.opener(row["key"])
    assert opened(row["sealed"], bound_to(row["token"], "username")) == b"kari"
    for bound in (bound_to(token("ip", "203.0.113.8"), "username"), bound_to(row["token"], "ip"), b""):
        with pytest.raises(Exception, match="does not open"):
            opened(row["sealed"], bound)


def test_what_another_worker_writes_is_left_to_it(desk: Desk) -> None:
    """Without the claims of a partition its identifiers go too, unless other claims mention them."""
    reports = (
        {"address": "203.0.113.8", "username": "kari"},
        {"address": "203.0.113.9", "username": "kari"},
    )
    prepared = desk.prepare(MARCH, "network.assignments", *(QUIET | said for said in reports))
    left = prepared.without([("network.assignments", 1)]).batch
    assert {value for _, value, _ in desk.opened(left).values()} == {"203.0.113.8", "kari"}
    assert prepared.without([("network.assignments", n) for n in (0, 1)]).batch.identifiers.num_rows == 0


def test_a_tagger_that_only_tries_messages_seals_nothing(desk: Desk) -> None:
    """What it makes is not written."""
    desk.preparer = desk.preparer.anew()
    assert desk.tag({"address": "203.0.113.8", "username": "kari"}).identifiers.num_rows == 0


def test_the_operators_own_realm_is_no_part_of_what_is_kept(tmp_path: Path) -> None:
    """Two spellings are one token, and so they are one value."""
    own = Tokenizer(bytes(range(32)), "k1", frozenset(["isp.example"]))
    desk = Desk(tmp_path, own)
    batch = desk.tag({"address": "203.0.113.8", "username": "kari@isp.example"})
    assert ("username", "kari", 0) in desk.opened(batch).values()


def test_what_could_not_be_found_once_is_sealed_with_the_next_batch(desk: Desk) -> None:
    """Memory ran out in between: else its value would not be sealed before the month ends."""
    seals, name = IdentifierSeals(desk.keyring), b"n" * 16

    def fails(_: set[bytes]) -> Iterable[Mentioned]:
        yield Mentioned(name, "email", "kari@example.no")
        raise MemoryError

    seals.begin(MARCH)
    with pytest.raises(MemoryError):
        seals.note({name}, fails)
    seals.begin(MARCH)
    seals.note({name}, lambda tokens: [Mentioned(token, "email", "kari@example.no") for token in tokens])
    assert seals.take().num_rows == 1


def test_what_moves_to_another_token_opens_under_that_one_alone(desk: Desk) -> None:
    """As the token key is rotated; what does not open stays so."""
    (row,) = [
        row
        for row in desk.tag({"address": "203.0.113.8", "username": "kari"}).identifiers.to_pylist()
        if row["kind"] == "username"
    ]
    older, newer, kind, key = row["token"], b"n" * 16, row["kind"], row["key"]
    moved = Resealing(desk.keyring)(older, newer, kind, key, row["sealed"])
    opened = desk.keyring.opener(key)
    assert opened(moved, bound_to(newer, kind)) == b"kari"
    with pytest.raises(KeyUnavailable):
        opened(moved, bound_to(older, kind))
    assert Resealing(desk.keyring)(newer, older, kind, key, row["sealed"]) == row["sealed"]
    desk.keyring.destroy(key)
    assert Resealing(desk.keyring)(older, newer, kind, key, row["sealed"]) == row["sealed"]
    assert key not in desk.keyring.sealing_keys()


def test_while_the_token_key_changes_a_value_is_found_by_either_token(desk: Desk) -> None:
    """Whichever of the two its row lies under."""
    batch = desk.tag({"address": "203.0.113.8", "username": "kari"})
    index = MemoryIndex()
    index.write(batch, lambda: MARCH)
    written, asked = token("username", "kari"), b"o" * 16

    class Pairs:
        def every(self, tokens: Iterable[bytes]) -> Mapping[bytes, frozenset[bytes]]:
            same = frozenset([written, asked])
            return {one: same if one in same else frozenset([one]) for one in tokens}

    values = SealedValues(index, desk.keyring, Pairs())
    assert values.of([asked])[asked].text == "kari"
    assert values.of([written])[written].text == "kari"
    assert values.of([b"x" * 16]) == {}
