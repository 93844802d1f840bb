"""A message in a Slack channel through an incoming webhook: blocks with a button, and a mention of whom it is for.

    POST https://hooks.slack.com/services/…

    {"text": "…", "blocks": [{"type": "header", …}, {"type": "section", …}, {"type": "actions", …}]}

`group/person`: the person's member id there (`U012AB3CD`). One message a second; sections of 3000 characters. It answers by
status, 429 with the pause it wants. It knows no key by which copies are told apart.
"""

import re
from datetime import timedelta
from typing import Any, ClassVar, Final

from app.notify.channel import Message, shortened
from app.notify.channels.chat import Chat, ChatChannel, Post, as_json

_MOST_OF_HEADER: Final = 150
_MOST_OF_TEXT: Final = 3000
_CHARACTERS: Final = "utf-32-be"


class SlackChannel(ChatChannel):
    """A message in a Slack channel."""

    name: ClassVar[str] = "slack"
    pace: ClassVar[tuple[int, timedelta]] = (30, timedelta(seconds=30))
    whom: ClassVar[re.Pattern[str]] = re.compile(r"[UW][A-Z0-9]{2,20}")

    def _written(self, chat: Chat, who: str, told: Message) -> Post:
        subject = shortened(told.subject, _MOST_OF_HEADER, unit=_CHARACTERS)
        text = shortened(told.text, _MOST_OF_TEXT, unit=_CHARACTERS)
        blocks: list[dict[str, Any]] = [
            {"type": "header", "text": {"type": "plain_text", "text": subject}},
            {"type": "section", "text": {"type": "plain_text", "text": text}},
        ]
        if who:
            blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": f"<@{who}>"}})
        if told.link:
            label = f"{told.link_label} ↗" if told.asked and chat.answers else told.link_label
            button = {
                "type": "button", "style": "primary", "url": told.link, "text": {"type": "plain_text", "text": label},
            }  # fmt: skip
            blocks.append({"type": "actions", "elements": [*_answers(chat, told), button]})
        return as_json(chat.url.get_secret_value(), {"text": _escaped(subject), "blocks": blocks})


def _answers(chat: Chat, told: Message) -> list[dict[str, Any]]:
    """Buttons that answer from within the channel."""
    if told.asked is None or not chat.answers:
        return []
    return [
        {
            "type": "button", "action_id": deed, "value": told.asked.button, "text": {"type": "plain_text", "text": label},
        }
        for deed, label in (("take", told.link_label), ("cannot", told.asked.cannot_label))
    ]  # fmt: skip


def _escaped(text: str) -> str:
    # `<!channel>` in an incident's title must not call everybody.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
