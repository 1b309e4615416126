"""What the pages of the documentation and the help texts say is there, is there; and what is there, they say."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from console.cli.commands import COMMANDS
from console.cli.main import _load
from schemas.catalogue import load_catalogue
from schemas.records import load_records
from schemas.settings import Settings
from tests.support.company import model
from tests.support.pages import PAGES, ROOT, TOGETHER, code, spans

MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
# Read by tests and by .ci/run, and by load_settings itself.
NOT_SETTINGS = re.compile(r"INNSYN_(TEST_|REQUIRE_)[A-Z]+|INNSYN_CONFIG")
WORD = r"[a-z][a-z0-9-]*"
TOPS = ("schemas", "sinks", "streams", "console", "sdk", "examples", "tests", "bench", "docs", "requirements")
PACKAGES = {*TOPS} | {
    path.name
    for top in ("sinks", "streams", "console", "tests")
    for path in (ROOT / top).rglob("*")
    if path.is_dir() and path.name != "__pycache__"
}
FILES = {path.name for top in TOPS for path in (ROOT / top).rglob("*.*")} | {
    path.name for path in ROOT.glob("*.*")
}
FILE = re.compile(r"[\w-]+\.(?:py|yaml|yml|avsc|sql|md)")
# Files of whoever runs innsyn.
THEIRS = {"company.yaml"}


def calls(text: str) -> list[list[str]]:
    """The words behind each `innsyn` that begins a command in a piece of code."""
    found = []
    for piece in code(text):
        for call in re.split(r"&&|\||;| # |^# ", piece):
            words = [word for word in _words(call) if not re.match(r"[A-Z_]+=", word)]
            if words and words[0].removeprefix("$").rpartition("/")[2] == "innsyn":
                found.append(words[1:])
    return found


def _words(call: str) -> list[str]:
    try:
        return shlex.split(call)
    except ValueError:
        return call.split()


@cache
def command(name: str) -> Any:
    return _load(name)


def commands_below(found: Any) -> list[Any]:
    """A command and all those below it."""
    below = getattr(found, "commands", {}).values()
    return [found, *(item for part in below for item in commands_below(part))]


def wrong(words: list[str]) -> str:
    """What of such a call does not exist; empty: all of it does."""
    if not words or words[0].startswith(("-", "…", "...", "<")):
        return ""
    if words[0] not in COMMANDS:
        return f"there is no command {words[0]}"
    found, rest = command(words[0]), words[1:]
    while (below := getattr(found, "commands", {})) and rest and re.fullmatch(WORD, rest[0]):
        if rest[0] not in below:
            return f"there is no command {' '.join(words[: len(words) - len(rest) + 1])}"
        found, rest = below[rest[0]], rest[1:]
    known = {option for item in found.params for option in item.opts} | {"--help"}
    unknown = [word for word in rest if word.startswith("--") and word.partition("=")[0] not in known]
    return f"{words[0]} has no option {unknown[0]}" if unknown else ""


def test_what_does_not_exist_is_found() -> None:
    """The reading below is not blind."""
    text = (
        "Run `innsyn lookup --di x`, `innsyn luukup` or\n```sh\nINNSYN_HOME=x innsyn schema chekc # y\n```\n"
    )
    assert [wrong(words) for words in calls(text)] == [
        "there is no command schema chekc",
        "lookup has no option --di",
        "there is no command luukup",
    ]


def names_of_commands(name: str, found: Any) -> Iterator[str]:
    """`name` and all commands below it, as they are called."""
    yield name
    for part, item in getattr(found, "commands", {}).items():
        yield from names_of_commands(f"{name} {part}", item)


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_options_of_the_pages_exist(page: str) -> None:
    """Everything a reader may copy from a page is understood by the command line."""
    assert not [problem for words in calls(PAGES[page]) if (problem := wrong(words))]


def test_every_command_is_on_a_page() -> None:
    """Whoever reads the pages knows of each command, and of those below it."""
    shown = [" ".join(words) for words in calls(TOGETHER)]
    for name in (found for top in COMMANDS for found in names_of_commands(top, command(top))):
        parent, _, last = name.rpartition(" ")
        rows = re.findall(rf"^\| `innsyn {parent.partition(' ')[0]}` .*$", TOGETHER, re.MULTILINE)
        listed = bool(parent) and any(f"`{last}`" in row for row in rows)
        assert listed or any(f"{line} ".startswith(f"{name} ") for line in shown), name


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_and_options_of_help_texts_exist(name: str) -> None:
    """So is every example of a help text."""
    texts = commands_below(command(name))
    shown = "\n".join(f"```\n{line}\n```" for item in texts for line in _examples(item))
    assert calls(shown)
    assert not [problem for words in calls(shown) if (problem := wrong(words))]


def said(source: str) -> Iterator[str]:
    """The texts of a module; what is put into one while it runs stands as X."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


MODULES = sorted(
    path for top in ("schemas", "sinks", "streams", "console") for path in (ROOT / top).rglob("*.py")
)


def test_commands_that_messages_name_exist() -> None:
    """An error sends its reader to a command: nothing but a stop sign if there is none."""
    named = [
        (path.name, words)
        for path in MODULES
        for text in said(path.read_text("utf-8"))
        for words in calls(text)
    ]
    assert len(named) > 100
    assert not [f"{name}: {problem}" for name, words in named if (problem := wrong(words))]


def test_a_command_that_a_message_names_and_nobody_has_is_found() -> None:
    text = next(said("f'{n} unknown; `innsyn catalogue shwo {n}` lists them'"))
    assert [wrong(words) for words in calls(text)] == ["there is no command catalogue shwo"]


def _examples(item: Any) -> list[str]:
    text = " ".join(f"{item.help or ''} {item.epilog or ''}".split())
    return [part.partition(" Exit status")[0] for part in text.split("Example: ")[1:]]


def test_settings_that_texts_name_exist() -> None:
    """Every INNSYN_ variable in pages, Makefile, compose file and program is a setting."""
    files = [ROOT / name for name in (*PAGES, "Makefile", "Dockerfile", "docker-compose.yml")]
    for layer in ("schemas", "sinks", "streams", "console"):
        files += sorted((ROOT / layer).rglob("*.py"))
    known = {f"INNSYN_{name.upper()}" for name in Settings.model_fields}
    named = {
        (str(file.relative_to(ROOT)), name)
        for file in files
        for name in re.findall(r"INNSYN_[A-Z][A-Z_]*[A-Z](?![A-Z_*])", file.read_text("utf-8"))
    }
    assert len(named) > 10
    assert not {item for item in named if item[1] not in known and not NOT_SETTINGS.fullmatch(item[1])}


def test_the_table_of_settings_is_that_of_the_program() -> None:
    """`docs/operations.md`: every setting in the order of the code, with its default and what it means."""
    rows = re.findall(
        r"^\| `INNSYN_([A-Z_]+)` \| (\S+) \| (.+) \|$", PAGES["docs/operations.md"], re.MULTILINE
    )
    expected = [
        (name.upper(), "unset" if field.default in (None, ()) else f"`{field.default}`")
        for name, field in Settings.model_fields.items()
    ]
    assert [(name, default) for name, default, _ in rows] == expected
    assert all(len(meaning) > 5 for *_, meaning in rows)


def stale(text: str, home: Path = ROOT, made: Collection[str] = ()) -> set[str]:
    """Paths of the repository that a page names and that are not there.

    A path is a word with a slash that begins with a folder of the code, or a link; the name of a file between backticks
    has to be that of some file. `made`: files that the page tells to write.
    """
    found = set()
    for piece in code(text):
        for path in re.findall(r"(?<![\w./:@-])((?:[\w.-]+/)+[\w.-]*)", piece):
            first, _, rest = path.partition("/")
            if first in PACKAGES and rest and path not in made and not (ROOT / path).exists():
                found.add(path)
    for piece in spans(text):
        if FILE.fullmatch(piece) and piece not in FILES | THEIRS:
            found.add(piece)
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        if not (home / link).exists():
            found.add(link)
    return found


def test_a_stale_path_is_found() -> None:
    """The reading is not blind."""
    text = "See `streams/tagging/nothing.py`, `rights/nothing.py`, `nothing.yaml` and [this](nothing.md).\n"
    assert stale(text) == {"streams/tagging/nothing.py", "rights/nothing.py", "nothing.yaml", "nothing.md"}
    assert not stale(
        "See `streams/tagging/worker.py`, `worker.py`, `docs/` and [this](docs/glossary.md#x).\n"
    )


@pytest.mark.parametrize("page", PAGES)
def test_paths_that_the_pages_name_exist(page: str) -> None:
    """The map is the territory: folders, files and links; but for what a page tells to write."""
    made = re.findall(r"^(?:Write `([^`]+)`:|(\S+/\S+))$", PAGES[page], re.MULTILINE)
    assert not stale(PAGES[page], (ROOT / page).parent, [path for found in made for path in found])


def test_every_page_is_found_from_another() -> None:
    """Nobody has to know that a page is there; and the first one stays short."""
    linked = {link.rpartition("/")[2] for link in re.findall(r"\]\(([\w./-]+\.md)\)", TOGETHER)}
    assert {Path(page).name for page in PAGES} - linked == {"README.md"}
    assert len(PAGES["README.md"].splitlines()) <= 140


def test_tests_that_the_security_page_names_exist() -> None:
    """Each sentence that names a test can be looked up."""
    page = PAGES["docs/security.md"]
    names = set(re.findall(r"`((?:tests/\w+/)?test_\w+\.py)`", page))
    assert len(names) > 20
    missing = {
        name for name in names if not (ROOT / (name if "/" in name else f"tests/attack/{name}")).is_file()
    }
    assert not missing


def test_targets_that_the_pages_name_exist() -> None:
    """`make X` is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
    named = {name for piece in code(TOGETHER) for name in re.findall(r"\bmake ([a-z]+)\b", piece)}
    assert not named - targets


def test_records_categories_and_rules_explain_themselves() -> None:
    """A record says what it is and each of its fields too; what the catalogue lists has a name in both languages."""
    silent = [
        f"{name}.{field['name']}" if field else name
        for name, record in load_records().items()
        for field in [{}, *record.json["fields"]]
        if not (field or record.json).get("doc", "").strip()
    ]
    assert not silent
    catalogue = load_catalogue()
    for entries in (catalogue.categories, catalogue.purposes, catalogue.systems, catalogue.retention_rules):
        assert not [
            entry.id for entry in entries.values() if not (entry.name.nb.strip() and entry.name.en.strip())
        ]


def test_commands_are_the_ones_there_are() -> None:
    """Every module of a command is in the table, and every option of every command has a help text."""
    modules = {entry.target.partition(":")[0].rpartition(".")[2] for entry in COMMANDS.values()}
    # `bundle` adds its commands to those of `requests`, and stands for both.
    helpers = {"__init__", "main", "commands", "ask", "options", "requests"}
    assert {file.stem for file in (ROOT / "console" / "cli").glob("*.py")} == modules | helpers
    for name in COMMANDS:
        for item in commands_below(command(name)):
            assert not [option.name for option in item.params if not getattr(option, "help", "x")]


def test_lists_of_commands_are_whole() -> None:
    """What a command does fits its line in the list of 80 columns: nothing ends in dots."""
    for name in COMMANDS:
        for item in commands_below(command(name))[1:]:
            short = item.get_short_help_str(60)
            assert not short.endswith("..."), f"{name} {item.name} needs a short_help"


def test_every_topic_has_an_owner_that_somebody_reads() -> None:
    """A topic names its record and its system, and both exist."""
    records, systems = load_records(), load_catalogue().systems
    assert not [t.name for t in model().topics.values() if t.record not in records or t.system not in systems]
