"""The catalogue files, and what is said when one of them is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import MutableMapping
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from dateutil.relativedelta import relativedelta
from pydantic import ValidationError
from typer.testing import CliRunner

from console.cli.catalogue import app
from schemas.catalogue import FILES, load_catalogue
from schemas.entries import parse_period
from schemas.errors import CatalogueError, InputError
from schemas.layers import BASE, MODEL


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The model company's catalogue in one layer, so that every line of it can be edited."""
    whole = tmp_path / "catalogue"
    whole.mkdir()
    for name in FILES:
        layers = [layer / "catalogue" / name for layer in (BASE, MODEL)]
        texts = [path.read_text(encoding="utf-8") for path in layers if path.exists()]
        # Edits of the first entry are of base's there, of the model company's elsewhere.
        ordered = texts if name in ("categories.yaml", "purposes.yaml") else texts[::-1]
        entries = _merged(re.split(r"^(?=\w)", "".join(ordered), flags=re.M))
        numbered = name in ("categories.yaml", "retention.yaml")
        (whole / name).write_text("".join(sorted(entries) if numbered else entries), encoding="utf-8")
    return whole


def _merged(entries: list[str]) -> list[str]:
    """With what changes an entry behind that entry."""
    changes = {text.partition(":")[0]: text for text in entries if "\n  change: true\n" in text}
    found = [text for text in entries if text not in changes.values()]
    return [text + changes.get(text.partition(":")[0], "").partition("  change: true\n")[2] for text in found]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, f"the test edits {old!r}, which is no longer there"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_every_category_purpose_and_rule_is_there() -> None:
    """C-01 to C-31, 21 purposes, the six bases and T01 to T35 without a gap."""
    catalogue = load_catalogue()
    assert list(catalogue.categories) == [f"C-{n:02}" for n in range(1, 32)]
    assert list(catalogue.retention_rules) == [f"T{n:02}" for n in range(1, 36)]
    assert len(catalogue.purposes) == 21
    assert "".join(catalogue.legal_bases) == "abcdef"


def test_switches_of_the_law_are_set() -> None:
    """Rules not in force are off, T06 alone is locked, and each legal basis switches what the GDPR says."""
    catalogue = load_catalogue()
    rules = catalogue.retention_rules.values()
    assert [rule.id for rule in rules if not rule.active] == ["T16", "T32"]
    assert [rule.id for rule in rules if rule.locked] == ["T06"]
    bases = catalogue.legal_bases.values()
    assert [basis.letter for basis in bases if basis.withdrawal_erases] == ["a"]
    assert [basis.letter for basis in bases if basis.objection] == ["e", "f"]
    assert [basis.letter for basis in bases if basis.portability] == ["a", "b"]


def test_flags_follow_the_categories() -> None:
    """National id, telecom secrecy, free text and children are marked where law or content asks for it."""
    categories = load_catalogue().categories.values()
    assert {c.id for c in categories if c.national_id} == {"C-02", "C-04"}
    secret = {"C-15", "C-16", "C-17", "C-18", "C-19", "C-27"}
    assert {c.id for c in categories if c.telecom_secrecy} == secret
    assert {c.id for c in categories if c.free_text} == {
        "C-11",
        "C-12",
        "C-13",
        "C-14",
        "C-27",
        "C-28",
        "C-31",
    }
    assert {c.id for c in categories if c.children} == {"C-25", "C-29"}
    assert all(c.sensitivity == 3 for c in categories if c.national_id)


def test_every_category_rests_in_some_system_and_is_ended_by_some_active_rule() -> None:
    """No category is without a home, and none without a rule that names it and ends."""
    catalogue = load_catalogue()
    held = {category for system in catalogue.systems.values() for category in system.holds}
    ended = {
        c for r in catalogue.retention_rules.values() if r.active and r.effect != "none" for c in r.covers
    }
    assert held == set(catalogue.categories)
    assert ended == set(catalogue.categories)


def test_each_source_of_identity_says_what_silence_means() -> None:
    """Registers and logins hold until something else is said; leases and sessions end in silence."""
    sources = load_catalogue().identity_sources
    assert {"radius", "dhcp", "cgnat", "nat_map"} < set(sources)
    lasting = {source.id for source in sources.values() if source.silence_seconds is None}
    assert lasting == set(sources) - {"radius", "dhcp", "cgnat"}
    assert all(source.missed_reports >= 1 and source.skew_seconds >= 0 for source in sources.values())


def test_locked_data_are_described_and_no_others() -> None:
    """What only the police may see is not exported in an access answer, everything else is."""
    rules = load_catalogue().retention_rules.values()
    assert [rule.id for rule in rules if rule.disclosure == "describe"] == ["T06"]
    assert {rule.disclosure for rule in rules if not rule.locked} == {"full"}


def test_entries_cannot_be_changed() -> None:
    """A caller can neither replace an entry nor change one."""
    catalogue = load_catalogue()
    assert not isinstance(catalogue.categories, MutableMapping)
    for entry, field in ((catalogue.categories["C-01"], "sensitivity"), (catalogue, "version")):
        with pytest.raises((ValidationError, FrozenInstanceError)):
            setattr(entry, field, getattr(entry, field))


def test_the_default_is_read_once() -> None:
    """Two loads without a folder give the same object."""
    assert load_catalogue() is load_catalogue()


def test_the_version_follows_the_content_and_not_the_comments(folder: Path) -> None:
    """A comment keeps the version; one changed period gives another."""
    before = load_catalogue(folder).version
    assert re.fullmatch(r"[0-9a-f]{12}", before)
    assert before == load_catalogue().version
    edit(folder / "retention.yaml", "T01:\n", "# a remark\nT01:\n")
    assert load_catalogue(folder).version == before
    edit(folder / "retention.yaml", "period: P5Y", "period: P6Y")
    assert load_catalogue(folder).version != before


# file, text to replace, its replacement, key of the error, words of the mend
BROKEN = {
    "missing english name": (
        "categories.yaml", "{nb: Kontaktinformasjon, en: Contact}", "{nb: Kontaktinformasjon}", "C-01.name.en",
        ["missing", "add it"],
    ),
    "missing name": (
        "purposes.yaml", "  name: {nb: Fakturering, en: Billing}\n", "", "P-BILLING.name", ["missing"],
    ),
    "empty name": ("categories.yaml", "en: Contact}", "en: ''}", "C-01.name.en", ["at least 1 character"]),
    "unknown category in covers": (
        "retention.yaml", "covers: [C-06, C-07]", "covers: [C-06, C-77]", "T01.covers.1",
        ["'C-77'", "did you mean C-", "C-01 to C-31"],
    ),
    "category twice in covers": (
        "retention.yaml", "covers: [C-06, C-07]", "covers: [C-06, C-06]", "T01.covers.1", ["twice"],
    ),
    "bad period": ("retention.yaml", "period: P5Y", "period: 5 years", "T01.period", ["ISO 8601", "P5Y"]),
    "empty period": ("retention.yaml", "period: P5Y", "period: P", "T01.period", ["ISO 8601"]),
    "hold without end": ("retention.yaml", "period: P5Y", "period: null", "T01.period", ["needs an end"]),
    "hold without clock": (
        "retention.yaml", "clock: financial_year_end", "clock: none", "T01.clock", ["never starts"],
    ),
    "hold without purpose": (
        "retention.yaml", "  purposes: [P-LEGALREC]\n", "", "T01.purposes", ["missing", "name the only purposes"],
    ),
    "unknown clock": (
        "retention.yaml", "clock: financial_year_end", "clock: year_end", "T01.clock",
        ["'year_end'", "'financial_year_end'"],
    ),
    "unknown key": (
        "retention.yaml", "  authority: bokf", "  autority: bokf", "T01.autority", ["did you mean authority"],
    ),
    "unknown key in name": (
        "categories.yaml", "en: Contact}", "en: Contact, sv: K}", "C-01.name.sv", ["en, nb"],
    ),
    "key that is no text": (
        "categories.yaml", "en: Contact}", "en: Contact, no: K}", "line 5", ["in quotes"],
    ),
    "id as a field": (
        "categories.yaml", "  sensitivity: 1\n", "  sensitivity: 1\n  id: C-01\n", "C-01.id", ["remove"],
    ),
    "duplicate id": (
        "systems.yaml", "orders: {", "crm: {", "crm", ["twice", "line 3", "keep one"],
    ),
    "duplicate field": (
        "categories.yaml", "  sensitivity: 1\n", "  sensitivity: 1\n  sensitivity: 2\n", "sensitivity",
        ["twice", "line 7"],
    ),
    "source that never misses a report": (
        "sources.yaml", "missed_reports: 3", "missed_reports: 0", "radius.missed_reports",
        ["greater than or equal to 1"],
    ),
    "clock that runs backwards": (
        "sources.yaml", "skew_seconds: 0", "skew_seconds: -1", "radius.skew_seconds",
        ["greater than or equal to 0"],
    ),
    "source without habits": (
        "sources.yaml", "  silence_seconds: 86400\n", "", "radius.silence_seconds", ["missing", "add it"],
    ),
    "unknown disclosure": (
        "retention.yaml", "disclosure: describe", "disclosure: some", "T06.disclosure", ["'full'", "'describe'"],
    ),
    "a proof that is not followed": (
        "proofs.yaml", "holder:", "payer:", "payer", ["links are followed by", "line_owner"],
    ),
    "a proof that is not decided on": ("proofs.yaml", "user: {", "# user: {", "user", ["missing", "by_hand"]),
    "a word of no policy": (
        "proofs.yaml", "erasure: named, certainty", "erasure: told, certainty", "holder.erasure", ["'by_hand'"],
    ),
    "purpose that a category may serve alone": (
        "categories.yaml", "only_for: [P-VERIFY,", "only_for: [P-VERFY,", "C-02.only_for.0", ["P-VERIFY"],
    ),
    "origin that a category may have alone": (
        "categories.yaml", "only_from: [external_channel", "only_from: [social", "C-14.only_from.0", ["auto_generated"],
    ),
    "bad id": ("categories.yaml", "C-30:", "C-3:", "C-3", ["C-01"]),
    "unknown letter": ("purposes.yaml", "[b]", "[g]", "P-CONTRACT.legal_bases.0", ["'g'", "'a', 'b'"]),
    "basis that is gone": (
        "legal_bases.yaml", "f:\n", "F:\n", "F", ["is not an id"],
    ),
    "unknown instrument": (
        "recipients.yaml", "instrument: dpa", "instrument: handshake", "delivery_partner.instrument",
        ["'handshake'", "'statutory_order'"],
    ),
    "unknown category of a system": (
        "systems.yaml", "holds: [C-06]", "holds: [C-99]", "payment_gateway.holds.0", ["'C-99'"],
    ),
    "sensitivity out of range": (
        "categories.yaml", "sensitivity: 1", "sensitivity: 4", "C-01.sensitivity", ["less than or equal to 3"],
    ),
    "word instead of a switch": (
        "categories.yaml", "national_id: true", "national_id: 'yes'", "C-02.national_id", ["valid boolean"],
    ),
    "broken yaml": ("purposes.yaml", "legal_bases: [b]", "legal_bases: [b", "line 6", ["is not YAML"]),
    "missing section": ("vocabulary.yaml", "roles:\n", "rolls:\n", "rolls", ["did you mean roles"]),
    "entry without fields": (
        "recipients.yaml", "network_owner:\n  name", "x:\nnetwork_owner:\n  name", "x", ["no fields"],
    ),
    "tab": ("purposes.yaml", "  legal_bases: [b]", "\tlegal_bases: [b]", "line 5", ["is not YAML"]),
    "control character": ("purposes.yaml", "Avtaleoppfyllelse", "Avtale\x01", "file", ["remove"]),
}  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "key", "words"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_named_with_key_and_mend(
    folder: Path, file: str, old: str, new: str, key: str, words: list[str]
) -> None:
    """Each mistake gives one line with the file, the key inside it and what to write instead."""
    edit(folder / file, old, new)
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(folder)
    error = caught.value
    assert (error.file, error.key) == (file, key)
    assert [word for word in words if word not in error.mend] == []
    assert "\n" not in str(error)


def test_a_section_that_is_gone_is_missed(folder: Path) -> None:
    """Leaving out a whole word list is an error at that list."""
    text = (folder / "vocabulary.yaml").read_text(encoding="utf-8")
    start, end = text.index("subject_types:\n"), text.index("roles:\n")
    (folder / "vocabulary.yaml").write_text(text[:start] + text[end:], encoding="utf-8")
    with pytest.raises(CatalogueError, match=r"vocabulary\.yaml: subject_types: is missing"):
        load_catalogue(folder)


def test_a_basis_that_purposes_rest_on_cannot_be_left_out(folder: Path) -> None:
    """A purpose that names a letter without an entry is refused."""
    text = (folder / "legal_bases.yaml").read_text(encoding="utf-8")
    (folder / "legal_bases.yaml").write_text(text[: text.index("f:\n")], encoding="utf-8")
    with pytest.raises(CatalogueError, match=r"purposes\.yaml: P-ADMIN\.legal_bases\.1: 'f' is not known"):
        load_catalogue(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_not_there_is_named(folder: Path, name: str) -> None:
    """Every one of the files is needed."""
    (folder / name).unlink()
    with pytest.raises(CatalogueError, match=rf"^{re.escape(name)}: file: cannot be read"):
        load_catalogue(folder)


@pytest.mark.parametrize("content", ["", "- C-01\n", "text\n", "{}\n"])
def test_a_file_that_is_no_mapping_is_refused(folder: Path, content: str) -> None:
    """An empty file, a list or a word is not a catalogue."""
    (folder / "systems.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(CatalogueError, match=r"systems\.yaml: file: is (empty|not a mapping)"):
        load_catalogue(folder)


def test_a_file_in_another_encoding_is_refused(folder: Path) -> None:
    """Latin-1 is not read as something else."""
    (folder / "systems.yaml").write_bytes("crm: {name: {nb: Kundeløsning}}".encode("latin-1"))
    with pytest.raises(CatalogueError, match=r"systems\.yaml: byte \d+: is not UTF-8"):
        load_catalogue(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The message lists the files a folder needs."""
    with pytest.raises(CatalogueError, match=r"retention\.yaml"):
        load_catalogue(tmp_path / "absent")


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("P3Y6M", relativedelta(years=3, months=6)),
        ("P6W", relativedelta(weeks=6)),
        ("P90D", relativedelta(days=90)),
        ("P12M", relativedelta(years=1)),
    ],
)
def test_periods_are_calendar_periods(text: str, period: relativedelta) -> None:
    """Years and months stay years and months; weeks and days are days."""
    assert parse_period(text) == period


@pytest.mark.parametrize("text", ["", "P", "5Y", "P5", "P1W2D", "PT5H", "P-1Y", "P1M1Y", "P5Y ", "p5y"])
def test_what_is_no_period_is_refused(text: str) -> None:
    """Times, signs, wrong order and stray characters are not periods."""
    with pytest.raises(ValueError, match="ISO 8601"):
        parse_period(text)


def test_check_prints_the_counts() -> None:
    """The table and the JSON say how many entries each file holds."""
    table = CliRunner().invoke(app, ["check"])
    assert table.exit_code == 0
    assert re.search(r"retention\.yaml\W+retention_rules\W+35", table.stdout)
    answer = CliRunner().invoke(app, ["check", "--json"])
    document = json.loads(answer.stdout)
    assert document["version"] == load_catalogue().version
    assert document["files"]["sources.yaml"] == {"identity_sources": len(load_catalogue().identity_sources)}
    assert document["files"]["categories.yaml"] == {"categories": 31}
    assert set(document["files"]) == set(FILES)


def test_check_raises_what_the_program_turns_into_one_line(folder: Path) -> None:
    """A broken folder reaches the main program as an InputError."""
    (folder / "systems.yaml").unlink()
    result = CliRunner().invoke(app, ["check", str(folder)])
    assert isinstance(result.exception, InputError)
    assert result.stdout == ""


def test_check_shows_an_example_in_its_help() -> None:
    """--help tells how to call it."""
    assert "innsyn catalogue check" in CliRunner().invoke(app, ["check", "--help"]).stdout
