"""Identifiers of two people in one question, given on purpose or because one of them changed hands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from schemas.catalogue import load_catalogue
from schemas.vocabulary import ClaimForm, Mark, Proof
from streams.identity.identities import Identities
from streams.identity.model import Given, ResolvedSubject
from tests.support.kinds import KINDS
from tests.support.said import Claim, TableReader, at, session, table, token

SOURCES = load_catalogue().identity_sources
MARCH, NOW = 100.0, 1000.0
FEBRUARY = 50.0


def state(name: str, owner: str, since: float, *, slot: str = "email", proof: Proof = Proof.HOLDER) -> Claim:
    """From then on the register has that detail of the customer."""
    said = {"form": ClaimForm.STATE, "group": f"{slot} {owner}", "source": "register", "proof": proof}
    return Claim(name, owner, since, since=since, **said)  # type: ignore[arg-type]


def merge(one: str, other: str, learnt: float) -> Claim:
    return Claim(
        one, other, learnt, form=ClaimForm.MERGE, group=f"merge {one}", source="register", learnt_at=learnt
    )


WORLD = [
    # The e-mail that changed hands: A's until March, B's since.
    state("moved@", "A", 0),
    state("a@", "A", MARCH),
    state("moved@", "B", MARCH),
    # A's former phone, which is nobody's since; and B's.
    state("old-phone", "A", 0, slot="phone"),
    state("phone", "A", MARCH, slot="phone"),
    state("old-b-phone", "B", 0, slot="phone"),
    state("b-phone", "B", MARCH, slot="phone"),
    state("b-user", "B", 0, slot="username"),
    state("a-number", "A", 0, slot="fodselsnummer"),
    state("line", "A", 0, slot="line", proof=Proof.LINE_OWNER),
    # A record that was found to be A's as well.
    merge("A2", "A", 500),
    # A session that names a person who is in no register, one that names A's line alone, and one of B's.
    *session("s", "visitor-ip", "visitor", 0, [], 900, like=Claim(line="line")),
    *session("t", "line-ip", "line", 0, [], 900, like=Claim(line="line", proof=Proof.LINE_OWNER)),
    *session("u", "b-ip", "b-user", 0, [], 900),
    # Equipment lent to A, then to B; a cookie with which both were logged in at one moment.
    *session("d", "mac", "A", 0, [], 400, like=Claim(source="equipment")),
    *session("e", "mac", "B", 400, like=Claim(source="equipment")),
    *(
        Claim("cookie", name, 10, form=ClaimForm.LOGIN, proof=Proof.USER, source="login", mark=Mark.OPEN)
        for name in "AB"
    ),
    Claim("account", "B", 10, form=ClaimForm.LOGIN, proof=Proof.PAYER, source="payment", mark=Mark.OPEN),
]
IDENTITIES = Identities(TableReader(table(WORLD)), SOURCES)

Asked = tuple[Any, ...]
A, B = ("customer_number", "A"), ("customer_number", "B")


def asked(kind: str, name: str, moment: float | None = None) -> Given:
    return Given(KINDS[kind], token(name), None if moment is None else at(moment))


def person(*people: Asked, known_at: float | None = None) -> ResolvedSubject:
    now = at(NOW if known_at is None else known_at)
    return IDENTITIES.person([asked(*item) for item in people], now, at(known_at) if known_at else None)


@pytest.mark.parametrize(
    ("people", "unlinked"),
    [
        ([A], []),
        ([A, ("email", "a@"), ("phone", "phone"), ("fodselsnummer", "a-number")], []),
        ([A, ("customer_number", "A2")], []),
        ([A, ("email", "moved@", FEBRUARY)], []),
        ([A, ("phone", "old-phone")], []),
        ([("phone", "old-phone", FEBRUARY)], []),
        ([A, ("ip", "line-ip", FEBRUARY)], []),
        ([A, ("mac", "mac", FEBRUARY)], []),
        ([A, ("cookie_id", "cookie")], []),
        ([A, ("ip", "line-ip")], []),
        ([A, ("ip", "line-ip", 950)], []),
        ([A, ("email", "unheard-of@")], ["email"]),
        ([A, ("fodselsnummer", "unheard-of")], ["fodselsnummer"]),
        ([A, ("account_number", "account")], ["account_number"]),
        ([("email", "a@"), ("phone", "unheard-of")], ["phone"]),
    ],
)
def test_identifiers_of_one_person_mean_that_person(people: Sequence[Asked], unlinked: Sequence[str]) -> None:
    """Several kinds, a record that was merged, what was theirs at the time given; what nobody is linked to is named."""
    found = person(*people)
    assert (found.resolution, found.candidates, list(found.disagree)) == ("unique", 1, [])
    assert token("A") in found.subjects
    assert token("B") not in found.subjects
    assert list(found.unlinked) == unlinked


@pytest.mark.parametrize(
    ("people", "disagree"),
    [
        ([A, ("username", "b-user")], [["customer_number"], ["username"]]),
        ([A, B], [["customer_number"], ["customer_number"]]),
        # A's until March does not count today, and that it was A's does not undo that it is B's.
        ([A, ("email", "moved@")], [["customer_number"], ["email"]]),
        ([B, ("email", "moved@", FEBRUARY)], [["customer_number"], ["email"]]),
        ([("email", "a@"), ("phone", "b-phone")], [["email"], ["phone"]]),
        ([A, ("phone", "phone"), ("email", "moved@")], [["customer_number", "phone"], ["email"]]),
        # B's once and nobody's now: it proves B's past, nothing of A.
        ([A, ("phone", "old-b-phone")], [["customer_number"], ["phone"]]),
        ([A, ("mac", "mac")], [["customer_number"], ["mac"]]),
        ([A, ("ip", "b-ip", FEBRUARY)], [["customer_number"], ["ip"]]),
        ([A, ("ip", "b-ip")], [["customer_number"], ["ip"]]),
        # The subscriber of a line, and somebody who used it under a name of their own.
        ([A, ("username", "visitor")], [["customer_number"], ["username"]]),
        ([A, ("ip", "visitor-ip", FEBRUARY)], [["customer_number"], ["ip"]]),
        ([B, ("ip", "line-ip", FEBRUARY)], [["customer_number"], ["ip"]]),
        ([("username", "visitor"), ("ip", "b-ip", FEBRUARY)], [["ip"], ["username"]]),
        (
            [("fodselsnummer", "a-number"), ("fodselsnummer", "unheard-of")],
            [["fodselsnummer"], ["fodselsnummer"]],
        ),
        (
            [("fodselsnummer", "unheard-of"), ("fodselsnummer", "nor-this")],
            [["fodselsnummer"], ["fodselsnummer"]],
        ),
        ([("customer_number", "unheard-of"), ("email", "a@")], [["customer_number"], ["email"]]),
        ([A, B, ("cookie_id", "cookie")], [["customer_number"], ["customer_number"]]),
    ],
)
def test_identifiers_of_two_people_mean_nobody(
    people: Sequence[Asked], disagree: Sequence[Sequence[str]]
) -> None:
    """Whose they are at the time asked for decides; those of one person stand together, and nothing is linked."""
    found = person(*people)
    assert (found.resolution, [list(kinds) for kinds in found.disagree]) == ("ambiguous", disagree)
    assert found.candidates == len(disagree)
    assert not found.subjects
    assert not [*found.spans, *found.shared, *found.links]


@pytest.mark.parametrize("people", [[("phone", "old-phone")], [("phone", "old-b-phone")], [("ip", "b-ip")]])
def test_what_was_somebodys_once_names_nobody_today(people: Sequence[Asked]) -> None:
    """A number that was given up may be anybody's by now, also somebody's of whom the register knows nothing."""
    found = person(*people)
    assert (found.resolution, found.candidates, found.disagree) == ("ambiguous", 2, ())
    assert not [*found.subjects, *found.spans, *found.shared, *found.links]


def test_what_the_past_proved_counts_for_the_past_alone() -> None:
    """A has the e-mail's events until March and none of B's."""
    for people in ([A], [A, ("email", "moved@", FEBRUARY)], [("email", "moved@", FEBRUARY)]):
        spans = [(span.since, span.until) for span in person(*people).spans if span.token == token("moved@")]
        assert spans == [(at(0), at(MARCH))]


def test_what_was_not_known_yet_cannot_agree() -> None:
    """As known before the records were merged they were two people's."""
    records = (A, ("customer_number", "A2"))
    assert person(*records, known_at=499).resolution == "ambiguous"
    assert person(*records, known_at=500).resolution == "unique"
