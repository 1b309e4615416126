"""Errors as problem details (RFC 9457). What was sent is never quoted: it is, as a rule, somebody's identifier."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from console import bodies
from console.api import models, request_bodies
from schemas.errors import (
    InnsynError,
    InputError,
    KeyUnavailable,
    QuestionAbandoned,
    QuestionsBusy,
    QuestionTooLong,
    TooOften,
    Unavailable,
)

_RETRY_SECONDS = 5
MEDIA_TYPE = "application/problem+json"
# Words that may be named: a field that is not known may be a value in the wrong place.
_FIELDS = frozenset(
    name
    for model in (*vars(models).values(), *vars(bodies).values(), *vars(request_bodies).values())
    if isinstance(model, type) and issubclass(model, bodies.Body)
    for key, field in model.model_fields.items()
    for name in (key, field.alias or key)
) | {
    "body",
    "query",
    "limit",
    "cursor",
    "path",
    "header",
    "Innsyn-Purpose",
    "subject",
    "action",
    "request_id",
    "state",
    "months",
    "format",
    "lang",
    "since",
    "until",
    "against",
    "broker",
    "check",
}


def problem(
    status: int,
    detail: str,
    errors: Sequence[Mapping[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """An answer of that HTTP status."""
    body: dict[str, Any] = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    body["detail"] = " ".join(detail.split())
    if errors is not None:
        body["errors"] = list(errors)
    return JSONResponse(body, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def status_of(error: InnsynError) -> int:
    """HTTP status of one of our errors."""
    if isinstance(error, InputError):
        return HTTPStatus.UNPROCESSABLE_ENTITY
    if isinstance(error, TooOften):
        return HTTPStatus.TOO_MANY_REQUESTS
    if isinstance(error, QuestionTooLong):
        return HTTPStatus.GATEWAY_TIMEOUT
    if isinstance(error, Unavailable | KeyUnavailable | QuestionsBusy | QuestionAbandoned):
        return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.INTERNAL_SERVER_ERROR


def install(app: FastAPI) -> None:
    """Make every error of the application a problem."""
    app.add_exception_handler(InnsynError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


async def _ours(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, InnsynError)
    # In seconds, as RFC 9110 (10.2.3) has it.
    seconds = (
        error.seconds
        if isinstance(error, TooOften)
        else _RETRY_SECONDS
        if isinstance(error, QuestionsBusy)
        else None
    )
    headers = None if seconds is None else {"Retry-After": str(seconds)}
    return problem(status_of(error), str(error), headers=headers)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = list(_errors(error.errors()))
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{first['field']}: {first['what']}{more}", errors)


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    if status == HTTPStatus.BAD_REQUEST:
        # The framework's, for bytes that are no text; other bodies that are no JSON come as `_invalid`.
        return problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "body: is not JSON in UTF-8",
            [{"field": "body", "what": "is not JSON"}],
        )
    # Ours, or the framework's, which is the bare phrase: neither holds anything that was sent.
    detail = status.description if error.detail == status.phrase else error.detail
    return problem(status, detail, headers=error.headers)


def _errors(found: Sequence[Any]) -> Iterator[dict[str, str]]:
    for item in found:
        kind = item["type"]
        parts = [str(part) if isinstance(part, int) or part in _FIELDS else "?" for part in item["loc"]]
        if kind == "json_invalid":
            yield {"field": "body", "what": "is not JSON"}
        elif kind == "extra_forbidden":
            yield {"field": ".".join([*parts[:-1], "?"]), "what": "is not a field; see /openapi.json"}
        else:
            # pydantic's message speaks of what is allowed, not of what came; only an enum's choices are listed.
            yield {"field": ".".join(parts), "what": bodies.what_is_wrong(item)}


def _answer(status: int, description: str | None = None) -> dict[str, Any]:
    return {"model": models.Problem, "description": description or HTTPStatus(status).phrase}


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: _answer(status) for status in (401, 408, 413, 422, 429, 503)
}
"""For the OpenAPI description: what every route may answer besides."""

TOKEN_RESPONSES: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (401, 429)}
"""The same of a route that has no body and asks nothing of the index."""

REQUEST_RESPONSES: dict[int | str, dict[str, Any]] = {404: _answer(404, "There is no request of that id.")}
"""The same of a rights request."""

ORDER_RESPONSES: dict[int | str, dict[str, Any]] = {
    404: _answer(404, "There is no preservation order of that id.")
}
"""The same of a preservation order."""

SCHEMA_RESPONSES: dict[int | str, dict[str, Any]] = {
    404: _answer(404, "There is no Avro schema of that record.")
}
"""The same of a schema."""

REPORT_RESPONSES: dict[int | str, dict[str, Any]] = {404: _answer(404, "There is no report of that name.")}
"""The same of a report."""

FINDING_RESPONSES: dict[int | str, dict[str, Any]] = {
    403: _answer(403, "It takes the approver's token."),
    404: _answer(404, "There is no finding of that id."),
}
"""The same of an act on a finding."""

RUN_RESPONSES: dict[int | str, dict[str, Any]] = {409: _answer(409, "Checks run already.")}
"""The same of a run of checks."""

QUESTION_RESPONSES: dict[int | str, dict[str, Any]] = {
    503: _answer(
        503, "The index does not answer, or as many questions are asked as can be: `Retry-After` seconds."
    ),
    504: _answer(504, "The question took longer than it may and was ended: narrow it, see `detail`."),
}
"""The same of a question about a person."""


def describe(app: FastAPI, kinds: Iterable[str]) -> None:
    """Let the OpenAPI description say the media type of problems, which the framework takes to be plain JSON, and which
    kinds of identifiers the company has."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            plain()["components"]["schemas"]["Identifier"]["properties"]["kind"]["enum"] = list(kinds)
            for methods in plain()["paths"].values():
                for operation in methods.values():
                    _name_media_type(operation["responses"].values())
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def _name_media_type(answers: Iterable[dict[str, Any]]) -> None:
    for answer in answers:
        content = answer.get("content", {})
        schema = content.get("application/json", {}).get("schema", {})
        if schema.get("$ref", "").endswith("/Problem"):
            answer["content"] = {MEDIA_TYPE: content["application/json"]}
