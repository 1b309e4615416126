"""Recipes of `docs/adding.md`, carried out as a reader would: files written and changed, commands run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.pages import PAGES, ROOT

_COPIED = ("schemas", "sinks", "streams", "console", "tests", "docs", "pyproject.toml", "README.md")
_STEP = re.compile(
    r"(?:^(?P<act>Write|Add to|Change) `(?P<file>[^`]+)`:\n\n)?^```(?P<language>\w+)\n(?P<body>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


class Step(NamedTuple):
    """`act` is Write, Add to, Change or Run; `file` is empty for the last."""

    act: str
    file: str
    body: str


def sections(page: str = "docs/adding.md") -> dict[str, str]:
    """Text below each heading of the second order."""
    parts = re.split(r"^## (.+)$", PAGES[page], flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def introduction(page: str = "docs/adding.md") -> str:
    """Text above the first of them."""
    return PAGES[page].partition("\n## ")[0]


def steps(section: str) -> list[Step]:
    """What a section tells to do, in order. A block that is neither commands nor for a file raises ValueError."""
    found = []
    for match in _STEP.finditer(section):
        act = match["act"] or ("Run" if match["language"] == "console" else "")
        if not act:
            raise ValueError(f"nobody is told what to do with {match['body'][:40]!r}")
        found.append(Step(act, match["file"] or "", match["body"]))
    return found


def copy_of_the_repository(folder: Path) -> Path:
    """What the recipes change. With it what Python compiled of it, so that no command has to compile it all anew."""
    for name in _COPIED:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.pyc.*"))
        else:
            shutil.copy(source, target)
    return folder


def carry_out(step: Step, copy: Path) -> None:
    """Do it in the copy. Raises AssertionError where that does not work as the page says."""
    path = copy / step.file
    match step.act:
        case "Write":
            assert not path.exists(), f"{step.file} is there already"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.body, "utf-8")
        case "Add to":
            path.write_text(path.read_text("utf-8") + step.body, "utf-8")
        case "Change":
            path.write_text(changed(path.read_text("utf-8"), step.body), "utf-8")
        case _:
            for command, expected in _commands(step.body):
                ran = run(copy, "bash", "-c", command)
                shown = ran.stdout + ran.stderr
                assert ran.returncode == 0, f"{command}: {shown}"
                assert all(line in shown for line in expected), f"{command}: {shown}"


def changed(text: str, change: str) -> str:
    """The text with each part of the change made, which has to fit in exactly one place."""
    for part in change.split("@@\n"):
        lines = part.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] in " -")
        after = "".join(line[1:] for line in lines if line[0] in " +")
        assert text.count(before) == 1, f"stands {text.count(before)} times: {before}"
        text = text.replace(before, after)
    return text


def run(copy: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A command in the copy, whose modules are those of the copy."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("INNSYN_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = ours | {"PATH": path, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def _commands(body: str) -> Iterator[tuple[str, list[str]]]:
    """Each command with the lines that it shows among others."""
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command, *shown = part.splitlines()
        yield command, shown
