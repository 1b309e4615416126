"""What time brings to requests, for whoever looks now and then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property

from schemas.errors import InputError
from sinks.ports.lineage import Span
from streams.rights.case import CaseFile
from streams.rights.copies import Copies
from streams.rights.people_expiry import Begun, PeopleExpiry
from streams.rights.protocol.states import RequestState
from streams.rights.reopen import Recheck
from streams.rights.right import Tools
from streams.rights.runs import Looked, Runs
from streams.rights.sealed import Destroying
from streams.rights.suppressing import Suppressing
from streams.rights.timely import Timely
from streams.rights.turns import Turns, each


class ByTime:
    """The part of `streams.rights.service.RightsService` that is called now and then; what holds there holds here."""

    _file: CaseFile
    _turns: Turns
    _late: Recheck
    _suppressing: Suppressing | None
    _timely: Timely
    _destroying: Destroying
    _copies: Copies | None
    _copies_kept: timedelta
    _tools: Tools

    def expire_people(self, now: datetime, limit: int | None = None) -> Begun:
        """Make requests for people of whom something has run out by clocks of their own, so many as may be under way at
        once; see `streams.rights.people_expiry`."""
        clocked = self._tools.clocked
        if clocked is None:
            return Begun((), through=False, why="nobody looks here of whom data have run out")
        with self._turns.lock:
            return self._people.begin(now, clocked.at_once if limit is None else limit)

    def people_on_clock(self, now: datetime, hour: int, limit: int | None = None) -> Begun | None:
        """The same once the hour of the day has come, in the company's zone; None before."""
        if now.astimezone(self._file.calendar.zone).hour < hour:
            return None
        return self.expire_people(now, limit)

    @cached_property
    def _people(self) -> PeopleExpiry:
        assert self._tools.clocked is not None
        return PeopleExpiry(self._tools, self._tools.clocked, self._turns)

    def run_retention(self, now: datetime, by: str) -> Looked:
        """Begin a retention run, whatever the hour; `by`: the credential. Raises InputError where none is carried out,
        KeyUnavailable."""
        with self._turns.lock:
            return self._runs.begin(now, by, "api")

    def kept_spans(self) -> list[Span]:
        """Where the data lie of everybody whose data stay although they have run out. Raises IndexUnavailable,
        KeyUnavailable."""
        assert self._tools.kept is not None
        return self._tools.kept.spans()

    def retention_on_clock(self, now: datetime, hour: int) -> RequestState | None:
        """Begin the next run of the day once its hour has come; None for no new one. Raises as `run_retention`."""
        with self._turns.lock:
            return self._runs.on_clock(now, hour)

    @cached_property
    def _runs(self) -> Runs:
        tools = self._tools
        if tools.retention is None or tools.kept is None:
            raise InputError("nothing that has run out is deleted here; ask where requests are carried out")
        return Runs(tools.file, tools.sending, tools.company, tools.retention, tools.kept)

    def recheck(self, now: datetime) -> list[RequestState]:
        """Look whether anything came to light that answers given earlier lack; returns the requests with a new finding,
        the last of their `late_findings`. The first one opens a request again.

        A finding is recorded once; it is recorded again when it is of something else, has shrunk, or is twice as many.
        Does nothing while the index has learnt nothing since the last look.
        """
        mark = self._late.mark()
        due = [request.request_id for request in self._late.due(mark)]
        opened = each(due, lambda name: self._turns.take(name, lambda item: self._late.looked(item, now)))
        self._late.done(mark)
        return [request for request in opened if request is not None]

    def came_back(self, now: datetime) -> list[RequestState]:
        """Erase again what was erased and came back, or say on its request why a person has to decide; those requests.

        The same look as `recheck`, of what taggers recognised. Does nothing while nothing came back.
        """
        return self._suppressing.turn(now) if self._suppressing else []

    def on_time(self, now: datetime) -> list[RequestState]:
        """Do what time alone brings: tell systems again that have not answered, ask a person to look where that was in
        vain, and open requests again of which a hold is to be reviewed. Returns those requests.
        """
        due = [request.request_id for request in self._file.every() if self._timely.due(request, now)]
        return each(due, lambda name: self._turns.take(name, lambda item: self._timely.done(item, now)))

    def destroy_keys(self, now: datetime) -> list[str]:
        """Destroy the keys of requests that have ended long enough ago: nobody reads any more what the person gave.

        Late findings are looked for by the tokens of then; a follow-up needs the person's identifiers anew. Returns the
        ids of those requests.
        """
        with self._turns.lock:
            destroyed = self._destroying.run(now)
            if self._copies is not None:
                self._copies.tidy(self._file.every(), self._copies_kept, now)
            self._late.unreadable(destroyed)
            return destroyed

    def destroy_order_keys(self, now: datetime) -> list[str]:
        """The same of preservation orders that have ended. Their ids."""
        return self._tools.keeping.destroy_keys(now)

    def key_problems(self) -> Sequence[str]:
        """Keys of requests that are missing, as of the last `destroy_keys`."""
        return self._destroying.problems()
