"""Which record an event tells of: alike for all events about one, of no use without the key."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from schemas.records import RecordSchema, load_records
from schemas.tokens import Tokenizer
from streams.columns.tokens import Coordinates
from streams.tagging.decode.columnar import Bodies, ColumnDecoder
from streams.tagging.tag import Tagger
from tests.support.kinds import KINDS
from tests.support.records import body_of

RECORDS = load_records()
CONTRACT: dict[str, Any] = {
    "customer_number": "k-1", "product": "Fiber 500", "kind": "started", "binding": None, "address": None,
    "end_reason": None, "occurred_at": 1_770_000_000_000,
}  # fmt: skip
PAYMENT: dict[str, Any] = {
    "customer_number": "k-1", "account_number": None, "kid": None, "invoice_number": None, "amount_ore": 100,
    "method": "card", "paid_at": 1_770_000_000_000,
}  # fmt: skip


def keys(
    record: RecordSchema, *values: dict[str, Any], key: bytes = bytes(range(32)), slow: bool = False
) -> npt.NDArray[np.uint64]:
    """The record column of the rows of these events."""
    tagger = Tagger(Tokenizer(key, "k1"), "v1", KINDS, ())
    decoder = ColumnDecoder(record, tagger.wanted(record))
    bodies = Bodies.of([body_of(record, value) for value in values])
    decoded = (decoder.decode_one_by_one if slow else decoder.decode)(bodies)
    offsets = np.arange(len(values), dtype=np.int64)
    rows = tagger.tag(record, "topic", decoded, Coordinates(np.zeros(len(values), np.int32), offsets)).rows
    found: npt.NDArray[np.uint64] = np.concatenate(rows["record"])
    return found


@pytest.mark.parametrize("slow", [False, True])
def test_events_about_one_record_have_one_key(slow: bool) -> None:
    """The contract is one whatever is told of it; another is another."""
    said = [CONTRACT | {"contract_id": name} for name in ("A-1", "A-2", "A-1")]
    one, other, again = keys(RECORDS["ContractEvent"], *said, slow=slow)
    assert one == again != other
    assert 0 not in (one, other)


def test_records_of_two_kinds_have_no_key_in_common() -> None:
    """A payment may have the number of a contract."""
    contract = keys(RECORDS["ContractEvent"], CONTRACT | {"contract_id": "1"})
    assert contract != keys(RECORDS["Payment"], PAYMENT | {"payment_id": "1"})


def test_who_lacks_the_key_learns_nothing() -> None:
    """A case number is short: without a key anybody could try them all."""
    said = CONTRACT | {"contract_id": "A-1"}
    assert keys(RECORDS["ContractEvent"], said) != keys(RECORDS["ContractEvent"], said, key=bytes(32))


def test_nothing_tells_the_records_of_a_schema_without_a_record_key_apart() -> None:
    """Each visit is a record of its own, and so is an event whose key is empty."""
    visit = {"client_address": "192.0.2.1", "page": "/", "cookie_consent": "all", "method": "GET"}
    at = {"occurred_at": 1_770_000_000_000}
    blank = {field.name: None for field in RECORDS["WebVisit"].fields}
    assert not keys(RECORDS["WebVisit"], blank | visit | at).any()
    assert not keys(RECORDS["ContractEvent"], CONTRACT | {"contract_id": ""}).any()


@pytest.mark.parametrize(
    "name",
    [
        "-",
        " ",
        "0",
        "000",
        "null",
        "NULL",
        "None",
        "N/A",
        "unknown",
        "--",
        "?",
        "00000000-0000-0000-0000-000000000000",
    ],
)
def test_a_placeholder_is_no_key(name: str) -> None:
    """Five contracts that are written alike since nobody gave them a number are five."""
    assert not keys(RECORDS["ContractEvent"], CONTRACT | {"contract_id": name}).any()


@pytest.mark.parametrize("name", ["A-0", "10", "N-1", "0a", "x1", "nullsen"])
def test_a_number_with_anything_else_in_it_is_a_key(name: str) -> None:
    assert keys(RECORDS["ContractEvent"], CONTRACT | {"contract_id": name}).all()
