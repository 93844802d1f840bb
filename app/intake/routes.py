"""Where people enrol sources and look after what they sent. Where monitoring posts to is `receiving`."""

from typing import Any

from fastapi import APIRouter, Request

from app.access.edge import Edge, Here, Language, Now, Session, Who, problems
from app.access.paging import Page, Paging, paged
from app.errors import NotFound, Refused
from app.intake import enrolment, inbox, trying
from app.intake.enrolment import Enrolment
from app.intake.schemas import (
    ChangeSource,
    EnrolSource,
    KeyMade,
    ReceiptRead,
    ReceiptSummary,
    SourceMade,
    SourceRead,
    Tried,
)
from app.intake.tables import Receipt, ReceiptState, Source

router = APIRouter(route_class=Edge, tags=["intake"])

_ANY_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}
}


@router.post("/api/v1/sources", status_code=201, responses=problems(Refused))
async def enrol_source(asked: EnrolSource, session: Session, here: Here, who: Who, now: Now) -> SourceMade:
    """Make a source. The answer holds its key, and this is the only time it is shown."""
    said = Enrolment(
        slug=asked.slug,
        kind=asked.kind,
        name=asked.name or asked.slug,
        mapping=asked.mapping,
        default_type=asked.default_type,
        signing_secret=asked.signing_secret.get_secret_value() if asked.signing_secret else None,
        expect_every=asked.expect_every,
        addresses=asked.addresses,
        topics=asked.topics,
    )
    source, shown = await enrolment.enrol(session, said, vault=here.vault, by=who.name, at=now)
    of = await enrolment.live_keys(session, [source], at=now)
    return SourceMade.of(source, of[source.id], key=shown)


@router.get("/api/v1/sources", responses=problems())
async def list_sources(session: Session, now: Now, part: Paging) -> Page[SourceRead]:
    """Sources, newest first."""
    rows, cursor = await paged(session, enrolment.listing(), Source.id, part)
    of = await enrolment.live_keys(session, rows, at=now)
    return Page(items=[SourceRead.of(row, of[row.id]) for row in rows], next=cursor)


@router.patch("/api/v1/sources/{slug}", responses=problems(NotFound))
async def change_source(slug: str, asked: ChangeSource, session: Session, now: Now) -> SourceRead:
    """What is expected of a source, how its bodies are read, and where it may come from."""
    source = await enrolment.found(session, slug)
    said = asked.model_fields_set
    if "expect_every" in said:
        enrolment.expect(source, asked.expect_every)
    if "mapping" in said:
        enrolment.read_by(source, asked.mapping)
    if "addresses" in said:
        source.addresses = asked.addresses
    if "topics" in said:
        source.topics = asked.topics
    of = await enrolment.live_keys(session, [source], at=now)
    return SourceRead.of(source, of[source.id])


@router.post("/api/v1/sources/{slug}/keys", status_code=201, responses=problems(NotFound))
async def another_key(slug: str, session: Session, who: Who, now: Now) -> KeyMade:
    """A second key, valid beside the first: put it in place, then revoke the old one."""
    source = await enrolment.found(session, slug)
    return KeyMade(key=await enrolment.another_key(session, source, by=who.name, at=now))


@router.post("/api/v1/sources/{slug}/disable", responses=problems(NotFound))
async def disable_source(slug: str, session: Session, now: Now) -> SourceRead:
    """Take nothing more of this source. What it sent stays."""
    source = await enrolment.found(session, slug)
    enrolment.disable(source, at=now)
    of = await enrolment.live_keys(session, [source], at=now)
    return SourceRead.of(source, of[source.id])


@router.post("/api/v1/sources/{slug}/try", responses=problems(NotFound), openapi_extra=_ANY_BODY)
async def try_body(slug: str, request: Request, session: Session, language: Language) -> Tried:
    """What this body would give if the source sent it. Nothing is kept, nobody is told."""
    source = await enrolment.found(session, slug)
    return Tried.of(trying.tried(source, await request.body(), request.headers), language)


@router.get("/api/v1/receipts", responses=problems(NotFound))
async def list_receipts(
    session: Session,
    language: Language,
    part: Paging,
    state: ReceiptState | None = None,
    source: str | None = None,
) -> Page[ReceiptSummary]:
    """What was received, newest first; `?state=not_understood` is what somebody should look at."""
    source_id = (await enrolment.found(session, source)).id if source is not None else None
    rows, cursor = await paged(session, inbox.search(state=state, source_id=source_id), Receipt.id, part)
    slugs = await enrolment.slugs(session)
    return Page(items=[ReceiptSummary.of(row, slugs, language) for row in rows], next=cursor)


@router.get("/api/v1/receipts/{receipt_id}", responses=problems(NotFound))
async def read_receipt(receipt_id: str, session: Session, language: Language) -> ReceiptRead:
    """One receipt: its body, its signals and what became of each."""
    receipt = await inbox.found(session, receipt_id)
    slugs = await enrolment.slugs(session)
    return ReceiptRead.whole(receipt, await inbox.verdicts(session, receipt), slugs, language)
