"""The registry client against a schema registry: the stub, and a real one where INNSYN_TEST_REGISTRY names it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from schemas.errors import RegistryUnavailable, SchemaError, UnknownSchema
from schemas.records import RecordSchema, load_records, parse_record, read_record
from streams.kafka.registry import Registry
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
