"""Where monitoring posts to, and where people look after what it sends.

The routes under `/intake` and `/v2` name their caller themselves, because each sender shows its key in its
own way. They answer 400 without raising: what was authenticated and could not be understood is kept, and an
exception would take that back.
"""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from app.access.edge import Edge, Here, Language, Now, Session, Who, problems, shown_key
from app.access.paging import Page, Paging, paged
from app.errors import Malformed, NotFound, Problem, Refused
from app.intake import admission, enrolment, inbox
from app.intake.enrolment import Enrolment
from app.intake.recognition import looks_like
from app.intake.schemas import (
    Accepted,
    ChangeSource,
    Enqueued,
    EnrolSource,
    InvalidEvent,
    KeyMade,
    ReceiptRead,
    ReceiptSummary,
    SignalRead,
    SourceMade,
    SourceRead,
    Tried,
)
from app.intake.signals import NotUnderstood
from app.intake.tables import Receipt, ReceiptState, Source
from app.problems import as_response
from app.wording import render, say

router = APIRouter(route_class=Edge, tags=["intake"])

_ANY_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}
}


# ── for monitoring ────────────────────────────────────────────────────────────────────────────────────────


@router.post("/intake/{slug}", response_model=Accepted, responses=problems(), openapi_extra=_ANY_BODY)
async def take_in(
    slug: str,
    request: Request,
    session: Session,
    here: Here,
    now: Now,
    language: Language,
    key: Annotated[str | None, Query(description="For senders that can show a key in no other way.")] = None,
) -> Response:
    """A monitoring webhook, in the format of the source's kind. The answer means that it is stored.

    The source's key comes as bearer, basic password, `X-API-Key` or `?key=`; or the body is signed, as
    Standard Webhooks has it.
    """
    body, shown = await request.body(), shown_key(request) or key
    source = await admission.admit(
        session, slug, admission.Shown(shown, request.headers, body), vault=here.vault, at=now
    )
    content_type = request.headers.get("content-type")
    document: Any = None
    try:
        document = inbox.document_of(body, content_type)
        signals = inbox.signals_of(source, document)
    except NotUnderstood as refusal:
        receipt = await inbox.keep_unread(
            session,
            source,
            body,
            refusal,
            content_type=content_type,
            at=now,
            secrets=_secrets(shown, document),
        )
        return as_response(_told_why(refusal, receipt, language), language, request.url.path)
    receipt = await inbox.receive(
        session, source, body, signals, content_type=content_type, at=now, secrets=_secrets(shown, document)
    )
    kind, _ = enrolment.reading_of(source)
    answer = Accepted(receipt=receipt.id, signals=len(signals))
    return Response(answer.model_dump_json(), kind.success, media_type="application/json")


@router.post(
    "/v2/enqueue", status_code=202, response_model=Enqueued, openapi_extra=_ANY_BODY,
    responses={**problems(), 400: {"model": InvalidEvent, "description": InvalidEvent.__doc__}},
)  # fmt: skip
async def enqueue(request: Request, session: Session, now: Now, language: Language) -> Response:
    """PagerDuty Events v2: `routing_key` is the key of a source of the kind `pagerduty`.

    Every refusal is a 400 in PagerDuty's own form, that of an unknown key too: its clients read nothing else.
    """
    body, content_type = await request.body(), request.headers.get("content-type")
    try:
        document = inbox.document_of(body, content_type)
    except NotUnderstood as refusal:
        # The key is somewhere inside: nobody can say whose words these are, and strangers' are not kept.
        return _invalid_event([refusal.detail], language)
    shown = _routing_key(document)
    try:
        source = await admission.admit_to(session, "pagerduty", shown, at=now)
    except Problem as refused:
        return _invalid_event([refused.detail], language)
    try:
        (signal,) = inbox.signals_of(source, document)
    except NotUnderstood as refusal:
        await inbox.keep_unread(
            session,
            source,
            body,
            refusal,
            content_type=content_type,
            at=now,
            secrets=_secrets(shown, document),
        )
        return _invalid_event(refusal.errors or [refusal.detail], language)
    await inbox.receive(
        session, source, body, [signal], content_type=content_type, at=now, secrets=_secrets(shown, document)
    )
    answer = Enqueued(dedup_key=signal.dedup_key)
    return Response(answer.model_dump_json(), 202, media_type="application/json")


def _secrets(shown: str | None, document: Any) -> list[str]:
    """What must not be kept with the body."""
    return [secret for secret in dict.fromkeys((shown, _routing_key(document))) if secret]


def _routing_key(document: Any) -> str | None:
    key = document.get("routing_key") if isinstance(document, dict) else None
    return key if isinstance(key, str) and key else None


def _told_why(refusal: NotUnderstood, receipt: Receipt, language: str) -> Problem:
    return Malformed(
        refusal.detail, receipt=receipt.id, errors=[render(error, language) for error in refusal.errors]
    )


def _invalid_event(errors: Any, language: str) -> Response:
    document = {
        "status": "invalid event",
        "message": render(say("intake.pagerduty.invalid"), language),
        "errors": [render(error, language) for error in errors],
    }
    return Response(
        json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace"),
        400,
        media_type="application/json",
    )


# ── for people ────────────────────────────────────────────────────────────────────────────────────────────


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
    """How often something is expected of a source."""
    source = await enrolment.found(session, slug)
    enrolment.expect(source, asked.expect_every)
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
    document: Any = None
    try:
        document = inbox.document_of(await request.body(), request.headers.get("content-type"))
        signals = inbox.signals_of(source, document)
    except NotUnderstood as refusal:
        return Tried(
            understood=False,
            signals=[],
            looks_like=looks_like(document),
            reason=render(refusal.detail, language),
            errors=[render(error, language) for error in refusal.errors],
        )
    return Tried(
        understood=True,
        signals=[SignalRead.of(signal) for signal in signals],
        looks_like=looks_like(document),
        reason=None,
        errors=[],
    )


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
