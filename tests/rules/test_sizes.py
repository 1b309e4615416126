"""How large a function and a file may be, so that each can be read at once: all Python of the repository."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
LONGEST_FUNCTION = 60
LONGEST_FILE = 400
# What is made or installed here, and no part of the project.
NOT_OURS = {"build", "dist", "node_modules"}
FOLDERS = {"bench", "console", "schemas", "sdk", "sinks", "streams", "tests"}


def ours(folder: Path = ROOT) -> Iterator[Path]:
    """Every Python file below the folder, but in hidden folders and those that tools fill."""
    for item in sorted(os.scandir(folder), key=lambda item: item.name):
        if item.is_dir(follow_symlinks=False):
            if not item.name.startswith(".") and item.name not in NOT_OURS:
                yield from ours(Path(item.path))
        elif item.name.endswith((".py", ".pyi")):
            yield Path(item.path)


def too_long(text: str) -> list[str]:
    """What is longer than it may be; of a function all its lines count, from `def` to the last statement."""
    found = []
    if (lines := len(text.splitlines())) > LONGEST_FILE:
        found.append(f"{lines} lines; split it by subject, {LONGEST_FILE} is the most")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LONGEST_FUNCTION:
                found.append(
                    f"{node.name}: {lines} lines; split it by meaning, {LONGEST_FUNCTION} is the most"
                )
    return found


FILES = {str(file.relative_to(ROOT)): file.read_text("utf-8") for file in ours()}


def test_the_rule_finds_what_is_too_long() -> None:
    """It looks at every folder, and at functions inside classes and functions."""
    assert {name.partition("/")[0] for name in FILES} >= FOLDERS
    inner = "class A:\n    async def b(self):\n        def c():\n" + "            pass\n" * 60
    assert [found.partition(":")[0] for found in too_long(inner)] == ["b", "c"]
    assert not too_long("def a():\n" + "    pass\n" * 59)
    assert too_long("def a():\n" + "    pass\n" * 60)
    assert not too_long("a = 1\n" * 400)
    assert too_long("a = 1\n" * 401)


def test_functions_and_files_can_be_read_at_once() -> None:
    found = {name: too_long(text) for name, text in FILES.items()}
    assert not {name: said for name, said in found.items() if said}
