"""The pages of the documentation: README.md and docs/."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES: Mapping[str, str] = {
    str(page.relative_to(ROOT)): page.read_text("utf-8")
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
"""Text of each, by its path from the root."""
TOGETHER = "\n".join(PAGES.values())


def code(text: str) -> list[str]:
    """Every piece of code of a Markdown text: each line of a fenced block, each span between backticks."""
    fenced = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line.strip() for block in fenced for line in block.splitlines()] + spans(text)


def spans(text: str) -> list[str]:
    """Every piece of code between backticks, outside of fenced blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
