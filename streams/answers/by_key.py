"""What is held about one record of a system, asked by the key that the system itself knows it by.

Who asks has a case number, an invoice or a session in hand and not a person. Nothing leads from a person to such a key
or back but the events themselves, so the answer says how many people stand in them, and not who.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schemas.errors import InputError
from schemas.record_keys import record_hash, record_key_fields, tells_nothing
from schemas.records import RecordSchema
from schemas.tokens import Tokenizer
from schemas.vocabulary import Resolution
from sinks.ports.exposed import Reach
from sinks.ports.lineage import Found
from streams.answers.breach import Affected, BreachFinder
from streams.answers.question import Known
from streams.answers.report import answer, only_described
from streams.answers.unjudged import judged
from streams.answers.unread import unread


@dataclass(frozen=True)
class RecordKey:
    """A record by its name in the catalogue of records, and its key: a value for each field, in schema order."""

    record: str
    key: Sequence[str] = field(repr=False)


def about_record(
    asked: RecordKey, finder: BreachFinder, known: Known, now: datetime
) -> tuple[dict[str, Any], set[bytes]]:
    """The JSON, and who stands in the record's events as tokens, for the record of questions.

    {record, resolution, total_events, people, items, unjudged} as a look-up has them, `people` at least so many; of
    what is only described nobody is counted. `key_retired`: what was tagged before that cannot be found so.

    Raises InputError for a record without a key and for a value that tells no record apart; IndexUnavailable.
    """
    record = _record(asked, known.company.every_record)
    hashes = _hashes(known.tokenizer, record, asked.key)
    exposed, affected = finder.who(Reach(records=hashes))
    found = answer(exposed.found, known.catalogue, known.catalogue.calendar.day(now))
    people = _people(exposed.found, affected, known)
    shown = {name: found[name] for name in ("total_events", "items", "unjudged")}
    return {
        "record": record.name,
        "resolution": (Resolution.UNIQUE if exposed.found.holdings else Resolution.NONE).value,
        "people": len(people),
        "key_retired": known.tokenizer.retired,
        **shown,
        "waiting": known.waiting(),
        "dead_letters": unread(known.open_letters(), known.company, (record.annotation.system,)),
    }, people


def _people(found: Found, affected: Affected, known: Known) -> set[bytes]:
    disclosed = [
        item.tags
        for item in judged(found, known.catalogue)[0].holdings
        if not only_described(item.tags, known.catalogue)
    ]
    return set[bytes]().union(*(affected.people_in.get(tags.id, ()) for tags in disclosed))


def _record(asked: RecordKey, records: Mapping[str, RecordSchema]) -> RecordSchema:
    with_key = {name: record for name, record in sorted(records.items()) if record_key_fields(record)}
    record = with_key.get(asked.record)
    if record is None:
        raise InputError(
            f"record_key: there is no such record that has a key; use one of {', '.join(with_key) or 'none'}"
        )
    fields = record_key_fields(record)
    if len(asked.key) != len(fields):
        raise InputError(
            f"record_key: {record.name} is told apart by {', '.join(fields)}; give a value for each"
        )
    if any(tells_nothing(value) for value in asked.key):
        raise InputError(
            "record_key: the value stands for no record (a placeholder, or zeros); give the key itself"
        )
    return record


def _hashes(tokenizer: Tokenizer, record: RecordSchema, key: Sequence[str]) -> list[int]:
    """Under every key of which there are rows: each keeps the hash of the key that made it."""
    every = (tokenizer, *tokenizer.older, *tokenizer.newer)
    return sorted({record_hash(one, record.name, key) for one in every})
