"""JSON in columns: a batch gives what each of its messages gives alone, and one that is bad is bad alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import DecodeError
from schemas.paths import tree
from streams.tagging.decode.columnar import Bodies
from streams.tagging.decode.json_columns import JsonColumns, Messages
from streams.tagging.decode.values import json_value

PATHS = [
    "id",
    "at",
    "customer.number",
    "customer.email",
    "people[].number",
    "lines",
    "address.street",
    "map.*",
]
WANTED = {"id": "string", "at": "integer", "customer.number": "string", "people[].number": "string"}


def reader() -> JsonColumns:
    return JsonColumns(tree(PATHS), WANTED)


def plain(read: Messages) -> tuple[list[int], dict[str, list[Any]], dict[int, str], dict[str, int]]:
    columns = {path: read.columns[path].to_pylist() for path in WANTED}
    return read.rows.tolist(), columns, dict(read.bad), dict(read.untagged)


def alone(message: bytes) -> Any:
    """What the definition makes of one message."""
    return plain(reader().one_by_one([message]))


def in_batches(messages: list[bytes], columns: JsonColumns) -> None:
    """Read twice, as the second time the types are known: each message is as it is alone."""
    for _ in range(2):
        rows, found, bad, untagged = plain(columns.read(Bodies.of(messages)))
        apart = [alone(message) for message in messages]
        assert rows == [row for row, one in enumerate(apart) if one[0]]
        assert bad == {row: one[2][0] for row, one in enumerate(apart) if one[2]}
        for path in WANTED:
            assert found[path] == [one[1][path][0] for one in apart if one[0]]
        total: dict[str, int] = {}
        for one in apart:
            for path, count in one[3].items():
                total[path] = total.get(path, 0) + count
        assert untagged == total


GOOD = b'{"id": "007", "at": 5, "customer": {"number": "1"}, "people": [{"number": "2"}, {"number": "3"}]}'
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["007", "\ud800", "\u2028", 2**63, -(2**63), 10**400]),
)
KEYS = st.sampled_from(
    [
        "id",
        "at",
        "customer",
        "number",
        "email",
        "people",
        "lines",
        "address",
        "street",
        "map",
        "new",
        "[]",
        "a.b",
        "*",
    ]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
OBJECTS = st.fixed_dictionaries(
    {},
    optional={
        "id": st.text(max_size=4) | SCALARS,
        "at": st.integers(0, 10) | SCALARS,
        "customer": st.fixed_dictionaries({"number": st.text(max_size=3)}) | VALUES,
        "people": st.lists(st.fixed_dictionaries({"number": st.text(max_size=3)}), max_size=3) | VALUES,
        "new": VALUES,
        "address": VALUES,
    },
)


def written(value: Any) -> bytes:
    return json.dumps(value).encode()


def cut(message: bytes, at: int, by: bytes) -> bytes:
    at %= len(message) + 1
    return message[:at] + by + message[at:]


BROKEN = st.builds(
    cut,
    st.one_of(st.just(GOOD), OBJECTS.map(written)),
    st.integers(0, 200),
    st.sampled_from(
        [b"}", b"{", b'}\n{"r":', b'},"r":{', b"\n", b"\0", b"\xff", b'"', b",", b"NaN", b"\\", b"]", b"1"]
    ),
)
MESSAGES = st.one_of(
    st.just(GOOD),
    OBJECTS.map(written),
    OBJECTS.map(
        lambda value: json.dumps(value, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass")
    ),
    BROKEN,
    st.builds(lambda message, at: message[: at % len(message)], st.just(GOOD), st.integers(0, 200)),
    st.binary(max_size=8),
)


@given(st.lists(MESSAGES, max_size=12))
@settings(max_examples=400, deadline=None)
def test_a_batch_is_what_its_messages_are(messages: list[bytes]) -> None:
    """Also where messages are cut, glued, of other types, or written so that they would complete each other."""
    in_batches(messages, reader())


@given(OBJECTS)
@settings(max_examples=300, deadline=None)
def test_what_is_read_is_what_the_standard_library_reads(value: dict[str, Any]) -> None:
    """The strict reading says no or the same."""
    text = json.dumps(value)
    try:
        found = json_value(text.encode())
    except DecodeError:
        return
    assert json.dumps(found) == json.dumps(json.loads(text))


@pytest.mark.parametrize(
    "message",
    [
        b"", b"null", b"[]", b"7", b"{", b'{"id": "1"} x', b'{"id": "1"}{"id": "2"}', b'{"id": "1", "id": "2"}',
        b'{"new": 1, "new": 1}', b'{"id": 7}', b'{"id": {"a": 1}}', b'{"id": ["1"]}', b'{"at": "7"}', b'{"at": 7.0}',
        b'{"at": true}', b'{"at": 9223372036854775808}', b'{"at": NaN}', b'{"new": NaN}', b'{"new": -Infinity}',
        b'{"new": 1e999}', b'{"id": "\xff"}', b'{"id": "\\ud800"}', b'{"id": "a\nb"}', b'{"id": "a"}\0',
        b'\xef\xbb\xbf{"id": "a"}', b"{'id': 'a'}", b'{"id": "a",}', b'{"people": [{"number": 7}]}',
        b'{}}\n{"r":{}', b'{},"r":{}', b'{},"z":{}', b"[" * 100_000, b'{"new":' * 5_000 + b"1" + b"}" * 5_000,
    ],
)  # fmt: skip
def test_one_bad_message_is_bad_alone(message: bytes) -> None:
    """Its neighbours are read as if it were not there, at whichever place it stands."""
    assert alone(message)[2], "the definition refuses it"
    columns = reader()
    for at in (0, 3, 6):
        messages = [GOOD] * 6
        messages.insert(at, message)
        in_batches(messages, columns)


@pytest.mark.parametrize(
    ("message", "path", "value"),
    [
        (b'{"id": "007"}', "id", "007"),
        (b'{"id": "\\u0030\\u00307"}', "id", "007"),
        (b'{"at": 9223372036854775807}', "at", 2**63 - 1),
        (b'{"at": -0}', "at", 0),
        (b'\n{"id":\n"1"}\r\n', "id", "1"),
        (b'{"id": null}', "id", None),
        (b"{}", "id", None),
        (
            b'{"people": [{"number": "2"}, {}, {"number": null}, {"number": "2"}]}',
            "people[].number",
            ["2", "2"],
        ),
        (b'{"people": null}', "people[].number", []),
    ],
)
def test_values_are_kept_exactly(message: bytes, path: str, value: Any) -> None:
    """By both roads."""
    columns = reader()
    for _ in range(2):
        read = columns.read(Bodies.of([GOOD, message]))
        assert read.columns[path].to_pylist()[1] == value


def test_fields_that_no_path_names_are_counted() -> None:
    """By path, as often as they have a value; what a path covers is known."""
    known = b'{"lines": [{"sku": 1}], "map": {"x": {"y": 1}}, "address": {"street": "a"}, "id": null}'
    new = b'{"nick": "x", "customer": {"age": 1, "number": "1"}, "people": [{"x": 1}, {"x": null}], "none": null}'
    columns = reader()
    for _ in range(2):
        read = columns.read(Bodies.of([known, new, known, new]))
        assert read.untagged == {"nick": 2, "customer.age": 2, "people[].x": 2}
        assert not read.bad


def test_a_batch_is_read_at_once_when_its_types_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Message by message only for as long as there is something to learn."""
    columns = reader()
    messages = [GOOD] * 3_000
    assert len(columns.read(Bodies.of(messages)).rows) == 3_000
    monkeypatch.setattr(columns, "one_by_one", lambda _: pytest.fail("read one by one"))
    assert len(columns.read(Bodies.of(messages)).rows) == 3_000


def test_keys_that_never_end_are_not_all_learnt() -> None:
    """Somebody who writes a new key into each message fills no memory; the messages are read all the same."""
    columns = reader()
    messages = [json.dumps({"id": "1", f"k{number}": 1}).encode() for number in range(2_000)]
    read = columns.read(Bodies.of(messages))
    assert len(read.rows) == 2_000
    assert sum(read.untagged.values()) == 2_000


def test_an_empty_batch_has_its_columns() -> None:
    assert set(reader().read(Bodies.of([])).columns) == set(WANTED)
