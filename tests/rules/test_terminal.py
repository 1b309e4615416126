"""What comes from outside is printed, never obeyed: one helper makes what has a look, one prints what has none."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HELPER = ROOT / "console" / "cli" / "show" / "output.py"
FILES = sorted((ROOT / "console").rglob("*.py"))
LOOK = re.compile(
    r"\[/?(?:bold|dim|italic|underline|red|green|yellow|cyan|blue|magenta|white|link)\b[^\]]*\]|\[/\]"
)
# What prints or parses without the helper.
AROUND = {"Console", "from_markup", "echo", "secho", "print_exception"}


def faults(source: str) -> list[str]:
    """Where a source file goes around the helper, a line each."""
    tree = ast.parse(source)
    found, templates = [], set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name == "marked":
            template = node.args[0] if node.args else None
            if isinstance(template, ast.Constant):
                templates.add(id(template))
            else:
                found.append(f"line {node.lineno}: the template of marked() is no constant")
        if name in AROUND or (name == "print" and isinstance(node.func, ast.Name)):
            found.append(f"line {node.lineno}: {name}() prints without the helper")
        if name == "TextColumn" and not any(item.arg == "markup" for item in node.keywords):
            found.append(f"line {node.lineno}: TextColumn() reads markup")
        if any(item.arg == "markup" and getattr(item.value, "value", None) is True for item in node.keywords):
            found.append(f"line {node.lineno}: markup=True")
        if name in ("status", "update") and node.args and isinstance(node.args[0], ast.JoinedStr):
            found.append(f"line {node.lineno}: {name}() reads its text as markup")
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in templates:
            continue
        if isinstance(node.value, str) and LOOK.search(node.value):
            found.append(f"line {node.lineno}: markup outside of marked()")
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_nothing_goes_around_the_helper(file: Path) -> None:
    """Neither markup with values put in, nor a console of its own, nor a print."""
    if file != HELPER:
        allowed = {"echo"} if file.name == "main.py" else set()
        assert not [
            line for line in faults(file.read_text("utf-8")) if not any(f"{n}()" in line for n in allowed)
        ]


@pytest.mark.parametrize(
    "source",
    [
        'out.print(f"[bold]{name}[/bold]")',
        'out.print("[red]" + name)',
        "marked(text)",
        'marked(f"[bold]{name}[/bold]")',
        "Console().print(name)",
        "typer.echo(name)",
        "print(name)",
        "Text.from_markup(name)",
        'out.status(f"{name} waits")',
        'TextColumn("{task.description}")',
        "out.print(name, markup=True)",
    ],
)
def test_the_rule_sees_what_it_forbids(source: str) -> None:
    """Each of these was there."""
    assert faults(source)
