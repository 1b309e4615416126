"""The registry client against a schema registry: the stub, and a real one where INNSYN_TEST_REGISTRY names it."""

from __future__ import annotations

import gzip
import json
import os
import threading
import time
import tracemalloc
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from console.cli.doctor import _registered
from schemas.codec import confluent_prefix
from schemas.errors import RegistryUnavailable, SchemaError, SchemaTooLarge, UnknownSchema
from schemas.records import RecordSchema, load_records, parse_record, read_record
from streams.kafka.registry import Registry
from streams.tagging.decode.schema_lookup import RefusedSchema, WriterSchemas
from tests.support.company import model
from tests.support.contracts import TOPIC_SAID, company
from tests.support.registry_stub import registry_stub

REAL = os.environ.get("INNSYN_TEST_REGISTRY")
NOWHERE = 2_000_000_000


@pytest.fixture(params=["stub", *(["real"] if REAL else [])])
def registry(request: pytest.FixtureRequest) -> Iterator[Registry]:
    """A client of each registry there is."""
    if request.param == "real":
        assert REAL is not None
        with Registry(REAL) as client:
            yield client
        return
    with registry_stub() as (url, _), Registry(url) as client:
        yield client


@pytest.fixture
def subject() -> str:
    """A subject nobody used before: a real registry keeps what earlier runs left."""
    return f"test.{uuid.uuid4().hex}-value"


def narrowed(record: RecordSchema) -> RecordSchema:
    """The record with its first field without default taken out."""
    fields = record.json["fields"]
    first = next(field for field in fields if "default" not in field)
    return read_record({**record.json, "fields": [f for f in fields if f is not first]}, record.file)


@pytest.mark.parametrize("name", sorted(load_records()))
def test_annotations_come_back_from_the_registry(registry: Registry, subject: str, name: str) -> None:
    """What was registered is what comes back: same fingerprint, same annotations."""
    record = load_records()[name]
    schema_id = registry.register(subject, record)
    back = parse_record(registry.schema(schema_id), record.file)
    assert back.fingerprint == record.fingerprint
    assert (back.annotation, back.fields) == (record.annotation, record.fields)


def test_registering_again_gives_the_same_id(registry: Registry, subject: str) -> None:
    """Registering can be repeated."""
    record = load_records()["WebVisit"]
    assert registry.register(subject, record) == registry.register(subject, record)


def test_records_have_different_ids(registry: Registry, subject: str) -> None:
    """Two records under two subjects never share an id."""
    one = registry.register(subject, load_records()["WebVisit"])
    assert registry.register(f"other.{subject}", load_records()["Payment"]) != one


def test_incompatible_record_is_refused(registry: Registry, subject: str) -> None:
    """A version that cannot read the latest one is refused and named."""
    record = load_records()["Payment"]
    registry.register(subject, narrowed(record))
    assert not registry.compatible(subject, record)
    with pytest.raises(SchemaError, match=r"avro/payment\.avsc: Payment: .*incompatible"):
        registry.register(subject, record)


def test_new_subject_takes_any_record(registry: Registry, subject: str) -> None:
    """A subject without versions is compatible with everything, and with less once it has one."""
    record = load_records()["Payment"]
    assert registry.compatible(subject, record)
    registry.register(subject, record)
    assert registry.compatible(subject, narrowed(record))


def test_unknown_id_is_unknown(registry: Registry) -> None:
    """An id nobody registered is UnknownSchema, not a failure of the registry."""
    with pytest.raises(UnknownSchema, match=str(NOWHERE)):
        registry.schema(NOWHERE)


def test_id_is_fetched_once() -> None:
    """An id is asked for once; an unknown one again each time, since it may come to exist."""
    with registry_stub() as (url, store), Registry(url) as client:
        with pytest.raises(UnknownSchema):
            client.schema(1)
        client.register("a-value", load_records()["WebVisit"])
        assert client.schema(1) == client.schema(1)
        assert store.requests.count("GET /schemas/ids/1") == 2


def test_registry_that_is_down_is_unavailable() -> None:
    """A registry that does not answer says so, with its address and without credentials."""
    with registry_stub() as (url, _):
        pass
    secret = url.replace("http://", "http://user:hemmelig@")
    with Registry(secret) as client, pytest.raises(RegistryUnavailable) as caught:
        client.schema(1)
    assert url in str(caught.value)
    assert "hemmelig" not in f"{caught.value} {client!r}"


def test_credentials_are_sent() -> None:
    """A registry behind a login is reached with credentials and refuses without."""
    with registry_stub(locked=True) as (url, _):
        with Registry(url) as client, pytest.raises(RegistryUnavailable, match="INNSYN_REGISTRY_USERNAME"):
            client.register("a-value", load_records()["WebVisit"])
        with Registry(url, ("user", "word")) as client:
            assert client.register("a-value", load_records()["WebVisit"]) == 1


def test_every_version_of_a_subject_is_told(registry: Registry, subject: str) -> None:
    """With its id, the oldest first; a subject that is not there has none."""
    assert list(registry.versions(subject)) == []
    record = load_records()["WebVisit"]
    note = {"name": "note", "type": "string", "default": "", "innsyn": {"category": "none"}}
    later = parse_record({**record.json, "fields": [*record.json["fields"], note]}, record.file)
    ids = [registry.register(subject, item) for item in (record, later)]
    told = list(registry.versions(subject))
    assert [schema_id for schema_id, _ in told] == ids
    assert [parse_record(text, "told").fingerprint for _, text in told] == [
        record.fingerprint,
        later.fingerprint,
    ]


class _Endless(BaseHTTPRequestHandler):
    """Says that a schema is coming, and never ends it."""

    part = b"x" * 65_536
    pause = 0.0
    sent = 0
    head = (("Content-Type", "application/vnd.schemaregistry.v1+json"),)

    def do_GET(self) -> None:
        self.send_response(200)
        for name, value in self.head:
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(b'{"schema": "')
            # Far above the bound: an answer that is read to its end would be ended by this.
            while type(self).sent < 256 * 1024 * 1024:
                self.wfile.write(self.part)
                self.wfile.flush()
                type(self).sent += len(self.part)
                time.sleep(self.pause)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


@contextmanager
def endless(**more: Any) -> Iterator[tuple[str, type[_Endless]]]:
    handler: type[_Endless] = type("Handler", (_Endless,), {"sent": 0, **more})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", handler
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_schema_without_end_is_not_read_and_parks_its_messages() -> None:
    """Whoever may register a schema would take all memory, or hold all topics: it is refused as one too large."""
    with endless() as (url, handler), Registry(url) as client:
        with pytest.raises(SchemaTooLarge, match=r"registry id 7.*256 KiB"):
            client.schema(7)
        with pytest.raises(RefusedSchema) as caught:
            WriterSchemas([], model().catalogue, client).resolve(confluent_prefix(7), "WebVisit")
        assert handler.sent < 32 * 1024 * 1024
    assert caught.value.reason == "schema_too_large"
    assert "registry id 7" in caught.value.rule


def test_any_other_answer_without_end_is_no_registrys() -> None:
    with endless() as (url, handler), Registry(url) as client:
        with pytest.raises(RegistryUnavailable, match="another form"):
            list(client.versions("web.visits-value"))
        assert handler.sent < 32 * 1024 * 1024


def test_an_answer_that_trickles_is_given_up() -> None:
    """Each byte came within the time-out."""
    with (
        endless(part=b"x", pause=0.02) as (url, _),
        Registry(url, timeout=0.3) as client,
        pytest.raises(RegistryUnavailable, match="ReadTimeout"),
    ):
        client.schema(7)


def test_a_packed_answer_is_not_unpacked() -> None:
    """A few kB would become any size; we ask for none."""
    bomb = gzip.compress(b'{"schema": "' + b" " * (64 * 1024 * 1024) + b'"}')

    class Packed(_Endless):
        def do_GET(self) -> None:
            assert self.headers["Accept-Encoding"] == "identity"
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(bomb)))
            self.end_headers()
            self.wfile.write(bomb)

    with endless(do_GET=Packed.do_GET) as (url, _), Registry(url) as client:
        tracemalloc.start()
        with pytest.raises(RegistryUnavailable, match="another form"):
            client.schema(7)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert most < 16 * 1024 * 1024


def test_doctor_names_a_schema_that_is_too_large_beside_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ended the look at all topics behind it."""

    def versions(_: Registry, subject: str) -> Iterator[tuple[int, str]]:
        if subject == "web.visits-value":
            raise SchemaTooLarge("web.visits-value version 2", "schema", "is larger than 256 KiB; split it")
        yield 1, load_records()["CustomerDetails"].text

    monkeypatch.setattr(Registry, "versions", versions)
    with Registry("http://127.0.0.1:1") as client:
        (wrong,) = [check for check in _registered(client, model()) if check.state == "wrong"]
    assert "web.visits are set aside" in wrong.detail
    assert "web.visits-value version 2" in wrong.detail


def test_doctor_asks_no_annotations_of_a_schema_that_somebody_else_owns(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A contract says for it what it does not say of itself."""
    bare = json.dumps({"type": "record", "name": "Order", "fields": [{"name": "id", "type": "string"}]})

    def versions(_: Registry, subject: str) -> Iterator[tuple[int, str]]:
        if subject == "shop.orders-value":
            yield 1, bare

    monkeypatch.setattr(Registry, "versions", versions)
    shop = company(tmp_path, {"shop.orders": TOPIC_SAID}, format="avro")
    with Registry("http://127.0.0.1:1") as client:
        assert [check.state for check in _registered(client, shop)] == ["ok"]


def test_the_newest_schema_says_what_it_is_and_whose() -> None:
    """Its kind, where that is not Avro, and the owner that the registry's metadata name."""
    with registry_stub() as (url, store), Registry(url) as client:
        owned = {"metadata": {"properties": {"owner": " parcels "}}}
        number = store.put("a-value", 'syntax = "proto3";', "PROTOBUF", **owned)
        found = client.latest("a-value")
        assert found is not None
        assert (found.kind, found.owner) == ("PROTOBUF", "parcels")
        assert "proto3" not in repr(found)
        by_id = client.by_id(number)
        assert by_id is not None
        assert (by_id.kind, by_id.owner) == ("PROTOBUF", "")
        store.put("b-value", '{"type": "record", "name": "B", "fields": []}', "AVRO", metadata="strange")
        second = client.latest("b-value")
        assert second is not None
        assert (second.kind, second.owner) == ("AVRO", "")
        assert client.latest("c-value") is None
        assert client.by_id(99) is None
