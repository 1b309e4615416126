"""What both logs of an ISC Kea DHCP server tell alike: a lease, who has it, and what becomes of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from schemas.addresses import is_placeholder
from schemas.errors import DecodeError
from schemas.vocabulary import AssignmentKind
from streams.feeds.formats.assignment import assignment, hardware_address, prefix
from streams.feeds.lines.fields import address
from streams.feeds.lines.holders import FOREVER, Holders
from streams.feeds.lines.reader import NO_DATA, Read
from streams.feeds.lines.reasons import PLACEHOLDER_ADDRESS, TWO_HOLDERS

SERVER = "dhcp"
INFINITE = 0xFFFFFFFF
_BYTES = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2})*")
_ETHERNET = "01"
# RFC 8415, section 11: the two forms of DUID that hold a link-layer address, here of Ethernet (hardware type 1).
_DUID_LLT = re.compile(r"00:01:00:01(?::[0-9a-f]{2}){4}:((?:[0-9a-f]{2}:){5}[0-9a-f]{2})")
_DUID_LL = re.compile(r"00:03:00:01:((?:[0-9a-f]{2}:){5}[0-9a-f]{2})")


@dataclass(frozen=True)
class Client:
    """Who has a lease. `key` is the same in both logs: the hardware address for IPv4, the DUID for IPv6."""

    key: str
    mac: str | None
    client_id: str | None
    line_id: str | None = None


@dataclass(frozen=True)
class Lease:
    """`name` is the address, or the network in CIDR form if `is_prefix`."""

    name: str
    is_prefix: bool

    @property
    def address(self) -> str:
        return self.name.partition("/")[0]


def lease(text: str, prefix_length: str | None) -> Lease:
    """Raises DecodeError: bad_address, bad_prefix."""
    if prefix_length is None:
        return Lease(address(text), False)
    return Lease(prefix(f"{text}/{prefix_length}"), True)


def client4(hardware: str, client_id: str) -> Client | None:
    """The client of an IPv4 lease, both in bytes as Kea writes them; None if neither is known."""
    hardware, client_id = _bytes(hardware), _bytes(client_id)
    # RFC 2132, section 9.14: type 1 says that an Ethernet address follows.
    told = client_id[3:] if client_id.startswith(_ETHERNET + ":") else ""
    mac = hardware_address(hardware) or (hardware_address(told) if not hardware else None)
    key = hardware or client_id
    return Client(key, mac, None if mac else client_id or hardware) if key else None


def client6(duid: str, hardware: str) -> Client | None:
    """The client of an IPv6 lease; None if the DUID is empty, as that of a declined lease is."""
    duid = _bytes(duid)
    if duid in ("", "00"):
        return None
    found = _DUID_LLT.fullmatch(duid) or _DUID_LL.fullmatch(duid)
    mac = hardware_address(_bytes(hardware)) or (hardware_address(found[1]) if found else None)
    return Client(duid, mac, None if mac else duid)


def _bytes(text: str) -> str:
    text = text.strip().lower()
    if text and not _BYTES.fullmatch(text):
        raise DecodeError("bad_number")
    return text


class Leases:
    """The leases one log has shown, and the events they make. `server` names the DHCP server."""

    def __init__(self, server: str | None) -> None:
        self.server = server or SERVER
        self._last: dict[str, tuple[Lease, Client, int]] = {}
        self._holders = Holders(kept=8, gapless=False)

    def held(
        self, kind: AssignmentKind, what: Lease, who: Client, at: int, lease_seconds: int | None
    ) -> Read:
        """Given or renewed; `lease_seconds` None: nothing is said of its end."""
        if is_placeholder(what.name):
            return Read(counted=[PLACEHOLDER_ADDRESS])
        if lease_seconds == INFINITE:
            lease_seconds = None
        self._last[what.address] = (what, who, at)
        until = FOREVER if lease_seconds is None else at + 1000 * lease_seconds
        second = self._holders.seen(what.name, who.key, who.key, at, until)
        event = self._event(kind, what, who, at) | {"lease_seconds": lease_seconds}
        return Read((event,), TWO_HOLDERS if second else None)

    def over(self, what: Lease, who: Client, at: int) -> Read:
        if is_placeholder(what.name):
            return Read(counted=[PLACEHOLDER_ADDRESS])
        self._holders.ended(what.name, who.key, at)
        return Read((self._event(AssignmentKind.STOP, what, who, at),))

    def removed(self, what: Lease, who: Client, at: int) -> Read:
        """Removed, where `at` may be the last renewal: then the end is not dated, and the lease's own term stands."""
        last = self._last.get(what.address)
        if last is not None and last[1].key == who.key and last[2] == at:
            self._holders.ended(what.name, who.key, at)
            return NO_DATA
        return self.over(what, who, at)

    def declined(self, what: Lease, at: int) -> Read:
        """The address is used by somebody unknown; whoever had the lease has it no more."""
        last = self._last.get(what.address)
        return NO_DATA if last is None else self.over(last[0], last[1], at)

    def deleted(self, text: str, at: int) -> Read:
        """By somebody who named the address alone. Raises DecodeError unknown_lease."""
        last = self._last.pop(address(text), None)
        if last is None:
            raise DecodeError("unknown_lease")
        return self.over(last[0], last[1], at)

    def deleted_of(self, text: str, at: int) -> Read:
        """By somebody who named the client alone. Raises DecodeError unknown_lease, also if it has several."""
        wanted = text.strip().lower()
        mine = [what for what, who, _ in self._last.values() if wanted in (who.key, who.mac, who.client_id)]
        if len(mine) != 1:
            raise DecodeError("unknown_lease")
        return self.deleted(mine[0].address, at)

    def _event(self, kind: AssignmentKind, what: Lease, who: Client, at: int) -> dict[str, object]:
        return assignment(
            kind,
            "dhcp",
            nas=self.server,
            session_id=f"{what.name}/{who.key}",
            occurred_at=at,
            address=None if what.is_prefix else what.name,
            delegated_prefix=what.name if what.is_prefix else None,
            mac=who.mac,
            client_id=who.client_id,
            line_id=who.line_id,
        )
