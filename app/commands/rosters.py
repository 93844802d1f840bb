"""Who is on call, at any moment."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError

from app.access.parts import Parts
from app.commands.answering import Json, answer, do, fail
from app.people import holders
from app.people.schemas import OnCallRead
from app.vocabulary import Moment


def on_call(
    at: Annotated[str | None, typer.Option(help="The moment, such as 2026-12-24T22:00+08:00; now if not given")] = None,
    position: Annotated[str | None, typer.Option(help="One position only")] = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Who holds each position at a moment, past or future, and by what."""
    moment = _moment(at) if at is not None else None

    async def work(parts: Parts) -> tuple[datetime, list[OnCallRead]]:
        now = parts.clock.now()
        asked = moment or now
        async with parts.db.reading() as session:
            picture = await holders.picture(session, at=asked, position=position, history=asked < now)
            return asked, [OnCallRead.of(post, found, "en", None) for post, found in picture]

    asked, items = do(work, as_json=as_json)
    data: dict[str, Any] = {"at": asked, "items": [one.model_dump(mode="json") for one in items]}
    answer(data, as_json, "\n".join([f"{asked.astimezone(UTC):%Y-%m-%d %H:%M} UTC", *map(_line, items)]))


def _moment(text: str) -> datetime:
    try:
        return TypeAdapter(Moment).validate_python(text)
    except ValidationError:
        fail(f"{text}: a moment is written like 2026-12-24T22:00+08:00, with its offset")


def _line(one: OnCallRead) -> str:
    who = ", ".join(
        f"{holder.name} ({holder.why}{f' for {holder.instead_of}' if holder.instead_of else ''})"
        for holder in one.holders
    )
    return f"{one.position:<32} {who or 'nobody'}"
