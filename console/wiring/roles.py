"""The roles beside the tagger, put together from the settings: rights worker, API. The same in every way to run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
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
from console.wiring.answering import Answering, keeping, keyring, sealed_values, token_keys
from console.wiring.clock import now
from console.wiring.company import company_of
from console.wiring.mentions import mentions_in
from console.wiring.tagging import made_tagger, setting_aside, tagger, writer_schemas
from schemas.own import own_record
from schemas.settings import Settings
from sinks.ports.resurrected import Arrival
from sinks.ports.sinks import Sinks
from streams.duties.desk import Desk
from streams.evidence.book import LogBook
from streams.feeds.run.refused import index_feed_dead_letters
from streams.identity.identities import Identities
from streams.identity.rekeyed import (
    RekeyedBeside,
    RekeyedClaims,
    RekeyedEraser,
    RekeyedExpirer,
    RekeyedExpiry,
    RekeyedReader,
    Same,
)
from streams.kafka.connection import Connection
from streams.kafka.dead_letters import DeadLetterStore
from streams.metrics import TagMetrics
from streams.rights.again import again
from streams.rights.protocol.messages import COPIES, RECEIPTS, REQUESTS, Send
from streams.rights.right import Clocked, Retention
from streams.rights.service import RightsService
from streams.rights.touched import NotingBeside, NotingClaims, NotingReader
from streams.rights.worker import RightsWorker
from streams.tagging.prepare import Preparer
from streams.tagging.retry import Retrier
from streams.tagging.suppressed import Suppression
from streams.tagging.worker import TagWorker
from streams.waits import Waits


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

    read = {**topics, **{name: company.topics[name] for name in (REQUESTS, RECEIPTS, COPIES)}}
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
            COPIES: again(COPIES, rights.on_copy, own_record("CopyPart"), whole=True),
        },
        suppression=Suppression(sinks.suppression, Arrival.RETRY, Same(sinks.pairs, keys.rotated)),
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
        values=sealed_values(sinks, settings, same),
        open_letters=sinks.dead_letters.open,
        keeping=keeping(sinks, settings, same, people, keys.tokenizer),
        suppression=sinks.suppression,
        suppressed_for=timedelta(days=settings.suppression_days),
        copies=sinks.copies,
        copies_kept=timedelta(days=settings.copy_days),
        same=same,
        clocked=Clocked(
            sinks.clocks,
            RekeyedExpiry(sinks.expiry, same),
            Identities(RekeyedClaims(sinks.claims_retained, same), company.identity_sources),
            sinks.retained,
            settings.retention_people,
        ),
        retention=Retention(
            RekeyedExpiry(sinks.expiry, same),
            RekeyedExpirer(sinks.expirer, same),
            settings.retention_batch,
        ),
    )


def rights_worker(
    settings: Settings,
    connection: Connection,
    sinks: Sinks,
    service: RightsService,
    waits: Waits | None = None,
) -> RightsWorker:
    """The agents around the service; what they cannot read is set aside where the DPO sees it."""
    letters = setting_aside(settings, connection, company_of(settings).topics)
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
    book: LogBook,
    duties: Desk | None = None,
    approver_token: str | None = None,
) -> Any:
    """The HTTP API over an open index. `notices`, `approver_token`: see `Services`."""
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
            approver_token=approver_token,
            dead_letters=answering.dead_letters,
            open_letters=answering.open_letters,
            values=answering.values,
            keeping=answering.keeping,
            preservation=answering.preservation,
            expiry=answering.expiry,
            owners=answering.owners,
            breaches=answering.breaches,
            facts=answering.facts,
            reports=answering.sinks.reports,
            processed=answering.sinks.processed,
            mentions=mentions_in(answering.company.kinds),
            health=health or Health(now),
            notices=notices,
            limits=limits,
            recorder=recorder,
            doors=doors,
            book=book,
            duties=duties,
            replays=replays,
            desk=desk,
        )
    )
