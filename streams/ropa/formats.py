"""In which formats records of processing are given, and what makes each. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, get_args

from schemas.company import Company
from streams.ropa.dpv import json_ld
from streams.ropa.fideslang import manifest
from streams.ropa.page import page
from streams.ropa.record import Record
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


@dataclass(frozen=True)
class Written:
    """How a record is written: its media type, and the bytes, in a language where the format has one. `text`: a
    terminal can show it."""

    media_type: str
    write: Callable[[Record, Company, str], bytes]
    text: bool = True


FORMATS: Mapping[Format, Written] = {
    Format.JSON: Written(
        "application/json", lambda record, company, lang: f"{record.model_dump_json(indent=2)}\n".encode()
    ),
    Format.HTML: Written("text/html", lambda record, company, lang: page(record, lang).encode()),
    Format.XLSX: Written(
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        lambda record, company, lang: workbook(record, lang),
        text=False,
    ),
    Format.DPV: Written(
        "application/ld+json", lambda record, company, lang: json_ld(record, company).encode()
    ),
    Format.FIDESLANG: Written(
        "application/yaml", lambda record, company, lang: manifest(record, company, lang).encode()
    ),
}
