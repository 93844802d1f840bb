"""Where providers and chat services post what people answered. Nobody signs in here: the signature is the right, and it opens
nothing but the answering of calls by whoever the message says it is from.

Every answer gets 200, so that none is sent again for having been refused: what was refused, and why, is said to the person and
kept. A wrong signature is 403 and kept as well, once an hour.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, Literal

import structlog
from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.edge import Edge, Here, Now, Session, problems
from app.access.parts import Parts
from app.errors import Forbidden, Malformed, NotFound, Problem
from app.notify import acknowledgement, answers
from app.notify.answers import Came, Verdict
from app.notify.callbacks import dingtalk, feishu, mail, slack, telephone, wecom
from app.notify.callbacks.coming import Forged, Given, Incoming, Secrets, Understood, Unreadable
from app.notify.tables import Delivery
from app.people import contact_points
from app.problems import as_response
from app.settings import Answers
from app.wording import render, say

Reader = Callable[[Incoming, Secrets], Understood]
_CHATS: Final[Mapping[str, Reader]] = {
    "dingtalk": dingtalk.read, "feishu": feishu.read, "slack": slack.read, "wecom": wecom.read,
}  # fmt: skip
_TELEPHONES: Final[Mapping[str, Reader]] = {
    "twilio": telephone.twilio, "aliyun": telephone.aliyun, "tencent": telephone.tencent,
}  # fmt: skip
_REACHED_BY: Final[Mapping[str, tuple[str, ...]]] = {"sms": ("sms", "voice"), "voice": ("voice", "sms")}

router = APIRouter(prefix="/callbacks", route_class=Edge, tags=["acknowledge"])
log = structlog.get_logger("answers")


@router.post("/chats/{group}", responses=problems(NotFound))
async def from_chat(group: str, request: Request, session: Session, here: Here, now: Now) -> Response:
    """A button of a card or a word to the robot of a group, as DingTalk, Feishu, Slack and WeCom post it."""
    return await _from_chat(group, request, session, here, await _incoming(request, here, now))


@router.get("/chats/{group}", responses=problems(NotFound))
async def prove_chat(group: str, request: Request, session: Session, here: Here, now: Now) -> Response:
    """The sealed word by which WeCom proves the address, sent back open."""
    incoming = await _incoming(request, here, now)
    if "echostr" not in incoming.query:
        raise NotFound(say("answers.no_callback", name=group[:63]))
    return await _from_chat(group, request, session, here, incoming)


@router.post("/{way}", responses=problems(NotFound))
async def from_provider(
    way: Literal["sms", "voice", "mail"], request: Request, session: Session, here: Here, now: Now
) -> Response:
    """A short message, a key pressed during a call, or the reply to a mail."""
    incoming = await _incoming(request, here, now)
    if way == "mail":
        return await _taken(
            way, request, session, here, incoming, mail.read, here.settings.mail_answers, name=way
        )
    account = here.settings.sms if way == "sms" else here.settings.voice
    reader = _TELEPHONES.get(account.provider) if account else None
    if account is None or reader is None:
        raise NotFound(say("answers.no_callback", name=way))
    return await _taken(way, request, session, here, incoming, reader, account.answers, name=way)


async def _from_chat(
    group: str, request: Request, session: AsyncSession, here: Parts, incoming: Incoming
) -> Response:
    chat = here.settings.chats.get(group)
    reader = _CHATS.get(chat.channel) if chat else None
    if chat is None or reader is None:
        raise NotFound(say("answers.no_callback", name=group[:63]))
    incoming = replace(incoming, group=group)
    return await _taken(chat.channel, request, session, here, incoming, reader, chat.answers, name=group)


async def _taken(
    via: str, request: Request, session: AsyncSession, here: Parts, incoming: Incoming, reader: Reader,
    given: Answers | None, *, name: str,
) -> Response:  # fmt: skip
    if given is None:
        raise NotFound(say("answers.no_callback", name=name))
    try:
        understood = reader(incoming, Secrets(given.secret, given.token, given.receiver))
    except Forged:
        log.warning("answer with a wrong signature", way=via, name=name)
        if request.method == "POST":
            await answers.forged(session, Came(via, None, "", incoming.at), whose=name)
        return _refused(request, Forbidden(say("answers.forged", whose=name)))
    except Unreadable:
        return _refused(request, Malformed(say("answers.unreadable", whose=name)))
    words = ""
    for one in understood.given:
        verdict = await _answered(session, here, via, one, incoming, tells=not understood.is_heard)
        words = render(verdict.says, verdict.language or here.settings.language)
    said = understood.speak(words)
    return Response(said.content, media_type=said.media_type)


async def _answered(
    session: AsyncSession, here: Parts, via: str, given: Given, incoming: Incoming, *, tells: bool
) -> Verdict:
    """One answer: who gave it, to which message or call; told to them where the callback itself does not."""
    senders = [
        sender
        for address in given.addresses
        for sender in await answers.sender_of(session, here.vault, _REACHED_BY.get(via, (via,)), address)
    ]
    came = Came(via, given.token[:200], given.words, incoming.at)
    delivery = await _delivery(session, here, given.button)
    masked = contact_points.masked(via, given.addresses[0]) if given.addresses else "…"
    if delivery is None or given.reply is None:
        verdict = await answers.by_reply(session, senders, given.reply, came, stranger=masked)
    elif senders or via in ("voice", "mail"):
        # Of a call it is known whom it was made to, and the mark of a mail is as good as its link. A button can be pressed by
        # everybody in the group: it counts for whoever pressed it.
        own = next((one for one in senders if one.person_id == delivery.person_id), None)
        sender = own or (senders[0] if senders else None)
        verdict = await answers.by_delivery(session, delivery, given.reply, came, sender=sender)
    else:
        verdict = await answers.by_stranger(session, came, stranger=masked)
    if tells and senders:
        await answers.tell(session, senders[0], verdict, at=incoming.at)
    return verdict


async def _delivery(session: AsyncSession, here: Parts, button: str) -> Delivery | None:
    delivery_id, _, mark = button.partition(".")
    if not mark:
        return None
    try:
        return await acknowledgement.linked(session, here.vault, delivery_id, mark)
    except NotFound:
        return None


async def _incoming(request: Request, here: Parts, now: Now) -> Incoming:
    query = request.url.query
    url = here.settings.base_url.rstrip("/") + request.url.path + (f"?{query}" if query else "")
    return Incoming(url, request.headers, request.query_params, await request.body(), now)


def _refused(request: Request, problem: Problem) -> Response:
    """Answered without raising: what was written down about it stays."""
    return as_response(problem, request.state.language, request.url.path)
