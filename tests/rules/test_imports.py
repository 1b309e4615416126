"""Who may import what, and where time and randomness may come from: read from the files, nothing is run."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = ("schemas", "sinks", "streams", "console")
# The one folder in which each client may be used.
CLIENTS = {
    "confluent_kafka": "streams/kafka/",
    "clickhouse_connect": "sinks/clickhouse/",
    "chdb": "sinks/clickhouse/",
    "faust": "streams/rights/",
    "typer": "console/cli/",
    "rich": "console/cli/",
    "fastapi": "console/api/",
}
PURE = (
    *("schemas/policy.py", "schemas/vocabulary.py", "schemas/messages.py"),
    *(
        str(file.relative_to(ROOT))
        for folder in ("streams/answers", "streams/rights/protocol", "streams/ropa")
        for file in sorted((ROOT / folder).glob("*.py"))
    ),
)
# What answers a question needs nobody who asks, and no engine.
ANSWERS = "streams/answers/"
NOT_FOR_ANSWERS = ("streams.rights", "streams.tagging", "streams.kafka", "console", *CLIENTS)
# What reads a clock or throws dice, by module; the whole module where the value is None.
IMPURE = {
    "time": None,
    "random": None,
    "secrets": None,
    "uuid": {"uuid1", "uuid4"},
    "os": {"urandom"},
    "datetime": {"now", "today", "utcnow"},
    "date": {"today"},
}
SQL = re.compile(
    r"\s*(SELECT\s|INSERT\s+(OR \w+ )?INTO\s|DELETE\s+FROM\s|ALTER\s+TABLE\s|TRUNCATE\s|OPTIMIZE\s|SYSTEM\s|KILL\s)",
)
# The database of the reference job is a system's own, not the index.
SPEAK_SQL = ("sinks/clickhouse/", "streams/rights/reference_job/")
FILES = tuple(
    str(file.relative_to(ROOT)) for layer in LAYERS for file in sorted((ROOT / layer).rglob("*.py"))
)


@cache
def parsed(name: str) -> ast.Module:
    """A file of FILES. Not as they are collected, which every process does that runs some of the tests."""
    return ast.parse((ROOT / name).read_text("utf-8"))


def every() -> dict[str, ast.AST]:
    """Each of FILES by its name."""
    return {name: parsed(name) for name in FILES}


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported anywhere in the file, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield str(node.module)


def names_imported(tree: ast.AST) -> Iterator[str]:
    """What `from module import name` may import beside the module: a module of that name in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def impure(tree: ast.AST) -> Iterator[str]:
    """Every place that could read a clock or throw dice."""
    for name in imports(tree):
        if name in IMPURE and IMPURE[name] is None:
            yield f"import {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value
            last = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
            if node.attr in (IMPURE.get(last) or ()):
                yield f"{last}.{node.attr} in line {node.lineno}"


def statements(tree: ast.AST) -> Iterator[str]:
    """Every text that begins as a statement of SQL does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value):
            yield f"{node.value[:40]!r} in line {node.lineno}"


def rooms(files: Mapping[str, ast.AST]) -> dict[str, dict[str, str]]:
    """Of each room of `streams` (a folder or file directly below it): the rooms it imports, each with a file that does.

    An import under TYPE_CHECKING or inside a function counts as any other.
    """
    found: dict[str, dict[str, str]] = {}
    for name, tree in files.items():
        if not name.startswith("streams/"):
            continue
        room = name.removesuffix(".py").split("/")[1]
        known = found.setdefault(room, {})
        for module in (*imports(tree), *names_imported(tree)):
            layer, _, rest = module.partition(".")
            other = rest.partition(".")[0]
            if layer == "streams" and other and other != room:
                known.setdefault(other, name)
    return found


def cycle(graph: Mapping[str, Mapping[str, str]]) -> str:
    """Rooms that need each other, as `a -> b (in the file) -> a (in the file)`; "" where there are none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        # Given from the one that is needed to the one that needs it.
        told: list[str] = error.args[1][::-1]
        ways = itertools.pairwise(told)
        return told[0] + "".join(f" -> {there} (in {graph[here][there]})" for here, there in ways)
    return ""


def test_the_files_are_there() -> None:
    """The rules below look at something."""
    assert list(statements(ast.parse("f'SELECT {a} FROM b'\nx = 'INSERT INTO t'")))
    assert {name.partition("/")[0] for name in FILES} == set(LAYERS)
    assert set(PURE) <= set(FILES)
    assert list(impure(ast.parse("import time\nfrom datetime import datetime as d\ndatetime.datetime.now()")))
    assert list(imports(ast.parse("def f():\n    from streams.kafka import tail"))) == ["streams.kafka"]


@pytest.mark.parametrize("name", FILES)
def test_imports_run_one_way(name: str) -> None:
    """schemas ◄ sinks ◄ streams ◄ console; nothing that ships knows the tests or the benchmarks."""
    allowed = LAYERS[: LAYERS.index(name.partition("/")[0]) + 1]
    ours = {
        found for found in imports(parsed(name)) if found.partition(".")[0] in (*LAYERS, "tests", "bench")
    }
    assert not {found for found in ours if found.partition(".")[0] not in allowed}


def test_no_two_rooms_of_streams_need_each_other() -> None:
    """Each can be read, and changed, with those it stands on and no others."""
    made = {
        "streams/a/x.py": ast.parse("def later():\n    from streams.b import y"),
        "streams/b/y.py": ast.parse("if TYPE_CHECKING:\n    import streams.c.z"),
        "streams/c/z.py": ast.parse("from streams import a"),
        "streams/d.py": ast.parse("from streams.a.x import later"),
    }
    told = "a -> b (in streams/a/x.py) -> c (in streams/b/y.py) -> a (in streams/c/z.py)"
    assert cycle(rooms(made)) == told
    del made["streams/c/z.py"]
    assert not cycle(rooms(made))
    there = rooms(every())
    assert {"kafka", "tagging", "identity", "answers", "rights", "feeds"} <= there.keys()
    assert "identity" in there["tagging"]
    assert not cycle(there)


@pytest.mark.parametrize(("client", "folder"), CLIENTS.items())
def test_a_client_is_used_in_one_place(client: str, folder: str) -> None:
    """Kafka, ClickHouse, Faust, the terminal and HTTP each have one folder that knows them."""
    users = {
        name
        for name, tree in every().items()
        if client in {found.partition(".")[0] for found in imports(tree)}
    }
    # The embedded engine is opened by name, through the client of the server.
    assert users or client == "chdb"
    assert not {name for name in users if not name.startswith(folder)}


def reached(start: str) -> dict[str, str]:
    """Every module that the folder imports, by way of our files too, with the file that does."""
    found: dict[str, str] = {}
    waiting = [name for name in FILES if name.startswith(start)]
    done: set[str] = set()
    while waiting:
        done.add(name := waiting.pop())
        for module in (*imports(parsed(name)), *names_imported(parsed(name))):
            found.setdefault(module, name)
            path = module.replace(".", "/")
            parts = {str(item) for item in (*Path(path).parents, path)}
            files = {f"{part}.py" for part in parts} | {f"{part}/__init__.py" for part in parts}
            waiting += [file for file in files.intersection(FILES) if file not in done]
    return found


def test_answers_need_no_driver_and_nobody_who_asks() -> None:
    """The room serves the API, the command line and requests alike: what it imports knows none of them."""
    found = reached(ANSWERS)
    assert {"sinks.ports.lineage", "schemas.tokens", "streams.answers.question"} <= found.keys()
    assert "clickhouse_connect" in reached("sinks/open")
    assert not {
        module: file
        for module, file in found.items()
        if any(module == name or module.startswith(f"{name}.") for name in NOT_FOR_ANSWERS)
    }


def test_what_judges_fields_needs_no_driver() -> None:
    """Names and values come in, kinds and shares go out: whoever read the messages."""
    found = reached("streams/discovery/")
    assert "streams.tagging.scan" in found
    drivers = ("streams.kafka", "sinks.clickhouse", "console", *CLIENTS)
    assert not [
        module for module in found if any(module == name or module.startswith(f"{name}.") for name in drivers)
    ]


def test_commands_ask_as_the_api_does_and_not_by_way_of_it() -> None:
    """A command asks a running innsyn over HTTP, or `streams.answers` itself."""
    commands = {name: tree for name, tree in every().items() if name.startswith("console/cli/")}
    assert "console.client" in set(imports(commands["console/cli/ask.py"]))
    assert not {
        name
        for name, tree in commands.items()
        for module in (*imports(tree), *names_imported(tree))
        if f"{module}.".startswith("console.api.")
    }


@pytest.mark.parametrize("name", FILES)
def test_one_file_says_which_engine_holds_the_index(name: str) -> None:
    """Beside the engine's own folder only `sinks/open.py` imports it, and nobody above speaks its SQL."""
    if name.startswith("sinks/clickhouse/"):
        return
    engine = {found for found in imports(parsed(name)) if found.startswith("sinks.clickhouse")}
    assert not engine or name == "sinks/open.py"
    if not name.startswith(SPEAK_SQL):
        assert not list(statements(parsed(name)))


@pytest.mark.parametrize("name", PURE)
def test_rules_get_time_and_chance_as_arguments(name: str) -> None:
    """What decides about a right gives the same answer for the same arguments, whenever it is asked."""
    assert not list(impure(parsed(name)))
