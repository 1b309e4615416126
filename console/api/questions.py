"""Questions about a person, asked of the index: the same here for the API and for the command line."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from console.api.models import AccessQuery, AsKnown, IdentityQuery, LineageQuery, SubjectBody
from console.api.people import Asked, Known, looked_up
from schemas.catalogue import Catalogue
from schemas.errors import InputError
from schemas.times import local_day
from schemas.tokens import IdentifierKind
from sinks.ports import Filter, Found
from streams.answers.attribution import Attribution, by_link, differences, link_json, newest
from streams.answers.erasure_plan import make_plan, plan_json, shown
from streams.answers.held import attributed
from streams.answers.report import access_report, answer, disclosed_events
from streams.identity.model import Given, Link, ResolvedSubject

_T = TypeVar("_T")
_Answered = tuple[Found, Attribution]


def lineage(query: LineageQuery, known: Known, now: datetime) -> dict[str, Any]:
    """The whole JSON of a look-up, unpaged. Raises InvalidIdentifier, InputError, IndexUnavailable."""
    wanted = limits(query, known.catalogue)

    def asked(moment: Asked) -> _Answered:
        person, unclear = looked_up(query.identifiers, moment)
        found, attribution = attributed(person, known.reader, known.catalogue, wanted, moment.known_at)
        if unclear:
            both = known.reader.find(unclear, wanted, moment.known_at)
            more = disclosed_events(both, known.catalogue)
            attribution = replace(attribution, ambiguous_events=attribution.ambiguous_events + more)
        return found, attribution

    moment = _moment(query, known, now)
    found, attribution = asked(moment)
    day, anchors = local_day(moment.moment), query.anchors.days()
    answered = answer(found, known.catalogue, day, anchors, attribution)
    return answered | _changes(query, asked, (found, attribution), Asked(known, now))


def access(query: AccessQuery, known: Known, now: datetime) -> dict[str, Any]:
    """The access report. Raises InvalidIdentifier, InputError, IndexUnavailable."""

    def asked(moment: Asked) -> _Answered:
        person = moment.person(query.identifiers)
        return attributed(person, known.reader, known.catalogue, known_at=moment.known_at)

    moment = _moment(query, known, now)
    found, attribution = asked(moment)
    day, anchors = local_day(moment.moment), query.anchors.days()
    report = access_report(found, known.catalogue, day, anchors, attribution)
    return report | _changes(query, asked, (found, attribution), Asked(known, now))


def plan(person: SubjectBody, known: Known, now: datetime) -> dict[str, Any]:
    """What an erasure would do now; nothing is stored or sent.

    Raises InvalidIdentifier, InputError, IndexUnavailable.
    """
    whom = Asked(known, now).person(person.identifiers)
    found, attribution = attributed(whom, known.reader, known.catalogue)
    others, anchors = known.reader.others(whom.spans), person.anchors.days()
    made = plan_json(make_plan(found, known.catalogue, local_day(now), anchors, others=others))
    # How the index would narrow its own rows is nobody else's business.
    del made["kept"]
    made["parts"] = shown(made["parts"])
    for item in made["unjudged"]:
        del item["tag_set"]
    made["by_link"] = by_link(found, [command["system"] for command in made["commands"]])
    total = disclosed_events(found, known.catalogue)
    return {**made, "total_events": total, **attribution.shown(bool(found.holdings))}


def identity(query: IdentityQuery, known: Known, now: datetime) -> dict[str, Any]:
    """Who it was, without a value: links of each identifier at its moment, and where they lead.

    Raises InvalidIdentifier, InputError, IndexUnavailable.
    """

    def asked(moment: Asked) -> tuple[ResolvedSubject, list[tuple[str, Link]]]:
        chains = moment.chains(query.identifiers)
        links = [(_of(link, item), link) for item, chain in chains for link in chain]
        if not links and not any(item.kind is IdentifierKind.IP for item, _ in chains):
            # Where chains end, such as a customer number: what leads there.
            links = [("", link) for link in moment.person(query.identifiers).links]
        return looked_up(query.identifiers, moment)[0], links

    then, links = asked(_moment(query, known, now))
    kinds = {link: kind for kind, link in links}
    told = [
        {
            "kind": kinds[link] or None,
            "token": _short(link.token),
            "subject": _short(link.subject),
            **link_json(link),
        }
        for link in newest([*kinds])
    ]
    unknown = then.resolution == "unique" and not links
    answered: dict[str, Any] = {
        "resolution": "none" if unknown else then.resolution,
        "candidates": 0 if unknown else then.candidates,
        "disagree": [list(kinds) for kinds in then.disagree],
        "unlinked": list(then.unlinked),
        "subjects": [] if unknown else sorted(_short(token) for token in then.subjects),
        "links": told,
        "links_total": len(kinds),
        "problems": list(then.problems),
    }
    if query.changes:
        now_links = [link for _, link in asked(Asked(known, now))[1]]
        answered["changed_since"] = differences([*kinds], now_links)
    return answered


def _of(link: Link, item: Given) -> str:
    """The kind of the identifier if the link is its own, "" for one further along the chain."""
    return item.kind.value if link.token in {item.token, *(token for token, _ in item.prefixes)} else ""


def _short(token: bytes) -> str:
    return token.hex()[:12]


def _moment(query: AsKnown, known: Known, now: datetime) -> Asked:
    """The moment an answer speaks of. Raises InputError for one to come, and for changes since no moment."""
    if query.known_at is None:
        if query.changes:
            raise InputError("changes: needs known_at; give the moment since which to compare")
        return Asked(known, now)
    if query.known_at > now:
        raise InputError("known_at: has not come yet; give a moment that has passed")
    return Asked(known, query.known_at, query.known_at)


def _changes(
    query: AsKnown, asked: Callable[[Asked], _Answered], then: _Answered, present: Asked
) -> dict[str, Any]:
    """What became of an answer of then, if that was asked."""
    if not query.changes:
        return {}
    catalogue = present.known.catalogue
    found, attribution = asked(present)
    events = {
        "events_then": disclosed_events(then[0], catalogue),
        "events_now": disclosed_events(found, catalogue),
    }
    return {"changed_since": events | differences(then[1].links, attribution.links)}


def limits(query: LineageQuery, catalogue: Catalogue) -> Filter:
    """The limits of a query. Raises InputError for a name that is not in the catalogue: it would find nothing."""
    for what, given, known in (
        ("categories", query.categories, catalogue.categories),
        ("purposes", query.purposes, catalogue.purposes),
        ("systems", query.systems, catalogue.systems),
    ):
        for position, name in enumerate(given):
            if name not in known:
                raise InputError(
                    f"{what}: number {position + 1} is not in the catalogue; use one like {next(iter(known))}"
                )
    if query.since and query.until and query.since >= query.until:
        raise InputError("from: is not before to; give the earlier time first")
    revealing = [
        category.id
        for category in catalogue.categories.values()
        if category.revealed and not category.revealed.purposes.keys().isdisjoint(query.purposes)
    ]
    return Filter(query.since, query.until, query.categories, query.purposes, query.systems, revealing)


def page(items: Sequence[_T], limit: int, cursor: str | None) -> tuple[Sequence[_T], str | None]:
    """The items of one page of a list that is at hand, and the cursor of the next page. Raises InputError."""
    start = read_cursor(cursor, (0,))[0]
    end = start + limit
    return items[start:end], write_cursor(end) if end < len(items) else None


def write_cursor(*position: str | int) -> str:
    """Where the next page starts, opaque to the caller."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, default: tuple[Any, ...]) -> tuple[Any, ...]:
    """The position in a cursor; `default`, without a cursor, also says its types. Raises InputError."""
    if not cursor:
        return default
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        fits = [type(part) for part in position] == [type(part) for part in default]
    except (binascii.Error, ValueError, TypeError):
        fits = False
    if not fits or any(isinstance(part, int) and not -1 <= part < 2**63 for part in position):
        raise InputError("cursor: is not one of this list; take the next_cursor of the page before")
    return tuple(position)
