"""Opens a command and signs a receipt, as docs/rights-protocol.md says, with cryptography and fastavro; no innsyn.

python job.py vectors.json COMMAND.avsc RECEIPT.avsc: what opens as JSON, then the receipt as hex digits.
"""

import io
import json
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
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


def schema_of(file):
    """Without logical types: times and days stay the integers that they are."""
    text = json.loads(Path(file).read_text("utf-8"))
    return parse_schema(
        json.loads(
            json.dumps(text), object_hook=lambda item: {k: v for k, v in item.items() if k != "logicalType"}
        )
    )


def opened(message, schema, key):
    """What a command is about. Raises InvalidSignature, InvalidTag."""
    assert message[:2] == b"\xc3\x01"
    command = schemaless_reader(io.BytesIO(message[10:]), schema, None)
    if command["key_id"] != key["id"]:
        raise InvalidSignature
    innsyn = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key["verify"]))
    innsyn.verify(command["signature"], canonical(command, "signature"))
    unseal = X25519PrivateKey.from_private_bytes(bytes.fromhex(key["unseal"]))
    bound = canonical(command, "signature", "sealed_identifiers")
    return SUITE.decrypt(command["sealed_identifiers"], unseal, bound)


def signed(receipt, schema, key, frame):
    """The receipt as it is sent."""
    sign = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key["sign"]))
    body = io.BytesIO()
    schemaless_writer(body, schema, {**receipt, "signature": sign.sign(canonical(receipt, "signature"))})
    return frame + body.getvalue()


if __name__ == "__main__":
    vectors = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    command, receipt = map(schema_of, sys.argv[2:4])
    for why, refused in vectors["refused"].items():
        try:
            opened(bytes.fromhex(refused), command, vectors["job_key"])
        except (InvalidSignature, InvalidTag):
            continue
        sys.exit(f"opened what is {why}")
    message, written = (bytes.fromhex(vectors[name]["message"]) for name in ("command", "receipt"))
    print(opened(message, command, vectors["job_key"]).decode())
    said = schemaless_reader(io.BytesIO(written[10:]), receipt, None)
    print(signed(said, receipt, vectors["job_key"], written[:10]).hex())
