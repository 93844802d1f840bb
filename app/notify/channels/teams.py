"""An Adaptive Card in a Teams channel or chat, through a webhook of Workflows (Power Automate).

    POST https://….logic.azure.com/workflows/…

    {"type": "message", "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": {…}}]}

`group/person`: the person's sign-in name or object id; the mention shows it. 28 kB, and four messages a second. A workflow
answers 202; what it does afterwards is not told. It knows no key by which copies are told apart.
"""

from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from app.notify.channel import DeliveryError, Message, Receipt, shortened
from app.notify.channels.chat import Chat, ChatChannel, Post, as_json
from app.outgoing import Reply
from app.wording import say

_MOST_BYTES: Final = 20_000
_COLOURS: Final = {1: "attention", 2: "warning"}
_OLD_FAILURE: Final = (
    b"webhook message delivery failed"  # how connectors of the old kind say no, with status 200
)


class TeamsChannel(ChatChannel):
    """A card in a Teams channel."""

    name: ClassVar[str] = "teams"
    pace: ClassVar[tuple[int, timedelta]] = (60, timedelta(seconds=30))

    def _written(self, chat: Chat, who: str, told: Message) -> Post:
        text = shortened(told.text, _MOST_BYTES)
        body: list[dict[str, Any]] = [
            {
                "type": "TextBlock", "text": told.subject, "size": "large", "weight": "bolder", "wrap": True,
                "color": _COLOURS.get(told.level, "default"),
            },
            {"type": "TextBlock", "text": text, "wrap": True},
        ]  # fmt: skip
        card: dict[str, Any] = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
            "body": body,
        }  # fmt: skip
        if who:
            called = f"<at>{who}</at>"
            body.append({"type": "TextBlock", "text": called, "wrap": True})
            card["msteams"] = {
                "entities": [{"type": "mention", "text": called, "mentioned": {"id": who, "name": who}}]
            }
        if told.link:
            card["actions"] = [{"type": "Action.OpenUrl", "title": told.link_label, "url": told.link}]
        attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
        return as_json(chat.url.get_secret_value(), {"type": "message", "attachments": [attachment]})

    def _judged(self, reply: Reply, at: datetime) -> Receipt:
        if reply.status == 200 and _OLD_FAILURE in reply.body.lower():
            raise DeliveryError(say("channel.answer.unreadable", status=reply.status))
        return super()._judged(reply, at)
