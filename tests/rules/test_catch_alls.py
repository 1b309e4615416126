"""What catches every error says why it may, and hides none: type and place of a fault that nobody foresaw are kept."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.rules.test_imports import FILES, parsed
from tests.support.pages import ROOT

EVERY = {"Exception", "BaseException"}
REASON = re.compile(r"# noqa: BLE001 - \S.{9,}$")
# Whatever fails there is of no account, as stands beside it.
PASSED_OVER = {"sinks/clickhouse/client.py", "streams/tagging/crashes/trial.py"}


def names(caught: ast.expr | None) -> set[str]:
    if caught is None:
        return EVERY
    found = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return {item.id for item in found if isinstance(item, ast.Name)}


def catch_alls(tree: ast.AST) -> Iterator[ast.ExceptHandler]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and names(node.type) & EVERY:
            yield node


def inside(handler: ast.ExceptHandler) -> list[ast.AST]:
    return [node for statement in handler.body for node in ast.walk(statement)]


def faults(handler: ast.ExceptHandler, line: str) -> Iterator[str]:
    """What is wrong with a handler that begins with the line."""
    body = inside(handler)
    if not any(isinstance(node, ast.Raise) for node in body) and not REASON.search(line):
        yield "gives no reason: # noqa: BLE001 - why every error is caught here"
    if isinstance(handler.body[-1], ast.Raise):
        return
    ends = any(isinstance(node, ast.Attribute) and node.attr == "_exit" for node in body)
    used = any(isinstance(node, ast.Name) and node.id == handler.name for node in body)
    if not (used or ends):
        yield "keeps nothing of the error: log place_of(error), or hand the error on"
    if any(
        isinstance(node, ast.Attribute)
        and node.attr == "__name__"
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "type"
        for node in body
    ):
        yield "says the type alone: place_of(error) says where, too"


def test_a_catch_all_says_why_and_keeps_what_failed() -> None:
    """A bug of ours must be seen: logged with its place, handed on as a state, or raised again."""
    found, looked = [], 0
    for name in FILES:
        lines = (ROOT / name).read_text("utf-8").splitlines()
        for handler in catch_alls(parsed(name)):
            looked += 1
            found += [
                f"{name}:{handler.lineno} {fault}" for fault in faults(handler, lines[handler.lineno - 1])
            ]
    assert looked > 20
    assert found == []


def test_nothing_is_passed_over_in_silence() -> None:
    """`suppress` names what it means, but where a fault cannot matter."""
    found = {
        name
        for name in FILES
        for node in ast.walk(parsed(name))
        if isinstance(node, ast.Call)
        and (getattr(node.func, "id", "") == "suppress" or getattr(node.func, "attr", "") == "suppress")
        and any(isinstance(item, ast.Name) and item.id in EVERY for item in node.args)
    }
    assert found == PASSED_OVER


def test_the_rule_sees_what_hides_an_error() -> None:
    """A body that passes, one that says a type alone, one without a reason; not one that raises or says the place."""
    told = {}
    for body in (
        "pass",
        "log.error('x', error=type(error).__name__)",
        "log.error('x', error=place_of(error))",
        "raise X from error",
    ):
        (handler,) = catch_alls(ast.parse(f"try:\n    f()\nexcept Exception as error:\n    {body}\n"))
        told[body] = (
            len(list(faults(handler, "except Exception as error:"))),
            len(list(faults(handler, "except Exception as error:  # noqa: BLE001 - a stranger's code"))),
        )
    assert list(told.values()) == [(2, 1), (2, 1), (1, 0), (0, 0)]
