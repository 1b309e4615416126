"""In which formats records of processing are given, and what makes each. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, get_args

from schemas.company import Company
from schemas.errors import InputError
from streams.ropa.dpv import json_ld
from streams.ropa.fideslang import manifest
from streams.ropa.openlineage import lines
from streams.ropa.page import page
from streams.ropa.record import Differences, Record
from streams.ropa.sheets import workbook

Language = Literal["nb", "en"]
LANGUAGES: tuple[str, ...] = get_args(Language)


class Format(StrEnum):
    """`json` and `dpv` say everything in both languages."""

    JSON = "json"
    HTML = "html"
    XLSX = "xlsx"
    DPV = "dpv"
    FIDESLANG = "fideslang"
    OPENLINEAGE = "openlineage"


@dataclass(frozen=True)
class How:
    """`lang`: one of LANGUAGES. `broker`: host:port by which the company's Kafka is known, for formats that name it.
    `differences`: for those that people read."""

    company: Company
    lang: str = LANGUAGES[0]
    broker: str | None = None
    differences: Sequence[Differences] = ()


@dataclass(frozen=True)
class Written:
    """How a record is written: its media type, and the bytes, in a language where the format has one. `text`: a
    terminal can show it; `compared`: with the differences."""

    media_type: str
    write: Callable[[Record, How], bytes]
    text: bool = True
    compared: bool = False


FORMATS: Mapping[Format, Written] = {
    Format.JSON: Written(
        "application/json", lambda record, how: f"{record.model_dump_json(indent=2)}\n".encode()
    ),
    Format.HTML: Written(
        "text/html", lambda record, how: page(record, how.lang, how.differences).encode(), compared=True
    ),
    Format.XLSX: Written(
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        lambda record, how: workbook(record, how.lang, how.differences),
        text=False,
        compared=True,
    ),
    Format.DPV: Written("application/ld+json", lambda record, how: json_ld(record, how.company).encode()),
    Format.FIDESLANG: Written(
        "application/yaml", lambda record, how: manifest(record, how.company, how.lang).encode()
    ),
    Format.OPENLINEAGE: Written("application/x-ndjson", lambda record, how: _lineage(record, how).encode()),
}


def _lineage(record: Record, how: How) -> str:
    """Raises InputError where the broker is not known."""
    if how.broker is None:
        raise InputError("OpenLineage names topics by their broker; give broker as HOST:PORT")
    return lines(record, how.company, how.broker)
