"""The plan over HTTP: the one in force, its revisions, and the check of a plan that is not stored."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from app.access.edge import Edge, Here, IfMatch, Language, Now, Session, Who, problems
from app.access.paging import Page, Paging, paged
from app.errors import Malformed, NotFound, Stale, TooMany, Unavailable, UnsupportedMedia
from app.plan import changes, revisions
from app.plan.differences.notes import Difference
from app.plan.differences.told import told
from app.plan.outlook import report, standing
from app.plan.outlook.written import Written
from app.plan.reading import BadPlan
from app.plan.revisions import EditedMeanwhile, IllegalRevisionTransition
from app.plan.schemas import (
    MoveRevision,
    OutlookRead,
    PlanRead,
    RevisionDetail,
    RevisionRead,
    in_language,
)
from app.plan.tables import PlanRevision, Reason, RevisionState
from app.vocabulary import Moment
from app.wording import say

router = APIRouter(prefix="/api/v1", route_class=Edge, tags=["plan"])

_YAML: Final = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"})
_SARIF: Final = "application/sarif+json"
_FILE: Final = "plan.yaml"  # what mistakes call a text that came without a file name
YAML_BODY: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {"application/yaml": {"schema": {"type": "string"}}}}
}


async def _text(request: Request) -> str:
    """The body as the YAML text it must be."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in _YAML:
        raise UnsupportedMedia(say("revisions.media"))
    try:
        text = (await request.body()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(say("revisions.not_utf8")) from error
    # PostgreSQL keeps no NUL; the reader of YAML would refuse it too, but the same way on both is said here.
    if "\0" in text:
        raise Malformed(say("revisions.not_utf8"))
    return text


Yaml = Annotated[str, Depends(_text)]
Reasons = Annotated[
    Sequence[Reason], Query(alias="reason", description="Why it was written; as often as needed.")
]


@router.get("/plan", response_model=PlanRead, responses=problems(Unavailable))
async def read_plan(session: Session) -> PlanRead:
    """The plan in force, as a document."""
    revision_id, document = await revisions.in_force(session)
    return PlanRead(revision=RevisionRead.of(await revisions.found(session, revision_id)), document=document)


@router.get("/plan/check", response_model=OutlookRead, responses=problems(TooMany, Unavailable))
async def check_outlook(
    session: Session, parts: Here, now: Now, language: Language,
    days: Annotated[int, Query(ge=1, le=report.MOST_DAYS)] = report.DAYS,
    since: Annotated[Moment | None, Query(alias="from")] = None,
) -> OutlookRead:  # fmt: skip
    """Check the plan in force together with the people, rosters and stock of the coming days (EP-10.3)."""
    async with standing.alone(parts.checks):
        looked = await standing.look_ahead(
            session, at=since or now, days=days, channels=parts.settings.channels
        )
    return OutlookRead.of(looked, language)


@router.post(
    "/plan/check", response_model=OutlookRead, openapi_extra=YAML_BODY,
    responses={**problems(UnsupportedMedia, TooMany), 200: {"content": {_SARIF: {"schema": {"type": "object"}}}}},
)  # fmt: skip
async def check_plan(
    text: Yaml, parts: Here, now: Now, language: Language,
    days: Annotated[int, Query(ge=1, le=report.MOST_DAYS, description="How far to look ahead.")] = report.DAYS,
    since: Annotated[Moment | None, Query(alias="from", description="Now, if not given.")] = None,
    organisation: Annotated[
        bool, Query(description="Together with the people, rosters and stock there are; false: the document alone.")
    ] = True,
    form: Annotated[
        Literal["json", "sarif"], Query(alias="format", description="SARIF 2.1.0 is for code hosts.")
    ] = "json",
) -> OutlookRead | Response:  # fmt: skip
    """Check a plan as it would be carried out by who and what there is (EP-10.3); nothing is stored.

    A text that is no plan at all is answered 422. One check runs at a time; the next is told when to come again.
    """
    channels = parts.settings.channels
    with told_in(language):
        async with standing.alone(parts.checks):
            looked = await standing.look_at(
                parts.db,
                text,
                file=_FILE,
                at=since or now,
                days=days,
                channels=channels,
                organisation=organisation,
            )
    if form == "sarif":
        return Response(Written(looked.report, looked.source, None, language).sarif(), media_type=_SARIF)
    return OutlookRead.of(looked, language)


@router.get("/plan/revisions", response_model=Page[RevisionRead], responses=problems())
async def list_revisions(
    session: Session, part: Paging, state: RevisionState | None = None
) -> Page[RevisionRead]:
    """All revisions, newest first."""
    rows, following = await paged(session, revisions.every(state=state), PlanRevision.id, part)
    return Page(items=[RevisionRead.of(row) for row in rows], next=following)


@router.post(
    "/plan/revisions", status_code=201, response_model=RevisionDetail, responses=problems(UnsupportedMedia),
    openapi_extra=YAML_BODY,
)  # fmt: skip
async def store_revision(
    text: Yaml,
    session: Session,
    who: Who,
    now: Now,
    language: Language,
    response: Response,
    reasons: Reasons = (),
) -> RevisionDetail:
    """Store a plan as a draft, answered with its check report; one with errors is refused."""
    with told_in(language):
        revision = await revisions.store(session, text, by=who, at=now, file=_FILE, reasons=reasons)
    response.headers["Location"] = f"/api/v1/plan/revisions/{revision.id}"
    return await detail(session, revision, language, response)


@router.put(
    "/plan/revisions/{revision_id}", response_model=RevisionDetail, openapi_extra=YAML_BODY,
    responses=problems(NotFound, UnsupportedMedia, EditedMeanwhile, IllegalRevisionTransition),
)  # fmt: skip
async def rewrite_revision(
    revision_id: str, text: Yaml, session: Session, who: Who, now: Now, version: IfMatch, language: Language,
    response: Response, reasons: Reasons = (),
) -> RevisionDetail:  # fmt: skip
    """Write a draft anew. `If-Match` says which version you edited; if somebody was first, the differences are answered."""
    with told_in(language):
        revision = await revisions.rewrite(
            session, revision_id, text, by=who, at=now, file=_FILE, version=version, reasons=reasons
        )
    return await detail(session, revision, language, response)


@router.get("/plan/revisions/{revision_id}", response_model=RevisionDetail, responses=problems(NotFound))
async def read_revision(
    revision_id: str, session: Session, language: Language, response: Response
) -> RevisionDetail:
    """One revision, with its check report and where it differs from the plan in force."""
    return await detail(session, await revisions.found(session, revision_id), language, response)


@router.get(
    "/plan/revisions/{revision_id}/source", response_class=Response,
    responses={**problems(NotFound), 200: {"content": {"application/yaml": {"schema": {"type": "string"}}}}},
)  # fmt: skip
async def read_source(revision_id: str, session: Session) -> Response:
    """The YAML of a revision, as it was given."""
    revision = await revisions.found(session, revision_id)
    return Response(revision.source.encode(), media_type="application/yaml")


@router.post(
    "/plan/revisions/{revision_id}/transitions", status_code=201, response_model=RevisionDetail,
    responses=problems(NotFound, IllegalRevisionTransition, Stale),
)  # fmt: skip
async def move_revision(
    revision_id: str, move: MoveRevision, session: Session, who: Who, now: Now, version: IfMatch,
    language: Language, response: Response,
) -> RevisionDetail:  # fmt: skip
    """Submit, approve, reject or enforce a revision."""
    revision = await revisions.move(
        session, revision_id, move.event, by=who, at=now, note=move.note, version=version
    )
    return await detail(session, revision, language, response)


@contextmanager
def told_in(language: str) -> Iterator[None]:
    """Say what is wrong with a plan in the reader's language."""
    try:
        yield
    except BadPlan as refusal:
        raise in_language(refusal, language) from None


async def detail(
    session: Session, revision: PlanRevision, language: str, response: Response
) -> RevisionDetail:
    await session.flush()
    response.headers["ETag"] = f'"{revision.version}"'
    places: list[changes.Change] = []
    differences: list[Difference] = []
    standing = await revisions.current(session)
    if standing is not None and standing.id != revision.id:
        old = await revisions.document_of(session, standing.id)
        new = await revisions.document_of(session, revision.id)
        places, differences = changes.between(old, new), told(old, new)
    return RevisionDetail.whole(revision, places, differences, language, standing=standing)
