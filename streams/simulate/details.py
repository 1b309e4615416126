"""Customer details as the register has them: on signing, when they change, and when records are merged or split."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from streams.simulate.customers import Customer, Phase
from streams.simulate.plan import SimEvent, event

CUSTOMERS = "crm.customers"


def as_signed(customer: Customer, phase: Phase) -> SimEvent:
    """What is entered when a contract was signed, some minutes later."""
    return _details(customer, phase.signed + timedelta(minutes=5), valid_from=phase.signed)


def updates(customer: Customer) -> Iterator[SimEvent]:
    """Every later change, when the register learns it."""
    for old in customer.former:
        yield _details(customer, old.entered, valid_from=None if old.entered == old.until else old.until)
    for at, kept in customer.merged:
        yield _details(customer, at, merged_into=kept)


def _details(
    customer: Customer, at: datetime, valid_from: datetime | None = None, merged_into: str | None = None
) -> SimEvent:
    value = {
        "customer_number": customer.number,
        "name": customer.holder.name,
        "fodselsnummer": customer.fodselsnummer,
        "birth_date": customer.holder.birth,
        "gender": customer.holder.gender if customer.index % 3 == 0 else None,
        "email": customer.email_at(at),
        "phone": customer.phone_at(at),
        "username": customer.username_at(at),
        "address": customer.address,
        "line_id": customer.line_id,
        "merged_into": merged_into,
        "valid_from": valid_from,
        "updated_at": at,
    }
    return event(CUSTOMERS, at, value, (customer.number, merged_into) if merged_into else (customer.number,))
