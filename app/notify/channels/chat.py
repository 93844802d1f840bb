"""What the services people talk in have in common: a group the operator has set up under a name, and whom of it to call.

An address is `group/person`: the name of the group in the settings, and how the person is called there, so that the message
mentions them; `group` alone tells everybody in it and mentions nobody. The web address of the group and its secret are the
operator's, stay in the settings, and pass here into one request and nowhere else.
"""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final
from urllib.parse import quote

from pydantic import SecretStr

from app.notify.channel import DeliveryError, Message, Receipt, as_told
from app.notify.channels import answer
from app.notify.channels.answer import Codes
from app.notify.channels.pace import Pace
from app.outgoing import CallFailed, Outgoing, Reply
from app.wording import Wording, say

DEADLINE: Final = timedelta(seconds=10)
Judge = Callable[[Reply, datetime], Receipt]


@dataclass(frozen=True)
class Chat:
    """A group, a server or a service of the operator's."""

    url: SecretStr
    secret: SecretStr | None = None
    answers: bool = False
    """Whether answers from the group come back to us, so that its cards may ask for them."""


@dataclass(frozen=True)
class Post:
    """One request; its address and its body are secrets."""

    url: str
    body: bytes
    headers: Mapping[str, str]


class ChatChannel(ABC):
    """A POST to the group's own address. What a subclass says is all that differs between the services."""

    name: ClassVar[str]
    pace: ClassVar[tuple[int, timedelta]]
    """How many messages one group takes in which time."""
    codes: ClassVar[Codes | None] = None
    """How its answers speak; none: by status alone."""
    whom: ClassVar[re.Pattern[str]] = re.compile(r"[^\s/<>&]{1,128}")
    """How somebody is called there."""
    needs_whom: ClassVar[bool] = False

    def __init__(
        self, outgoing: Outgoing, chats: Mapping[str, Chat], *, deadline: timedelta = DEADLINE
    ) -> None:
        self._outgoing = outgoing
        self._chats = chats
        self._deadline = deadline
        self._pace = Pace(*self.pace)

    def address_problem(self, to: str) -> Wording | None:
        group, _, who = to.partition("/")
        if group not in self._chats:
            return say("channel.chat.no_group", known=sorted(self._chats))
        if self.whom.fullmatch(who) if who or self.needs_whom else "/" not in to:
            return None
        return say("channel.chat.no_person")

    def mask(self, to: str) -> str:
        group, slash, _ = to.partition("/")
        return (f"{group}/…" if slash else group) if group in self._chats else "…"

    async def send(self, to: str, message: Message) -> Receipt:
        """Hand the message to the group, or raise `DeliveryError`; beyond the group's pace nobody is asked."""
        if problem := self.address_problem(to):
            raise DeliveryError(problem, permanent=True)
        group, _, who = to.partition("/")
        if (
            wait := self._pace.take(group, at=self._outgoing.clock.now(), grave=message.is_grave)
        ) is not None:
            raise DeliveryError(say("channel.pace", times=self.pace[0]), retry_after=wait, untried=True)
        post = self._written(self._chats[group], who, _tame(as_told(message)))
        return await posted(
            self._outgoing, post, deadline=self._deadline, judge=self._judged, at=message.sent_at
        )

    @abstractmethod
    def _written(self, chat: Chat, who: str, told: Message) -> Post:
        """The request that tells the group, and mentions `who` unless that is empty."""

    def _judged(self, reply: Reply, at: datetime) -> Receipt:
        if self.codes is None:
            return answer.by_status(reply, at)
        return answer.by_code(reply, at, self.codes)


async def posted(
    outgoing: Outgoing, post: Post, *, deadline: timedelta, judge: Judge, at: datetime
) -> Receipt:
    """Make the call, and let `judge` say what its answer means. Of an answer that could not be read the status is still judged;
    a good one that says no more is no receipt."""
    try:
        reply = await outgoing.request(
            "POST", post.url, headers=post.headers, content=post.body, deadline=deadline
        )
    except CallFailed as error:
        if error.status is not None:
            return judge(Reply(error.status, {}, b""), at)
        raise DeliveryError.from_call(error) from error
    return judge(reply, at)


def as_json(url: str, content: Any, **headers: str) -> Post:
    """A request with a body of JSON."""
    return Post(
        url, json.dumps(content, ensure_ascii=False).encode(), {"content-type": "application/json", **headers}
    )


def _tame(told: Message) -> Message:
    """Without links of its own making: what somebody wrote into an alarm must not look like the way to answer it."""
    return replace(told, subject=told.subject.replace("](", "] ("), text=told.text.replace("](", "] ("))


def with_query(url: str, **more: str) -> str:
    """The address with parameters added; a space and a plus sign come out as they must."""
    added = "&".join(f"{name}={quote(value, safe='')}" for name, value in more.items())
    return f"{url}{'&' if '?' in url else '?'}{added}"
