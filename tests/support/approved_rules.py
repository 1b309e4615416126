"""The rules by which data run out: approved by people, as the ledger has it then, and others than those."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from schemas.policy import RetentionAnchors
from schemas.vocabulary import BY_ITSELF
from streams.answers.expiry_plan import make_run_plan
from streams.answers.keeping import NOTHING_KEPT, Keeping
from streams.rights.expiry_run import _plan_json
from streams.rights.protocol.events import Completed, Planned
from streams.rights.service import RightsService
from tests.support.office import Office


def approve_rules(service: RightsService, now: datetime) -> None:
    """By the rules of the service, at that moment."""
    file, company = service._file, service._company
    # Before any run of the same moment.
    run = f"x-00000000-{len(service.requests())}"
    file.receive(
        run, BY_ITSELF[0].value, "clock", now, file.seal(run, [], None), RetentionAnchors(), by="clock"
    )
    day = company.catalogue.calendar.day(now)
    made = make_run_plan([], company.catalogue, company.every_record, day, frozenset(), 1)
    planned = file.decide(file.get(run), Planned(plan=_plan_json(made), commands=()), now)
    ended = file.decide(planned, Completed((), planned.length), now)
    assert ended.carried_out
    assert ended.of_everybody


def keep_longer(office: Office, rule: str, keeping: Keeping = NOTHING_KEPT) -> None:
    """A rule of today keeps five years what a shorter one let run out."""
    rules = office.catalogue.retention_rules
    longer = {**rules, rule: rules[rule].model_copy(update={"period": "P5Y"})}
    office.catalogue = replace(office.catalogue, retention_rules=longer)
    office.serve(keeping)
