"""Where monitoring posts to: `/intake`, and the addresses its clients know from PagerDuty and Opsgenie.

These routes name their caller themselves, because each sender shows its key in its own way, and store in groups
(`groups`): no session of their own, no dependency to be solved, so that a straight lane leads to them (`lane`). A request that
bears an `Idempotency-Key` goes the ordinary way through the edge, one transaction of its own in which its answer is kept. They
answer 400 without raising: what was authenticated and could not be understood is kept, and an exception would take that back.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Final, Literal, cast

from fastapi import APIRouter, Query, Request, Response

from app.access.edge import Edge, problems, shown_key
from app.access.parts import Parts
from app.errors import Forbidden, Malformed, NotFound, Problem, TooMany, Unauthenticated, Unavailable
from app.intake import admission, enrolment, inbox
from app.intake.admission import Asking, Shown
from app.intake.certified import Certified
from app.intake.envelopes import document_of
from app.intake.groups import Groups
from app.intake.inbox import Kept, Told
from app.intake.kinds import KINDS
from app.intake.schemas import Accepted, ChangeEnqueued, Enqueued, InvalidEvent, Requested
from app.intake.signals import NotUnderstood
from app.intake.sources import opsgenie, pagerduty
from app.problems import as_response
from app.wording import Wording, render, say

router = APIRouter(route_class=Edge, tags=["intake"])

_ANY_BODY: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}
}


_INTAKE: Final[dict[str, Any]] = {
    "response_model": Accepted,
    "responses": problems(TooMany, Unavailable),
    "openapi_extra": _ANY_BODY,
}
_Key = Annotated[str | None, Query(description="For senders that can show a key in no other way.")]
_IntegrationKey = Annotated[
    str | None, Query(description="The same, by the name that FlashDuty's senders use.")
]


@router.post("/intake/{slug}", **_INTAKE)
async def take_in(
    slug: str, request: Request, key: _Key = None, integration_key: _IntegrationKey = None
) -> Response:
    """A monitoring webhook, in the format of the source's kind. The answer means that it is stored.

    The source's key comes as bearer, basic password, `X-API-Key` or `?key=`; or the body is signed, as
    Standard Webhooks has it, or as the source's kind does.
    """
    return await _take_in(slug, request)


@router.put("/intake/{slug}", **_INTAKE)
async def put_in(
    slug: str, request: Request, key: _Key = None, integration_key: _IntegrationKey = None
) -> Response:
    """The same, for senders that can be told to PUT."""
    return await _take_in(slug, request)


@router.options("/intake/{slug}", status_code=204, responses=problems(NotFound))
async def may_deliver(slug: str, request: Request) -> Response:
    """The handshake of CloudEvents' webhooks: whoever asks may deliver, if what it then posts shows the key.

    Says the same for every address that a source might have, whether there is one or not.
    """
    if not enrolment.may_be_slug(slug):
        raise NotFound(say("intake.no_such_source", slug=slug[:63]))
    origin = request.headers.get("webhook-request-origin", "")
    headers = {"Allow": "POST, PUT, OPTIONS"}
    if origin:
        headers |= {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"}
    return Response(status_code=204, headers=headers)


async def _take_in(slug: str, request: Request) -> Response:
    said = request.query_params
    shown = shown_key(request) or said.get("key") or said.get("integration_key")
    asking = Asking(_shown(request, shown, await request.body()), slug=slug)
    kept = await _keep(request, await _verified(request, _read(request, asking)))
    if kept.refusal is not None:
        return _told_why(request, kept, kept.refusal)
    answer = Accepted(receipt=kept.receipt_id, signals=len(kept.signals))
    return Response(answer.model_dump_json(), kept.kind.success, media_type="application/json")


_PAGERDUTY: Final[dict[str, Any]] = {
    "status_code": 202,
    "openapi_extra": _ANY_BODY,
    "responses": {**problems(TooMany), 400: {"model": InvalidEvent, "description": InvalidEvent.__doc__}},
}


@router.post("/v2/enqueue", response_model=Enqueued, **_PAGERDUTY)
async def enqueue(request: Request) -> Response:
    """PagerDuty Events v2: `routing_key` is the key of a source of the kind `pagerduty`.

    Every refusal is a 400 in PagerDuty's own form, that of an unknown key too: its clients read nothing else.
    """
    kept = await _event(request, lambda document: document)
    if isinstance(kept, Response):
        return kept
    (signal,) = kept.signals
    answer = Enqueued(dedup_key=signal.dedup_key)
    return Response(answer.model_dump_json(), 202, media_type="application/json")


@router.post("/v2/change/enqueue", response_model=ChangeEnqueued, **_PAGERDUTY)
async def enqueue_change(request: Request) -> Response:
    """PagerDuty's change events, by the same key: kept to be looked up, and nobody is called."""
    kept = await _event(request, pagerduty.of_a_change)
    if isinstance(kept, Response):
        return kept
    return Response(ChangeEnqueued().model_dump_json(), 202, media_type="application/json")


async def _event(request: Request, said: Callable[[Any], Any]) -> Kept | Response:
    """What is kept of an event, `said` by its body and its address; or the refusal, in PagerDuty's own form."""
    body, language = await request.body(), request.state.language
    try:
        document = document_of(body, request.headers.get("content-type"))
    except NotUnderstood as refusal:
        # The key is somewhere inside: nobody can say whose words these are, and strangers' are not kept.
        return _invalid_event([refusal.detail], language)
    asking = Asking(_shown(request, inbox.routing_key(document), body), kind="pagerduty")
    try:
        kept = await _keep(request, Told(asking, request.headers.get("content-type"), said(document)))
    except (Unauthenticated, Forbidden) as refused:
        return _invalid_event([refused.detail], language)
    if kept.refusal is not None:
        return _invalid_event(kept.refusal.errors or [kept.refusal.detail], language)
    return kept


_OPSGENIE: Final[dict[str, Any]] = {
    "status_code": 202,
    "response_model": Requested,
    "openapi_extra": _ANY_BODY,
    "responses": problems(TooMany),
}
_Identifier = Annotated[Literal["alias"], Query(alias="identifierType")]


@router.post("/v2/alerts", **_OPSGENIE)
async def create_alert(request: Request) -> Response:
    """Opsgenie's alert API: `GenieKey` is the key of a source of the kind `opsgenie`."""
    return await _alert(request, opsgenie.CREATE, None)


@router.post("/v2/alerts/{alias:path}/close", **_OPSGENIE)
async def close_alert(alias: str, request: Request, identifier: _Identifier = "alias") -> Response:
    """It has ended. An alias we know nothing of is a success: the sender cannot know our history."""
    return await _alert(request, "close", alias)


@router.post("/v2/alerts/{alias:path}/acknowledge", **_OPSGENIE)
async def acknowledge_alert(alias: str, request: Request, identifier: _Identifier = "alias") -> Response:
    """Somebody took it on the sender's side."""
    return await _alert(request, "acknowledge", alias)


@router.post("/v2/alerts/{alias:path}/notes", **_OPSGENIE)
async def note_on_alert(alias: str, request: Request, identifier: _Identifier = "alias") -> Response:
    """A remark, for the timeline."""
    return await _alert(request, "notes", alias)


@router.put("/v2/alerts/{alias:path}/message", **_OPSGENIE)
async def word_alert(alias: str, request: Request, identifier: _Identifier = "alias") -> Response:
    """The alert has another message now: a remark, for the timeline."""
    return await _alert(request, "message", alias)


@router.put("/v2/alerts/{alias:path}/description", **_OPSGENIE)
async def describe_alert(alias: str, request: Request, identifier: _Identifier = "alias") -> Response:
    """The alert has another description now: a remark, for the timeline."""
    return await _alert(request, "description", alias)


@router.put("/v2/alerts/{alias:path}/priority", **_OPSGENIE)
async def rank_alert(alias: str, request: Request, identifier: _Identifier = "alias") -> Response:
    """The alert has another priority now: a remark, for the timeline."""
    return await _alert(request, "priority", alias)


@router.delete("/v2/alerts/{alias:path}", **_OPSGENIE)
async def delete_alert(alias: str, request: Request, identifier: _Identifier = "alias") -> Response:
    """Nobody there wants to hear of it any more: here it has ended, and what was kept of it stays."""
    return await _alert(request, "delete", alias)


async def _alert(request: Request, action: str, alias: str | None) -> Response:
    asking = Asking(_shown(request, shown_key(request), await request.body()), kind="opsgenie")
    told = _read(request, asking)
    if alias is not None:
        told = _addressed(request, told, action, alias)
    kept = await _keep(request, told)
    if kept.refusal is not None:
        return _told_why(request, kept, kept.refusal)
    answer = Requested(requestId=kept.receipt_id)
    return Response(answer.model_dump_json(), 202, media_type="application/json")


def _addressed(request: Request, told: Told, action: str, alias: str) -> Told:
    if request.query_params.get("identifierType") != "alias" or not alias.isprintable():
        return Told(told.asking, told.content_type, refusal=NotUnderstood(say("intake.opsgenie.identifier")))
    if told.refusal is not None and not told.asking.shown.body.strip():
        return Told(
            told.asking, told.content_type, opsgenie.addressed(action, alias, {})
        )  # a close may be bare
    return Told(
        told.asking, told.content_type, opsgenie.addressed(action, alias, told.document), told.refusal
    )


def _shown(request: Request, key: str | None, body: bytes) -> Shown:
    return Shown(key, request.headers, body, request.client.host if request.client else None)


async def _verified(request: Request, told: Told) -> Told:
    """The same; and where its sender signs with a certificate, only once that was verified: the one call made while taking in."""
    if not isinstance(told.document, dict) or "SigningCertURL" not in told.document:
        return told
    parts, session = _parts(request), request.state.session
    if session is not None:
        (source,) = await admission.admit_all(session, [told.asking], vault=parts.vault, at=request.state.now)
    else:
        async with parts.db.transaction() as own:
            (source,) = await admission.admit_all(own, [told.asking], vault=parts.vault, at=parts.clock.now())
    if isinstance(source, Problem):
        raise source
    if not KINDS[source.kind].is_certified:
        return told
    certified = cast(Certified, request.app.state.certified)
    await certified.take(told.document, topics=source.topics, at=parts.clock.now())
    return replace(told, is_verified=True)


def _read(request: Request, asking: Asking) -> Told:
    return inbox.read(asking, request.headers.get("content-type"))


async def _keep(request: Request, told: Told) -> Kept:
    """Stored and committed, with those beside it; or, at the ordinary edge, in the request's own transaction."""
    parts, session = _parts(request), request.state.session
    if session is None:
        return await _groups(request).keep(told)
    (kept,) = await inbox.keep(session, [told], vault=parts.vault, at=request.state.now)
    if isinstance(kept, Problem):
        raise kept
    return kept


def _groups(request: Request) -> Groups:
    """The one queue of this application, made by the first who needs it."""
    state, parts = request.app.state, _parts(request)
    if not hasattr(state, "groups"):
        state.groups = Groups(parts.db, parts.clock, parts.vault, rush=parts.rush)
    return cast(Groups, state.groups)


def _parts(request: Request) -> Parts:
    return cast(Parts, request.app.state.parts)


def _told_why(request: Request, kept: Kept, refusal: NotUnderstood) -> Response:
    language = request.state.language
    errors = [render(error, language) for error in refusal.errors]
    return as_response(
        Malformed(refusal.detail, receipt=kept.receipt_id, errors=errors), language, request.url.path
    )


def _invalid_event(errors: list[Wording] | tuple[Wording, ...], language: str) -> Response:
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
