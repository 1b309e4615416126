"""Who knocks at the API, and how often: refused log-ins of an address, look-ups of a credential."""

from __future__ import annotations

import hashlib
import ipaddress
import math
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter

from console.api.protection.buckets import Buckets
from schemas.errors import TooOften

# Ten wrong tokens at once, and ten a minute: a person who mistypes is not kept out, a program that guesses is.
GUESSES = 10
GUESS_SECONDS = 60.0
# Characters of a token that no number of guesses finds; one that innsyn makes has 43.
UNGUESSABLE = 32
# Refused log-ins that get an entry of their own in the record, from all addresses together; all are counted.
_RECORDED_AT_ONCE = 100
_RECORDED_A_SECOND = 1.0


class Doors:
    """Counts and limits. `lookups` identifiers a second may be asked about under one credential, `burst` at once."""

    def __init__(
        self, metrics: CollectorRegistry | None = None, lookups: float = 20.0, burst: int = 200
    ) -> None:
        self._guesses = Buckets(GUESSES / GUESS_SECONDS, GUESSES)
        self._recorded = Buckets(_RECORDED_A_SECOND, _RECORDED_AT_ONCE, most=1)
        self._lookups = Buckets(lookups, burst)
        self._per_second, self._burst = lookups, burst
        self._refused = Counter(
            "innsyn_logins_refused",
            "Log-ins refused: no token, a wrong one, or not looked at after too many of them.",
            ["reason"],
            registry=metrics,
        )
        for reason in ("none", "wrong", "limited"):
            self._refused.labels(reason)
        self._limited = Counter(
            "innsyn_questions_limited", "Questions refused because of the rate of look-ups.", registry=metrics
        )

    def closed(self, client: str) -> int:
        """Seconds for which no token from that address is looked at; 0: one is."""
        seconds = self._guesses.wait(neighbourhood(client))
        if seconds:
            self._refused.labels("limited").inc()
        return math.ceil(seconds)

    def refused(self, client: str, *, given: bool) -> bool:
        """No token, or (`given`) a wrong one, came from there. Whether that is to be recorded: not in a flood."""
        self._refused.labels("wrong" if given else "none").inc()
        if given:
            self._guesses.take(neighbourhood(client))
        return given and not self._recorded.take("")

    def look_up(self, caller: str, identifiers: int) -> None:
        """Somebody asks about so many identifiers. Raises TooOften."""
        if seconds := self._lookups.take(caller, identifiers):
            self._limited.inc()
            raise TooOften(
                f"this token asks about more than {self._per_second:g} identifiers a second ({self._burst} at once); "
                f"wait {math.ceil(seconds)} s, or set INNSYN_LOOKUPS_PER_SECOND and INNSYN_LOOKUPS_BURST",
                math.ceil(seconds),
            )


def neighbourhood(client: str) -> str:
    """The address as it is counted: an IPv6 one by its /64, of which whoever has one has all."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address), 64), strict=False))
    return str(address)


@lru_cache(maxsize=16)
def caller_name(token: str) -> str:
    """What a bearer token is called where its use is recorded: the same for the same token, and no help to guess it.

    Eight digits behind scrypt: too few to prove a guess right, and a fraction of a second for each.
    """
    digest = hashlib.scrypt(token.encode(), salt=b"innsyn: name of a credential", n=2**14, r=8, p=1, dklen=4)
    return f"token {digest.hex()}"
