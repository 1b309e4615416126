"""Weighs what names and values say of a topic's fields into what a contract would say of them. One additive rule.

    confidence of a meaning = weight of the name (WHOLE 0.5, ENDING 0.4, INSIDE 0.3: `names`)
                            + 0.8 x how sure all values together are of a kind that the meaning holds (`values`)
                            - 0.35 where the name says it and fewer than a fifth of five values or more have such a kind
                            - 0.35 where name, address, phone or mail would be those of a thing: `store.address`;
                              and then it is never sure

The meaning with the highest confidence is taken. From 0.65 on it is drafted as it is, from 0.3 on it is drafted and
marked to be decided, below it says nothing. So neither a name nor a shape alone decides anything, while values with
check digits or a form that nothing else has (e-mail, hardware address, phone with its country) do.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from schemas.paths import ANY, ITEM, steps
from schemas.vocabulary import Role
from streams.discovery.names import Meaning, Said, Words, label, numbering, split
from streams.discovery.sample import FieldSeen

SURE, UNSURE = 0.65, 0.3
CONTENT, CONTRADICTION = 0.8, 0.35
_FEW_VALUES, _MISSED = 5, 0.2
# No list has every given name: where one value in four begins with one of the list, all are taken for people.
_GIVEN, _GIVEN_SHARE = 0.75, 0.25
# Values that say something whatever the field is called.
_TELLING = frozenset(
    ["national_id", "email", "phone", "ip", "mac", "bank_account", "payment_card", "imei", "imsi", "iccid",
     "postal_address", "handle", "given_name", "text", "moment", "old_date"]
)  # fmt: skip
# Among other values a few of these are worth a person's look, if they are so sure, and more than so many: one number in
# ten passes the check of a card.
_WORTH_A_LOOK = {
    "national_id": (0.6, 0.0),
    "email": (0.6, 0.0),
    "phone": (0.7, 0.0),
    "payment_card": (0.6, 0.2),
    "postal_address": (0.7, 0.0),
    "special": (0.5, 0.0),
}
# Digits that pass one check pass another by chance.
_CHECKED = frozenset(("bank_account", "imei", "payment_card", "iccid", "phone", "national_id"))
_NOTHING = Meaning("")
# Names, addresses, phones and mail.
_CONTACT = "C-01"
_EVENT_SURE, _NEARLY_ALL = 1.5, 0.95
# Its name is that of an example in the company's catalogue.
EXAMPLE_OF = 0.4
WITHIN = "of an event that names somebody"


@dataclass(frozen=True)
class Judged:
    """What a contract would say of one path. `category`: "" where nothing says it, "none" for nobody's. `confidence`: 0
    to 1. `evidence`: which words and which shares of the values. `decide`: why a person has to, "" where it is sure."""

    path: str
    type: str
    meaning: str = ""
    category: str = ""
    identifier: str = ""
    role: str = ""
    free_text: bool = False
    record_key: bool = False
    port_of: str = ""
    unit: str = ""
    confidence: float = 0.0
    evidence: tuple[str, ...] = ()
    decide: str = ""

    @property
    def personal(self) -> bool:
        """Whether it is about somebody, or may be."""
        return self.category != "none"


@dataclass(frozen=True)
class Event:
    """What all fields together are. `category`: of the whole event, "" where nothing says it; `margin`: how far it is
    ahead of the next, 0.5 to 1. `names`: whether it is about somebody, or may be."""

    fields: tuple[Judged, ...]
    category: str
    margin: float
    names: bool
    event_time: str = ""
    message_key: tuple[str, str] = ("", "")


def judge(names: Sequence[str], fields: Mapping[str, FieldSeen], words: Words, keyed: int = 0) -> Event:
    """`names`: of the topic and its record. `fields`: by path. `keyed`: messages that have a key."""
    first = [_field(path, seen, words, names[0]) for path, seen in fields.items()]
    indirect = {meaning.name for meaning in words.meanings if meaning.indirect}
    named = any(
        item.confidence >= (UNSURE if item.identifier else SURE)
        for item in first
        if (item.identifier or item.category not in ("", "none"))
        and item.meaning not in indirect
        and not _contact_of_a_thing(item, words, names[0])
    )
    category, margin = _event(words.event(names, fields))
    judged = [_within(item, category, margin) if named else _alone(item, indirect) for item in first]
    judged = _with_record_key(_with_ports(_as_objects(judged)), fields)
    may_name = named or any(item.personal for item in judged)
    return Event(
        tuple(judged), category if may_name else "none", margin, may_name, _event_time(judged),
        _message_key(judged, fields, keyed),
    )  # fmt: skip


def _field(path: str, seen: FieldSeen, words: Words, topic: str) -> Judged:
    """What name and values say of it by themselves."""
    said, thing = {item.meaning.name: item for item in words.said(path)}, words.thing(path, topic)
    best, weight, kind, by = _NOTHING, 0.0, "", None
    for meaning in words.meanings:
        name = said.get(meaning.name)
        score, holds = _confidence(meaning, name, seen, thing, words.first_for)
        # Of two that are as sure the more telling name wins: «agent handle» before «handle».
        if score > weight + 1e-9 or (score > weight - 1e-9 and name and _longer(name, by)):
            best, weight, kind, by = meaning, score, holds, name
    judged = Judged(path, _type(seen), evidence=_evidence(by, kind, seen))
    if thing and best.category == _CONTACT:
        weight = min(weight, SURE - 0.01)
    example = words.example_of(path)
    if weight < UNSURE:
        confidence = EXAMPLE_OF if example else 0.0
        return replace(
            judged, category=example, confidence=confidence, decide=_strange(seen, free_text=False)
        )
    judged = replace(
        judged,
        meaning=best.name,
        category="none" if best.nobody else example or best.category,
        identifier=best.identifier,
        role=_role(path, words) if best.identifier else "",
        free_text=best.free_text and judged.type == "string",
        unit=_unit(seen) if best.moment else "",
        confidence=min(weight, 0.99),
    )
    why = "" if weight >= SURE or best.nobody or best.moment or best.port else _why(judged)
    return replace(
        judged, decide=why or _strange(seen, free_text=best.free_text, mine=kind) or _mixed(judged, seen)
    )


def _confidence(
    meaning: Meaning, name: Said | None, seen: FieldSeen, thing: bool, first_for: Mapping[str, str]
) -> tuple[float, str]:
    """How sure the field is of a meaning, and the kind of values that says so."""
    kinds = {kind: _certainty(seen, kind) for kind in meaning.holds if seen.counts[kind]}
    kind = max(kinds, key=lambda item: kinds[item], default="")
    score = CONTENT * kinds.get(kind, 0.0) - CONTRADICTION * (thing and meaning.category == _CONTACT)
    if name is None:
        telling = (kind in _TELLING or kind.startswith("kind:")) and first_for[kind] == meaning.name
        return (score, kind) if telling and seen.share(kind) >= _MISSED else (0.0, "")
    if meaning.holds and seen.values >= _FEW_VALUES and max(map(seen.share, meaning.holds)) < _MISSED:
        score -= CONTRADICTION
    return name.weight + score, kind


def _contact_of_a_thing(item: Judged, words: Words, topic: str) -> bool:
    return item.category == _CONTACT and words.thing(item.path, topic)


def _certainty(seen: FieldSeen, kind: str) -> float:
    if kind == "given_name":
        return _GIVEN * min(1.0, seen.share(kind) / _GIVEN_SHARE)
    return seen.certainty(kind)


def _longer(name: Said, than: Said | None) -> bool:
    return than is None or len(name.phrase) > len(than.phrase)


def _evidence(name: Said | None, kind: str, seen: FieldSeen) -> tuple[str, ...]:
    said = [f"name: {name.phrase}"] if name else []
    if kind:
        said.append(f"values: {label(kind)} {seen.share(kind):.0%}")
    elif not seen.values:
        said.append("no values seen")
    return tuple(said)


def _why(judged: Judged) -> str:
    return f"{_what(judged)}, {judged.confidence:.0%} sure"


def _what(judged: Judged) -> str:
    return label(judged.identifier or judged.meaning)


def _strange(seen: FieldSeen, *, free_text: bool, mine: str = "") -> str:
    """What is among the values, or in them, that the field is not for."""
    if free_text:
        return ""
    for kind, (least, most_by_chance) in _WORTH_A_LOOK.items():
        by_chance = kind == mine or {mine, kind} <= _CHECKED or seen.share(kind) <= most_by_chance
        if not by_chance and _sure(seen, kind) >= least:
            return f"{label(kind)} in {_percent(seen.share(kind))} of the values"
        if mine != "postal_address" and _sure(seen, f"in:{kind}") >= least:
            return f"text with {label(kind)} in {_percent(seen.share(f'in:{kind}'))} of the values"
    return ""


def _sure(seen: FieldSeen, kind: str) -> float:
    """How sure those values are that are of the kind at all."""
    return seen.scores[kind] / seen.counts[kind] if seen.counts[kind] else 0.0


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "under 1 %"


def _mixed(judged: Judged, seen: FieldSeen) -> str:
    """An identifier of two types: whichever the contract names, messages with the other would be dead letters."""
    if not (judged.identifier or judged.free_text):
        return ""
    if len(seen.types) > 1:
        return f"its values are of several types: {', '.join(sorted(seen.types))}"
    return "" if judged.type in ("string", "integer") else f"its values are of type {judged.type}"


def _type(seen: FieldSeen) -> str:
    if set(seen.types) == {"integer", "number"}:
        return "number"
    return seen.types.most_common(1)[0][0] if seen.types else "string"


def _unit(seen: FieldSeen) -> str:
    units = {kind: count for kind, count in seen.counts.items() if kind.startswith("moment:")}
    return max(units, key=lambda item: units[item], default="").removeprefix("moment:")


def _role(path: str, words: Words) -> str:
    said = words.role(path)
    if said:
        return said
    return Role.COUNTERPARTY if _repeats(path) else Role.OWNER


def _repeats(path: str) -> bool:
    return bool({ITEM, ANY} & {*steps(path)})


def _event(heard: Mapping[str, float]) -> tuple[str, float]:
    """The category that most is heard of, and how far it is ahead of the next: 0.5 for not at all, up to 0.99."""
    ranked = sorted(heard.items(), key=lambda item: (-item[1], item[0]))
    if not ranked:
        return "", 0.0
    (category, most), second = ranked[0], ranked[1][1] if len(ranked) > 1 else 0.0
    # Words of fields alone never make it sure.
    return category, min(0.99, most / (most + second)) if most >= _EVENT_SURE else min(UNSURE, most)


def _within(item: Judged, category: str, margin: float) -> Judged:
    """A field of an event that names somebody: what has no category of its own is about them."""
    if item.category:
        return item
    confidence = item.confidence or margin
    made = replace(item, category=category, confidence=confidence, evidence=(*item.evidence, WITHIN))
    why = "" if category else "nothing says which category the event has"
    return replace(made, decide=item.decide or why)


def _alone(item: Judged, indirect: Collection[str]) -> Judged:
    """A field of an event in which nobody is named by name or value."""
    if item.meaning in indirect:
        return replace(item, decide=f"{_what(item)} of a thing: say whether it is somebody's")
    if item.category not in ("", "none") and item.confidence < SURE and not item.decide:
        return replace(item, decide=f"{item.category} by its name, and nobody is named beside it")
    return item if item.category or item.decide else replace(item, category="none")


def _as_objects(judged: Sequence[Judged]) -> list[Judged]:
    """A place that is a value in some messages and holds others in some: a contract reads nothing there."""
    paths = [item.path for item in judged]
    above = {
        path for path in paths if any(other.startswith((f"{path}.", f"{path}{ITEM}")) for other in paths)
    }
    why = "a value in some messages, an object or a list in others"
    return [
        replace(item, decide=why, meaning="", identifier="", role="", free_text=False, unit="")
        if item.path in above
        else item
        for item in judged
    ]


def _with_ports(judged: Sequence[Judged]) -> list[Judged]:
    """A port belongs to the address beside it, whose name begins alike; else to the only one."""
    addresses = [item.path for item in judged if item.identifier == "ip" and not _repeats(item.path)]
    made = []
    for item in judged:
        if item.meaning == "port" and addresses and item.type == "integer":
            stem = split(item.path)[:-1]
            alike = [path for path in addresses if split(path)[: len(stem)] == stem] or addresses
            item = replace(item, port_of=alike[0] if len(alike) == 1 else "")
        made.append(item)
    owners = {item.port_of: item.path for item in reversed(made) if item.port_of}
    return [item if owners.get(item.port_of) == item.path else replace(item, port_of="") for item in made]


def _with_record_key(judged: Sequence[Judged], fields: Mapping[str, FieldSeen]) -> list[Judged]:
    """The first field that is called a number or an id, and never has a value twice."""
    for at, item in enumerate(judged):
        seen = fields[item.path]
        own = split(item.path)
        unique = seen.values > _FEW_VALUES and seen.distinct == seen.values
        if unique and own and own[-1] in numbering() and not _repeats(item.path) and not item.unit:
            return [*judged[:at], replace(item, record_key=True), *judged[at + 1 :]]
    return list(judged)


def _event_time(judged: Sequence[Judged]) -> str:
    """The path of the time that it happened: the surest, of those as sure the first."""
    times = [item for item in judged if item.unit and not _repeats(item.path)]
    return max(times, key=lambda item: item.confidence).path if times else ""


def _message_key(judged: Sequence[Judged], fields: Mapping[str, FieldSeen], keyed: int) -> tuple[str, str]:
    """The identifier that is in the key of nearly every message, and where in it; "" twice for none."""
    for item in judged:
        if item.identifier and not _repeats(item.path) and keyed > _FEW_VALUES:
            for place, count in fields[item.path].as_key.most_common(1):
                if count >= _NEARLY_ALL * keyed:
                    return item.path, place
    return "", ""
