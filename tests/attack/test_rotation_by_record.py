"""The token key is changed while events come in: a record is found by its own key, whatever token key made its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from console.operations.keys import RETIRED
from schemas.codec import decode
from schemas.records import load_records
from sinks.ports.keys import KeyEntry
from streams.answers.breach import BreachFinder
from streams.answers.by_key import RecordKey, about_record
from streams.identity.rekeyed import RekeyedClaims, RekeyedExposed
from tests.attack.test_rotation import in_memory, mixed
from tests.support.api import services
from tests.support.company import model
from tests.support.rotation import EVENTS, NOW, Rotated
from tests.unit.console.test_by_key import NoValues

INVOICES = Counter(
    str(decode(load_records()["Invoice"], message)["invoice_number"])
    for message in EVENTS.messages["billing.invoices"]
)


def asking(company: Rotated, folder: Path) -> Callable[[str], dict[str, Any]]:
    """What is answered about an invoice."""
    exposed = RekeyedExposed(company.index.exposed, company.same)
    claims = RekeyedClaims(company.index.claims, company.same)
    finder = BreachFinder(exposed, claims, company.identities, NoValues(), model(), tuple)
    known = services(folder / "other", reader=company.reader, tokens=company.keys.tokenizer)
    return lambda number: about_record(RecordKey("Invoice", [number]), finder, known, NOW)[0]


@pytest.mark.parametrize("rotated", [False, True])
def test_every_invoice_is_found_with_all_its_events(tmp_path: Path, *, rotated: bool) -> None:
    company = in_memory(tmp_path)
    if rotated:
        mixed(company)
    else:
        company.tag(EVENTS.order, company.taggers[0])
    found = asking(company, tmp_path)
    assert {number: found(number)["total_events"] for number in INVOICES} == INVOICES
    assert not found(next(iter(INVOICES)))["key_retired"]


def test_once_a_key_is_retired_the_answer_says_that_it_may_miss_something(tmp_path: Path) -> None:
    company = in_memory(tmp_path)
    mixed(company)
    old, entries = company.keyring.held()[company.key_ids[0]], company.register.entries()
    assert company.register.append(KeyEntry(len(entries), RETIRED, old.key_id, old.check, NOW))
    found = [asking(company, tmp_path)(number) for number in INVOICES]
    assert all(item["key_retired"] for item in found)
    assert sum(item["total_events"] for item in found) < INVOICES.total()
