"""Texts that people of many countries could write, with the truth about them: `foreign(seed, count)`.

Sentences in English and Norwegian around phones, cards and accounts (IBAN) as Faker makes them in its locales, among
numbers that are none of these: orders, postcodes, social security numbers, cards and accounts with a wrong check digit.
Everything is drawn at random and stored nowhere.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml
from faker import Faker
from stdnum import iban

from streams.simulate.labelled import Labelled, parse_marked
from streams.tagging.scan import Finding, scan

KINDS = ("phone", "payment_card", "kontonummer")
LIKELY = 0.5
"""Score from which a finding counts here."""

_LOCALES = [
    "en_US", "en_GB", "en_AU", "en_IN", "de_DE", "fr_FR", "sv_SE", "da_DK", "fi_FI", "es_ES", "it_IT", "pl_PL", "pt_BR",
    "pt_PT", "nl_NL", "no_NO", "de_AT", "cs_CZ", "ro_RO", "tr_TR",
]  # fmt: skip
_CARDS = (
    "amex",
    "diners",
    "discover",
    "jcb15",
    "jcb16",
    "maestro",
    "mastercard",
    "visa13",
    "visa16",
    "visa19",
)
_CARRIERS = Path(__file__).parents[1] / "tests" / "fixtures" / "foreign.yaml"


def foreign(seed: int, count: int) -> Iterator[Labelled]:
    """`count` texts, half of them with something to find. The same seed gives the same ones."""
    maker = _Maker(random.Random(f"{seed}:foreign"))
    for _ in range(count):
        yield parse_marked(maker.text())


class _Maker:
    """Draws sentences and what stands in them."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._carriers: dict[str, list[str]] = yaml.safe_load(_CARRIERS.read_text("utf-8"))
        self._people = [Faker(locale) for locale in _LOCALES]
        # Not every locale knows cards of all makes, or makes accounts as its country has them.
        self._cards = Faker("en_US")
        self._banks = [
            fake
            for fake in (Faker(locale) for locale in _LOCALES)
            if iban.is_valid(fake.iban(), check_country=False)
        ]
        for fake in (*self._people, self._cards, *self._banks):
            fake.seed_instance(rng.randrange(2**32))

    def text(self) -> str:
        kind = self._rng.choice((*KINDS, None, None, None))
        text = self._rng.choice(self._carriers[kind or "nothing"])
        if kind:
            for _ in range(text.count("{}")):
                text = text.replace("{}", f"[[{kind}|{self._made(kind)}]]", 1)
        return text.format_map(self._others())

    def _made(self, kind: str) -> str:
        if kind == "phone":
            return str(self._rng.choice(self._people).phone_number()).split("x")[0].strip()
        if kind == "payment_card":
            number = str(self._cards.credit_card_number(self._rng.choice(_CARDS)))
            return _grouped(number, self._rng.choice((" ", "-", "", "", "")))
        return _grouped(self._account(), self._rng.choice((" ", "")))

    def _account(self) -> str:
        return str(self._rng.choice(self._banks).iban())

    def _others(self) -> dict[str, str]:
        rng, fake = self._rng, self._rng.choice(self._people)
        card, account = str(self._cards.credit_card_number("visa16")), self._account()
        wrong = f"{account[:2]}{(int(account[2:4]) + 7) % 100:02}{account[4:]}"
        return {
            "name": fake.name(), "address": fake.address(), "company": fake.company(), "country": fake.country(),
            "ssn": fake.ssn(), "order": str(rng.randrange(10**6, 10**10)), "case": str(rng.randrange(10**7, 10**8)),
            "guid": fake.uuid4(), "time": fake.iso8601(),
            "amount": f"{rng.randrange(1, 99)} {rng.randrange(100, 999)},50",
            "month": fake.month_name(), "date": fake.date(), "card_wrong": f"{card[:-1]}{(int(card[-1]) + 3) % 10}",
            "iban_wrong": _grouped(wrong, rng.choice((" ", ""))), "plate": fake.license_plate(),
            "epoch": str(rng.randrange(10**12, 2 * 10**12)), "serial": fake.hexify("^" * 12), "ean": fake.ean13(),
            "coordinates": f"{fake.latitude()}, {fake.longitude()}", "expires": self._cards.credit_card_expire(),
        }  # fmt: skip


def _grouped(text: str, separator: str) -> str:
    return separator.join(text[at : at + 4] for at in range(0, len(text), 4))


def foreign_accuracy(texts: Iterable[Labelled]) -> dict[str, dict[str, float]]:
    """For each kind: labels, findings, precision, recall. A finding is right if it has all digits of the label it
    overlaps; where a number's brackets or its extension belong, people differ."""
    right: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    findings: Counter[str] = Counter()
    for item in texts:
        labels.update(span.kind for span in item.spans)
        places: dict[tuple[int, int], Finding] = {}
        for found in scan(item.text):
            places.setdefault((found.start, found.end), found)
        for found in places.values():
            if found.kind in KINDS and found.score >= LIKELY:
                findings[found.kind] += 1
                right[found.kind] += any(
                    span.kind == found.kind
                    and _digits(item.text[span.start : span.end])
                    == _digits(item.text[found.start : found.end])
                    and span.start <= found.end
                    and found.start <= span.end
                    for span in item.spans
                )
    return {
        kind: {
            "labels": labels[kind],
            "findings": findings[kind],
            "precision": round(right[kind] / findings[kind], 4) if findings[kind] else 1.0,
            "recall": round(right[kind] / labels[kind], 4) if labels[kind] else 1.0,
        }
        for kind in KINDS
    }


def _digits(text: str) -> str:
    return "".join(filter(str.isalnum, text)).replace("+", "")
