"""Claims of messages that somebody else owns, and what they add up to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from schemas.contracts import Contract
from sinks.memory.index import MemoryIndex
from streams.identity.identities import Identities, given
from streams.tagging.prepare import Prepared
from tests.support.by_contract import prepare
from tests.support.claims import NOW, TOKENIZER, plain
from tests.support.company import model
from tests.support.contracts import contract, order
from tests.support.kinds import KINDS

REGISTER: dict[str, Any] = {
    "form": "state", "tokens": ["email", "phone"], "subject": ["number"], "proof": "holder", "source": "register",
}  # fmt: skip


def row_contract(folder: Path, *rules: Mapping[str, Any], **said: Any) -> Contract:
    """A table of customers: number, e-mail, phone, a device, when it was changed and since when it holds."""
    kinds = {"number": "customer_number", "email": "email", "phone": "phone", "mac": "mac"}
    fields: dict[str, Any] = {
        name: {"category": "C-01", "identifier": {"kind": kind, "role": "owner"}}
        for name, kind in kinds.items()
    }
    fields |= {
        "former": {"category": "C-01", "identifier": {"kind": "customer_number", "role": "joint_owner"}},
        "changed_at": {"category": "none", "type": "integer"},
        "valid_from": {"category": "none", "type": "integer"},
        "event": {"category": "none"},
    }
    content = order(
        event_time={"path": "changed_at"}, fields=fields, identity=list(rules) or [REGISTER], **said
    )
    return contract(folder, content)


def claims(prepared: Prepared) -> list[dict[str, Any]]:
    """Without where they came from, in order."""
    return [
        {name: value for name, value in claim.items() if name not in ("topic", "partition")}
        for claim in plain(prepared.batch.claims.table)
    ]


class Linked:
    """An index in memory of the messages of one contract."""

    def __init__(
        self, said: Contract, messages: Sequence[Any], keys: Mapping[int, bytes] | None = None
    ) -> None:
        self._index = MemoryIndex()
        self.prepared = prepare(said, messages, keys=keys)
        self._index.write(self.prepared.batch, lambda: datetime(2026, 3, 1, tzinfo=UTC))
        self._identities = Identities(self._index, model().catalogue.identity_sources, self._index)

    def links(self, kind: str, value: str) -> list[tuple[bytes, int, int | None]]:
        """Whose the identifier was, from when and until when, in milliseconds after NOW."""
        (found,) = self._identities.links([given(TOKENIZER, KINDS[kind], value)])
        return [(link.subject, _after(link.since) or 0, _after(link.until)) for link in found]


def _after(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000) - NOW
