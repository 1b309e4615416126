"""What is read of a token is enough: its links are those that everything ever said would give it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import load_catalogue
from schemas.vocabulary import ClaimForm, Mark, Proof
from sinks.ports.identity import ClaimKey
from streams.identity.gather import codes_of, upward, upward_each
from streams.identity.links.states import links_of
from streams.identity.links.table import Links
from tests.support.said import Claim, TableReader, session, table, token

SOURCES = load_catalogue().identity_sources
MOMENTS = st.integers(0, 40).map(lambda step: step * 300.0)
ADDRESSES = ("A0", "A1")
NAMES = (*ADDRESSES, *(f"u{number}" for number in range(1, 8)), "c1", "c2")
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
    names = [None if code < 0 else links.name(code) for code in links.subject.tolist()]
    return sorted(((name, *row) for name, row in zip(names, rows, strict=True)), key=repr)


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


def states() -> st.SearchStrategy[Claim]:
    """Whose user names are: customers', or another user name's, in a chain that may be too long or run in a circle."""
    names = st.sampled_from(("u1", "u2", "u3", "u4", "u5", "u6", "u7"))
    return st.builds(
        lambda name, whose, at: Claim(
            name, whose, at, Mark.OPEN, ClaimForm.STATE, name, proof=Proof.HOLDER, source="register"
        ),
        names,
        st.one_of(names, st.sampled_from(("c1", "c2"))),
        MOMENTS,
    )


@given(
    st.lists(st.one_of(reports(), states()), max_size=14, unique_by=lambda claim: (claim.group, claim.at)),
    st.lists(
        st.frozensets(st.sampled_from((*ADDRESSES, "u1", "u2", "c1")), max_size=3), min_size=2, max_size=4
    ),
    st.sampled_from((1, 2, 7)),
)
def test_many_who_are_asked_about_at_once_are_told_what_each_is_alone(
    claims: Sequence[Claim], each: Sequence[frozenset[str]], depth: int
) -> None:
    """Links, and where chains end; of nobody the links of another one who is asked about."""
    reader = TableReader(table(claims))
    wanted = [frozenset(map(token, names)) for names in each]
    together = upward_each(reader, wanted, SOURCES, depth=depth)
    for names, tokens, known in zip(each, wanted, together, strict=True):
        alone = upward(reader, tokens, SOURCES, depth=depth)
        # What no link leads to makes no difference.
        reached = set(names)
        for _ in range(depth - 1):
            led = [said_of(alone.links, name) for name in reached]
            reached |= {name for name in NAMES if token(name) in {row[0] for rows in led for row in rows}}
        assert {known.links.name(code) for code in known.links.token.tolist()} <= set(map(token, reached))
        for name in reached:
            assert said_of(known.links, name) == said_of(alone.links, name)
            assert said_of(known.ends, name) == said_of(alone.ends, name)


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
