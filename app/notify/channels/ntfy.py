"""A notification by ntfy: to a topic that the person's telephone listens to, on ntfy.sh or a server of the house.

    POST https://ntfy.example
    authorization: Bearer tk_…

    {"topic": "…", "title": "…", "message": "…", "priority": 5, "click": "https://…", "sequence_id": "01JD…"}

`group/topic`: the server's name in the settings, and the topic. Level 1 has the highest priority, which also sounds on a
silenced telephone. The key goes along as the sequence: a server from version 2.16 on shows a copy in the place of the
first. 4096 bytes; sixty messages at once and one each five seconds after that.
"""

import re
from datetime import timedelta
from typing import Any, ClassVar, Final

from app.notify.channel import Message, shortened
from app.notify.channels.chat import Chat, ChatChannel, Post, as_json

_MOST_BYTES: Final = 4000  # a longer message becomes an attached file
_PRIORITIES: Final = {1: 5, 2: 4, 3: 3, 4: 2}


class NtfyChannel(ChatChannel):
    """A notification to one topic."""

    name: ClassVar[str] = "ntfy"
    pace: ClassVar[tuple[int, timedelta]] = (60, timedelta(minutes=1))
    whom: ClassVar[re.Pattern[str]] = re.compile(r"[-_A-Za-z0-9]{1,64}")
    needs_whom: ClassVar[bool] = True

    def _written(self, chat: Chat, who: str, told: Message) -> Post:
        content: dict[str, Any] = {
            "topic": who, "title": told.subject, "message": shortened(told.text, _MOST_BYTES),
            "priority": _PRIORITIES.get(told.level, 3), "sequence_id": told.key,
        }  # fmt: skip
        if told.link:
            content["click"] = told.link
            content["actions"] = [{"action": "view", "label": told.link_label, "url": told.link}]
        token = {"authorization": f"Bearer {chat.secret.get_secret_value()}"} if chat.secret else {}
        return as_json(chat.url.get_secret_value(), content, **token)
