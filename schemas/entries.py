"""The entries of the catalogue: categories, purposes, bases, recipients, systems, identifier kinds, retention rules."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Literal

from dateutil.relativedelta import relativedelta
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, field_validator
from pydantic_core import PydanticCustomError

from schemas.vocabulary import Right

Letter = Literal["a", "b", "c", "d", "e", "f"]
Mark = Literal["P", "S", "O", "K", "D", "U"]
Instrument = Literal[
    "dpa", "joint_arrangement", "independent_controller", "statutory_order", "customer_instruction"
]
PartyClass = Literal["public_authority", "private_institution", "partner", "customer_named"]
Clock = Literal[
    "event", "financial_year_end", "contract_end", "case_closed", "need_end", "invoice_settled",
    "session_end", "communication_end", "withdrawal", "delivery", "order", "none",
]  # fmt: skip
Effect = Literal[
    "hold_legal_obligation",
    "hold_legal_claims",
    "hold_contract",
    "freeze",
    "forces_deletion",
    "expiry",
    "none",
]
HOLDS: frozenset[Effect] = frozenset(
    {"hold_legal_obligation", "hold_legal_claims", "hold_contract", "freeze"}
)

MeasureKind = Literal["technical", "organisational"]
ByJob = Literal["command", "by_hand"]
Names = Literal["person", "device", "household", "network_place"]
FoundAs = Literal["national_number", "email", "phone", "ip", "mac", "account_number"]

Text = Annotated[str, Field(min_length=1)]
FideslangKeys = Annotated[
    tuple[Annotated[str, Field(pattern=r"^[a-z_]+(\.[a-z_]+)*$")], ...], Field(min_length=1)
]

DpvTerms = tuple[Annotated[str, Field(pattern=r"^(dpv|pd|eu-gdpr):[A-Z][A-Za-z0-9-]*$")], ...]
"""Terms of the Data Privacy Vocabulary 2 (W3C), its personal data and its GDPR extension."""

_PERIOD = re.compile(r"P(?=\d)(?:(\d{1,3})W|(?:(\d{1,3})Y)?(?:(\d{1,4})M)?(?:(\d{1,5})D)?)")
PERIOD_MEND = "write an ISO 8601 duration in years, months, weeks or days, such as P5Y, P3Y6M, P6W or P21D"


@lru_cache(maxsize=256)
def parse_period(text: str) -> relativedelta:
    """Turn an ISO 8601 duration of years, months, weeks, days into calendar arithmetic. Raises ValueError."""
    match = _PERIOD.fullmatch(text)
    if match is None:
        raise ValueError(PERIOD_MEND)
    weeks, years, months, days = (int(part or 0) for part in match.groups())
    return relativedelta(years=years, months=months, weeks=weeks, days=days)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Name(_Frozen):
    """The name in Norwegian bokmål and in English."""

    nb: Text
    en: Text


class Entry(_Frozen):
    """What every entry has.

    `certainty`: P primary text, S secondary source, O operator practice, K well known, D choice, U unverified.
    """

    id: Text
    name: Name
    certainty: Annotated[tuple[Mark, ...], Field(min_length=1)]
    note: Text | None = None

    def __hash__(self) -> int:
        """Of the id alone: of all that it says takes longer than most of what is looked up by it."""
        return hash(self.id)


class Term(Entry):
    """A word of a closed list: origin, operation, subject type or role."""

    citation: Text | None = None


class Word(Term):
    """One for which other vocabularies have terms, if they do: `dpv[0]` is the main one."""

    dpv: DpvTerms = ()
    fideslang: Text | None = None


Steps = Annotated[
    tuple[Text | Annotated[dict[Text, StrictInt | str], Field(min_length=1, max_length=1)], ...],
    Field(min_length=1, max_length=10),
]


class IdentifierKindEntry(Term):
    """A kind of identifiers: what it names, and how a value is brought into the one spelling that counts.

    `steps` (`schemas.steps`) are taken in order; `pattern` is that of the result as a whole. `forms`: steps for
    fields that hold it otherwise than people write it. `example`: an invented one, in its one spelling. `stands_for`:
    the customer is known by it. `one_per_person`: nobody has two at a time. `found_as`: what the scanner finds in texts
    that is of this kind.
    """

    names: Names
    steps: Steps
    forms: dict[Text, Steps] = {}
    pattern: Text | None = None
    example: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    stands_for: Literal["customer"] | None = None
    one_per_person: StrictBool = False
    found_as: FoundAs | None = None

    @property
    def is_address(self) -> bool:
        """Whether it is an IP address."""
        return self.steps == ("ip",)


class Revealed(_Frozen):
    """What holds for data of a category that a free text reveals, whatever the text itself was written for.

    `purposes`: purpose and the letter of its basis, GDPR Art. 6(1). `retention`: rules that say when such data go; the
    text takes them along if it goes earlier.
    """

    purposes: Annotated[dict[str, Letter], Field(min_length=1)]
    retention: Annotated[tuple[Text, ...], Field(min_length=1)]


class Category(Term):
    """A data category. Sensitivity 1 ordinary, 2 heightened, 3 high; `fideslang[0]` is the main key, `dpv[0]` the main
    term. `only_for`: the purposes it may serve alone, `only_from`: the origins it may come from alone; empty: any that
    its records declare."""

    sensitivity: Annotated[StrictInt, Field(ge=1, le=3)]
    national_id: StrictBool = False
    telecom_secrecy: StrictBool = False
    free_text: StrictBool = False
    children: StrictBool = False
    fideslang: FideslangKeys
    fideslang_closest: StrictBool = False
    dpv: DpvTerms = ()
    examples: Annotated[tuple[Text, ...], Field(min_length=1)]
    revealed: Revealed | None = None
    only_for: tuple[Text, ...] = ()
    only_from: tuple[Text, ...] = ()


class Automated(_Frozen):
    """Decisions by machine alone that a purpose takes (GDPR Art. 22), as the person is told of them (Art. 15(1)(h))."""

    logic: Name
    consequences: Name
    review: Name


class Purpose(Term):
    """A purpose of processing with the letters of GDPR Art. 6(1) it usually rests on.

    `automated`: None where nobody is decided upon by machine alone.
    """

    legal_bases: Annotated[tuple[Letter, ...], Field(min_length=1)]
    automated: Automated | None = None
    fideslang: FideslangKeys
    fideslang_closest: StrictBool = False
    dpv: DpvTerms = ()


class LegalBasis(Term):
    """A legal basis (its id is the letter of GDPR Art. 6(1)) and what it switches."""

    fideslang: Text
    dpv: DpvTerms = ()
    portability: StrictBool
    objection: StrictBool
    withdrawal_erases: StrictBool
    must_store: Annotated[tuple[Text, ...], Field(min_length=1)]

    @property
    def letter(self) -> str:
        """The letter of GDPR Art. 6(1)."""
        return self.id


class Transfer(_Frozen):
    """That data leave the European Economic Area: whereto (ISO 3166 letters), by which safeguards (GDPR Art. 46)."""

    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    safeguards: Name


class Recipient(Term):
    """Another party, as source or recipient, and the instrument a disclosure to it rests on.

    `transfer`: None where the data stay in the European Economic Area.
    """

    party_class: PartyClass
    instrument: Instrument
    transfer: Transfer | None = None


ON_COMMAND = (Right.ERASURE, Right.ACCESS, Right.RECTIFICATION, Right.RESTRICTION)
"""What a system of record can be told on a topic of its own."""


class System(Entry):
    """A system of record; `holds` are the categories that rest there (empty = whatever passes through), `measures`
    those of security that are in place.

    `access`, `rectification`, `restriction`: done on command by a job of the system, or by its people (`by_hand`).
    """

    erasure: Literal["command", "retention", "own"]
    access: ByJob = "by_hand"
    rectification: ByJob = "by_hand"
    restriction: ByJob = "by_hand"
    holds: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()

    @property
    def delivers_copies(self) -> bool:
        """Whether a job of the system sends a copy on command."""
        return self.access == "command"

    def commanded(self, right: str) -> bool:
        """Whether a job of the system does what such a right asks; `right`: one of ON_COMMAND."""
        return bool(getattr(self, right) == "command")


class Measure(Term):
    """A measure of security (GDPR Art. 32); `dpv[0]` is the main term."""

    kind: MeasureKind
    dpv: DpvTerms = ()


class IdentitySource(Entry):
    """A source of identity links: its clock, and what its reports and a missing one mean. Seconds; see sources.yaml."""

    skew_seconds: Annotated[StrictInt, Field(ge=0)]
    reuse_seconds: Annotated[StrictInt, Field(ge=0)]
    missed_reports: Annotated[StrictInt, Field(ge=1)]
    silence_seconds: Annotated[StrictInt, Field(ge=1)] | None
    clock_ahead_seconds: Annotated[StrictInt, Field(ge=0)] | None = None
    clock_behind_seconds: Annotated[StrictInt, Field(ge=0)] | None = None
    network_lines: tuple[Text, ...] = ()
    placeholder_names: tuple[Text, ...] = ()


class ProofPolicy(Entry):
    """Whether a system that shall erase is told the identifiers that are a person's by this proof (its id).

    named: each with its interval and ports. by_hand: a person sees to what lies under them.
    """

    erasure: Literal["named", "by_hand"]


class RetentionRule(Entry):
    """A retention or erasure rule; `authority` is its citation, `purposes` the only uses of data it holds.

    `covers` empty means every category. `period` None means that the rule ends on the day its clock starts.
    `disclosure` of data that only this rule keeps: an access answer may say it in full, or only that it is held.
    """

    authority: Text
    period: str | None
    clock: Clock
    effect: Effect
    covers: tuple[str, ...]
    purposes: tuple[str, ...] = ()
    locked: StrictBool = False
    active: StrictBool = True
    disclosure: Literal["full", "describe"] = "full"

    @field_validator("period")
    @classmethod
    def _period_parses(cls, period: str | None) -> str | None:
        try:
            if period is not None:
                parse_period(period)
        except ValueError as error:
            raise PydanticCustomError("period", PERIOD_MEND) from error
        return period

    @property
    def is_hold(self) -> bool:
        """Whether the rule can be a ground to refuse erasure (GDPR Art. 17(3), or 6(1)(b) while it runs)."""
        return self.effect in HOLDS

    def covers_category(self, category: str) -> bool:
        """Whether the rule speaks of this category."""
        return not self.covers or category in self.covers
