"""The demo does in people's place what a company leaves to them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from console.demo.handled import MADE_BY, done_by_people
from schemas.rights_rules import RightsRules, load_rights_rules
from streams.rights.protocol.states import State
from tests.support.index import memory_index
from tests.support.office import Office
from tests.unit.rights.test_short import GONE, LAST_WEEK

NUMBER = ("customer_number", "k-100200")


def test_a_request_that_waits_for_people_gets_to_its_end(tmp_path: Path) -> None:
    """Somebody checks who asks, a second person approves the plan; then nobody is waited for any more."""
    said = {**load_rights_rules().model_dump(), "unchecked": {"erasure": "waits"}, "approval": [{}]}
    with ExitStack() as stack:
        office = Office(tmp_path, memory_index(), stack, rules=RightsRules.model_validate(said))
        office.put("crm.customers", {"customer_number": NUMBER[1], "name": "Kari", "updated_at": LAST_WEEK})
        request_id = office.service.create(
            "erasure",
            [NUMBER],
            reason=None,
            channel="demo",
            received_at=office.now,
            anchors=GONE,
            by=MADE_BY,
        ).request_id
        told = []
        for _ in range(3):
            office.service.resume()
            office.deliver()
            told.append(done_by_people(office.service, office.service.get(request_id)) or "")
        office.service.resume()
        office.deliver()
        assert ["unchecked" in told[0], "approval" in told[1], told[2]] == [True, True, ""]
        assert office.service.get(request_id).state is State.COMPLETED
