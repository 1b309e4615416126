"""Opening what answers a question about a person: the index, the key that makes tokens, the catalogue."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from console.operations.keys import TokenKeys, alive
from console.wiring.company import company_of
from schemas.catalogue import Catalogue
from schemas.company import Company
from schemas.errors import IndexUnavailable, InnsynError
from schemas.keys import Keyring
from schemas.settings import Settings
from schemas.tokens import Tokenizer
from sinks.clickhouse.claims import ClickHouseClaims
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.dead_letters import ClickHouseDeadLetters
from sinks.clickhouse.keys import ClickHouseKeys
from sinks.clickhouse.migrate import pending
from sinks.clickhouse.pairs import ClickHousePairs
from sinks.clickhouse.reader import ClickHouseReader
from sinks.clickhouse.whole import whole
from sinks.ports.dead_letters import Chosen, Coordinates
from sinks.ports.lineage import IndexReader
from streams.identity.identities import Identities
from streams.identity.rekeyed import RekeyedBeside, RekeyedClaims, RekeyedReader, Same

# Whatever is set: what the engine writes with no space at all is broken.
_LEAST_RESERVE_MB = 32


@dataclass(frozen=True)
class Answering:
    """All that a question needs."""

    index: ClickHouse
    reader: IndexReader
    identities: Identities
    tokens: Callable[[], Tokenizer]
    company: Company

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
        chosen: Chosen = Chosen(),  # noqa: B008 - frozen
    ) -> Sequence[Mapping[str, Any]]:
        """Unreadable messages behind the coordinates, in that order. Raises IndexUnavailable."""
        return ClickHouseDeadLetters(self.index).find(after, limit, chosen)

    def problems(self) -> Sequence[str]:
        """Why the index cannot answer now, one line each; empty: it can."""
        return index_problems(self.index, self.tokens)


def index_problems(index: ClickHouse, tokens: Callable[[], object]) -> Sequence[str]:
    """Why the index cannot answer now, one line each; empty: it can."""
    try:
        waiting = pending(index)
        if not waiting:
            tokens()
    except InnsynError as error:
        return [str(error)]
    return [f"{len(waiting)} migrations are pending; run `innsyn migrate`"] if waiting else []


def open_index(settings: Settings, *, question: bool = False) -> ClickHouse:
    """The index in force. Nothing is connected before the first statement. `question`: see `refuse_if_open`.

    Raises IndexUnavailable where another process has the embedded one.
    """
    refuse_if_open(settings, question=question)
    password = settings.clickhouse_password.get_secret_value() if settings.clickhouse_password else ""
    return ClickHouse(
        settings.index_url,
        user=settings.clickhouse_user,
        password=password,
        cluster=settings.clickhouse_cluster,
        reserve_mb=max(settings.disk_reserve_mb, _LEAST_RESERVE_MB),
    )


def embedded_folder(settings: Settings) -> Path | None:
    """Folder of the embedded index, whether or not it is there yet; None: the index is a server."""
    parts = urlsplit(settings.index_url)
    return Path(parts.path) if parts.scheme == "chdb" else None


def answering_of(index: ClickHouse, settings: Settings) -> Answering:
    """What answers questions on an index that is open already."""
    company = company_of(settings)
    keys = token_keys(index, settings)
    same = Same(ClickHousePairs(index), keys.rotated)
    reader = RekeyedReader(ClickHouseReader(whole(index)), same)
    return Answering(
        index, reader, identities(whole(index), company.catalogue, same), keys.tokenizer, company
    )


def refuse_pending(index: ClickHouse) -> None:
    """Raises IndexUnavailable if the index is not in its current shape."""
    if waiting := pending(index):
        raise IndexUnavailable(f"{len(waiting)} migrations are pending; run `innsyn migrate` first")


def token_keys(index: ClickHouse, settings: Settings) -> TokenKeys:
    """The token keys that the index knows, out of the key folder."""
    return TokenKeys(keyring(settings), ClickHouseKeys(index), lambda: datetime.now(UTC))


def known_keys(index: ClickHouse) -> list[str]:
    """Ids of the token keys that an index knows, whatever its shape. Raises IndexUnavailable."""
    tables = {
        str(row[0])
        for row in index.query(
            "SELECT name FROM system.tables WHERE database = currentDatabase()"
            " AND name IN ('token_keys', 'tag_sets')"
        )
    }
    register = ClickHouseKeys(index)
    known = alive(register.entries()) if "token_keys" in tables else ()
    used = register.used() if "tag_sets" in tables else set()
    return sorted({item.key_id for item in known} | (used if not known else set()))


def keyring(settings: Settings, *, create: bool = False) -> Keyring:
    """The keys of this installation. `create`: sealing keys are made where they are missing."""
    return Keyring(settings.keys_folder, create=create, realms=settings.own_realms)


def identities(index: ClickHouse, catalogue: Catalogue, same: Same) -> Identities:
    """Whose identifiers were, from the claims in the index, whichever keys these were made with."""
    claims = RekeyedClaims(ClickHouseClaims(index), same)
    return Identities(claims, catalogue.identity_sources, RekeyedBeside(ClickHouseReader(index), same))


def refuse_if_open(settings: Settings, *, question: bool = False) -> None:
    """The embedded index takes one process per folder.

    Raises IndexUnavailable if another one has it. Asked beforehand, because the engine also writes to standard error.
    `question`: what is wanted of it is asked of the other process's API as soon as that answers.
    """
    folder = embedded_folder(settings)
    if folder is None or not (folder / "status").exists():
        return
    with (folder / "status").open("rb") as status:
        try:
            fcntl.flock(status, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            mend = (
                "if it is an `innsyn up` that starts, ask again in a moment, when its API answers; else stop it"
                if question
                else "this needs the index for itself, and waiting does not help: stop that process first, `innsyn up`"
                " with ctrl-C or SIGTERM"
            )
            raise IndexUnavailable(f"another process has the index in {folder} open; {mend}") from None


@contextmanager
def open_answering(settings: Settings) -> Iterator[Answering]:
    """Open an index that exists, and close it again. Raises IndexUnavailable, KeyUnavailable."""
    folder = embedded_folder(settings)
    if folder is not None and not folder.is_dir():
        raise IndexUnavailable(
            f"nothing is running and there is no index in {folder}; start with `innsyn up` or set INNSYN_HOME"
        )
    keyring(settings).held()
    index = open_index(settings, question=True)
    try:
        refuse_pending(index)
        token_keys(index, settings).prove()
        yield answering_of(index, settings)
    finally:
        index.close()
