"""Records of processing, asked of an index: what was seen until when, and how it differs."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from dateutil.relativedelta import relativedelta

from schemas.company import Company
from schemas.errors import InputError
from sinks.ports.processed import ProcessedReader
from streams.ropa.differences import against_declared, against_month
from streams.ropa.generated import record_of, revealed_purposes
from streams.ropa.record import Differences, Record


class ProcessingRecords:
    """Safe from several threads. Days are by UTC: from `since` on, before `until`. All raise IndexUnavailable,
    QuestionTooLong."""

    def __init__(self, processed: ProcessedReader, company: Company) -> None:
        self._processed = processed
        self._company = company

    def record(self, now: datetime, since: date | None = None, until: date | None = None) -> Record:
        """The record of what was seen."""
        counted = self._processed.processed(revealed_purposes(self._company.catalogue), since, until)
        return record_of(self._processed.tagged(since, until), counted, self._company, now, since, until)

    def against_declared(
        self, now: datetime, since: date | None = None, until: date | None = None
    ) -> Differences:
        """What of it is not declared, and what is declared and not in it."""
        return against_declared(self._processed.tagged(since, until), self._company, now, since, until)

    def against_month(self, now: datetime, until: date | None = None) -> Differences:
        """The month that ends with the day before `until` (today where it is not given) beside the month before it.

        Raises InputError for a day before which there are no two months.
        """
        end = until or now.date() + timedelta(days=1)
        try:
            first, second = end - relativedelta(months=2), end - relativedelta(months=1)
        except ValueError:
            raise InputError("until: there are no two months before it; give a later day") from None
        return against_month(
            (first, second, end),
            self._processed.tagged(until=first),
            self._processed.tagged(first, second),
            self._processed.tagged(second, end),
            self._company,
            now,
        )
