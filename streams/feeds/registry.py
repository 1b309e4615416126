"""A feed: which format becomes which record on which topic. The formats are those that `formats/` declares."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from types import MappingProxyType
from typing import Any

from schemas.annotations import RecordSchema
from schemas.company import Company, place_of_topics
from schemas.errors import CatalogueError, FeedError
from schemas.topics import Topic
from streams.feeds import formats
from streams.feeds.format import LogFormat, Options, Setting, misfits
from streams.feeds.lines.reader import Reader
from streams.feeds.lines.record import Numbered, Record, each_line


def _declared() -> Iterator[LogFormat]:
    for module in pkgutil.iter_modules(formats.__path__, f"{formats.__name__}."):
        yield from getattr(import_module(module.name), "FORMATS", ())


FORMATS: Mapping[str, LogFormat] = MappingProxyType({item.name: item for item in _declared()})
"""By name, every entry of `FORMATS` in a file of `formats/`."""


@dataclass(frozen=True)
class Feed:
    """`reader` makes what reads the records of one source in order, `records` puts its lines together to them.

    `whole_lines`: a last line without line end was cut, whatever it says. `escaped`: bytes that are no text are read as
    \\xHH, because no text of it becomes an identifier. `scope` says what a content is read as: the same one read in
    another way is another feed. `reads` names what the format can read. `beside` finds the feed of another format.
    """

    format: str
    record: RecordSchema
    topic: Topic
    reader: Callable[[], Reader]
    records: Callable[[Numbered], Iterator[Record]] = each_line
    whole_lines: bool = False
    escaped: bool = False
    scope: str = ""
    reads: str = ""
    beside: Callable[[str], Feed] | None = field(default=None, repr=False, compare=False)


def find_feed(company: Company, format_name: str, record_name: str | None = None, **options: Any) -> Feed:
    """The feed of a format into the topic of the company that takes it; ndjson needs the record's name. `options` as
    `Options`.

    Raises FeedError.
    """
    given = Options(**options)
    if format_name not in FORMATS:
        raise FeedError(f"unknown format {format_name!r}; use one of {', '.join(FORMATS)}")
    chosen = FORMATS[format_name]
    _check_options(chosen, given)
    topic = _taking(company, chosen, record_name) if chosen.gives is not None else _of(company, record_name)
    record = company.records[topic.record]
    reader, scope = chosen.make(Setting(chosen.name, given, company, record))
    return Feed(
        chosen.name,
        record,
        topic,
        reader,
        chosen.records,
        whole_lines=chosen.whole_lines,
        escaped=chosen.escaped,
        scope=" ".join((chosen.name, record.name, *scope)),
        reads=chosen.reads if given.pattern is None else "what the pattern file describes",
        beside=partial(find_feed, company),
    )


def demand_formats(company: Company) -> None:
    """What topics say of the formats they take. Raises CatalogueError: one is unknown, or does not fit the record."""
    for topic in company.topics.values():
        for name in topic.formats:
            if said := next(_problems(company, topic, name), None):
                key = f"{topic.name}.formats"
                raise CatalogueError(place_of_topics(company, key), key, said)


def _problems(company: Company, topic: Topic, name: str) -> Iterator[str]:
    known = [item.name for item in FORMATS.values() if item.gives is not None]
    if name not in known:
        yield f"unknown format {name}; use one of {', '.join(known)}"
    elif topic.record not in company.records or not topic.tagged:
        # Topics of a contract have a producer of their own, and no schema to write with. Rights records are not for
        # logs: a line in a file must not erase anybody or answer for a system.
        yield f"{name} cannot go here; name it at a tagged topic whose record is one of avro/"
    else:
        yield from misfits(FORMATS[name], company.records[topic.record], topic)


def _check_options(chosen: LogFormat, given: Options) -> None:
    for option in given.given:
        if option not in chosen.takes:
            flag = option.replace("_", "-")
            for_ = ", ".join(item.name for item in FORMATS.values() if option in item.takes)
            raise FeedError(f"--{flag} is for {for_}; leave it out with {chosen.name}")
    if given.pattern and given.zone:
        raise FeedError("the zone of a pattern's times stands in the pattern file; leave --zone out")


def _taking(company: Company, chosen: LogFormat, record_name: str | None) -> Topic:
    topic = next((item for item in company.topics.values() if chosen.name in item.formats), None)
    if topic is None:
        raise FeedError(
            f"no topic of {company.profile.name} takes {chosen.name}; write formats: [{chosen.name}] at the one that"
            " is for it in topics.yaml, with a record of avro/ that has its fields"
        )
    if record_name not in (None, topic.record):
        raise FeedError(f"{chosen.name} always becomes {topic.record}, on {topic.name}; leave --record out")
    if said := next(_problems(company, topic, chosen.name), None):
        raise FeedError(f"{topic.name} cannot take {chosen.name}: {said}")
    return topic


def _of(company: Company, record_name: str | None) -> Topic:
    # As in `_problems`, of the records that are not for logs.
    sources = {topic.record: topic for topic in company.tagged.values() if topic.record in company.records}
    if record_name is None:
        example = f", for example {min(sources)}" if sources else ""
        raise FeedError(f"ndjson does not say what its lines are; add --record NAME{example}")
    if record_name not in sources:
        raise FeedError(
            f"unknown record {record_name!r}; use one of {', '.join(sorted(sources)) or 'no record'}"
        )
    return sources[record_name]
