"""Files of a company that lie over those of the company it extends.

Each file is a mapping of ids. A layer adds ids of its own; to change an entry of the layer below it says so with
`change: true`, and what it writes takes the place of the fields of that name. An id that stands in both without that
is a clash: two things would have one name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from schemas.errors import CatalogueError
from schemas.files import is_named, read_utf8

COMPANIES = Path(__file__).with_name("companies")
BASE = COMPANIES / "base"
MODEL = COMPANIES / "model"
MINIMAL = COMPANIES / "minimal"
CHANGE = "change"


class _BadKey(yaml.MarkedYAMLError):
    """A key that YAML would accept and change: one given twice (the last wins), or one that is no text."""


# libyaml reads a catalogue in a tenth of the time; the package has it nearly everywhere.
_Fastest: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Fastest):  # type: ignore[misc]
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.tag != "tag:yaml.org,2002:str":
                raise _BadKey(
                    context=f"line {line}", problem="has a key that YAML reads as no text; put it in quotes"
                )
            if key.value in seen:
                mend = f"stands twice in one mapping (again on line {line}); keep one"
                raise _BadKey(context=key.value, problem=mend)
            seen.add(key.value)
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping of ids that a YAML file holds. Errors: CatalogueError with the file's name, key and mend."""
    try:
        content = yaml.load(read_utf8(path), Loader=_Loader)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CatalogueError(
            path.name, "file", f"cannot be read ({reason}); put it into the folder"
        ) from error
    except UnicodeDecodeError as error:
        raise CatalogueError(
            path.name, f"byte {error.start}", "is not UTF-8; save the file as UTF-8"
        ) from error
    except _BadKey as error:
        raise CatalogueError(path.name, str(error.context), str(error.problem)) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        mend = f"is not YAML ({error.problem}); check indentation, colons and quotes there"
        raise CatalogueError(path.name, f"line {line}", mend) from error
    except yaml.YAMLError as error:
        raise CatalogueError(path.name, "file", "holds a character YAML forbids; remove it") from error
    except RecursionError as error:
        raise CatalogueError(path.name, "file", "is nested too deeply; write it flatter") from error
    if not content and not isinstance(content, bool | int | float):
        raise CatalogueError(path.name, "file", "is empty; write its keys, or take the file away")
    if not isinstance(content, dict):
        raise CatalogueError(path.name, "file", "is not a mapping; write its keys, each with a colon")
    return content


def read_layers(folders: Sequence[Path], name: str, *, nested: bool = False) -> dict[str, Any]:
    """The file `name` of each folder, the first being the lowest and the only one that needs it.

    `nested`: the ids stand one level down, below the sections of the file. Errors: CatalogueError.
    """
    merged = read_mapping(folders[0] / name)
    for folder in folders[1:]:
        if not is_named(folder / name):
            continue
        over = read_mapping(folder / name)
        if not nested:
            merged = _over(merged, over, name, "")
            continue
        for section, entries in over.items():
            below = merged.get(section, {})
            if not isinstance(entries, dict) or not isinstance(below, dict):
                raise CatalogueError(name, section, "is not a mapping; write its entries below it")
            merged = {**merged, section: _over(below, entries, name, f"{section}.")}
    return merged


def _over(below: Mapping[str, Any], over: Mapping[str, Any], name: str, prefix: str) -> dict[str, Any]:
    merged = dict(below)
    for key, entry in over.items():
        where = f"{prefix}{key}"
        changes = isinstance(entry, dict) and CHANGE in entry
        if not changes:
            if key in below:
                mend = "stands in what the company extends; write `change: true` in it to change that entry, "
                raise CatalogueError(name, where, f"{mend}or choose another id")
            merged[key] = entry
            continue
        if entry[CHANGE] is not True:
            raise CatalogueError(
                name, f"{where}.{CHANGE}", "is not true; write `change: true` or leave it out"
            )
        if key not in below:
            mend = "changes an entry that what the company extends does not have; take `change` out, or mend the id"
            raise CatalogueError(name, where, mend)
        merged[key] = {**below[key], **{field: value for field, value in entry.items() if field != CHANGE}}
    return merged
