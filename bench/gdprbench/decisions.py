"""GDPRBench's reads by decision (`DEC`): which decisions about a customer were made by machine alone (Art. 22)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np

from bench.gdprbench.installation import Installation, about
from bench.gdprbench.network import number, person
from bench.gdprbench.score import Score
from tests.support.office import NOW

_BEGUN = NOW - timedelta(days=20)


class Decisions:
    """Each customer had some credit checks, decided upon by machine alone or by people. Half of them is erased then."""

    def __init__(self, installation: Installation, score: Score, users: int, seed: int = 5) -> None:
        self.there, self.score, self.users = installation, score, users
        chance = np.random.default_rng(seed)
        self.automated = [
            [bool(chance.integers(2)) for _ in range(int(chance.integers(0, 5)))] for _ in range(users)
        ]

    def run(self) -> None:
        checks = [
            _check(user, place, automated)
            for user, each in enumerate(self.automated)
            for place, automated in enumerate(each)
        ]
        if checks:
            self.there.publish("credit.checks", *checks)
        self.there.later(timedelta(minutes=1))
        for user in range(self.users):
            self._expect("read_by_decision", user, self.automated[user])
            self._expect("by_decision_and_time", user, self.automated[user][1:2], places=(1, 2))
        for user in range(0, self.users, 2):
            if self.automated[user]:
                with self.score.operation("erase", user) as done:
                    made = self.there.exercise(
                        "erasure", person(user), anchors={"contract_end": "2020-01-31"}
                    )
                    done.expect("state", made["state"], "completed")
                self.automated[user] = []
        for user in range(self.users):
            self._expect("everybody_again", user, self.automated[user])

    def _expect(
        self, name: str, user: int, decided: list[bool], places: tuple[int, int] | None = None
    ) -> None:
        """`places`: only those made from the one to before the other."""
        within = {}
        if places:
            since, until = ((_BEGUN + place * timedelta(days=1)).isoformat() for place in places)
            within = {"from": since, "to": until}
        with self.score.operation(name, user) as done:
            answer = self.there.ask("/v1/lineage/decisions", {**about(person(user)), **within})
            done.expect("by machine", answer["automated"], sum(decided))
            done.expect("by people", answer["by_people"], len(decided) - sum(decided))
            said = [item["by"] == "automated" for item in answer["decisions"]]
            done.expect("newest first", said, decided[::-1])


def _check(user: int, place: int, automated: bool) -> dict[str, Any]:
    return {
        "reference": f"KS-{user}-{place}",
        "customer_number": number(user),
        "fodselsnummer": "14838141278",
        "bureau": "Invented",
        "credit_freeze": False,
        "outcome": "approved",
        "automated": automated,
        "requested_at": _BEGUN + place * timedelta(days=1),
    }
