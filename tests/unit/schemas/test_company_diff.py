"""What a change of a company does to rows that are there already."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from schemas.annotations import ClockRule
from schemas.company import Company, load_company
from schemas.company_diff import Change, company_changes
from schemas.layers import COMPANIES
from schemas.policy import RetentionAnchors, decide_erasure
from schemas.tags import TagSet, tag_set
from tests.support.company import write
from tests.support.stories import CARRIER

MINIMAL = COMPANIES / "minimal"
OLD = load_company(MINIMAL)
TODAY = date(2026, 6, 1)
ROWS = tag_set(
    OLD.records["OrderPlaced"], "shop.orders", "owner", catalogue_version=OLD.catalogue.version, key_id="k1"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(MINIMAL, tmp_path / "shop"))


def changed(folder: Path, file: str, old: str, new: str) -> None:
    text = (folder / file).read_text("utf-8")
    assert old in text
    write(folder, file, text.replace(old, new))


def changes(folder: Path, rows: Sequence[tuple[TagSet, int]] | None = None) -> list[Change]:
    return company_changes(OLD, load_company(folder), TODAY, rows)


def test_the_same_company_changes_nothing(folder: Path) -> None:
    """Nor do comments, names and whatever is added that nobody uses yet."""
    assert changes(folder) == []
    changed(folder, "catalogue/retention.yaml", "T50:", "# a remark\nT50:")
    changed(folder, "catalogue/systems.yaml", "Web shop", "Internet shop")
    write(
        folder,
        "catalogue/recipients.yaml",
        (COMPANIES / "model/catalogue/recipients.yaml").read_text("utf-8"),
    )
    assert changes(folder) == []


def test_a_longer_period_moves_dates_and_decisions(folder: Path) -> None:
    """Of each category, from the day that was to the day that is; counted by the rows of all versions and keys."""
    changed(folder, "catalogue/retention.yaml", "hold_contract", "hold_legal_claims")
    old = load_company(folder)
    changed(folder, "catalogue/retention.yaml", "P3M", "P1Y")
    rows = [(ROWS, 5), (replace(ROWS, key_id="k2", catalogue_version="0" * 12), 7)]
    found = company_changes(old, load_company(folder), TODAY, rows)
    assert {(item.kind, item.what) for item in found} == {
        (kind, category) for kind in ("date", "decision") for category in ("C-01", "C-09")
    }
    (day,) = [item for item in found if (item.kind, item.what) == ("date", "C-01")]
    assert (day.before, day.after, day.rows) == ("2026-09-01 by T50", "2027-06-01 by T50", 12)
    (held,) = [item for item in found if (item.kind, item.what) == ("decision", "C-09")]
    assert held.after == "held until 2027-06-01 by T50 for P-CONTRACT"


def test_a_day_is_not_what_an_erasure_gets(folder: Path) -> None:
    """After a contract has ended its rule holds nothing back: a longer period moves the day where nobody asks."""
    changed(folder, "catalogue/retention.yaml", "P3M", "P1Y")
    found = changes(folder, [(ROWS, 5)])
    assert {item.kind for item in found} == {"date"}
    assert {item.after for item in found} == {"2027-06-01 by T50, unless somebody asks before"}
    ended = RetentionAnchors(contract_end=date(2026, 5, 31))
    moment = datetime(2026, 6, 1, tzinfo=UTC)
    rules = [load_company(folder).catalogue.retention_rules["T50"]]
    (decision,) = decide_erasure(["C-01"], ["P-CONTRACT"], rules, moment, moment, TODAY, ended)
    assert decision.action == "erase_now"


def test_a_rule_that_is_gone_leaves_rows_nobody_can_decide_on(folder: Path) -> None:
    """And their events would be tagged with the rule that stands in its place."""
    for file in ("catalogue/retention.yaml", "avro/order_placed.avsc"):
        changed(folder, file, "T50", "T51")
    found = {item.kind: item for item in changes(folder, [(ROWS, 3)])}
    assert (found["undecided"].before, found["undecided"].after) == ("decided", "T50 is not in the catalogue")
    assert (found["tags"].what, found["tags"].before, found["tags"].after) == ("retention", "T50", "T51")
    assert {item.rows for item in found.values()} == {3}


def test_a_topic_that_is_gone_tags_no_more(folder: Path) -> None:
    """Its rows stay; what they name may be gone with it."""
    changed(folder, "topics.yaml", "tagged: true", "tagged: false")
    (found,) = changes(folder)
    assert (found.kind, found.topic, found.after, found.rows) == (
        "tags",
        "shop.orders",
        "no longer tagged",
        None,
    )


def test_rows_of_nothing_that_is_known_are_still_judged(folder: Path) -> None:
    """Tags that an older record gave have no successor, but dates; what no row has changes nothing."""
    changed(folder, "catalogue/retention.yaml", "P3M", "P6M")
    older = replace(ROWS, categories=("C-09",), origin="derived")
    assert [(item.kind, item.what) for item in changes(folder, [(older, 1)])] == [("date", "C-09")]
    assert changes(folder, []) == []


def test_another_spelling_of_identifiers_leaves_rows_behind(folder: Path) -> None:
    """They lie under tokens that nobody asks for any more; another country changes phone numbers alone."""
    write(
        folder,
        "catalogue/identifiers.yaml",
        "customer_number: {change: true, steps: [digits, zero_pad: 8], pattern: '[0-9]{8}', example: '00700104'}\n",
    )
    changed(folder, "company.yaml", '"NO"', '"SE"')
    (found,) = [item for item in changes(folder, [(ROWS, 5)]) if item.topic]
    assert (found.kind, found.what, found.rows) == ("identifiers", "customer_number", 5)
    assert (found.before, found.after) == ("NFKC, trim, lower", "digits, zero_pad 8, pattern [0-9]{8}")


CARRIER_THEN = load_company(CARRIER)


@pytest.fixture
def parcels(tmp_path: Path) -> Path:
    """A copy of the carrier, whose events are described by contracts."""
    return Path(shutil.copytree(CARRIER, tmp_path / "parcels"))


def of_carrier(folder: Path, rows: Sequence[tuple[TagSet, int]] | None = None) -> list[Change]:
    return company_changes(CARRIER_THEN, load_company(folder), TODAY, rows)


def test_what_leads_to_somebody_is_told_where_it_changes(parcels: Path) -> None:
    """An identifier that is gone, a role that is another: those rows would be others' or nobody's when read anew."""
    path = "contracts/crm.public.customer.yaml"
    changed(parcels, path, "tokens: [email, phone, login]", "tokens: [phone, login]")
    changed(parcels, path, ", identifier: {kind: email, role: owner}", "")
    changed(parcels, path, "{kind: phone, role: owner}", "{kind: phone, role: mentioned}")
    told = {change.what: (change.before, change.after) for change in of_carrier(parcels)}
    assert told["identifier email"] == ("email of owner", "–")
    assert told["identifier phone"] == ("phone of owner", "phone of mentioned")
    assert told["link of email"] == ("state of customer_number, holder, register", "–")
    assert "link of phone" not in told


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("io.debezium.time.MicroTimestamp", "millis", "event time"),
        ("message_key: {field: customer_number, path: customer_number}", "", "message key"),
    ],
)
def test_times_and_keys_of_messages_are_compared(parcels: Path, old: str, new: str, what: str) -> None:
    """Neither is a tag, and both decide what the same messages say."""
    changed(parcels, "contracts/crm.public.customer.yaml", old, new)
    assert [change.what for change in of_carrier(parcels)] == [what]


def test_links_that_a_contract_makes_are_compared(parcels: Path) -> None:
    """Other events would lead to other people when they are read anew: told token by token."""
    path = "contracts/transport.consignments.yaml"
    email, number = "consignor.contact.email", "consignor.customerNumber"
    rule = f"{{form: state, tokens: [{email}], subject: [{number}], proof: holder, source: register}}"
    changed(parcels, path, "fields:\n", f"identity:\n  - {rule}\nfields:\n")
    (told,) = of_carrier(parcels)
    assert (told.kind, told.what, told.before) == ("tags", f"link of {email}", "–")
    assert told.after == f"state of {number}, holder, register"
    then = load_company(parcels)
    changed(parcels, path, "proof: holder", "since: {path: registeredAt, unit: days}, proof: user")
    changed(parcels, path, "event_time: {path: registeredAt, unit: millis}", "event_time: {path: sentAt}")
    changed(
        parcels,
        path,
        "registeredAt: {category",
        "sentAt: {category: none, type: integer}\n  registeredAt: {category",
    )
    found = {item.what: item.after for item in company_changes(then, load_company(parcels), TODAY)}
    assert found[f"link of {email}"] == f"state of {number}, user, register, since registeredAt, days"


def test_a_category_that_moves_between_two_fields_is_told(folder: Path) -> None:
    """The record has the same categories as before, and systems would be told to erase other fields."""
    schema = json.loads((folder / "avro/order_placed.avsc").read_text("utf-8"))
    number, _, email, _ = schema["fields"]
    for name in ("category", "confluent:tags"):
        one, other = (field["innsyn"] if name == "category" else field for field in (number, email))
        one[name], other[name] = other[name], one[name]
    write(folder, "avro/order_placed.avsc", json.dumps(schema))
    told = {item.what: (item.kind, item.topic, item.before, item.after) for item in changes(folder)}
    assert told == {
        "fields of C-01": ("decision", "shop.orders", "email", "order_number"),
        "fields of C-09": (
            "decision",
            "shop.orders",
            "customer_number, order_number, placed_at",
            "customer_number, email, placed_at",
        ),
    }


def test_a_role_that_is_gone_is_not_counted_with_rows_of_another(parcels: Path) -> None:
    """Two roles with the same tags share their rows in the index: the rest of them stays tagged."""
    path = parcels / "contracts/crm.public.customer.yaml"
    text = path.read_text("utf-8").replace("tokens: [email, phone, login]", "tokens: [email, login]")
    with_two = text.replace("{kind: phone, role: owner}", "{kind: phone, role: mentioned}")
    write(parcels, "contracts/crm.public.customer.yaml", with_two)
    then = load_company(parcels)
    record = then.every_record["CustomerRow"]
    rows = [
        tag_set(record, "crm.public.customer", role, catalogue_version="v", key_id="k")
        for role in ("owner", "mentioned")
    ]
    write(
        parcels,
        "contracts/crm.public.customer.yaml",
        with_two.replace(", identifier: {kind: phone, role: mentioned}", ""),
    )
    found = company_changes(then, load_company(parcels), TODAY, [(rows[0], 60), (rows[1], 1)])
    told = {change.what: change.rows for change in found}
    shared = rows[0].id == rows[1].id
    assert told == {"identifier phone": None, "role mentioned": None if shared else 1}


def _said(found: Sequence[Change]) -> dict[str, tuple[str, str, str, int | None]]:
    return {item.what: (item.kind, item.before, item.after, item.rows) for item in found}


def test_a_system_that_is_told_to_erase_is_another_decision() -> None:
    """Its rows would expire by themselves, and go at once from now on."""
    (topic,) = [item for item in OLD.topics.values() if item.tagged]
    known = OLD.catalogue.systems
    waits = known[topic.system].model_copy(update={"erasure": "retention"})
    then = replace(OLD, catalogue=replace(OLD.catalogue, systems={**known, topic.system: waits}))
    found = _said(company_changes(then, OLD, TODAY, [(ROWS, 3)]))
    assert found == {f"system {topic.system}": ("decision", "erasure: retention", "erasure: command", 3)}


def test_a_text_that_is_no_longer_read_is_told(parcels: Path) -> None:
    """Whoever stands in it is found no more when the events are read anew."""
    changed(parcels, "contracts/shop.orders.yaml", ", free_text: true", "")
    (told,) = of_carrier(parcels)
    assert (told.kind, told.what, told.after) == ("tags", "free text noteToCourier", "–")


def test_a_record_that_stays_for_others_is_told(parcels: Path) -> None:
    """An erasure redacts what it deleted before."""
    path = "contracts/crm.public.customer.yaml"
    changed(parcels, path, "fields:\n", "erasure: {stays_for: {mentioned: any}}\nfields:\n")
    (told,) = of_carrier(parcels)
    assert (told.kind, told.topic, told.what) == (
        "decision",
        "crm.public.customer",
        "the erasure of a record",
    )
    assert (
        told.before.startswith("stays_for: owner: any"),
        told.after.startswith("stays_for: mentioned: any"),
    ) == (
        True,
        True,
    )


@pytest.mark.parametrize(
    ("old", "new", "kind", "what"),
    [
        ("Europe/Oslo", "Pacific/Auckland", "date", "time_zone"),
        ('"NO"', '"SE"', "requests", "country"),
    ],
)
def test_what_counts_days_is_compared(folder: Path, old: str, new: str, kind: str, what: str) -> None:
    """Days begin elsewhere, and other holidays move deadlines: for every topic."""
    changed(folder, "company.yaml", old, new)
    found = [item for item in changes(folder) if item.what == what]
    assert [(item.kind, item.topic) for item in found] == [(kind, "")]


def test_checks_and_approvals_that_go_are_told(folder: Path) -> None:
    """Of requests to come and of those that are open."""
    write(folder, "rights.yaml", "unchecked: {erasure: waits}\napproval: [{right: erasure, systems: 2}]\n")
    found = _said(company_changes(load_company(folder), OLD, TODAY))
    assert {what: said[0] for what, said in found.items()} == {
        "unchecked": "requests",
        "approval": "requests",
    }
    assert "erasure: waits" in found["unchecked"][1]


def test_sources_and_proofs_are_compared(folder: Path) -> None:
    """How long a link holds, and what a system is told, without their names."""
    then = OLD.catalogue.identity_sources
    name, source = next(iter(then.items()))
    longer = source.model_copy(update={"skew_seconds": source.skew_seconds + 60})
    now = replace(OLD, catalogue=replace(OLD.catalogue, identity_sources={**then, name: longer}))
    (told,) = company_changes(OLD, now, TODAY)
    assert (told.kind, told.what, "skew_seconds" in told.after) == ("links", f"identity_sources {name}", True)


@pytest.mark.parametrize("right", ["access", "rectification", "restriction"])
def test_what_a_job_does_for_other_rights_is_told(folder: Path, right: str) -> None:
    """Its people did it before: a request that they held up goes by itself, or the other way round."""
    changed(folder, "catalogue/systems.yaml", "erasure: command", f"erasure: command, {right}: command")
    found = _said(changes(folder))
    assert found == {f"{right} of shop": ("requests", "by_hand", "command", None)}
    back = company_changes(load_company(folder), OLD, TODAY)
    assert [(item.before, item.after) for item in back] == [("command", "by_hand")]


def test_clocks_that_events_start_are_compared() -> None:
    """Also that there is none any more: the period of whoever is tagged from then on does not begin."""
    name = OLD.tagged["shop.orders"].record
    record = OLD.records[name]

    def having(*rules: ClockRule) -> Company:
        annotation = record.annotation.model_copy(update={"clocks": rules})
        return replace(OLD, records={**OLD.records, name: replace(record, annotation=annotation)})

    ends = ClockRule(clock="contract_end", group="order_number", at="placed_at")
    later = ends.model_copy(update={"days_before": 60})
    first = "starts, at placed_at, each order_number"
    assert _said(company_changes(OLD, having(ends), TODAY)) == {
        "clock contract_end": ("tags", "–", first, None)
    }
    found = company_changes(having(ends, later), having(ends), TODAY)
    assert [(item.before, item.after) for item in found] == [(f"{first}; {first}, 60 days before", first)]
    assert company_changes(having(ends), having(ends), TODAY) == []


def test_clocks_of_contracts_are_compared(parcels: Path) -> None:
    path = "contracts/shop.orders.yaml"
    marks = "{clock: invoice_settled, group: orderId, says: WORD}"
    text = (parcels / path).read_text("utf-8")
    write(
        parcels, path, text.replace("fields:\n", f"clocks:\n  - {marks.replace('WORD', 'starts')}\nfields:\n")
    )
    then = load_company(parcels)
    changed(parcels, path, "says: starts", "says: stops")
    (told,) = company_changes(then, load_company(parcels), TODAY)
    assert (told.kind, told.what, told.before[:6], told.after[:5]) == (
        "tags", "clock invoice_settled", "starts", "stops",
    )  # fmt: skip
