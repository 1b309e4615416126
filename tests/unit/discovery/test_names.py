"""What names of fields say, in Norwegian and English, however they are written."""

from __future__ import annotations

import pytest

from schemas.catalogue import load_catalogue
from schemas.layers import BASE
from streams.discovery.names import WHOLE, split, words_for
from tests.support.company import model

WORDS = words_for(load_catalogue(BASE / "catalogue"))


def meant(path: str) -> str:
    """The name of what it most likely is; empty for nothing."""
    said = WORDS.said(path)
    return said[0].meaning.name if said else ""


@pytest.mark.parametrize(
    ("path", "meaning"),
    [
        ("email", "email"),
        ("e_post", "email"),
        ("fakturaEpost", "email"),
        ("contact.emailAddress", "email"),
        ("fodselsnummer", "national_id"),
        ("fødselsnr", "national_id"),
        ("FNR", "national_id"),
        ("customerNumber", "customer_number"),
        ("customer_no", "customer_number"),
        ("customer.number", "customer_number"),
        ("KundeNr", "customer_number"),
        ("leveringsadresse", "address"),
        ("adresser[].gatenavn", "address"),
        ("mobilnummer", "phone"),
        ("fødselsdato", "birth"),
        ("date_of_birth", "birth"),
        ("client_ip", "ip"),
        ("server_address", "far_end"),
        ("server_name", "nobody"),
        ("agent_handle", "chat_handle"),
        ("beskjed", "text"),
        ("createdAt", "moment"),
        ("message_id", ""),
        ("amount", ""),
        ("attributes.*", ""),
    ],
)
def test_a_name_says_what_it_is(path: str, meaning: str) -> None:
    """By the longest phrase in it, also by what the field lies in."""
    assert meant(path) == meaning


def test_a_whole_name_weighs_more_than_a_part_of_one() -> None:
    """`phone` more than `work_phone`, that more than `phone_verified`."""
    weights = [WORDS.said(name)[0].weight for name in ("phone", "work_phone", "phone_verified")]
    assert weights == sorted(set(weights), reverse=True)
    assert weights[0] == WHOLE


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("consignee.phone", "counterparty"),
        ("mottaker.navn", "counterparty"),
        ("agent", "agent"),
        ("handledBy", "agent"),
        ("customer.phone", ""),
    ],
)
def test_a_path_says_whom_it_is_about(path: str, role: str) -> None:
    """By words of the field, or of what it lies in."""
    assert WORDS.role(path) == role


def test_names_are_split_at_signs_and_capitals() -> None:
    """Numbers are no words, letters of Norwegian are folded."""
    assert split("customerNo_2") == ["customer", "no"]
    assert split("IPAddress") == ["ip", "address"]
    assert split("FØDSELS-dato") == ["fodsels", "dato"]


def test_a_companys_own_words_are_known() -> None:
    """Its categories by their names, without a list of ours."""
    words = words_for(model().catalogue)
    heard = words.event(["tv.viewings"], ["programme", "started_at"])
    own = {
        name
        for name in model().catalogue.categories
        if name not in load_catalogue(BASE / "catalogue").categories
    }
    assert max(heard, key=lambda name: heard[name]) in own


def test_what_the_words_mean_every_company_has() -> None:
    """Categories, kinds and roles are of the shared vocabulary."""
    shared = load_catalogue(BASE / "catalogue")
    assert {meaning.category for meaning in WORDS.meanings} - {""} <= set(shared.categories)
    assert {meaning.identifier for meaning in WORDS.meanings} - {""} == set(shared.identifier_kinds)
    assert set(WORDS.roles) <= set(shared.roles)
    for phrase in (phrase for meaning in WORDS.meanings for phrase in meaning.phrases):
        assert phrase.lstrip("*") == " ".join(split(phrase)), "a phrase is written as names are split"
