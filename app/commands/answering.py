"""How a command does its work and answers: in words, or in JSON for programs."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar

import typer

from app import door
from app.access.parts import Parts
from app.errors import Problem
from app.main import parts_of
from app.settings import Settings
from app.wording import render

T = TypeVar("T")
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]


def do(work: Callable[[Parts], Awaitable[T]], *, as_json: bool) -> T:
    """Do the work beside a running service, if there is one; a refusal is told and ends the command with 1."""

    async def run() -> T:
        parts = parts_of(Settings())
        try:
            return await work(parts)
        finally:
            await parts.db.dispose()

    try:
        return asyncio.run(run())
    except Problem as problem:
        if as_json:
            print(door.problem_response_bytes(problem, language="en").body.decode())
        else:
            print(render(problem.detail, "en"), file=sys.stderr)
        raise typer.Exit(1) from problem


def answer(data: Any, as_json: bool, words: str) -> None:
    print(json.dumps(data, default=_plain, ensure_ascii=False) if as_json else words)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)
