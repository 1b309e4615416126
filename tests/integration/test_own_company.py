"""A company of one's own, none of it in code: its events are tagged, found and planned for by what its folder says."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from console.operations.new_company import write_company
from console.wiring.local import running
from console.wiring.processes import raise_first
from schemas.codec import encode
from schemas.company import load_company
from schemas.policy import RetentionAnchors
from schemas.settings import Settings
from streams.answers.erasure import preview
from streams.answers.lookup import access
from streams.answers.question import Identifier, Question
from streams.kafka.brokers.in_process import InProcessBroker
from streams.kafka.producer import EventProducer
from tests.support.kinds import KINDS
from tests.support.time_bounds import await_that

KARI = Identifier(KINDS["customer_number"], "700104")


def test_the_events_of_an_own_company_are_found_and_planned_for(tmp_path: Path) -> None:
    """From its topic into the index, out again under its own names; and its own system is the one told to erase."""
    folder = tmp_path / "ours"
    write_company(folder, "minimal", {"name": 'Our "shop"'})
    company = load_company(folder)
    assert company.profile.name == 'Our "shop"'
    settings = Settings(home=tmp_path / "home", company=folder, api_port=0, tag_batch_seconds=0.1)
    settings.home.mkdir()
    (order,) = company.examples("OrderPlaced")
    with InProcessBroker() as broker:
        for name in company.topics:
            broker.make_topic(name)
        with running(settings, broker.connection) as instance:
            with EventProducer(broker.connection) as producer:
                for number in range(5):
                    value = {**order, "order_number": f"2026-{number}"}
                    producer.send("shop.orders", encode(company.records["OrderPlaced"], value), key=b"700104")
                producer.flush()
            known = instance.answering
            question = Question(
                [KARI], RetentionAnchors(contract_end=datetime(2026, 5, 1, tzinfo=UTC).date())
            )

            def found() -> bool:
                raise_first(instance.roles)
                return bool(access(question, known, datetime.now(UTC))["total_events"] == 5)

            await_that(found, "all five are tagged")
            report = access(question, known, datetime.now(UTC))
            plan = preview(question, known, datetime.now(UTC))
    assert {(item["system"]["id"], item["category"]["id"]) for item in report["entries"]} == {
        ("shop", "C-01"),
        ("shop", "C-09"),
    }
    assert [command["system"] for command in plan["commands"]] == ["shop"]
    assert set(plan["commands"][0]["fields"]) == {
        f"OrderPlaced.{field.name}" for field in company.records["OrderPlaced"].fields
    }
