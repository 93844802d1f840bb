"""Reviews, improvement items and figures over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from app.access.edge import Edge, IfMatch, Language, Now, Session, Who, problems
from app.access.paging import Page, Paging, paged
from app.errors import NotFound, Stale, WrongShape
from app.incidents.authority import layer_of, seen
from app.levels import matrix
from app.reviews import draft, improvements, markdown, metrics, publishing
from app.reviews.improvements import IllegalImprovementTransition
from app.reviews.metrics import By
from app.reviews.publishing import ReviewPublished
from app.reviews.schemas import EditReview, ImprovementRead, MetricsRead, MoveImprovement, ReviewRead
from app.reviews.tables import Improvement, ImprovementState, Review
from app.vocabulary import Moment
from app.wording import say

router = APIRouter(prefix="/api/v1", route_class=Edge, tags=["reviews"])

_USUAL_PERIOD: Final = timedelta(days=30)
_LONGEST_PERIOD: Final = timedelta(days=3 * 366)
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)


@router.get(
    "/incidents/{incident_id}/review", response_model=ReviewRead,
    responses={**problems(NotFound), 200: {"content": {"text/markdown": {"schema": {"type": "string"}}}}},
)  # fmt: skip
async def read_review(
    incident_id: str, request: Request, session: Session, who: Who, language: Language, response: Response
) -> ReviewRead | Response:
    """The review of an incident; `Accept: text/markdown` for a document. There is none before the close."""
    incident = await seen(session, who, incident_id)
    review = await publishing.found(session, incident)
    if not _wants_markdown(request):
        return await _read(session, review, response)
    items = await draft.improvements_of(session, incident.id)
    zone = (await matrix.of(session, incident.plan_revision)).zone
    document = markdown.export(incident, review, items, language, zone)
    return Response(
        document, media_type="text/markdown; charset=utf-8", headers={"ETag": f'"{review.version}"'}
    )


@router.patch(
    "/incidents/{incident_id}/review", response_model=ReviewRead,
    responses=problems(NotFound, ReviewPublished, Stale),
)  # fmt: skip
async def edit_review(
    incident_id: str, change: EditReview, session: Session, who: Who, now: Now, version: IfMatch,
    response: Response,
) -> ReviewRead:  # fmt: skip
    """Write into the draft; a published review is fixed."""
    review = await publishing.found(session, await seen(session, who, incident_id))
    edited = await publishing.edit(session, review, change.change(), by=who.name, at=now, version=version)
    return await _read(session, edited, response)


@router.post(
    "/incidents/{incident_id}/review/publish", response_model=ReviewRead,
    responses=problems(NotFound, ReviewPublished, Stale),
)  # fmt: skip
async def publish_review(
    incident_id: str, session: Session, who: Who, now: Now, version: IfMatch, response: Response
) -> ReviewRead:
    """Fix the review: its improvement items are open from now on, and the incident is reviewed."""
    review = await publishing.found(session, await seen(session, who, incident_id))
    published = await publishing.publish(
        session, review, by=who.name, at=now, layer=layer_of(who), version=version
    )
    return await _read(session, published, response)


@router.get("/improvements", response_model=Page[ImprovementRead], responses=problems())
async def list_improvements(
    session: Session, part: Paging, state: ImprovementState | None = None, incident: str | None = None,
    owner: str | None = None, drill: str | None = None,
) -> Page[ImprovementRead]:  # fmt: skip
    """Improvement items, newest first."""
    query = improvements.every(state=state, incident_id=incident, owner=owner, drill_id=drill)
    rows, following = await paged(session, query, Improvement.id, part)
    return Page(items=[ImprovementRead.of(row) for row in rows], next=following)


@router.post(
    "/improvements/{improvement_id}/transitions", status_code=201, response_model=ImprovementRead,
    responses=problems(NotFound, IllegalImprovementTransition, Stale),
)  # fmt: skip
async def move_improvement(
    improvement_id: str,
    move: MoveImprovement,
    session: Session,
    who: Who,
    version: IfMatch,
    response: Response,
) -> ImprovementRead:
    """Complete an item with evidence, verify what somebody else completed, drop it with a reason, or reopen it."""
    item = await improvements.move(
        session, improvement_id, move.event, by=who, note=move.note, evidence=move.evidence, version=version
    )
    response.headers["ETag"] = f'"{item.version}"'
    return ImprovementRead.of(item)


@router.get("/metrics", response_model=MetricsRead, responses=problems())
async def read_metrics(
    session: Session, now: Now,
    start: Annotated[Moment | None, Query(alias="from", description="30 days before `to`.")] = None,
    end: Annotated[Moment | None, Query(alias="to", description="Not included; now.")] = None,
    by: By | None = None,
) -> MetricsRead:  # fmt: skip
    """Figures of the incidents detected in a period, together and by level, type or department."""
    end = end or now
    start = start or max(end, _EARLIEST + _USUAL_PERIOD) - _USUAL_PERIOD
    if not timedelta() < end - start <= _LONGEST_PERIOD:
        raise WrongShape(say("metrics.period", days=_LONGEST_PERIOD.days), errors=[{"path": "from"}])
    answer = await metrics.over(session, start=start, end=end, at=now, by=by)
    return MetricsRead.of(answer, start=start, end=end, by=by)


def _wants_markdown(request: Request) -> bool:
    kinds = [kind.partition(";")[0].strip().lower() for kind in request.headers.get("accept", "").split(",")]
    return "text/markdown" in kinds and "application/json" not in kinds


async def _read(session: Session, review: Review, response: Response) -> ReviewRead:
    await session.flush()
    response.headers["ETag"] = f'"{review.version}"'
    return ReviewRead.of(review, await draft.improvements_of(session, review.incident_id))
