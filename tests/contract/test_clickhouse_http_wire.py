"""The chdb-backed test server on the wire, and its end."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.support.clickhouse_http import ClickHouseHttpServer
from tests.support.index import connect
from tests.support.time_bounds import HANGING_SECONDS


def test_headers_and_statuses_on_the_wire(http_server: ClickHouseHttpServer) -> None:
    """Answers carry format, zone, query id and summary; errors carry status and code; GET may not write."""
    user = {
        "X-ClickHouse-User": http_server.user,
        "X-ClickHouse-Key": http_server.password,
        "Accept-Encoding": "gzip",
    }
    with httpx.Client(
        base_url=f"http://{http_server.host}:{http_server.port}", headers=user, trust_env=False
    ) as wire:
        options = {"query_id": "q-1", "default_format": "JSONEachRow", "enable_http_compression": "1"}
        answer = wire.post("/", params=options, content="SELECT 1 AS n")
        assert (answer.status_code, answer.json()) == (200, {"n": 1})
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.headers["X-ClickHouse-Format"] == "JSONEachRow"
        assert answer.headers["X-ClickHouse-Timezone"] == "UTC"
        assert answer.headers["X-ClickHouse-Query-Id"] == "q-1"
        assert '"read_rows"' in answer.headers["X-ClickHouse-Summary"]
        refused = wire.get("/", params={"query": "CREATE DATABASE by_get"})
        assert (refused.status_code, refused.headers["X-ClickHouse-Exception-Code"]) == (500, "164")
        assert refused.text.startswith("Code: 164. DB::Exception: ")
        assert wire.post("/", content="SELECT * FROM missing").status_code == 404
        assert wire.post("/", content="SELECT 1", headers={"X-ClickHouse-Key": "wrong"}).status_code == 403
        assert wire.post("/_test/fault", json={"after_inserts": 0, "kind": "disconnect"}).status_code == 400


def test_the_server_dies_with_its_parent(tmp_path: Path) -> None:
    """When the process that started the server is killed, the server ends and frees its directory."""
    script = (
        "import sys, time; from pathlib import Path\n"
        "from tests.support.clickhouse_http import ClickHouseHttpServer\n"
        "with ClickHouseHttpServer(Path(sys.argv[1])) as server:\n"
        "    sys.stdout.write(f'{server.port}\\n'); sys.stdout.flush(); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "db")]
    root = Path(__file__).resolve().parents[2]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=root, stdin=pipe, stdout=pipe) as parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + HANGING_SECONDS
    while _listens(port):
        assert time.monotonic() < deadline, "the server outlives its parent"
    with ClickHouseHttpServer(tmp_path / "db") as again:
        assert connect(again).query("SELECT 1") == [(1,)]


def _listens(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/ping", timeout=1, trust_env=False).is_success
    except httpx.TimeoutException:
        return True
    except httpx.TransportError:
        return False
