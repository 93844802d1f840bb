"""A robot in a DingTalk group: a card with a button, or, to mention somebody, a text with a link and the name in it.

    POST https://oapi.dingtalk.com/robot/send?access_token=…&timestamp=1795400000000&sign=…

    {"msgtype": "markdown", "markdown": {"title": "…", "text": "…"}, "at": {"atMobiles": ["138…"], "isAtAll": false}}

`group/person`: the person's mobile number, or their user id there. Signed where the group has a secret. Twenty messages a
minute, or the robot is silent for ten; the answer is always 200 and tells its mind in `errcode`. It knows no key by which
copies are told apart.
"""

import base64
import hashlib
import hmac
import re
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from app.notify.channel import Message, shortened
from app.notify.channels.answer import Codes
from app.notify.channels.chat import Chat, ChatChannel, Post, as_json, with_query

_MOST_BYTES: Final = 15_000  # of the 20 000 that a whole request may have
_MOBILE: Final = re.compile(r"(?:\+\d{1,3}-)?\d{6,14}")


class DingTalkChannel(ChatChannel):
    """A message in a DingTalk group, in the name of its robot."""

    name: ClassVar[str] = "dingtalk"
    pace: ClassVar[tuple[int, timedelta]] = (20, timedelta(minutes=1))
    codes: ClassVar[Codes | None] = Codes(
        at=("errcode",), good=frozenset({"0"}), again=frozenset({"-1"}),
        too_many=frozenset({"130101", "410100", "90030"}), pause=timedelta(minutes=5),
    )  # fmt: skip

    def _written(self, chat: Chat, who: str, told: Message) -> Post:
        text = shortened(told.text.replace("\n", "  \n"), _MOST_BYTES) + _answers(chat, told)
        content: dict[str, Any]
        if who:
            link = f"\n\n[{told.link_label}]({told.link})" if told.link else ""
            content = {
                "msgtype": "markdown",
                "markdown": {
                    "title": told.subject, "text": f"#### {told.subject}\n\n{text}{link}\n\n@{who}",
                },
                "at": {"atMobiles" if _MOBILE.fullmatch(who) else "atUserIds": [who], "isAtAll": False},
            }  # fmt: skip
        elif told.link:
            content = {
                "msgtype": "actionCard",
                "actionCard": {
                    "title": told.subject, "text": f"#### {told.subject}\n\n{text}",
                    "singleTitle": told.link_label, "singleURL": told.link,
                },
            }  # fmt: skip
        else:
            content = {
                "msgtype": "markdown",
                "markdown": {"title": told.subject, "text": f"#### {told.subject}\n\n{text}"},
            }
        return as_json(_signed(chat, told.sent_at), content)


def _answers(chat: Chat, told: Message) -> str:
    """Links that type the answer for whoever presses them; the robot hears it."""
    if told.asked is None or not chat.answers:
        return ""
    links = [
        f"[{label}](dtmd://dingtalkclient/sendMessage?content={digit}%20{told.asked.code})"
        for digit, label in (("1", f"{told.link_label} ✓"), ("2", told.asked.cannot_label))
    ]
    return f"\n\n{told.asked.hint}\n\n{' · '.join(links)}"


def _signed(chat: Chat, at: datetime) -> str:
    url = chat.url.get_secret_value()
    if chat.secret is None:
        return url
    timestamp, secret = str(int(at.timestamp() * 1000)), chat.secret.get_secret_value()
    digest = hmac.new(secret.encode(), f"{timestamp}\n{secret}".encode(), hashlib.sha256).digest()
    return with_query(url, timestamp=timestamp, sign=base64.b64encode(digest).decode())
