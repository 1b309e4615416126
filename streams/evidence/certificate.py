"""The certificate of an erasure or a retention run: what every system did, what is held, and that bytes are gone. Pure.

It holds no identifier and no token, and no reason that a person wrote. What is signed is its canonical JSON without the
signature, so that whoever has the public key can check it with nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from schemas.canonical import canonical
from schemas.counted import counted
from schemas.errors import InputError
from schemas.signingkeys import PublicKey, SigningKey
from schemas.times import iso, iso_or_none
from schemas.vocabulary import BY_ITSELF, CommandState
from sinks.ports.evidence import Seal
from sinks.ports.requests import RequestEvent
from streams.answers.unread import with_unread
from streams.evidence.heads import proves
from streams.evidence.proof import head_of, signed_json
from streams.rights.protocol.answering import Answer, Commanded
from streams.rights.protocol.command import Command
from streams.rights.protocol.events import Completed, event_of
from streams.rights.protocol.notes import CANNOT_BE_TOLD
from streams.rights.protocol.request import RequestState, State

KIND = "innsyn-erasure-certificate-v1"
_ERASED = {BY_ITSELF[0].value: "the deletion of what had run out"}
_PART = ("system", "topic", "record", "category", "action", "events", "until", "rule", "citation")


def why_not(request: RequestState, follow_ups: Sequence[RequestState] = ()) -> str | None:
    """Why a request gets no certificate (yet), one sentence; None: as soon as its bytes are gone.

    `follow_ups`: the request that deals with what came to light, that one's own, and so on, as `follow_ups_of`.
    """
    why = _why_not_alone(request)
    if why is not None or request.follow_up is None:
        return why
    last = request
    for item in follow_ups:
        why = _why_not_alone(item)
        if why is not None:
            return f"what came to light after it was completed is not erased: of its follow-up {item.request_id}, {why}"
        last = item
    if last.follow_up is not None:
        return f"its follow-up {last.follow_up} is not among the requests, so nobody can say what it erased"
    return None


def _why_not_alone(request: RequestState) -> str | None:
    if request.runs_out and not request.of_everybody and not (request.plan or {}).get("segments"):
        return "nothing of the person had run out when it was planned, so nothing was deleted by it"
    if not (request.erases or request.runs_out):
        return f"a certificate is of an erasure or of what has run out, and this is a request of type {request.type}"
    if request.state in (State.CLOSED, State.CANCELLED):
        return (
            f"it was {request.state.value} by a person, so that not everything was erased: what was done and what was"
            f" not stands in `innsyn requests show {request.request_id}`"
        )
    if request.unread:
        return "events of its ledger cannot be read by this version, so nobody can say what was done"
    if request.reviews:
        return "the day has come on which what a system withholds is to be reviewed: see its line there"
    if request.state is State.REOPENED or (request.late_findings and request.follow_up is None):
        return (
            "something came to light after it was completed; follow that up with `innsyn requests --follow-up"
            f" {request.request_id}` first"
        )
    if request.state is not State.COMPLETED:
        waits = f", it waits for {', '.join(request.waiting_for)}" if request.waiting_for else ""
        approval = ", a second person has to approve it" if request.awaits_approval else ""
        return f"it is not completed: its state is {request.state.value}{approval}{waits}"
    return None


def follow_ups_of(request: RequestState, find: Callable[[str], RequestState | None]) -> list[RequestState]:
    """What deals with what came to light after the request, and after that, in order, as far as they are found."""
    chain = [request]
    while chain[-1].follow_up is not None:
        found = find(chain[-1].follow_up)
        if found is None or found.request_id in {item.request_id for item in chain}:
            break
        chain.append(found)
    return chain[1:]


def certificate(
    request: RequestState,
    events: Sequence[RequestEvent],
    *,
    number: int = 1,
    follow_ups: Sequence[RequestState] = (),
    purged_at: datetime,
    head: Seal,
    catalogue_version: str,
    at: datetime,
    key: SigningKey,
) -> dict[str, Any]:
    """The signed certificate as JSON. `events`: the request's ledger, `head`: of a log that holds all of it.

    `number`: from 1 on, one more for each completion that is certified. `follow_ups`: as for `why_not`.
    """
    forgotten = request.forgotten or {}
    plan = request.plan or {}
    said = {
        "kind": KIND,
        "number": number,
        "request": {
            "id": request.request_id,
            "type": request.type,
            "received_at": iso(request.received_at),
            "due": request.due.isoformat(),
            "planned_at": iso_or_none(request.planned_at),
            "completed_at": iso_or_none(request.completed_at),
        },
        "systems": [_system(item, events) for item in request.commands.values()],
        "by_hand": [{"what": note.what, "at": iso(note.at), "system": note.system} for note in request.notes],
        "set_aside": [
            {"system": item.system, "state": str(item.state), "why": item.why} for item in request.set_aside
        ],
        "recipients": _recipients(request),
        "held": [_part(part) for part in request.held],
        "copies": [{"topic": item["topic"], "until": item["until"]} for item in plan.get("copies", ())],
        **with_unread(plan.get("dead_letters", {})),
        **_waived(request),
        **_run(plan),
        "index": {
            "rows": {name: int(count) for name, count in sorted(forgotten.items())},
            "asked_again_at": iso_or_none(request.completed_at),
            "found_but_what_is_held": 0,
            "purged_at": iso(purged_at),
        },
        "later": {
            "findings": len(request.late_findings),
            **_came_back(request),
            "follow_ups": [
                {"request": item.request_id, "completed_at": iso_or_none(item.completed_at)}
                for item in follow_ups
            ],
        },
        "catalogue_version": {"planned": plan.get("catalogue_version"), "issued": catalogue_version},
        "issued_at": iso(at),
        "head": signed_json(head),
        "key_id": key.public.id,
    }
    return {**said, "signature": key.sign(canonical(said)).hex()}


def _run(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Of a retention run, what it took: by which rules, of which records before which moment, and how many events of
    people whose data are kept it left."""
    if (run := plan.get("run")) is None:
        return {}
    names = ("system", "record", "categories", "before", "rule", "citation", "expected", "kept")
    said = {"as_of": run["as_of"], "rules": run["rules"], "more": run["more"]}
    return {"run": {**said, "records": [{name: item[name] for name in names} for item in run["records"]]}}


def _recipients(request: RequestState) -> list[dict[str, Any]]:
    """Who was given what was erased, and whether they were told of it (GDPR Art. 19) when this was issued: `told`,
    `impossible` as a person said with a reason, or `not_told`."""
    told = {
        note.system: "told" if note.what == "notified" else "impossible"
        for note in request.notes
        if note.what in ("notified", CANNOT_BE_TOLD)
    }
    names = (request.plan or {}).get("recipients", ())
    return [{"recipient": name, "standing": told.get(name, "not_told")} for name in names]


def _came_back(request: RequestState) -> dict[str, Any]:
    """From which topics what was erased came back, where it did."""
    if request.came_back is None:
        return {}
    said = [
        {"topic": item.topic, "arrival": item.arrival.value, "events": item.events}
        for item in request.came_back.origins
    ]
    return {"came_back": said}


def _waived(request: RequestState) -> dict[str, Any]:
    """What nobody could tell to be the person's and a person let be; nothing where there was no such thing."""
    if (waived := request.waived) is None:
        return {}
    return {"waived": {"dead_letters": dict(waived.dead_letters), "shared_events": waived.shared_events}}


def _system(command: Command, events: Sequence[RequestEvent]) -> dict[str, Any]:
    """What one system was told and answered; of records that may not be counted aloud, no planned number."""
    return {
        "system": command.system,
        "command": command.command_id,
        "state": str(command.state),
        "accepted_by_hand": command.accepted,
        "planned": None if command.described else command.planned,
        "erased": command.erased,
        "held": command.held,
        "ground": command.ground,
        "review_date": command.review_date,
        "citation": command.citation,
        "attempts": [
            {"attempt": event.attempt, "sent_at": iso(stored.occurred_at)}
            for stored, event, _ in _told(events)
            if isinstance(event, Commanded) and event.command_id == command.command_id
        ],
        "receipts": [
            {
                "state": str(event.state),
                "attempt": event.attempt,
                "erased": event.erased,
                "held": event.held,
                "ground": event.ground,
                "review_date": event.review_date.isoformat() if event.review_date else None,
                "reported_at": iso(event.reported_at),
                "recorded_at": iso(stored.occurred_at),
                "late": late,
                "outcomes": [
                    {"record": item.record, "deleted": item.deleted, "redacted": item.redacted}
                    for item in event.outcomes
                ],
            }
            for stored, event, late in _told(events)
            if isinstance(event, Answer) and event.command_id == command.command_id
        ],
    }


def _told(events: Sequence[RequestEvent]) -> Iterator[tuple[RequestEvent, object, bool]]:
    """Each event of the ledger as it was stored and as its class, and whether it came while the request was over."""
    late = False
    for stored in events:
        event = event_of(stored)
        # Told anew, after a review: it is open again.
        late = late and not isinstance(event, Commanded)
        yield stored, event, late
        late = late or isinstance(event, Completed)


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    """What is held or waits for its time, by which rule and until when; what is locked is not counted."""
    hidden = {"events": None, "until": None} if part.get("locked") else {}
    return {name: part.get(name) for name in _PART} | hidden


def verify(value: object, keys: Sequence[PublicKey]) -> str:
    """Check a certificate with the public keys alone; one sentence that says what it certifies.

    Raises InputError, with what is wrong, for one that certifies nothing.
    """
    try:
        return _verified(value, keys)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError("this is no certificate, or it was damaged; ask for it again") from None


def _verified(value: Any, keys: Sequence[PublicKey]) -> str:
    said = {name: item for name, item in value.items() if name != "signature"}
    if said["kind"] != KIND:
        raise ValueError(said["kind"])
    signature, content = bytes.fromhex(value["signature"]), canonical(said)
    if not any(key.id == said["key_id"] and key.proves(signature, content) for key in keys):
        known = ", ".join(key.id for key in keys)
        raise InputError(
            f"the certificate is not signed by key {known} as it stands: it was changed, or name the public key of the"
            " installation that issued it with --key"
        )
    head = head_of(said["head"])
    if not proves(head, keys):
        raise InputError("the tree head that the certificate names is not signed by the key: it is forged")
    request, index = said["request"], said["index"]
    grounds = [item["ground"] for item in said["systems"] if item["state"] == CommandState.WITHHELD]
    rules = sorted({*filter(None, grounds), *(part["rule"] for part in said["held"] if part["rule"])})
    held = f", held by {', '.join(rules)}" if rules else ""
    count = len(said["systems"])
    number = said.get("number", 1)
    instead = f" (certificate {number}, in place of those before)" if number > 1 else ""
    what = _ERASED.get(request["type"], "the erasure")
    return (
        f"{what} {request['id']} was completed at {request['completed_at']}{instead}:"
        f" {count} {'system' if count == 1 else 'systems'} answered{_by_hand(said)}{held}; the index's bytes were gone"
        f" at {index['purged_at']}; issued at {said['issued_at']} under head {head.sequence}{_later(said['later'])}"
    )


def _by_hand(said: Mapping[str, Any]) -> str:
    """What a person let be enough: answers of systems, and what nobody could tell to be the person's."""
    accepted = [item["system"] for item in said["systems"] if item["accepted_by_hand"]]
    by_hand = f", of which a person accepted {', '.join(accepted)}" if accepted else ""
    waived = said.get("waived")
    if waived is None:
        return by_hand
    unread, shared = sum(waived["dead_letters"].values()), waived["shared_events"]
    return (
        f"{by_hand}; a person let be {counted(unread, 'message')} that could not be read and"
        f" {counted(shared, 'event')} that may be somebody else's"
    )


def _later(later: Mapping[str, Any]) -> str:
    """What it says of what came to light between the completion and its issue."""
    if not later["findings"]:
        return ""
    if not (follow_ups := later.get("follow_ups")):
        return "; something came to light after that, and it does not say that it was erased"
    ends = ", ".join(f"{item['request']} completed at {item['completed_at']}" for item in follow_ups)
    return f"; what came to light after that was erased by {ends}"
