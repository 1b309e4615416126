"""The jobs of `examples/jobs/` in other languages, made ready to run as processes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.support.pages import ROOT
from tests.support.toolchains import java, node

NODE, JAVA = ROOT / "examples" / "jobs" / "node", ROOT / "examples" / "jobs" / "java"


def in_node(folder: Path, program: str) -> list[str]:
    """How a program of the folder is called. Its imports are looked for beside it, so it is copied."""
    found, installed = node()
    home = folder / "node"
    if not home.exists():
        shutil.copytree(NODE, home)
        (home / "node_modules").symlink_to(installed / "node_modules")
    return [str(found), str(home / program)]


def in_java(folder: Path, program: str) -> list[str]:
    """How a class of the folder is called, once it is compiled."""
    found, jars = java()
    classes = folder / "classes"
    if not classes.exists():
        sources = [str(path) for path in sorted(JAVA.glob("*.java"))]
        compiler = str(found.with_name("javac"))
        subprocess.run(
            [compiler, "-nowarn", "-cp", f"{jars}/*", "-d", str(classes), *sources], check=True, timeout=120
        )
    return [str(found), "-cp", f"{classes}:{jars}/*", program]
