"""An instance that answers SQL: clients of others connect to it as to a ClickHouse, and `innsyn sql` asks it."""

from __future__ import annotations

import gzip
import json
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import clickhouse_connect
import pyarrow.parquet as pq
import pytest

from console.operations.new_company import write_company
from console.wiring.local import announced, running
from console.wiring.processes import raise_first
from schemas.codec import encode
from schemas.company import load_company
from schemas.settings import Settings
from sinks.ports.audit import Looked
from sinks.ports.sinks import Sinks
from streams.kafka.brokers.in_process import InProcessBroker
from streams.kafka.producer import EventProducer
from tests.support.product import Ended, innsyn
from tests.support.time_bounds import HANGING_SECONDS, await_that
from tests.support.toolchains import QUERIES, node

ORDERS = 7
COUNT = "SELECT system, toUInt32(sum(events)) AS n FROM v_daily GROUP BY system"


@dataclass(frozen=True)
class There:
    """What a client is told."""

    settings: Settings
    address: str
    user: str
    token: str
    sinks: Sinks


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    """An instance whose index holds a few events of one person."""
    folder = tmp_path_factory.mktemp("sql")
    write_company(folder / "ours", "minimal", {})
    company = load_company(folder / "ours")
    settings = Settings(home=folder / "home", company=folder / "ours", api_port=0, tag_batch_seconds=0.1)
    settings.home.mkdir()
    (order,) = company.examples("OrderPlaced")
    with InProcessBroker() as broker:
        for name in company.topics:
            broker.make_topic(name)
        with running(settings, broker.connection) as instance:
            with EventProducer(broker.connection) as producer:
                for number in range(ORDERS):
                    value = {**order, "order_number": f"2026-{number}"}
                    producer.send("shop.orders", encode(company.records["OrderPlaced"], value), key=b"700104")
                producer.flush()
            address = instance.sql_address
            assert address is not None
            token = (settings.home / "sql-token").read_text().strip()
            found = There(settings, address, "analyst", token, instance.sinks)

            def tagged() -> bool:
                raise_first(instance.roles)
                return curl(found, COUNT) == f"shop\t{ORDERS}\n"

            await_that(tagged, "all are tagged")
            with announced(settings, broker.connection.bootstrap, instance.address, 1, address):
                yield found


def curl(there: There, query: str, *options: str, address: str = "") -> str:
    """What curl prints."""
    program = shutil.which("curl")
    if program is None:
        pytest.skip("not run: there is no curl on PATH")
    command = [program, "-s", *options, "--data-binary", query, there.address + address]
    if "-u" not in options and "user=" not in address and "-H" not in options:
        command[1:1] = ["-u", f"{there.user}:{there.token}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANGING_SECONDS, check=True)
    return done.stdout


def test_the_token_is_its_owners_alone_and_not_that_of_the_api(there: There) -> None:
    file = there.settings.home / "sql-token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert there.token != (there.settings.home / "token").read_text().strip()
    assert "516" in curl(
        there, "SELECT 1", "-u", "analyst:" + (there.settings.home / "token").read_text().strip()
    )


def test_curl_asks_in_every_way_that_it_can_say_who_it_is(there: There) -> None:
    told = f"/?user={there.user}&password={there.token}"
    headers = ("-H", f"X-ClickHouse-User: {there.user}", "-H", f"X-ClickHouse-Key: {there.token}")
    assert (
        curl(there, "SELECT 1") == curl(there, "SELECT 1", address=told) == curl(there, "SELECT 1", *headers)
    )
    assert curl(there, "", address=f"{told}&query=SELECT%202&default_format=CSV") == "2\n"
    assert curl(there, "SELECT {a:UInt8} + 1", address=f"{told}&param_a=4") == "5\n"
    assert "UNKNOWN_TABLE" in curl(there, "SELECT * FROM lineage")
    assert (
        subprocess.run(["curl", "-s", f"{there.address}/ping"], capture_output=True, check=True).stdout
        == b"Ok.\n"
    )


def test_curl_sends_and_takes_packed(there: There, tmp_path: Path) -> None:
    packed = tmp_path / "query.gz"
    packed.write_bytes(gzip.compress(COUNT.encode()))
    options = ("-H", "Content-Encoding: gzip", "-u", f"{there.user}:{there.token}", "--compressed")
    assert curl(there, f"@{packed}", *options, address="/?enable_http_compression=1") == f"shop\t{ORDERS}\n"


@pytest.mark.parametrize("compress", [False, "gzip", "lz4", "zstd"])
def test_clickhouse_connect_asks(there: There, compress: str | bool) -> None:
    """Rows, parameters, Arrow and streams; an error is ClickHouse's."""
    parts = urlsplit(there.address)
    with clickhouse_connect.get_client(
        host=parts.hostname, port=parts.port, username=there.user, password=there.token, compress=compress
    ) as client:
        assert client.query(COUNT).result_rows == [("shop", ORDERS)]
        moment = datetime(2020, 1, 1, tzinfo=UTC)
        given = {"t": moment, "k": ["shop", "it's\tnot\\there"]}
        text = "SELECT uniq(offset) FROM v_lineage WHERE event_time > {t:DateTime64(3)} AND system IN {k:Array(String)}"
        assert client.query(text, parameters=given).result_rows == [(ORDERS,)]
        assert client.query_arrow("SELECT DISTINCT topic FROM v_lineage").to_pylist() == [
            {"topic": "shop.orders"}
        ]
        assert ("v_daily",) in client.query("SHOW TABLES").result_rows
        with client.query_row_block_stream("SELECT DISTINCT offset FROM v_lineage ORDER BY offset") as blocks:
            assert [row for block in blocks for row in block] == [(number,) for number in range(ORDERS)]
        with pytest.raises(
            clickhouse_connect.driver.exceptions.DatabaseError, match="lineage cannot be read"
        ):
            client.query("SELECT * FROM lineage")


NODE = """
import { createClient } from "@clickhouse/client";

const [url, username, password] = process.argv.slice(2);
for (const response of [false, true]) {
  const client = createClient({ url, username, password, compression: { request: response, response } });
  const ping = await client.ping();
  const found = await client.query({
    query: "SELECT topic, toUInt32(sum(events)) AS n FROM v_daily WHERE system = {s:String} GROUP BY topic",
    query_params: { s: "shop" },
    format: "JSONEachRow",
  });
  const views = await client.query({ query: "SELECT name FROM system.tables", format: "JSON" });
  let refused = null;
  try {
    await client.query({ query: "SELECT * FROM lineage" });
  } catch (error) {
    refused = [error.code, error.type];
  }
  const shown = await views.json();
  console.log(JSON.stringify([ping.success, await found.json(), shown.data.length > 5, refused]));
  await client.close();
}
"""


def test_the_client_of_node_asks(there: There, tmp_path: Path) -> None:
    program, modules = node(QUERIES)
    file = tmp_path / "ask.mjs"
    file.write_text(NODE)
    (tmp_path / "node_modules").symlink_to(modules / "node_modules")
    done = subprocess.run(
        [program, file, there.address, there.user, there.token],
        capture_output=True, text=True, timeout=HANGING_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer = [True, [{"topic": "shop.orders", "n": ORDERS}], True, ["60", "UNKNOWN_TABLE"]]
    assert [json.loads(line) for line in done.stdout.splitlines()] == [answer, answer]


def test_every_query_is_on_record_and_none_by_its_text(there: There) -> None:
    token = "00112233445566778899aabbccddeeff"
    curl(there, f"SELECT topic FROM v_lineage WHERE token = '{token}' OR topic = 'kari@example.no'")
    found = there.sinks.audit.find(Looked(subject=bytes.fromhex(token)), 10)
    assert [(item.action, item.views, item.size, item.status) for item in found] == [
        ("SQL", ("v_lineage",), 0, 200)
    ]
    assert found[0].key_id
    assert "kari" not in repr(there.sinks.audit.find(Looked(), 1_000))


def test_innsyn_sql_asks_what_runs(there: There, tmp_path: Path) -> None:
    """As a table, CSV, JSON or Parquet; errors say what to do."""

    def asked(*words: str, stdin: str = "") -> Ended:
        return innsyn(there.settings.home, "sql", *words, stdin=stdin)

    shown = asked(COUNT)
    assert (shown.status, shown.err) == (0, "")
    words = [word for word in shown.out.split() if not word.startswith("─")]
    assert words == ["system", "n", "shop", str(ORDERS), "1", "row"]
    assert json.loads(asked("-", "--format", "json", stdin=COUNT).out) == [{"system": "shop", "n": ORDERS}]
    assert asked(COUNT, "--format", "csv").out == f'"system","n"\n"shop",{ORDERS}\n'
    out = tmp_path / "daily.parquet"
    assert asked(COUNT, "--format", "parquet", "--out", str(out)).status == 0
    assert pq.read_table(out).to_pylist() == [{"system": "shop", "n": ORDERS}]
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    refused = asked("SELECT * FROM lineage")
    assert refused.status == 2
    assert "only these views" in refused.err
    assert len(refused.err.splitlines()) == 1
    assert "give one" in asked(" ").err
