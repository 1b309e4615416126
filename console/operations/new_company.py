"""A company's folder, written from one that ships."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from schemas.company import PROFILE, SHIPPED, load_company
from schemas.errors import InputError
from schemas.layers import MINIMAL

TEMPLATES = {"minimal": MINIMAL, "model": SHIPPED["model"]}


def write_company(folder: Path, template: str, answers: Mapping[str, str]) -> None:
    """Write the folder whole or not at all. `answers`: fields of its profile with their text.

    Raises InputError where there is something already or nothing can be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there and not empty; name a new folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as beside:
            made = Path(beside) / folder.name
            shutil.copytree(TEMPLATES[template], made, ignore=shutil.ignore_patterns("__pycache__"))
            (made / "contracts").mkdir(exist_ok=True)
            profile = made / PROFILE
            profile.write_text(_profile(profile.read_text("utf-8"), answers), "utf-8")
            # What does not pass is not left behind.
            load_company(made)
            if folder.exists():
                folder.rmdir()
            made.rename(folder)
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror}); name another folder") from None


def _profile(text: str, answers: Mapping[str, str]) -> str:
    """The profile with what was answered; its comments stay."""
    for key, value in answers.items():
        quoted = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        before, found, after = re.split(rf"^({key}:).*$", text, maxsplit=1, flags=re.MULTILINE)
        text = f"{before}{found} {quoted}{after}"
    return text
