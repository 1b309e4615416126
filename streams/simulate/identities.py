"""Identities that cannot belong to anyone, in forms that real systems accept.

Fødselsnummer carry the month plus 80, as the synthetic ones of the national test register do, with correct check
digits; bank accounts have an invented registry number; addresses come out of ranges set aside for documentation
(RFC 5737, RFC 3849), benchmarks (RFC 2544) and use behind translators (RFC 6598); hardware addresses are locally
administered (IEEE 802).
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from ipaddress import IPv4Address, IPv6Address, IPv6Network

REGISTRY_NUMBER = "9999"
SUBSCRIBER_POOLS = ("192.0.2", "203.0.113", *(f"198.18.{third}" for third in range(256)))
SHARED_POOL = "198.51.100"
PORT_BLOCK = 1_024
PORT_BLOCKS = tuple(range(2_048, 65_536, PORT_BLOCK))

_FIRST_WEIGHTS = (3, 7, 6, 1, 8, 9, 4, 5, 2)
_SECOND_WEIGHTS = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
_PLAIN = str.maketrans({"æ": "ae", "ø": "o", "å": "a", "Æ": "Ae", "Ø": "O", "Å": "A", " ": None, "-": None})


def mod11(digits: str, weights: Sequence[int]) -> int:
    """Check digit by modulus 11; 10 means that these digits have none."""
    rest = sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True)) % 11
    return (11 - rest) % 11


def luhn(digits: str) -> int:
    """Check digit by modulus 10 (ISO/IEC 7812-1)."""
    doubled = (int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(digits)))
    return -sum(number // 10 + number % 10 for number in doubled) % 10


class Identities:
    """Draws identities, each once."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._used: set[str] = set()

    def fodselsnummer(self, birth: date, gender: str) -> str:
        """Eleven digits: day, month + 80, year, individual number (even for women), two check digits."""
        low = 0 if birth.year < 2000 else 500
        while True:
            individual = low + 2 * self._rng.randrange(250) + (gender == "mann")
            nine = f"{birth.day:02}{birth.month + 80:02}{birth.year % 100:02}{individual:03}"
            first = mod11(nine, _FIRST_WEIGHTS)
            if first == 10:
                continue
            second = mod11(f"{nine}{first}", _SECOND_WEIGHTS)
            if second < 10 and self._new(number := f"{nine}{first}{second}"):
                return number

    def account_number(self) -> str:
        """Eleven digits, modulus 11."""
        while True:
            ten = f"{REGISTRY_NUMBER}{self._rng.randrange(10**6):06}"
            check = mod11(ten, _SECOND_WEIGHTS)
            if check < 10 and self._new(number := f"{ten}{check}"):
                return number

    def customer_number(self) -> str:
        """Seven digits."""
        return self._draw(lambda: str(self._rng.randrange(1_000_000, 10_000_000)))

    def phone(self) -> str:
        """E.164, +47 4xxxxxxx."""
        return self._draw(lambda: f"+474{self._rng.randrange(10**7):07}")

    def mac(self) -> str:
        """Locally administered, unicast."""
        return self._draw(lambda: "02:00:" + ":".join(f"{self._rng.randrange(256):02x}" for _ in range(4)))

    def serial(self, prefix: str) -> str:
        return self._draw(lambda: f"{prefix}-{self._rng.randrange(10**4):04}-{self._rng.randrange(10**6):06}")

    def imei(self) -> str:
        """Fifteen digits of the range for test equipment (reporting body 00)."""
        body = self._draw(lambda: f"00{self._rng.randrange(10**12):012}")
        return f"{body}{luhn(body)}"

    def cookie_id(self) -> str:
        """A version 4 UUID (RFC 9562)."""
        bits = f"{self._rng.getrandbits(128):032x}"
        return f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-a{bits[17:20]}-{bits[20:]}"

    def _new(self, value: str) -> bool:
        fresh = value not in self._used
        self._used.add(value)
        return fresh

    def _draw(self, one: Callable[[], str]) -> str:
        while not self._new(value := one()):
            pass
        return value


def plain(name: str) -> str:
    """A name as it stands in a user name: lower case ASCII letters."""
    decomposed = unicodedata.normalize("NFKD", name.translate(_PLAIN))
    return "".join(letter for letter in decomposed.lower() if letter.isascii() and letter.isalpha())


def subscriber_addresses() -> Iterator[str]:
    """Every IPv4 address a line can have alone."""
    for pool in SUBSCRIBER_POOLS:
        for last in range(1, 255):
            yield f"{pool}.{last}"


def shared_blocks() -> Iterator[tuple[str, int]]:
    """Every port block of the shared addresses: (address, first port)."""
    for last in range(1, 255):
        for first in PORT_BLOCKS:
            yield f"{SHARED_POOL}.{last}", first


def delegated_prefix(line: int) -> str:
    """The /56, or for some lines /60, of a line out of 2001:db8::/32; lines count from 0."""
    network = (0x20010DB8 << 96) + ((line + 256) << 72)
    return str(IPv6Network((network, 60 if line % 8 == 5 else 56)))


def inside_address(line: int) -> str:
    """The address of a line behind the translator (RFC 6598)."""
    return str(IPv4Address("100.64.0.0") + line + 1)


def device_address(prefix: str, device: int) -> str:
    """Address of the household's device (1 and up), in the second /64 of its prefix."""
    return str(IPv6Address(int(IPv6Network(prefix).network_address) + (1 << 64) + device))


def foreign_address(rng: random.Random) -> str:
    """An address of somebody else's network: a visitor at work or abroad."""
    if rng.random() < 0.3:
        return f"2001:db8:f{rng.randrange(4096):03x}:1::{rng.randrange(1, 65_536):x}"
    return f"198.19.{rng.randrange(128)}.{rng.randrange(1, 255)}"


def server_address(rng: random.Random) -> str:
    """An address of a service on the internet."""
    return f"198.19.{rng.randrange(128, 250)}.{rng.randrange(1, 255)}"
