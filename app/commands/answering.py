"""How a command does its work and answers: one transaction, words or JSON, and every refusal with its reason."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from datetime import datetime
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from app import door
from app.access.parts import Parts
from app.clock import keep_in_step
from app.errors import Problem
from app.main import parts_of
from app.settings import Settings
from app.wording import Wording, render

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]


def do(work: Callable[[Parts], Awaitable[T]], *, as_json: bool = False) -> T:
    """One command, one transaction, beside a running service if there is one."""

    async def run() -> T:
        parts = parts_of(Settings())
        try:
            await keep_in_step(parts.clock)
            return await work(parts)
        finally:
            await parts.db.dispose()

    try:
        return asyncio.run(run())
    except Problem as problem:
        if as_json:
            print(door.problem_response_bytes(problem, language="en").body.decode())
            raise typer.Exit(1) from problem
        fail("\n".join(refusal(problem)))


def refusal(problem: Problem) -> list[str]:
    """Why not, and under it every mistake with its place."""
    mistakes: Sequence[Mapping[str, Any]] = problem.members.get("errors", ())
    return [render(problem.detail, "en"), *(_mistake(one) for one in mistakes)]


def _mistake(one: Mapping[str, Any]) -> str:
    place = [f"line {one['line']}"] if one.get("line") else []
    place += [str(one["path"])] if one.get("path") else []
    message = one.get("message", "")
    words = render(message, "en") if isinstance(message, Wording) else str(message)
    return "  " + ": ".join([", ".join(place), words] if place and words else [*place, words])


def shaped(model: type[M], said: Mapping[str, Any]) -> M:
    """What was typed, held to what the API takes."""
    try:
        return model.model_validate({name: value for name, value in said.items() if value is not None})
    except ValidationError as error:
        mistakes = [
            {"path": ".".join(str(part) for part in one["loc"]), "message": one["msg"]}
            for one in error.errors(include_input=False, include_url=False)
        ]
        fail("\n".join(["This does not have the form asked for:", *(_mistake(one) for one in mistakes)]))


def told(value: Any, language: str) -> dict[str, Any]:
    """A finding or a mistake as JSON, its sentences spoken."""
    return {
        name: render(inner, language) if isinstance(inner, Wording) else inner
        for name, inner in ((field.name, getattr(value, field.name)) for field in fields(value))
    }


def answer(data: Any, as_json: bool, words: str) -> None:
    print(json.dumps(data, default=_plain, ensure_ascii=False) if as_json else words)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def fail(words: str) -> NoReturn:
    print(words, file=sys.stderr)
    raise typer.Exit(1)
