"""`innsyn up` on a real broker, driven from outside: every count exact, also across a kill, and a clean end."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.support.product import COMMAND, Up, environment, innsyn, naming, up
from tests.support.time_bounds import HANGING_SECONDS, await_that

pytestmark = pytest.mark.kafka

VISITS = 600
CLIENTS = 40
BAD = frozenset({5, 77})
LONG = 150_000
ZEEK = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\t{path}\n#fields\t{fields}\n"
DNS = ("ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "rtt", "query")
SSL = ("ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "version", "server_name")


def client(number: int) -> str:
    """Both families of the documentation, in a spelling that is not the canonical one for IPv6."""
    return f"2001:DB8:0::{number:X}" if number % 4 == 0 else f"198.51.100.{number}"


def combined(lines: int, clients: int) -> str:
    """Lines of a web server; those of BAD are none."""
    rows = []
    for number in range(1, lines + 1):
        clock = f"{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}"
        page = f'"GET /side/{number} HTTP/1.1" 200 1 "-" "curl/8"'
        rows.append(f"{client(number * number % clients)} - - [02/Mar/2026:{clock} +0100] {page}")
    return "".join(
        "no line of a log\n" if number in BAD else f"{row}\n" for number, row in enumerate(rows, 1)
    )


def zeek(path: str, fields: tuple[str, ...], rows: int) -> str:
    """A Zeek log of look-ups (dns) or handshakes (ssl), from addresses that also visit, to one server."""
    text = ZEEK.format(path=path, fields="\t".join(fields))
    for number in range(rows):
        values = {
            "ts": f"{1772000000 + number}.25",
            "uid": f"C{number}",
            "id.orig_h": client(number % 30 + 1),
        }
        values |= {"id.orig_p": "50000", "id.resp_h": "203.0.113.53", "id.resp_p": "53", "proto": "udp"}
        values |= {
            "rtt": "0.01",
            "query": "www.example.no",
            "version": "TLSv13",
            "server_name": "www.example.no",
        }
        text += "\t".join(values[name] for name in fields) + "\n"
    return text


def counted(*files: Path) -> Counter[str]:
    """Events per address, made from the files alone: first column of a web log, the originator of a Zeek line."""
    found: Counter[str] = Counter()
    for file in files:
        raw = file.read_bytes()
        text = (gzip.decompress(raw) if file.suffix == ".gz" else raw).decode()
        for line in text.splitlines():
            if "\t" in line and not line.startswith("#"):
                found.update([line.split("\t")[2]])
            elif " - - [" in line:
                found.update([line.split(" ")[0]])
    return found


def answers(running: Up, expected: Counter[str]) -> dict[str, int]:
    """What the API says of each address."""
    return {address: running.events({"kind": "ip", "value": address}) for address in expected}


def tagged(running: Up) -> int:
    """Events that this process put into the index, as it counts them itself."""
    text = running.http.get("/metrics").text
    lines = (line for line in text.splitlines() if line.startswith("innsyn_events_tagged_total"))
    return sum(round(float(line.split()[-1])) for line in lines)


def halfway(home: Path) -> bool:
    """Whether the checkpoint of a feed says that lines of it were sent, but not all."""
    kept = [json.loads(path.read_text()) for path in (home / "ingest").glob("*.json")]
    return any(checkpoint["lines"] and not checkpoint["finished"] for checkpoint in kept)


def test_every_address_of_logs_has_exactly_its_events(home: Path) -> None:
    """Logs of three formats, plain and gzip, through `ingest`; then the other commands, and ctrl-C."""
    access, more = home.parent / "access.log", home.parent / "access.log.1.gz"
    dns, ssl = home.parent / "dns.log.gz", home.parent / "ssl.log"
    text = combined(VISITS, CLIENTS)
    access.write_text(text)
    more.write_bytes(gzip.compress(text.replace("/side/", "/eldre/").encode()))
    dns.write_bytes(gzip.compress(zeek("dns", DNS, 300).encode()))
    ssl.write_text(zeek("ssl", SSL, 200))
    expected = counted(access, more, dns, ssl)
    with up(home) as running:
        for kind, files in {"combined": [access, more], "zeek-dns": [dns], "zeek-ssl": [ssl]}.items():
            done = innsyn(home, "ingest", "--json", "--format", kind, *map(str, files))
            assert done.status == (1 if kind == "combined" else 0), done.err
            assert (f"refused and set aside: {2 * len(BAD)} records" in done.err) == (kind == "combined")
        good = 2 * (VISITS - len(BAD)) + 300 + 200
        await_that(lambda: tagged(running) == good, f"{good} events tagged")
        assert answers(running, expected) == expected
        assert running.events({"kind": "ip", "value": "198.51.100.250"}) == 0
        for address in (client(4), client(9)):
            found = json.loads(innsyn(home, "lookup", "--json", "--id", f"ip={address}").out)
            assert (found["total_events"], found["resolution"]) == (expected[address], "unique")
        speaks_of(home, client(9))
        knows_numbers_names_and_texts(home, running, good)
        reads_again(home, running, expected)
        assert running.end(signal.SIGINT) == 0
        assert not naming(home)
        assert not (home / "run.json").exists()
        assert innsyn(home, "ingest", "--format", "combined", str(access)).status == 2
    with up(home) as again:
        assert answers(again, expected) == expected
        assert again.end(signal.SIGTERM) == 0
    assert sorted(path.name for path in home.parent.iterdir()) == [
        "access.log", "access.log.1.gz", "chat.ndjson", "dns.log.gz", "home", "ssl.log", "temporary", "up.log",
    ]  # fmt: skip
    assert not [*(home.parent / "temporary").iterdir()]


def reads_again(home: Path, running: Up, expected: Counter[str]) -> None:
    """A replay goes through the running instance and changes no answer; feeds' letters are for their feeds."""
    assert running.http.get("/readyz").json()["problems"] == []
    done = innsyn(home, "tag", "--replay", "--until-end", "--topic", "web.visits")
    visits = 2 * (VISITS - len(BAD))
    assert (done.status, done.out) == (
        0,
        f"replayed web.visits: {visits:,} events, {visits:,} rows, 0 dead letters\n",
    ), done.err
    assert answers(running, expected) == expected
    tried = innsyn(home, "deadletters", "retry", "--json")
    assert (tried.status, set(json.loads(tried.out)["outcomes"])) == (1, {"not_tagged"}), tried
    gone = innsyn(home, "deadletters", "drop", "--since", "2026-01-01T00:00Z", "--why", "lines of no log")
    assert gone.status == 0, gone.err
    assert json.loads(innsyn(home, "deadletters", "list", "--json").out)["items"] == []


def knows_numbers_names_and_texts(home: Path, running: Up, before: int) -> None:
    """Calls under every spelling of a number, chats under both of a domain, and what a chat says of its writer."""
    chat = home.parent / "chat.ndjson"
    said = {"session_id": "s1", "customer_number": "10042", "sender": "person", "text": "Jeg er sykmeldt"}
    chat.write_text(json.dumps({**said, "sent_at": "2026-03-10T12:00:00Z"}) + "\n")
    cases = Path(__file__).parents[1] / "fixtures" / "cases"
    for record, file in (
        ("TrafficRecord", cases / "09-msisdn.ndjson"),
        ("ChatMessage", cases / "10-idn-email.ndjson"),
        ("ChatMessage", chat),
    ):
        done = innsyn(home, "ingest", "--format", "ndjson", "--record", record, str(file))
        assert done.status == 0, done.err
    await_that(lambda: tagged(running) == before + 12 + 6 + 1, "calls and chats tagged")
    for name, events in {
        "phone=+4740000909": 8,
        "phone=47 400 00 909": 8,
        "phone=+447700900123": 2,
        "email=per@blåbærskogen.example": 6,
        "email=per@xn--blbrskogen-25an.example": 6,
    }.items():
        assert json.loads(innsyn(home, "lookup", "--json", "--id", name).out)["total_events"] == events
    undecided = innsyn(home, "lookup", "--id", "phone=447700900123")
    assert (undecided.status, "with + and the country code" in undecided.err) == (2, True)
    person = ("--json", "--id", "customer_number=10042")
    (item,) = json.loads(innsyn(home, "lookup", *person, "--category", "C-31").out)["items"]
    assert (item["categories"], item["detected"]) == (["C-12", "C-31"], ["C-31"])
    entries = json.loads(innsyn(home, "access", *person).out)["entries"]
    assert {(entry["category"]["id"], entry["detected"]) for entry in entries} == {
        ("C-12", False),
        ("C-31", True),
    }
    assert "C-31" in innsyn(home, "access", *person[1:]).out
    plan = json.loads(innsyn(home, "erase", *person, "--dry-run").out)
    assert {(part["category"], part["action"]) for part in plan["parts"]} == {
        ("C-12", "erase_now"),
        ("C-31", "erase_now"),
    }
    assert "ChatMessage.text" in plan["commands"][0]["fields"]


def speaks_of(home: Path, address: str) -> None:
    """Each of the other commands answers about a person, and changes nothing."""
    person = ("--id", f"ip={address}")
    report = json.loads(innsyn(home, "access", "--json", *person).out)
    assert {entry["system"]["id"] for entry in report["entries"]} == {"web", "flow_collector"}
    plan = json.loads(innsyn(home, "erase", "--dry-run", "--json", *person).out)
    assert plan["total_events"] == report["total_events"] > 0
    assert json.loads(innsyn(home, "requests", "--json").out) == {"items": []}
    for shown in (innsyn(home, "access", *person), innsyn(home, "erase", "--dry-run", *person)):
        assert shown.status == 0, shown.err
        assert max(map(len, shown.out.splitlines())) <= 100
        assert address not in shown.out + shown.err
    health = innsyn(home, "doctor", "--json")
    assert health.status == 0, health.out
    states = {check["name"]: check["state"] for check in json.loads(health.out)["checks"]}
    assert states | {"broker": "ok", "topics": "ok", "api": "ok", "token": "ok"} == states


def test_a_kill_in_the_middle_of_an_ingest_loses_and_doubles_nothing(home: Path) -> None:
    """kill -9 of `innsyn up`, broker and all, while a log is sent; the same commands again; every count exact."""
    log = home.parent / "access.log"
    log.write_text(combined(LONG, CLIENTS))
    expected = counted(log)
    with up(home) as running:
        sending = subprocess.Popen(
            [str(COMMAND), "ingest", "--format", "combined", str(log)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            cwd=home.parent, env=environment(home),
        )  # fmt: skip
        try:
            # Held at its first checkpoint, so that a fast machine does not send all of it before the tagger is seen.
            await_that(lambda: halfway(home), "the first lines are settled")
            sending.send_signal(signal.SIGSTOP)
            await_that(lambda: tagged(running) > 0, "the first events are tagged")
            assert sending.poll() is None, "the log is too short to be interrupted"
            assert running.end(signal.SIGKILL) == -signal.SIGKILL
        finally:
            sending.kill()
            sending.wait(HANGING_SECONDS)
    with up(home) as again:
        report = json.loads(innsyn(home, "ingest", "--json", "--format", "combined", str(log)).out)["files"][
            0
        ]
        assert report["read"] == LONG
        assert report["sent_now"] < report["sent"] == LONG - len(BAD)
        # Every event has one address: those of all of them together are all events.
        everybody = [{"kind": "ip", "value": address} for address in expected]
        await_that(lambda: again.events(*everybody) >= LONG - len(BAD), "all events in the index")
        assert answers(again, expected) == expected
        assert again.end() == 0
