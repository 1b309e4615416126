"""Questions about a person, asked of the index: the same here for the API and for the command line."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from console.api.models import Identifier, LineageQuery, Person
from schemas.catalogue import Catalogue
from schemas.errors import InputError
from schemas.policy import NORWAY
from schemas.tokens import Tokenizer
from sinks.ports import Filter, IndexReader, Span
from streams.rights.answer import access_report, answer
from streams.rights.plan import make_plan, plan_json

_T = TypeVar("_T")


def _day(now: datetime) -> date:
    return now.astimezone(NORWAY).date()


def lineage(
    query: LineageQuery, reader: IndexReader, tokenizer: Tokenizer, catalogue: Catalogue, now: datetime
) -> dict[str, Any]:
    """The whole JSON of a look-up, unpaged. Raises InvalidIdentifier, InputError, IndexUnavailable."""
    found = reader.find(spans(query.identifiers, tokenizer), limits(query, catalogue))
    return answer(found, catalogue, _day(now), query.anchors.days())


def access(
    person: Person, reader: IndexReader, tokenizer: Tokenizer, catalogue: Catalogue, now: datetime
) -> dict[str, Any]:
    """The access report. Raises InvalidIdentifier, InputError, IndexUnavailable."""
    found = reader.find(spans(person.identifiers, tokenizer))
    return access_report(found, catalogue, _day(now), person.anchors.days())


def plan(
    person: Person, reader: IndexReader, tokenizer: Tokenizer, catalogue: Catalogue, now: datetime
) -> dict[str, Any]:
    """What an erasure would do now; nothing is stored or sent.

    Raises InvalidIdentifier, InputError, IndexUnavailable.
    """
    found = reader.find(spans(person.identifiers, tokenizer))
    made = plan_json(make_plan(found, catalogue, _day(now), person.anchors.days()))
    # How the index would narrow its own rows is nobody else's business.
    del made["kept"]
    return {**made, "total_events": found.total_events}


def spans(identifiers: Sequence[Identifier], tokenizer: Tokenizer) -> list[Span]:
    """Tokens, each with the second in which it is asked about, if one is given. Raises InvalidIdentifier."""
    return [
        Span(
            tokenizer.token(item.kind, item.value),
            since=item.at,
            until=item.at + timedelta(seconds=1) if item.at else None,
            port=item.port,
        )
        for item in identifiers
    ]


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
    return Filter(query.since, query.until, query.categories, query.purposes, query.systems)


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
