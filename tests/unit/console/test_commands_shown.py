"""What systems were told, as `innsyn requests show` prints it."""

from __future__ import annotations

from typing import Any

import pytest

from console.cli.show.commands_told import command_table, limits
from console.cli.show.output import screen


def told(system: str, kind: str | None = None, **more: Any) -> dict[str, Any]:
    known = {"state": "done", "attempt": 1, "planned": 5, "erased": 5, "held": 0, "by_hand": False}
    return {"system": system, "kind": kind, "accepted": False, **known, **more}


def rows(capsys: pytest.CaptureFixture[str], *commands: dict[str, Any]) -> list[list[str]]:
    screen().print(command_table({"commands": commands}))
    lines = capsys.readouterr().out.splitlines()
    return [line.split() for line in lines if line.strip() and "─" not in line]


@pytest.mark.parametrize(
    ("kind", "done"),
    [
        (None, "erased"),
        ("access", "copied"),
        ("rectification", "corrected"),
        ("restrict", "restricted"),
        ("lift", "freed"),
    ],
)
def test_what_was_done_has_its_own_name(
    capsys: pytest.CaptureFixture[str], kind: str | None, done: str
) -> None:
    """Five records of a copy are not erased."""
    assert rows(capsys, told("web", kind)) == [
        ["system", "state", "attempt", "planned", done, "held"],
        ["web", "done", "1", "5", "5", "0"],
    ]


def test_where_a_restriction_was_lifted_the_two_commands_of_a_system_are_told_apart(
    capsys: pytest.CaptureFixture[str],
) -> None:
    head, *below = rows(capsys, told("web", "restrict"), told("web", "lift", erased=4))
    assert head == ["system", "command", "state", "attempt", "planned", "done", "held"]
    assert [row[:3] for row in below] == [["web", "restrict", "done"], ["web", "lift", "done"]]


def test_nobody_is_said_to_have_been_sent_what_people_tell(capsys: pytest.CaptureFixture[str]) -> None:
    by_hand = told("crm", "restrict", by_hand=True, state="sent", attempt=0)
    accepted = told("web", "restrict", by_hand=True, state="sent", attempt=0, accepted=True)
    _, first, second = rows(capsys, by_hand, accepted)
    assert first[:4] == ["crm", "by", "hand", "–"]
    assert second[:3] == ["web", "accepted", "–"]


def test_a_restriction_says_on_what_it_rests_and_whether_it_stands() -> None:
    item = {"system": "web", "ground": "GDPR Art. 18(1)(a)", "purposes": ["P-WEB", "P-BILLING"]}
    request = {"restricted": [item, {**item, "system": "crm"}], "restricts": True}
    (line,) = limits(request)
    assert line == "restricted to storage on GDPR Art. 18(1)(a), for P-BILLING, P-WEB; stands"
    assert "stands no longer" in next(limits({**request, "restricts": False}))
    assert not list(limits({"restricted": [], "restricts": False}))


def test_a_correction_says_which_fields_a_system_has_to_correct() -> None:
    """People who do it by hand have to know; the values are sealed."""
    own = {"system": "crm", "fields": ["CustomerDetails.name"], "categories": ["C-01"]}
    other = {"system": "web", "fields": [], "categories": ["C-01", "C-02"]}
    assert list(limits({"rectified": [own, other]})) == [
        "to be corrected in crm: CustomerDetails.name",
        "to be corrected in web: fields of C-01, C-02",
    ]
