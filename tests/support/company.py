"""The model company, loaded once for all tests, and copies of it to break."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from schemas.catalogue import Catalogue
from schemas.company import Company, load_company
from schemas.layers import BASE, MODEL
from schemas.policy import RetentionAnchors
from sinks.ports.lineage import Found
from streams.answers.erasure_plan import make_plan
from streams.answers.plan import Plan
from streams.feeds.registry import Feed, find_feed


def model() -> Company:
    """The model company."""
    return load_company()


def copies_by_hand() -> Company:
    """The model company, in whose systems no job delivers copies: their people hand them out."""
    return replace(model(), catalogue=delivering(model().catalogue))


def delivering(catalogue: Catalogue, systems: Collection[str] = ()) -> Catalogue:
    """The catalogue of a company in which these systems, and no others, deliver copies on command."""
    said = {
        name: item.model_copy(update={"access": "command" if name in systems else "by_hand"})
        for name, item in catalogue.systems.items()
    }
    return replace(catalogue, systems=said)


def with_a_hold_of_everything(catalogue: Catalogue) -> Catalogue:
    """With T98, by which a system may withhold whatever it was told to erase, as long as T01 holds its categories."""
    books = catalogue.retention_rules["T01"].model_copy(update={"id": "T98", "covers": ()})
    return replace(catalogue, retention_rules={**catalogue.retention_rules, "T98": books})


def model_examples(record: str) -> list[dict[str, Any]]:
    """The examples of one of its records."""
    return model().examples(record)


def avro_file(stem: str) -> Path:
    """The schema file of one of its records."""
    return next(path for folder in model().avro if (path := folder / f"{stem}.avsc").exists())


def examples_folder(stem: str) -> Path:
    """The folder of the examples of one of its records."""
    folders = (layer / "examples" / stem for layer in model().layers)
    return next(folder for folder in folders if folder.is_dir())


def model_feed(format_name: str, record: str | None = None, **options: Any) -> Feed:
    """A feed into one of its topics. Raises FeedError."""
    return find_feed(model(), format_name, record, **options)


def planned(found: Found, catalogue: Catalogue, as_of: date, anchors: RetentionAnchors, **other: Any) -> Plan:
    """The plan of an erasure by its topics and records, or `other` ones."""
    given = {"topics": model().topics, "records": model().records}
    return make_plan(found, catalogue, as_of, anchors, **(given | other))


def copy_of_model(folder: Path) -> Path:
    """The model company in a folder of its own."""
    return Path(shutil.copytree(MODEL, folder))


def write(folder: Path, file: str, text: str) -> Path:
    """A file of a company's folder."""
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


__all__ = [
    "BASE",
    "MODEL",
    "avro_file",
    "copies_by_hand",
    "copy_of_model",
    "delivering",
    "examples_folder",
    "model",
    "model_examples",
    "model_feed",
    "planned",
    "with_a_hold_of_everything",
    "write",
]
