"""Refusals as the client sees them: `application/problem+json` (RFC 9457), in the reader's language."""

import json
from typing import Any

from starlette.responses import Response

from app.errors import Problem
from app.wording import render, say


def as_document(problem: Problem, language: str, instance: str) -> dict[str, Any]:
    """The problem's members; `type` resolves under `/problems/`."""
    return {
        "type": f"/problems/{problem.slug}",
        "title": render(say(f"problem.{problem.slug}.title"), language),
        "status": problem.status,
        "detail": render(problem.detail, language),
        "instance": instance,
        **problem.members,
    }


def as_response(problem: Problem, language: str, instance: str) -> Response:
    body = json.dumps(as_document(problem, language, instance), ensure_ascii=False, default=str)
    # Half a surrogate pair cannot be sent; whatever a client smuggled into a path is shown escaped.
    return Response(
        body.encode("utf-8", "backslashreplace"), problem.status, problem.headers, "application/problem+json"
    )
