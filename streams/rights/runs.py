"""Retention runs begun by the clock, or by a person."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime

from schemas.company import Company
from schemas.errors import BrokerUnavailable
from schemas.policy import RetentionAnchors
from schemas.vocabulary import BY_ITSELF
from streams.answers.run_plan import RunPlan
from streams.rights.case import CaseFile
from streams.rights.expiry_run import left_of, long_ago, planned, rules_changed
from streams.rights.kept_named import KeptPeople
from streams.rights.protocol.request import RequestState
from streams.rights.right import Retention
from streams.rights.sending import Sending

BY_CLOCK = "clock"
"""Channel of a run that nobody asked for; and who made it, so that one person's approval is a second one's."""


@dataclass(frozen=True)
class Looked:
    """What a look for a new run came to: the run that was begun, or that is under way, and why there is none."""

    run: RequestState | None = None
    why: str | None = None


class Runs:
    """May raise IndexUnavailable, KeyUnavailable. Safe beside other processes: a run of one number is made once."""

    def __init__(
        self, file: CaseFile, sending: Sending, company: Company, retention: Retention, people: KeptPeople
    ) -> None:
        self._file = file
        self._sending = sending
        self._company = company
        self._retention = retention
        self._people = people
        self._done: date | None = None

    def on_clock(self, now: datetime, hour: int) -> RequestState | None:
        """Begin the next run of the day once its hour has come, in the company's zone; the run, None for no new one.

        What one run leaves since it took enough the next one takes, on the same day, until nothing has run out any
        more.
        """
        calendar = self._company.catalogue.calendar
        day = calendar.day(now)
        if now.astimezone(calendar.zone).hour < hour or self._done == day:
            return None
        looked = self.begin(now, BY_CLOCK)
        if looked.why is None:
            return looked.run
        if looked.run is None:
            # Whatever comes today is old enough tomorrow as well.
            self._done = day
        return None

    def begin(self, now: datetime, by: str, channel: str = BY_CLOCK) -> Looked:
        """A new run, if anything has run out that no run has still to take. `by`: the credential."""
        requests = self._file.every()
        runs = [item for item in requests if item.of_everybody]
        day = self._company.catalogue.calendar.day(now)
        if busy := next((item for item in runs if self._under_way(item, day)), None):
            return Looked(busy, f"{busy.request_id} is under way")
        due = self.due(now, runs)
        # People's data go by the same rules and the same clock, so people see these also where nothing else goes.
        unseen = rules_changed(runs, due.rules) or long_ago(requests, now)
        if not due.index and not unseen:
            return Looked(None, "nothing has run out that is not taken already")
        if channel == BY_CLOCK and self._tried(runs, due, day):
            return Looked(
                None, "a run of today left what has run out; the next day, or a person, begins another"
            )
        prefix = f"x-{day:%Y%m%d}-"
        number = 1 + sum(item.request_id.startswith(prefix) for item in runs)
        run_id = f"{prefix}{number}"
        sealed = self._file.seal(run_id, [], None)
        given = (BY_ITSELF[0].value, channel, now, sealed, RetentionAnchors())
        if not self._file.record_received(run_id, *given, by=by):
            return Looked(self._file.find(run_id), f"{run_id} was begun by another process")
        made = self._file.get(run_id)
        with suppress(BrokerUnavailable):
            # Recorded, so `resume` goes on with it.
            self._sending.announce(made)
        return Looked(made)

    def due(self, now: datetime, runs: list[RequestState] | None = None) -> RunPlan:
        """What the next run would take."""
        open_now = [item for item in self._file.every() if item.of_everybody] if runs is None else runs
        return planned(self._retention, self._company, open_now, self._people.spans(), now)

    def _tried(self, runs: list[RequestState], due: RunPlan, day: date) -> bool:
        """Whether runs of the day have left all that is due: a system withholds it, or a person ended them."""
        today = [
            item
            for item in runs
            if self._company.catalogue.calendar.day(item.received_at) == day and item.ended
        ]
        left = [left_of(item) for item in today]
        vain = any(systems or not item.carried_out for item, systems in zip(today, left, strict=True))
        return vain and frozenset(due.systems) <= frozenset[str]().union(*left)

    def _under_way(self, run: RequestState, day: date) -> bool:
        """Whether the next one has to wait for it: not for a system that was told on an earlier day and does not
        answer, what that one has still to delete is left to this run."""
        if run.ended or run.unread:
            return False
        if run.plan is None or run.awaits_approval or run.to_expire:
            return True
        today = self._company.catalogue.calendar.day(run.received_at) == day
        return today and any(item.pending and not item.escalated for item in run.commands.values())
