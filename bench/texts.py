"""Precision, recall and speed of the scanner. `python -m bench.texts`

Three sets of identifiers: texts of the simulator under a seed that nothing was tuned on, texts written by hand with the
traps of Norwegian identifiers, and phones, cards and accounts of many countries (bench/foreign.py). A finding is right
if kind and characters are those of the label; of several hypotheses about one place only the best one counts.

Special categories are measured on invented prose: sentences as the public reads them, which have such a category as
their topic, and sentences that speak of a person. Half of each was put aside before a rule was written.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml
from rich.console import Console
from rich.table import Table

from bench.foreign import foreign, foreign_accuracy
from schemas.company import load_company
from streams.simulate.labelled import Labelled, Span, labelled, parse_marked
from streams.simulate.plan import Plan
from streams.simulate.simulate import events
from streams.tagging.scan import FLOOR, Finding, Scanner, scan

HELD_OUT_SEED = 20_320_101
COUNT = 4_000
FIXTURES = Path(__file__).parents[1] / "tests" / "fixtures"
BY_HAND = FIXTURES / "texts"
SETS = ("tuned", "held_out")
# One series to whoever looks for a person: what kind of national number it is, is told apart in the tests.
NATIONAL = ("fodselsnummer", "d_number", "h_number", "synthetic")


def by_hand() -> list[Labelled]:
    """The texts of tests/fixtures/texts."""
    return [
        parse_marked(marked)
        for file in sorted(BY_HAND.glob("*.yaml"))
        for marked in yaml.safe_load(file.read_text("utf-8"))
    ]


def best(findings: Sequence[Finding]) -> set[Span]:
    """The first finding of each place: they come in order of place, then score."""
    found: dict[tuple[int, int], Span] = {}
    for finding in findings:
        place = (finding.start, finding.end)
        found.setdefault(place, Span(*place, finding.kind))
    return set(found.values())


def accuracy(texts: Iterable[Labelled]) -> dict[str, dict[str, float]]:
    """For each kind and for all: labels, findings, precision, recall."""
    right: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    findings: Counter[str] = Counter()
    for item in texts:
        told, found = set(item.spans), best(scan(item.text))
        for counter, spans in ((labels, told), (findings, found), (right, told & found)):
            counter.update(group for span in spans for group in _groups(span.kind))
    return {
        kind: {
            "labels": labels[kind],
            "findings": findings[kind],
            "precision": round(right[kind] / findings[kind], 4) if findings[kind] else 1.0,
            "recall": round(right[kind] / labels[kind], 4) if labels[kind] else 1.0,
        }
        for kind in sorted(labels | findings)
    }


def _groups(kind: str) -> tuple[str, ...]:
    return ("all", "national" if kind in NATIONAL else kind)


def mistakes(texts: Iterable[Labelled]) -> list[tuple[Labelled, set[Span], set[Span]]]:
    """Texts with what was missed in them and what was found wrongly. They are invented, so they may be shown."""
    compared = ((item, set(item.spans), best(scan(item.text))) for item in texts)
    return [(item, told - found, found - told) for item, told, found in compared if told != found]


def revealing(text: str) -> set[str]:
    """The special categories that a text is taken to reveal."""
    return {item.kind for item in scan(text) if item.kind.startswith("special.")}


def prose() -> dict[str, dict[str, int]]:
    """For each set: sentences about topics, and how many of them were taken to speak of a person; sentences that do
    speak of a person, and how many of them were found, with the right category."""
    figures: dict[str, dict[str, int]] = {}
    for name in SETS:
        topics = [text for texts in _prose(f"topic_{name}").values() for text in texts]
        people = [(kind, text) for kind, texts in _prose(f"person_{name}").items() for text in texts]
        figures[name] = {
            "topics": len(topics),
            "wrong": sum(bool(revealing(text)) for text in topics),
            "people": len(people),
            "found": sum(kind in revealing(text) for kind, text in people),
        }
    return figures


def _prose(name: str) -> dict[str, list[str]]:
    texts: dict[str, list[str]] = yaml.safe_load((FIXTURES / "prose" / f"{name}.yaml").read_text("utf-8"))
    return texts


def speed(texts: Sequence[str], runs: int = 7) -> int:
    """Characters a second of the column scanner on one core, the fastest of the runs."""
    column = pa.array(texts)
    scanner = Scanner(load_company().kinds)
    scanner.scan_column(column)
    taken = []
    for _ in range(runs):
        started = time.process_time()
        scanner.scan_column(column)
        taken.append(time.process_time() - started)
    return round(sum(map(len, texts)) / min(taken))


def chats() -> list[str]:
    """What people and agents write in the simulator's chats, as it comes: some of it again and again."""
    plan = Plan(customers=300, days=30, seed=HELD_OUT_SEED)
    return [str(item.value["text"]) for item in events(plan, ("support.chats",))]


def measure() -> dict[str, Any]:
    """Figures of all sets, and the speed on chats as they come, on the labelled texts (all different, with more
    identifiers than lines) and on lines in which nothing is found."""
    simulated = list(labelled(HELD_OUT_SEED, COUNT))
    written = by_hand()
    return {
        "simulated": {"texts": len(simulated), "kinds": accuracy(simulated)},
        "by_hand": {"texts": len(written), "kinds": accuracy(written)},
        "foreign": {"texts": COUNT, "kinds": foreign_accuracy(foreign(HELD_OUT_SEED, COUNT))},
        "prose": prose(),
        "floor": FLOOR,
        "characters_per_second": {
            "chats": speed(chats()),
            "full of identifiers": speed([item.text for item in simulated]),
            "nothing in them": speed([item.text for item in simulated if not item.spans]),
        },
    }


def main() -> int:
    results = measure()
    console = Console()
    for name in ("simulated", "by_hand", "foreign"):
        table = Table(title=f"{name.replace('_', ' ')}, {results[name]['texts']:,} texts")
        for head in ("kind", "labels", "findings", "precision", "recall"):
            table.add_column(head, justify="left" if head == "kind" else "right")
        for kind, row in results[name]["kinds"].items():
            table.add_row(
                kind,
                f"{row['labels']:,}",
                f"{row['findings']:,}",
                f"{row['precision']:.2%}",
                f"{row['recall']:.2%}",
            )
        console.print(table)
    for name, row in results["prose"].items():
        console.print(
            f"prose, {name}: {row['wrong']} of {row['topics']} topics taken for a person,"
            f" {row['found']} of {row['people']} people found"
        )
    for name, rate in results["characters_per_second"].items():
        console.print(f"{name}: {rate / 1e6:.1f} million characters/s on one core")
    if "--mistakes" in sys.argv:
        for item, missed, wrong in mistakes(by_hand()):
            console.print(repr(item.text), "missed", missed, "wrong", wrong, markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
