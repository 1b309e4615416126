"""What has run out by rules that are others by now: nobody is told to delete it any more."""

from __future__ import annotations

from schemas.company import Company
from schemas.errors import InputError
from streams.answers.run_plan import rules_fingerprint
from streams.rights.protocol.request import RequestState


def rules_now(company: Company) -> str:
    """The fingerprint of the company's retention rules of now."""
    return rules_fingerprint(company.catalogue, company.every_record)


class OtherRules(InputError):
    """What has run out was planned by other retention rules than those of now, which may keep it longer."""


def refuse_other_rules(request: RequestState, rules: str) -> None:
    """Raises OtherRules where something has run out by other rules than these (`rules_fingerprint`), or where its plan
    does not say by which. Shorter rules refuse it too: a new plan takes all that has run out by them."""
    if not request.runs_out or request.plan is None:
        return
    plan = request.plan
    if plan.get("run", plan).get("rules") != rules:
        name = request.request_id
        raise OtherRules(
            f"the retention rules have changed since {name} was planned, so nobody is told any more: `innsyn requests"
            f" close {name} --reason ...` ends it with what is done, and what has run out by the rules of now goes by a"
            " new one"
        )
