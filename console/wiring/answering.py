"""Opening what answers a question about a person: the index, the key that makes tokens, the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from console.operations.keys import TokenKeys, alive
from console.wiring.company import company_of
from schemas.catalogue import Catalogue
from schemas.company import Company
from schemas.counted import are, counted
from schemas.errors import IndexUnavailable, InnsynError
from schemas.keys import Keyring
from schemas.settings import Settings
from schemas.tokens import Tokenizer
from sinks.open import embedded_folder, open_sinks
from sinks.ports.clocks import OwnerReader
from sinks.ports.dead_letters import EVERY, Chosen, Coordinates, OpenLetters
from sinks.ports.expiry import ExpiryReader
from sinks.ports.facts import FactReader
from sinks.ports.identity import ClaimReader
from sinks.ports.lineage import BesideReader, IndexReader
from sinks.ports.sinks import Sinks
from streams.answers.breach import BreachFinder
from streams.answers.clocks import Clocks
from streams.answers.erased import Erased
from streams.answers.keeping import NOTHING_KEPT, Keeping
from streams.answers.preservation import Preservation
from streams.answers.restricted import Restricted
from streams.identity.identities import Identities
from streams.identity.model import Given, ResolvedSubject
from streams.identity.rekeyed import (
    RekeyedBeside,
    RekeyedClaims,
    RekeyedClocks,
    RekeyedExpiry,
    RekeyedExposed,
    RekeyedFacts,
    RekeyedReader,
    RekeyedRecordKeys,
    Same,
)
from streams.identity.values import SealedValues
from streams.rights.overlap import erased_of, restricted_of
from streams.rights.protocol.states import RequestState, fold


@dataclass(frozen=True)
class Answering:
    """All that a question needs."""

    sinks: Sinks
    reader: IndexReader
    identities: Identities
    tokens: Callable[[], Tokenizer]
    company: Company
    values: SealedValues | None = None
    keeping: Keeping = NOTHING_KEPT
    preservation: Preservation | None = None
    expiry: ExpiryReader | None = None
    owners: OwnerReader | None = None
    same: Same | None = None
    breaches: BreachFinder | None = None
    facts: FactReader | None = None

    @property
    def catalogue(self) -> Catalogue:
        return self.company.catalogue

    @property
    def tokenizer(self) -> Tokenizer:
        """Of the keys that the index knows now. Raises KeyUnavailable, IndexUnavailable."""
        return self.tokens()

    def dead_letters(
        self,
        after: Coordinates,
        limit: int,
        chosen: Chosen = EVERY,
    ) -> Sequence[Mapping[str, Any]]:
        """Unreadable messages behind the coordinates, in that order. Raises IndexUnavailable."""
        return self.sinks.dead_letters.find(after, limit, chosen)

    def open_letters(self) -> Sequence[OpenLetters]:
        return self.sinks.dead_letters.open()

    def waiting(self) -> None:
        """Without a broker nobody knows."""

    def erased(self, person: ResolvedSubject, given: Sequence[Given]) -> Sequence[Erased]:
        """See `streams.answers.question.Known`."""
        return erased_of(self.requests(), person, given, self.same)

    def restricted(self, person: ResolvedSubject, given: Sequence[Given]) -> Sequence[Restricted]:
        """See `streams.answers.erased.Ledger`."""
        return restricted_of(self.requests(), person, given, self.same)

    def requests(self) -> list[RequestState]:
        """Every request as it stands. Raises IndexUnavailable."""
        made = (fold(events, self.catalogue.calendar) for events in self.sinks.requests.requests().values())
        return [request for request in made if request is not None]

    def problems(self) -> Sequence[str]:
        """Why the index cannot answer now, one line each; empty: it can."""
        return index_problems(self.sinks, self.tokens)


def index_problems(sinks: Sinks, tokens: Callable[[], object]) -> Sequence[str]:
    """Why the index cannot answer now, one line each; empty: it can."""
    try:
        waiting = sinks.upkeep.pending()
        if not waiting:
            tokens()
    except InnsynError as error:
        return [str(error)]
    return [f"{_pending(waiting)}; run `innsyn migrate`"] if waiting else []


def answering_of(sinks: Sinks, settings: Settings) -> Answering:
    """What answers questions on an index that is open already."""
    company = company_of(settings)
    keys = token_keys(sinks, settings)
    same = Same(sinks.pairs, keys.rotated)
    people = identities(sinks.claims, sinks.beside, company.catalogue, same)
    values = sealed_values(sinks, settings, same)
    return Answering(
        sinks,
        RekeyedReader(sinks.reader, same),
        people,
        keys.tokenizer,
        company,
        values,
        keeping(sinks, settings, same, people, keys.tokenizer),
        preservation(sinks, settings, people, keys.tokenizer),
        RekeyedExpiry(sinks.expiry, same),
        sinks.clocks,
        same,
        breach_finder(sinks, company, same, people, values),
        RekeyedFacts(sinks.facts, same),
    )


def breach_finder(
    sinks: Sinks, company: Company, same: Same, people: Identities, values: SealedValues
) -> BreachFinder:
    """What says how far a breach reaches."""
    exposed, claims = RekeyedExposed(sinks.exposed, same), RekeyedClaims(sinks.claims, same)
    return BreachFinder(exposed, claims, people, values, company, sinks.dead_letters.open)


def keeping(
    sinks: Sinks, settings: Settings, same: Same, people: Identities, tokenizer: Callable[[], Tokenizer]
) -> Keeping:
    """What keeps people's data besides rules."""
    clocks = Clocks(RekeyedClocks(sinks.clocks, same), company_of(settings).catalogue.calendar)
    return Keeping(clocks, preservation(sinks, settings, people, tokenizer))


def preservation(
    sinks: Sinks, settings: Settings, people: Identities, tokenizer: Callable[[], Tokenizer]
) -> Preservation:
    """The preservation orders of this installation."""
    company = company_of(settings)
    keys = keyring(settings, create=True)
    calendar = company.catalogue.calendar
    return Preservation(sinks.preservation, keys, people, tokenizer, company.kinds, calendar)


def refuse_pending(sinks: Sinks) -> None:
    """Raises IndexUnavailable if the index is not in its current shape."""
    if waiting := sinks.upkeep.pending():
        raise IndexUnavailable(f"{_pending(waiting)}; run `innsyn migrate` first")


def _pending(waiting: Sequence[str]) -> str:
    return f"{counted(len(waiting), 'migration')} {are(len(waiting))} pending"


def token_keys(sinks: Sinks, settings: Settings) -> TokenKeys:
    """The token keys that the index knows, out of the key folder."""
    return TokenKeys(keyring(settings), sinks.keys, lambda: datetime.now(UTC))


def known_keys(sinks: Sinks) -> list[str]:
    """Ids of the token keys that an index knows, whatever its shape. Raises IndexUnavailable."""
    entries, used = sinks.keys.of_any_shape()
    known = {item.key_id for item in alive(entries)}
    return sorted(known or used)


def keyring(settings: Settings, *, create: bool = False) -> Keyring:
    """The keys of this installation. `create`: sealing keys are made where they are missing."""
    return Keyring(settings.keys_folder, create=create, realms=settings.own_realms)


def sealed_values(sinks: Sinks, settings: Settings, same: Same) -> SealedValues:
    """What stands behind tokens, for what systems are told."""
    claims = RekeyedClaims(sinks.claims, same)
    records = RekeyedRecordKeys(sinks.record_keys, same)
    return SealedValues(sinks.identifiers, keyring(settings), same, claims, settings.own_realms, records)


def identities(claims: ClaimReader, beside: BesideReader, catalogue: Catalogue, same: Same) -> Identities:
    """Whose identifiers were, from the claims in the index, whichever keys these were made with."""
    return Identities(RekeyedClaims(claims, same), catalogue.identity_sources, RekeyedBeside(beside, same))


@contextmanager
def open_answering(settings: Settings) -> Iterator[Answering]:
    """Open an index that exists, and close it again. Raises IndexUnavailable, KeyUnavailable."""
    folder = embedded_folder(settings)
    if folder is not None and not folder.is_dir():
        raise IndexUnavailable(
            f"nothing is running and there is no index in {folder}; start with `innsyn up` or set INNSYN_HOME"
        )
    keyring(settings).held()
    sinks = open_sinks(settings, question=True)
    try:
        refuse_pending(sinks)
        token_keys(sinks, settings).prove()
        yield answering_of(sinks, settings)
    finally:
        sinks.close()
