"""What changes hands or names while the company runs: contact details, cookies, equipment, whole customer records."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from streams.simulate.customers import Customer, Former
from streams.simulate.identities import Identities
from streams.simulate.people import FATES, email_of, username_of
from streams.simulate.plan import Plan

BLOCK = len(FATES)

# Places in a block of customers, one for each of `FATES`: (who gives up, who gets it). Those who change details or
# browsers run all the time; those found to be duplicates write no details of their own any more.
PASSED_ON = (("email", 0, 4), ("phone", 5, 8), ("username", 11, 13))
COOKIE = (15, 16)
ROUTER = (10, (14, 7, 2, 6))
DUPLICATE = (12, 18)
MISTAKEN = (3, 19)  # In the first block only: merged, and split again.


def changed(plan: Plan, customers: tuple[Customer, ...], drawn: Identities) -> tuple[Customer, ...]:
    """The same customers with their changes over time, a few in every whole block of them."""
    rng = plan.random("changes")
    people = list(customers)
    for base in range(0, len(people) - BLOCK + 1, BLOCK):
        for kind, giver, taker in PASSED_ON:
            _pass_on(plan, rng, drawn, people, kind, base + giver, base + taker)
        _hand_over_browser(plan, rng, people, base + COOKIE[0], base + COOKIE[1])
        _hand_on_router(people, base + ROUTER[0], [base + place for place in ROUTER[1]])
        _merge(plan, rng, drawn, people, base + DUPLICATE[0], base + DUPLICATE[1])
        if base == 0:
            _mistake(plan, rng, people, *MISTAKEN)
    return tuple(people)


def _within(plan: Plan, rng: random.Random, low: float, high: float) -> datetime:
    return plan.start + timedelta(seconds=int(plan.days * 86_400 * rng.uniform(low, high)))


def _pass_on(
    plan: Plan,
    rng: random.Random,
    drawn: Identities,
    people: list[Customer],
    kind: str,
    giver: int,
    taker: int,
) -> None:
    """One gets a new address, number or name; later another one gets the old one."""
    left, taken = _within(plan, rng, 0.1, 0.35), _within(plan, rng, 0.5, 0.8)
    fresh: Callable[[Customer], str] = {
        "email": lambda person: "ny." + email_of(person.holder, person.index),
        "phone": lambda _: drawn.phone(),
        "username": lambda person: username_of(person.holder, person.index) + "b",
    }[kind]
    old = getattr(people[giver], kind)
    # The customer tells of it within some days; who gets the old one is entered at once.
    told = min(left + timedelta(seconds=rng.randrange(3_600, 3 * 86_400)), taken)
    people[giver] = _renamed(people[giver], kind, fresh(people[giver]), left, told)
    people[taker] = _renamed(people[taker], kind, old, taken, taken)


def _renamed(customer: Customer, kind: str, value: str, at: datetime, entered: datetime) -> Customer:
    former = (*customer.former, Former(kind, getattr(customer, kind), at, entered))
    if kind == "email":
        return replace(customer, email=value, former=former)
    if kind == "phone":
        return replace(customer, phone=value, former=former)
    return replace(customer, username=value, former=former)


def _hand_over_browser(
    plan: Plan, rng: random.Random, people: list[Customer], giver: int, taker: int
) -> None:
    """A browser with a cookie goes to another household, which logs in there."""
    browser = people[giver].browsers[0]
    decided = min(browser.decided, _within(plan, rng, 0.0, 0.1))
    first, second = _within(plan, rng, 0.1, 0.3), _within(plan, rng, 0.4, 0.7)
    owners = ((first, people[giver].number), (second, people[taker].number))
    browser = replace(browser, choice="all", decided=decided, withdrawn=None, owners=owners)
    people[giver] = replace(people[giver], browsers=(browser, *people[giver].browsers[1:]))
    people[taker] = replace(people[taker], browsers=(*people[taker].browsers, browser))


def _hand_on_router(people: list[Customer], giver: int, takers: list[int]) -> None:
    """Returned equipment goes to the next customer who signs up after it came back, if there is one."""
    returned = people[giver].phases[-1].end
    for taker in takers:
        phases = people[taker].phases
        # Whoever had a contract before has a router of that time already.
        if len(phases) == 1 and returned is not None and phases[0].begin > returned + timedelta(hours=1):
            router, *others = people[giver].devices
            people[giver] = replace(people[giver], devices=(replace(router, given_on=True), *others))
            people[taker] = replace(people[taker], devices=(router, *people[taker].devices[1:]))
            return


def _merge(
    plan: Plan, rng: random.Random, drawn: Identities, people: list[Customer], duplicate: int, kept: int
) -> None:
    """A former customer came back under a new number, and the company notices: two records of one person."""
    old, new = people[duplicate], people[kept]
    # The old record had a number that was corrected since; the same one in both would have been noticed.
    people[duplicate] = replace(
        old,
        holder=new.holder,
        fodselsnummer=drawn.fodselsnummer(new.holder.birth, new.holder.gender),
        email=email_of(new.holder, old.index),
        username=username_of(new.holder, old.index),
        merged=((_within(plan, rng, 0.2, 0.7), new.number),),
    )


def _mistake(plan: Plan, rng: random.Random, people: list[Customer], duplicate: int, kept: int) -> None:
    """Two records are taken for one person's, until somebody finds that they are not."""
    merged, split = _within(plan, rng, 0.2, 0.4), _within(plan, rng, 0.5, 0.8)
    history = ((merged, people[kept].number), (split, None))
    people[duplicate] = replace(people[duplicate], merged=history)
