"""The description of the interface at `/openapi.json`.

To what FastAPI finds, the form of the problem document is added, how to sign in, and what is refused before a route sees it.
"""

from typing import Any

from fastapi import FastAPI

from app.access.edge import problems
from app.door import TooSlow
from app.errors import StillRunning, TooLarge, Unavailable, UnsupportedMedia

_PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457. Further members say the way out: `allowed`, `errors`, `current_version`, `needs`.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "Resolves under /problems/."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "allowed": {"type": "array", "items": {"type": "string"}},
        "errors": {"type": "array", "items": {"type": "object"}},
        "current_version": {"type": "integer"},
    },
}


# What is refused before a route sees it: at the door, by the edge, or because the database is away.
_ANYWHERE = problems(Unavailable)
_WITH_A_BODY = problems(Unavailable, StillRunning, TooLarge, TooSlow, UnsupportedMedia)


def describe(app: FastAPI) -> None:
    """Let `/openapi.json` hold the problem document, and say how to sign in."""
    made = app.openapi

    def complete() -> dict[str, Any]:
        document = made()
        components = document.setdefault("components", {})
        components.setdefault("schemas", {})["Problem"] = _PROBLEM
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"key": []}]
        for methods in document["paths"].values():
            for method, operation in methods.items():
                for status, refusal in (_ANYWHERE if method == "get" else _WITH_A_BODY).items():
                    operation["responses"].setdefault(str(status), refusal)
        return document

    app.openapi = complete  # type: ignore[method-assign]
