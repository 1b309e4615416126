"""What is played at a job and what it has to answer: one list, for `testing.Kit` and, over Kafka, for `played`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from innsyn_sdk.issuing import Answer, Issuer
from innsyn_sdk.outcome import REASONS
from innsyn_sdk.protocol import CLOCKS_APART, OLDEST

ENDS = ("done", "partial", "withheld")
"""How a command ends that finds something."""
Expected = Literal["silence", "refusal", "end", "same", "superseded", "gone", "some", "none"]
LONG_AGO = datetime(1900, 1, 1, tzinfo=UTC)
"""Older than any record of a store for tests."""
NO_VALUE = "innsyn-job-test-no-value"
"""What no field of a record says."""
_PERSON = "needs_person"
"""The reason of a job that leaves orders to a person: it did nothing, and says so."""
_ROLES = ("owner", "joint_owner", "counterparty", "agent", "mentioned")


@dataclass(frozen=True)
class Case:
    """One message to a job. `said` goes on "a command that is". `reason`: of a refusal. `command_id`: of its answers.

    `expected`: `silence`, no answer; `refusal`, `failed` with the reason; `end`, `accepted` and then what it came to;
    `same`, the answers to the case before; `superseded`; `gone`, as `end`, or that there is nothing; `some` and `none`,
    as these, and that something was erased or nothing. `undated`: a record without a time is to be told.
    `aborted`: written in a transaction that is aborted, which there is over Kafka alone. `orders`: a job may leave it
    to a person. `mend`: what to do where it does not hold. `records`: those that a receipt may count; empty: not known.
    """

    said: str
    command_id: str
    message: bytes = field(repr=False)
    expected: Expected
    reason: str | None = None
    aborted: bool = False
    undated: bool = False
    orders: bool = False
    mend: str = ""
    records: frozenset[str] = frozenset()


def run_out(fields: Sequence[str], before: datetime) -> list[dict[str, Any]]:
    """What of each record of the fields (`Record.field`) has run out, as a command names it."""
    records = dict.fromkeys(path.partition(".")[0] for path in fields)
    return [
        {"record": name, "fields": [path for path in fields if path.partition(".")[0] == name], "before": before,
         "rule": "T01"}
        for name in records
    ]  # fmt: skip


def bad(issuer: Issuer, value: Mapping[str, Any], apart: timedelta) -> Iterator[Case]:
    """Commands that must not be carried out. `apart`: how far beyond the limits of time those are that are.

    Each has a command id of its own, so that its answers are known.
    """
    number = 0

    def fresh(**changes: Any) -> dict[str, Any]:
        nonlocal number
        number += 1
        return {**value, "command_id": f"{value['request_id']}/{value['system']}/{number}", **changes}

    def refused(said: str, reason: str, said_value: Mapping[str, Any], message: bytes) -> Case:
        return Case(said, str(said_value["command_id"]), message, "refusal", reason)

    own = fresh()
    yield refused("not signed", "not_authentic", own, issuer.unsigned(own))
    own = fresh()
    yield Case("cut short", own["command_id"], issuer.message(own)[:-3], "silence")
    own = fresh()
    yield Case("no command", own["command_id"], b"\xc3\x01 nonsense", "silence")
    own = fresh()
    yield Case(
        "taken back (its transaction was aborted)",
        own["command_id"],
        issuer.message(own),
        "silence",
        aborted=True,
    )
    for said, reason, changes in (
        ("too old", "too_old", {"issued_at": issuer.now - OLDEST - apart}),
        ("of a time to come", "clock_off", {"issued_at": issuer.now + CLOCKS_APART + apart}),
        ("for another system", "other_system", {"system": "another"}),
        ("under a key that the job lacks", "key_unknown", {"key_id": issuer.other.id}),
        ("about somebody in a way that no job knows", "command_not_understood", {"identifiers": _UNKNOWN}),
    ):
        own = fresh(**changes)
        yield refused(said, reason, own, issuer.message(own))
    own = fresh()
    yield refused("sealed to another key", "not_authentic", own, issuer.message(own, seal=issuer.other))
    own = fresh()
    yield refused("signed by another", "not_authentic", own, issuer.message(own, sign=issuer.other))
    own = fresh()
    changed: dict[str, Any] = {"attempt": 7} if "records" in own else {"fields": ["Everything.else"]}
    yield refused("altered", "not_authentic", own, issuer.message(own, **changed))
    if "records" in value:
        late = [{**item, "before": issuer.now + CLOCKS_APART + apart} for item in value["records"]]
        own = fresh(records=late)
        yield refused("about what runs out in a time to come", "clock_off", own, issuer.message(own))
        own = fresh(records=[{**item, "fields": []} for item in value["records"]])
        said = "about records without a field"
        yield refused(said, "command_not_understood", own, issuer.message(own))


_NOTHING_LEFT = (
    "if it is there at the start, a command before took it: by an order with the action `redact` blank its fields"
    " alone, and keep the record"
)
_STILL_THERE = (
    "what the command before counted is to be gone: look whether the handler commits its transaction, and erases all"
    " that it counts"
)
_RAISED = "the handler raised, or returned no outcome with counts that can be; the log of the job says which and where"
_UNLISTED = f"a reason is one of {', '.join(sorted(REASONS))}; any other text is neither kept nor shown"
_UNKNOWN = [{"kind": "ip", "value": "192.0.2.7", "only_on": "Sundays"}]


def limited(issuer: Issuer, value: Mapping[str, Any], *, undated: bool = False) -> Iterator[Case]:
    """Commands to erase that mean none of the person's records or a part of one alone: by `cut_off`, `where`, `before`,
    an order to blank a field, and several orders for one record. Nothing that they do not mean may be gone for the
    commands that come after them. `undated`: records of the person have no time, so none is meant by its time.

    What they are about is chosen of the fields of `value`: `unlimited` says what is left out.
    """

    def fresh(name: str, **changes: Any) -> tuple[str, bytes]:
        own = {**value, "command_id": f"{value['command_id']}/{name}", **changes}
        return str(own["command_id"]), issuer.message(own)

    if not undated:
        own, message = fresh("cut-off", cut_off=LONG_AGO)
        mend = "leave records whose time is at or after `cut_off`"
        yield Case("about what was before a cut-off older than any record", own, message, "none", mend=mend)
    chosen, kept = _chosen(value["fields"])
    if chosen is None:
        return
    record, _, name = chosen.partition(".")
    whole = [path for path in value["fields"] if path.startswith(f"{record}.")]
    none = _order(record, whole, where={"field": name, "values": [NO_VALUE], "or_empty": False})
    own, message = fresh("where", fields=[], orders=[none])
    mend = "erase by an order the records alone that its `where` means"
    yield Case(
        "with an order that means no record by its `where`", own, message, "none", orders=True, mend=mend
    )
    if not undated:
        own, message = fresh("before", fields=[], orders=[_order(record, whole, before=LONG_AGO)])
        mend = "leave by an order records whose time is at or after its `before`"
        yield Case(
            "with an order about what is older than any record", own, message, "none", orders=True, mend=mend
        )
    if kept is None:
        return
    blank = _order(
        record,
        [chosen],
        action="redact",
        redactions=[{"role": role, "fields": [chosen]} for role in _ROLES],
    )
    own, message = fresh("orders", fields=[], orders=[none, blank, none])
    mend = "carry out each order of the record, whatever another one of it means"
    yield Case(
        "with three orders for a record, of which the second blanks a field", own, message, "end",
        orders=True, mend=mend,
    )  # fmt: skip


def unlimited(fields: Sequence[str]) -> list[str]:
    """What `limited` cannot play with these fields (`Record.field`), and what to give for that; a sentence each."""
    chosen, kept = _chosen(fields)
    if chosen is None:
        return ["no order is played: give a field that is in no array"]
    if kept is None:
        return ["no order to blank a field is played: give another field of the same record"]
    return []


def _chosen(fields: Sequence[str]) -> tuple[str | None, str | None]:
    """A field to select by and to blank, and another of its record: of the first record with two such fields the second
    and the first, which often is by what the person is found."""
    plain = [path for path in fields if "[]" not in path]
    for record in dict.fromkeys(path.partition(".")[0] for path in plain):
        own = [path for path in plain if path.startswith(f"{record}.")]
        if len(own) > 1:
            return own[1], own[0]
    return (plain[0] if plain else None), None


def _order(record: str, fields: Sequence[str], **other: Any) -> dict[str, Any]:
    usual = {
        "categories": [],
        "where": None,
        "before": None,
        "action": "delete",
        "parties": ["owner"],
        "stays_for": [],
        "redactions": [],
    }
    return {"record": record, "fields": list(fields), **usual, **other}


def good(issuer: Issuer, value: Mapping[str, Any], *, undated: bool = False) -> Iterator[Case]:
    """Commands to be carried out, in this order: the second attempt, again, the first, and the same of another id. Of
    an erasure before them those that are `limited`.

    Of what has run out that is one which names nobody who stays, and then the same once more. `undated`: the store has
    a record without a time; of an erasure, those of the person have none.
    """
    records = _records(value)
    for case in _good(issuer, value, undated=undated):
        yield replace(case, records=records)


def _records(value: Mapping[str, Any]) -> frozenset[str]:
    """Those that a command is about."""
    if "records" in value:
        return frozenset(item["record"] for item in value["records"])
    paths = (*value["fields"], *(value.get("content") or ()))
    return frozenset(path.partition(".")[0] for path in paths)


def _good(issuer: Issuer, value: Mapping[str, Any], *, undated: bool) -> Iterator[Case]:
    command_id = str(value["command_id"])
    expires, mend = "records" in value, ""
    if "orders" in value:
        yield from limited(issuer, value, undated=undated)
        undated, mend = False, _NOTHING_LEFT
    second, first = issuer.message({**value, "attempt": 2}), issuer.message(value)
    yield Case("innsyn's", command_id, second, "some" if expires else "end", undated=undated, mend=mend)
    yield Case("the same once more", command_id, second, "same")
    yield Case("an earlier attempt than one that came", command_id, first, "superseded")
    if value.get("kind") == "restrict":
        ended = {**value, "command_id": f"{command_id}/lift", "kind": "lift"}
        yield Case("the end of a restriction", ended["command_id"], issuer.message(ended), "end")
        return
    if expires:
        everybody = {**value, "identifiers": []}
        other = {**everybody, "command_id": f"{command_id}/all"}
        said = "about what has run out of everybody, also of those who stayed"
        yield Case(said, other["command_id"], issuer.message(other), "some", undated=undated)
        other = {**everybody, "command_id": f"{command_id}/again"}
        said = "about what is gone already"
        yield Case(said, other["command_id"], issuer.message(other), "none", undated=undated)
        return
    later = {**value, "command_id": f"{command_id}/later"}
    if "kind" in value:
        yield Case("the same under another id", later["command_id"], issuer.message(later), "gone")
        return
    said = "innsyn's about somebody who is erased already"
    yield Case(said, later["command_id"], issuer.message(later), "none", mend=_STILL_THERE)


def wrong(case: Case, answers: Sequence[Answer], before: Sequence[Answer]) -> str | None:
    """What is wrong with the answers to a case, in a sentence, and what to do; None: nothing. `before`: to the case
    before it."""
    found = _wrong(case, answers, before)
    mend = _mend(case, answers)
    return f"{found}; {mend}" if found is not None and mend else found


def _mend(case: Case, answers: Sequence[Answer]) -> str:
    """What to do about it: what the case says is of a job that carried it out, but not as it was meant."""
    last = answers[-1] if answers else None
    if last is None or last.state != "failed":
        return case.mend if last is not None and _miscounted(last) is None else ""
    if last.reason == "internal_error":
        return _RAISED
    return "" if last.reason is None or last.reason in REASONS else _UNLISTED


def _wrong(case: Case, answers: Sequence[Answer], before: Sequence[Answer]) -> str | None:
    states = [answer.state for answer in answers]
    said = ", then ".join(shown(answer) for answer in answers) or "nothing"
    carried_out = [state for state in states if state != "failed"]
    if case.expected == "superseded":
        if [answer.short for answer in answers] != [("failed", 0, "superseded")]:
            return f"{case.said} was not superseded, but answered with {said}"
        return None
    if case.expected in ("silence", "refusal"):
        if carried_out:
            return f"a command that is {case.said} was carried out"
        if [answer.reason for answer in answers] != ([case.reason] if case.reason else []):
            expected = f"failed ({case.reason})" if case.reason else "nothing"
            return f"a command that is {case.said} was answered with {said}; expected {expected}"
        return None
    if case.expected == "same":
        if [answer.said for answer in answers] != [answer.said for answer in before]:
            return f"the same command again was answered with {said}; expected the same answers again"
        return None
    if len(states) != 2 or states[0] != "accepted":
        return f"a command that is {case.said} was answered with {said}; expected accepted and then what it came to"
    if case.orders and (states[1], answers[1].reason) == ("failed", _PERSON):
        return None
    ends = ENDS if case.expected in ("end", "some") else (*ENDS, "not_found")
    if states[1] not in ends:
        found = ", though the store has something of the person" if states[1] == "not_found" else ""
        return f"a command that is {case.said} came to {shown(answers[1])}{found}"
    return _miscounted(answers[1]) or _misnamed(case, answers[1]) or _misjudged(case, answers[1])


def _misjudged(case: Case, answer: Answer) -> str | None:
    if case.expected == "some" and not answer.erased:
        return (
            f"a command that is {case.said} erased nothing, though the store has something that has run out"
        )
    if case.expected == "none" and answer.erased:
        return f"a command that is {case.said} erased {answer.erased} records"
    if case.expected == "end" and "held" in answer.said and answer.state == "done" and not answer.erased:
        return (
            f"a command that is {case.said} came to done and erased nothing, though the store has something of"
            " the person"
        )
    if case.undated and (answer.state, answer.reason) != ("partial", "undated"):
        return f"a command that is {case.said} came to {shown(answer)}, and does not tell of the record without a time"
    return None


def _miscounted(answer: Answer) -> str | None:
    if "held" not in answer.said:
        return None
    if answer.state == "done" and answer.said["held"]:
        return f"a receipt says done, and that {answer.said['held']} records are held; that is partial"
    if answer.state in ("partial", "withheld") and not answer.said["held"]:
        return f"a receipt says {answer.state}, and that nothing is held"
    return None


def _misnamed(case: Case, answer: Answer) -> str | None:
    """A name that the job made up is not shown."""
    counted = answer.said["outcomes"] if "outcomes" in answer.said else answer.said["records"]
    if not case.records or all(item["record"] in case.records for item in counted):
        return None
    return (
        f"the receipt of a command that is {case.said} counts a record that the command does not name; count by"
        f" the names that it has, here {', '.join(sorted(case.records))}: innsyn sets aside what the company lacks"
    )


def shown(answer: Answer) -> str:
    """State and reason; a text that is no reason of the protocol may name somebody, and is not shown."""
    if answer.reason is None:
        return answer.state
    return f"{answer.state} ({answer.reason if answer.reason in REASONS else 'a reason that is not on the list'})"
