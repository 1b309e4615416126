"""Records of processing as a page, to be read and printed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from streams.answers.page import document, named_values
from streams.ropa import said
from streams.ropa.record import Activity, Differences, Record
from streams.ropa.words import WORDS

_STYLE = (
    "body{max-width:75rem}thead th{width:auto}"
    "th,td{overflow-wrap:break-word}thead th:first-child{width:13rem}"
    "th.n,td.n{text-align:right;width:5rem}ul{margin:0;padding-left:1.1rem}"
    "h2{margin-top:2.5rem}caption{text-align:left;font-weight:bold;padding:.25rem 0}tr{break-inside:avoid}"
    "h1,h2,caption{break-after:avoid}"
    "@page{size:A4 landscape;margin:14mm}"
    "@media print{body{max-width:none;margin:0;padding:0;font-size:9pt}section{break-before:page}a{color:inherit;"
    "text-decoration:none}th{-webkit-print-color-adjust:exact;print-color-adjust:exact}}"
)


def page(record: Record, lang: str, differences: Iterable[Differences] = ()) -> str:
    """The whole page. `lang`: one of `streams.ropa.formats.LANGUAGES`."""
    words = WORDS[lang]
    body = [
        f"<h1>{escape(words['title'])}</h1>",
        f"<p>{escape(words['article'])}</p>",
        named_values(said.about(record, lang)),
        f"<h2>{escape(words['summary'])}</h2>",
        _summary(record.activities, lang) if record.activities else f"<p>{escape(words['nothing'])}</p>",
        f"<h2>{escape(words['limits'])}</h2>",
        _listed(said.in_lang(item, lang) for item in record.known_limits),
        *(_differences(item, lang) for item in differences),
        *(_activity(item, lang) for item in record.activities),
    ]
    return document(words["title"], body, lang, _STYLE)


def _summary(activities: Iterable[Activity], lang: str) -> str:
    words = WORDS[lang]
    rows = [
        [
            f'<a href="#{escape(item.id, quote=True)}">{escape(said.in_lang(item.name, lang))}</a>',
            escape(", ".join(basis.id for basis in item.legal_bases)),
            escape(", ".join(said.in_lang(part.name, lang) for part in item.categories)),
            escape(", ".join(said.in_lang(part.name, lang) for part in item.systems)),
            f"{item.people_held:,}",
            f"{item.events_tagged:,}",
        ]
        for item in activities
    ]
    heads = ("purpose", "basis", "category", "system", "people_head", "events_head")
    return _table([words[head].capitalize() for head in heads], rows, numbers=2)


def _differences(found: Differences, lang: str) -> str:
    words = WORDS[lang]
    rows = [[escape(cell) for cell in said.difference(item, lang)] for item in found.items]
    heads = [words[name].capitalize() for name in ("side", "kind", "activity", "value", "last_day")]
    shown = _table(heads, rows) if rows else f"<p>{escape(words['no_difference'])}</p>"
    limits = _listed(said.in_lang(item, lang) for item in found.known_limits)
    return f"<h2>{escape(words[f'against_{found.against}'])}</h2>\n{shown}\n{limits}"


def _activity(item: Activity, lang: str) -> str:
    words = WORDS[lang]
    cited = f" ({item.citation})" if item.citation else ""
    told = [
        (f"{words['purpose']} (b)", f"{said.word(item, lang)}{cited}"),
        (words["legal_bases"], said.bases(item, lang)),
        (f"{words['subjects']} (c)", ", ".join(said.in_lang(part.name, lang) for part in item.subjects)),
        (words["automated"], words["yes" if item.automated_decisions else "no"]),
        (words["seen"].capitalize(), f"{item.first_day} – {item.last_day}"),
    ]
    parts = [
        f'<section id="{escape(item.id, quote=True)}"><h2>{escape(said.in_lang(item.name, lang))}</h2>',
        named_values(told),
        _categories(item, lang),
        _recipients(item, lang),
        named_lists(
            [
                (f"{words['transfers']} (e)", said.transfers(item, lang)),
                (f"{words['measures']} (g)", said.measures(item, lang)),
            ]
        ),
        _sources(item, lang),
        "</section>",
    ]
    return "\n".join(parts)


def _categories(item: Activity, lang: str) -> str:
    words = WORDS[lang]
    rows = [
        [
            escape(said.word(part, lang)),
            escape(said.marks(part, lang)),
            _listed(said.limits(part, lang)),
            f"{part.people_held:,}",
        ]
        for part in item.categories
    ]
    heads = [words[head] for head in ("category", "sensitivity", "until", "people_head")]
    return _table(heads, rows, numbers=1, caption=words["categories_of_data"])


def _recipients(item: Activity, lang: str) -> str:
    words = WORDS[lang]
    if not item.recipients:
        return named_values([(words["recipients_head"], words["none_declared"])])
    rows = [
        [
            escape(said.word(part, lang)),
            escape(said.role(part, lang)),
            escape(", ".join(part.records)),
        ]
        for part in item.recipients
    ]
    heads = [words[head] for head in ("recipient", "role", "of_records")]
    return _table(heads, rows, caption=words["recipients_head"])


def _sources(item: Activity, lang: str) -> str:
    words = WORDS[lang]
    names = {system.id: said.in_lang(system.name, lang) for system in item.systems}
    rows = [
        [
            escape(names[part.system]),
            escape(said.source(part, lang)),
            escape(", ".join(said.in_lang(origin.name, lang) for origin in part.origins)),
            escape(", ".join(said.in_lang(operation.name, lang) for operation in part.operations)),
            escape(f"{part.first_day} – {part.last_day}"),
            f"{part.people_held:,}",
            f"{part.events_tagged:,}",
        ]
        for part in item.sources
    ]
    heads = ("system", "topic", "origin", "operation", "seen", "people_head", "events_head")
    return _table([words[head] for head in heads], rows, numbers=2, caption=words["source"])


def named_lists(rows: Iterable[tuple[str, Sequence[str]]]) -> str:
    """A table of a name and a list in each row."""
    lines = "".join(f"<tr><th>{escape(name)}</th><td>{_listed(items)}</td></tr>" for name, items in rows)
    return f"<table>{lines}</table>"


def _listed(items: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"


def _table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: int = 0, caption: str = ""
) -> str:
    """`rows`: HTML; the last `numbers` columns are numbers."""
    last = len(heads) - numbers

    def line(tag: str, cells: Sequence[str]) -> str:
        opened = [f"{tag} class=n" if place >= last else tag for place in range(len(cells))]
        return "".join(f"<{start}>{cell}</{tag}>" for start, cell in zip(opened, cells, strict=True))

    head = f"<thead><tr>{line('th', [escape(item) for item in heads])}</tr></thead>"
    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    top = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{top}{head}<tbody>{body}</tbody></table>"
