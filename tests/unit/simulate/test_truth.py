"""What a perfect resolver finds, held against one that has nothing but the events; and what makes it hard for both."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.simulate.plan import Plan, SimEvent
from streams.simulate.resolver import Resolver
from streams.simulate.simulate import TOPICS, events, tally, truth
from streams.simulate.world import World, build_world
from tests.support.whose import SUBJECTS, Report, asked, read

PLAN = Plan(customers=60, days=8, seed=5)


def compare(plan: Plan) -> Counter[str]:
    world = build_world(plan)
    items = list(events(plan, world=world))
    feeds, resolver = read(items), Resolver(world)
    seen: Counter[str] = Counter()
    for item in items:
        answer = resolver.answer(item)
        unique, shared = asked(feeds, item)
        if item.value.get("purpose") == "retention":
            assert answer.locked == unique
            seen["locked"] += 1
            continue
        assert answer.unique <= unique <= answer.unique | answer.gap
        assert answer.ambiguous <= shared <= answer.ambiguous | answer.doubtful | answer.gap
        seen.update(name for name, numbers in answer._asdict().items() if numbers)
    return seen


def test_feeds_alone_lead_to_the_perfect_resolvers_answer() -> None:
    """Put together by brute force, the events say of each event exactly what the resolver says, but in gaps."""
    seen = compare(PLAN)
    for name in ("unique", "gap", "ambiguous", "locked", "mentioned"):
        assert seen[name] > 0


@settings(max_examples=5, deadline=None)
@given(
    st.builds(
        Plan,
        customers=st.integers(1, 45),
        days=st.integers(1, 4),
        seed=st.integers(0, 2**31),
        faults=st.booleans(),
    )
)
def test_feeds_alone_suffice_whatever_the_seed(plan: Plan) -> None:
    """The same holds for any plan, with and without faults."""
    seen = compare(plan)
    # A restart reports no stops even where nothing is lost.
    assert plan.faults or not seen["doubtful"]


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(PLAN)


@pytest.fixture(scope="module")
def items(world: World) -> list[SimEvent]:
    return list(events(PLAN, world=world))


def reports(items: Iterable[SimEvent]) -> list[tuple[SimEvent, Report]]:
    found = [(item, item.value) for item in items if item.topic == "network.assignments"]
    return [(item, value) for item, value in found if value["purpose"] == "operations"]


def faults(items: Iterable[SimEvent]) -> Counter[str]:
    """How often each fault shows in the feed, the end of the plan aside."""
    sent = reports(items)
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    found: Counter[str] = Counter()
    newest = PLAN.start - timedelta(days=9)
    for item, value in sent:
        kinds[value["session_id"]][value["kind"]] += 1
        found["late"] += item.at > value["occurred_at"]
        found["reordered"] += value["occurred_at"] < newest
        newest = max(newest, value["occurred_at"])
    for seen in kinds.values():
        found["twice"] += max(seen.values()) > 1 and not seen["interim"]
        found["lost start"] += not (seen["start"] or seen["alloc"] or seen["on"])
    return found


def test_reports_are_lost_repeated_and_late(world: World, items: list[SimEvent]) -> None:
    """With faults, reports of the network come twice, late, out of order or not at all; without them none does."""
    found = faults(items)
    for name in ("late", "reordered", "twice", "lost start"):
        assert found[name] > 0
    lost = {lease.port_from is None for lease in world.leases.leases if lease.ended == "lost"}
    assert lost == {True, False}
    clean = replace(PLAN, faults=False)
    assert not +faults(events(clean, ["network.assignments"]))
    assert {lease.ended for lease in build_world(clean).leases.leases} == {"stop", "restart", "open"}


def test_faults_touch_the_network_feed_alone(items: list[SimEvent]) -> None:
    """Whatever the network loses, the same people do the same things."""
    clean = events(replace(PLAN, faults=False), [name for name in TOPICS if name != "network.assignments"])
    assert list(clean) == [item for item in items if item.topic != "network.assignments"]


def test_lost_ends_are_not_told(world: World, items: list[SimEvent]) -> None:
    """A session whose stop was lost is last heard of at its `known_until`, and one that lives on has no gap."""
    last: dict[str, datetime] = {}
    ended = set()
    for _, value in reports(items):
        name = value["session_id"]
        last[name] = max(value["occurred_at"], last.get(name, value["occurred_at"]))
        if value["kind"] in ("stop", "release"):
            ended.add(name)
    for lease in world.leases.leases:
        assert (lease.session_id in ended) == (lease.ended == "stop")
        assert last[lease.session_id] == lease.known_until or lease.ended == "open"
        assert lease.known_until <= lease.end


@pytest.mark.parametrize("kind", ["email", "phone", "username"])
def test_details_change_and_go_to_somebody_else(world: World, items: list[SimEvent], kind: str) -> None:
    """A customer gets a new address, number or user name, and another one later has the old one."""
    given_up = next(
        (customer, old)
        for customer in world.customers
        for old in customer.former
        if old.kind == kind and world.holder(kind, old.value, PLAN.end - timedelta(seconds=1)) != customer.number
        and world.holder(kind, old.value, PLAN.end - timedelta(seconds=1))
    )  # fmt: skip
    customer, old = given_up
    taker = world.by_number[world.holder(kind, old.value, PLAN.end - timedelta(seconds=1)) or ""]
    assert (kind, old.value) in customer.identifiers(old.until - timedelta(seconds=1))
    assert (kind, old.value) not in customer.identifiers(old.until)
    assert (kind, old.value) in taker.identifiers()
    assert world.holder(kind, old.value, old.until) is None
    told = [
        (item.value[kind], item.value["customer_number"], item.value["valid_from"])
        for item in items
        if item.topic == "crm.customers" and item.at >= PLAN.start
    ]
    assert (dict(customer.identifiers())[kind], customer.number, old.until) in told
    assert (old.value, taker.number, None) in told


def test_records_are_merged_and_one_pair_split_again(world: World, items: list[SimEvent]) -> None:
    """Details tell that a record is a duplicate; the one pair that was a mistake ends as two customers."""
    history: dict[str, list[str | None]] = defaultdict(list)
    for item in items:
        if item.topic == "crm.customers":
            history[item.value["customer_number"]].append(item.value["merged_into"])
    merged = {number: told for number, told in history.items() if any(told)}
    assert sorted(told[-1] is None for told in merged.values()) == [False, False, False, True]
    told = tally(items, world)
    for number, kept in merged.items():
        assert world.one(number) == (kept[-1] or number)
        assert bool(told.of(number, told.unique)) == (kept[-1] is None)
        assert told.of(number)


def test_equipment_goes_to_the_next_customer(world: World, items: list[SimEvent]) -> None:
    """A router that was returned is delivered to another customer, whose line it then names."""
    holders: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for item in items:
        if item.topic == "provisioning.equipment" and item.value["event"] in ("delivered", "returned"):
            holders[item.value["device_serial"]].append((item.value["event"], item.value["customer_number"]))
    passed = [told for told in holders.values() if len({number for _, number in told}) > 1]
    assert passed
    for told in passed:
        assert [event for event, _ in told] == ["delivered", "returned", "delivered"]
        assert told[0][1] == told[1][1] != told[2][1]


def test_a_cookie_changes_owner(world: World, items: list[SimEvent]) -> None:
    """After another household logged in, visits with the cookie are theirs, and before the first log-in nobody's."""
    browsers = {browser.cookie_id: browser for customer in world.customers for browser in customer.browsers}
    turns = set()
    for item in items:
        browser = browsers.get(item.value["cookie_id"] or "") if item.topic == "web.visits" else None
        if browser is not None and len(browser.owners) > 1:
            owner = browser.owner(item.at)
            assert item.named == ((owner,) if owner else ())
            turns.add([None, *(number for _, number in browser.owners)].index(owner))
    assert turns == {0, 1, 2}


def test_failed_logins_prove_nothing(items: list[SimEvent]) -> None:
    """A log-in that failed has no customer number, and one that succeeded has the number of its user name."""
    found = Counter(item.value["result"] for item in items if item.topic == "web.logins")
    assert found["ok"] > found["failed"] > 0
    for item in items:
        if item.topic == "web.logins":
            assert (item.value["customer_number"] is None) == (item.value["result"] == "failed")


def test_servers_know_different_things_of_a_line(items: list[SimEvent]) -> None:
    """User name, line, hardware or inside address each are all that some server says of whom it serves."""
    said = Counter(
        next(name for name in SUBJECTS if value[name]) for _, value in reports(items) if value["address"]
    )
    assert set(said) == set(SUBJECTS)
    sources = {value["nas"]: value["source"] for _, value in reports(items)}
    assert sources.pop("cgn1.osl") == "cgnat"
    assert set(sources.values()) == {"radius"}
    assert len({value["interim_seconds"] for _, value in reports(items)}) == 2


def test_truth_counts_each_event_of_a_customer_once(world: World, items: list[SimEvent]) -> None:
    """What is found for certain, may be found or is shared never exceeds the events there are."""
    told = truth(PLAN, world=world)
    counts = (told.unique, told.gaps, told.ambiguous, told.doubtful, told.locked, told.only_mentioned)
    for number, topic in {pair for counted in counts for pair in counted}:
        assert sum(counted[number, topic] for counted in counts) <= told.events[topic]
    assert told.unique.total() > 0.9 * told.found.total()
    assert told.gaps.total() < 0.03 * told.found.total()
    assert told.nobody["web.visits"] > 0
    assert tally(items).unique.total() == 0


def test_an_answer_puts_a_customer_in_one_set(world: World, items: list[SimEvent]) -> None:
    """Of each event a customer is the owner, perhaps it, one of several or only mentioned, never two of these."""
    resolver = Resolver(world)
    for item in items:
        sets = resolver.answer(item)
        assert sum(map(len, sets)) == len(frozenset().union(*sets))
