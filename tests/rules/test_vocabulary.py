"""A list of words stands once: schemas, tables, messages and code agree on it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import pytest

from schemas import vocabulary
from schemas.identity import FORMS
from schemas.layers import BASE, COMPANIES
from schemas.vocabulary import (
    AssignmentKind,
    ClaimForm,
    CodedWord,
    CommandKind,
    CommandState,
    Mark,
    Proof,
    ReceiptState,
    Right,
    Role,
)
from tests.support.pages import ROOT

MIGRATIONS = ROOT / "sinks" / "clickhouse" / "migrations"
# Columns of the index that hold words, and the word of number 0 where nothing is said.
COLUMNS: dict[str, tuple[type[CodedWord], dict[str, int]]] = {
    "role": (Role, {}),
    "form": (ClaimForm, {"none": 0}),
    "mark": (Mark, {"none": 0}),
    "proof": (Proof, {"none": 0}),
}
SYMBOLS: dict[str, type[StrEnum]] = {
    "RightsType": Right,
    "ReceiptState": ReceiptState,
    "CommandKind": CommandKind,
    "AssignmentKind": AssignmentKind,
}
LISTS: list[type[StrEnum]] = [
    item
    for item in vars(vocabulary).values()
    if isinstance(item, type) and issubclass(item, StrEnum) and len(item)
]
CODE = sorted(
    path
    for top in ("schemas", "sinks", "streams", "console")
    for path in (ROOT / top).rglob("*.py")
    if path != ROOT / "schemas" / "vocabulary.py"
)


def enums_of_tables() -> dict[str, dict[str, int]]:
    """Each enum column of the index by its name, as the last migration leaves it."""
    found: dict[str, dict[str, int]] = {}
    for path in sorted(MIGRATIONS.glob("*.sql")):
        for name, words in re.findall(r"(\w+)\s+Enum(?:8|16)\(([^)]*)\)", path.read_text("utf-8")):
            found[name] = {word: int(code) for word, code in re.findall(r"'(\w+)' = (\d+)", words)}
    return found


def enums_of_schemas(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Each Avro enum under the folder with its symbols."""

    def within(schema: object) -> Iterator[tuple[str, list[str]]]:
        if isinstance(schema, dict):
            if schema.get("type") == "enum":
                yield schema["name"], schema["symbols"]
            for value in schema.values():
                yield from within(value)
        elif isinstance(schema, list):
            for value in schema:
                yield from within(value)

    for path in sorted(folder.rglob("*.avsc")):
        if "versions" not in path.parts:
            yield from within(json.loads(path.read_text("utf-8")))


def word_lists(tree: ast.AST) -> Iterator[tuple[int, frozenset[str]]]:
    """The line and words of each tuple, list, set, `Literal` and dict of which all entries are strings."""
    for node in ast.walk(tree):
        items: list[ast.expr | None] = []
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            items = [*node.elts]
        elif isinstance(node, ast.Dict):
            items = [*node.keys]
        words = [
            item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str)
        ]
        if words and len(words) == len(items) and isinstance(node, ast.expr):
            yield node.lineno, frozenset(words)


def test_the_enums_of_the_tables_are_the_words_with_their_codes() -> None:
    """A number read back means what was written; a new enum column needs its list here."""
    expected = {
        name: nothing | {word.value: word.code for word in words}
        for name, (words, nothing) in COLUMNS.items()
    }
    assert enums_of_tables() == expected


def test_the_enums_of_the_messages_are_the_words() -> None:
    """In that order too: Avro writes the place of a symbol."""
    found = dict(enums_of_schemas(COMPANIES))
    assert {name: found[name] for name in SYMBOLS} == {name: list(words) for name, words in SYMBOLS.items()}
    assert {name for name, _ in enums_of_schemas(BASE / "avro")} <= {
        *SYMBOLS,
        "ErasureReason",
        "ErasureAction",
    }


def test_a_command_stands_as_its_receipt_says() -> None:
    """Beside what a receipt can say there are only the states before there is one."""
    assert list(CommandState) == [
        CommandState.UNSENT,
        CommandState.SENT,
        *ReceiptState,
        CommandState.TAKEN_BACK,
    ]
    assert [form for form in FORMS if form not in list(ClaimForm)] == ["assignment"]


@pytest.mark.parametrize("words", [item for item in LISTS if issubclass(item, CodedWord)])
def test_every_code_is_given_once(words: type[CodedWord]) -> None:
    """And leads back to its word; a number that is none is refused."""
    assert [words.of(word.code) for word in words] == list(words)
    assert len({word.code for word in words}) == len(words)
    with pytest.raises(ValueError, match="use one of"):
        words.of(-1)


def test_no_code_writes_a_list_of_the_vocabulary_again() -> None:
    """A second list is forgotten when a word is added to the first."""
    known = {frozenset(map(str, item)): item.__name__ for item in LISTS}
    again = [
        f"{path.relative_to(ROOT)}:{line} is {known[words]}"
        for path in CODE
        for line, words in word_lists(ast.parse(path.read_text("utf-8")))
        if words in known
    ]
    assert again == []


def test_a_right_is_named_in_its_row_alone() -> None:
    """What all rights share knows none of them; whether one erases is said once, of the state of a request."""
    folder = ROOT / "streams" / "rights"
    named = {
        str(path.relative_to(folder))
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if (isinstance(node, ast.Constant) and node.value in list(Right))
        or (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Right")
    }
    assert named == {"registry.py", "protocol/request.py"}


def test_a_list_of_words_in_a_type_stands_once() -> None:
    """Two files that spell out the same `Literal` need one name for it."""
    places: dict[frozenset[str], set[str]] = {}
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Subscript)
                and isinstance(node.value, ast.Name)
                and node.value.id == "Literal"
            ):
                for _, words in word_lists(node.slice):
                    places.setdefault(words, set()).add(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert [sorted(found) for words, found in places.items() if len(found) > 1] == []
