"""Errors as problem details (RFC 9457)."""

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from vhb_api.submitting.problems import Problem, Refused
from vhb_api.submitting.submitter import Busy
from vhb_api.uploads.bounds import TooMuch
from vhb_shared.bus.denials import Denied
from vhb_shared.errors import Conflict, NotFound, Unavailable, UserError

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"


class ProblemDetails(BaseModel):
    """What went wrong."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str | None = None
    problems: list[Problem] = []
    """Each mistake of what was handed in."""


class Failed(Exception):  # noqa: N818 - becomes a response
    """Ends a request with a problem."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        problems: list[Problem] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail
        self.problems = problems or []
        self.headers = headers or {}


def answer(failed: Failed, path: str | None = None) -> JSONResponse:
    """The response."""
    content = ProblemDetails(
        title=HTTPStatus(failed.status).phrase,
        status=failed.status,
        detail=failed.detail,
        instance=path,
        problems=failed.problems,
    )
    body = content.model_dump(mode="json")
    return JSONResponse(body, failed.status, headers=failed.headers, media_type=MEDIA_TYPE)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: problems that a route may answer with, beside those of all routes."""
    always = (400, 401, 403, 404, 405, 413, 422, 429, 500, 503)
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in sorted({*always, *statuses})
    }


def _of(error: Exception) -> Failed:
    match error:
        case Failed():
            return error
        case Refused():
            return Failed(422, str(error), problems=error.problems)
        case TooMuch():
            return Failed(413, str(error))
        case Busy():
            return Failed(
                503,
                "The data of other jobs are being read: hand it in again in a moment.",
                headers={"Retry-After": "10"},
            )
        case NotFound():
            return Failed(404, f"There is no {error}.")
        case Conflict():
            return Failed(409, f"{error}.")
        case Denied():
            log.error("not_allowed_on_the_bus", reason=str(error))
            return Failed(503, "The service's own rights do not suffice for this; its log says which it lacks.")
        case UserError():
            return Failed(409, error.lines[0], problems=[Problem(message=line) for line in error.lines])
        case Unavailable():
            log.warning("not_answered", reason=str(error))
            return Failed(
                503, "The bus, the storage or the database does not answer just now.", headers={"Retry-After": "5"}
            )
        case ClientDisconnect():
            return Failed(400, "The client went away before it had sent everything.")
        case HTTPException():
            detail = error.detail if isinstance(error.detail, str) else HTTPStatus(error.status_code).phrase
            return Failed(error.status_code, detail, headers=dict(error.headers or {}))
        case RequestValidationError():
            problems = [_of_field(tuple(item["loc"]), str(item["msg"])) for item in error.errors()]
            return Failed(422, "The request is not as it should be.", problems=problems)
    log.exception("request_failed", exc_info=error)
    return Failed(500, "Something is wrong in the service; its log says what.")


def _of_field(loc: tuple[str | int, ...], message: str) -> Problem:
    message = message.removeprefix("Value error, ")
    if len(loc) > 1 and loc[0] == "body" and isinstance(loc[1], str):
        return Problem(message=message, field=".".join(str(part) for part in loc[1:]))
    return Problem(message=f"{'.'.join(str(part) for part in loc)}: {message}")


def install(app: FastAPI) -> None:
    """Answers every error with a problem."""

    async def handle(request: Request, error: Exception) -> JSONResponse:
        return answer(_of(error), request.url.path)

    kinds = (
        Failed, Refused, TooMuch, Busy, NotFound, Conflict, UserError, Unavailable, ClientDisconnect, HTTPException,
        RequestValidationError,
    )  # fmt: skip
    for kind in (*kinds, Exception):
        app.add_exception_handler(kind, handle)
