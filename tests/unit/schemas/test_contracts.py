"""Contracts: what they say of events that somebody else owns, and what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.catalogue import load_catalogue
from schemas.contracts import load_contracts
from schemas.errors import CatalogueError
from schemas.paths import steps, tree, written
from tests.support.contracts import ORDER, TOPIC_SAID, company, contract, order


def changed(path: str, **said: Any) -> dict[str, Any]:
    """The order contract with one field changed."""
    content = order()
    content["fields"][path] = {**content["fields"].get(path, {}), **said}
    return content


def without(path: str, key: str) -> dict[str, Any]:
    content = order()
    del content["fields"][path][key]
    return content


def test_a_contract_is_a_record_of_one_field_for_each_path(tmp_path: Path) -> None:
    """Whatever reads annotated records finds identifiers, categories and times in it."""
    record = contract(tmp_path, order()).record
    assert record.name == "ShopOrder"
    assert [item.field for item in record.identifiers] == [
        "customer.number",
        "customer.email",
        "consignees[].number",
    ]
    assert record.categories == ("C-01", "C-09", "C-31")
    assert record.categories_for("counterparty") == ("C-01", "C-09", "C-31")
    assert record.event_time == "placed_at"
    assert record.redacted_for("counterparty") == ("consignees[].number", "consignees[].name")


def test_every_change_of_a_contract_is_another_version(tmp_path: Path) -> None:
    """What was tagged by an older contract is told apart."""
    first = contract(tmp_path, order()).record.fingerprint
    assert contract(tmp_path, order()).record.fingerprint == first
    assert contract(tmp_path, changed("order_id", category="C-08")).record.fingerprint != first


def test_times_of_debezium_have_units(tmp_path: Path) -> None:
    """The semantic types of its schemas may be written as they stand there."""
    time = {"path": "placed_at", "unit": "io.debezium.time.MicroTimestamp"}
    assert contract(tmp_path, order(event_time=time)).event_time.unit == "micros"


def test_a_time_of_the_envelope_is_a_field_of_the_record(tmp_path: Path) -> None:
    """So tagging finds it as any other."""
    said = contract(tmp_path, order(envelope="debezium", event_time={"envelope": "source.ts_ms"}))
    assert said.debezium
    assert said.record.event_time == "envelope.source.ts_ms"
    assert said.record.find("envelope.source.ts_ms") is not None
    assert "envelope" not in said.tree.below


@pytest.mark.parametrize(
    ("content", "key", "mend"),
    [
        (order(system=None), "system", "is missing; add it"),
        (order(sistem="crm"), "sistem", "did you mean system?"),
        (order(format="xml"), "format", "write 'avro' or 'json'"),
        (order(record="shop order"), "record", "pattern"),
        (order(system="crmm"), "system", "did you mean crm?"),
        (order(purposes=[], legal_basis={}), "purposes", "name at least one in purposes"),
        (order(legal_basis={}), "legal_basis", 'add "P-CONTRACT"'),
        (order(retention=["T99"]), "retention", "did you mean T29?"),
        (order(fields={}), "fields", "at least 1 item"),
        (order(framing="none"), "framing", "is of format avro alone"),
        (order(format="avro", framing="single_object"), "framing", "name a file in avro"),
        (order(format="avro", avro="gone.avsc"), "avro", "put it there"),
        (order(event_time={"path": "placed"}), "event_time.path", "none of fields"),
        (order(event_time={}), "event_time", "name the field in path"),
        (order(event_time={"path": "placed_at", "unit": "hours"}), "event_time.unit", "write 'seconds'"),
        (order(event_time={"path": "consignees[].name"}), "event_time.path", "outside of arrays"),
        (order(event_time={"envelope": "ts_ms"}), "event_time.envelope", "envelope: debezium"),
        (
            order(event_time={"path": "placed_at", "unit": "iso8601", "zone": "Oslo"}),
            "event_time",
            "Europe/Oslo",
        ),
        (without("order_id", "category"), "fields.order_id.category", "is missing"),
        (changed("order_id", categori="C-09"), "fields.order_id.categori", "did you mean category?"),
        (changed("order_id", category="C-99"), "fields.order_id", "unknown category C-99"),
        (changed("a..b", category="none"), "fields.a..b", "is no path"),
        (changed("customer.number", type="number"), "fields.customer.number.type", "string or an integer"),
        (changed("note", type="integer"), "fields.note.type", "type: string"),
        (
            changed("customer.number", identifier={"kind": "customer_no", "role": "owner"}),
            "fields.customer.number",
            "did you mean customer_number?",
        ),
        (
            changed("customer.number", identifier={"kind": "customer_number"}),
            "fields.customer.number",
            "identifier without role",
        ),
        (changed("customer.number", necessity="nice"), "fields.customer.number", "unknown necessity"),
        (changed("order_id", about=["neighbour"]), "fields.order_id", "unknown role neighbour"),
        (changed("order_id", port_of="note"), "fields.order_id", "no field with an ip identifier"),
        (
            changed("consignees[].number", identifier={"kind": "customer_number", "role": "owner"}),
            "fields.consignees[].number.identifier.role",
            "such as counterparty",
        ),
        (order(message_key={"field": "order_id"}), "message_key.field", "no field with an identifier"),
        (order(message_key={"field": "consignees[].number"}), "message_key.field", "one of several"),
        (order(message_key={"feild": "order_id"}), "message_key.feild", "did you mean field?"),
        (order(erasure={"stays_for": {"owner": "all"}}), "erasure.stays_for.owner", "write 'any' or 'known'"),
    ],
)
def test_a_mistake_names_file_key_and_mend(
    tmp_path: Path, content: dict[str, Any], key: str, mend: str
) -> None:
    """Whoever wrote the contract sees where to look and what to write."""
    with pytest.raises(CatalogueError) as caught:
        contract(tmp_path, content)
    assert caught.value.file == "contracts/shop.orders.yaml"
    assert caught.value.key == key
    assert mend in str(caught.value)


def test_personal_data_that_names_nobody_is_refused(tmp_path: Path) -> None:
    """Nobody could ask for it."""
    fields = {path: ORDER["fields"][path] for path in ("order_id", "placed_at")}
    with pytest.raises(CatalogueError, match="name nobody"):
        contract(tmp_path, order(fields=fields))


def test_a_folder_of_contracts_is_read_by_topic(tmp_path: Path) -> None:
    """A name of a record that is taken is refused; where there is no folder there are no contracts."""
    catalogue = load_catalogue()
    folder = tmp_path / "contracts"
    assert load_contracts(folder, catalogue) == {}
    contract(tmp_path, order())
    assert list(load_contracts(folder, catalogue)) == ["shop.orders"]
    with pytest.raises(CatalogueError, match="ShopOrder is a record of the company too"):
        load_contracts(folder, catalogue, ["ShopOrder"])
    contract(tmp_path, order(), "shop.returns")
    with pytest.raises(
        CatalogueError, match=r"returns.yaml: record: ShopOrder is that of contracts/shop.ord"
    ):
        load_contracts(folder, catalogue)


def test_a_file_that_is_no_contract_is_refused(tmp_path: Path) -> None:
    """With the name of the file and what is wrong with it."""
    contract(tmp_path, order())
    file = tmp_path / "contracts" / "shop.orders.yaml"
    text = yaml.safe_dump(order())
    for content, said in (
        ("[", "is not YAML"),
        ("", "is empty"),
        ("- a", "is not a mapping"),
        (text + "format: json\n", "twice"),
    ):
        file.write_text(content)
        with pytest.raises(CatalogueError, match=said) as caught:
            load_contracts(file.parent, load_catalogue())
        assert caught.value.file == "contracts/shop.orders.yaml"


def test_a_file_that_ends_otherwise_is_to_be_renamed(tmp_path: Path) -> None:
    """It would be no contract, and its topic would seem to lack one."""
    contract(tmp_path, order())
    (tmp_path / "contracts" / "shop.orders.yaml").rename(tmp_path / "contracts" / "shop.orders.yml")
    with pytest.raises(
        CatalogueError, match=r"shop.orders.yml: file: is not read; rename it to shop.orders.yaml"
    ):
        load_contracts(tmp_path / "contracts", load_catalogue())


@pytest.mark.parametrize("path", ["a", "a.b", "a[]", "a[][].b", "a.*", "*.b", "*[].c"])
def test_paths_are_written_as_they_are_read(path: str) -> None:
    assert written(steps(path)) == path


@pytest.mark.parametrize("path", ["", ".", "a.", "[]", "a[", "a[0]", "a b", "a*"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="write keys"):
        steps(path)


def test_a_key_of_its_own_is_no_other_key_of_a_map() -> None:
    """A path that names a key says more than one that says any key."""
    places = tree(["attributes.*", "attributes.email"]).at("attributes")
    assert places is not None
    found = {key: node.path for key in ("email", "colour") if (node := places.at(key))}
    assert found == {"email": "attributes.email", "colour": "attributes.*"}


def test_a_company_has_its_contracts(tmp_path: Path) -> None:
    """A topic with a contract need not say which record it carries; whoever reads records finds it among them."""
    found = company(tmp_path, {"shop.orders": TOPIC_SAID})
    assert found.tagged["shop.orders"].record == "ShopOrder"
    assert found.every_record["ShopOrder"] is found.contracts["shop.orders"].record
    assert "ShopOrder" not in found.records


@pytest.mark.parametrize(
    ("topics", "said", "error"),
    [
        ({}, {}, "topics.yaml: file: is empty"),
        (
            {"shop.returns": {**TOPIC_SAID, "record": "Invoice", "system": "billing"}},
            {},
            "shop.orders is no topic",
        ),
        ({"shop.orders": {**TOPIC_SAID, "record": "Invoice"}}, {}, "its contract describes ShopOrder"),
        ({"shop.orders": {**TOPIC_SAID, "system": "web"}}, {}, "ShopOrder is annotated crm"),
        (
            {"shop.orders": {**TOPIC_SAID, "tagged": False}},
            {},
            "shop.orders.tagged: is false, but contracts/",
        ),
        ({"shop.orders": {**TOPIC_SAID, "key": "order"}}, {}, "order is no field of ShopOrder"),
        ({"shop.orders": TOPIC_SAID}, {"record": "Invoice"}, "Invoice is a record of the company too"),
        ({"shop.orders": TOPIC_SAID}, {"sistem": "crm"}, "contracts/shop.orders.yaml: sistem: is not a key"),
    ],
)
def test_what_a_company_says_of_a_contract_fits_it(
    tmp_path: Path, topics: dict[str, Any], said: dict[str, Any], error: str
) -> None:
    """Or nothing of the company is loaded."""
    with pytest.raises(CatalogueError) as caught:
        company(tmp_path, topics, **said)
    assert error in str(caught.value)
