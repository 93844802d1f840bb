"""The description of the interface at `/openapi.json`: the problem document's form is added to what FastAPI finds."""

from typing import Any

from fastapi import FastAPI

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


def describe(app: FastAPI) -> None:
    """Let `/openapi.json` hold the problem document, and say how to sign in."""
    made = app.openapi

    def complete() -> dict[str, Any]:
        document = made()
        components = document.setdefault("components", {})
        components.setdefault("schemas", {})["Problem"] = _PROBLEM
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"key": []}]
        return document

    app.openapi = complete  # type: ignore[method-assign]
