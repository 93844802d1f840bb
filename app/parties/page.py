"""The page behind a party's link: what was shared, what they said so far, and four ways to answer. Works without a script.

Draws what a `Card` says and nothing besides; reads the form of the page into an answer. Decides nothing.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.errors import WrongShape
from app.notify.languages import in_language
from app.parties.requests import Card, Said
from app.parties.tables import Does
from app.wording import Wording, clock, render, say

_PAGES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)
_LONGEST_NOTE: Final = 4000
_LONGEST_NAME: Final = 150
_LONGEST_WAIT: Final = 60 * 24 * 30  # minutes
_MOST: Final = 1_000_000


def draw(card: Card, fallback: str, zone: tzinfo, *, thanks: bool) -> str:
    """The page as HTML, in the language of the party."""
    language = card.party.language or fallback

    def t(key: str, **params: object) -> str:
        return render(Wording(key, params), language)

    def told(at: datetime) -> str:
        return clock(at, zone)

    return _PAGES.get_template("party.html").render(
        t=t, told=told, language=language, level=card.request.level, party=card.party.name, contact=card.contact,
        urgency=render(say("parties.page.urgency", level=card.request.level), language),
        subject=in_language(card.request.subject, language), text=in_language(card.request.text, language),
        asked=card.request.asked, answers=card.answers, thanks=thanks,
    )  # fmt: skip


def read(form: Mapping[str, str], card: Card, *, at: datetime) -> Said:
    """The form of the page as an answer of the party. Raises `WrongShape` for what the page would not have sent."""
    wrong: list[tuple[str, Wording]] = []
    does = form.get("does", "")
    if does not in set(Does):
        wrong.append(("does", say("parties.form.does")))
    note, name = form.get("note", "").strip(), form.get("name", "").strip()
    if len(note) > _LONGEST_NOTE or "\0" in note or len(name) > _LONGEST_NAME or not name.isprintable():
        wrong.append(("note", say("parties.form.text")))
    minutes = _whole(form.get("minutes", ""), _LONGEST_WAIT)
    if minutes is None:
        wrong.append(("minutes", say("parties.form.minutes")))
    quantities: dict[str, int] = {}
    for one in card.request.asked if does == Does.COMMIT else ():
        many = _whole(form.get(f"many_{one['id']}", ""), _MOST)
        if many is None:
            wrong.append((f"many_{one['id']}", say("parties.form.quantity")))
        elif many:
            quantities[one["id"]] = many
    if wrong:
        errors = [{"in": "body", "path": path, "message": message} for path, message in wrong]
        raise WrongShape(say("access.shape"), errors=errors)
    return Said(
        does=Does(does), by=f"{name or card.contact} ({card.party.name})"[:200], via="link", note=note or None,
        ready_at=at + timedelta(minutes=minutes) if minutes else None, quantities=quantities,
    )  # fmt: skip


def _whole(text: str, most: int) -> int | None:
    """A number of the form, nothing for 0; `None` where it is none."""
    said = text.strip() or "0"
    if not (said.isascii() and said.isdigit() and len(said) <= len(str(most))):
        return None
    return int(said) if int(said) <= most else None
