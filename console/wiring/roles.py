"""The roles of innsyn, put together from the settings: tagger, rights worker, API. The same in every way to run."""

from __future__ import annotations

import socket
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from console.api.app import create_app
from console.api.protection.doors import Doors
from console.api.protection.pool import DEFAULT_LIMITS, QuestionLimits
from console.api.protection.recorder import Recorder
from console.api.services import Services
from console.health.health import Health
from console.operations.dead_letters import DeadLetterDesk
from console.operations.replay import Replays
from console.wiring.answering import Answering, identities, keyring, token_keys
from console.wiring.clock import now
from console.wiring.company import company_of
from schemas.company import Company
from schemas.errors import SettingsError
from schemas.keys import Keyring
from schemas.own import own_record
from schemas.settings import Settings
from schemas.tokens import Tokenizer
from schemas.topics import Topic
from sinks.ports.sinks import Sinks
from streams.feeds.run.refused import index_feed_dead_letters
from streams.identity.identities import Identities
from streams.identity.rekeyed import RekeyedBeside, RekeyedClaims, RekeyedEraser, RekeyedReader, Same
from streams.kafka.connection import Connection
from streams.kafka.dead_letters import DeadLetters, DeadLetterStore
from streams.kafka.producer import EventProducer
from streams.kafka.registry import Registry
from streams.metrics import TagMetrics
from streams.rights.again import again
from streams.rights.protocol.messages import RECEIPTS, REQUESTS, Send
from streams.rights.service import RightsService
from streams.rights.touched import NotingBeside, NotingClaims, NotingReader
from streams.rights.worker import RightsWorker
from streams.tagging.decode.refusals import Refusals
from streams.tagging.decode.schema_lookup import WriterSchemas
from streams.tagging.pairs import NoDeadLetters, PairsOnly
from streams.tagging.prepare import Preparer
from streams.tagging.progress import Progress
from streams.tagging.retry import Retrier
from streams.tagging.scan import Scanner, load_recognisers
from streams.tagging.tag import Tagger
from streams.tagging.worker import TagLimits, TagWorker
from streams.waits import Waits


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
        dead_letters=NoDeadLetters() if pairs_only else _dead_letters(settings, connection, chosen),
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
        limits=TagLimits(
            batch_events=settings.tag_batch_events,
            batch_seconds=settings.tag_batch_seconds,
            unknown_schema_seconds=settings.unknown_schema_wait_seconds,
        ),
    )


def _dead_letters(settings: Settings, connection: Connection, topics: Mapping[str, Topic]) -> DeadLetters:
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
    )


def writer_schemas(settings: Settings) -> WriterSchemas:
    """Every committed version, and the registry's where one is set."""
    company = company_of(settings)
    foreign = company.contracts.values()
    return WriterSchemas(company.writers, company.catalogue, schema_registry(settings), foreign)


def schema_registry(settings: Settings, timeout: float = 10.0) -> Registry | None:
    """The one that is set."""
    if settings.registry_url is None:
        return None
    password = settings.registry_password.get_secret_value() if settings.registry_password else ""
    auth = (settings.registry_username, password) if settings.registry_username else None
    return Registry(settings.registry_url, auth, timeout)


def dead_letter_desk(
    settings: Settings, connection: Connection, sinks: Sinks, rights: RightsService
) -> DeadLetterDesk:
    """Retries tag as the tagger would now: by the schemas that are known by then.

    Requests and receipts are taken by `rights`, as they would be now.
    """
    company = company_of(settings)
    topics = company.tagged
    keys = token_keys(sinks, settings)

    def preparer() -> Preparer:
        tagger = made_tagger(keys.tagging(), company, keyring(settings, create=True))
        resolve = writer_schemas(settings).resolve
        expected = {name: topic.record for name, topic in topics.items()}
        return Preparer(tagger, resolve, expected, contracts=company.contracts)

    read = {**topics, **{name: company.topics[name] for name in (REQUESTS, RECEIPTS)}}
    retrier = Retrier(
        connection,
        {name: topic.dead_letter for name, topic in read.items() if topic.dead_letter},
        preparer=preparer,
        index=sinks.writer(),
        keyring=keyring(settings),
        record=own_record("DeadLetter"),
        clock=now,
        takers={
            REQUESTS: again(REQUESTS, rights.on_request, own_record("RightsRequest")),
            RECEIPTS: again(RECEIPTS, rights.on_receipt, own_record("ErasureReceipt")),
        },
    )
    return DeadLetterDesk(sinks.dead_letters, retrier, now)


def rights_service(settings: Settings, sinks: Sinks, send: Send) -> RightsService:
    company = company_of(settings)
    keys = token_keys(sinks, settings)
    same = Same(sinks.pairs, keys.rotated)
    people = Identities(
        RekeyedClaims(NotingClaims(sinks.claims), same),
        company.identity_sources,
        RekeyedBeside(NotingBeside(sinks.beside), same),
    )
    return RightsService(
        sinks.requests,
        RekeyedReader(NotingReader(sinks.reader), same),
        RekeyedEraser(sinks.eraser, same),
        people,
        keyring(settings, create=True),
        company,
        send,
        now,
        tokenizer=keys.tokenizer,
        changed=sinks.marks.learnt,
        keys_kept=timedelta(days=settings.request_key_days),
        marks=sinks.marks,
    )


def rights_worker(
    settings: Settings,
    connection: Connection,
    sinks: Sinks,
    service: RightsService,
    waits: Waits | None = None,
) -> RightsWorker:
    """The agents around the service; what they cannot read is set aside where the DPO sees it."""
    letters = _dead_letters(settings, connection, company_of(settings).topics)
    return RightsWorker(connection, service, DeadLetterStore(letters, sinks.writer(), now), waits)


def feed_dead_letters_indexed(connection: Connection, sinks: Sinks) -> Callable[[threading.Event], None]:
    """What enters the refused records of feeds in the index, until it is told to stop."""
    return lambda stop: index_feed_dead_letters(connection, sinks.writer(), stop)


def replays(settings: Settings, connection: Connection, sinks: Sinks) -> Replays:
    """Replays in this process, beside its tagger."""

    def make(topics: Sequence[str], metrics: TagMetrics) -> TagWorker:
        return tagger(settings, connection, sinks, metrics, topics=topics, replay=True)

    return Replays(make, now)


def question_limits(settings: Settings) -> QuestionLimits:
    return QuestionLimits(settings.question_seconds, settings.question_workers, settings.question_queue)


def recorder(sinks: Sinks, metrics: CollectorRegistry) -> Recorder:
    """What keeps the record of questions in the index. The caller stops it."""
    return Recorder(sinks.audit, metrics)


def doors(settings: Settings, metrics: CollectorRegistry) -> Doors:
    """How often may be knocked at the API."""
    return Doors(metrics, settings.lookups_per_second, settings.lookups_burst)


def api(
    answering: Answering,
    rights: RightsService,
    metrics: CollectorRegistry,
    token: str,
    replays: Replays | None = None,
    desk: DeadLetterDesk | None = None,
    health: Health | None = None,
    notices: Callable[[], Sequence[str]] = tuple,
    limits: QuestionLimits = DEFAULT_LIMITS,
    *,
    recorder: Recorder,
    doors: Doors,
) -> Any:
    """The HTTP API over an open index. `notices`: see `Services`."""
    return create_app(
        Services(
            reader=answering.reader,
            identities=answering.identities,
            tokens=answering.tokens,
            company=answering.company,
            rights=rights,
            metrics=metrics,
            clock=now,
            token=token,
            dead_letters=answering.dead_letters,
            health=health or Health(now),
            notices=notices,
            limits=limits,
            recorder=recorder,
            doors=doors,
            replays=replays,
            desk=desk,
        )
    )
