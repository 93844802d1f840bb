"""Everything that goes wrong in a request, as one kind of answer: RFC 9457, in the reader's language, with the way out."""

from typing import Any, Final, cast

import asyncpg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from starlette.exceptions import HTTPException as StarletteRefusal  # noqa: TID251 - translated here into ours
from starlette.responses import Response

from app.access.parts import Parts
from app.away import Away, TooBusy
from app.console import pages
from app.errors import Malformed, NotFound, Problem, Stale, Unavailable, WrongShape
from app.problems import as_response
from app.wording import negotiate, say

_DRIVERS: Final = (ConnectionError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What a driver says while it opens a connection, before anybody translates it."""

log = structlog.get_logger("http")


class MethodNotAllowed(Problem, status=405, slug="method-not-allowed"):
    """This address does not answer that method."""


class Internal(Problem, status=500, slug="internal"):
    """Something went wrong on our side; it is logged."""


def install(app: FastAPI) -> None:
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _wrong_shape)
    app.add_exception_handler(StarletteRefusal, _from_the_framework)
    for kind in (SQLAlchemyError, *_DRIVERS):
        app.add_exception_handler(kind, _database)
    app.add_exception_handler(Exception, _unexpected)


async def _problem(request: Request, error: Exception) -> Response:
    return await answer(request, cast(Problem, error))


async def _wrong_shape(request: Request, error: Exception) -> Response:
    """Each mistake with its place; what was sent is not repeated, it may hold a secret."""
    errors = [_mistake(one) for one in cast(RequestValidationError, error).errors()]
    return await answer(request, WrongShape(say("access.shape"), errors=errors))


def _mistake(one: dict[str, Any]) -> dict[str, Any]:
    place = [str(part) for part in one["loc"]]
    return {"in": place[0], "path": ".".join(place[1:]), "message": one["msg"], "kind": one["type"]}


async def _from_the_framework(request: Request, error: Exception) -> Response:
    status = cast(StarletteRefusal, error).status_code
    if status == 404:
        return await answer(request, NotFound(say("access.unknown_route")))
    if status == 405:
        headers = cast(StarletteRefusal, error).headers or {}
        return await answer(
            request,
            MethodNotAllowed(say("access.method_not_allowed", method=request.method), headers=headers),
        )
    return await answer(request, Malformed(say("access.shape")))


async def _database(request: Request, error: Exception) -> Response:
    """A conflict of rows is the caller's to look at again; a database that is away is ours, and passes."""
    if isinstance(error, IntegrityError):
        log.warning("conflicting rows", error=type(error.orig).__name__, exc_info=error)
        return await answer(request, Stale(say("access.conflict")))
    if isinstance(error, TooBusy):
        log.warning("too busy", error=str(error))
        return await answer(request, Unavailable(say("access.too_busy"), headers={"Retry-After": "1"}))
    # An outage is one thing told by every request: a line each, and no traceback, or the disk is the next to go.
    log.error("database", error=str(error), exc_info=None if isinstance(error, Away) else error)
    return await answer(request, Unavailable(say("access.database_away"), headers={"Retry-After": "2"}))


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("unexpected", error=type(error).__name__, exc_info=error)
    return await answer(
        request, Internal(say("access.internal", request=getattr(request.state, "request_id", "-")))
    )


async def answer(request: Request, problem: Problem) -> Response:
    """A refusal as the caller reads it: a page for a person, a problem document for a program."""
    if pages.is_for_a_person(request):
        return await pages.refused(request, problem)
    parts = cast(Parts, request.app.state.parts)
    fallback = negotiate(request.headers.get("accept-language"), parts.settings.language)
    return as_response(problem, getattr(request.state, "language", fallback), request.url.path)
