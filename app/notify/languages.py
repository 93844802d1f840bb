"""A notice's text in its reader's language. Knows no table."""

from collections.abc import Mapping
from typing import Any


def in_language(text: Mapping[str, Any], language: str) -> str:
    """A localised text as this reader gets it.

    Looser than the plan's own `Localised` on purpose: a message that lacks a language, or is longer than a
    plan may write, is still sent.
    """
    wanted = {"en": ("en", "zh"), "zh-Hant": ("zh_hant", "zh", "en")}.get(language, ("zh", "en"))
    return next((str(text[name]) for name in wanted if text.get(name)), "")
