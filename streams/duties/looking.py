"""With what one round of checks looks: what each of them needs of the index is read once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import cache, cached_property

from schemas.company import Company
from sinks.ports.clocks import ClockIndex
from sinks.ports.duties import DutyReader
from sinks.ports.expiry import ExpiryReader
from sinks.ports.held import HeldReader, HeldRow, HeldTags
from sinks.ports.lineage import Span
from sinks.ports.sinks import Sinks
from streams.duties.check import Looking
from streams.duties.rekeyed import ClocksOfEvery, DutiesByOneName, about_every
from streams.identity.identities import Identities
from streams.identity.rekeyed import RekeyedExpiry, Same
from streams.rights.protocol.request import RequestState


class HeldOnce:
    """A `HeldReader` that asks which tag sets are held once."""

    def __init__(self, reader: HeldReader) -> None:
        self._reader = reader

    @cached_property
    def _held(self) -> Sequence[HeldTags]:
        return self._reader.held()

    def held(self) -> Sequence[HeldTags]:
        return self._held

    def first_rows(
        self,
        tag_sets: Sequence[int],
        limit: int = 3,
        before: datetime | None = None,
        since: datetime | None = None,
    ) -> Mapping[int, Sequence[HeldRow]]:
        return self._reader.first_rows(tag_sets, limit, before, since) if tag_sets else {}

    def oldest_of(
        self, tokens: Sequence[bytes], tag_sets: Sequence[int], since: datetime | None = None
    ) -> Sequence[tuple[int, HeldRow]]:
        return self._reader.oldest_of(tokens, tag_sets, since)


def looking(
    sinks: Sinks,
    company: Company,
    identities: Identities,
    requests: Callable[[], Sequence[RequestState]],
    kept: Callable[[], Sequence[Span]],
    names: Collection[str],
    now: datetime,
    same: Same | None = None,
) -> Looking:
    """Of an open index, for the checks of one round. `requests`, `kept`: asked once. `same`: of an index whose token
    keys may have changed; then whatever is looked for by token is looked for under all of them."""
    expiry: ExpiryReader = sinks.expiry
    clocks: ClockIndex = sinks.clocks
    duties: DutyReader = sinks.duties
    asked, stays = requests, kept
    if same is not None:
        asked, stays = lambda: about_every(requests(), same), lambda: same.spans(kept())
        expiry, clocks = RekeyedExpiry(expiry, same), ClocksOfEvery(clocks, same)
        duties = DutiesByOneName(duties, same)
    return Looking(
        company=company,
        now=now,
        held=HeldOnce(sinks.held),
        duties=duties,
        identities=identities,
        expiry=expiry,
        untagged=sinks.untagged,
        controls=sinks.controls,
        clocks=clocks,
        requests=cache(asked),
        kept=cache(stays),
        names=names,
    )
