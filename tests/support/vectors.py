"""Test vectors of the protocol: `python -m tests.support.vectors` writes `sdk/vectors.json` anew.

Keys, command and receipt are always the same; what is sealed is not, since HPKE takes a fresh key for each message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from schemas.messages import (
    ErasureCommand,
    ErasureReceipt,
    Kept,
    Order,
    Outcome,
    RecordCount,
    RetentionCommand,
    RunOut,
    Selector,
    encoded,
    value_of,
)
from schemas.vocabulary import ErasureReason, ReceiptState
from streams.rights.protocol.authentic import KEPT, SIGNATURE, bound_bytes, signed_bytes
from tests.support.pages import ROOT
from tests.support.pairs import INNSYN, INNSYN_VERIFY, JOB_KEY, KEY_ID, SEAL, SIGN, SYSTEM_KEY, UNSEAL, VERIFY
from tests.support.vectors_of_rights import Sealed, refused_of_rights, vectors_of_rights

FILE = ROOT / "sdk" / "vectors.json"
IDENTIFIERS: list[Any] = [
    ["customer_number", "k-100200"],
    ["email", "kåre@example.no"],
    ["ip", "192.0.2.7", "2026-03-01T12:00:00Z", 40000],
    ["cookie_id", "c-1", None, None],
    {
        "kind": "ip",
        "value": "192.0.2.8",
        "from": "2026-03-01T09:00:00Z",
        "until": "2026-03-01T10:00:00Z",
        "ports": [1000, 1999],
        "proof": "subscriber",
    },
    {"kind": "ip", "prefix": "2001:db8:1::/56", "from": "2026-03-01T09:00:00Z", "proof": "line_owner"},
    {"record": "WebVisit", "field": "visit_id", "value": "V-1001"},
]
STAYING = [item for item in IDENTIFIERS if isinstance(item, list) or "record" not in item]
"""Whose records stay where something has run out: people, and no record by its key."""
COMMAND = ErasureCommand(
    command_id="R-2026-0001/web",
    request_id="R-2026-0001",
    system="web",
    sealed_identifiers=b"",
    categories=("C-21", "C-22"),
    fields=("WebVisit.client_address", "WebVisit.page"),
    reason=ErasureReason.REQUEST,
    attempt=1,
    issued_at=datetime(2026, 3, 9, 7, 5, 0, 250_000, UTC),
    orders=(
        Order(
            "Login",
            ("C-10",),
            ("Login.user",),
            Selector("result", ("ok", "«nei»")),
            before=datetime(2026, 3, 1, tzinfo=UTC),
        ),
    ),
    cut_off=datetime(2026, 3, 9, 7, 4, 59, 999_000, UTC),
    purposes=("P-MARKETING",),
    kept=(
        Kept("Invoice", ("Invoice.name",), ("P-BILLING",), date(2031, 12, 31), "T01", "bokføringsloven § 13"),
        Kept("Ticket", ("Ticket.text",), (), None, "T18", "GDPR art. 17 nr. 3 bokstav e – rettskrav"),
    ),
    deadline=date(2026, 4, 9),
    expected=(RecordCount("WebVisit", 41),),
    key_id=KEY_ID,
)
RUN_OUT = RetentionCommand(
    command_id="x-20260309-1/web",
    request_id="x-20260309-1",
    system="web",
    sealed_kept=b"",
    records=(
        RunOut(
            "WebVisit",
            ("C-21",),
            ("WebVisit.client_address", "WebVisit.page"),
            None,
            datetime(2025, 12, 8, 23, tzinfo=UTC),
            "T13",
            "GDPR art. 5 nr. 1 bokstav e – «lagring»",
            41,
        ),
        RunOut(
            "Login",
            (),
            ("Login.user",),
            Selector("result", ("ok",), or_empty=True),
            datetime(2026, 3, 1, tzinfo=UTC),
            "T12",
            "",
            0,
        ),
    ),
    attempt=1,
    deadline=None,
    issued_at=datetime(2026, 3, 9, 7, 5, 0, 250_000, UTC),
    key_id=KEY_ID,
)
RUN_OUT_RECEIPT = ErasureReceipt(
    command_id="x-20260309-1/web",
    request_id="x-20260309-1",
    system="web",
    state=ReceiptState.PARTIAL,
    erased=40,
    held=1,
    ground=None,
    review_date=None,
    reason="undated",
    reported_at=datetime(2026, 3, 9, 7, 5, 9, 0, UTC),
    outcomes=(Outcome("WebVisit", 40, 0),),
    attempt=1,
    key_id=KEY_ID,
)
RECEIPT = ErasureReceipt(
    command_id="R-2026-0001/web",
    request_id="R-2026-0001",
    system="web",
    state=ReceiptState.WITHHELD,
    erased=41,
    held=2,
    ground="T18",
    review_date=date(2029, 3, 5),
    reason=None,
    reported_at=datetime(2026, 3, 9, 7, 5, 9, 0, UTC),
    outcomes=(Outcome("WebVisit", 40, 1, ("owner", "joint_owner")),),
    attempt=1,
    key_id=KEY_ID,
    citation="GDPR art. 17 nr. 3 bokstav e – rettskrav",
)


def vectors(sealed: bytes, kept: bytes, of_rights: Sealed) -> dict[str, Any]:
    """All of the file, with what was `sealed` once: of the erasure, of what has run out and of other rights."""
    run_out = _signed_run_out(replace(RUN_OUT, sealed_kept=kept))
    unsigned = replace(COMMAND, sealed_identifiers=sealed)
    command = replace(unsigned, signature=SYSTEM_KEY.sign(signed_bytes(value_of(unsigned))))
    receipt = replace(RECEIPT, signature=JOB_KEY.sign(signed_bytes(value_of(RECEIPT))))
    return {
        "about": "docs/rights-protocol.md. The keys are for tests alone.",
        "job_key": _hex(id=KEY_ID, unseal=UNSEAL, sign=SIGN, verify=INNSYN_VERIFY),
        "innsyn_key": _hex(id=KEY_ID, seal=SEAL, sign=INNSYN, verify=VERIFY),
        "command": {
            "message": encoded(command).hex(),
            "bound": bound_bytes(value_of(command)).decode(),
            "sealed_identifiers": sealed.hex(),
            "identifiers": IDENTIFIERS,
            **_signed(value_of(command)),
        },
        "receipt": {"message": encoded(receipt).hex(), **_signed(value_of(receipt))},
        "refused": {
            "altered": encoded(replace(command, attempt=2)).hex(),
            "not signed": encoded(unsigned).hex(),
            "signed by another": encoded(
                replace(unsigned, signature=JOB_KEY.sign(signed_bytes(value_of(unsigned))))
            ).hex(),
            "sealed for another command": encoded(_resealed(sealed)).hex(),
            "what has run out by another day than was signed": encoded(
                replace(run_out, records=(replace(RUN_OUT.records[0], before=RUN_OUT.issued_at),))
            ).hex(),
            "what has run out with the list of another command": encoded(
                _signed_run_out(replace(RUN_OUT, sealed_kept=sealed))
            ).hex(),
            **refused_of_rights(of_rights),
        },
        "retention": _retention(run_out),
        **vectors_of_rights(of_rights),
    }


def _retention(command: RetentionCommand) -> dict[str, Any]:
    receipt = replace(RUN_OUT_RECEIPT, signature=JOB_KEY.sign(signed_bytes(value_of(RUN_OUT_RECEIPT))))
    return {
        "command": {
            "message": encoded(command).hex(),
            "bound": bound_bytes(value_of(command), KEPT).decode(),
            "sealed_kept": command.sealed_kept.hex(),
            "kept": STAYING,
            **_signed(value_of(command)),
        },
        "receipt": {"message": encoded(receipt).hex(), **_signed(value_of(receipt))},
    }


def _signed_run_out(command: RetentionCommand) -> RetentionCommand:
    return replace(command, signature=SYSTEM_KEY.sign(signed_bytes(value_of(command))))


def _resealed(sealed: bytes) -> ErasureCommand:
    """Signed as innsyn does, around what was sealed with another command."""
    other = replace(
        COMMAND, command_id="R-2026-0002/web", request_id="R-2026-0002", sealed_identifiers=sealed
    )
    return replace(other, signature=SYSTEM_KEY.sign(signed_bytes(value_of(other))))


def _signed(message: Mapping[str, Any]) -> dict[str, str]:
    return {"signed": signed_bytes(message).decode(), "signature": message[SIGNATURE].hex()}


def _hex(**key: str | bytes) -> dict[str, str]:
    return {name: part.hex() if isinstance(part, bytes) else part for name, part in key.items()}


if __name__ == "__main__":
    plain = json.dumps(IDENTIFIERS, ensure_ascii=False).encode()
    fresh = SYSTEM_KEY.seal(plain, bound_bytes(value_of(COMMAND)))
    staying = json.dumps(STAYING, ensure_ascii=False).encode()
    kept = SYSTEM_KEY.seal(staying, bound_bytes(value_of(RUN_OUT), KEPT))
    whole = vectors(fresh, kept, Sealed.anew())
    FILE.write_text(json.dumps(whole, ensure_ascii=False, indent=1) + "\n", "utf-8")
