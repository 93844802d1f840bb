"""A robot in a WeCom group: markdown that mentions whom it is for.

    POST https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…

    {"msgtype": "markdown", "markdown": {"content": "…<@zhangsan>"}}

`group/person`: the person's user id there. The cards of a WeCom robot can mention nobody and hold a hundred characters, hence the
markdown. There is no signature: the key in the group's address is the right. 4096 bytes; twenty messages a minute; the answer is
always 200 and tells its mind in `errcode`. It knows no key by which copies are told apart.
"""

import re
from datetime import timedelta
from typing import ClassVar, Final

from app.notify.channel import Message, shortened
from app.notify.channels.answer import Codes
from app.notify.channels.chat import Chat, ChatChannel, Post, as_json

_MOST_BYTES: Final = 4096
_MOST_OF_SUBJECT: Final = 512


class WeComChannel(ChatChannel):
    """A message in a WeCom group, in the name of its robot."""

    name: ClassVar[str] = "wecom"
    pace: ClassVar[tuple[int, timedelta]] = (20, timedelta(minutes=1))
    codes: ClassVar[Codes | None] = Codes(
        at=("errcode",), good=frozenset({"0"}), again=frozenset({"-1", "50002"}),
        too_many=frozenset({"45009", "45033"}),
    )  # fmt: skip
    whom: ClassVar[re.Pattern[str]] = re.compile(r"(?!all$)[A-Za-z0-9_.@-]{1,64}")

    def _written(self, chat: Chat, who: str, told: Message) -> Post:
        head = f"### {shortened(_tame(told.subject), _MOST_OF_SUBJECT)}\n"
        link = f"\n\n[{told.link_label}]({told.link})" if told.link else ""
        if told.asked and chat.answers:
            link += f"\n{told.asked.hint}"
        foot = f"{link}\n<@{who}>" if who else link
        text = shortened(_tame(told.text), _MOST_BYTES - len((head + foot).encode()))
        content = {"msgtype": "markdown", "markdown": {"content": head + text + foot}}
        return as_json(chat.url.get_secret_value(), content)


def _tame(text: str) -> str:
    # What somebody wrote into an incident must not call the whole group.
    return text.replace("<@", "< @")
