"""What a form brings: read once, proven to come from our own page, and put into the shapes the API takes.

Nothing is decided here. What cannot be stored is refused, and a refused form is remembered as it was typed.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from hmac import compare_digest
from typing import Any, Final, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile

from app import door
from app.console.pages import SECRET, Again, Typed
from app.errors import Forbidden, Malformed, WrongShape
from app.wording import Wording, known, say

M = TypeVar("M", bound=BaseModel)
_MOST_FIELDS: Final = 2000
_LARGEST_FIELD: Final = 1024 * 1024
_WHOLE: Final = re.compile(r"\d{1,9}")


@dataclass(frozen=True)
class Form:
    """The fields of a form as they were typed, and the file it may bring."""

    fields: Mapping[str, list[str]]
    file: bytes = b""

    def one(self, name: str) -> str | None:
        """What was typed into a field; nothing but blanks is nothing."""
        return next((value.strip() or None for value in self.fields.get(name, ())), None)

    def many(self, name: str) -> list[str]:
        return list(self.fields.get(name, ()))

    def lines(self, name: str) -> list[str]:
        """A field with one thing per line."""
        return [line.strip() for line in (self.one(name) or "").split("\n") if line.strip()]

    def moment(self, name: str, zone: tzinfo) -> str | None:
        """A time by the clock on the wall of the zone; anything else is left to the shape to refuse."""
        said = self.one(name)
        try:
            return said and datetime.fromisoformat(said).replace(tzinfo=zone).astimezone(UTC).isoformat()
        except (ValueError, OverflowError):
            return said

    def whole(self, name: str) -> int | None:
        """A number; anything else is left to the shape to refuse."""
        said = self.one(name)
        if said is None:
            return None
        if not _WHOLE.fullmatch(said):
            raise WrongShape(say("access.shape"), errors=[_wrong(name, say("console.wrong.number"))])
        return int(said)


async def posted(request: Request, again: Again | None = None, *, here: str | None = None) -> Form:
    """Read the form of a request; `again` draws the page it stood on, should it be refused.

    1. Read it, and remember what was typed.
    2. Refuse what did not come from a page of this very session. Who shows a key instead needs no such proof:
       no browser adds it by itself.
    3. Refuse what cannot be stored.
    """
    request.state.again, request.state.here = again, here
    fields: dict[str, list[str]] = {}
    file = b""
    async with request.form(max_files=1, max_fields=_MOST_FIELDS, max_part_size=_LARGEST_FIELD) as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                file = await value.read()
            else:
                fields.setdefault(name, []).append(value.replace("\r\n", "\n"))
    shown = {name: values for name, values in fields.items() if name not in SECRET}
    request.state.typed = Typed(_first(fields, "form"), shown)
    wanted = getattr(request.state, "csrf", "")
    if wanted and not compare_digest(_first(fields, "csrf").encode("utf-8", "replace"), wanted.encode()):
        raise Forbidden(say("console.csrf"))
    if any(_is_unstorable(text) for name, values in fields.items() for text in (name, *values)):
        raise WrongShape(say("console.unstorable"))
    return Form(fields, file)


def shaped(model: type[M], said: Mapping[str, Any]) -> M:
    """What was typed in the shape the API takes, or `WrongShape` with every mistake; empty fields are left out."""
    try:
        return model.model_validate({name: value for name, value in said.items() if value is not None})
    except ValidationError as error:
        mistakes = [_mistake(dict(one)) for one in error.errors(include_input=False, include_url=False)]
        raise WrongShape(say("access.shape"), errors=mistakes) from error


def changed_facts(names: Iterable[str], were: Iterable[str], values: Iterable[str]) -> dict[str, Any]:
    """Facts that are different from what the page showed; one whose value was emptied is removed."""
    facts: dict[str, Any] = {}
    for name, was, value in zip(names, were, values, strict=False):
        if name.strip() and value.strip() != was.strip():
            facts[name.strip()] = _fact(value.strip()) if value.strip() else None
    return facts


def fact_text(value: Any) -> str:
    """A fact as it is typed: `_fact` reads the same value out of it again."""
    if isinstance(value, str) and value.strip() == value and value and _fact(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def _fact(text: str) -> Any:
    """`12` is a number and `true` a truth, as in JSON; everything else is words."""
    try:
        return door.parse_json(text.encode("utf-8", "replace"))
    except Malformed:
        return text


def _mistake(one: Mapping[str, Any]) -> dict[str, Any]:
    path = ".".join(str(part) for part in one["loc"] if not isinstance(part, int) or len(one["loc"]) < 3)
    kind = str(one["type"])
    key = f"console.wrong.{kind}"
    context = one.get("ctx", {})
    limits = {name: context[name] for name in ("max_length", "le", "ge") if name in context}
    return _wrong(path, say(key, **limits) if known(key) else say("console.wrong"))


def _wrong(path: str, message: Wording) -> dict[str, Any]:
    return {"path": path, "message": message}


def _first(fields: Mapping[str, list[str]], name: str) -> str:
    return next(iter(fields.get(name, ())), "")


def _is_unstorable(text: str) -> bool:
    return any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text)
