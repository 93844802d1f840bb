"""How the services prove who sent an answer, and what is read out of it. The signatures are made here by what each documents."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from pydantic import SecretStr

from app.notify.callbacks import dingtalk, feishu, mail, slack, telephone, wecom
from app.notify.callbacks.coming import Forged, Incoming, Secrets, Unreadable
from app.notify.replies import TAKE, Reply
from app.notify.tables import Deed

NOW = datetime(2026, 11, 22, 19, 5, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))
KEY = base64.b64encode(bytes(range(32))).decode().rstrip("=")
SECRETS = Secrets(SecretStr("s3cret"), SecretStr("t0ken"))
URL = "https://muster.example/callbacks/sms"


def incoming(
    body: bytes, *, query: dict[str, str] | None = None, at: datetime = NOW, **headers: str
) -> Incoming:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Incoming(URL, named, query or {}, body, at, "duty")


def of_twilio(fields: dict[str, str]) -> Incoming:
    signed = URL + "".join(name + fields[name] for name in sorted(fields))
    digest = hmac.new(b"s3cret", signed.encode(), hashlib.sha1).digest()
    return incoming(urlencode(fields).encode(), x_twilio_signature=base64.b64encode(digest).decode())


def of_slack(payload: Any, *, at: datetime = NOW) -> Incoming:
    body = urlencode({"payload": json.dumps(payload)}).encode()
    digest = hmac.new(b"s3cret", f"v0:{STAMP}:".encode() + body, hashlib.sha256).hexdigest()
    return incoming(body, at=at, x_slack_request_timestamp=STAMP, x_slack_signature=f"v0={digest}")


def of_dingtalk(content: Any, *, at: datetime = NOW) -> Incoming:
    stamp = f"{STAMP}000"
    sign = base64.b64encode(
        hmac.new(b"s3cret", f"{stamp}\ns3cret".encode(), hashlib.sha256).digest()
    ).decode()
    return incoming(json.dumps(content).encode(), at=at, timestamp=stamp, sign=sign)


def of_feishu(content: Any, *, signed_with: str = "s3cret") -> Incoming:
    padder = padding.PKCS7(128).padder()
    plain = padder.update(json.dumps(content).encode()) + padder.finalize()
    sealer = Cipher(algorithms.AES(hashlib.sha256(b"s3cret").digest()), modes.CBC(b"\1" * 16)).encryptor()
    sealed = base64.b64encode(b"\1" * 16 + sealer.update(plain) + sealer.finalize()).decode()
    body = json.dumps({"encrypt": sealed}).encode()
    digest = hashlib.sha256(f"{STAMP}n{signed_with}".encode() + body).hexdigest()
    return incoming(body, x_lark_request_timestamp=STAMP, x_lark_request_nonce="n", x_lark_signature=digest)


FOR_WECOM = Secrets(SecretStr(KEY), SecretStr("t0ken"), "corp1")


def of_wecom(plain: str, *, secrets: Secrets = FOR_WECOM, name: str | None = None) -> Incoming:
    sealed = wecom.seal(plain, secrets, b"\2" * 16)
    signature = hashlib.sha1("".join(sorted(["t0ken", STAMP, "n", sealed])).encode()).hexdigest()
    query = {"timestamp": STAMP, "nonce": "n", "msg_signature": signature}
    if name:
        return incoming(b"", query={**query, name: sealed})
    return incoming(f"<xml><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>".encode(), query=query)


def test_twilio_a_message_is_read_and_answered_by_a_message() -> None:
    fields = {"From": "+8613800000001", "Body": "1 4821", "MessageSid": "SM1"}
    found = telephone.twilio(of_twilio(fields), SECRETS)
    (given,) = found.given
    assert (given.addresses, given.reply, given.token) == (
        ("+8613800000001",),
        Reply(Deed.TAKE, "4821"),
        "twilio:SM1",
    )
    assert found.speak("yours & mine").content == b"<Response><Message>yours &amp; mine</Message></Response>"


def test_twilio_a_key_pressed_is_the_answer_of_the_number_that_was_called() -> None:
    found = telephone.twilio(of_twilio({"CallSid": "CA1", "Digits": "2", "To": "+8613800000001"}), SECRETS)
    assert found.given[0].reply == Reply(Deed.CANNOT)
    assert b"<Say" in found.speak("noted").content


def test_twilio_a_field_changed_on_the_way_is_forged() -> None:
    good = of_twilio({"From": "+1", "Body": "1"})
    with pytest.raises(Forged):
        telephone.twilio(
            incoming(good.body + b"&Body=2", x_twilio_signature=good.headers["x-twilio-signature"]), SECRETS
        )


def test_aliyun_and_tencent_show_the_key_that_is_in_their_address() -> None:
    up = [
        {"phone_number": "13800000001", "content": "2", "sequence_id": 7, "send_time": "2026-11-23 03:05:00"}
    ]
    found = telephone.aliyun(incoming(json.dumps(up).encode(), query={"key": "s3cret"}), SECRETS)
    assert (found.given[0].addresses, found.given[0].token) == (("+8613800000001",), "aliyun:7")
    pressed = {
        "voicekey_callback": {"callid": "c1", "mobile": "13800000001", "nationcode": "86", "keypress": "1"}
    }
    found = telephone.tencent(incoming(json.dumps(pressed).encode(), query={"key": "s3cret"}), SECRETS)
    assert (found.given[0].addresses, found.given[0].reply) == (("+8613800000001",), TAKE)
    assert json.loads(found.speak("").content) == {"result": 0, "errmsg": "OK"}
    for reader in (telephone.aliyun, telephone.tencent):
        with pytest.raises(Forged):
            reader(incoming(b"[]", query={"key": "guess"}), SECRETS)
        with pytest.raises(Unreadable):
            reader(incoming(b"{", query={"key": "s3cret"}), SECRETS)


PRESSED = {
    "user": {"id": "U012AB3CD"},
    "trigger_id": "t1",
    "actions": [{"action_id": "take", "value": "D.M"}],
}


def test_slack_a_button_says_who_pressed_it_and_of_which_message() -> None:
    (given,) = slack.read(of_slack(PRESSED), SECRETS).given
    assert (given.addresses, given.reply, given.button, given.token) == (
        ("duty/U012AB3CD",),
        TAKE,
        "D.M",
        "slack:t1",
    )


def test_slack_what_was_signed_six_minutes_ago_is_a_replay() -> None:
    with pytest.raises(Forged):
        slack.read(of_slack(PRESSED, at=NOW + timedelta(minutes=6)), SECRETS)
    with pytest.raises(Forged):
        slack.read(of_slack(PRESSED), Secrets(SecretStr("another")))
    with pytest.raises(Forged):
        slack.read(of_slack(PRESSED), Secrets(SecretStr("")))


def test_dingtalk_a_word_to_the_robot_is_answered_in_the_group() -> None:
    said = {"msgtype": "text", "text": {"content": " 1 4821"}, "senderStaffId": "u7", "msgId": "m1"}
    found = dingtalk.read(of_dingtalk(said), SECRETS)
    (given,) = found.given
    assert (given.addresses, given.reply, given.token) == (
        ["duty/u7"],
        Reply(Deed.TAKE, "4821"),
        "dingtalk:m1",
    )
    assert json.loads(found.speak("好的").content)["text"]["content"] == "好的"
    for wrong in (of_dingtalk(said, at=NOW + timedelta(hours=2)), incoming(b"{}", timestamp="x", sign="y")):
        with pytest.raises(Forged):
            dingtalk.read(wrong, SECRETS)


def test_feishu_the_address_is_proven_by_the_challenge() -> None:
    asked = {"type": "url_verification", "token": "t0ken", "challenge": "c"}
    assert json.loads(feishu.read(of_feishu(asked, signed_with="none"), SECRETS).speak("").content) == {
        "challenge": "c"
    }
    with pytest.raises(Forged):
        feishu.read(of_feishu(asked | {"token": "guess"}), SECRETS)


def test_feishu_a_button_is_answered_on_the_spot() -> None:
    event = {"operator": {"open_id": "ou_1"}, "action": {"value": {"answer": "cannot", "of": "D.M"}}}
    header = {"event_id": "e1", "token": "t0ken", "event_type": "card.action.trigger"}
    found = feishu.read(of_feishu({"schema": "2.0", "header": header, "event": event}), SECRETS)
    (given,) = found.given
    assert (given.addresses, given.reply, given.button) == (["duty/ou_1"], Reply(Deed.CANNOT), "D.M")
    assert json.loads(found.speak("noted").content)["toast"]["content"] == "noted"
    with pytest.raises(Forged):
        feishu.read(of_feishu({"header": header, "event": event}, signed_with="guess"), SECRETS)


def test_wecom_the_address_is_proven_by_a_sealed_word() -> None:
    said = wecom.read(of_wecom("open sesame", name="echostr"), FOR_WECOM).speak("")
    assert said.content == b"open sesame"


def test_wecom_a_word_to_the_robot_is_read_and_answered_sealed() -> None:
    plain = (
        "<xml><From><UserId><![CDATA[zhangsan]]></UserId></From><MsgType><![CDATA[text]]></MsgType>"
        "<Text><Content><![CDATA[@muster 1 4821]]></Content></Text><MsgId><![CDATA[m1]]></MsgId></xml>"
    )
    found = wecom.read(of_wecom(plain), FOR_WECOM)
    (given,) = found.given
    assert (given.addresses, given.reply, given.token) == (
        ("duty/zhangsan",),
        Reply(Deed.TAKE, "4821"),
        "wecom:m1",
    )
    answered = found.speak("已收到")
    assert "已收到".encode() not in answered.content
    assert b"<Encrypt>" in answered.content


@pytest.mark.parametrize("wrong", [
    Secrets(SecretStr(KEY), SecretStr("guess"), "corp1"),
    Secrets(SecretStr(KEY), SecretStr("t0ken"), "another"),
    Secrets(SecretStr(base64.b64encode(b"x" * 32).decode().rstrip("=")), SecretStr("t0ken"), "corp1"),
])  # fmt: skip
def test_wecom_what_is_sealed_or_signed_for_another_is_forged(wrong: Secrets) -> None:
    with pytest.raises(Forged):
        wecom.read(of_wecom("<xml><Content>1</Content></xml>"), wrong)


DELIVERY = "01M82A29W0Q7BZGWGK389J0BM8"


def of_mail(text: str, *, subject: str = f"Re: a [#{DELIVERY}-{'m' * 32}]", more: str = "") -> Incoming:
    raw = f"From: Lin <lin@centre.example>\r\nSubject: {subject}\r\nMessage-ID: <1@x>\r\n{more}\r\n{text}"
    return incoming(raw.encode(), query={"key": "s3cret"})


def test_mail_the_subject_says_which_message_and_the_first_line_what() -> None:
    (given,) = mail.read(of_mail("\r\n1\r\n\r\n> 2\r\n"), SECRETS).given
    assert (given.reply, given.button, given.addresses) == (
        TAKE,
        f"{DELIVERY}.{'m' * 32}",
        ("lin@centre.example",),
    )


@pytest.mark.parametrize("more", ["Auto-Submitted: auto-replied\r\n", "Precedence: bulk\r\n"])
def test_mail_what_a_machine_wrote_answers_nothing(more: str) -> None:
    assert mail.read(of_mail("1", more=more), SECRETS).given == ()


def test_mail_what_is_only_quoted_is_no_answer() -> None:
    (given,) = mail.read(of_mail("On Monday Muster wrote:\r\n> 1\r\n"), SECRETS).given
    assert given.reply is None
    with pytest.raises(Forged):
        mail.read(incoming(b"", query={}), SECRETS)
