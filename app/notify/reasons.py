"""Sentences as rows keep them: a wording is stored as its key and parameters, and spoken in the reader's
language.

Holds the way into a JSON column and back, and the choice of a notice's language. Knows no table.
"""

from collections.abc import Mapping
from typing import Any

from app.wording import Wording, render


def kept(wording: Wording) -> dict[str, Any]:
    """`wording` as a JSON column holds it."""
    return {"key": wording.key, "params": {name: _plain(value) for name, value in wording.params.items()}}


def spoken(row: Mapping[str, Any] | None, language: str) -> str | None:
    """The sentence again; nothing where nothing was kept."""
    return render(Wording(row["key"], row["params"]), language) if row else None


def in_language(text: Mapping[str, Any], language: str) -> str:
    """A localised text as this reader gets it.

    Looser than the plan's own `Localised` on purpose: a message that lacks a language, or is longer than a
    plan may write, is still sent.
    """
    wanted = {"en": ("en", "zh"), "zh-Hant": ("zh_hant", "zh", "en")}.get(language, ("zh", "en"))
    return next((str(text[name]) for name in wanted if text.get(name)), "")


def _plain(value: Any) -> Any:
    match value:
        case Wording():
            return kept(value)
        case None | bool() | int() | float() | str():
            return value
        case list() | tuple():
            return [_plain(part) for part in value]
        case Mapping():
            return {str(name): _plain(part) for name, part in value.items()}
        case _:
            return str(value)
