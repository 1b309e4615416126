"""The tagger, put together from the settings. The same in every way to run.

Apart from the other roles, which need much that takes its time to load and that no tagger needs.
"""

from __future__ import annotations

import socket
import uuid
from collections.abc import Mapping, Sequence

from console.wiring.answering import identities, keyring, token_keys
from console.wiring.clock import now
from console.wiring.company import company_of
from console.wiring.registry import schema_registry
from schemas.company import Company
from schemas.errors import SettingsError
from schemas.facts import fact_words
from schemas.keys import Keyring
from schemas.own import own_record
from schemas.settings import Settings
from schemas.tokens import Tokenizer
from schemas.topics import Topic
from sinks.ports.resurrected import Arrival
from sinks.ports.sinks import Sinks
from streams.identity.rekeyed import Same
from streams.kafka.connection import Connection
from streams.kafka.dead_letters import DeadLetters
from streams.kafka.producer import EventProducer
from streams.metrics import TagMetrics
from streams.tagging.decode.refusals import Refusals
from streams.tagging.decode.schema_lookup import WriterSchemas
from streams.tagging.pairs import NoDeadLetters, PairsOnly
from streams.tagging.progress import Progress
from streams.tagging.scan import Scanner, load_recognisers
from streams.tagging.suppressed import Suppression
from streams.tagging.tag import Tagger
from streams.tagging.worker import TagLimits, TagWorker


def tagger(
    settings: Settings,
    connection: Connection,
    sinks: Sinks,
    metrics: TagMetrics,
    *,
    topics: Sequence[str] = (),
    replay: bool = False,
    progress: Progress | None = None,
    refusals: Refusals | None = None,
    pairs_only: bool = False,
) -> TagWorker:
    """A tagger of the topics named, or of all. A replay reads as a group of its own, beside the running taggers.

    `pairs_only`: it only writes which tokens of several keys are the same identifier's.
    """
    company = company_of(settings)
    known = company.tagged
    if unknown := [name for name in topics if name not in known]:
        raise SettingsError(f"{unknown[0]} is not a tagged topic; use one of {', '.join(sorted(known))}")
    chosen = {name: topic for name, topic in known.items() if not topics or name in topics}
    catalogue = company.catalogue
    keys = token_keys(sinks, settings)
    tokenizer = keys.tagging()
    # What a tagger asks for are tokens of its own key.
    same = Same(sinks.pairs, keys.rotated, newest=True)
    return TagWorker(
        connection,
        f"{settings.tag_group}-replay-{uuid.uuid4().hex[:8]}" if replay else settings.tag_group,
        {name: topic.record for name, topic in chosen.items()},
        tagger=made_tagger(tokenizer, company, None if pairs_only else keyring(settings, create=True)),
        schemas=writer_schemas(settings),
        index=PairsOnly(sinks.writer()) if pairs_only else sinks.writer(),
        identities=None
        if pairs_only
        else identities(sinks.claims_as_is, sinks.beside_as_is, catalogue, same),
        dead_letters=NoDeadLetters() if pairs_only else setting_aside(settings, connection, chosen),
        metrics=metrics,
        clock=now,
        worker=settings.tag_worker or socket.gethostname(),
        member=None if replay else settings.tag_worker,
        replay=replay,
        progress=progress,
        refusals=refusals,
        journals=settings.home / "journals",
        contracts=company.contracts,
        untagged=None if pairs_only else sinks.untagged,
        note_found=sinks.views.note_found,
        suppression=None
        if pairs_only
        else Suppression(sinks.suppression, Arrival.REPLAY if replay else Arrival.PRODUCER, same),
        limits=TagLimits(
            batch_events=settings.tag_batch_events,
            batch_seconds=settings.tag_batch_seconds,
            unknown_schema_seconds=settings.unknown_schema_wait_seconds,
        ),
    )


def setting_aside(settings: Settings, connection: Connection, topics: Mapping[str, Topic]) -> DeadLetters:
    """What sets messages of these topics aside, sealed, each in its own topic for that."""
    dead = {name: topic.dead_letter for name, topic in topics.items() if topic.dead_letter}
    return DeadLetters(
        EventProducer(connection), keyring(settings, create=True), own_record("DeadLetter"), dead
    )


def made_tagger(tokenizer: Tokenizer, company: Company, ring: Keyring | None) -> Tagger:
    """`ring`: under whose keys it seals the identifiers that claims mention; None: it seals none."""
    catalogue = company.catalogue
    return Tagger(
        tokenizer,
        catalogue.version,
        company.kinds,
        catalogue.placeholders,
        Scanner(company.kinds, load_recognisers()),
        ring,
        fact_words(catalogue, company.notices),
    )


def writer_schemas(settings: Settings) -> WriterSchemas:
    """Every committed version, and the registry's where one is set."""
    company = company_of(settings)
    foreign = company.contracts.values()
    return WriterSchemas(company.writers, company.catalogue, schema_registry(settings), foreign)
