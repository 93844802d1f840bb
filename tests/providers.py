"""The far sides of the channels, each on a local receiver: it checks what the real one checks, and answers as that answers.

Signatures are reckoned here by themselves, from the providers' descriptions, and not with the code that is tested.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, quote, urlsplit

from pydantic import SecretStr

from app.notify.channel import Channel
from app.notify.channels.chat import Chat
from app.notify.channels.providers import Gateway
from app.notify.channels.registry import channels
from app.outgoing import Outgoing
from tests import receiver
from tests.receiver import Answer, Received, Receiver

SECRET: Final = "s3cret-of-the-account"
ACCOUNT: Final = "acc0unt-of-the-house"
Content = Mapping[str, Any]


def _json(document: Any, code: int = 200) -> Answer:
    return receiver.status(code, json.dumps(document).encode(), content_type="application/json")


@dataclass(frozen=True)
class Provider:
    """One far side: what it takes, what it says, and what somebody would read there."""

    channel: str
    path: str
    to: str
    bad_to: str
    taken: Answer
    unavailable: Answer
    refused: Answer
    too_many: Answer
    read: Callable[[Received], str]
    """What is read (or heard) there: subject and text."""
    whom: Callable[[Received], object]
    """Who is called there."""
    wrong: Answer
    """Its answer to a request that is not signed as it should be."""
    signed: Callable[[Received], bool] = lambda request: True
    key: Callable[[Received], str] | None = None
    most: int | None = None
    """How many characters of the text `长` at the most; none: it is whole whatever its length."""
    brief: bool = False
    """A template of the provider's: of the message only its subject is told."""
    keeps_link: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)

    def answers(self, request: Received) -> Answer:
        return self.taken if self.signed(request) else self.wrong

    def channel_to(self, far_side: Receiver, outgoing: Outgoing, **more: Any) -> Channel:
        """The channel as the settings make it, its far side here."""
        far_side.judge = self.answers
        given: dict[str, Any] = dict(self.settings)
        if self.channel in ("sms", "voice"):
            url = far_side.url("").rstrip("/") + ("/hook" if given["provider"] == "other" else "")
            account = Gateway(url=url, account=ACCOUNT, secret=SecretStr(SECRET), **given)
            given = {self.channel: account}
        else:
            url = far_side.url(self.path)
            given = {"chats": {self.channel: {"ops": Chat(SecretStr(url), SecretStr(SECRET))}}}
        found = channels(outgoing, mail=None, webhook_secrets=lambda to: (), **given, **more)
        return found[self.channel]


def _body(request: Received) -> Any:
    return json.loads(request.body)


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# ── groups ──


def _dingtalk_signed(request: Received) -> bool:
    query = parse_qs(urlsplit(request.path).query)
    expected = _hmac(SECRET.encode(), f"{query['timestamp'][0]}\n{SECRET}")
    return query["access_token"] == ["t0ken-of-robot"] and base64.b64decode(query["sign"][0]) == expected


def _dingtalk_read(request: Received) -> str:
    content = _body(request)
    card = content.get("markdown") or content["actionCard"]
    return str(card["text"]).replace("  \n", "\n")


def _feishu_signed(request: Received) -> bool:
    content = _body(request)
    expected = hmac.new(f"{content['timestamp']}\n{SECRET}".encode(), digestmod=hashlib.sha256).digest()
    return base64.b64decode(content["sign"]) == expected


def _feishu_read(request: Received) -> str:
    card = _body(request)["card"]
    return f"{card['header']['title']['content']}\n{card['elements'][0]['text']['content']}"


def _slack_read(request: Received) -> str:
    blocks = _body(request)["blocks"]
    return f"{blocks[0]['text']['text']}\n{blocks[1]['text']['text']}"


def _card(request: Received) -> Any:
    return _body(request)["attachments"][0]["content"]


def _teams_read(request: Received) -> str:
    blocks = _card(request)["body"]
    return f"{blocks[0]['text']}\n{blocks[1]['text']}"


# ── telephones ──


def _form(request: Received) -> dict[str, str]:
    return dict(parse_qsl(request.body.decode()))


def _twilio_signed(request: Received) -> bool:
    login = base64.b64encode(f"{ACCOUNT}:{SECRET}".encode()).decode()
    return request.headers.get("authorization") == f"Basic {login}"


def _query(request: Received) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(request.path).query))


def _aliyun_signed(request: Received) -> bool:
    head = request.headers["authorization"].removeprefix("ACS3-HMAC-SHA256 ")
    said = dict(part.split("=", 1) for part in head.split(","))
    names = said["SignedHeaders"].split(";")
    if names != sorted(names) or request.headers["x-acs-content-sha256"] != _sha(request.body):
        return False
    query = "&".join(f"{quote(n, safe='~')}={quote(v, safe='~')}" for n, v in sorted(_query(request).items()))
    lines = "".join(f"{name}:{request.headers[name].strip()}\n" for name in names)
    canonical = "\n".join(
        [request.method, "/", query, lines, said["SignedHeaders"], request.headers["x-acs-content-sha256"]]
    )
    expected = _hmac(SECRET.encode(), f"ACS3-HMAC-SHA256\n{_sha(canonical.encode())}").hex()
    return said["Credential"] == ACCOUNT and said["Signature"] == expected


def _tencent_signed(request: Received) -> bool:
    head = request.headers["authorization"].removeprefix("TC3-HMAC-SHA256 ")
    said = dict(part.strip().split("=", 1) for part in head.split(","))
    _, day, service, end = said["Credential"].split("/")
    lines = "".join(f"{name}:{request.headers[name]}\n" for name in said["SignedHeaders"].split(";"))
    canonical = f"POST\n/\n\n{lines}\n{said['SignedHeaders']}\n{_sha(request.body)}"
    to_sign = f"TC3-HMAC-SHA256\n{request.headers['x-tc-timestamp']}\n{day}/{service}/{end}\n{_sha(canonical.encode())}"
    key = _hmac(_hmac(_hmac(f"TC3{SECRET}".encode(), day), service), end)
    return said["Signature"] == _hmac(key, to_sign).hex()


def _tencent(code: str) -> Answer:
    return _json({"Response": {"SendStatusSet": [{"Code": code, "Message": "…"}], "RequestId": "r"}})


def _tencent_error(code: str) -> Answer:
    return _json({"Response": {"Error": {"Code": code, "Message": f"{ACCOUNT} …"}, "RequestId": "r"}})


_ALIYUN: Final[Content] = {
    "taken": _json({"Code": "OK", "BizId": "900", "RequestId": "r"}),
    "unavailable": _json({"Code": "isp.SYSTEM_ERROR", "Message": f"{ACCOUNT}"}),
    "refused": _json({"Code": "isv.MOBILE_NUMBER_ILLEGAL", "Message": "+8613800000001"}, 400),
    "too_many": _json({"Code": "isv.BUSINESS_LIMIT_CONTROL", "Message": "…"}),
    "wrong": _json({"Code": "SignatureDoesNotMatch", "Message": "…"}, 403),
    "signed": _aliyun_signed, "key": lambda request: _query(request)["OutId"], "brief": True,
}  # fmt: skip
_TENCENT: Final[Content] = {
    "unavailable": _tencent_error("InternalError"), "refused": _tencent_error("InvalidParameterValue.IncorrectPhoneNumber"),
    "too_many": _tencent_error("RequestLimitExceeded"), "wrong": _tencent_error("AuthFailure.SignatureFailure"),
    "signed": _tencent_signed, "key": lambda request: _body(request)["SessionContext"], "brief": True,
}  # fmt: skip
_TWILIO: Final[Content] = {
    "taken": _json({"sid": "SM1", "status": "queued"}, 201),
    "unavailable": _json({"code": 20500, "message": "…"}, 503),
    "refused": _json({"code": 21211, "message": "+8613800000001 is not a valid number"}, 400),
    "too_many": _json({"code": 20429, "message": "…"}, 429),
    "wrong": _json({"code": 20003, "message": "Authenticate"}, 401),
    "signed": _twilio_signed, "whom": lambda request: _form(request)["To"],
}  # fmt: skip
_ROBOT: Final[Content] = {
    "taken": _json({"errcode": 0, "errmsg": "ok"}), "unavailable": _json({"errcode": -1, "errmsg": "t0ken-of-robot"}),
}  # fmt: skip
_NUMBER: Final[Content] = {"path": "/", "to": "+8613800000001", "bad_to": "13800000001 "}
_ACCOUNT: Final = {"sender": "应急值守", "template": "T1", "app": "1400"}

PROVIDERS: Final[Mapping[str, Provider]] = {
    "dingtalk": Provider(
        "dingtalk", "/robot/send?access_token=t0ken-of-robot", "ops/13800000001", "ops/two words",
        refused=_json({"errcode": 310000, "errmsg": "t0ken-of-robot"}), too_many=_json({"errcode": 130101}),
        wrong=_json({"errcode": 310000, "errmsg": "sign not match"}), signed=_dingtalk_signed, read=_dingtalk_read,
        whom=lambda request: _body(request)["at"]["atMobiles"][0], most=5000, **_ROBOT,
    ),
    "wecom": Provider(
        "wecom", "/cgi-bin/webhook/send?key=t0ken-of-robot", "ops/zhang.san", "ops/all",
        refused=_json({"errcode": 93000, "errmsg": "t0ken-of-robot"}), too_many=_json({"errcode": 45009}),
        wrong=_json({"errcode": 93000, "errmsg": "invalid webhook url"}),
        read=lambda request: str(_body(request)["markdown"]["content"]),
        whom=lambda request: _body(request)["markdown"]["content"].rpartition("<@")[2].rstrip(">"), most=1365, **_ROBOT,
    ),
    "feishu": Provider(
        "feishu", "/open-apis/bot/v2/hook/t0ken-of-robot", "ops/ou_1a2b", "ops/<at>",
        taken=_json({"code": 0, "msg": "success"}), unavailable=_json({"code": 1500, "msg": "t0ken-of-robot"}),
        refused=_json({"code": 19024, "msg": "t0ken-of-robot"}), too_many=_json({"code": 11232}, 400),
        wrong=_json({"code": 19021, "msg": "sign match fail"}), signed=_feishu_signed, read=_feishu_read,
        whom=lambda request: _body(request)["card"]["elements"][1]["content"].split("id=")[1].split(">")[0], most=5000,
    ),
    "slack": Provider(
        "slack", "/services/T1/B1/t0ken-of-robot", "ops/U012AB3CD", "ops/!channel",
        taken=receiver.status(200, b"ok"), unavailable=receiver.status(500, b"rollup_error"),
        refused=receiver.status(404, b"no_service"), too_many=receiver.status(429, b"", retry_after="30"),
        wrong=receiver.status(403, b"invalid_token"), read=_slack_read,
        whom=lambda request: _body(request)["blocks"][2]["text"]["text"].strip("<@>"), most=3000,
    ),
    "teams": Provider(
        "teams", "/workflows/w1/triggers/manual/paths/invoke?sig=t0ken-of-robot", "ops/ada@example.org", "ops/<at>",
        taken=receiver.status(202), unavailable=receiver.status(502), refused=receiver.status(401),
        too_many=receiver.status(429, b"", retry_after="30"), wrong=receiver.status(401), read=_teams_read,
        whom=lambda request: _card(request)["msteams"]["entities"][0]["mentioned"]["id"], most=6666,
    ),
    "ntfy": Provider(
        "ntfy", "/", "ops/ada-topic", "ops", taken=_json({"id": "n1", "event": "message"}),
        unavailable=_json({"code": 50001, "http": 500}, 500), refused=_json({"code": 40009}, 400),
        too_many=_json({"code": 42901}, 429), wrong=_json({"code": 40301}, 403),
        signed=lambda request: request.headers.get("authorization") == f"Bearer {SECRET}",
        read=lambda request: f"{_body(request)['title']}\n{_body(request)['message']}",
        whom=lambda request: _body(request)["topic"], key=lambda request: _body(request)["sequence_id"], most=1333,
    ),
    "aliyun-sms": Provider(
        "sms", read=lambda request: json.loads(_query(request)["TemplateParam"])["subject"],
        whom=lambda request: "+86" + _query(request)["PhoneNumbers"], settings={"provider": "aliyun", **_ACCOUNT},
        **_ALIYUN, **_NUMBER,
    ),
    "aliyun-voice": Provider(
        "voice", read=lambda request: json.loads(_query(request)["TtsParam"])["subject"],
        whom=lambda request: "+86" + _query(request)["CalledNumber"], settings={"provider": "aliyun", **_ACCOUNT},
        **_ALIYUN, **_NUMBER,
    ),
    "tencent-sms": Provider(
        "sms", taken=_tencent("Ok"), read=lambda request: str(_body(request)["TemplateParamSet"][2]),
        whom=lambda request: _body(request)["PhoneNumberSet"][0], settings={"provider": "tencent", **_ACCOUNT},
        **_TENCENT, **_NUMBER,
    ),
    "tencent-voice": Provider(
        "voice", taken=_json({"Response": {"SendStatus": {"CallId": "c1"}, "RequestId": "r"}}),
        read=lambda request: str(_body(request)["TemplateParamSet"][2]),
        whom=lambda request: _body(request)["CalledNumber"], settings={"provider": "tencent", **_ACCOUNT},
        **_TENCENT, **_NUMBER,
    ),
    "twilio-sms": Provider(
        "sms", read=lambda request: _form(request)["Body"], settings={"provider": "twilio", "sender": "+15550001"},
        most=335, **_TWILIO, **_NUMBER,
    ),
    "twilio-voice": Provider(
        "voice", read=lambda request: _form(request)["Twiml"], settings={"provider": "twilio", "sender": "+15550001"},
        most=400, keeps_link=False, **_TWILIO, **_NUMBER,
    ),
    "described-sms": Provider(
        "sms", taken=_json({"code": 0}), unavailable=receiver.status(503), refused=_json({"code": 7, "why": "+8613800000001"}),
        too_many=receiver.status(429), wrong=_json({"code": 1}),
        signed=lambda request: request.headers.get("x-key") == SECRET,
        read=lambda request: str(_body(request)["words"]), whom=lambda request: _body(request)["who"],
        key=lambda request: _body(request)["id"], most=335,
        settings={
            "provider": "other", "headers": {"X-Key": "{secret}"}, "good": "code=0",
            "body": {"who": "{to}", "words": "{text}", "id": "{key}"},
        },
        **_NUMBER,
    ),
}  # fmt: skip
