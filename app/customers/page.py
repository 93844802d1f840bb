"""The public status page, as HTML, Atom and JSON: the same board and language always give the same bytes.

Pure. No script, nothing from elsewhere, and nothing that is not on the board.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.customers.board import Board, Thread
from app.notify.languages import in_language
from app.wording import LANGUAGES, render, say

_TEMPLATES: Final = Path(__file__).parent / "templates"
_PAGES: Final = Environment(
    loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip
STYLE: Final = (_TEMPLATES / "status.css").read_text(encoding="utf-8")
# What XML 1.0 has no way to write, and a page has no use for.
_UNWRITABLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BEFORE_ANYTHING: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Form(StrEnum):
    """What a reader can have it as."""

    HTML = "html"
    ATOM = "atom"
    JSON = "json"


MEDIA_TYPES: Final[Mapping[Form, str]] = {
    Form.HTML: "text/html; charset=utf-8",
    Form.ATOM: "application/atom+xml; charset=utf-8",
    Form.JSON: "application/json",
}


def draw(board: Board, form: Form, language: str, *, base_url: str) -> bytes:
    """The board in one form and language."""
    if form is Form.JSON:
        return json.dumps(_document(board, language), ensure_ascii=False, indent=1).encode()
    zone = ZoneInfo(board.zone)

    def t(key: str, **params: Any) -> str:
        return render(say(f"status.{key}", **params), language)

    text = _PAGES.get_template("status.html" if form is Form.HTML else "status.atom").render(
        board=board, language=language, languages=LANGUAGES, base=base_url.rstrip("/"), t=t, zone=board.zone,
        loc=lambda said: _UNWRITABLE.sub("", in_language(said, language)), urn=urn, iso=_iso,
        local=lambda at: at.astimezone(zone).strftime("%Y-%m-%d %H:%M"),
        feed=f"urn:uuid:{uuid5(NAMESPACE_URL, f'{base_url}/status.atom?lang={language}')}",
        updated=board.updated_at or _BEFORE_ANYTHING,
    )  # fmt: skip
    return text.encode()


def urn(thread: Thread) -> str:
    """An id that stays the same wherever the page moves to, in every language."""
    return f"urn:uuid:{uuid5(NAMESPACE_URL, thread.id)}"


def _document(board: Board, language: str) -> dict[str, Any]:
    def said(text: Mapping[str, Any]) -> str:
        return in_language(text, language)

    return {
        "language": language,
        "updated_at": _iso(board.updated_at) if board.updated_at else None,
        "current": [_thread(one, said) for one in board.current],
        "past": [_thread(one, said) for one in board.past],
    }


def _thread(thread: Thread, said: Callable[[Mapping[str, Any]], str]) -> dict[str, Any]:
    return {
        "id": thread.id,
        "title": said(thread.newest.title),
        "stage": thread.newest.stage,
        "begun_at": _iso(thread.begun_at),
        "updated_at": _iso(thread.updated_at),
        "ended_at": _iso(thread.ended_at) if thread.ended_at else None,
        "updates": [
            {"at": _iso(one.at), "stage": one.stage, "title": said(one.title), "text": said(one.text)}
            for one in thread.told
        ],
    }


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
