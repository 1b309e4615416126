"""`python -m bench.fuzz_guided [-max_total_time=600]`: bytes that libFuzzer finds by the branches that they reach.

Needs atheris (`pip install atheris`), which is in no lock: 35 MB for this alone. The first byte chooses what the rest
is: the text of a registered schema, or a body of one of our records or of records that nobody should register.
"""

from __future__ import annotations

import json
import sys

import atheris

with atheris.instrument_imports(include=["schemas", "streams.tagging"]):
    from schemas.bounds import largest_body
    from schemas.catalogue import load_catalogue
    from schemas.records import RecordSchema, load_records, parse_record
    from streams.tagging.decode import isolated
    from streams.tagging.decode.columnar import Bodies, ColumnDecoder
    from streams.tagging.decode.isolated import Isolated
    from streams.tagging.decode.schema_lookup import judged

_TECHNICAL = {"category": "none"}
_ODD = (
    {"type": "array", "items": "null"},
    {"type": "map", "values": {"type": "array", "items": "float"}},
    ["null", {"type": "record", "name": "Inner", "fields": [{"name": "next", "type": ["null", "Inner"]}]}],
    ["null", "string", {"type": "array", "items": ["null", "boolean", "bytes"]}],
    {"type": "array", "items": {"type": "fixed", "name": "Z", "size": 0}},
)


def _with(avro_type: object) -> RecordSchema:
    visit = load_records()["WebVisit"].json
    text = json.dumps(visit | {"fields": [*visit["fields"], {"name": "more", "type": avro_type}]})
    text = text.replace('"name": "next",', '"name": "next", "innsyn": {"category": "none"},')
    schema = json.loads(text)
    schema["fields"][-1]["innsyn"] = _TECHNICAL
    return parse_record(schema, "odd")


RECORDS = [*load_records().values(), *map(_with, _ODD)]
DECODERS = [ColumnDecoder(record, [record.event_time]) for record in RECORDS]
CATALOGUE = load_catalogue()


def one(data: bytes) -> None:
    if not data:
        return
    if data[0] == 255:
        judged(data[1:].decode(errors="replace"), "fuzzed", CATALOGUE)
        return
    chosen = data[0] % len(RECORDS)
    # Half a body of its own, then the whole: neither may read into the other.
    bodies = Bodies.of([data[1 : len(data) // 2], data[1:]])
    decoder = DECODERS[chosen]
    found = decoder.decode(bodies)
    assert len(found.rows) + len(found.bad) == 2
    if decoder.columnar:
        other = decoder.decode_one_by_one(bodies)
        assert (found.rows.tolist(), found.bad) == (other.rows.tolist(), other.bad)
    elif not largest_body(RECORDS[chosen].json):
        # Nothing but the child has read it, so that this process is here to say so.
        assert all(isinstance(reason, str) for reason in found.bad.values())


def main() -> None:
    isolated.ISOLATED = Isolated(memory=48 * 1024 * 1024, processor_seconds=0.3)
    atheris.Setup(sys.argv, one, enable_python_coverage=True)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
