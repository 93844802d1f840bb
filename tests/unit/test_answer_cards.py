"""What a message asks for besides its link, where answers come back; and nothing of it where they do not."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic import SecretStr

from app.clock import ManualClock
from app.notify.channel import Asked, Channel, Message
from app.notify.channels.chat import Chat
from app.notify.channels.dingtalk import DingTalkChannel
from app.notify.channels.feishu import FeishuChannel
from app.notify.channels.mail import written
from app.notify.channels.providers import Gateway
from app.notify.channels.slack import SlackChannel
from app.notify.channels.telephone import SmsChannel, VoiceChannel
from app.notify.channels.wecom import WeComChannel
from app.outgoing import Reply

NOW = datetime(2026, 11, 22, 19, 5, tzinfo=UTC)
DELIVERY = "01M82A29W0Q7BZGWGK389J0BM8"
MARK = "m" * 32
MESSAGE = Message(
    subject="INC-2026-0001", text="Nobody can sign in", language="en", link=f"https://muster.example/a/{DELIVERY}/{MARK}",
    link_label="I have it", key=DELIVERY, sent_at=NOW, ref="INC", number="INC-2026-0001", level=1, exercise=False, kind="chain",
    asked=Asked("4821", f"{DELIVERY}.{MARK}", "I cannot", "Answer 1 4821 or 2 4821.", "Press 1 or 2."),
)  # fmt: skip
BUTTON = f"{DELIVERY}.{MARK}"


class Wire:
    """Takes every request and says what each service says when it is content."""

    def __init__(self) -> None:
        self.clock, self.bodies = ManualClock(NOW), list[bytes]()

    async def request(self, method: str, url: str, *, content: bytes, **_: Any) -> Reply:
        self.bodies.append(content)
        return Reply(200, {}, b'{"errcode": 0, "code": 0}')


def sent(make: Any, to: str, message: Message = MESSAGE) -> str:
    wire = Wire()
    channel: Channel = make(wire)
    asyncio.run(channel.send(to, message))
    return wire.bodies[0].decode()


def chat(kind: Any, *, answers: bool = True) -> Any:
    return lambda wire: kind(wire, {"duty": Chat(SecretStr("https://chat.example/x"), answers=answers)})


def telephone(kind: Any, *, answers: bool = True) -> Any:
    return lambda wire: kind(
        wire, Gateway("twilio", account="AC1", secret=SecretStr("x"), sender="+1", answers=answers)
    )


def test_slack_and_feishu_cards_have_a_button_for_each_answer() -> None:
    blocks = json.loads(sent(chat(SlackChannel), "duty"))["blocks"]
    pressed = [(one.get("action_id"), one.get("value")) for one in blocks[-1]["elements"]]
    assert pressed == [("take", BUTTON), ("cannot", BUTTON), (None, None)]
    actions = json.loads(sent(chat(FeishuChannel), "duty"))["card"]["elements"][-1]["actions"]
    assert [one.get("value") for one in actions] == [
        None, {"answer": "take", "of": BUTTON}, {"answer": "cannot", "of": BUTTON},
    ]  # fmt: skip


def test_dingtalk_and_wecom_say_what_to_tell_the_robot() -> None:
    assert "dtmd://dingtalkclient/sendMessage?content=1%204821" in sent(chat(DingTalkChannel), "duty/u7")
    assert "Answer 1 4821" in json.loads(sent(chat(WeComChannel), "duty/u7"))["markdown"]["content"]


def test_a_short_message_bears_the_code_and_a_call_listens_for_a_key() -> None:
    (text,) = parse_qs(sent(telephone(SmsChannel), "+8613800000001"))["Body"]
    assert "Answer 1 4821" in text
    assert text.endswith(MARK), "the link stays whole"
    (said,) = parse_qs(sent(telephone(VoiceChannel), "+8613800000001"))["Twiml"]
    assert f'action="https://muster.example/callbacks/voice?of={BUTTON}"' in said
    assert "Press 1 or 2." in said


def test_the_subject_of_a_mail_bears_the_mark_by_which_its_reply_is_known() -> None:
    mail = written(
        MESSAGE, sender="muster@centre.example", to="lin@centre.example", answers="answers@centre.example"
    )
    assert mail["Subject"] == f"INC-2026-0001 [#{DELIVERY}-{MARK}]"
    assert mail["Reply-To"] == "answers@centre.example"


@pytest.mark.parametrize("make", [
    chat(SlackChannel, answers=False), chat(FeishuChannel, answers=False), chat(DingTalkChannel, answers=False),
    chat(WeComChannel, answers=False),
])  # fmt: skip
def test_where_no_answers_come_back_a_card_has_its_link_alone(make: Any) -> None:
    assert sent(make, "duty") == sent(make, "duty", replace(MESSAGE, asked=None))
