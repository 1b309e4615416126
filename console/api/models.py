"""Bodies of the API; those of questions about a person are `console.bodies`.

No model shows a personal value in its repr, and none refuses one by quoting it.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from console.bodies import Body, End, Moment, Text
from schemas.vocabulary import Bound, Proof, ReplayState, Resolution


class LetterAt(Body):
    """Where a dead letter lies."""

    topic: Annotated[str, Field(min_length=1, max_length=400)]
    partition: Annotated[int, Field(ge=-1, lt=2**31)]
    offset: Annotated[int, Field(ge=0, lt=2**63)]


class LetterChoice(Body):
    """Which dead letters; what is left out does not limit. `since` and `until` bound when they were seen."""

    topic: Annotated[str, Field(min_length=1, max_length=400)] | None = None
    reason: Text | None = None
    since: Moment | None = None
    until: End | None = None
    letters: Annotated[list[LetterAt], Field(max_length=1000)] = Field([])
    by: Text = "api"


class RetryLetters(LetterChoice):
    """Which to try again."""


class DropLetters(LetterChoice):
    """Which to give up, and why. The reason is kept in clear: it names no person."""

    why: Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]


class LettersDone(BaseModel):
    """How many were chosen, and how many had each outcome: `tagged`, `dropped`, or why it still is no event."""

    letters: int
    outcomes: dict[str, int]
    more: bool


class NewReplay(Body):
    """Topics to read again; none: every tagged topic."""

    topics: Annotated[list[Annotated[str, Field(min_length=1, max_length=249)]], Field(max_length=200)] = (
        Field([])
    )


class ReplayShown(BaseModel):
    """A replay. `events` and `rows` count what was written again."""

    replay_id: str
    topics: list[str]
    state: ReplayState
    started_at: datetime
    ended_at: datetime | None
    events: int
    rows: int
    dead_letters: int
    error: str | None


class Answer(BaseModel):
    """What every answer has: fields beyond those that its model names are let through."""

    model_config = ConfigDict(extra="allow")


class Evidence(Answer):
    """The message on Kafka that a link rests on."""

    topic: str
    partition: int
    offset: int


class IdentityLink(Answer):
    """An identifier was somebody's in [since, until); None: no bound. `end` inferred: the true end lies between
    `end_earliest` and `end_latest`; the same of `begin`. `proof`: the subscriber or owner of a line need not be who
    used it."""

    proof: Proof
    source: str
    since: str | None
    until: str | None
    begin: Bound = Bound.STATED
    begin_earliest: str | None = None
    begin_latest: str | None = None
    end: Bound
    end_earliest: str | None
    end_latest: str | None
    learnt_at: str
    evidence: Evidence
    ports: list[int] | None = None


class NamedLink(IdentityLink):
    """`kind` of the identifier asked about, None for a link further along its chain.

    `token` and `subject`: what leads to whom, the first 12 hex digits of each.
    """

    kind: str | None
    token: str
    subject: str


class IdentityAnswer(Answer):
    """Who it was, without a value. `subjects`: where the chains of links end. The rest as in every answer;
    of `dead_letters` some may say who it was."""

    resolution: Resolution
    candidates: int
    disagree: list[list[str]] = []
    unlinked: list[str] = []
    subjects: list[str]
    links: list[NamedLink]
    links_total: int
    problems: list[str]
    dead_letters: dict[str, int] = {}
    waiting: dict[str, int] | None = None


class ChangedSince(Answer):
    """What became of an earlier answer."""

    events_then: int
    events_now: int
    links_new: int
    links_ended_differently: int
    links_gone: int


class ErasedBefore(Answer):
    """An erasure of the person that was completed. `left`: systems in which something was held or expires by itself."""

    request_id: str
    completed_at: datetime
    left: list[str]


class RestrictionShown(Answer):
    """A restriction or objection that stands. `systems`: the purposes restricted there, by system."""

    request_id: str
    type: str
    since: datetime
    systems: dict[str, list[str]]


class Identified(Answer):
    """Whose events an answer counts. `ambiguous_events` may be another's as well and are in nobody's total.

    `dead_letters`: how many messages of each topic could not be read, so that nobody knows whether more of the person
    stands in them; of log files by their format. `waiting`: how many are not in the index yet, as of some seconds ago;
    None: nobody knows.

    `erased_before`: erasures of the person that were completed, where no link leads on from what was given: what they
    left may lie under other identifiers.

    `restricted`: restrictions of the person's data that stand.

    `disagree`: kinds of identifiers that lead to different people, those that lead to one person together; then nothing
    is taken from any. `unlinked`: kinds of those that no link says to be anybody's, counted because they were given.

    `identity`: the newest of the links it rests on, `identity_total` of them all.
    """

    resolution: Resolution
    candidates: int
    disagree: list[list[str]] = []
    unlinked: list[str] = []
    ambiguous_events: int
    identity: list[IdentityLink]
    identity_total: int
    dead_letters: dict[str, int] = {}
    waiting: dict[str, int] | None = None
    erased_before: list[ErasedBefore] = []
    restricted: list[RestrictionShown] = []
    changed_since: ChangedSince | None = None


class UnjudgedHolding(Answer):
    """What is held and the catalogue of today cannot judge, and `why`; it is in no count."""

    system: str
    topic: str
    record: str
    why: str


class AccessReport(Identified):
    """GDPR Art. 15(1), per system, category and purpose. `clocks`: from which days periods count, and who says so."""

    as_of: date
    catalogue_version: str
    total_events: int
    entries: list[dict[str, Any]]
    unjudged: list[UnjudgedHolding] = []
    clocks: list[dict[str, Any]] = []


class ErasurePlan(Identified):
    """What an erasure would do: `parts` per system, record and category, `copies` on Kafka, `commands` per system.

    `by_link`: of these, where some events are the person's by link only, which nothing that is sent names. `warnings`:
    what a person has to look after, as the request will say it once it is planned. `clocks`: from which days its
    periods count, and who says so.
    """

    as_of: date
    catalogue_version: str
    total_events: int
    parts: list[dict[str, Any]]
    copies: list[dict[str, Any]]
    commands: list[dict[str, Any]]
    unjudged: list[UnjudgedHolding] = []
    clocks: list[dict[str, Any]] = []
    by_link: list[str]
    warnings: list[str]


class CommandOut(Answer):
    """A command that was sent before an order came and is not answered: the system may still carry it out."""

    request_id: str
    system: str


class PreservationOrder(Answer):
    """An order by which everything of a person is held. `kinds`: of the identifiers that are sealed in it; these and
    the reference are gone once it has ended. `commands_out`: of an order that runs, commands about what it holds that
    are not answered; no message takes them back."""

    order_id: str
    state: Literal["runs", "ended", "lifted"]
    ordered_at: datetime
    until: date
    extended: int
    lifted_at: datetime | None
    kinds: list[str]
    reference: str | None
    commands_out: list[CommandOut]
    problem: str | None


class OrderPage(Answer):
    items: list[PreservationOrder]


class OpenRequest(Answer):
    """Another request of the same person that had not ended."""

    request_id: str
    type: str
    state: str


class Created(Answer):
    """`also_open`: there only if there are such; an erasure waits for an erasure."""

    request_id: str
    due_at: date
    state: str
    also_open: list[OpenRequest] | None = None


class Recorded(Created):
    """`overdue`: it was due before it was entered, as after a mistyped year of `received_at`. `notice`: it is recorded,
    and what comes next waits for something that is away; asked again, there are two."""

    overdue: bool
    notice: str | None = None


class RequestSummary(Created):
    """`problems` first what was refused; `waiting_for` systems, or requests that come first; `set_aside` answers of
    systems that cannot be; `notes` what a person did to it and why; `unlinked` as in an answer,
    `dead_letters` too: as it was planned or answered.

    `days_left` until `due_at`, below zero when that has passed; None where it has ended, or the clock stands since
    `paused_since`. `extended_months` by which it was extended; `answered_at`: when there was an answer.
    `unclear`: of how much nobody can tell whether it is the person's, so that an erasure stands; `waived`: what of it
    a person let be. `digest` of what a second person has to approve, the plan or the answer; `awaits_approval`: and
    has not yet. No `due_at` of what runs out by itself, which nobody has to be answered."""

    due_at: date | None  # type: ignore[assignment]
    type: str
    channel: str
    received_at: datetime
    days_left: int | None
    overdue: bool
    paused_since: datetime | None
    extended_months: int
    answered_at: datetime | None
    digest: str | None
    awaits_approval: bool
    ended_at: datetime | None
    resolution: Resolution | None
    unlinked: list[str]
    problems: list[str]
    waiting_for: list[str]
    behind: list[str]
    set_aside: list[dict[str, Any]]
    notes: list[dict[str, Any]]
    late_findings: list[dict[str, Any]]
    came_back: dict[str, Any] | None
    follow_up: str | None
    key_destroyed_at: datetime | None
    dead_letters: dict[str, int] = {}
    unclear: dict[str, Any] | None = None
    waived: dict[str, Any] | None = None


class Page(Answer):
    """Part of a list. `next_cursor` None: it was the last."""

    items: list[dict[str, Any]]
    next_cursor: str | None = None


class WholeSchema(BaseModel):
    """A record's Avro schema: `avsc` as it is kept, `canonical` its Parsing Canonical Form.

    In hexadecimal digits: `crc_64_avro` the number, `frame` the ten bytes before a body in single-object encoding,
    `sha256` of `canonical`; `earlier`: frames of older versions that are still read, oldest first.
    """

    record: str
    fullname: str
    doc: str | None
    file: str
    topics: list[str]
    crc_64_avro: str
    frame: str
    sha256: str
    avsc: dict[str, Any]
    canonical: str
    earlier: list[str]


class RequestPage(Answer):
    items: list[RequestSummary]
    next_cursor: str | None = None


class Problem(Answer):
    """RFC 9457. `errors` names the fields that are wrong, never what stood in them."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] | None = None
