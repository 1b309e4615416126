"""What a producer has to know of topics and schemas, on the command line and over the API."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from typer.testing import CliRunner

from console.api.app import create_app
from console.api.protection.recorder import Recorder
from console.cli.main import app as command_line
from schemas.codec import encode
from schemas.company import Company, load_company
from schemas.fingerprints import canonical_form, fingerprints_of
from schemas.records import read_record
from sinks.memory.audit import MemoryAudit
from sinks.ports.audit import Looked
from tests.support.api import TOKEN, services
from tests.support.asgi import InProcess
from tests.support.company import avro_file, copy_of_model, model, write
from tests.support.contracts import order


def run(*arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of `innsyn` with these words."""
    result = CliRunner().invoke(command_line, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def refused(*arguments: str) -> str:
    """The one line that says why not."""
    status, out, err = run(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    return err


def printed(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json")[1])


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Company:
    """A company with a topic by contract, two writers of one topic, and a retention of hours; it is in force."""
    folder = copy_of_model(tmp_path / "company")
    write(folder, "contracts/shop.orders.yaml", yaml.safe_dump(order()))
    rows = (folder / "topics.yaml").read_text("utf-8") + (
        "shop.orders:\n  {key: null, owner: shop, writers: [shop, partners], system: crm, partitions: 1,\n"
        "   retention: PT12H, cleanup_policy: delete, dead_letter: lineage.dead-letters, personal: true,\n"
        "   tagged: true}\n"
    )
    write(folder, "topics.yaml", rows)
    monkeypatch.setenv("INNSYN_COMPANY", str(folder))
    return load_company(folder)


def api(folder: Path, company: Company, **more: Any) -> httpx.Client:
    given = services(folder, company=company, **more)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return httpx.Client(transport=InProcess(create_app(given)), base_url="http://innsyn", headers=headers)


@pytest.mark.parametrize("name", model().records)
def test_the_frame_is_what_stands_before_every_event(name: str) -> None:
    """Ten bytes, the last eight of them the number in reversed order; the SHA-256 is that of the canonical form."""
    record = model().records[name]
    prints = fingerprints_of(record)
    for example in model().examples(name):
        assert encode(record, example)[:10].hex() == prints.frame
    assert bytes.fromhex(prints.frame) == b"\xc3\x01" + struct.pack("<Q", int(prints.crc_64_avro, 16))
    assert hashlib.sha256(canonical_form(record).encode()).hexdigest() == prints.sha256


def test_the_fingerprint_of_a_known_schema_is_that_of_the_specification() -> None:
    """A record of Apache Avro's own tests (share/test/data/schema-tests.txt)."""
    record = read_record(
        '{"type": "record", "name": "foo", "fields": [{"name": "f1", "type": "boolean"}]}', "foo.avsc"
    )
    assert (
        canonical_form(record) == '{"name":"foo","type":"record","fields":[{"name":"f1","type":"boolean"}]}'
    )
    assert struct.unpack("<q", record.fingerprint) == (7843277075252814651,)


def test_topics_are_shown_with_all_that_a_producer_needs(shop: Company) -> None:
    """Key, partitions, retention, writers, dead letters, and the frame or the format."""
    items = {item["name"]: item for item in printed("topics")["items"]}
    assert items.keys() == shop.topics.keys()
    payments, orders = items["billing.payments"], items["shop.orders"]
    assert (payments["record"], payments["key"], payments["partitions"]) == ("Payment", "payment_id", 3)
    assert (payments["retention"], payments["writers"], payments["contract"]) == ("P14D", ["finance"], None)
    assert payments["schema"]["frame"] == fingerprints_of(shop.records["Payment"]).frame
    assert (orders["contract"], orders["format"], orders["schema"]) == (
        "contracts/shop.orders.yaml",
        "JSON",
        None,
    )
    assert (orders["retention"], orders["writers"]) == ("PT12H", ["shop", "partners"])
    assert items["rights.requests"]["writers"] == items["deletion.crm"]["writers"] == ["innsyn"]
    for team, words in (
        ("shop", ("shop.orders", "ShopOrder", "by shop, partners", "JSON", "PT12H")),
        ("finance", ("billing.payments", "Payment", "payment_id", payments["schema"]["frame"])),
    ):
        status, table, _ = run("topics", "--owner", team)
        assert (status, [word for word in words if word not in table]) == (0, [])


def test_topics_of_one_team_or_one_alone(shop: Company) -> None:
    """A team sees its own; a name that is none is refused and not repeated."""
    assert {item["owner"] for item in printed("topics", "--owner", "shop")["items"]} == {"shop"}
    assert [item["name"] for item in printed("topics", "web.visits")["items"]] == ["web.visits"]
    for words, mend in ((["kari@example.no"], "innsyn topics"), (["--owner", "kari@example.no"], "finance")):
        line = refused("topics", *words)
        assert (mend in line, "kari" in line) == (True, False)


def test_a_schema_is_printed_as_it_is(shop: Company) -> None:
    """`--avsc` is the file, `--canonical` has the SHA-256 that `fingerprint` prints, `--json` has all of it."""
    assert run("schema", "show", "Payment", "--avsc")[1] == avro_file("payment").read_text("utf-8")
    canonical = run("schema", "show", "Payment", "--canonical")[1]
    prints = printed("schema", "fingerprint", "Payment")
    assert hashlib.sha256(canonical.encode()).hexdigest() == prints["sha256"]
    whole = printed("schema", "show", "Payment")
    assert whole["avsc"] == shop.records["Payment"].json
    assert {name: whole[name] for name in prints} == prints
    assert prints["frame"] in run("schema", "fingerprint", "Payment")[1]
    assert "known" not in prints
    overview = run("schema", "show", "Payment")[1]
    for word in ("billing.payments: key payment_id", "owner by customer_number", prints["frame"], "paid_at"):
        assert word in overview
    assert "give one of them" in refused("schema", "show", "Payment", "--avsc", "--canonical")


def test_what_has_no_schema_says_what_it_is(shop: Company) -> None:
    """A record of a contract shows its paths and names it; one that is none is not repeated."""
    shown = run("schema", "show", "ShopOrder")[1]
    for word in (
        "consignees[].number",
        "counterparty by",
        "contracts/shop.orders.yaml, messages are JSON",
        "placed_at",
    ):
        assert word in shown
    assert "frame" not in shown
    said = (
        "ShopOrder has no Avro schema here: contracts/shop.orders.yaml describes its messages, which are JSON"
    )
    assert said in refused("schema", "show", "ShopOrder", "--avsc")
    line = refused("schema", "fingerprint", "kari@example.no")
    assert ("name one of AddressAssignment" in line, "kari" in line) == (True, False)


def test_a_team_learns_whether_its_file_is_known(shop: Company, tmp_path: Path) -> None:
    """The schema as it is, an older version, and one that nothing reads: exit status 1, with what to do."""
    mine = tmp_path / "mine.avsc"
    for text, expected in (
        (avro_file("payment").read_text("utf-8"), "read as Payment, the schema as it is now"),
        (shop.writers[0].text, f"read as {shop.writers[0].name}, an older version"),
    ):
        mine.write_text(text, "utf-8")
        status, out, _ = run("schema", "fingerprint", str(mine))
        assert (status, expected in out) == (0, True)
    mine.write_text(
        mine.read_text("utf-8").replace('"fields": [', '"fields": [{"name": "x", "type": "int"},', 1), "utf-8"
    )
    status, _, err = run("schema", "fingerprint", str(mine))
    assert status == 1
    assert "unknown_schema" in err
    assert "innsyn schema commit" in err
    assert printed("schema", "fingerprint", str(mine))["known"] is False


def test_the_api_says_the_same(shop: Company, tmp_path: Path) -> None:
    """Topics and schemas are those of the company handed in, and no question about anybody: none is on record."""
    audit = MemoryAudit()
    client = api(tmp_path / "keys", shop, recorder=Recorder(audit))
    assert client.get("/v1/topics").json()["items"] == printed("topics")["items"]
    schemas = {item["record"]: item for item in client.get("/v1/schemas").json()["items"]}
    assert schemas.keys() == shop.records.keys()
    whole = client.get("/v1/schemas/Payment").json()
    assert whole == printed("schema", "show", "Payment")
    assert schemas["Payment"].items() <= whole.items()
    older = {fingerprints_of(item).frame for item in shop.writers if item.name == "Payment"} - {
        whole["frame"]
    }
    assert set(whole["earlier"]) == older
    for unknown in ("ShopOrder", "kari@example.no", "..%2faccess", "%00"):
        answer = client.get(f"/v1/schemas/{unknown}")
        assert (answer.status_code, "kari" in answer.text) == (404, False)
        assert answer.headers["content-type"] == "application/problem+json"
    assert client.get("/v1/schemas/Payment", headers={"Authorization": ""}).status_code == 401
    assert not audit.find(Looked(), 10)
