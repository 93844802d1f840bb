"""The public status page over HTTP: no sign-in, cacheable by anybody, with nothing that is not for everybody (OM-2, EP-7.1.2)."""

from datetime import UTC
from email.utils import format_datetime
from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse

from app.access.edge import Edge, problems
from app.customers import page
from app.customers.page import MEDIA_TYPES, Form
from app.customers.serving import StatusPage
from app.errors import TooMany, Unavailable
from app.wording import LANGUAGES

router = APIRouter(route_class=Edge, tags=["status"])
_CACHED: Final = "public, max-age=15, stale-while-revalidate=30, stale-if-error=86400"
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": _CACHED,
    "Vary": "Accept-Language",
}
Lang = Annotated[
    str | None, Query(max_length=20, description="`zh-Hans`, `zh-Hant` or `en`; else `Accept-Language`.")
]


def _answers(form: Form) -> dict[int | str, dict[str, Any]]:
    kind = MEDIA_TYPES[form].partition(";")[0]
    content = {kind: {"schema": {"type": "object" if form is Form.JSON else "string"}}}
    return {
        **problems(TooMany, Unavailable),
        200: {"description": "The page", "content": content},
        304: {"description": "The copy you have is good"},
    }


@router.head("/status", include_in_schema=False)
@router.get("/status", response_class=Response, responses=_answers(Form.HTML))
async def show(request: Request, lang: Lang = None) -> Response:
    """What customers are told now, and what they were told in the last 90 days, as a page that needs no script."""
    return await _copy(request, Form.HTML, lang)


@router.head("/status.atom", include_in_schema=False)
@router.get("/status.atom", response_class=Response, responses=_answers(Form.ATOM))
async def feed(request: Request, lang: Lang = None) -> Response:
    """The same as an Atom feed (RFC 4287): one entry for each announcement, the same id for good."""
    return await _copy(request, Form.ATOM, lang)


@router.head("/status.json", include_in_schema=False)
@router.get("/status.json", response_class=Response, responses=_answers(Form.JSON))
async def document(request: Request, lang: Lang = None) -> Response:
    """The same for programs: `current` and `past`, each with its `updates`, the newest first."""
    return await _copy(request, Form.JSON, lang)


@router.head("/status.css", include_in_schema=False)
@router.get("/status.css", include_in_schema=False)
async def style() -> Response:
    return PlainTextResponse(
        page.STYLE, headers={"Cache-Control": "public, max-age=3600"}, media_type="text/css"
    )


async def _copy(request: Request, form: Form, lang: str | None) -> Response:
    served = cast(StatusPage, request.app.state.status_page)
    served.let_in(request.client.host if request.client else "")
    language = lang if lang in LANGUAGES else cast(str, request.state.language)
    copy = await served.copy(form, language)
    headers = {**HEADERS, "ETag": copy.etag, "Content-Language": language}
    if copy.updated_at is not None:
        headers["Last-Modified"] = format_datetime(
            copy.updated_at.astimezone(UTC).replace(microsecond=0), usegmt=True
        )
    if form is Form.JSON:
        headers["Access-Control-Allow-Origin"] = "*"  # it holds nothing that is not for everybody
    if _has_it(request.headers.get("if-none-match"), copy.etag):
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        headers["Content-Length"] = str(len(copy.body))
        return Response(headers=headers, media_type=MEDIA_TYPES[form])
    return Response(copy.body, headers=headers, media_type=MEDIA_TYPES[form])


def _has_it(shown: str | None, etag: str) -> bool:
    """Whether the reader's copy is this one (RFC 9110, 13.1.2)."""
    if shown is None:
        return False
    return any(one.strip().removeprefix("W/") in (etag, "*") for one in shown.split(","))
