"""What is read of a request in clear: the archive that the person is sent, the texts in it that somebody has to read
first, and what was asked to be corrected."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO, Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field, StringConstraints
from starlette.exceptions import HTTPException

from console.api.problems import REQUEST_RESPONSES
from console.api.protection.recording import note_of
from console.api.services import Services
from console.archive import LEFT_OUT_HEADER, RECORDS_HEADER, TEXTS_HEADER
from console.bodies import Body
from schemas.errors import InputError
from schemas.ids import is_id
from streams.rights.bundle import Written
from streams.rights.bundle_page import LANGUAGES

_IN_MEMORY = 16 * 1024 * 1024
_CHUNK = 64 * 1024


class Bundled(Body):
    """`lang`: of the page to be read. `keep`: digests of texts that were read and are given as they are."""

    lang: Annotated[str, Field(pattern=f"^({'|'.join(LANGUAGES)})$")] = "nb"
    keep: list[Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]] = Field([], max_length=10_000)


class TextShown(BaseModel):
    """A text that may speak of others, in clear. `names`: words for what it names."""

    digest: str
    record: str
    field: str
    names: list[str]
    text: str = Field(repr=False)


class Texts(BaseModel):
    """Texts that are withheld until somebody has read them."""

    items: list[TextShown]


class Corrections(BaseModel):
    """What each field (`Record.field`) shall say, in clear."""

    corrections: dict[str, Any] = Field(repr=False)


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/requests", tags=["requests"])

    @routes.post(
        "/{request_id}/bundle",
        response_class=StreamingResponse,
        responses={
            200: {"content": {"application/zip": {}}, "description": "The archive, in clear."},
            **REQUEST_RESPONSES,
        },
    )
    def bundle(request_id: str, request: Request, body: Bundled | None = None) -> StreamingResponse:
        """The archive that the person is sent: report, page and copies, without what is about others."""
        asked = body or Bundled()
        file, written = _written(services, request_id, request, asked.lang, frozenset(asked.keep))
        note_of(request.state).size = written.records
        waiting = sum(flag.digest not in asked.keep for flag in written.flags)
        headers = {
            RECORDS_HEADER: str(written.records),
            TEXTS_HEADER: str(waiting),
            LEFT_OUT_HEADER: str(sum(sum(why.values()) for why in written.left_out.values())),
            "Cache-Control": "no-store",
        }
        return StreamingResponse(_read(file), media_type="application/zip", headers=headers)

    @routes.post("/{request_id}/texts", response_model=Texts, responses=REQUEST_RESPONSES)
    def texts(request_id: str, request: Request) -> dict[str, object]:
        """The texts of the copies that may speak of others, for whoever decides which of them are given."""
        file, written = _written(services, request_id, request, LANGUAGES[0], frozenset())
        file.close()
        note_of(request.state).size = len(written.flags)
        items = [
            {
                "digest": flag.digest,
                "record": flag.record,
                "field": flag.path,
                "names": flag.names,
                "text": flag.text,
            }
            for flag in written.flags
        ]
        return {"items": items}

    @routes.post("/{request_id}/corrections", response_model=Corrections, responses=REQUEST_RESPONSES)
    def corrections(request_id: str, request: Request) -> dict[str, object]:
        """What was asked to be corrected and to what, for whoever does it by hand."""
        _noted(services, request_id, request)
        found = services.rights.corrections(request_id)
        note_of(request.state).size = len(found)
        return {"corrections": dict(found)}

    return routes


def _written(
    services: Services, request_id: str, request: Request, lang: str, keep: frozenset[str]
) -> tuple[IO[bytes], Written]:
    """The archive, whole, from its beginning: an answer that broke off in the middle would look like one."""
    _noted(services, request_id, request)
    # Without a name from the beginning, so that nothing of it is left whatever ends this process.
    file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed when it is sent
    try:
        written = services.rights.bundle(request_id, file, lang, keep, services.mentions)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file, written


def _noted(services: Services, request_id: str, request: Request) -> None:
    """The audit record says of which request, and whom it is about."""
    try:
        if not is_id("request_id", request_id):
            raise InputError("no id of a request")
        found = services.rights.get(request_id)
    except InputError:
        # Not its text: it names the id, and what stands there may be anything.
        raise HTTPException(
            404, "there is no request of that id; `innsyn requests` and GET /v1/requests list those there are"
        ) from None
    note_of(request.state).about(request_id, found.subjects)


def _read(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(_CHUNK):
            yield piece
