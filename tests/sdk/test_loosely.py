"""Whoever is kept is recognised in every spelling: what innsyn holds to be the same, and what a store adds to it."""

from __future__ import annotations

import ipaddress
import unicodedata
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from innsyn_sdk.expiring import Expiring
from innsyn_sdk.loosely import Spellings, of_identifier, spellings
from innsyn_sdk.mapping import FORMS, Column, RecordMapping
from innsyn_sdk.protocol import Identifier

from schemas.errors import InvalidIdentifier
from schemas.identifiers import IdentifierKind, canonical
from schemas.steps import Said
from tests.sdk.mapped import NOW, TODAY, expiry_of, run_out
from tests.support.kinds import KINDS

BEFORE = NOW - timedelta(days=90)
PREFIXED = IdentifierKind(
    "subscription", "person", (Said("digits"), Said("zero_pad", 8), Said("prefix", "S-"))
)
EXAMPLES = {
    KINDS["customer_number"]: ["K-100200"],
    KINDS["username"]: ["Kåre.Nordmann", "kari@isp.example", "Ström@bücher.example", "ΚΑΡΙΣ", "Strauß"],
    KINDS["email"]: ["Kari.Nordlie@example.no", "kåre@bücher.example", "k@xn--bcher-kva.example"],
    KINDS["phone"]: ["+47 22 33 44 55", "22334455", "+47 (0) 22 33 44 55", "tel:22334455;phone-context=+47",
                     "sip:+4722334455@192.0.2.7:5060;user=phone", "05600", "+46 (0)8 123 456 78"],
    KINDS["ip"]: ["192.0.2.7", "::ffff:192.0.2.7", "2001:DB8:0:0::7", "fe80::1%eth0"],
    KINDS["mac"]: ["AA-BB-CC-00-11-22", "aa:bb:cc:00:11:22", "aabb.cc00.1122"],
    KINDS["social_handle"]: ["@kari_nordlie"],
    KINDS["cookie_id"]: ["c-1", "GA1.2.3.4"],
    KINDS["device_serial"]: ["stb-1", "ﬁbre9"],
    KINDS["account_number"]: ["1503.40.12345"],
    PREFIXED: ["100200", "7", "0"],
}  # fmt: skip
MARKS = ["", " ", "\u00a0", "\u200b", "\ufeff", "\u2003", "\t", ".", "\u00ad"]
WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
DASHES = str.maketrans("-", "\u2011")
CHANGES: list[Callable[[str], str]] = [
    str,
    str.upper,
    str.lower,
    str.swapcase,
    lambda text: text.translate(WIDE),
    lambda text: text.translate(DASHES),
    lambda text: unicodedata.normalize("NFD", text),
    lambda text: unicodedata.normalize("NFKC", text),
]


def goes(value: Any, kept: Identifier, form: str = "exact") -> bool:
    """Whether a row with that value, and nothing of anybody else, is deleted as one that has run out."""
    column = Column("c", "username", kept.kind, form, person=True)
    mapping = RecordMapping("Login", "login", (column,), time="at")
    rules = Expiring(expiry_of([run_out(["Login.username"], BEFORE)], [kept]), mapping, TODAY)
    return rules.decide({"c": value, "at": BEFORE - timedelta(days=1)}).delete


@st.composite
def spelled(draw: st.DrawFn) -> tuple[IdentifierKind, str]:
    """A kind, and an identifier of it as some system may write it."""
    kind = draw(st.sampled_from(list(EXAMPLES)))
    text = draw(st.sampled_from(EXAMPLES[kind]))
    for change in draw(st.lists(st.sampled_from(CHANGES), max_size=3)):
        text = change(text)
    return kind, draw(st.sampled_from(MARKS)) + text + draw(st.sampled_from(MARKS))


# Of letters that only a later Unicode knows than Python's, domains know more than Python.
names = st.tuples(
    st.sampled_from([KINDS[name] for name in ("customer_number", "username", "email", "device_serial")]),
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs", "Cn", "Co"])),
        st.emails(),
        st.text("aA-.@ß\u0130\u0131\u0345\u03a3\u200bxn", max_size=12),
    ),
)


@given(st.one_of(spelled(), names), st.sampled_from(FORMS))
def test_whatever_innsyn_holds_to_be_the_same_is_kept(said: tuple[IdentifierKind, str], form: str) -> None:
    """In every form that a column may have."""
    kind, raw = said
    try:
        told = canonical(kind, raw)
    except InvalidIdentifier:
        return
    assert not goes(raw, Identifier(kind.name, told), form)


@pytest.mark.parametrize(("kind", "raws"), list(EXAMPLES.items()), ids=str)
def test_the_examples_are_identifiers(kind: IdentifierKind, raws: list[str]) -> None:
    """Else the property above would say nothing of them."""
    assert all(canonical(kind, raw) for raw in raws)


@pytest.mark.parametrize(
    ("kind", "raw", "told"),
    [
        ("email", "Kari <kari@example.no>", "kari@example.no"),
        ("email", "mailto:kari@example.no", "kari@example.no"),
        ("username", "kari@isp.example", "kari"),
        ("ip", "192.0.2.7:51302", "192.0.2.7"),
        ("ip", "[2001:db8::1]:443", "2001:db8::1"),
        ("ip", ipaddress.ip_interface("192.0.2.7/24"), "192.0.2.7"),
        ("phone", 22334455, "+4722334455"),
        ("phone", 4722334455.0, "+4722334455"),
        ("customer_number", Decimal("100200.00"), "100200"),
        ("customer_number", "100200", "k-100200"),
        ("customer_number", ["k-7", "K 100200"], "k-100200"),
        ("cookie_id", " ~~ ", "~~"),
    ],
)
def test_what_a_store_adds_or_leaves_out_is_kept_too(kind: str, raw: Any, told: str) -> None:
    assert not goes(raw, Identifier(kind, told))


def test_an_address_of_a_prefix_is_kept_with_its_zone_and_as_a_number() -> None:
    kept = Identifier("ip", "2001:db8::/32", prefix=True)
    assert not goes("2001:db8::7%eth0", kept)
    assert not goes(int(ipaddress.ip_address("2001:db8::7")), kept, "address")
    assert goes("2001:db9::7%eth0", kept)


@pytest.mark.parametrize(
    ("kind", "raw", "told"),
    [
        ("customer_number", "k-100201", "k-100200"),
        ("customer_number", "k-200", "k-100200"),
        ("email", "kari@example.org", "kari@example.no"),
        ("email", "okari1990@example.no", "kari1990@example.no"),
        ("username", "kari.nordmann", "ola.nordmann"),
        ("username", "johanna", "anna"),
        ("phone", "+47 22 33 44 56", "+4722334455"),
        ("ip", "10.11.1.2", "10.1.1.12"),
        ("ip", "192.0.2.70", "192.0.2.7"),
        ("mac", "aa:bb:cc:00:11:23", "aabbcc001122"),
        ("cookie_id", "~~~", "~~"),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_what_is_another_s_goes(kind: str, raw: str, told: str, form: str) -> None:
    assert goes(raw, Identifier(kind, told), form)


def test_all_of_a_value_and_parts_of_it() -> None:
    """Parts of two values are never compared, or all that end alike would be the same."""
    assert spellings("K-100200").whole == {"k100200"}
    assert {"100200", "00200", "200"} <= spellings("K-100200").parts
    assert of_identifier("192.0.2.7") == Spellings(frozenset({"192.0.2.7"}), frozenset())
