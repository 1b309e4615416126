"""Opens a command and signs a receipt, as docs/rights-protocol.md says, with cryptography and fastavro; no innsyn.

python job.py vectors.json AVRO_FOLDER: what the command opens to as JSON, then the receipt as hex digits; the same of
each other right, in the order of their names; who is kept of what has run out, and its receipt; a part of a copy that
is sealed here.
"""

import io
import json
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from fastavro import parse_schema, schemaless_reader, schemaless_writer

SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def plain(value):
    """With bytes as hex digits."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def canonical(record, *without):
    """Canonical JSON (RFC 8785) of a record without some fields."""
    fields = {name: plain(value) for name, value in record.items() if name not in without}
    return json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def schema_of(folder, record):
    """The newest version, without logical types: times and days stay the integers that they are."""
    files = sorted((Path(folder) / record).iterdir(), key=lambda file: int(file.stem))
    text = json.loads(files[-1].read_text("utf-8"))
    return parse_schema(
        json.loads(
            json.dumps(text), object_hook=lambda item: {k: v for k, v in item.items() if k != "logicalType"}
        )
    )


def opened(message, schema, key):
    """A command, whom it is about, and what a rectification says. Raises InvalidSignature, InvalidTag."""
    assert message[:2] == b"\xc3\x01"
    command = schemaless_reader(io.BytesIO(message[10:]), schema, None)
    if command["key_id"] != key["id"]:
        raise InvalidSignature
    innsyn = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key["verify"]))
    innsyn.verify(command["signature"], canonical(command, "signature"))
    unseal = X25519PrivateKey.from_private_bytes(bytes.fromhex(key["unseal"]))
    # Of what has run out those whose records stay are sealed: never to be taken for those whose records go.
    sealed = "sealed_kept" if "sealed_kept" in command else "sealed_identifiers"
    bound = canonical(command, "signature", sealed, "sealed_content")
    identifiers, content = SUITE.decrypt(command[sealed], unseal, bound), None
    if command.get("sealed_content") is not None:
        bound = canonical(command, "signature", "sealed_content")
        content = SUITE.decrypt(command["sealed_content"], unseal, bound)
    return command, json.loads(identifiers), json.loads(content) if content else None


def signed(said, schema, key, frame):
    """A receipt, or a part of a copy, as it is sent."""
    sign = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key["sign"]))
    body = io.BytesIO()
    schemaless_writer(body, schema, {**said, "signature": sign.sign(canonical(said, "signature"))})
    return frame + body.getvalue()


def sealed(part, records, copy_key):
    """A part of a copy with its records, sealed to the key of the command."""
    bound = canonical(part, "sealed", "signature")
    plain = json.dumps(records, ensure_ascii=False).encode()
    return {**part, "sealed": SUITE.encrypt(plain, X25519PublicKey.from_public_bytes(copy_key), bound)}


def again(message, schema, key):
    """A message of the job, decoded and signed anew."""
    said = schemaless_reader(io.BytesIO(message[10:]), schema, None)
    return said, signed(said, schema, key, message[:10]).hex()


if __name__ == "__main__":
    vectors, folder = json.loads(Path(sys.argv[1]).read_text("utf-8")), sys.argv[2]
    key, of = vectors["job_key"], bytes.fromhex
    erasure, receipt = (schema_of(folder, f"erasure_{name}") for name in ("command", "receipt"))
    right, answer = (schema_of(folder, f"rights_{name}") for name in ("command", "receipt"))
    expired = vectors["retention"]
    retention, frame = schema_of(folder, "retention_command"), of(expired["command"]["message"])[:10]
    for why, refused in vectors["refused"].items():
        message = of(refused)
        schema = erasure if message[:10] == of(vectors["command"]["message"])[:10] else right
        schema = retention if message[:10] == frame else schema
        try:
            opened(message, schema, key)
        except (InvalidSignature, InvalidTag):
            continue
        sys.exit(f"opened what is {why}")
    _, identifiers, _ = opened(of(vectors["command"]["message"]), erasure, key)
    print(json.dumps(identifiers, ensure_ascii=False))
    print(again(of(vectors["receipt"]["message"]), receipt, key)[1])
    for kind, item in sorted(vectors["rights"].items()):
        command, identifiers, content = opened(of(item["command"]["message"]), right, key)
        print(json.dumps({"identifiers": identifiers, "content": content}, ensure_ascii=False))
        print(again(of(item["receipt"]["message"]), answer, key)[1])
        if kind == "access":
            copy_key = command["copy_key"]
    _, kept, _ = opened(of(expired["command"]["message"]), retention, key)
    print(json.dumps(kept, ensure_ascii=False))
    print(again(of(expired["receipt"]["message"]), receipt, key)[1])
    message, schema = of(vectors["copy"]["part"]["message"]), schema_of(folder, "copy_part")
    part = sealed(again(message, schema, key)[0], vectors["copy"]["part"]["records"], copy_key)
    print(signed(part, schema, key, message[:10]).hex())
