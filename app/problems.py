"""Refusals as responses of the web framework; their bytes are made at the door, as for those it gives itself."""

from starlette.responses import Response

from app import door
from app.errors import Problem


def as_response(problem: Problem, language: str, instance: str) -> Response:
    """`application/problem+json` (RFC 9457), in the reader's language."""
    made = door.problem_response_bytes(problem, language=language, instance=instance)
    response = Response(made.body, made.status)
    response.raw_headers = made.headers
    return response
