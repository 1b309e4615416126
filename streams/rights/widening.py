"""A restriction or objection that stands reaches what comes later too (GDPR Art. 18, 21): looked at again as the index
learns, and told to whoever has more of the person by now than the systems were told of."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.catalogue import Catalogue
from sinks.ports.lineage import IndexReader, Span
from streams.answers.attribution import snapshot_of
from streams.answers.unnamed import KeyedCounts
from streams.identity.model import ResolvedSubject
from streams.rights.keyed import planned_by_key
from streams.rights.protocol.command import Command
from streams.rights.protocol.events import Widened
from streams.rights.protocol.messages import command_id
from streams.rights.protocol.request import RequestState
from streams.rights.protocol.restricting import reaches_later
from streams.rights.reach import Place, counted_records, restrict_command, said_to, wider
from streams.rights.restriction import (
    asked_purposes,
    ground_of,
    objectionable,
    places,
    recipients_at,
)


def widening(
    request: RequestState,
    person: ResolvedSubject,
    reader: IndexReader,
    catalogue: Catalogue,
    keyed: KeyedCounts,
) -> Widened | None:
    """What systems are to be told beyond what they were: a system, purpose, category or kind of record that the
    restriction reaches by now, data under an identifier that they were not sent, or a record that only its key names.
    None for nothing.

    `person`: as resolved now; `keyed`: of them. Raises IndexUnavailable.
    """
    if not reaches_later(request) or request.identity is None:
        return None
    found, chosen = reader.find(person.spans), objectionable if request.objects else asked_purposes
    here = places(found, request.scope, catalogue, chosen)
    fresh = [span for span in person.spans if not any(_within(span, one) for one in request.identity.spans)]
    renamed = places(reader.find(fresh), request.scope, catalogue, chosen) if fresh else {}
    said = {item["system"]: item for item in (request.plan or {}).get("restricted", ())}
    commands = []
    for system, place in here.items():
        own = command_id(request.request_id, system)
        known = request.commands.get(own)
        anew = system in renamed or _more_by_key(known, place, person.spans, reader, keyed)
        whole = wider(place, said.get(system), known, anew=anew)
        if whole is None:
            continue
        said[system] = said_to(system, whole, ground_of(request, sorted(whole.purposes), catalogue))
        counts = counted_records(place, person.spans, reader)
        records = {**(known.records if known else {}), **counts}
        command = restrict_command(own, system, records, catalogue)
        command, said[system] = planned_by_key(
            command, said[system], place.records.values(), keyed, sum(counts.values())
        )
        commands.append(command)
    if not commands:
        return None
    told = {item.system for item in commands}
    given = recipients_at(found, [place for system, place in here.items() if system in told], catalogue)
    return Widened(
        restricted=tuple(said[name] for name in sorted(said)),
        recipients=tuple(sorted({*given, *(request.plan or {}).get("recipients", ())})),
        commands=tuple(commands),
        identity=snapshot_of(person).json(),
        remarks=tuple(person.problems),
        run=request.length,
    )


def _more_by_key(
    known: Command | None, place: Place, spans: Sequence[Span], reader: IndexReader, keyed: KeyedCounts
) -> bool:
    """Whether more records are named by their own key alone than the system was told: what it restricts by then reaches
    none of these. Of a system that was told none it is not asked."""
    if known is None or not known.by_key:
        return False
    tag_sets = {tag_set for ids in place.records.values() for tag_set in ids}
    planned = sum(counted_records(place, spans, reader).values())
    return keyed.at(known.system, tag_sets, planned).by_key > known.by_key


def _within(span: Span, known: Span) -> bool:
    """Whether the system that was told `known` knows all of the span."""
    since = known.since is None or (span.since is not None and known.since <= span.since)
    until = known.until is None or (span.until is not None and span.until <= known.until)
    ports = known.port_from <= span.port_from and span.port_to <= known.port_to
    return span.token == known.token and since and until and ports
