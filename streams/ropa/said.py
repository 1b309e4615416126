"""Parts of records of processing as lines of text, the same on a page and in a sheet. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.entries import Name
from streams.ropa.record import (
    Activity,
    CategoryOfData,
    DeclaredRecipient,
    Difference,
    Limit,
    Named,
    Record,
    SourceOfData,
)
from streams.ropa.words import WORDS

Words = Mapping[str, str]


def in_lang(name: Name, lang: str) -> str:
    """A name in a language (`streams.ropa.formats.LANGUAGES`)."""
    return name.nb if lang == "nb" else name.en


def word(item: Named, lang: str) -> str:
    """With its id, unless the name is the id."""
    name = in_lang(item.name, lang)
    return name if name == item.id else f"{item.id} {name}"


def about(record: Record, lang: str) -> list[tuple[str, str]]:
    """Who answers for it (a), when it was made and what of."""
    words, who = WORDS[lang], record.controller
    since, until = record.window.since, record.window.until
    within = words["always"] if not (since or until) else f"{since or '…'} – {until or '…'}"
    rows = [(words["controller"], who.name)]
    if who.contact:
        rows.append((words["contact"], who.contact))
    rows += [(words["joint"], f"{item.name}, {item.contact}") for item in who.joint_controllers]
    if who.representative:
        rows.append((words["representative"], f"{who.representative.name}, {who.representative.contact}"))
    rows.append((words["dpo"], who.dpo_contact))
    return [
        *rows,
        (words["window"], within),
        (words["generated"], record.generated_at),
        (words["catalogue"], record.catalogue_version),
    ]


def bases(item: Activity, lang: str) -> str:
    """Each with its letter and citation."""
    return "; ".join(
        f"{basis.id}) {in_lang(basis.name, lang)}{f' ({basis.citation})' if basis.citation else ''}"
        for basis in item.legal_bases
    )


def marks(item: CategoryOfData, lang: str) -> str:
    """How sensitive a category is, and why it needs care."""
    words = WORDS[lang]
    names = ("special", "national_id", "telecom_secrecy", "children", "in_texts_alone")
    return ", ".join(
        [words[f"level{item.sensitivity or ''}"], *(words[name] for name in names if getattr(item, name))]
    )


def limit(item: Limit, lang: str) -> str:
    """What a rule says, with its id and citation; and for what alone, where that is another purpose."""
    cited = f"{item.rule}, {item.citation}" if item.citation else item.rule
    others = "" if item.of_this_purpose else f", {WORDS[lang]['for_others']} {', '.join(item.purposes)}"
    return f"{in_lang(item.said, lang)} ({cited}){others}"


def limits(item: CategoryOfData, lang: str) -> list[str]:
    return [limit(rule, lang) for rule in item.limits] or [WORDS[lang]["no_limit"]]


def role(item: DeclaredRecipient, lang: str) -> str:
    """What a recipient is, with the citation and the country where it is abroad."""
    words = WORDS[lang]
    said = [words[item.instrument] if item.instrument else "–", item.citation, item.country]
    return ", ".join(part for part in said if part)


def transfers(item: Activity, lang: str) -> list[str]:
    return [
        f"{in_lang(part.recipient.name, lang)} ({part.country}): {in_lang(part.safeguards, lang)}"
        for part in item.transfers
    ] or [WORDS[lang]["none_declared"]]


def measures(item: Activity, lang: str) -> list[str]:
    """Each with its kind and the systems that have it; and the systems of which none is known."""
    words = WORDS[lang]
    said = [
        f"{in_lang(part.name, lang)} ({words[part.kind]}): {', '.join(part.systems)}"
        for part in item.measures
    ]
    without = [system.id for system in item.systems if not system.measured]
    return [*said, *([f"{words['no_measures']} {', '.join(without)}"] if without else [])]


def difference(item: Difference, lang: str) -> tuple[str, str, str, str, str]:
    """On which side it is, what it is, of which purpose, its word, and the last day of its events."""
    words = WORDS[lang]
    side = words["again"] if item.side == "new" and item.before else words[item.side]
    purpose = in_lang(item.purpose.name, lang) if item.purpose else "–"
    return side, words[f"kind_{item.kind}"], purpose, word(item.value, lang), item.last_day or "–"


def source(item: SourceOfData, lang: str) -> str:
    """Topic and record, marked where nobody declares them any more."""
    gone = "" if item.declared else f" ({WORDS[lang]['not_declared']})"
    return f"{item.topic} {item.record}{gone}"
