"""A customer of the model company: the person, the household, what it has, and what of it changes over time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

DELIVERED = timedelta(minutes=10)  # Before a contract begins.
RETURNED = timedelta(minutes=20)  # After it ended.


@dataclass(frozen=True, slots=True)
class SimPerson:
    name: str
    gender: str
    birth: date


@dataclass(frozen=True, slots=True)
class Phase:
    """One run of a customer's contracts: signed, delivered at `begin`, over at `end` (None: runs on)."""

    signed: datetime
    begin: datetime
    end: datetime | None

    def holds(self, at: datetime) -> bool:
        return self.begin <= at and (self.end is None or at < self.end)

    def lends(self, at: datetime) -> bool:
        """Whether the customer has the company's equipment then."""
        return self.begin - DELIVERED <= at and (self.end is None or at < self.end + RETURNED)


@dataclass(frozen=True, slots=True)
class Former:
    """What an e-mail address, phone number or user name was until `until`. The register learnt it at `entered`."""

    kind: str
    value: str = field(repr=False)
    until: datetime
    entered: datetime


@dataclass(frozen=True, slots=True)
class Browser:
    """One browser of a household. `choice` is in force from `decided` until `withdrawn`, if ever.

    `home`: customer number of the household it first stood in. `owners`: who logged in first, and since when, in
    order; from then on the cookie is that customer's.
    """

    cookie_id: str
    family: str
    system: str
    choice: str
    decided: datetime
    withdrawn: datetime | None
    home: str
    owners: tuple[tuple[datetime, str], ...] = ()

    def state(self, at: datetime) -> tuple[str, str | None]:
        """(cookie choice in force, cookie identifier sent)."""
        if at < self.decided:
            return "unknown", None
        if self.choice == "all" and (self.withdrawn is None or at < self.withdrawn):
            return "all", self.cookie_id
        return ("necessary" if self.choice == "all" else self.choice), None

    def owner(self, at: datetime | None = None) -> str | None:
        """Customer number whose cookie it is then; without a time, in the end."""
        number = None
        for since, name in self.owners:
            if at is None or since <= at:
                number = name
        return number


@dataclass(frozen=True, slots=True)
class Device:
    """`given_on`: the equipment went to another customer after it was returned."""

    kind: str
    serial: str
    mac: str | None
    model: str
    imei: str | None = None
    given_on: bool = False


@dataclass(frozen=True, slots=True)
class Customer:
    """The person who signs for a household, and the household. The representation names nobody.

    `email`, `phone` and `username` are those of the end; `former` has what they were before, oldest first.
    `merged`: (when, customer number that goes on or None for split again), as the register was told.
    """

    index: int
    number: str
    holder: SimPerson
    members: tuple[SimPerson, ...]
    fodselsnummer: str
    email: str
    phone: str
    username: str
    account_number: str
    chat_handle: str
    social_handle: str
    address: str
    place: str
    line_id: str
    nas: str
    shared: bool  # Behind shared addresses (RFC 6888).
    products: tuple[str, ...]
    contract_ids: tuple[str, ...]
    phases: tuple[Phase, ...]
    browsers: tuple[Browser, ...]
    devices: tuple[Device, ...]
    invoice_day: int
    direct_debit: bool
    former: tuple[Former, ...] = ()
    merged: tuple[tuple[datetime, str | None], ...] = ()

    def __repr__(self) -> str:
        return f"Customer(index={self.index})"

    def active(self, at: datetime) -> bool:
        return any(phase.holds(at) for phase in self.phases)

    def known(self, at: datetime) -> bool:
        """Whether the company has met the customer by then."""
        return at >= self.phases[0].begin

    def device(self, kind: str) -> Device | None:
        return next((device for device in self.devices if device.kind == kind), None)

    def email_at(self, at: datetime) -> str:
        return self._then("email", at) or self.email

    def phone_at(self, at: datetime) -> str:
        return self._then("phone", at) or self.phone

    def username_at(self, at: datetime) -> str:
        return self._then("username", at) or self.username

    def _then(self, kind: str, at: datetime) -> str | None:
        return next((old.value for old in self.former if old.kind == kind and at < old.until), None)

    def identifiers(self, at: datetime | None = None) -> tuple[tuple[str, str], ...]:
        """(kind, value) of everything that names this customer then, addresses left out.

        Without a time: in the end. What somebody else has by then is no longer among it; what was returned and
        lies in the store still is.
        """
        return (
            ("customer_number", self.number),
            ("fodselsnummer", self.fodselsnummer),
            ("email", self.email if at is None else self.email_at(at)),
            ("phone", self.phone if at is None else self.phone_at(at)),
            ("username", self.username if at is None else self.username_at(at)),
            ("account_number", self.account_number),
            ("chat_handle", self.chat_handle),
            ("social_handle", self.social_handle),
            *(
                ("cookie_id", browser.cookie_id)
                for browser in self.browsers
                if browser.owner(at) == self.number
            ),
            *(("device_serial", device.serial) for device in self._held(at)),
            *(("mac", device.mac) for device in self._held(at) if device.mac),
        )

    def _held(self, at: datetime | None) -> tuple[Device, ...]:
        if at is None:
            return tuple(device for device in self.devices if not device.given_on)
        return self.devices if any(phase.lends(at) for phase in self.phases) else ()
