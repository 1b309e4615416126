"""Identifiers: one spelling each, tokens that are HMACs of kind and spelling, errors that show no value."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InvalidIdentifier
from schemas.tokens import (
    PREFIX_LENGTHS,
    IdentifierKind,
    KeyCache,
    PrefixCache,
    TokenCache,
    Tokenizer,
    canonical,
    delegated_tokens,
    prefix_tokens,
)
from tests.support.kinds import (
    ACCOUNT_NUMBER,
    COOKIE_ID,
    CUSTOMER_NUMBER,
    EMAIL,
    FODSELSNUMMER,
    IP,
    KINDS,
    PHONE,
    SOCIAL_HANDLE,
    USERNAME,
)

KEY = bytes(range(32))
EVERY_KIND = st.sampled_from([*KINDS.values()])
# Values of several spellings, many of them identifiers of some kind.
SPELLINGS = st.one_of(
    st.text(max_size=20),
    st.integers(0, 99999999999).map(str),
    st.ip_addresses().map(str),
    st.from_regex(r"[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}", fullmatch=True),
    st.emails(domains=st.just("example.no")),
)

CANONICAL = [
    ("customer_number", " K-1002 ", "k-1002"),
    ("customer_number", "\uff2b1002", "k1002"),
    ("fodselsnummer", "018190 12345", "01819012345"),
    ("fodselsnummer", "018190.12345", "01819012345"),
    ("email", " Kari.Nordmann@Example.NO", "kari.nordmann@example.no"),
    ("email", "STRASSE@example.no", "strasse@example.no"),
    ("email", "straße@example.no", "strasse@example.no"),
    ("email", "bla\u030abær@example.no", "blåbær@example.no"),
    ("phone", "400 00 123", "+4740000123"),
    ("phone", "+47 400 00 123", "+4740000123"),
    ("phone", "0047 40000123", "+4740000123"),
    ("phone", "(400) 00-123", "+4740000123"),
    ("phone", "02800", "+4702800"),
    ("phone", "47 580000000123", "+47580000000123"),
    ("phone", "+4540000123", "+4540000123"),
    ("username", "KARI", "kari"),
    ("ip", " 192.0.2.7 ", "192.0.2.7"),
    ("ip", "2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
    ("ip", "::ffff:192.0.2.7", "192.0.2.7"),
    ("ip", "fe80::1%eth0", "fe80::1"),
    ("mac", "02-00-5E-10-00-FF", "02005e1000ff"),
    ("mac", "0200.5e10.00ff", "02005e1000ff"),
    ("cookie_id", " AbC ", "AbC"),
    ("chat_handle", "Kari_N", "kari_n"),
    ("social_handle", "@Kari_N", "kari_n"),
    ("case_number", " s-2026-00417 ", "S-2026-00417"),
    ("device_serial", " sn-12ab ", "SN-12AB"),
    ("account_number", "1503.40.12345", "15034012345"),
]
HINTS = {PHONE: ": with + and the country code, or as eight Norwegian digits"}
INVALID = [
    ("customer_number", "  "),
    ("fodselsnummer", "0181901234"),
    ("fodselsnummer", "018190123456"),
    ("fodselsnummer", "0181901234x"),
    ("fodselsnummer", "٠١٨١٩٠١٢٣٤٥"),
    ("email", ""),
    ("email", "kari"),
    ("email", "n/a"),
    ("email", "kari@"),
    ("email", "@example.no"),
    ("phone", "1234567"),
    ("phone", "+0123456"),
    ("phone", "+4740000123456789"),
    ("phone", "ring 40000123"),
    ("phone", "580000000123"),
    ("ip", "192.0.2.256"),
    ("ip", "192.0.2"),
    ("ip", "192.0.2.0/24"),
    ("mac", "02-00-5E-10-00"),
    ("mac", "02-00-5E-10-00-GG"),
    ("cookie_id", ""),
    ("social_handle", "@"),
    ("account_number", "1503.40.1234"),
]


def refusal(kind: IdentifierKind, value: str) -> str:
    """The message with which a value is refused, empty if it is not."""
    try:
        canonical(kind, value)
    except InvalidIdentifier as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("kind", "value", "expected"), CANONICAL)
def test_each_spelling_has_one_canonical_form(kind: str, value: str, expected: str) -> None:
    """The spellings people and systems use of one identifier meet in one form."""
    assert canonical(KINDS[kind], value) == expected


def test_every_kind_has_a_pinned_canonical_form() -> None:
    """No kind is left out of the table above."""
    assert {kind for kind, _, _ in CANONICAL} == set(KINDS)


@pytest.mark.parametrize(("kind", "value"), INVALID)
def test_what_is_no_identifier_is_refused_without_showing_it(kind: str, value: str) -> None:
    """The error names the kind; neither it nor an error behind it holds the value."""
    with pytest.raises(InvalidIdentifier) as caught:
        canonical(KINDS[kind], value)
    assert kind in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    if value.strip():
        assert value.strip() not in str(caught.value)


@given(EVERY_KIND, SPELLINGS)
def test_the_error_is_the_same_whatever_the_value(kind: IdentifierKind, value: str) -> None:
    """All values refused for a kind get the same message, so it can hold nothing of them."""
    assert refusal(kind, value) in (
        "",
        f"the value given for {kind} is not one; check the kind and the spelling" + HINTS.get(kind, ""),
    )


@given(EVERY_KIND, SPELLINGS)
def test_the_canonical_form_of_a_canonical_form_is_itself(kind: IdentifierKind, value: str) -> None:
    """Taking the form twice changes nothing: what is read back from a system still finds the token."""
    try:
        once = canonical(kind, value)
    except InvalidIdentifier:
        return
    if kind == SOCIAL_HANDLE and once.startswith("@"):
        return  # Only one leading @ is the sign of a handle.
    assert canonical(kind, once) == once


def test_the_token_is_the_documented_hmac() -> None:
    """HMAC-SHA256 over kind, a zero byte and the canonical value, cut to 16 bytes; also as a pinned value."""
    token = Tokenizer(KEY, "k1").token(EMAIL, "Kari@Example.no ")
    expected = hmac.new(KEY, b"email\x00kari@example.no", hashlib.sha256).digest()[:16]
    assert token == expected
    assert token.hex() == "6145c0c33219bc1e5eaa78f342338882"


def test_the_same_digits_under_two_kinds_give_unrelated_tokens() -> None:
    """A fødselsnummer and an account number of the same eleven digits do not meet in the index."""
    tokenizer = Tokenizer(KEY, "k1")
    value = "01819012345"
    kinds = [
        FODSELSNUMMER,
        ACCOUNT_NUMBER,
        CUSTOMER_NUMBER,
        USERNAME,
        COOKIE_ID,
    ]
    assert len({tokenizer.token(kind, value) for kind in kinds}) == len(kinds)


def test_another_key_gives_another_token() -> None:
    """Tokens of two installations cannot be joined."""
    first, second = Tokenizer(KEY, "k1"), Tokenizer(KEY[::-1], "k1")
    assert first.token(USERNAME, "kari") != second.token(USERNAME, "kari")


def test_the_key_is_long_enough_and_never_shown() -> None:
    """A short key is refused; the representation names the key's id alone."""
    with pytest.raises(InvalidIdentifier, match="at least 32 bytes"):
        Tokenizer(KEY[:31], "k1")
    assert repr(Tokenizer(KEY, "k1")) == "Tokenizer(key_id='k1')"


@given(EVERY_KIND, st.lists(st.lists(SPELLINGS, max_size=6), max_size=6), st.integers(0, 8))
def test_the_cache_answers_as_the_tokenizer_under_any_bound(
    kind: IdentifierKind, batches: list[list[str]], bound: int
) -> None:
    """However small the cache, however the batches repeat: the tokenizer's tokens, empty for what is refused."""
    tokenizer = Tokenizer(KEY, "k1")
    cache = TokenCache(tokenizer, kind, bound)
    for batch in [*batches, *batches]:
        expected: list[bytes] = []
        for value in batch:
            try:
                expected.append(tokenizer.token(kind, value))
            except InvalidIdentifier:
                expected.append(b"")
        assert cache.tokens(batch) == expected


def test_kinds_are_parsed_by_name() -> None:
    """An unknown name is refused with those there are."""
    assert KINDS.parse("ip") is IP
    with pytest.raises(InvalidIdentifier, match="customer_number, fodselsnummer, email"):
        KINDS.parse("passport")


DOMAINS = st.sampled_from(["session", "line", "server", "client", "slot", "prefix"])


def test_a_key_is_the_documented_hmac() -> None:
    """HMAC-SHA256 over `key:`, domain, a zero byte and the key; line, server and client in any spelling."""
    tokenizer = Tokenizer(KEY, "k1")
    expected = hmac.new(KEY, b"key:line\x00osl-olt3-1/2/17", hashlib.sha256).digest()[:16]
    assert tokenizer.key("line", " OSL-olt3-1/2/17") == expected
    assert tokenizer.key("session", "0A") != tokenizer.key("session", "0a")


@given(DOMAINS, EVERY_KIND, st.text(min_size=1, max_size=12))
def test_a_key_never_meets_an_identifier(domain: str, kind: IdentifierKind, value: str) -> None:
    """The same text as a network key and as an identifier gives unrelated tokens."""
    tokenizer = Tokenizer(KEY, "k1")
    try:
        assert tokenizer.key(domain, value) != tokenizer.token(kind, value)
    except InvalidIdentifier:
        return


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=6))
def test_domains_are_apart(value: str) -> None:
    """One text has another token in each domain, and none where it is empty."""
    tokenizer = Tokenizer(KEY, "k1")
    domains = ["session", "line", "server", "client", "slot", "prefix"]
    found = [token for domain in domains for token in KeyCache(tokenizer, domain).tokens([value]) if token]
    assert len(set(found)) == len(found)
    assert len(found) == (6 if value.strip() else 3 if value else 0)


@pytest.mark.parametrize("value", ["", "  ", "\ud800"])
def test_what_is_no_key_is_refused(value: str) -> None:
    """Nothing, or what has no bytes, is no line."""
    with pytest.raises(InvalidIdentifier, match="line"):
        Tokenizer(KEY, "k1").key("line", value)
    assert KeyCache(Tokenizer(KEY, "k1"), "line").tokens([value, "a", value]) == [
        b"",
        Tokenizer(KEY, "k1").key("line", "a"),
        b"",
    ]


@given(st.integers(0, 2**128 - 1), st.integers(44, 64), st.integers(0, 2**128 - 1))
def test_a_delegated_prefix_holds_its_addresses_and_no_others(network: int, length: int, other: int) -> None:
    """An address shares a token with a prefix exactly if it lies in it, whatever the length between 44 and 64."""
    tokenizer = Tokenizer(KEY, "k1")
    prefix = ipaddress.IPv6Network((network >> (128 - length) << (128 - length), length))
    given_tokens = delegated_tokens(tokenizer, str(prefix), IP)
    inside = ipaddress.IPv6Address(int(prefix.network_address) | other >> length)
    near = ipaddress.IPv6Address(int(inside) ^ 1 << (128 - length))
    for address in (inside, near, ipaddress.IPv6Address(other)):
        above = prefix_tokens(tokenizer, str(address))
        if address.ipv4_mapped:
            continue
        assert bool(set(above) & set(given_tokens)) == (address in prefix)
        assert [length for _, length in above] == list(PREFIX_LENGTHS)
    assert len(given_tokens) == len(set(given_tokens)) <= 8
    assert {size for _, size in given_tokens} <= set(PREFIX_LENGTHS)


def test_a_prefix_of_one_address_is_the_address() -> None:
    """A /128 has the token of the address itself, of length 0."""
    tokenizer = Tokenizer(KEY, "k1")
    token = tokenizer.token(IP, "2001:db8::1")
    assert delegated_tokens(tokenizer, " 2001:DB8:0::1/128", IP) == ((token, 0),)


def test_host_bits_of_a_prefix_do_not_matter() -> None:
    """Servers write the address of the router into the prefix it was given."""
    tokenizer = Tokenizer(KEY, "k1")
    found = delegated_tokens(tokenizer, "2001:db8:1:2::9/56", IP)
    assert (
        found
        == delegated_tokens(tokenizer, "2001:db8:1::/56", IP)
        == (prefix_tokens(tokenizer, "2001:db8:1::")[3],)
    )


@pytest.mark.parametrize(
    "prefix",
    [
        "2001:db8::/43",
        "2001:db8::/65",
        "2001:db8::/200",
        "2001:db8::/-1",
        "192.0.2.0/24",
        "2001:db8::",
        "husstand/56",
        "",
    ],
)
def test_other_prefixes_are_refused_without_being_shown(prefix: str) -> None:
    """Blocks of providers, halves of a network and what is no prefix belong to no household."""
    with pytest.raises(InvalidIdentifier) as caught:
        delegated_tokens(Tokenizer(KEY, "k1"), prefix, IP)
    assert not prefix or prefix not in str(caught.value)


def test_what_is_no_address_is_refused_in_the_words_of_every_kind() -> None:
    with pytest.raises(InvalidIdentifier, match=r"^the value given for ip is not one; check the spelling$"):
        prefix_tokens(Tokenizer(KEY, "k1"), "300.1.1.1")


def test_ipv4_lies_under_no_prefix() -> None:
    """Neither an IPv4 address nor one that is mapped into IPv6 has prefixes."""
    tokenizer = Tokenizer(KEY, "k1")
    assert prefix_tokens(tokenizer, "192.0.2.7") == prefix_tokens(tokenizer, "::ffff:192.0.2.7") == ()


@given(
    st.lists(st.sampled_from(["2001:db8::1", "2001:db8:1::/56", "192.0.2.7", "x", ""]), max_size=8),
    st.integers(0, 3),
)
def test_prefixes_are_remembered_as_they_are(values: list[str], bound: int) -> None:
    """However small the cache: the prefixes of each value, none for what has none."""
    tokenizer = Tokenizer(KEY, "k1")
    observed, delegated = (
        PrefixCache(tokenizer, bound=bound),
        PrefixCache(tokenizer, delegated=IP, bound=bound),
    )
    addresses = {"2001:db8::1": prefix_tokens(tokenizer, "2001:db8::1")}
    networks = {value: delegated_tokens(tokenizer, value, IP) for value in ["2001:db8:1::/56"]}
    for _ in range(2):
        assert observed.tokens(values) == [addresses.get(value, ()) for value in values]
        assert [found for found in delegated.tokens(values) if found] == [
            networks[value] for value in values if value in networks
        ]
