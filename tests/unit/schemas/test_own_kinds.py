"""Identifier kinds of a company's own: what their steps give, and which file is refused, with key and mend."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import load_catalogue
from schemas.check_digits import CHECK_DIGITS
from schemas.company import Company, load_company
from schemas.errors import CatalogueError, InvalidIdentifier
from schemas.identifiers import canonical
from schemas.layers import BASE, COMPANIES
from schemas.patterns import LONGEST_VALUE, wrong_pattern
from schemas.tokens import Tokenizer
from tests.support.company import model, write
from tests.support.kinds import KINDS
from tests.support.time_bounds import million_steps

FILE = "catalogue/identifiers.yaml"
HEAD = "  name: {nb: Sendingsnummer, en: Parcel number}\n  names: household\n  certainty: [D]\n"
PARCEL = f"parcel_number:\n{HEAD}  steps: [NFKC, trim, upper, check_digit: s10]\n"
FITTING = f"{PARCEL}  pattern: '[A-Z]{{2}}[0-9]{{9}}[A-Z]{{2}}'\n  example: RR473124829NO\n"
TOKENIZER = Tokenizer(bytes(range(32)), "k")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a small company."""
    return Path(shutil.copytree(COMPANIES / "minimal", tmp_path / "shop"))


def loaded(folder: Path, text: str) -> Company:
    write(folder, FILE, text)
    return load_company(folder)


def test_a_kind_of_ones_own_has_one_spelling_and_a_token_of_its_own(folder: Path) -> None:
    """By its steps, its check digit and its pattern; the kinds that ship are there beside it."""
    kinds = loaded(folder, FITTING).kinds
    kind = kinds["parcel_number"]
    assert {canonical(kind, text) for text in (" rr473124829no", "RR473124829NO", "ＲＲ473124829NO")} == {
        "RR473124829NO"
    }
    for text in ("RR473124820NO", "473124829", "RR473124829NO1", "", "RR 473124829 NO"):
        with pytest.raises(InvalidIdentifier, match="such as RR473124829NO"):
            canonical(kind, text)
    assert TOKENIZER.token(kind, "rr473124829no") != TOKENIZER.token(
        kinds["customer_number"], "rr473124829no"
    )
    assert set(KINDS) < set(kinds)
    assert kinds["email"] == KINDS["email"]


@pytest.mark.parametrize(
    ("steps", "written", "spelling"),
    [
        ("digits", " 12 34-5.6 ", "123456"),
        ("digits: 4", "12-34", "1234"),
        ("digits: 4", "12345", None),
        ("zero_pad: 8", "42", "00000042"),
        ("zero_pad: 2", "123", None),
        ("zero_pad: 8", "4x", None),
        ("trim, prefix: 'K-'", " 42", "K-42"),
        ("trim, prefix: 'K-'", "K-42", "K-42"),
        ("without_prefix: 'K-', zero_pad: 4", "K-42", "0042"),
        ("lower", "StraSSe", "strasse"),
        ("upper", "ab1", "AB1"),
        ("NFC", "bla\u030a", "blå"),
        ("trim", "\u200bx\u200b", "x"),
        ("email", "Kari@Example.NO", "kari@example.no"),
        ("digits, check_digit: luhn", "7992739871 3", "79927398713"),
        ("digits, check_digit: luhn", "79927398710", None),
        ("e164", "400 00 909", "+4740000909"),
    ],
)
def test_each_step_does_what_it_is_called(
    folder: Path, steps: str, written: str, spelling: str | None
) -> None:
    """One after the other, and a value that cannot be is refused."""
    kind = loaded(folder, f"other:\n{HEAD}  steps: [{steps}]\n").kinds["other"]
    if spelling is None:
        with pytest.raises(InvalidIdentifier):
            canonical(kind, written)
    else:
        assert canonical(kind, written) == spelling


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("luhn", "79927398713", "79927398710"),
        ("mod10", "4006381333931", "4006381333932"),
        ("mod11", "00000000019", "00000000018"),
        ("mod97", "3214282912345698765432161182", "3214282912345698765432161183"),
        ("s10", "RR473124829NO", "RR473124828NO"),
        ("kontonummer", "99991234507", "99991234508"),
    ],
)
def test_check_digits_are_reckoned(name: str, right: str, wrong: str) -> None:
    """Of the published examples; another last digit is wrong, and so is what is no number at all."""
    assert CHECK_DIGITS[name](right)
    assert not CHECK_DIGITS[name](wrong)
    assert not any(check(text) for check in CHECK_DIGITS.values() for text in ("", "x", "1", "١٢٣"))


MISTAKES = [
    (f"k:\n{HEAD}  steps: [trimm]\n", "k.steps.0", "did you mean trim"),
    (f"k:\n{HEAD}  steps: [prefix]\n", "k.steps.0", "lacks what it takes"),
    (f"k:\n{HEAD}  steps: [trim: 3]\n", "k.steps.0", "takes nothing"),
    (f"k:\n{HEAD}  steps: [zero_pad: 4000000]\n", "k.steps.0", "a number from 1 to 64"),
    (f"k:\n{HEAD}  steps: [check_digit: mod9]\n", "k.steps.0", "is no check digit"),
    (f"k:\n{HEAD}  steps: [trim, lower, trim]\n", "k.steps.2", "stands twice"),
    (f"k:\n{HEAD}  steps: [trim, e164]\n", "k.steps.1", "says all of the form"),
    (f"k:\n{HEAD}  steps: [own_realm]\n", "k.steps", "write user_name behind it"),
    (f"k:\n{HEAD}  steps: [ip]\n", "k.steps", "the one kind of IP addresses"),
    (f"k:\n{HEAD}  steps: []\n", "k.steps", "at least 1"),
    (f"k:\n{HEAD}  steps: [trim]\n  forms: {{dump: [digitts]}}\n", "k.forms.dump.0", "did you mean digits"),
    (f"k:\n{HEAD.replace('household', 'people')}  steps: [trim]\n", "k.names", "'people' is not allowed"),
    (f"k:\n{HEAD}  steps: [trim]\n  stands_for: customer\n", "k.stands_for", "names a household"),
    (f"k:\n{HEAD}  steps: [trim]\n  one_per_person: true\n", "k.one_per_person", "names a household"),
    (f"k:\n{HEAD}  steps: [trim]\n  found_as: email\n", "k.found_as", "is email already"),
    (f"k:\n{HEAD}  steps: [trim]\n  patern: x\n", "k.patern", "did you mean pattern"),
    (f"k:\n{HEAD}  steps: [trim]\n  pattern: '[0-9]+'\n", "k.example", "is missing"),
    (f"k:\n{HEAD}  steps: [trim]\n  pattern: '[0-9'\n  example: '1'\n", "k.pattern", "is no pattern"),
    (f"k:\n{HEAD}  steps: [trim]\n  pattern: '(a)\\1'\n  example: aa\n", "k.pattern", "backreferences"),
    (f"k:\n{HEAD}  steps: [trim]\n  pattern: '(?=a)a'\n  example: a\n", "k.pattern", "look-around"),
    (f"k:\n{HEAD}  steps: [trim]\n  pattern: '{'a' * 201}'\n  example: a\n", "k.pattern", "more than 200"),
    (
        f"k:\n{HEAD}  steps: [trim]\n  pattern: '((a{{90}}){{90}}){{90}}'\n  example: a\n",
        "k.pattern",
        "counts",
    ),
    (f"k:\n{HEAD}  steps: [trim]\n  pattern: 'a*'\n  example: a\n", "k.pattern", "an empty text"),
    (f"k:\n{HEAD}  steps: [trim]\n  pattern: 'a)|(b'\n  example: a\n", "k.pattern", "is no pattern"),
    (f"k:\n{HEAD}  steps: [lower]\n  pattern: '[A-Z]+'\n  example: AB\n", "k.example", "is none by its own"),
    (f"k:\n{HEAD}  steps: [lower]\n  example: AB\n", "k.example", "is ab by the steps"),
    (f"email:\n{HEAD}  steps: [trim]\n", "email", "change: true"),
    ("ip: {change: true, steps: [trim]}\n", "ip.steps", "write steps: [ip] there"),
    ("ip: {change: true, names: person}\n", "ip.names", "network_place"),
    ("customer_number: {change: true, stands_for: null}\n", "file", "no kind stands for the customer"),
    (f"Kind:\n{HEAD}  steps: [trim]\n", "Kind", "is not an id"),
]


@pytest.mark.parametrize(("text", "key", "mend"), MISTAKES, ids=[f"{k} {m}" for _, k, m in MISTAKES])
def test_a_mistake_is_one_line_with_file_key_and_mend(folder: Path, text: str, key: str, mend: str) -> None:
    """Nothing of such a company is loaded."""
    with pytest.raises(CatalogueError) as caught:
        loaded(folder, text)
    assert (caught.value.file, caught.value.key) == (str(folder / FILE), key)
    assert mend in caught.value.mend
    assert "\n" not in str(caught.value)


def test_a_kind_that_ships_may_be_changed(folder: Path) -> None:
    """The customer numbers of a company have the form that it says, and stand for the customer as before."""
    text = "customer_number: {change: true, steps: [digits, zero_pad: 8], pattern: '7[0-9]{7}', example: '70000042'}\n"
    kinds = loaded(folder, text).kinds
    assert kinds.customer.name == "customer_number"
    assert canonical(kinds.customer, "7000 0042") == "70000042"


def test_another_kind_may_stand_for_the_customer(folder: Path) -> None:
    """A role in data: the number that ships need not be the one."""
    member = "member:\n  name: {nb: Medlem, en: Member}\n  names: person\n  stands_for: customer\n  steps: [trim]\n"
    changed = "customer_number: {change: true, stands_for: null}\n"
    kinds = loaded(folder, f"{member}  certainty: [D]\n{changed}").kinds
    assert [kind.name for kind in kinds.values() if kind.stands_for_customer] == ["member"]
    assert kinds.customer.name == "member"


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|aa)+b", "(.*)*b", "([a-z]+)*[0-9]"])
def test_a_pattern_that_hangs_other_engines_takes_no_time(folder: Path, pattern: str) -> None:
    """Of a text as long as an identifier may be; and a longer one is none."""
    assert wrong_pattern(pattern) is None
    text = f"k:\n{HEAD}  steps: [trim]\n  pattern: '{pattern}'\n  example: {'a1' if '0-9' in pattern else 'ab'}\n"
    kind = loaded(folder, text).kinds["k"]

    def refused() -> None:
        for count in (LONGEST_VALUE, LONGEST_VALUE + 1, 1_000_000):
            with pytest.raises(InvalidIdentifier):
                canonical(kind, "a" * count)

    assert million_steps(refused) < 50


@given(st.text(max_size=30))
def test_the_one_spelling_is_its_own(value: str) -> None:
    """Of every kind that ships: brought into form again it is the same, as sealed identifiers are."""
    for kind in KINDS.values():
        try:
            once = canonical(kind, value)
        except InvalidIdentifier:
            continue
        assert kind.name == "social_handle" or canonical(kind, once) == once


def test_kinds_travel_to_another_process() -> None:
    """The child that decodes what could crash a decoder has the same kinds."""
    copy = pickle.loads(pickle.dumps(KINDS))
    assert dict(copy) == dict(KINDS)
    assert canonical(copy["phone"], "400 00 909") == "+4740000909"


def test_the_kinds_that_ship_are_data_of_the_base() -> None:
    """The model company adds none, so a company that extends the base has all of them."""
    entries = load_catalogue(BASE / "catalogue").identifier_kinds
    assert set(entries) == set(model().catalogue.identifier_kinds) == set(KINDS)
    assert {entry.names for entry in entries.values()} == {"person", "device", "network_place"}
