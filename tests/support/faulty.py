"""An office whose index fails, by a fault of ours, for some of the people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sinks.ports.lineage import Found
from streams.rights.service import RightsService
from tests.support.index import Index, memory_index
from tests.support.kinds import KINDS
from tests.support.office import NOW, Office
from tests.unit.rights.test_short import visit

KARI, OLA = ("cookie_id", "c-1"), ("cookie_id", "c-2")
SECRET = "kari.nordlie@example.no"


class Faulty:
    """A reader that fails, by a fault of ours, for whoever has one of the tokens."""

    def __init__(self, index: Index) -> None:
        self._reader = index.reader
        self.poison: set[bytes] = set()
        self.error: Callable[[], Exception] = lambda: ValueError(f"cannot read {SECRET}")
        self.asked = 0

    def find(self, spans: Any, *more: Any) -> Found:
        if self.poison & {span.token for span in spans}:
            self.asked += 1
            raise self.error()
        return self._reader.find(spans, *more)

    def counts(self, *asked: Any) -> Any:
        return self._reader.counts(*asked)

    def counts_each(self, questions: Any) -> Any:
        return self._reader.counts_each(questions)

    def others(self, spans: Any) -> Any:
        return self._reader.others(spans)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Two people with visits, on an index that can be made to fail for one of them."""
    with ExitStack() as stack:
        index = memory_index()
        made = Office(tmp_path, replace(index, reader=Faulty(index)), stack)
        made.put("web.visits", visit(1), visit(2), {**visit(3), "cookie_id": OLA[1]})
        yield made


def faulty(office: Office, *people: tuple[str, str]) -> Faulty:
    reader = office.index.reader
    assert isinstance(reader, Faulty)
    tokens = office.keyring.tokenizer()
    reader.poison = {tokens.token(KINDS[kind], value) for kind, value in people}
    return reader


def restarted(office: Office) -> RightsService:
    """The service of a process that starts anew on the same ledger."""
    old = office.service
    parts = {name: getattr(old._tools, name) for name in ("reader", "company")}
    subjects = old._subjects
    return RightsService(
        office.ledger,
        parts["reader"],
        old._tools.eraser,
        subjects._identities,
        office.keyring,
        parts["company"],
        office._send,
        lambda: office.now,
    )


def receipt(request_id: str) -> dict[str, Any]:
    return {
        "command_id": f"{request_id}/web",
        "request_id": request_id,
        "system": "web",
        "state": "done",
        "erased": 0,
        "held": 0,
        "outcomes": [],
        "ground": None,
        "review_date": None,
        "reason": None,
        "attempt": 1,
        "key_id": "",
        "citation": None,
        "retryable": None,
        "signature": b"",
        "reported_at": NOW,
    }
