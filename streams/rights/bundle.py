"""The archive that a person is sent: what is held with every element of GDPR Art. 15, and the copy of the data.

A ZIP of `index.html` (to be read), `report.json` (the same for programs) and `copy/<system>.json` with the schema of
each record. Records are taken one at a time, so that a copy of any size goes through.
"""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import IO, Any

from schemas.company import Company
from schemas.json_schema import json_schema
from streams.answers.elements import complaint, confirmation, elements
from streams.rights.bundle_page import page
from streams.rights.copies_opened import CopiedRecord
from streams.rights.copies_redacted import UNKNOWN, Flag, Given

FORMAT = "innsyn-answer-1"
SHOWN = 200
"""Records of a system on the page; all of them are in its file."""
Said = Mapping[str, str]


class Delivery(StrEnum):
    """What came of the copy that a system holds."""

    DELIVERED = "delivered"
    PARTIAL = "partial"  # some of it
    BY_HAND = "by_hand"  # its people have to be asked
    MISSING = "missing"  # asked for and not delivered
    DESCRIBED = "described"  # the law lets nobody but the police see it


@dataclass(frozen=True)
class SystemCopy:
    """The copy of one system. `why`: what stands in for what is missing, in words; `records` opens it anew."""

    system: str
    delivery: Delivery
    why: Said = field(default_factory=dict)
    records: Callable[[], Iterator[CopiedRecord]] = lambda: iter(())


@dataclass(frozen=True)
class Written:
    """What a bundle came to. `flags`: texts to be read, withheld unless `kept` names them; `left_out`: how many records
    were not given, by why, of each system."""

    records: int = 0
    flags: tuple[Flag, ...] = ()
    left_out: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What the archive is made of. `report` as `access_report`; `request`: id, type and days of the request.

    `give`: a record of a system as the person is given it, or why it is left out.
    """

    request: Mapping[str, Any]
    report: Mapping[str, Any] = field(repr=False)
    copies: Sequence[SystemCopy]
    company: Company = field(repr=False)
    give: Callable[[str, CopiedRecord], Given | str] = field(repr=False)
    made_at: datetime


def write_bundle(answer: Answer, to: IO[bytes], lang: str, kept: frozenset[str] = frozenset()) -> Written:
    """Write the archive. `lang`: of the page, `nb` or `en`; `kept`: digests of texts that were read and are given.

    Raises what opening a copy raises: an archive that is not whole is none.
    """
    told: dict[str, dict[str, Any]] = {}
    shown: dict[str, list[Given]] = {}
    flags: dict[str, Flag] = {}
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        for copy in answer.copies:
            told[copy.system] = _said(copy, answer.company)
            if copy.delivery in (Delivery.DELIVERED, Delivery.PARTIAL):
                name = f"copy/{copy.system}.json"
                with _entry(archive, name, answer.made_at) as file:
                    account = _Account()
                    _write_copy(answer, copy, file, account)
                told[copy.system] |= {"file": name, **account.said(kept)}
                shown[copy.system] = account.shown
                flags |= account.flags
        report = whole_report(answer, told)
        with _entry(archive, "report.json", answer.made_at) as file:
            file.write(_json(report))
        with _entry(archive, "index.html", answer.made_at) as file:
            file.write(page(report, shown, lang).encode())
    return Written(
        records=sum(item.get("records_total", 0) for item in told.values()),
        flags=tuple(flags.values()),
        left_out={name: item["left_out"] for name, item in told.items() if item.get("left_out")},
    )


def whole_report(answer: Answer, copies: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The report with every element of every item, and what came of each copy. No part is empty."""
    profile, report = answer.company.profile, answer.report
    return {
        "format": FORMAT,
        "request": dict(answer.request),
        "controller": {"name": profile.controller, "contact": profile.dpo_contact},
        "as_of": report["as_of"],
        "catalogue_version": report["catalogue_version"],
        "confirmation": confirmation(report),
        "complaint": complaint(profile),
        "items": [{**entry, "elements": elements(entry, answer.company)} for entry in report["entries"]],
        "unjudged": report["unjudged"],
        "dead_letters": report.get("dead_letters", {}),
        "copies": [{"system": name, **said} for name, said in sorted(copies.items())],
    }


class _Account:
    """What is counted of a copy while it is written."""

    def __init__(self) -> None:
        self.records = Counter[str]()
        self.left_out = Counter[str]()
        self.blanked = Counter[str]()
        self.unknown: set[str] = set()
        self.flags: dict[str, Flag] = {}
        self.shown: list[Given] = []

    def add(self, given: Given) -> None:
        self.records[given.record] += 1
        self.blanked.update(f"{given.record}.{name}" for name in given.blanked)
        self.unknown.update(f"{given.record}.{name}" for name in given.unknown)
        self.flags |= {flag.digest: flag for flag in given.flags}
        if len(self.shown) < SHOWN:
            self.shown.append(given)

    def said(self, kept: frozenset[str]) -> dict[str, Any]:
        return {
            "records": dict(sorted(self.records.items())),
            "records_total": self.records.total(),
            "blanked": dict(sorted(self.blanked.items())),
            "fields_without_schema": sorted(self.unknown),
            "texts_withheld": sum(digest not in kept for digest in self.flags),
            "left_out": dict(sorted(self.left_out.items())),
        }


def _write_copy(answer: Answer, copy: SystemCopy, file: IO[bytes], account: _Account) -> None:
    """One record at a time; the schemas come behind them, as it is only known then which there are."""
    records = answer.company.every_record
    file.write(f'{{"system": {json.dumps(copy.system)}, "records": [\n'.encode())
    for copied in copy.records():
        given = answer.give(copy.system, copied) if copied.record in records else UNKNOWN
        if isinstance(given, str):
            account.left_out[given] += 1
            continue
        separator = b",\n" if account.records else b""
        file.write(separator + _json({"record": given.record, "values": given.values}))
        account.add(given)
    schemas = {name: json_schema(records[name]) for name in sorted(account.records)}
    file.write(b'\n], "schemas": ' + _json(schemas) + b"}\n")


def _said(copy: SystemCopy, company: Company) -> dict[str, Any]:
    known = company.catalogue.systems.get(copy.system)
    name = known.name.model_dump() if known else {"nb": copy.system, "en": copy.system}
    why = dict(copy.why) or {
        "nb": f"Kopien fra {name['nb']} ligger ved.",
        "en": f"The copy of {name['en']} is enclosed.",
    }
    return {"name": name, "delivery": copy.delivery.value, "said": why}


def _entry(archive: zipfile.ZipFile, name: str, at: datetime) -> IO[bytes]:
    # The format has no earlier year, and no zone.
    made = zipfile.ZipInfo(name, (max(at.year, 1980), *at.timetuple()[1:6]))
    made.compress_type = zipfile.ZIP_DEFLATED
    made.external_attr = 0o600 << 16
    return archive.open(made, "w", force_zip64=True)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, default=str).encode()
