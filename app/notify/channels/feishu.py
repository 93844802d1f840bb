"""A robot in a Feishu (or Lark) group: a card coloured by level, with a button, that mentions whom it is for.

    POST https://open.feishu.cn/open-apis/bot/v2/hook/…

    {"timestamp": "1795400000", "sign": "…", "msg_type": "interactive", "card": {…}}

`group/person`: the person's open id or user id there. Signed where the group has a secret. A hundred messages a minute and five a
second; 20 kB. The answer tells its mind in `code`. It knows no key by which copies are told apart.
"""

import base64
import hashlib
import hmac
import re
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from app.notify.channel import Message, shortened
from app.notify.channels.answer import Codes
from app.notify.channels.chat import Chat, ChatChannel, Post, as_json

_MOST_BYTES: Final = 15_000
_COLOURS: Final = {1: "red", 2: "orange", 3: "yellow", 4: "blue"}


class FeishuChannel(ChatChannel):
    """A card in a Feishu group, in the name of its robot."""

    name: ClassVar[str] = "feishu"
    pace: ClassVar[tuple[int, timedelta]] = (100, timedelta(minutes=1))
    codes: ClassVar[Codes | None] = Codes(
        at=("code", "StatusCode"), good=frozenset({"0"}), again=frozenset({"1500", "2200"}),
        too_many=frozenset({"11232", "230020"}),
    )  # fmt: skip
    whom: ClassVar[re.Pattern[str]] = re.compile(r"(?!all$)[A-Za-z0-9_-]{1,64}")

    def _written(self, chat: Chat, who: str, told: Message) -> Post:
        # Plain text: what somebody wrote into an incident can then mention nobody.
        elements: list[dict[str, Any]] = [
            {"tag": "div", "text": {"tag": "plain_text", "content": shortened(told.text, _MOST_BYTES)}}
        ]
        if who:
            elements.append({"tag": "markdown", "content": f"<at id={who}></at>"})
        if told.link:
            button = {
                "tag": "button", "type": "primary", "url": told.link,
                "text": {"tag": "plain_text", "content": told.link_label},
            }  # fmt: skip
            elements.append({"tag": "action", "actions": [button, *_answers(chat, told)]})
        title = {"tag": "plain_text", "content": told.subject}
        card = {
            "header": {"template": _COLOURS.get(told.level, "blue"), "title": title}, "elements": elements,
        }  # fmt: skip
        return as_json(
            chat.url.get_secret_value(),
            {**_signature(chat, told.sent_at), "msg_type": "interactive", "card": card},
        )


def _answers(chat: Chat, told: Message) -> list[dict[str, Any]]:
    """Buttons that answer from within the group."""
    if told.asked is None or not chat.answers:
        return []
    return [
        {
            "tag": "button", "type": "default", "text": {"tag": "plain_text", "content": label},
            "value": {"answer": deed, "of": told.asked.button},
        }
        for deed, label in (("take", f"{told.link_label} ✓"), ("cannot", told.asked.cannot_label))
    ]  # fmt: skip


def _signature(chat: Chat, at: datetime) -> dict[str, str]:
    if chat.secret is None:
        return {}
    timestamp = str(int(at.timestamp()))
    # The text to sign is the key, and what is signed with it is empty.
    key = f"{timestamp}\n{chat.secret.get_secret_value()}".encode()
    digest = hmac.new(key, b"", hashlib.sha256).digest()
    return {"timestamp": timestamp, "sign": base64.b64encode(digest).decode()}
