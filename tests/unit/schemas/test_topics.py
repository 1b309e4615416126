"""The topics file: what it says of our topics, and what it refuses."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.catalogue import load_catalogue
from schemas.errors import CatalogueError
from schemas.layers import BASE, MODEL
from schemas.records import load_records
from schemas.topics import load_topics
from tests.support.company import model

TOPICS = model().topics


def test_every_record_has_a_topic() -> None:
    """No record of ours is without a topic."""
    carried = {name for topic in TOPICS.values() for name in (topic.record, *topic.also)}
    assert carried == set(load_records())


def test_each_system_that_erases_has_its_deletion_topic() -> None:
    """`deletion.{system}` stands for exactly the systems that erase on command."""
    commanded = {s.id for s in load_catalogue().systems.values() if s.erasure == "command"}
    found = {topic.system for name, topic in TOPICS.items() if name.startswith("deletion.")}
    assert found == commanded
    assert TOPICS["deletion.billing"].record == "ErasureCommand"


@pytest.mark.parametrize("right", ["access", "rectification", "restriction"])
def test_each_system_that_does_it_on_command_has_a_topic_for_it(right: str) -> None:
    """A topic that no job reads would swallow what somebody asked for."""
    commanded = {s.id for s in load_catalogue().systems.values() if getattr(s, right) == "command"}
    assert {topic.system for name, topic in TOPICS.items() if name.startswith(f"{right}.")} == commanded


def test_tagged_topics_have_a_dead_letter_topic() -> None:
    """The tagger can put aside what it cannot read, and never reads what it wrote itself."""
    for topic in TOPICS.values():
        # What innsyn itself reads needs one too: nothing that concerns a right is skipped.
        ours = topic.name in ("rights.requests", "rights.receipts", "rights.copies")
        assert (topic.tagged or ours) == (topic.dead_letter is not None)
    assert not TOPICS["lineage.dead-letters"].tagged


def test_retention_is_given_in_milliseconds() -> None:
    """`retention_ms` is the duration in Kafka's unit."""
    assert TOPICS["web.visits"].retention_ms == 7 * 24 * 3600 * 1000


def test_subject_follows_the_topic() -> None:
    """The registry subject of a topic's values is <topic>-value."""
    assert TOPICS["web.visits"].subject == "web.visits-value"


def set_to(topic: str, key: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda raw: raw[topic].__setitem__(key, value)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (set_to("web.visits", "record", "WebVisits"), "web.visits.record: unknown record WebVisits; "),
        (set_to("web.visits", "key", "visitor"), "web.visits.key: visitor is no field of WebVisit"),
        (set_to("web.visits", "key", "cookie_id"), "web.visits.key: cookie_id is no field of WebVisit that"),
        (set_to("web.visits", "system", "wbe"), "web.visits.system: unknown system wbe; "),
        (set_to("web.visits", "system", "crm"), "web.visits.system: WebVisit is annotated web; "),
        (set_to("web.visits", "partitions", 0), "web.visits.partitions: "),
        (set_to("web.visits", "retention", "a week"), "web.visits.retention: "),
        (set_to("web.visits", "retention", "P0D"), "web.visits.retention: "),
        (set_to("web.visits", "cleanup_policy", "keep"), "web.visits.cleanup_policy: "),
        (set_to("web.visits", "personal", False), "web.visits.personal: WebVisit says otherwise; write true"),
        (set_to("web.visits", "dead_letter", None), "web.visits.dead_letter: a tagged topic needs one"),
        (set_to("web.visits", "dead_letter", "web.dead"), "web.visits.dead_letter: unknown topic web.dead"),
        (set_to("rights.requests", "tagged", True), "rights.requests.tagged: RightsRequest names no person"),
        (set_to("web.visits", "shards", 3), "web.visits.shards: "),
        (set_to("deletion.{system}", "each", "team"), "deletion.{system}.each: only `each: system`"),
        (
            set_to("access.{system}", "right", "objection"),
            "access.{system}.right: no system is told of objection",
        ),
        (set_to("rights.receipts", "also", ["Nothing"]), "rights.receipts.also: Nothing is no record"),
        (
            set_to("rights.receipts", "also", ["TreeHead"]),
            "rights.receipts.also: TreeHead has no field request_id",
        ),
        (
            set_to("web.visits", "also", ["RightsReceipt"]),
            "web.visits.also: RightsReceipt is no record that an",
        ),
        (lambda raw: raw["web.visits"].pop("owner"), "web.visits.owner: "),
        (lambda raw: raw.update({"web visits": raw.pop("web.visits")}), "web visits.name: "),
        (lambda raw: raw.update({"web.visits": 1}), "web.visits: is not a mapping"),
    ],
)
def test_wrong_entry_names_file_key_and_mend(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], line: str
) -> None:
    """A wrong entry is one line: file, key, mend."""
    raw: dict[str, Any] = {}
    for layer in (BASE, MODEL):
        raw |= yaml.safe_load((layer / "topics.yaml").read_text("utf-8"))
    change(raw)
    (tmp_path / "topics.yaml").write_text(yaml.safe_dump(raw))
    with pytest.raises(CatalogueError) as caught:
        load_topics(tmp_path, catalogue=model().catalogue, records=model().records)
    assert str(caught.value).startswith(f"topics.yaml: {line}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: ]", "line 1: is not YAML"),
        ("- a", "file: is not a mapping"),
        ("a: {}\na: {}", "a: stands twice"),
    ],
)
def test_wrong_file_says_where(tmp_path: Path, text: str, line: str) -> None:
    """A file that is no mapping of topics is refused in one line."""
    (tmp_path / "topics.yaml").write_text(text)
    with pytest.raises(CatalogueError) as caught:
        load_topics(tmp_path, catalogue=model().catalogue, records=model().records)
    assert str(caught.value).startswith(f"topics.yaml: {line}")


def test_missing_file_is_one_line(tmp_path: Path) -> None:
    """A folder without the file is refused, the same file elsewhere is read."""
    with pytest.raises(CatalogueError, match="cannot be read"):
        load_topics(tmp_path, catalogue=model().catalogue, records=model().records)
    shutil.copy(MODEL / "topics.yaml", tmp_path)
    assert load_topics(BASE, tmp_path, catalogue=model().catalogue, records=model().records) == TOPICS
