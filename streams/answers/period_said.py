"""How long data are kept, in sentences for the person: GDPR Art. 15(1)(d). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.entries import RetentionRule, parse_period

_STARTS: Mapping[str, tuple[str, str]] = {
    "event": ("hendelsen", "the event"),
    "financial_year_end": ("regnskapsårets slutt", "the end of the financial year"),
    "contract_end": ("avtalens slutt", "the end of the contract"),
    "case_closed": ("at saken er avsluttet", "the case is closed"),
    "need_end": ("at behovet er over", "the need has ended"),
    "invoice_settled": ("at fakturaen er gjort opp", "the invoice is settled"),
    "session_end": ("øktens slutt", "the end of the session"),
    "communication_end": ("kommunikasjonens slutt", "the end of the communication"),
    "withdrawal": ("at samtykket er trukket tilbake", "the consent is withdrawn"),
    "delivery": ("levering", "delivery"),
    "order": ("pålegget", "the order"),
}
"""What starts each clock (`schemas.entries.Clock`), as it stands after "etter" and "after"."""
_UNITS = {
    "years": ("år", "år", "year", "years"),
    "months": ("måned", "måneder", "month", "months"),
    "days": ("dag", "dager", "day", "days"),
}


def period_said(kept: Mapping[str, Any], by: str) -> dict[str, str]:
    """Until when, in Norwegian and English. `kept`: the `retention` of an entry of an access report, with a rule;
    `by`: that rule and its authority."""
    until = kept["until"]
    if until is not None and kept.get("overdue"):
        return {
            "nb": f"Skulle vært slettet senest {until} ({by}), og er her ennå.",
            "en": f"Was to be deleted on {until} at the latest ({by}), and is still here.",
        }
    if until is not None:
        return {
            "nb": f"Slettes senest {until} ({by}).",
            "en": f"Deleted on {until} at the latest ({by}).",
        }
    start = _STARTS.get(kept["clock"])
    if start is None:
        return {
            "nb": f"Slettes når formålet ikke lenger gjelder ({by}).",
            "en": f"Deleted when their purpose ends ({by}).",
        }
    nb, en = _lengths(kept["period"])
    return {
        "nb": f"Slettes {nb} etter {start[0]} ({by}). Det har ikke skjedd ennå.",
        "en": f"Deleted {en} after {start[1]} ({by}). That has not happened yet.",
    }


def term_said(rule: RetentionRule) -> dict[str, str]:
    """For how long a rule lets data be kept, or has them kept, whoever they are of: in Norwegian and English."""
    start = _STARTS.get(rule.clock, ("at formålet ikke lenger gjelder", "the purpose has ended"))
    if rule.effect == "freeze":
        return {"nb": "oppbevares så lenge pålegget gjelder", "en": "kept as long as the order is in force"}
    nb, en = _lengths(rule.period)
    # While a contract runs it keeps the data; what its period says is how long they stay where nobody asks.
    if rule.effect == "hold_contract" and rule.period is None:
        return {"nb": f"oppbevares til {start[0]}", "en": f"kept until {start[1]}"}
    if rule.is_hold and rule.effect != "hold_contract":
        return {"nb": f"oppbevares til {nb} etter {start[0]}", "en": f"kept until {en} after {start[1]}"}
    return {"nb": f"slettes {nb} etter {start[0]}", "en": f"deleted {en} after {start[1]}"}


def _lengths(period: str | None) -> tuple[str, str]:
    """An ISO 8601 duration in words of both languages; None: at once."""
    if period is None:
        return "straks", "at once"
    length = parse_period(period)
    nb, en = [], []
    for unit, (one_nb, more_nb, one_en, more_en) in _UNITS.items():
        if count := getattr(length, unit):
            nb.append(f"{count} {one_nb if count == 1 else more_nb}")
            en.append(f"{count} {one_en if count == 1 else more_en}")
    return " og ".join(nb), " and ".join(en)
