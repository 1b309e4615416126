"""Plays commands at a job without Kafka: what innsyn sends, and what somebody else may.

def test_the_job(tmp_path):
    kit = Kit(tmp_path, "billing")
    assert kit.play(erase, [("customer_number", "100042")], ["Invoice.name"]) == []

`innsyn job test` plays the same cases over Kafka, at a job in any language.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from innsyn_sdk.cases import ENDS, bad, good, run_out, shown, wrong
from innsyn_sdk.issuing import Answer, Issuer, NotAnAnswer, Pair
from innsyn_sdk.job import Erase, Expire, RightsJob
from innsyn_sdk.state import SqliteState

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
Handler = Callable[[Any], Any]
_APART = timedelta(seconds=1)


class Kit:
    """Keys of a system that are made here, commands under them, and what a job answers."""

    def __init__(self, folder: Path | str, system: str, now: datetime = NOW) -> None:
        """`folder`: where the key file is written; made where there is none."""
        folder = Path(folder)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.now = now
        self.system = system
        self._issuer = Issuer(system, Pair.made("testkey1"), Pair.made("testkey2"), now)
        self.key_file = folder / f"{system}.json"
        self.key_file.touch(0o600)
        self.key_file.write_text(json.dumps({"system": system, "keys": [self._issuer.pair.of_job()]}))

    def job(self, erase: Erase | None = None, **handlers: Any) -> RightsJob:
        """A job that remembers nothing yet."""
        state = SqliteState(":memory:")
        return RightsJob([self.key_file], erase, state, clock=lambda: self.now, pauses=(), **handlers)

    def value(self, identifiers: Sequence[Any], fields: Sequence[str], **other: Any) -> dict[str, Any]:
        """The fields of a command to erase, neither sealed nor signed yet; `other` ones than usual."""
        return self._issuer.value(identifiers, fields, **other)

    def value_of_right(self, kind: str, identifiers: Sequence[Any], **other: Any) -> dict[str, Any]:
        """The same of another right."""
        return self._issuer.value_of_right(kind, identifiers, **other)

    def value_of_retention(
        self, records: Sequence[Mapping[str, Any]], kept: Sequence[Any] = (), **other: Any
    ) -> dict[str, Any]:
        """The same of what has run out; `kept`: identifiers of those whose records stay."""
        return self._issuer.value_of_retention(records, kept, **other)

    def message(self, value: Mapping[str, Any]) -> bytes:
        """As innsyn sends it."""
        return self._issuer.message(value)

    def answers(self, job: RightsJob, message: bytes) -> list[tuple[str, int, str | None]]:
        """What the job says to a message: state, records erased and reason of each receipt.

        Raises AssertionError for a receipt that is not signed with its key.
        """
        return [answer.short for answer in self._answers(job, message)]

    def said(self, job: RightsJob, message: bytes) -> list[Mapping[str, Any]]:
        """All that the job says to a message: the fields of each receipt but its time and signature."""
        return [answer.said for answer in self._answers(job, message)]

    def copy(self, job: RightsJob, message: bytes) -> list[Any]:
        """What a command of access brings: each record as its name and its fields. Raises AssertionError for a copy
        that innsyn would set aside."""
        parts: list[bytes] = []
        answers = self._answers(job, message, parts)
        try:
            return self._issuer.copy(parts, answers[-1])
        except NotAnAnswer as error:
            raise AssertionError(f"a copy counts for nothing: {error}") from None

    def _answers(self, job: RightsJob, message: bytes, parts: list[bytes] | None = None) -> list[Answer]:
        said: list[Answer] = []

        def send(body: bytes, _: bytes) -> None:
            try:
                said.append(self._issuer.answer(body))
            except NotAnAnswer as error:
                raise AssertionError(f"a receipt counts for nothing: {error}") from None

        def send_part(body: bytes, _: bytes) -> None:
            if parts is not None:
                parts.append(body)

        job.handle(message, send, send_part)
        return said

    def play(
        self, erase: Erase, identifiers: Sequence[Any], fields: Sequence[str], *, undated: bool = False
    ) -> list[str]:
        """What is wrong with a job that erases so, a sentence each; empty: nothing.

        `identifiers`: of somebody of whom the store has something, which is erased by this: first a field of it is
        blanked by an order, where `fields` has two of one record. `undated`: it has no time, so that no limit of time
        is played; else all of it has one.
        """
        return self._played("erase", erase, self.value(identifiers, fields), undated=undated)

    def play_right(self, kind: str, handler: Handler, identifiers: Sequence[Any], **other: Any) -> list[str]:
        """The same of a handler of `access`, `rectification` or `restrict`; `other` fields of the command, such as
        `content` of a rectification: what each `Record.field` shall say."""
        name = {"access": "export", "rectification": "rectify", "restrict": "restrict"}[kind]
        value = self._issuer.value_of_right(kind, identifiers, **other)
        found = self._played(name, handler, value)
        if kind == "access" and not found:
            self.copy(self.job(export=handler), self.message(value))
        return found

    def play_retention(
        self,
        expire: Expire,
        identifiers: Sequence[Any],
        fields: Sequence[str],
        before: datetime,
        *,
        undated: bool = False,
    ) -> list[str]:
        """What is wrong with a job that carries out so what has run out: all `fields` of records older than `before`.

        `identifiers`: of somebody whose records stay at first. The store has one of theirs and one of somebody else
        that are older, and with `undated` one without a time, which is to be told and to stay.
        """
        value = self._issuer.value_of_retention(run_out(fields, before), identifiers)
        return self._played("expire", expire, value, undated=undated)

    def _played(
        self, name: str, handler: Handler, value: Mapping[str, Any], *, undated: bool = False
    ) -> list[str]:
        calls: list[Any] = []

        def counted(command: Any) -> Any:
            calls.append(command)
            return handler(command)

        handlers: dict[str, Any] = {name: counted}
        job, found = self.job(**handlers), list[str | None]()
        for case in bad(self._issuer, value, _APART):
            if case.aborted:
                continue
            answers = self._answers(job, case.message)
            if calls:
                return [f"a command that is {case.said} was carried out"]
            found.append(wrong(case, answers, ()))
        before: list[Answer] = []
        for case in good(self._issuer, value, undated=undated):
            done = len(calls)
            answers = self._answers(job, case.message)
            found.append(wrong(case, answers, before))
            if case.expected == "same" and len(calls) > done:
                found.append("the same command again was carried out again")
            before = answers
        handlers = {name: handler}
        crashed = self._answers(self.job(**handlers), self.message({**value, "attempt": 2}))
        if crashed[-1].state not in (*ENDS, "not_found"):
            found.append(f"what was done before a crash came to {shown(crashed[-1])} when it came again")
        return [sentence for sentence in found if sentence is not None]
