"""What an answer cannot know: messages that could not be read, in which more of the person may lie. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping

from schemas.company import Company
from schemas.counted import counted
from sinks.ports.dead_letters import OpenLetters

NOBODY_KNOWN = (
    "nobody is known under what was given, and nothing is held under it: check it with whoever asks, and close the"
    " request with a reason if it is right"
)
"""What a person has to do where no link and no event speaks of what was given: a mistyped number looks like that."""
STANDS_FOR_NOBODY = (
    "nobody is known under what was given, and nothing is held under it: it stands, and reaches what comes later; check"
    " it with whoever asks, and `innsyn requests lift {request_id} --told ... --reason ...` if it was mistyped"
)
"""The same of a restriction or objection, which a person may make before anything is held of them."""
_FEED = ":"
"""Between the format and the number of a feed in its label; no topic of Kafka has it in its name."""


def unread(letters: Iterable[OpenLetters], company: Company, systems: Collection[str] = ()) -> dict[str, int]:
    """How many open letters each topic has, and each format of log files, by name.

    Without those of topics that no tagger reads: what stands there is about requests. `systems`: of these alone, if
    any; a letter of a feed or of a topic that the company no longer has may be of each.
    """
    found: Counter[str] = Counter()
    for item in letters:
        topic = company.topics.get(item.topic)
        if topic is None:
            found[item.topic.partition(_FEED)[0]] += item.letters
        elif topic.tagged and (not systems or topic.system in systems):
            found[item.topic] += item.letters
    return dict(sorted(found.items()))


def which_unread(letters: Iterable[OpenLetters], company: Company) -> dict[str, str]:
    """By the same names, what stands for which letters these are: another one, for as many, is told apart."""
    found: defaultdict[str, int] = defaultdict(int)
    for item in letters:
        for name in unread([item], company):
            found[name] ^= item.places
    return {name: f"{places:016x}" for name, places in sorted(found.items())}


def with_unread(unread: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """What a stored plan or report says of them; nothing where there are none."""
    return {"dead_letters": dict(unread)} if unread else {}


def waiting_lines(waiting: Mapping[str, int] | None) -> list[str]:
    """That an answer rests on an index which has not read everything; nothing where it has, or nobody knows."""
    if not waiting:
        return []
    where = ", ".join(f"{topic} {count:,}" for topic, count in sorted(waiting.items()))
    are = "is" if sum(waiting.values()) == 1 else "are"
    return [
        f"{counted(sum(waiting.values()), 'message')} {are} not read yet ({where}), and may speak of this person; ask"
        " again once none is named here"
    ]
