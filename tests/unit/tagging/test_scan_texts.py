"""Precision and recall: what `docs/measured.md` says holds on the simulator's texts and on those written by hand."""

from __future__ import annotations

import pytest

from bench.foreign import KINDS, foreign, foreign_accuracy
from bench.texts import COUNT, HELD_OUT_SEED, NATIONAL, SETS, accuracy, best, by_hand, prose, revealing
from streams.simulate.labelled import Labelled, labelled, parse_marked
from streams.tagging.scan import CATEGORIES, scan

PROMISED = ("national", "kontonummer", "phone", "email")


@pytest.fixture(scope="module")
def simulated() -> list[Labelled]:
    return list(labelled(HELD_OUT_SEED, COUNT))


@pytest.mark.parametrize("kind", PROMISED)
def test_simulated_texts_reach_the_promise(simulated: list[Labelled], kind: str) -> None:
    """At least 98 % precision and recall on texts of a seed that nothing was tuned on."""
    found = accuracy(simulated)[kind]
    assert len(simulated) >= 2_000
    assert found["labels"] > 100
    assert found["precision"] >= 0.98
    assert found["recall"] >= 0.98


@pytest.mark.parametrize("kind", PROMISED)
def test_texts_written_by_hand_reach_the_promise(kind: str) -> None:
    """The same where every line is a trap."""
    found = accuracy(by_hand())[kind]
    assert found["labels"] > 10
    assert found["precision"] >= 0.98
    assert found["recall"] >= 0.98


def test_all_kinds_are_measured_and_none_is_lost(simulated: list[Labelled]) -> None:
    """Every kind the scanner has itself is labelled somewhere, and nine in ten of each are found."""
    texts = [*simulated, *by_hand()]
    figures = accuracy(texts)
    assert set(figures) == (set(CATEGORIES) - set(NATIONAL) - {"name", "national_number"}) | {
        "national",
        "all",
    }
    assert all(row["precision"] >= 0.9 and row["recall"] >= 0.9 for row in figures.values())


def test_the_hand_written_texts_are_many_and_in_three_languages() -> None:
    """At least 120 of them, no two the same, and a third hold nothing to be found."""
    texts = by_hand()
    assert len({item.text for item in texts}) == len(texts) >= 120
    assert sum(not item.spans for item in texts) > len(texts) / 5
    assert {span.kind for item in texts for span in item.spans} <= set(CATEGORIES)


def test_labels_are_where_they_say() -> None:
    """Marks are taken out of the text, and the places count characters of what is left."""
    item = parse_marked("a [[phone|41234567]] b [[email|kari@example.no]]")
    assert item.text == "a 41234567 b kari@example.no"
    assert [(item.text[span.start : span.end], span.kind) for span in item.spans] == [
        ("41234567", "phone"),
        ("kari@example.no", "email"),
    ]
    assert set(item.spans) == best(scan(item.text))


def test_the_same_seed_gives_the_same_texts() -> None:
    """Labelled texts depend on the seed alone."""
    assert list(labelled(9, 50)) == list(labelled(9, 50))
    assert list(labelled(9, 50)) != list(labelled(10, 50))


@pytest.mark.parametrize(
    ("kind", "precision", "recall"),
    [("phone", 0.95, 0.4), ("payment_card", 0.9, 0.95), ("kontonummer", 0.95, 0.95)],
)
def test_numbers_of_other_countries_reach_the_promise(kind: str, precision: float, recall: float) -> None:
    """Of phones, cards and accounts of twenty countries; phones without their country's code are not looked for."""
    found = foreign_accuracy(foreign(HELD_OUT_SEED, 1_000))[kind]
    assert kind in KINDS
    assert found["labels"] > 100
    assert found["precision"] >= precision
    assert found["recall"] >= recall


@pytest.mark.parametrize("name", SETS)
def test_topics_are_told_from_people(name: str) -> None:
    """Fewer than 15 in 1,000 sentences about topics are taken for one about a person, and no fewer of those about a
    person are found than when every word counted (97 and 93 of 100)."""
    figures = prose()[name]
    assert figures["topics"] == figures["people"] == 100
    assert figures["wrong"] / figures["topics"] < 0.015
    assert figures["found"] >= {"tuned": 97, "held_out": 93}[name]


@pytest.mark.parametrize(
    "text",
    ["Kven er det, og kven ringte?", "Eg veit kven du er.", "Dei same reglane gjeld for oss.",
     "Vi er same type menneske.",
     "Ho sikta til avtalen.", "Han sikta mot målet.", "Ho er tillitsvald i 3. klasse.", "Jeg heter Kristen.",
     "Hilsen Christian",
     "Jeg snakket med Kristen i går.", "Kunden heter Christian Eksempelstad.", "Jeg jobber på sykehuset.",
     "Nettet ved sykehuset er tregt.", "Vi bor nær moskeen.", "Hvis du har diabetes, bør du spise jevnlig.",
     "Forfatteren Kari Eksempel har skrevet om depresjon.", "Hun stemte for forslaget fra Venstre.",
     "Hun var direktør i fengselet.", "Boksen til høyre er min.", "Vi ser at flere unge får angst.",
     "HIV er en sykdom.", "It fell on deaf ears.", "The design had a stroke of genius."],
)  # fmt: skip
def test_words_that_are_other_words_or_topics_reveal_nothing(text: str) -> None:
    """Who, the same, aimed at, given names, a class's representative, a building, a subject."""
    assert not revealing(text)


@pytest.mark.parametrize(
    ("text", "kind"),
    [("Eg er kven.", "ethnicity"), ("Min mann er same og vil ha svar på samisk.", "ethnicity"), ("Kunden er siktet.",
     "criminal"),
     ("Broren min er sikta for vald.", "criminal"), ("Hun er tillitsvalgt.", "union"), ("Jeg er kristen.",
     "religion"),
     ("I am Christian.", "religion"), ("Jeg har en dement far.", "health"), ("Er muslim.", "religion"),
     ("Medlem av Høyre.", "politics"), ("Innlagt på sykehus.", "health"), ("Kari Eksempel har fått kreft.", "health"),
     ("Hun ligger på sjukehus.", "health"), ("Min kroniske sykdom gjør meg trøtt.", "health"),
     ("I’m pregnant", "health"), ("I'm pregnant", "health"), ("I’m gay", "sex_life"),
     ("Kunden er hiv positiv", "health"), ("I am HIV positive.", "health"), ("She is deaf", "health"),
     ("My husband had a stroke", "health")],
)  # fmt: skip
def test_the_same_words_reveal_something_of_a_person(text: str, kind: str) -> None:
    """Said of somebody, with or without a subject, they do."""
    assert f"special.{kind}" in revealing(text)
