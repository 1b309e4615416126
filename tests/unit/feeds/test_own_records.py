"""A log becomes the record that the company's topics say, under whatever name; what does not fit is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from console.wiring.company import whole_company
from schemas.errors import CatalogueError, FeedError
from schemas.layers import MINIMAL
from schemas.records import load_records, read_record
from streams.feeds.format import misfits
from streams.feeds.registry import FORMATS, find_feed
from tests.support.company import copy_of_model, model, write
from tests.support.log_files import Desk, visit

NOTHING: dict[str, Any] = {"category": "none"}
TRACE: dict[str, Any] = {"category": "C-09", "necessity": "contract"}


def field(name: str, kind: Any, said: dict[str, Any] = NOTHING, **other: Any) -> dict[str, Any]:
    tags = {} if said["category"] == "none" else {"confluent:tags": [said["category"]]}
    return {"name": name, "type": kind, "doc": "-", "innsyn": said, **tags, **other}


def page_hit() -> dict[str, Any]:
    """A record of the shop's own, with the fields of a visit and two that no log gives."""
    text, number = ["null", "string"], ["null", "int"]
    ip = {**TRACE, "identifier": {"kind": "ip", "role": "owner"}}
    return {
        "type": "record",
        "name": "PageHit",
        "namespace": "example.shop",
        "doc": "Somebody looked at a page of the shop.",
        "innsyn": {
            "system": "shop", "subject_type": "customer", "purposes": ["P-CONTRACT"],
            "legal_basis": {"P-CONTRACT": "b"}, "origin": "direct", "operation": "collect", "retention": ["T50"],
            "recipients": [], "event_time": "occurred_at",
        },
        "fields": [
            field("occurred_at", {"type": "long", "logicalType": "timestamp-millis"}),
            field("client_address", "string", ip),
            field("client_port", number, default=None),
            field("method", "string"),
            field("status", number, default=None),
            field("page", "string"),
            field("referrer", text, default=None),
            field("browser", text, default=None),
            field("operating_system", text, default=None),
            field("shop", "string", default="main"),
            field("campaign", text, default=None),
        ],
    }  # fmt: skip


def shop(folder: Path, record: dict[str, Any] | None = None, **topic: Any) -> Path:
    """The minimal company, which also has a log of its web server."""
    shutil.copytree(MINIMAL, folder)
    write(folder, "avro/page_hit.avsc", json.dumps(record or page_hit()))
    said = {
        "record": "PageHit", "key": None, "owner": "shop", "system": "shop", "partitions": 3, "retention": "P7D",
        "cleanup_policy": "delete", "dead_letter": "lineage.dead-letters", "personal": True, "tagged": True,
        "formats": ["combined"], **topic,
    }  # fmt: skip
    topics = folder / "topics.yaml"
    topics.write_text(topics.read_text("utf-8") + yaml.safe_dump({"shop.hits": said}), "utf-8")
    return folder


def test_a_log_becomes_a_record_of_another_name(tmp_path: Path) -> None:
    """`innsyn ingest --format combined` of a company that is no internet provider; what no log says is the default."""
    feed = find_feed(whole_company(shop(tmp_path / "shop")), "combined")
    assert (feed.record.name, feed.topic.name) == ("PageHit", "shop.hits")
    desk = Desk(tmp_path, feed)
    report = desk.send("access.log", "".join(map(visit, range(3))).encode())
    assert (report.read, report.sent) == (3, 3)
    assert [event["page"] for event in desk.events()] == ["/0", "/1", "/2"]
    assert {(event["shop"], event["campaign"], event["client_port"]) for event in desk.events()} == {
        ("main", None, None)
    }


def test_another_company_has_other_formats(tmp_path: Path) -> None:
    """What no topic takes is refused with what to write; so is a record that is not the topic's."""
    company = whole_company(shop(tmp_path / "shop"))
    with pytest.raises(
        FeedError, match=r"no topic of .* takes zeek-dns; write formats: \[zeek-dns\] at the one"
    ):
        find_feed(company, "zeek-dns")
    with pytest.raises(
        FeedError, match=r"combined always becomes PageHit, on shop\.hits; leave --record out"
    ):
        find_feed(company, "combined", "WebVisit")
    with pytest.raises(FeedError, match="add --record NAME, for example OrderPlaced"):
        find_feed(company, "ndjson")


def changed(name: str, **other: Any) -> dict[str, Any]:
    record = page_hit()
    for item in record["fields"]:
        if item["name"] == name:
            item.update(other)
    return record


def without(name: str) -> dict[str, Any]:
    record = page_hit()
    record["fields"] = [item for item in record["fields"] if item["name"] != name]
    return record


def no_default() -> dict[str, Any]:
    record = changed("shop")
    del record["fields"][-2]["default"]
    return record


@pytest.mark.parametrize(
    ("record", "topic", "said"),
    [
        (None, {"formats": ["apache"]}, "unknown format apache; use one of cgnat-syslog, combined"),
        (None, {"formats": ["ndjson"]}, "unknown format ndjson"),
        (None, {"formats": ["combined", "combined"]}, "combined goes to shop.hits too; name it at one"),
        (
            None,
            {"key": "shop"},
            "combined does not give shop, the key of the topic; write key: null, or another",
        ),
        (without("page"), {}, "PageHit has no field page, which combined gives; add it to the schema"),
        (no_default(), {}, "PageHit.shop has no default, and combined does not give it; give it one"),
        (changed("status", type="int", default=0), {}, "PageHit.status may be null in combined; add null to"),
        (changed("page", type="bytes"), {}, None),
        (changed("page", type="long"), {}, "PageHit.page is another type than string, which combined gives"),
        (changed("client_port", type=["null", "long"]), {}, None),
    ],
)
def test_a_topic_that_cannot_take_a_format_is_one_line(
    record: dict[str, Any] | None, topic: dict[str, Any], said: str | None, tmp_path: Path
) -> None:
    """File, key and mend, before any role starts."""
    folder = shop(tmp_path / "shop", record, **topic)
    if said is None:
        whole_company(folder)
        return
    with pytest.raises(CatalogueError) as refused:
        whole_company(folder)
    line = str(refused.value)
    assert line.startswith(f"{folder / 'topics.yaml'}: shop.hits.formats: ")
    assert said in line
    assert "\n" not in line


def model_with(folder: Path, **formats: Any) -> Path:
    """The model company with other formats at topics, by their names with _ for the dot."""
    path = copy_of_model(folder) / "topics.yaml"
    raw = yaml.safe_load(path.read_text("utf-8"))
    for topic, named in formats.items():
        raw.setdefault(topic.replace("_", "."), {"change": True})["formats"] = named
    path.write_text(yaml.safe_dump(raw, sort_keys=False), "utf-8")
    return folder


@pytest.mark.parametrize(
    ("formats", "said"),
    [
        ({"web_logins": ["combined"]}, "combined goes to web.visits too; name it at one"),
        ({"network_traffic": ["zeek-dns", "radius-detail"]}, "radius-detail goes to network.traffic too"),
        ({"web_visits": ["combined", "kea"]}, "web.visits.formats: unknown format kea"),
        ({"web_visits": "combined"}, "web.visits.formats: "),
        (
            {"web_visits": [], "rights_requests": ["combined"]},
            "rights.requests.formats: combined cannot go here",
        ),
    ],
)
def test_a_format_goes_to_one_topic_that_is_tagged(
    formats: dict[str, Any], said: str, tmp_path: Path
) -> None:
    """A line in a file must not erase anybody or answer for a system."""
    with pytest.raises(CatalogueError) as refused:
        whole_company(model_with(tmp_path / "model", **formats))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "timestamp-millis",
            "timestamp-micros",
            "occurred_at is another type than timestamp-millis, which zeek",
        ),
        ('"tls", ', "", "TrafficRecord.kind lacks tls, which zeek-ssl gives; add it to the symbols"),
    ],
)
def test_symbols_and_units_have_to_be_those_of_the_format(old: str, new: str, said: str) -> None:
    """Milliseconds that are taken for microseconds are wrong in every event."""
    record = load_records()["TrafficRecord"]
    assert record.text.count(old) == 1
    other = read_record(record.text.replace(old, new), record.file)
    topic = model().topics["network.traffic"]
    found = [why for name in topic.formats for why in misfits(FORMATS[name], other, topic)]
    assert any(said in why for why in found)
