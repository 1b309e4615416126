"""The TOML file of a reference job: its keys, its Kafka, and which column of its store is which field of which record.

    keys = ["billing.json"]                      # key files of the system, as `innsyn systems export` writes them
    state = "billing-job.sqlite"                 # what the job remembers; not with PostgreSQL, which keeps it itself
    rights = ["erasure", "access"]               # of RIGHTS, what it does; left out: "erasure"
    mark_again_seconds = 300                     # how often rows that came later are looked for under restrictions
    [kafka]
    "bootstrap.servers" = "kafka:9092"

    [[records]]
    record = "Invoice"                           # as innsyn's schema calls it
    at = "billing.invoice"                       # the table, the pattern of the files, or the topic
    time = "issued_at"                           # the column of the event's time
    time_zone = "Europe/Oslo"                    # of times that have none; or time_unit = "ms" where they are numbers
    absent = ["Invoice.memo"]                    # fields of the record that this store does not have
    other = ["invoice_id", "paid"]               # columns that say nothing of anybody
    restricted = "restricted"                    # a text column for restrictions: see `innsyn_sdk.changing`
    [records.columns]
    customer_number = {field = "customer_number", kind = "customer_number", form = "lower", names = "customer"}
    source = {field = "client_address", kind = "ip", form = "address", port = "source_port"}
    source_port = {field = "client_port"}
    name = {field = "name", blank = "-"}         # put there instead of null
    [[records.keep]]
    until = "keep_until"                         # a day in this column: until then
    fields = ["Invoice.name"]                    # these stay; left out: the whole row
    rule = "T01"
    citation = "bokføringsloven § 13"

Every column has to be mapped or listed in `other`, so that none is deleted or left behind because it was forgotten.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

FORMS = ("exact", "lower", "digits", "address")
"""How a column spells what identifies somebody: as innsyn does; in any case and with blanks around; with anything
between the digits; as an IP address in any notation."""
NAMES = ("customer", "person", "place", "device")
"""What the kind of a column names; `customer` where the catalogue says `stands_for: customer`."""
CUSTOMER = "customer_number"
"""The kind of innsyn's own catalogue that stands for the customer."""
UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}
"""Units of times that are numbers, in microseconds."""
RIGHTS = ("erasure", "access", "rectification", "restriction")
_TOP = {
    "keys": list, "state": str, "kafka": dict, "records": list, "rights": list, "mark_again_seconds": int,
}  # fmt: skip
_RECORD = {
    "record": str, "at": str, "time": str, "time_zone": str, "time_unit": str, "absent": list, "other": list,
    "columns": dict, "keep": list, "restricted": str,
}  # fmt: skip
_COLUMN = {
    "field": str, "kind": str, "form": str, "names": str, "role": str, "port": str, "about": str, "personal": bool,
    "blank": (str, int, float, bool), "country": str,
}  # fmt: skip
_KEEP = {"until": str, "fields": list, "rule": str, "citation": str}


class NotAJob(Exception):
    """The file of a job is missing, no TOML, or says what cannot be; `str` says where, and what to do."""


@dataclass(frozen=True)
class Column:
    """A column that holds a field of the record. With `kind` it identifies somebody in the role.

    `person`: whether by what it holds somebody is named, not a place or a device. `customer`: whether that stands for
    the customer, whose a row is before it is anybody else's. `port`: the column of an address's port. `about`: the one
    role that the field is about. `country`: for `digits`, the code that numbers may lack.
    `personal`: false for a field by which innsyn tells rows apart, and which says nothing of anybody.
    """

    name: str
    field: str
    kind: str | None = None
    form: str = "exact"
    person: bool = False
    customer: bool = False
    role: str = "owner"
    port: str | None = None
    about: str | None = None
    personal: bool = True
    blank: Any = None
    country: str = ""


@dataclass(frozen=True)
class Keep:
    """Rows that stay until the day in a column, as a whole (`fields` empty) or in some fields."""

    until: str
    rule: str
    citation: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecordMapping:
    """Where one record is, and what its columns are. `fields` are without the record's name. `restricted`: the column
    in which restrictions that stand are written."""

    record: str
    at: str
    columns: tuple[Column, ...]
    time: str | None = None
    zone: ZoneInfo | None = None
    unit: str | None = None
    absent: frozenset[str] = frozenset()
    other: frozenset[str] = frozenset()
    keep: tuple[Keep, ...] = ()
    restricted: str | None = None

    @property
    def personal(self) -> frozenset[Column]:
        """Columns of which a row that goes as a whole is made."""
        return frozenset(item for item in self.columns if item.personal)

    @property
    def named(self) -> frozenset[str]:
        """All columns that the mapping knows."""
        extra = {name for name in (self.time, self.restricted) if name}
        return frozenset({item.name for item in self.columns} | extra | self.other) | {
            item.until for item in self.keep
        }

    def check(self, columns: Collection[str], where: str) -> None:
        """That the store has just the columns that the mapping knows. Raises NotAJob."""
        if unknown := sorted({*columns} - self.named):
            raise NotAJob(
                f"{where} has columns that the job's file does not name: {', '.join(unknown)}; map each to a field of"
                f" {self.record}, or list it in `other` if it says nothing of anybody"
            )
        if lacking := sorted(self.named - {*columns}):
            raise NotAJob(f"{where} has no column {', '.join(lacking)}; correct the job's file")


@dataclass(frozen=True)
class JobFile:
    """A whole file. `own`: the tables that are of the kind of the job, such as `[postgresql]`."""

    path: Path
    keys: tuple[Path, ...]
    kafka: Mapping[str, Any] = field(repr=False)
    records: tuple[RecordMapping, ...]
    state: Path | None
    own: Mapping[str, Any] = field(repr=False)
    rights: tuple[str, ...] = ("erasure",)
    mark_again_seconds: float = 300.0

    def text(self, section: str, name: str, default: str | None = None) -> str:
        """A setting of the job's own table. Raises NotAJob where it is missing and there is no default."""
        found = self.own.get(section, {}).get(name, default)
        if not isinstance(found, str):
            raise NotAJob(f"{self.path}: [{section}] needs a text `{name}`")
        return found


def read_job(path: Path, section: str, settings: Mapping[str, type]) -> JobFile:
    """The file of a job whose own table is `[section]` with these settings. Paths in it are from its folder.

    Raises NotAJob.
    """
    try:
        said = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise NotAJob(f"there is no file {path}; give the TOML file of the job") from None
    except (OSError, ValueError) as error:
        raise NotAJob(f"{path} cannot be read as TOML ({type(error).__name__}: {error})") from None
    _known(said, {**_TOP, section: dict}, str(path))
    own = said.get(section, {})
    _known(own, settings, f"{path}: [{section}]")
    if not said.get("keys") or not said.get("records"):
        raise NotAJob(f"{path} needs `keys`, the system's key files, and at least one [[records]]")
    _known(said.get("kafka", {}), {}, f"{path}: [kafka]", any_name=True)
    if not said.get("kafka", {}).get("bootstrap.servers"):
        raise NotAJob(f'{path}: [kafka] needs "bootstrap.servers"')
    records = tuple(
        _record(item, f"{path}: [[records]] {nth}") for nth, item in enumerate(said["records"], 1)
    )
    state, rights = said.get("state"), tuple(said.get("rights", ("erasure",)))
    if not rights or {*rights} - {*RIGHTS}:
        raise NotAJob(f"{path}: `rights` are some of {', '.join(RIGHTS)}")
    if "restriction" in rights and not any(item.restricted for item in records):
        raise NotAJob(f"{path}: a job that restricts needs `restricted`, a text column, in its [[records]]")
    folder = path.parent
    return JobFile(
        path=path,
        keys=tuple(folder / str(item) for item in said["keys"]),
        kafka=said["kafka"],
        records=records,
        state=folder / state if state else None,
        own={section: own},
        rights=rights,
        mark_again_seconds=float(said.get("mark_again_seconds", 300)),
    )


def _record(said: Any, where: str) -> RecordMapping:
    _known(said, _RECORD, where)
    record, at = said.get("record"), said.get("at")
    if not record or not at or not said.get("columns"):
        raise NotAJob(f"{where} needs `record`, `at` and [records.columns]")
    where = f"{where} ({record})"
    columns = tuple(_column(name, item, where) for name, item in said["columns"].items())
    names = {item.name for item in columns}
    if not any(item.kind for item in columns):
        raise NotAJob(f"{where}: no column identifies anybody; give one of them a `kind`")
    for item in columns:
        if item.port is not None and item.port not in names | {*said.get("other", ())}:
            raise NotAJob(f"{where}: the port of {item.name} is in no column {item.port}")
    if said.get("restricted") in names | {*said.get("other", ()), said.get("time")} - {None}:
        raise NotAJob(f"{where}: `restricted` is a column of its own, which holds nothing else")
    unit, zone = said.get("time_unit"), _zone(said.get("time_zone"), where)
    if unit is not None and unit not in UNITS:
        raise NotAJob(f"{where}: time_unit is one of {', '.join(UNITS)}")
    return RecordMapping(
        record=record,
        at=at,
        columns=columns,
        time=said.get("time"),
        zone=zone,
        unit=unit,
        absent=frozenset(_fields(said.get("absent", ()), record, where)),
        other=frozenset(map(str, said.get("other", ()))),
        keep=tuple(_keep(item, record, where) for item in said.get("keep", ())),
        restricted=said.get("restricted"),
    )


def _column(name: str, said: Any, where: str) -> Column:
    where = f"{where}, column {name}"
    _known(said, _COLUMN, where)
    form, names = said.get("form", "exact"), said.get("names", "")
    if not said.get("field"):
        raise NotAJob(f"{where} needs `field`; list it in `other` if it says nothing of anybody")
    if form not in FORMS:
        raise NotAJob(f"{where}: form is one of {', '.join(FORMS)}")
    if "kind" in said and names not in NAMES:
        raise NotAJob(f"{where}: `names` says what the kind names: {', '.join(NAMES[:-1])} or {NAMES[-1]}")
    if said.get("kind") == CUSTOMER and names != "customer":
        raise NotAJob(f'{where}: write names = "customer", as a row is first of the customer whom it names')
    if "kind" not in said and (lost := {"form", "names", "port", "role"} & said.keys()):
        raise NotAJob(f"{where}: {', '.join(sorted(lost))} mean nothing without `kind`")
    return Column(
        name=name,
        field=said["field"],
        kind=said.get("kind"),
        form=form,
        person=names in ("customer", "person"),
        customer=names == "customer",
        role=said.get("role", "owner"),
        port=said.get("port"),
        about=said.get("about"),
        personal=said.get("personal", True),
        blank=said.get("blank"),
        country=said.get("country", ""),
    )


def _keep(said: Any, record: str, where: str) -> Keep:
    where = f"{where}, keep"
    _known(said, _KEEP, where)
    if lacking := [name for name in ("until", "rule", "citation") if not said.get(name)]:
        raise NotAJob(f"{where} needs {', '.join(lacking)}")
    fields = _fields(said.get("fields", ()), record, where)
    return Keep(said["until"], said["rule"], said["citation"], tuple(fields))


def _fields(said: Any, record: str, where: str) -> list[str]:
    found = []
    for item in said:
        of, _, name = str(item).partition(".")
        if of != record or not name:
            raise NotAJob(f"{where}: write a field as {record}.name, not {item}")
        found.append(name)
    return found


def _zone(name: str | None, where: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name is not None else None
    except (ZoneInfoNotFoundError, ValueError):
        raise NotAJob(f"{where}: there is no time zone {name}") from None


def _known(said: Any, settings: Mapping[str, Any], where: str, *, any_name: bool = False) -> None:
    """A misspelt setting must not pass for one that was left out."""
    if not isinstance(said, dict):
        raise NotAJob(f"{where} is no table of settings")
    if any_name:
        return
    if unknown := sorted(said.keys() - settings.keys()):
        raise NotAJob(f"{where}: {', '.join(unknown)} is no setting; known are {', '.join(sorted(settings))}")
    for name, value in said.items():
        if not isinstance(value, settings[name]) or (isinstance(value, bool) and settings[name] is int):
            raise NotAJob(f"{where}: {name} is not of its type")
