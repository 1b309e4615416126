"""How requests come into the ledger: made here, or read from `rights.requests`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from schemas.company import Company
from schemas.errors import DecodeError, InputError, Unavailable
from schemas.messages import RightsRequest
from schemas.policy import RetentionAnchors
from schemas.times import days_make_sense
from schemas.vocabulary import BY_ITSELF, CORRECTS
from streams.rights.case import TRIES, CaseFile
from streams.rights.corrected import fitting
from streams.rights.protocol.deadlines import due_at
from streams.rights.protocol.messages import Identifiers, canonical_identifiers
from streams.rights.protocol.scope import EVERYTHING, Scope, known_scope
from streams.rights.rectification import categories_of
from streams.rights.registry import RIGHTS

LARGEST_GIVEN = 256 * 1024
"""Bytes of what a person gave and wrote, sealed, that are taken from Kafka: a hundred identifiers and a long letter."""
UNOPENED = "unopened"
"""Reason of a request whose seal does not open: no key of that request is here, or another sealed it."""


class Intake:
    """May raise IndexUnavailable."""

    def __init__(self, file: CaseFile, company: Company, random: Callable[[int], bytes]) -> None:
        self._file = file
        self._kinds = company.kinds
        self._random = random
        self._waits_unchecked = company.rights.waits_unchecked
        self._catalogue = company.catalogue
        self._company = company

    def made(
        self,
        type: str,
        identifiers: Identifiers,
        reason: str | None,
        channel: str,
        received_at: datetime,
        anchors: RetentionAnchors,
        by: str | None = None,
        scope: Scope = EVERYTHING,
        corrections: Mapping[str, Any] | None = None,
    ) -> str:
        """The id of a new request, which is in the ledger then. Raises InputError, InvalidIdentifier, Unavailable."""
        if type not in RIGHTS or type in BY_ITSELF:
            served = ", ".join(name for name in RIGHTS if name not in BY_ITSELF)
            raise InputError(f"{str(type)!r} is no request that is served; use one of {served}")
        scope = known_scope(type, scope, self._catalogue)
        if (type in CORRECTS) != bool(corrections):
            raise InputError(
                "corrections are given for a rectification, and for nothing else: Record.field and its value"
            )
        if corrections:
            categories_of(corrections, self._company)
            corrections = fitting(corrections, self._company)
            scope = replace(scope, fields=tuple(corrections))
        named = canonical_identifiers(identifiers, self._kinds)
        days_make_sense(anchors, received_at, self._file.now())
        due_at(received_at, self._file.calendar)
        for _ in range(TRIES):
            request_id = f"r-{self._random(8).hex()}"
            sealed = self._file.seal(request_id, named, reason, corrections)
            given = (type, channel, received_at, sealed, anchors)
            waits = self._waits_unchecked(type)
            if self._file.record_received(request_id, *given, unchecked=waits, by=by, scope=scope):
                return request_id
        raise Unavailable("no id for a new request is free; repeat")

    def read(self, message: RightsRequest) -> bool | None:
        """Whether a request from Kafka is new here, and recorded now; None for one of a day that cannot be, and for one
        that nobody makes.

        Raises DecodeError: `request_too_large`, `unopened`.
        """
        request_id, sealed = message.request_id, message.sealed_identifiers
        if self._file.length(request_id):
            return False
        if message.type in BY_ITSELF:
            return None
        try:
            days_make_sense(RetentionAnchors(), message.received_at, self._file.now())
        except InputError:
            return None
        if len(sealed) > LARGEST_GIVEN:
            raise DecodeError("request_too_large")
        if not self._file.opens(request_id, sealed):
            raise DecodeError(UNOPENED)
        given = (message.type, message.channel, message.received_at, sealed, RetentionAnchors())
        self._file.receive(request_id, *given, unchecked=self._waits_unchecked(message.type))
        return True
