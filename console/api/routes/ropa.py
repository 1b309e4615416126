"""Records of processing activities (GDPR Art. 30), generated from what was observed. Nobody is in them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from console.api.problems import QUESTION_RESPONSES
from console.api.protection.pool import Questions
from console.api.protection.recording import note_of
from console.api.services import Services
from console.bodies import ClockDay
from schemas.errors import Unavailable
from streams.ropa.asked import ProcessingRecords
from streams.ropa.formats import FORMATS, Format, How, Language
from streams.ropa.record import Against, Differences, Record

_OTHER_FORMATS: dict[str, Any] = {
    item.media_type: {} for item in FORMATS.values() if item.media_type != "application/json"
}
Broker = Annotated[str, Query(pattern=r"^[A-Za-z0-9._-]{1,253}:\d{1,5}$")]


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["records of processing"])

    @routes.get(
        "/ropa",
        response_model=Record,
        responses=QUESTION_RESPONSES | {200: {"content": _OTHER_FORMATS}},
    )
    async def ropa(
        request: Request,
        format: Format = Format.JSON,
        lang: Language = "nb",
        since: ClockDay | None = None,
        until: ClockDay | None = None,
        broker: Broker | None = None,
    ) -> Response:
        """The records of processing of what happened from the day `since` on and before `until` (UTC).

        `lang`: of the formats that have one; JSON says everything in both. `broker`: host:port by which catalogues know
        the company's Kafka, for OpenLineage. A page and a workbook have the differences to what is declared and to the
        month before as well.
        """
        records = _records(services)

        def answer() -> Response:
            now, compared = services.clock(), list[Differences]()
            made = records.record(now, since, until)
            if FORMATS[format].compared:
                compared = [records.against_declared(now, since, until), records.against_month(now, until)]
            note_of(request.state).size = len(made.activities)
            written = FORMATS[format].write(made, How(services.company, lang, broker, compared))
            return Response(written, media_type=FORMATS[format].media_type)

        pool: Questions = request.app.state.questions
        return await pool.ask(request, answer)

    @routes.get("/ropa/difference", response_model=Differences, responses=QUESTION_RESPONSES)
    async def difference(
        request: Request,
        against: Against,
        since: ClockDay | None = None,
        until: ClockDay | None = None,
    ) -> Response:
        """How what was observed differs from what the company declares, or the month before `until` (tomorrow where it
        is left out) from the month before that. `since` is of the former alone."""
        records = _records(services)

        def written() -> Response:
            now = services.clock()
            if against == "month":
                found = records.against_month(now, until)
            else:
                found = records.against_declared(now, since, until)
            note_of(request.state).size = len(found.items)
            return Response(found.model_dump_json(), media_type="application/json")

        pool: Questions = request.app.state.questions
        return await pool.ask(request, written)

    return routes


def _records(services: Services) -> ProcessingRecords:
    if services.processed is None:
        raise Unavailable("the index behind this API has no views; ask another process")
    return ProcessingRecords(services.processed, services.company)
