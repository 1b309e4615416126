"""Plays commands at a job without Kafka: what innsyn sends, and what somebody else may.

def test_the_job(tmp_path):
    kit = Kit(tmp_path, "billing")
    assert kit.play(erase, [("customer_number", "100042")], ["Invoice.name"]) == []

`innsyn job test` plays the same cases over Kafka, at a job in any language.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from innsyn_sdk.cases import ENDS, bad, good, wrong
from innsyn_sdk.issuing import Answer, Issuer, NotAnAnswer, Pair
from innsyn_sdk.job import Erase, RightsJob
from innsyn_sdk.outcome import Outcome
from innsyn_sdk.protocol import Command
from innsyn_sdk.state import SqliteState

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
_APART = timedelta(seconds=1)


class Kit:
    """Keys of a system that are made here, commands under them, and what a job answers."""

    def __init__(self, folder: Path, system: str, now: datetime = NOW) -> None:
        self.now = now
        self.system = system
        self._issuer = Issuer(system, Pair.made("testkey1"), Pair.made("testkey2"), now)
        self.key_file = folder / f"{system}.json"
        self.key_file.touch(0o600)
        self.key_file.write_text(json.dumps({"system": system, "keys": [self._issuer.pair.of_job()]}))

    def job(self, erase: Erase) -> RightsJob:
        """A job that remembers nothing yet."""
        return RightsJob([self.key_file], erase, SqliteState(":memory:"), clock=lambda: self.now, pauses=())

    def value(self, identifiers: Sequence[Any], fields: Sequence[str], **other: Any) -> dict[str, Any]:
        """The fields of a command, neither sealed nor signed yet; `other` ones than usual."""
        return self._issuer.value(identifiers, fields, **other)

    def message(self, value: Mapping[str, Any]) -> bytes:
        """As innsyn sends it."""
        return self._issuer.message(value)

    def answers(self, job: RightsJob, message: bytes) -> list[tuple[str, int, str | None]]:
        """What the job says to a message: state, records erased and reason of each receipt.

        Raises AssertionError for a receipt that is not signed with its key.
        """
        return [answer.short for answer in self._answers(job, message)]

    def _answers(self, job: RightsJob, message: bytes) -> list[Answer]:
        said: list[Answer] = []

        def send(body: bytes, _: bytes) -> None:
            try:
                said.append(self._issuer.answer(body))
            except NotAnAnswer as error:
                raise AssertionError(f"a receipt counts for nothing: {error}") from None

        job.handle(message, send)
        return said

    def play(self, erase: Erase, identifiers: Sequence[Any], fields: Sequence[str]) -> list[str]:
        """What is wrong with a job that erases so, a sentence each; empty: nothing.

        `identifiers`: of somebody of whom the store has something, which is erased by this.
        """
        calls: list[Command] = []

        def counted(command: Command) -> Outcome:
            calls.append(command)
            return erase(command)

        job, found = self.job(counted), list[str | None]()
        value = self.value(identifiers, fields)
        for case in bad(self._issuer, value, _APART):
            if case.aborted:
                continue
            answers = self._answers(job, case.message)
            if calls:
                return [f"a command that is {case.said} was carried out"]
            found.append(wrong(case, answers, ()))
        before: list[Answer] = []
        for case in good(self._issuer, value):
            done = len(calls)
            answers = self._answers(job, case.message)
            found.append(wrong(case, answers, before))
            if case.expected == "same" and len(calls) > done:
                found.append("the same command again was carried out again")
            before = answers
        crashed = self.answers(self.job(erase), self.message({**value, "attempt": 2}))
        if crashed[-1][0] not in (*ENDS, "not_found"):
            found.append(f"what was erased before a crash came to {crashed[-1]} when it came again")
        return [sentence for sentence in found if sentence is not None]
