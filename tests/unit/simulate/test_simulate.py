"""The simulated provider: determinism, identities that are nobody's, and a truth that is true."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.catalogue import load_catalogue
from schemas.codec import decode
from schemas.errors import InputError
from schemas.records import load_records
from schemas.tokens import canonical
from streams.simulate.identities import luhn, mod11
from streams.simulate.plan import Plan, SimEvent
from streams.simulate.simulate import TOPICS, events, tally, truth
from streams.simulate.world import World, build_world
from tests.support.company import model
from tests.support.kinds import KINDS
from tests.support.simulated import SMALL, encoded

ALLOWED = [
    ip_network(text)
    for text in (
        "192.0.2.0/24",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "198.18.0.0/15",
        "100.64.0.0/10",
        "2001:db8::/32",
    )
]
plans = st.builds(Plan, customers=st.integers(1, 25), days=st.integers(1, 3), seed=st.integers(0, 2**31))


def happened(item: SimEvent) -> datetime:
    """Event time, which is earlier than `at` where a report came late."""
    at = item.value[load_records()[item.record].event_time]
    assert isinstance(at, datetime)
    return at


def texts(value: Any) -> Iterator[str]:
    """Every string anywhere in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts(part)


def test_same_plan_gives_the_same_bytes(small: list[SimEvent]) -> None:
    """The same arguments give the same topics, keys and bytes in the same order."""
    assert encoded(list(events(SMALL))) == encoded(small)


def test_another_seed_gives_other_people() -> None:
    """Another seed gives other people, none of whom occur in the first world."""
    other = build_world(Plan(customers=60, days=6, seed=4))
    mine = {customer.fodselsnummer for customer in build_world(SMALL).customers}
    assert len(mine) == 60
    assert not mine & {customer.fodselsnummer for customer in other.customers}


@settings(max_examples=6, deadline=None)
@given(plans)
def test_every_event_encodes_in_time_order(plan: Plan) -> None:
    """Whatever the seed, events fit their schemas, come in time order and end with the plan."""
    items = list(events(plan))
    assert all(a.at <= b.at for a, b in pairwise(items))
    assert all(item.at < plan.end for item in items)
    for item, (_, _, message) in zip(items, encoded(items), strict=True):
        assert decode(load_records()[item.record], message) == item.value


def test_all_tagged_topics_are_written(small: list[SimEvent]) -> None:
    """Every topic the tagger reads gets events, of its record and with its key."""
    topics = model().topics
    assert set(TOPICS) == {name for name, topic in topics.items() if topic.tagged}
    assert {item.topic for item in small} == set(TOPICS)
    for item in small:
        topic = topics[item.topic]
        assert item.record == topic.record
        assert item.key == (item.value[topic.key].encode() if topic.key else None)


def test_chosen_topics_keep_their_events(small: list[SimEvent]) -> None:
    """Leaving topics out changes nothing in the others."""
    chosen = ("web.visits", "billing.payments")
    assert encoded(list(events(SMALL, chosen))) == encoded([i for i in small if i.topic in chosen])


@settings(max_examples=6, deadline=None)
@given(plans)
def test_identities_are_nobodys(plan: Plan) -> None:
    """Synthetic fødselsnummer and accounts have right check digits, the rest comes from ranges set aside."""
    for customer in build_world(plan).customers:
        number, account = customer.fodselsnummer, customer.account_number
        assert 81 <= int(number[2:4]) <= 92
        assert customer.holder.birth.strftime("%d%y") == number[:2] + number[4:6]
        assert (
            sum(int(d) * w for d, w in zip(number, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1, 0), strict=True)) % 11 == 0
        )
        assert (
            sum(int(d) * w for d, w in zip(number, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1), strict=True)) % 11 == 0
        )
        assert (
            sum(int(d) * w for d, w in zip(account, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1), strict=True)) % 11 == 0
        )
        assert account.startswith("9999")
        assert re.fullmatch(r"\+474\d{7}", customer.phone)
        assert re.fullmatch(r"[a-z.0-9]+@example\.no", customer.email)
        for kind, value in customer.identifiers():
            assert canonical(KINDS[kind], value)
        for device in customer.devices:
            assert device.mac is None or int(device.mac[:2], 16) & 0b11 == 0b10


def test_identifiers_name_one_customer(world: World) -> None:
    """No two customers share an identifier."""
    found = Counter(
        (kind, canonical(KINDS[kind], value))
        for customer in world.customers
        for kind, value in customer.identifiers()
    )
    assert max(found.values()) == 1


def test_no_real_fodselsnummer_or_address_in_any_value(small: list[SimEvent]) -> None:
    """No field and no text holds a valid fødselsnummer with a month below 81, or an address outside our ranges."""
    addresses = 0
    for item in small:
        for field, value in item.value.items():
            if "address" in field and field != "address" and value is not None:
                addresses += 1
                assert any(ip_address(value) in network for network in ALLOWED)
        if item.topic == "network.assignments" and item.value["address"]:
            assert any(ip_address(item.value["address"]) in network for network in ALLOWED)
        if item.value.get("delegated_prefix"):
            prefix = ip_network(item.value["delegated_prefix"])
            assert prefix.prefixlen in (56, 60)
            assert prefix.network_address in ALLOWED[-1]
        for text in texts(item.value):
            for digits in re.findall(r"(?<!\d)(\d{6})[ -]?(\d{5})(?!\d)", text):
                number = "".join(digits)
                first = mod11(number[:9], (3, 7, 6, 1, 8, 9, 4, 5, 2))
                second = mod11(number[:10], (5, 4, 3, 2, 7, 6, 5, 4, 3, 2))
                valid = number[9:] == f"{first}{second}" and 1 <= int(number[:2]) <= 31
                assert not (valid and 1 <= int(number[2:4]) <= 80 and not number.startswith("9999"))
    assert addresses > 1_000


def test_contracts_end_and_return(small: list[SimEvent]) -> None:
    """Some contracts end, some of these are taken up again, and nothing is seen of a line in between."""
    history: dict[str, list[str]] = defaultdict(list)
    gaps: dict[str, list[datetime]] = defaultdict(list)
    for item in small:
        if item.topic == "orders.contracts" and item.value["kind"] != "changed":
            history[item.value["contract_id"]].append(item.value["kind"])
            if item.value["kind"] in ("ended", "returned"):
                gaps[item.value["customer_number"]].append(item.at)
    shapes = {tuple(kinds) for kinds in history.values()}
    assert shapes == {("started",), ("started", "ended"), ("started", "ended", "returned")}
    for item in small:
        for number in item.named if item.topic == "tv.viewings" else (item.observed,):
            if number in gaps:
                first = min(gaps[number])
                back = max(gaps[number]) if max(gaps[number]) > first else SMALL.end
                assert not first < happened(item) < back


def test_truth_equals_a_count_over_the_events(world: World, small: list[SimEvent]) -> None:
    """The truth told equals a count that knows only the fields' annotations, the identifiers and the leases."""
    owners = defaultdict(set)
    for customer in world.customers:
        moments = [SMALL.start, SMALL.end, *(old.until - timedelta(seconds=1) for old in customer.former)]
        moments += [since for browser in customer.browsers for since, _ in browser.owners]
        moments += [phase.begin for phase in customer.phases]
        for kind, value in {pair for at in moments for pair in customer.identifiers(at)}:
            owners[kind, canonical(KINDS[kind], value)].add(customer)
    held = defaultdict(list)
    for lease in world.leases.leases:
        held[lease.address].append(lease)
        held[lease.inside or ""].append(lease)
    networks = {
        ip_network(lease.prefix): lease.customer_number for lease in world.leases.leases if lease.prefix
    }
    by_prefix = {int(net.network_address) >> 72: number for net, number in networks.items()}
    cases = {
        item.value["case_number"]: item.value["customer_number"]
        for item in small
        if item.topic == "support.cases"
    }
    named: Counter[tuple[str, str]] = Counter()
    observed: Counter[tuple[str, str]] = Counter()
    for item in small:
        people, holders = set(), set()
        at = happened(item)
        for reference in load_records()[item.record].identifiers:
            value = item.value[reference.field]
            if value is None or reference.role == "agent":
                continue
            if reference.kind == "case_number":
                people.add(cases[value])
                continue
            if reference.kind != "ip":
                for owner in owners.get((reference.kind, canonical(KINDS[reference.kind], value)), ()):
                    if (reference.kind, value) in owner.identifiers(at):
                        people.add(owner.number)
                continue
            port = item.value.get(reference.port_field or "")
            if ":" in value:
                number = by_prefix.get(int(ip_address(value)) >> 72)
                candidates = [lease for lease in world.leases.leases if lease.customer_number == number]
            else:
                candidates = held[value]
            for lease in candidates:
                fits = (
                    value == lease.inside
                    or lease.port_from is None
                    or (port is not None and lease.port_from <= port <= (lease.port_to or 0))
                )
                if lease.begin <= at < lease.end and fits:
                    holders.add(lease.customer_number)
        named.update((number, item.topic) for number in people)
        observed.update((number, item.topic) for number in holders)
    told = tally(small)
    assert told.named == named
    assert told.observed == observed
    assert told.events == Counter(item.topic for item in small)
    assert truth(SMALL, world=world).found == told.found


def test_found_counts_each_event_once(small: list[SimEvent]) -> None:
    """An event that names its customer and shows the address counts once in `found`."""
    told = tally(small)
    for pair, count in told.found.items():
        assert max(told.named[pair], told.observed[pair]) <= count <= told.named[pair] + told.observed[pair]
    number = next(number for number, topic in told.found if topic == "support.chats")
    assert told.of(number) == {topic: n for (who, topic), n in sorted(told.found.items()) if who == number}
    assert told.found[number, "support.chats"] == told.named[number, "support.chats"]


def test_mentioned_identifiers_stand_in_the_text(world: World) -> None:
    """Each mention can be read out of the text, also where it is typed with separators."""
    spaced = 0
    seen = set()
    for item in events(SMALL, ("support.chats", "support.cases", "support.notes", "social.messages"), world):
        text = " ".join(str(item.value.get(field) or "") for field in ("text", "notes", "outcome"))
        for mention in item.mentioned:
            value = dict(world.by_number[mention.customer_number].identifiers())[mention.kind]
            seen.add(mention.kind)
            if mention.kind in ("customer_number", "email"):
                assert value.casefold() in text.casefold()
                continue
            bare = value.removeprefix("+47")
            assert bare in re.sub(r"[ .\-]", "", text)
            spaced += bare not in text
    assert seen == {"customer_number", "email", "phone", "fodselsnummer", "account_number"}
    assert spaced > 0


@settings(max_examples=10, deadline=None)
@given(plans)
def test_leases_of_one_address_never_overlap(plan: Plan) -> None:
    """At any moment an address (and port) is held by one customer at most, and a customer holds one lease at most."""
    leases = build_world(plan).leases.leases
    for key in (lambda lease: (lease.address, lease.port_from), lambda lease: lease.customer_number):
        by_key = defaultdict(list)
        for lease in leases:
            assert lease.begin < lease.end
            by_key[key(lease)].append(lease)
        for held in by_key.values():
            held.sort(key=lambda lease: lease.begin)
            assert all(a.end <= b.begin for a, b in pairwise(held))


def test_addresses_change_hands(world: World) -> None:
    """Addresses go from one customer to another, and shared ones are held by several at a time."""
    holders = defaultdict(set)
    for lease in world.leases.leases:
        holders[lease.address, lease.port_from].add(lease.customer_number)
    assert any(len(numbers) > 1 for (_, port), numbers in holders.items() if port is None)
    blocks = {lease.port_from for lease in world.leases.leases if lease.port_from is not None}
    assert len(blocks) > 1
    assert {lease.ended for lease in world.leases.leases} == {"stop", "lost", "restart", "open"}


def test_cookies_are_sent_only_where_chosen(small: list[SimEvent]) -> None:
    """A visit carries a cookie identifier exactly where the choice in force is to accept all."""
    states = Counter(i.value["cookie_consent"] for i in small if i.topic == "web.visits")
    assert states["all"] > 0
    assert states["necessary"] > 0
    for item in small:
        if item.topic == "web.visits":
            assert (item.value["cookie_id"] is not None) == (item.value["cookie_consent"] == "all")


def test_vocabulary_is_the_catalogues(small: list[SimEvent]) -> None:
    """Purposes, categories, recipient classes and instruments in values are ids of the catalogue."""
    catalogue = load_catalogue()
    for item in small:
        assert set(item.value.get("categories", ())) <= set(catalogue.categories)
        if item.topic == "privacy.consents":
            assert item.value["purpose"] in catalogue.purposes
        if item.topic == "privacy.disclosures":
            assert item.value["instrument"] == catalogue.recipients[item.value["recipient_class"]].instrument


@pytest.mark.parametrize(
    "wrong",
    [
        {"customers": 0},
        {"customers": 50_001},
        {"days": 0},
        {"start": datetime(2026, 1, 1)},  # noqa: DTZ001 - the missing zone is the point
        {"start": datetime(1999, 1, 1, tzinfo=UTC)},
    ],
)
def test_impossible_plans_are_refused(wrong: dict[str, Any]) -> None:
    """A plan out of range is an input error."""
    with pytest.raises(InputError, match=r"; give|; write|out of range"):
        Plan(**wrong)


def test_unknown_topics_are_refused() -> None:
    """A topic without a stream is an input error before anything is made."""
    with pytest.raises(InputError, match=r"web\.visit;"):
        events(SMALL, ["web.visit"])


def test_representations_show_no_identifier(world: World, small: list[SimEvent]) -> None:
    """What a log or a failing test prints of these objects names nobody."""
    customer = world.customers[0]
    shown = repr([customer, world.leases, world.leases.leases[0], small[-1], *small[-1].mentioned])
    for _, value in customer.identifiers():
        assert value not in shown


def test_luhn_digit() -> None:
    """The check digit of the textbook number 7992739871 is 3."""
    assert luhn("7992739871") == 3


def test_history_precedes_the_start(small: list[SimEvent]) -> None:
    """Details come before anything else about a customer; visits and traffic begin with the span."""
    assert min(i.at for i in small if i.topic in ("web.visits", "network.traffic")) >= SMALL.start
    assert any(item.at < SMALL.start - timedelta(days=30) for item in small)
    known: set[str] = set()
    for item in small:
        if item.topic == "crm.customers":
            known.update(item.named)
        elif item.topic not in ("credit.checks", "privacy.notices", "social.messages"):
            assert known.issuperset(item.named)
