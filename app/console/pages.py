"""How a page is made: who reads it, in which language, with which headers; and what a refusal looks like to a person.

The one place that makes HTML of the console. What people typed is escaped by the template engine, always; no
page holds a script or a style of its own, and none asks another host for anything.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import parse_qs, quote, urlsplit
from zoneinfo import ZoneInfo

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.access.keys import Principal
from app.access.parts import Parts
from app.access.rights import RIGHTS
from app.errors import Problem, Unauthenticated
from app.levels import matrix
from app.notify.languages import in_language
from app.plan import revisions
from app.vocabulary import Localised
from app.wording import LANGUAGES, Wording, known, render, say

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; frame-ancestors 'none'; form-action 'self'; base-uri 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`: browsers then send `Origin: null` with a form, and over plain HTTP the edge would have
    # nothing left by which to tell our own forms from another site's.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
SECRET: Final = frozenset({"csrf", "key"})
"""Fields that are never shown again."""
_MOST_SHOWN: Final = 200
LANGUAGE_COOKIE: Final = "muster_language"
_NOT_PAGES: Final = ("/api/", "/intake/", "/v2/", "/static/")
_DONE: Final = frozenset(
    {
        "imported",
        "sample",
        "availability",
        "review_saved",
        "review_published",
        "retried",
        "mapping",
        "window",
        "checked_in",
        "absence_asked",
        "swap_offered",
        "answered",
        "reaching",
        "tried",
    }
)

Again = Callable[[AsyncSession], Awaitable[Response]]
"""Draws the page again that a refused form stood on."""


@dataclass(frozen=True)
class Typed:
    """What somebody typed into the form that was refused."""

    form: str = ""
    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def was(self, form: str) -> bool:
        return bool(form) and self.form == form

    def value(self, form: str, name: str, otherwise: Any = "") -> Any:
        """What to show in a field: what was typed into that very form, or `otherwise`."""
        return self.many(form, name, [otherwise])[0]

    def many(self, form: str, name: str, otherwise: Sequence[Any] = ()) -> Sequence[Any]:
        if not self.was(form):
            return otherwise
        return self.fields.get(name) or ([""] if otherwise else [])


@dataclass(frozen=True)
class Refusal:
    """A "no" as a person reads it: what stands against it, and the way out."""

    title: str
    detail: str
    allowed: Sequence[str]
    mistakes: Sequence[str]


# ── drawing ───────────────────────────────────────────────────────────────────────────────────────────────


def draw(request: Request, template: str, *, status: int = 200, **content: Any) -> HTMLResponse:
    """A page for whoever is asking."""
    language = language_of(request)
    zone = cast(ZoneInfo, getattr(request.state, "zone", UTC))
    who = cast("Principal | None", getattr(request.state, "who", None))

    def t(key: str, **params: Any) -> str:
        return render(say(key, **params), language)

    def loc(text: Any) -> str:
        if isinstance(text, Localised):
            return text.in_language(language)
        return in_language(text, language) if isinstance(text, Mapping) else str(text)

    def spoken(wording: Wording | Mapping[str, Any] | None) -> str:
        if isinstance(wording, Mapping):
            wording = Wording(wording["key"], wording["params"])
        return render(wording, language, zone) if wording else ""

    done = request.query_params.get("done")
    frame = {
        "t": t, "loc": loc, "spoken": spoken, "language": language, "languages": LANGUAGES, "who": who,
        "csrf": getattr(request.state, "csrf", ""), "now": request_time(request), "zone": str(zone),
        "local": lambda at: at.astimezone(zone).strftime("%m-%d %H:%M"),
        "local_long": lambda at: at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S"),
        "age": lambda span: t("console.age." + span[0], **span[1]), "span": span_of,
        "may": lambda method, path: may(who, method, path), "here": _here(request),
        "typed": getattr(request.state, "typed", Typed()), "refusal": getattr(request.state, "refusal", None),
        "done": done if done in _DONE else None, "held": request.app.state.engine.hold.is_held,
    }  # fmt: skip
    text = _PAGES.get_template(template).render(**frame, **content)
    return HTMLResponse(text, status, headers={**HEADERS, "Content-Language": language})


def go(path: str) -> Response:
    """To another page, by GET."""
    return RedirectResponse(path, 303, headers=HEADERS)


def span_of(span: timedelta) -> tuple[str, dict[str, int]]:
    """How long, as coarse as people say it: a key of the catalogue and its numbers."""
    minutes = max(int(span.total_seconds()) // 60, 0)
    if minutes < 60:
        return "minutes", {"minutes": minutes}
    if minutes < 48 * 60:
        return "hours", {"hours": minutes // 60, "minutes": minutes % 60}
    return "days", {"days": minutes // 1440}


def may(who: Principal | None, method: str, path: str) -> bool:
    """Whether the table of rights lets them; what it does not, a page does not offer."""
    right = RIGHTS.get((method, path))
    return who is not None and isinstance(right, frozenset) and who.role in right


async def in_local_time(request: Request, session: AsyncSession) -> None:
    """Let the page show times by the clock on the wall of the centre."""
    revision_id, _ = await matrix.in_force(session)
    request.state.zone = ZoneInfo((await revisions.document_of(session, revision_id)).plan.time_zone)


def language_of(request: Request) -> str:
    """The reader's language: of the session, as chosen before signing in, as the browser says."""
    fallback = cast(Parts, request.app.state.parts).settings.language
    language = getattr(request.state, "language", fallback)
    if getattr(request.state, "csrf", "") == "":
        for chosen in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
            if chosen in LANGUAGES:
                return chosen
    return cast(str, language)


def request_time(request: Request) -> datetime:
    """The moment of the request; one that never reached the edge asks the clock itself."""
    at = getattr(request.state, "now", None)
    return cast(datetime, at) if at is not None else cast(Parts, request.app.state.parts).clock.now()


def safe_next(path: str | None) -> str:
    """Where to go after signing in: a path of this service, whatever the link said."""
    if (
        not path
        or not path.isprintable()
        or "\\" in path
        or not path.startswith("/")
        or path.startswith("//")
    ):
        return "/board"
    parts = urlsplit(path)
    return path if not parts.scheme and not parts.netloc else "/board"


# ── refusals ──────────────────────────────────────────────────────────────────────────────────────────────


def is_for_a_person(request: Request) -> bool:
    """Whether a browser asked for a page, and not a program for an answer."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(_NOT_PAGES)


async def refused(request: Request, problem: Problem) -> Response:
    """The refusal as a page: the form that was refused with all that was typed, or a page of its own.

    Whatever the request had written is rolled back by now; the page is drawn from what stands.
    """
    if isinstance(problem, Unauthenticated) and request.method in {"GET", "HEAD"}:
        return go(f"/sign-in?next={quote(_path_of(request), safe='')}")
    if isinstance(problem, Unauthenticated) and getattr(request.state, "typed", None) is None:
        request.state.typed = await _typed_in_vain(request)
    request.state.refusal = _told(problem, language_of(request))
    response = await _drawn_again(request) or draw(request, "refused.html", problem=problem)
    response.status_code = problem.status
    response.headers.update(problem.headers)
    return response


async def _drawn_again(request: Request) -> Response | None:
    again = cast("Again | None", getattr(request.state, "again", None))
    if again is None:
        return None
    try:
        async with cast(Parts, request.app.state.parts).db.request(writing=False) as session:
            return await again(session)
    except (Problem, SQLAlchemyError):
        return None  # the page cannot be shown either: the reason alone, then


async def _typed_in_vain(request: Request) -> Typed:
    """What a form brought whose session had ended: shown for copying, never acted upon."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return Typed()
    body = (await request.body()).decode("utf-8", "replace")
    try:
        fields = parse_qs(body, max_num_fields=_MOST_SHOWN)
    except ValueError:
        return Typed()
    return Typed("", {name: values for name, values in fields.items() if name not in SECRET})


def _told(problem: Problem, language: str) -> Refusal:
    allowed = [render(_choice(problem, value), language) for value in problem.members.get("allowed", ())]
    mistakes = [_mistake(one, language) for one in problem.members.get("errors", ())]
    title = render(say(f"problem.{problem.slug}.title"), language)
    return Refusal(title, render(problem.detail, language), allowed, mistakes)


def _choice(problem: Problem, value: Any) -> Wording:
    first = "task_event" if "task" in problem.slug else "event"
    for key in (f"{first}.{value}", f"console.option.{value}"):
        if known(key):
            return say(key)
    return Wording(str(value))


def _mistake(one: Any, language: str) -> str:
    if not isinstance(one, Mapping):
        return render(one, language) if isinstance(one, Wording) else str(one)
    message = one.get("message", "")
    said = render(message, language) if isinstance(message, Wording) else str(message)
    path = str(one.get("path", ""))
    place = render(say(f"console.field.{path}"), language) if known(f"console.field.{path}") else path
    if "line" in one:
        return render(say("console.mistake.line", line=one["line"], place=place, message=said), language)
    return render(say("console.mistake", place=place, message=said), language)


def _here(request: Request) -> str:
    """The page a reload shows: that of the form, after a form was refused."""
    return str(getattr(request.state, "here", None) or _path_of(request))


def _path_of(request: Request) -> str:
    path = quote(request.scope["path"], safe="/")
    return f"{path}?{request.url.query}" if request.url.query else path


_PAGES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined,
    trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip
