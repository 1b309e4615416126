"""Texts with the truth about them: which characters are an identifier of what kind, and which only look like one.

Every identifier is nobody's: see `streams.simulate.identities`. Foreign phones are of the series set aside for
fiction, organisation numbers of a series not given out yet, cards and equipment of test ranges.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import NamedTuple

from schemas.norwegian import national_number
from streams.simulate.identities import Identities, luhn, mod11
from streams.simulate.sentences import ANSWERS, ENDINGS, GREETINGS, PLACES, SENTENCES, STREETS
from streams.simulate.texts import typed

_MARK = re.compile(r"\[\[([a-z_.0-9]+)\|(.*?)\]\]", re.DOTALL)
_PLACEHOLDER = re.compile(r"{(\w+)}")
_WORD = re.compile(r"(?<![{|\w])[^\W\d_]+(?![}|\w])")
_MISTYPED, _SHORTEST_MISTYPED, _BARE = 0.12, 4, 0.06
_SECOND = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
_ORGANISATION = (3, 2, 7, 6, 5, 4, 3, 2)


class Span(NamedTuple):
    """Characters [start, end) and the kind of what stands there."""

    start: int
    end: int
    kind: str


class Labelled(NamedTuple):
    """A text and what is in it, in order."""

    text: str
    spans: tuple[Span, ...]

    def __repr__(self) -> str:
        return f"Labelled(spans={self.spans})"


def parse_marked(marked: str) -> Labelled:
    """The text of one in which `[[kind|characters]]` marks what is to be found."""
    parts: list[str] = []
    spans: list[Span] = []
    length = at = 0
    for match in _MARK.finditer(marked):
        parts += [marked[at : match.start()], match[2]]
        start = length + match.start() - at
        length = start + len(match[2])
        spans.append(Span(start, length, match[1]))
        at = match.end()
    return Labelled("".join([*parts, marked[at:]]), tuple(spans))


def labelled(seed: int, count: int) -> Iterator[Labelled]:
    """`count` chat lines in bokmål, nynorsk and English. The same seed gives the same ones."""
    rng = random.Random(f"{seed}:labelled")
    maker = _Maker(rng)
    for _ in range(count):
        language = rng.choice(tuple(SENTENCES))
        number = rng.choices((1, 2, 3), (60, 30, 10))[0]
        chosen = [_mistyped(rng, sentence) for sentence in rng.sample(SENTENCES[language], number)]
        if rng.random() < _BARE:
            # Nothing but what was asked for in the line before.
            yield parse_marked(_PLACEHOLDER.sub(lambda found: maker.make(found[1]), rng.choice(ANSWERS)))
            continue
        opening = rng.choice(GREETINGS[language]) if rng.random() < 0.4 else ""
        closing = rng.choice(ENDINGS[language]) if rng.random() < 0.25 else ""
        text = " ".join(part for part in (opening, *chosen, closing) if part)
        text = _PLACEHOLDER.sub(lambda found: maker.make(found[1]), text)
        yield parse_marked(text.lower() if rng.random() < 0.1 and "postal_address" not in text else text)


def _mistyped(rng: random.Random, sentence: str) -> str:
    """Now and then with one letter lost or two swapped, so that words do not always say what a number is."""
    words = [match for match in _WORD.finditer(sentence) if len(match[0]) > _SHORTEST_MISTYPED]
    if not words or rng.random() >= _MISTYPED or "[[" in sentence:
        return sentence
    word = rng.choice(words)
    at = word.start() + rng.randrange(1, len(word[0]) - 1)
    if rng.random() < 0.5:
        return sentence[:at] + sentence[at + 1 :]
    return sentence[:at] + sentence[at + 1] + sentence[at] + sentence[at + 2 :]


class _Maker:
    """Makes identifiers and decoys, spelled as people spell them."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._drawn = Identities(rng)
        self._makers: dict[str, Callable[[], str]] = {
            "fnr": lambda: self._national(0),
            "dnr": lambda: self._national(40),
            "fnr_2032": self._national_2032,
            "konto": self._account,
            "phone": self._phone,
            "abroad": self._abroad,
            "email": self._email,
            "orgnr": lambda: self._marked("orgnr", self._grouped(self._orgnr(), (3, 3, 3))),
            "kid": self._kid,
            "card": lambda: self._marked("payment_card", self._grouped(self._card(), (4, 4, 4, 4))),
            "imei": lambda: self._marked("imei", self._grouped(self._drawn.imei(), (2, 6, 6, 1))),
            "imsi": lambda: self._marked("imsi", f"24299{self._digits(10)}"),
            "iccid": self._iccid,
            "ip": self._ip,
            "mac": self._mac,
            "address": self._address,
            **self._decoys(),
        }

    def _decoys(self) -> dict[str, Callable[[], str]]:
        rng = self._rng
        return {
            "order": lambda: self._digits(rng.choice((6, 7, 8, 9, 10))),
            "invoice": lambda: self._digits(rng.choice((7, 8, 9, 10))),
            "customer": self._drawn.customer_number,
            "case": lambda: f"S-{rng.randrange(2020, 2027)}-{self._digits(6)}",
            "date": self._date,
            "amount": lambda: rng.choice(
                (
                    f"{rng.randrange(100, 9999)},{rng.randrange(100):02}",
                    f"{rng.randrange(1, 99)} {self._digits(3)}",
                )
            ),
            "meter": lambda: self._digits(rng.choice((5, 6, 8))),
            "version": lambda: f"10.{rng.randrange(20)}.{rng.randrange(20)}.{rng.randrange(300, 9999)}",
            "tracking": lambda: rng.choice(("70", "37")) + self._digits(16),
            "puk": lambda: self._digits(8),
            "clock": lambda: f"{rng.randrange(24):02}{rng.choice(':.')}{rng.randrange(60):02}",
            "serial": lambda: self._drawn.serial(rng.choice(("RT", "STB"))),
            "masked": lambda: f"{self._date_digits()}*****",
        }

    def make(self, name: str) -> str:
        return self._makers[name]()

    def _marked(self, kind: str, text: str) -> str:
        return f"[[{kind}|{text}]]"

    def _digits(self, length: int) -> str:
        return str(self._rng.randrange(1, 10)) + "".join(self._rng.choices("0123456789", k=length - 1))

    def _grouped(self, digits: str, lengths: tuple[int, ...]) -> str:
        if self._rng.random() < 0.5:
            return digits
        at, parts = 0, []
        for length in lengths:
            parts.append(digits[at : at + length])
            at += length
        return " ".join(parts)

    def _birth(self) -> date:
        return date(1930, 1, 1) + timedelta(days=self._rng.randrange(33_000))

    def _national(self, day_offset: int) -> str:
        number = self._drawn.fodselsnummer(self._birth(), self._rng.choice(("kvinne", "mann")))
        while day_offset:
            nine = f"{int(number[:2]) + day_offset}{number[2:6]}{self._digits(3)}"
            first = mod11(nine, (3, 7, 6, 1, 8, 9, 4, 5, 2))
            second = mod11(f"{nine}{first}", _SECOND) if first < 10 else 10
            if second < 10:
                return self._marked("d_number", typed(self._rng, "fodselsnummer", f"{nine}{first}{second}"))
        return self._marked("synthetic", self._spelled(number))

    def _national_2032(self) -> str:
        """A number that only the rule of 2032 knows: its first check digit leaves a remainder of 1 to 3."""
        birth = self._birth()
        while True:
            ten = f"{birth.day:02}{birth.month + 80}{birth.year % 100:02}{self._digits(4)}"
            number = f"{ten}{mod11(ten, _SECOND)}"
            found = national_number(number) if len(number) == 11 else None
            if found and not found.strict:
                return self._marked("synthetic", self._spelled(number))

    def _spelled(self, number: str) -> str:
        if self._rng.random() < 0.8:
            return typed(self._rng, "fodselsnummer", number)
        birth, rest = number[:6], number[6:]
        return self._rng.choice(
            (f"{birth}\u00a0{rest}", f"{birth} - {rest}", f"{birth}\n{rest}", f"{birth}.{rest}")
        )

    def _account(self) -> str:
        number = self._drawn.account_number()
        if self._rng.random() < 0.9:
            return self._marked("kontonummer", typed(self._rng, "account_number", number))
        check = 98 - int(f"{number}232400") % 97
        text = f"NO{check:02}{number}"
        return self._marked(
            "kontonummer", self._rng.choice((text, f"{text[:4]} {text[4:8]} {text[8:12]} {text[12:]}"))
        )

    def _phone(self) -> str:
        number = self._drawn.phone()
        if self._rng.random() < 0.8:
            return self._marked("phone", typed(self._rng, "phone", number))
        digits = number[3:]
        return self._marked(
            "phone",
            self._rng.choice(
                (
                    f"0047{digits}",
                    f"+47{digits}",
                    f"+47\u00a0{digits[:3]}\u00a0{digits[3:5]}\u00a0{digits[5:]}",
                )
            ),
        )

    def _abroad(self) -> str:
        last = self._rng.randrange(100)
        return self._marked(
            "phone",
            self._rng.choice(
                (f"+46 70 174 06 {5 + last % 95:02}", f"+44 7700 9001{last:02}", f"+1 202 555 01{last:02}")
            ),
        )

    def _email(self) -> str:
        name = self._rng.choice(("kari", "ola", "berit", "åse", "per.erik", "jan-ove", "siri_b", "nils"))
        extra = self._rng.choice(("", f"{self._rng.randrange(1950, 2010)}", "+nett", ".nordmann"))
        domain = self._rng.choice(("example.no", "example.com", "post.example.no", "blåbær.example.no"))
        return self._marked("email", typed(self._rng, "email", f"{name}{extra}@{domain}"))

    def _orgnr(self) -> str:
        while True:
            eight = f"95{self._digits(6)}"
            check = mod11(eight, _ORGANISATION)
            if check < 10:
                return f"{eight}{check}"

    def _kid(self) -> str:
        body = self._digits(self._rng.choice((7, 9, 12, 15, 18)))
        return self._marked("kid", f"{body}{luhn(body)}")

    def _card(self) -> str:
        body = f"411111{self._digits(9)}"
        return f"{body}{luhn(body)}"

    def _iccid(self) -> str:
        body = f"894799{self._digits(12)}"
        return self._marked("iccid", self._grouped(f"{body}{luhn(body)}", (4, 4, 4, 4, 3)))

    def _ip(self) -> str:
        rng = self._rng
        return self._marked(
            "ip",
            rng.choice(
                (
                    f"198.51.100.{rng.randrange(1, 255)}",
                    f"203.0.113.{rng.randrange(1, 255)}",
                    f"2001:db8:{rng.randrange(1, 65_536):x}::{rng.randrange(1, 65_536):x}",
                )
            ),
        )

    def _mac(self) -> str:
        text = self._drawn.mac()
        return self._marked("mac", self._rng.choice((text, text.upper(), text.replace(":", "-"))))

    def _address(self) -> str:
        rng = self._rng
        code, place = rng.choice(PLACES)
        house = f"{rng.randrange(1, 140)}{rng.choice(('', '', ' B', 'c'))}{rng.choice(('', '', ', H0201'))}"
        street = rng.choice(STREETS)
        return self._marked(
            "postal_address",
            rng.choice((f"{street} {house}, {code} {place}", f"{street} {house} {code} {place}")),
        )

    def _date(self) -> str:
        day = self._birth()
        return self._rng.choice(
            (f"{day:%d.%m.%Y}", f"{day:%d%m%Y}", f"{day:%Y-%m-%d}", f"{day.day}.{day.month}.{day:%y}")
        )

    def _date_digits(self) -> str:
        return f"{self._birth():%d%m%y}"
