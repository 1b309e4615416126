"""The closed lists of words that schemas, the index, messages and the API share: each stands here once. Pure.

A word that the index stores as a number has it as `code`. `tests/rules/test_vocabulary.py` holds these lists against
the Avro schemas and against the enums of the ClickHouse tables.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

ADDRESS = "ip"
"""The kind of identifiers that IP addresses are, in every company: the only one with prefixes and ports."""


class CodedWord(StrEnum):
    """A word, and the number under which the index stores it. Numbers are never given anew."""

    code: int

    # The default is for type checkers alone, which take `Role("owner")` for a call of this.
    def __new__(cls, word: str, code: int = -1) -> Self:
        made = str.__new__(cls, word)
        made._value_ = word
        made.code = code
        return made

    @classmethod
    def of(cls, code: int) -> Self:
        """The word of a stored number. Raises ValueError for one that is none."""
        for word in cls:
            if word.code == code:
                return word
        raise ValueError(
            f"{code} is no {cls.__name__}; use one of {', '.join(str(word.code) for word in cls)}"
        )


class Role(CodedWord):
    """What a data subject is to an event."""

    OWNER = "owner", 1
    COUNTERPARTY = "counterparty", 2
    AGENT = "agent", 3
    MENTIONED = "mentioned", 4
    JOINT_OWNER = "joint_owner", 5


class ClaimForm(CodedWord):
    """How the claims of one group add up to links; `streams.identity.links.states` does it."""

    SESSION = (
        "session",
        1,
    )  # opened, seen, closed: an access session, a lease, a port block, equipment on loan
    STATE = "state", 2  # a register: what a slot holds from one claim to the next
    LOGIN = "login", 3  # from then on, until somebody else uses the same identifier
    MERGE = "merge", 4  # the newest claim decides, for all time: one customer record is another's duplicate


class Mark(CodedWord):
    """What a claim of a session says of it."""

    OPEN = "open", 1
    SEEN = "seen", 2
    CLOSE = "close", 3
    OFF = "off", 4  # the server ends all its sessions now
    ON = "on", 5  # the server starts anew: its sessions ended some time before


RULE_MARKS = (Mark.OPEN, Mark.SEEN, Mark.CLOSE)
"""Marks that an identity rule may give; what a server does is said by an assignment alone."""


class Proof(CodedWord):
    """What a link proves of the person it leads to: who pays for a line or has it need not be who used it."""

    HOLDER = "holder", 1  # the register says that the identifier is the person's
    SUBSCRIBER = "subscriber", 2  # the address, port block or equipment was the person's subscription's
    LINE_OWNER = "line_owner", 3  # the access line was
    USER = "user", 4  # somebody logged in as the person
    PAYER = "payer", 5  # the person paid; never followed, a payer may be anybody


class Bound(CodedWord):
    """How an end of a link is known. The code stands in columns that are computed and never stored."""

    STATED = "stated", 0
    INFERRED = "inferred", 1
    OPEN = "open", 2  # nothing ended it


class Resolution(CodedWord):
    """Whom identifiers mean: nobody, one person, or several (then nothing is told). Codes as of `Bound`."""

    NONE = "none", 0
    UNIQUE = "unique", 1
    AMBIGUOUS = "ambiguous", 2


class AssignmentKind(StrEnum):
    """What a server reports of an address, prefix or block of ports; `on` and `off` are about the server itself."""

    START = "start"
    INTERIM = "interim"
    STOP = "stop"
    ON = "on"
    OFF = "off"
    ALLOC = "alloc"
    RELEASE = "release"


class KeyDomain(StrEnum):
    """What else than identifiers sessions are known by: a `key` annotation names one."""

    SESSION = "session"
    LINE = "line"
    SERVER = "server"
    CLIENT = "client"


class Right(StrEnum):
    """The rights of a data subject (GDPR Art. 7(3), 15 to 21), and what innsyn does by itself on the same road."""

    ACCESS = "access"
    ERASURE = "erasure"
    RECTIFICATION = "rectification"
    RESTRICTION = "restriction"
    OBJECTION = "objection"
    PORTABILITY = "portability"
    WITHDRAWAL = "withdrawal"  # of consent
    RETENTION = "retention"  # nobody asks: data have run out by their rule (GDPR Art. 5(1)(e))


BY_PURPOSE = (Right.RESTRICTION, Right.OBJECTION, Right.WITHDRAWAL)
"""Rights that may be exercised for some purposes alone."""
BY_ITSELF = (Right.RETENTION,)
"""What innsyn begins by itself; nobody makes a request of it."""
CORRECTS = (Right.RECTIFICATION,)
"""Rights by which fields get another value."""
WITH_GROUND = (Right.RESTRICTION,)
"""Rights for which the law lists grounds."""


class ReceiptState(StrEnum):
    """What a system of record answers to a command."""

    ACCEPTED = "accepted"
    DONE = "done"
    PARTIAL = "partial"
    WITHHELD = "withheld"
    FAILED = "failed"
    NOT_FOUND = "not_found"


class CommandKind(StrEnum):
    """What a command that is no erasure asks of a system of record."""

    ACCESS = "access"  # send a copy of what it holds
    RECTIFICATION = "rectification"
    RESTRICT = "restrict"  # go on storing, stop all other processing (GDPR Art. 18, 21)
    LIFT = "lift"  # end a restriction


class RestrictionGround(StrEnum):
    """Why somebody wants processing restricted (GDPR Art. 18(1)(a) to (d))."""

    ACCURACY = "accuracy"  # contested, for as long as it is checked
    UNLAWFUL = "unlawful"  # and not to be erased
    CLAIMS = "claims"  # the person needs the data for a legal claim
    OBJECTION = "objection"  # for as long as an objection is weighed


class CommandState(StrEnum):
    """Where a system stands with what it was told: as its last receipt says, once it has answered."""

    UNSENT = "unsent"
    SENT = "sent"
    ACCEPTED = "accepted"
    DONE = "done"
    PARTIAL = "partial"
    WITHHELD = "withheld"
    FAILED = "failed"
    NOT_FOUND = "not_found"
    TAKEN_BACK = "taken_back"  # the restriction was lifted before it had answered


class ErasureAction(StrEnum):
    """What becomes of a record: it goes as a whole, or stays without the person's fields."""

    DELETE = "delete"
    REDACT = "redact"


class ErasureReason(StrEnum):
    """Why a command was sent: somebody asked for it, or a retention rule did."""

    REQUEST = "request"
    RETENTION = "retention"


class LetterState(StrEnum):
    """What became of a dead letter: it still waits, it was an event after all, or somebody gave it up."""

    OPEN = "open"
    TAGGED = "tagged"
    DROPPED = "dropped"


class ReplayState(StrEnum):
    """How far a replay is; `stopped`: by the end of the process."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


class CheckedHow(StrEnum):
    """How it was checked who makes a request (GDPR Art. 12(6)): never by which document, and never what stood there."""

    LOGIN = "login"
    CALL_BACK = "call_back"  # on a number that was known before
    EID = "eid"
    IN_PERSON = "in_person"
    KNOWN_ADDRESS = "known_address"  # an answer from, or sent to, an address that was known before


class CheckedWhat(StrEnum):
    """What was checked: that it is the person, or that whoever asks may act for the person."""

    IDENTITY = "identity"
    AUTHORITY = "authority"


class Doubt(StrEnum):
    """Why it is reasonable to doubt who makes a request (EDPB Guidelines 01/2022, 3.2 to 3.4)."""

    UNKNOWN_SENDER = "unknown_sender"  # from an address or account that nobody knows as the person's
    MISMATCH = "mismatch"  # what was given does not agree with what is held
    SHARED = "shared"  # several people use what was given
    ON_BEHALF = "on_behalf"  # somebody asks for another
    UNUSUAL = "unusual"  # it came in a way in which this person never did


class ToldBy(StrEnum):
    """How the person was sent the answer."""

    LETTER = "letter"
    EMAIL = "email"
    PORTAL = "portal"
