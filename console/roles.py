"""The roles of innsyn, put together from the settings: tagger, rights worker, API. The same in every way to run."""

from __future__ import annotations

import signal
import socket
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import uvicorn
from prometheus_client import CollectorRegistry

from console.api.app import create_app
from console.api.services import Services
from console.deadletters import DeadLetterDesk
from console.replay import Replays
from console.session import Reading, identities
from console.taggers import Unread
from schemas.catalogue import load_catalogue
from schemas.errors import SettingsError
from schemas.keys import Keyring
from schemas.records import load_records
from schemas.settings import Settings
from schemas.topics import Topic, load_topics
from schemas.versions import known_writers
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.deadletters import DeadLetterIndex
from sinks.clickhouse.erase import ClickHouseEraser
from sinks.clickhouse.reader import ClickHouseReader
from sinks.clickhouse.requests import RequestLedger
from sinks.clickhouse.writer import ClickHouseWriter
from streams.feeds.refused import follow_refused
from streams.kafka.connection import Connection
from streams.kafka.deadletters import DeadLetters, SetAside
from streams.kafka.groups import unread
from streams.kafka.producer import EventProducer
from streams.kafka.registry import Registry
from streams.metrics import TagMetrics
from streams.rights.agents import RightsWorker
from streams.rights.messages import Send
from streams.rights.service import RightsService
from streams.tagging.batch import Preparer
from streams.tagging.retry import Retrier
from streams.tagging.scan import Scanner, load_recognisers
from streams.tagging.tag import Tagger
from streams.tagging.worker import TagLimits, TagWorker
from streams.tagging.writers import WriterSchemas

# Claims are written with the ranges of their batch, so the ledger shows that there is something new of either kind.
# What a retry of a dead letter brings has no range.
_LEARNT = (
    "SELECT count(), sum(rows), max(written_at), (SELECT count() FROM dead_letter_events) FROM ingest_ledger"
)


def now() -> datetime:
    return datetime.now(UTC)


def tagged_topics() -> Mapping[str, Topic]:
    """The topics that a tagger reads."""
    return {name: topic for name, topic in load_topics().items() if topic.tagged}


def tagger(
    settings: Settings,
    connection: Connection,
    index: ClickHouse,
    metrics: TagMetrics,
    *,
    topics: Sequence[str] = (),
    replay: bool = False,
) -> TagWorker:
    """A tagger of the topics named, or of all. A replay reads as a group of its own, beside the running taggers."""
    known = tagged_topics()
    if unknown := [name for name in topics if name not in known]:
        raise SettingsError(f"{unknown[0]} is not a tagged topic; use one of {', '.join(sorted(known))}")
    chosen = {name: topic for name, topic in known.items() if not topics or name in topics}
    records, catalogue = load_records(), load_catalogue()
    keyring = Keyring(settings.keys_folder, realms=settings.own_realms)
    dead = {name: topic.dead_letter for name, topic in chosen.items() if topic.dead_letter}
    return TagWorker(
        connection,
        f"{settings.tag_group}-replay-{uuid.uuid4().hex[:8]}" if replay else settings.tag_group,
        {name: topic.record for name, topic in chosen.items()},
        tagger=Tagger(keyring.tokenizer(), catalogue.version, Scanner(load_recognisers())),
        schemas=writer_schemas(settings),
        index=ClickHouseWriter(index),
        identities=identities(index, catalogue),
        dead_letters=DeadLetters(EventProducer(connection), keyring, records["DeadLetter"], dead),
        metrics=metrics,
        clock=now,
        worker=settings.tag_worker or socket.gethostname(),
        member=None if replay else settings.tag_worker,
        replay=replay,
        limits=TagLimits(
            batch_events=settings.tag_batch_events,
            batch_seconds=settings.tag_batch_seconds,
            dead_letter_ratio=settings.dead_letter_ratio,
            dead_letter_floor=settings.dead_letter_floor,
            unknown_schema_seconds=settings.unknown_schema_wait_seconds,
        ),
    )


def writer_schemas(settings: Settings) -> WriterSchemas:
    """Every committed version, and the registry's where one is set."""
    registry = None
    if settings.registry_url:
        password = settings.registry_password.get_secret_value() if settings.registry_password else ""
        auth = (settings.registry_username, password) if settings.registry_username else None
        registry = Registry(settings.registry_url, auth)
    return WriterSchemas(known_writers(), registry, load_catalogue().identity_sources)


def dead_letter_desk(settings: Settings, connection: Connection, index: ClickHouse) -> DeadLetterDesk:
    """Retries tag as the tagger would now: by the schemas that are known by then."""
    topics = tagged_topics()
    keyring = Keyring(settings.keys_folder, create=False, realms=settings.own_realms)

    def preparer() -> Preparer:
        tagger = Tagger(keyring.tokenizer(), load_catalogue().version, Scanner(load_recognisers()))
        resolve = writer_schemas(settings).resolve
        return Preparer(tagger, resolve, {name: topic.record for name, topic in topics.items()})

    retrier = Retrier(
        connection,
        {name: topic.dead_letter for name, topic in topics.items() if topic.dead_letter},
        preparer=preparer,
        index=ClickHouseWriter(index),
        keyring=keyring,
        record=load_records()["DeadLetter"],
        clock=now,
    )
    return DeadLetterDesk(DeadLetterIndex(index), retrier, now)


def rights_service(settings: Settings, index: ClickHouse, send: Send) -> RightsService:
    catalogue = load_catalogue()
    return RightsService(
        RequestLedger(index),
        ClickHouseReader(index),
        ClickHouseEraser(index),
        identities(index, catalogue),
        Keyring(settings.keys_folder, realms=settings.own_realms),
        catalogue,
        send,
        now,
        changed=lambda: index.query(_LEARNT),
    )


def rights_worker(
    settings: Settings, connection: Connection, index: ClickHouse, service: RightsService
) -> RightsWorker:
    """The agents around the service; what they cannot read is set aside where the DPO sees it."""
    dead = {name: topic.dead_letter for name, topic in load_topics().items() if topic.dead_letter}
    letters = DeadLetters(
        EventProducer(connection), Keyring(settings.keys_folder), load_records()["DeadLetter"], dead
    )
    return RightsWorker(connection, service, SetAside(letters, ClickHouseWriter(index), now))


def refused_followed(connection: Connection, index: ClickHouse) -> Callable[[threading.Event], None]:
    """What enters the refused records of feeds in the index, until it is told to stop."""
    return lambda stop: follow_refused(connection, ClickHouseWriter(index), stop)


def replays(settings: Settings, connection: Connection, index: ClickHouse) -> Replays:
    """Replays in this process, beside its tagger."""

    def make(topics: Sequence[str], metrics: TagMetrics) -> TagWorker:
        return tagger(settings, connection, index, metrics, topics=topics, replay=True)

    return Replays(make, now)


def unread_topics(settings: Settings, connection: Connection) -> Unread:
    """Whether the taggers' group has every tagged topic."""
    group = settings.tag_group
    return Unread(lambda: unread(connection, group, tagged_topics()), group)


def api(
    reading: Reading,
    rights: RightsService,
    metrics: CollectorRegistry,
    token: str,
    replays: Replays | None = None,
    desk: DeadLetterDesk | None = None,
    taggers: Unread | None = None,
) -> Any:
    """The HTTP API over an open index."""
    return create_app(
        Services(
            reader=reading.reader,
            identities=reading.identities,
            tokenizer=reading.tokenizer,
            catalogue=reading.catalogue,
            rights=rights,
            metrics=metrics,
            clock=now,
            token=token,
            dead_letters=reading.dead_letters,
            problems=lambda: [*reading.problems(), *(taggers.problems() if taggers else ())],
            replays=replays,
            desk=desk,
        )
    )


class Background:
    """A role in a thread. What ends it is kept, and `wake` is told at once."""

    def __init__(self, name: str, run: Callable[[threading.Event], None], wake: threading.Event) -> None:
        self.name = name
        self.error: BaseException | None = None
        self._run = run
        self._wake = wake
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end and wait until it has."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _main(self) -> None:
        try:
            self._run(self._stop)
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits for the roles
            self.error = error
        finally:
            self._wake.set()


class ApiServer:
    """uvicorn in a thread, on a port that is ours before it starts."""

    def __init__(self, app: Any, host: str, port: int) -> None:
        self._socket = _listen(host, port)
        self.address = f"http://{host if ':' not in host else f'[{host}]'}:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5)
        self._server = uvicorn.Server(config)

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop`."""
        thread = threading.Thread(target=self._end_with, args=(stop,), daemon=True)
        thread.start()
        with closing(self._socket):
            self._server.run(sockets=[self._socket])
        stop.set()

    def _end_with(self, stop: threading.Event) -> None:
        stop.wait()
        self._server.should_exit = True


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio asks for it before it turns Nagle's algorithm off: 40 ms a call otherwise.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"port {port} on {host} cannot be used ({error.strerror}); set INNSYN_API_PORT to a free one"
        ) from error
    return listener


def until_signal() -> threading.Event:
    """An event that ctrl-C or SIGTERM sets; a second one ends the process the usual way."""
    event = threading.Event()

    def ask(number: int, _: object) -> None:
        event.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    return event


def raise_first(roles: Sequence[Background]) -> None:
    """Raise what ended one of the roles, if anything did."""
    for role in roles:
        if role.error is not None:
            raise role.error
