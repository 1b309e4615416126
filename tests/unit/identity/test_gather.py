"""What is read of a token is enough: its links are those that everything ever said would give it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import load_catalogue
from schemas.vocabulary import Mark
from sinks.ports.identity import ClaimKey
from streams.identity.gather import codes_of, upward
from streams.identity.links.states import links_of
from streams.identity.links.table import Links
from tests.support.said import Claim, TableReader, session, table, token

SOURCES = load_catalogue().identity_sources
MOMENTS = st.integers(0, 40).map(lambda step: step * 300.0)
ADDRESSES = ("A0", "A1")
LINES = {"s1": "l1", "s2": "l1", "s3": ""}
"""Of each session; one that names its line in some reports alone is known to the line by these alone."""


@st.composite
def reports(draw: st.DrawFn) -> Claim:
    """One of a few sessions on few addresses and lines; servers count their session numbers anew."""
    at, group = draw(MOMENTS), draw(st.sampled_from(tuple(LINES)))
    return Claim(
        draw(st.sampled_from(("", *ADDRESSES))),
        draw(st.sampled_from(("", "u1", "u2"))),
        at,
        draw(st.sampled_from((Mark.OPEN, Mark.SEEN, Mark.CLOSE, Mark.CLOSE))),
        group=group,
        since=draw(st.one_of(st.none(), MOMENTS.filter(lambda since: since <= at), st.just(at - 2))),
        line=LINES[group],
        server=draw(st.sampled_from(("", "n1"))),
    )


def restarts() -> st.SearchStrategy[Claim]:
    return st.builds(
        lambda at, mark: Claim("", "", at, mark, server="n1"), MOMENTS, st.sampled_from((Mark.OFF, Mark.ON))
    )


def said_of(links: Links, name: str) -> list[tuple[object, ...]]:
    """The links of a token, without what numbers claims and names in one reading alone."""
    links = links.where(np.isin(links.token, codes_of(links, [token(name)])))
    columns = (links.since, links.until, links.proof, links.begin, links.begun, links.end, links.earliest)
    rows = zip(*(column.tolist() for column in (*columns, links.latest)), strict=True)
    return sorted((links.name(code), *row) for code, row in zip(links.subject.tolist(), rows, strict=True))


@given(
    st.lists(
        st.one_of(reports(), reports(), reports(), restarts()),
        min_size=1,
        max_size=14,
        # What a session says twice in one moment may contradict itself.
        unique_by=lambda claim: (claim.group, claim.at),
    )
)
def test_the_links_of_a_token_are_those_that_all_claims_give_it(claims: Sequence[Claim]) -> None:
    everything = table(claims)
    every = links_of(everything, SOURCES)
    for name in ADDRESSES:
        known = upward(TableReader(everything), [token(name)], SOURCES).links
        assert said_of(known, name) == said_of(every, name)


class Counting(TableReader):
    """Counts the claims that each kind of question reads."""

    def __init__(self, claims: pa.Table) -> None:
        super().__init__(claims)
        self.rows: dict[str, int] = {}

    def claims(
        self,
        keys: Sequence[bytes],
        known_at: datetime | None = None,
        *,
        of: ClaimKey,
        without: Sequence[bytes] = (),
    ) -> pa.Table:
        found = super().claims(keys, known_at, of=of, without=without)
        self.rows[of] = self.rows.get(of, 0) + found.num_rows
        return found


def test_of_a_line_nothing_is_read_for_sessions_that_a_stop_ended() -> None:
    """What another session of the line says is needed for one whose Stop was lost: that is where it ends."""
    on_line = Claim(line="l1")
    later = session("s2", "A1", "u1", 9_000, stop=9_600, like=on_line)
    for stop, rows in ((3_600, 0), (None, len(later))):
        reader = Counting(table([*session("s1", "A0", "u1", 0, [1_800], stop, like=on_line), *later]))
        upward(reader, [token("A0")], SOURCES)
        assert reader.rows.get("line", 0) == rows
