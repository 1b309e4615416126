"""The transparency log as people ask it: its heads, a proof of an entry, a check of all of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from schemas.errors import BrokerUnavailable
from schemas.signingkeys import SigningKey
from schemas.times import iso
from sinks.ports.evidence import EvidenceLog
from streams.evidence.check import Told, check
from streams.evidence.issuing import Issuer, issued
from streams.evidence.proof import place_of, prove
from streams.evidence.sealing import Sealer, Send
from streams.rights.protocol.request import RequestState


class LogBook:
    """Safe from several threads and beside other processes. All may raise IndexUnavailable, KeyUnavailable."""

    def __init__(
        self,
        log: EvidenceLog,
        key: Callable[[], SigningKey],
        clock: Callable[[], datetime],
        send: Send | None = None,
        told: Told | None = None,
        issuer: Issuer | None = None,
    ) -> None:
        """`send` and `told`: the way to the topic and back, None where there is no broker.

        `issuer`: of certificates, None where the log alone is asked.
        """
        self.log = log
        self._key = key
        self._clock = clock
        self._send = send
        self._told = told
        self._issuer = issuer
        self._sealer = Sealer(log, key, clock)

    def turn(self, *, whatever: bool = False) -> int:
        """Seal what waits, issue the certificates that can be, and tell the topic; how many entries were sealed first.

        `whatever`: see `Sealer.seal`. Raises BrokerUnavailable: all is sealed and issued then, the topic is told later.
        """
        sealed = self._sealer.seal(whatever=whatever)
        if self._issuer is not None and self._issuer.turn():
            self._sealer.seal()
        if self._send is not None:
            self._sealer.publish(self._send)
        return sealed

    def sealed(self) -> dict[str, Any]:
        """The same now, as JSON: how many entries were sealed, and whether the topic knows it."""
        try:
            count = self.turn(whatever=True)
        except BrokerUnavailable:
            # What waited is sealed: only the topic is told later.
            return {"sealed": None, "published": False}
        return {"sealed": count, "published": self._send is not None}

    def shown(self, limit: int) -> dict[str, Any]:
        """The newest heads, newest first, as JSON; what waits; the public keys; up to which head the topic was told."""
        key = self._key()
        return {
            "public_key": key.public.text,
            "former_keys": [item.json() for item in key.former],
            "waiting": self.log.unsealed(),
            "published": self.log.published(),
            "heads": [
                {
                    "sequence": head.sequence,
                    "at": iso(head.at),
                    "size": head.size,
                    "root": head.root.hex(),
                    "key_id": head.key_id,
                }
                for head in self.log.heads(limit)
            ],
        }

    def proof(self, entry: str, since: int | None = None) -> dict[str, Any]:
        """As `streams.evidence.proof.prove`. Raises InputError."""
        return prove(self.log, place_of(entry), since)

    def certificate(
        self, request: RequestState, find: Callable[[str], RequestState | None]
    ) -> tuple[dict[str, Any] | None, str | None]:
        """As `streams.evidence.issuing.issued`."""
        return issued(self.log, request, find)

    def checked(self) -> dict[str, Any]:
        """Everything held against the log and its heads, as JSON (`streams.evidence.check.Checked`).

        `told` is None where the topic cannot be asked.
        """
        found = check(self.log, self._key().every, self._clock(), self._told)
        return {**asdict(found), "faults": list(found.faults)}
