"""Claims written by hand, and a reader over them: identity without an index."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from schemas.vocabulary import ClaimForm, Mark, Proof
from sinks.ports.identity import ALL_PORTS, KNOWN_CLAIM_SCHEMA, NOTHING, PREFIX_SCHEMA, ClaimKey, Rank

EPOCH = datetime(2026, 3, 1, tzinfo=UTC)


def token(name: str) -> bytes:
    """A token as the tokenizer would make one; the empty name is NOTHING."""
    return hashlib.sha256(name.encode()).digest()[:16] if name else NOTHING


def at(seconds: float) -> datetime:
    """Seconds after the beginning of the tests' time."""
    return EPOCH + timedelta(seconds=seconds)


@dataclass(frozen=True)
class Claim:
    """A claim in words: names instead of tokens, seconds instead of times.

    Columns: `sinks.ports.identity.CLAIM_SCHEMA`.
    """

    token: str = ""
    subject: str = ""
    at: float = 0
    mark: Mark = Mark.SEEN
    form: ClaimForm = ClaimForm.SESSION
    group: str = ""
    since: float | None = None
    until: float | None = None
    line: str = ""
    server: str = ""
    ports: tuple[int, int] = ALL_PORTS
    length: int = 0
    proof: Proof = Proof.SUBSCRIBER
    rank: int = Rank.USERNAME
    source: str = "radius"
    learnt_at: float = 0
    offset: int = -1


def table(claims: Iterable[Claim]) -> pa.Table:
    """The claims as they are read from the index; each is another event unless it says which."""
    rows = [_row(number, claim) for number, claim in enumerate(claims)]
    columns = {
        field.name: pa.array(
            [row[field.name] for row in rows],
            field.type.value_type if pa.types.is_dictionary(field.type) else field.type,
        )
        for field in KNOWN_CLAIM_SCHEMA
    }
    return pa.table(columns).cast(KNOWN_CLAIM_SCHEMA)


def _row(number: int, claim: Claim) -> dict[str, object]:
    def moment(seconds: float | None) -> datetime | None:
        return None if seconds is None else at(seconds).replace(tzinfo=None)

    return {
        "form": claim.form.code,
        "mark": claim.mark.code,
        "token": token(claim.token),
        "length": claim.length,
        "port_from": claim.ports[0],
        "port_to": claim.ports[1],
        "subject": token(claim.subject),
        "group": token(claim.group),
        "line": token(claim.line),
        "server": token(claim.server),
        "at": moment(claim.at),
        "since": moment(claim.since),
        "until": moment(claim.until),
        "proof": claim.proof.code,
        "rank": claim.rank,
        "source": claim.source,
        "topic": "network.assignments",
        "partition": 0,
        "offset": number if claim.offset < 0 else claim.offset,
        "part": 0,
        "learnt_at": moment(claim.learnt_at),
    }


class TableReader:
    """Contract: `sinks.ports.identity.ClaimReader`, over a table and (address, prefix, length) in names."""

    def __init__(self, claims: pa.Table, prefixes: Sequence[tuple[str, str, int]] = ()) -> None:
        self._claims = claims
        self._prefixes = [
            {"prefix": token(prefix), "length": length, "token": token(address)}
            for address, prefix, length in prefixes
        ]

    def claims(
        self,
        keys: Sequence[bytes],
        known_at: datetime | None = None,
        *,
        of: ClaimKey,
        without: Sequence[bytes] = (),
    ) -> pa.Table:
        chosen = pc.is_in(self._claims[of], value_set=pa.array(list(keys), pa.binary(16)))
        known = pc.is_in(self._claims["token"], value_set=pa.array(list(without), pa.binary(16)))
        chosen = pc.and_not(chosen, known)
        if of == "server":
            resets = pa.array([Mark.OFF.code, Mark.ON.code], pa.int8())
            chosen = pc.and_(chosen, pc.is_in(self._claims["mark"], value_set=resets))
        if known_at is not None:
            by_then = pa.scalar(known_at.replace(tzinfo=None), pa.timestamp("ms"))
            chosen = pc.and_(chosen, pc.less_equal(self._claims["learnt_at"], by_then))
        return self._claims.filter(chosen)

    def prefixes(self, tokens: Sequence[bytes]) -> pa.Table:
        return self._of("token", tokens)

    def addresses(self, prefixes: Sequence[bytes]) -> pa.Table:
        return self._of("prefix", prefixes)

    def _of(self, column: str, keys: Sequence[bytes]) -> pa.Table:
        wanted = set(keys)
        return pa.Table.from_pylist([row for row in self._prefixes if row[column] in wanted], PREFIX_SCHEMA)


def session(
    name: str,
    token: str,
    subject: str,
    start: float,
    reports: Sequence[float] = (),
    stop: float | None = None,
    *,
    opened: bool = True,
    says_since: bool = True,
    like: Claim | None = None,
) -> list[Claim]:
    """The claims of a session: Start at `start` if `opened`, reports, Stop if there is one."""
    base = replace(like or Claim(), token=token, subject=subject, group=name)
    since = start if says_since else None
    claims = [replace(base, at=start, mark=Mark.OPEN)] if opened else []
    claims += [replace(base, at=moment, mark=Mark.SEEN, since=since) for moment in reports]
    if stop is not None:
        claims.append(replace(base, at=stop, mark=Mark.CLOSE, since=since))
    return claims
