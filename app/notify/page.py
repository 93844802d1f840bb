"""The page behind an acknowledgement link, readable on a phone at three in the morning.

Draws what a `Card` says, in the language of whoever the message was for. No script, nothing from elsewhere;
it decides nothing.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.notify.acknowledgement import Card, Standing
from app.notify.languages import in_language
from app.wording import Wording, render, say

_TEMPLATES = Path(__file__).parent / "templates"
_PAGES: Final = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined)

STYLE: Final = (_TEMPLATES / "page.css").read_text(encoding="utf-8")
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",  # the address of the page is a secret
    "X-Content-Type-Options": "nosniff",
}


def language_of(card: Card, fallback: str) -> str:
    """The language the message was written in."""
    return card.delivery.language or fallback


def draw(
    card: Card, language: str, *, others: Mapping[str, Any] | None = None, said: Wording | None = None
) -> str:
    """The page as HTML. `others`: positions that can be called as well, with their titles; `said`: what came of an answer."""

    def spoken(wording: Wording) -> str:
        return render(wording, language)

    notice = card.notice
    return _PAGES.get_template("acknowledge.html").render(
        language=language,
        number=notice.number,
        level=notice.level,
        level_line=spoken(say("notify.page.level", level=notice.level)),
        exercise=spoken(say("notify.page.exercise")) if notice.exercise else None,
        subject=in_language(notice.subject, language),
        text=in_language(notice.text, language),
        said=spoken(said) if said is not None else None,
        others=sorted((in_language(title, language), slug) for slug, title in (others or {}).items()),
        is_call=card.delivery.round_id is not None,
        cannot=spoken(say("notify.cannot_do_it")),
        cannot_hint=spoken(say("notify.page.cannot_hint")),
        add=spoken(say("notify.add_others")),
        add_label=spoken(say("notify.page.add_label")),
        button=spoken(say("notify.take_it")) if card.standing is Standing.OPEN else None,
        hint=spoken(say("notify.page.hint")),
        standing=spoken(_standing(card)),
    )


def _standing(card: Card) -> Wording:
    if card.standing is Standing.OVER:
        return say("notify.page.over")
    if card.at is None:
        return say("notify.page.seen", by=card.by)
    return say("notify.page.taken", by=card.by, at=card.at)
