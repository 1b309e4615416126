"""Who it was, by brute force and from the events alone: what the simulator's perfect resolver is held against."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

from schemas.records import load_records
from streams.simulate.plan import SimEvent

REGISTERED = ("fodselsnummer", "email", "phone", "username", "line_id")
SUBJECTS = ("customer_number", "username", "line_id", "inside_address", "mac")
NEVER = datetime.max.replace(tzinfo=UTC)
Report = dict[str, Any]


class Link(NamedTuple):
    since: datetime
    until: datetime
    kind: str
    subject: str


@dataclass
class Feeds:
    """Who had what when. Addresses are found by going through all of them."""

    links: dict[tuple[str, str], list[Link]]
    networks: dict[Any, list[Link]]
    blocks: dict[str, list[tuple[int, int, Link]]]
    merged: dict[str, str | None]

    def one(self, number: str) -> str:
        return self.merged.get(number) or number

    def people(self, kind: str, value: str, at: datetime) -> set[str]:
        """Customer numbers at the ends of the chains that begin here."""
        if kind == "customer_number":
            return {self.one(value)}
        if kind == "inside_address":
            return self.behind(value, None, at)
        held = [link for link in self.links.get((kind, value), ()) if link.since <= at < link.until]
        return {number for link in held for number in self.people(link.kind, link.subject, at)}

    def behind(self, address: str, port: int | None, at: datetime) -> set[str]:
        if ":" in address:
            there = ip_address(address)
            near = [link for net, links in self.networks.items() if there in net for link in links]
        else:
            near = [
                link
                for first, last, link in self.blocks.get(address, ())
                if port is None or first <= port <= last
            ]
        found = [link for link in near if link.since <= at < link.until]
        return {number for link in found for number in self.people(link.kind, link.subject, at)}


def read(items: Iterable[SimEvent]) -> Feeds:
    """Everything the feeds say, put together."""
    by_topic: dict[str, list[Report]] = defaultdict(list)
    for item in items:
        by_topic[item.topic].append(item.value)
    links: dict[tuple[str, str], list[Link]] = defaultdict(list)
    details = sorted(by_topic["crm.customers"], key=lambda value: value["updated_at"])
    for key, link in (*states(details), *logged_in(by_topic), *lent(by_topic["provisioning.equipment"])):
        links[key].append(link)
    feeds = Feeds(
        links, defaultdict(list), defaultdict(list), {v["customer_number"]: v["merged_into"] for v in details}
    )
    for value, link in sessions(by_topic["network.assignments"]):
        first, last = value["port_from"] or 0, value["port_to"] or 65_535
        feeds.blocks[value["address"]].append((first, last, link))
        if value["delegated_prefix"]:
            feeds.networks[ip_network(value["delegated_prefix"])].append(link)
    return feeds


def states(details: list[Report]) -> Iterator[tuple[tuple[str, str], Link]]:
    """Each detail from when it holds until the register has another one for that customer."""
    slots: dict[tuple[str, str], list[tuple[datetime, str]]] = defaultdict(list)
    for value in details:
        for kind in REGISTERED:
            slots[kind, value["customer_number"]].append(
                (value["valid_from"] or value["updated_at"], value[kind])
            )
    for (kind, number), history in slots.items():
        history.sort(key=lambda entry: entry[0])
        for (since, held), (until, _) in zip(history, [*history[1:], (NEVER, "")], strict=True):
            yield (kind, held), Link(since, until, "customer_number", number)


def logged_in(by_topic: dict[str, list[Report]]) -> Iterator[tuple[tuple[str, str], Link]]:
    """Cookies, handles and cases: from then on, until somebody else is named beside the same one."""
    seen: dict[tuple[str, str], list[tuple[datetime, str]]] = defaultdict(list)
    for topic, kind, time in (
        ("web.logins", "cookie_id", "occurred_at"),
        ("privacy.consents", "cookie_id", "decided_at"),
        ("support.chats", "chat_handle", "sent_at"),
        ("social.messages", "social_handle", "sent_at"),
        ("support.cases", "case_number", "opened_at"),
    ):
        for value in by_topic[topic]:
            if value[kind] and value["customer_number"] and value.get("result") != "failed":
                seen[kind, value[kind]].append((value[time], value["customer_number"]))
    for key, history in seen.items():
        history.sort()
        for (since, number), (until, _) in zip(history, [*history[1:], (NEVER, "")], strict=True):
            yield key, Link(since, until, "customer_number", number)


def lent(equipment: list[Report]) -> Iterator[tuple[tuple[str, str], Link]]:
    """Equipment from delivery to return."""
    history: dict[tuple[str, str | None, str], list[Report]] = defaultdict(list)
    for value in equipment:
        history[value["device_serial"], value["mac"], value["customer_number"]].append(value)
    for (serial, mac, number), reports in history.items():
        ends = sorted(value["occurred_at"] for value in reports if value["event"] == "returned")
        for since in (value["occurred_at"] for value in reports if value["event"] == "delivered"):
            link = Link(since, next((end for end in ends if end > since), NEVER), "customer_number", number)
            yield ("device_serial", serial), link
            if mac:
                yield ("mac", mac), link


def sessions(assignments: list[Report]) -> Iterator[tuple[Report, Link]]:
    """Sessions with their ends: as reported, else before the next one on the line or address, or a restart."""
    groups: dict[tuple[str, str], list[Report]] = defaultdict(list)
    for value in assignments:
        if value["purpose"] == "operations":
            groups[value["nas"], value["session_id"]].append(value)
    begins: dict[tuple[Any, ...], list[datetime]] = defaultdict(list)
    found = []
    for reports in groups.values():
        value = reports[0]
        since = min(r["occurred_at"] - timedelta(seconds=r["session_seconds"] or 0) for r in reports)
        if value["kind"] in ("on", "off"):
            begins["server", value["nas"]].append(since)
            continue
        stop = next((r["occurred_at"] for r in reports if r["kind"] in ("stop", "release")), None)
        place = ("address", value["address"], value["port_from"])
        keys = [place, ("line", value["line_id"])] if value["line_id"] else [place]
        for key in keys:
            begins[key].append(since)
        found.append((value, since, stop, [*keys, ("server", value["nas"])]))
    for value, since, stop, ending in found:
        others = [at for key in ending for at in begins[key] if at > since]
        kind = next(name for name in SUBJECTS if value[name])
        yield value, Link(since, stop or min(others, default=NEVER), kind, value[kind])


def asked(feeds: Feeds, item: SimEvent) -> tuple[set[str], set[str]]:
    """(customers an identifier leads to for certain, those who share the address)."""
    record = load_records()[item.record]
    at = item.value[record.event_time]
    unique: set[str] = set()
    shared: set[str] = set()
    for reference in record.identifiers:
        value = item.value[reference.field]
        if value is None or reference.role == "agent":
            continue
        if reference.kind != "ip":
            unique |= feeds.people(reference.kind, value, at)
        elif item.value.get("purpose") != "retention":
            behind = feeds.behind(value, item.value.get(reference.port_field or ""), at)
            unique |= behind if len(behind) == 1 else set()
            shared |= behind if len(behind) > 1 else set()
    return unique, shared - unique
