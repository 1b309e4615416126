"""Money: monthly invoices, payments and refunds."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, time, timedelta

from streams.simulate.identities import luhn
from streams.simulate.plan import Burst, SimEvent, event, in_time_order
from streams.simulate.world import Customer, World

INVOICES, PAYMENTS = "billing.invoices", "billing.payments"
PRICES = {  # In øre a month, VAT included.
    "Fiber 100": 49_900,
    "Fiber 500": 59_900,
    "Fiber 1000": 79_900,
    "TV Grunnpakke": 19_900,
    "Mobil 10 GB": 24_900,
}
HISTORY = timedelta(days=365)


def billing(world: World) -> Iterator[SimEvent]:
    """Invoices on each customer's day of the month, from a year before the start, and what is paid on them."""
    return in_time_order(_bursts(world))


def _bursts(world: World) -> Iterator[Burst]:
    rng = world.plan.random(INVOICES)
    due: dict[int, list[Customer]] = defaultdict(list)
    for customer in world.customers:
        due[customer.invoice_day].append(customer)
    # The night run starts at four, so its first day may lie partly before the first moment; nothing hangs on it.
    midnight = datetime.combine((world.plan.start - HISTORY).date(), time(), world.plan.start.tzinfo)
    number = 0
    while midnight < world.plan.end:
        for place, customer in enumerate(due.get(midnight.day, ())):
            at = midnight + timedelta(hours=4, milliseconds=100 * place)
            if customer.active(at):
                number += 1
                yield at, _bill(rng, customer, number, at)
        midnight += timedelta(days=1)


def _bill(rng: random.Random, customer: Customer, number: int, at: datetime) -> Iterator[SimEvent]:
    lines = [{"product": product, "amount_ore": PRICES[product]} for product in customer.products]
    amount = sum(PRICES[product] for product in customer.products)
    invoice, reference = f"F-{900_000 + number}", f"{customer.number}{900_000 + number:07}"
    kid = f"{reference}{luhn(reference)}"
    value = {
        "invoice_number": invoice,
        "customer_number": customer.number,
        "account_number": customer.account_number if customer.direct_debit else None,
        "kid": kid,
        "amount_ore": amount,
        "lines": lines,
        "due_date": at.date() + timedelta(days=14),
        "name": customer.holder.name,
        "email": customer.email_at(at) if rng.random() < 0.9 else None,
        "phone": customer.phone_at(at) if rng.random() < 0.5 else None,
        "issued_at": at,
    }
    yield event(INVOICES, at, value, (customer.number,))
    if rng.random() < 0.94:
        paid = at + timedelta(seconds=rng.randrange(9 * 86_400, 16 * 86_400))
        # Somebody forgot the KID: the account alone tells who paid.
        matched = rng.random() < 0.97
        yield _payment(customer, f"B-{30_000_000 + number}", amount, paid, kid if matched else None, invoice)
        if rng.random() < 0.02:
            back = paid + timedelta(seconds=rng.randrange(86_400, 7 * 86_400))
            yield _payment(customer, f"R-{30_000_000 + number}", -amount // 10, back, kid, invoice)


def _payment(
    customer: Customer, payment_id: str, amount: int, at: datetime, kid: str | None, invoice: str
) -> SimEvent:
    method = "direct_debit" if customer.direct_debit else "giro"
    value = {
        "payment_id": payment_id,
        "customer_number": customer.number if kid else None,
        "account_number": customer.account_number,
        "kid": kid,
        "invoice_number": invoice if kid else None,
        "amount_ore": amount,
        "method": "refund" if amount < 0 else method,
        "paid_at": at,
    }
    return event(PAYMENTS, at, value, (customer.number,))
