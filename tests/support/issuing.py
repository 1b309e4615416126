"""An office that issues certificates: its log, and a disk that is said to be clean or not."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from schemas.policy import RetentionAnchors
from sinks.memory.audit import MemoryAudit
from sinks.memory.evidence import MemoryEvidence
from sinks.memory.purge import MemoryPurge
from streams.evidence.issuing import Issuer, issued
from tests.support.office import Office

KARI, COOKIE = ("customer_number", "k-100200"), ("cookie_id", "c-1")
LAST_WEEK = datetime(2026, 11, 15, 9, tzinfo=UTC)
GONE = RetentionAnchors(contract_end=date(2020, 1, 31))


def customer(number: str = KARI[1]) -> dict[str, Any]:
    return {"customer_number": number, "name": "Kari", "updated_at": LAST_WEEK}


class Desk:
    """An office with its log, its disk and who issues certificates."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.log = MemoryEvidence(office.ledger, MemoryAudit())
        self.purge = MemoryPurge()
        self.key = office.keyring.signing.key
        self.issuer = Issuer(
            *(self.log, office.ledger, self.purge, self.key, self.clock),
            office.catalogue.version,
            office.catalogue.calendar,
        )

    def clock(self) -> datetime:
        return self.office.now

    def certificate(self, request_id: str) -> dict[str, Any]:
        found, why = self.shown(request_id)
        assert found is not None, why
        return found

    def shown(self, request_id: str) -> tuple[dict[str, Any] | None, str | None]:
        return issued(self.log, self.office.service.get(request_id), self.office.service.get)

    def why(self, request_id: str) -> str:
        found, why = self.shown(request_id)
        assert found is None
        return str(why)


def erased(desk: Desk) -> str:
    request = desk.office.erase(KARI, COOKIE, anchors=GONE)
    desk.office.now += timedelta(minutes=5)
    return request.request_id
