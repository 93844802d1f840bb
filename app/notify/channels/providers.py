"""How the providers of short messages and calls want to be asked: a template of the request, a signature, and how they answer.

Three are ready: Aliyun and Tencent, which want a template of theirs filled in, and Twilio, which takes a text. Any other
that takes a POST is described in the settings by address, headers and body. In all of them a name in braces stands for a
value: `{to}`, `{text}` (short enough, with its link), `{subject}`, `{number}`, `{level}`, `{status}`, `{link}`, `{path}`
(the link without its host, for templates that hold the host), `{key}` (the same on each attempt), `{code}` (typed with an answer),
`{language}`, and of the
account `{account}`, `{secret}`, `{sender}`, `{template}`, `{app}`, `{region}`. Values are put into the finished structure,
so that none of them can change it.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit
from xml.sax.saxutils import escape

from pydantic import SecretStr

from app.notify.channels.answer import Codes
from app.notify.channels.chat import Post

_NAME: Final = re.compile(r"\{([a-z_]+)\}")
_VARIABLES: Final = {"number": "{number}", "level": "{level}", "subject": "{subject}", "path": "{path}"}


@dataclass(frozen=True)
class Gateway:
    """An account with a provider."""

    provider: str
    """`aliyun`, `tencent`, `twilio`, or `other`."""
    account: str = ""
    secret: SecretStr = field(default_factory=lambda: SecretStr(""))
    sender: str = ""
    """The number it comes from, or the signature it bears."""
    template: str = ""
    app: str = ""
    region: str = ""
    url: str = ""
    """In place of the provider's own; for `other` there is no own."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    """For `other`: the JSON, or the fields of a form where the headers say so."""
    variables: Any = None
    """What goes into the provider's template: a mapping for Aliyun, a list for Tencent."""
    answers: bool = False
    """Whether what people answer comes back to us, so that the message may ask for it."""
    good: str = ""
    """For `other`: `path=value` of the answer's JSON that says it was taken, such as `code=0`; empty: by status."""


Written = Callable[[Gateway, Mapping[str, str], datetime], Post]


@dataclass(frozen=True)
class Ready:
    """How one kind of request is made and judged."""

    written: Written
    codes: Codes | None = None


def ready(gateway: Gateway, kind: str) -> Ready:
    """The request for a kind, `sms` or `voice`; raises `ValueError` for settings that can make none."""
    if gateway.provider == "other":
        if not gateway.url or gateway.body is None:
            raise ValueError(f"the {kind} provider 'other' needs an address and a body")
        path, _, good = gateway.good.partition("=")
        return Ready(_described, Codes(at=(path,), good=frozenset({good})) if path else None)
    found = _READY.get((gateway.provider, kind))
    if found is None:
        raise ValueError(f"there is no {kind} provider {gateway.provider!r}")
    return found


def filled(shape: Any, values: Mapping[str, str]) -> Any:
    """The structure with its `{names}` replaced; a name that is not known stays as it is."""
    if isinstance(shape, str):
        return _NAME.sub(lambda found: values.get(found[1], found[0]), shape)
    if isinstance(shape, Mapping):
        return {name: filled(value, values) for name, value in shape.items()}
    if isinstance(shape, list | tuple):
        return [filled(value, values) for value in shape]
    return shape


def _described(gateway: Gateway, values: Mapping[str, str], at: datetime) -> Post:
    known = {**values, **_of_account(gateway)}
    headers = {name.lower(): value for name, value in filled(gateway.headers, known).items()}
    content = filled(gateway.body, known)
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return Post(gateway.url, urlencode(content).encode(), headers)
    body = json.dumps(content, ensure_ascii=False).encode()
    return Post(gateway.url, body, {"content-type": "application/json", **headers})


def _of_account(gateway: Gateway) -> dict[str, str]:
    return {
        "account": gateway.account, "secret": gateway.secret.get_secret_value(), "sender": gateway.sender,
        "template": gateway.template, "app": gateway.app, "region": gateway.region,
    }  # fmt: skip


# ── Twilio ──


def _twilio_text(gateway: Gateway, values: Mapping[str, str], at: datetime) -> Post:
    return _twilio(gateway, "Messages", {"To": values["to"], "From": gateway.sender, "Body": values["text"]})


def _twilio_call(gateway: Gateway, values: Mapping[str, str], at: datetime) -> Post:
    tongue = {"zh-Hans": "zh-CN", "zh-Hant": "zh-TW"}.get(values["language"], "en-US")
    said = f'<Say language="{tongue}" loop="2">{escape(values["text"])}</Say>'
    if values["keys_to"]:
        said = (
            f'<Gather numDigits="1" action="{escape(values["keys_to"], {chr(34): "&quot;"})}">{said}</Gather>'
        )
    said = f"<Response>{said}</Response>"
    return _twilio(gateway, "Calls", {"To": values["to"], "From": gateway.sender, "Twiml": said})


def _twilio(gateway: Gateway, what: str, fields: Mapping[str, str]) -> Post:
    base = gateway.url or "https://api.twilio.com"
    login = base64.b64encode(f"{gateway.account}:{gateway.secret.get_secret_value()}".encode()).decode()
    headers = {"authorization": f"Basic {login}", "content-type": "application/x-www-form-urlencoded"}
    url = f"{base}/2010-04-01/Accounts/{quote(gateway.account, safe='')}/{what}.json"
    return Post(url, urlencode(fields).encode(), headers)


# ── Aliyun: version 3 of its signature ──


def _aliyun_text(gateway: Gateway, values: Mapping[str, str], at: datetime) -> Post:
    fields = {
        "PhoneNumbers": _chinese(values["to"]), "SignName": gateway.sender, "TemplateCode": gateway.template,
        "TemplateParam": _variables(gateway, values), "OutId": values["key"],
    }  # fmt: skip
    return _aliyun(gateway, "https://dysmsapi.aliyuncs.com", "SendSms", fields, values["key"], at)


def _aliyun_call(gateway: Gateway, values: Mapping[str, str], at: datetime) -> Post:
    fields = {
        "CalledNumber": _chinese(values["to"]), "CalledShowNumber": gateway.sender, "TtsCode": gateway.template,
        "TtsParam": _variables(gateway, values), "PlayTimes": "2", "OutId": values["key"],
    }  # fmt: skip
    return _aliyun(gateway, "https://dyvmsapi.aliyuncs.com", "SingleCallByTts", fields, values["key"], at)


def _aliyun(
    gateway: Gateway, own: str, action: str, fields: Mapping[str, str], key: str, at: datetime
) -> Post:
    base = gateway.url or own
    query = "&".join(f"{quote(name, safe='~')}={quote(fields[name], safe='~')}" for name in sorted(fields))
    signed = {
        "host": urlsplit(base).netloc, "x-acs-action": action, "x-acs-content-sha256": _sha256(b""),
        "x-acs-date": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        # Another on each attempt: one that was seen is refused. Copies are told by `OutId`.
        "x-acs-signature-nonce": _sha256(f"{key}:{at.timestamp()}".encode())[:32], "x-acs-version": "2017-05-25",
    }  # fmt: skip
    names = ";".join(sorted(signed))
    lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    canonical = f"POST\n/\n{query}\n{lines}\n{names}\n{_sha256(b'')}"
    digest = _hmac(
        gateway.secret.get_secret_value().encode(), f"ACS3-HMAC-SHA256\n{_sha256(canonical.encode())}"
    )
    authorization = (
        f"ACS3-HMAC-SHA256 Credential={gateway.account},SignedHeaders={names},Signature={digest.hex()}"
    )
    return Post(f"{base}/?{query}", b"", {**signed, "authorization": authorization})


# ── Tencent: TC3 ──


def _tencent_text(gateway: Gateway, values: Mapping[str, str], at: datetime) -> Post:
    content = {
        "PhoneNumberSet": [values["to"]], "SmsSdkAppId": gateway.app, "TemplateId": gateway.template,
        "SignName": gateway.sender, "TemplateParamSet": _list_of_variables(gateway, values), "SessionContext": values["key"],
    }  # fmt: skip
    return _tencent(gateway, "sms", "SendSms", "2021-01-11", content, at)


def _tencent_call(gateway: Gateway, values: Mapping[str, str], at: datetime) -> Post:
    content = {
        "CalledNumber": values["to"], "VoiceSdkAppid": gateway.app, "TemplateId": gateway.template, "PlayTimes": 2,
        "TemplateParamSet": _list_of_variables(gateway, values), "SessionContext": values["key"],
    }  # fmt: skip
    return _tencent(gateway, "vms", "SendTtsVoice", "2020-09-02", content, at)


def _tencent(
    gateway: Gateway, service: str, action: str, version: str, content: Mapping[str, Any], at: datetime
) -> Post:
    base = gateway.url or f"https://{service}.tencentcloudapi.com"
    body = json.dumps(content, ensure_ascii=False).encode()
    timestamp, day = str(int(at.timestamp())), at.astimezone(UTC).strftime("%Y-%m-%d")
    kind = "application/json; charset=utf-8"
    canonical = (
        f"POST\n/\n\ncontent-type:{kind}\nhost:{urlsplit(base).netloc}\n\ncontent-type;host\n{_sha256(body)}"
    )
    scope = f"{day}/{service}/tc3_request"
    key = f"TC3{gateway.secret.get_secret_value()}".encode()
    for part in (day, service, "tc3_request"):
        key = _hmac(key, part)
    digest = _hmac(key, f"TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{_sha256(canonical.encode())}")
    headers = {
        "authorization": f"TC3-HMAC-SHA256 Credential={gateway.account}/{scope}, SignedHeaders=content-type;host,"
        f" Signature={digest.hex()}",
        "content-type": kind, "x-tc-action": action, "x-tc-version": version, "x-tc-timestamp": timestamp,
        **({"x-tc-region": gateway.region} if gateway.region else {}),
    }  # fmt: skip
    return Post(f"{base}/", body, headers)


def _chinese(number: str) -> str:
    """A number of the mainland without its prefix, any other without its plus sign: so Aliyun wants it."""
    return number.removeprefix("+86") if number.startswith("+86") else number.removeprefix("+")


def _variables(gateway: Gateway, values: Mapping[str, str]) -> str:
    return json.dumps(filled(gateway.variables or _VARIABLES, values), ensure_ascii=False)


def _list_of_variables(gateway: Gateway, values: Mapping[str, str]) -> list[str]:
    return list(filled(gateway.variables or list(_VARIABLES.values()), values))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


_ALIYUN: Final = Codes(
    at=("Code",), good=frozenset({"OK"}),
    again=frozenset({"isp.SYSTEM_ERROR", "isp.UNKNOWN_ERROR", "ServiceUnavailable", "InternalError"}),
    too_many=frozenset({"isv.BUSINESS_LIMIT_CONTROL", "Throttling", "Throttling.User", "Throttling.Api"}),
)  # fmt: skip
_TENCENT: Final = Codes(
    at=("Response.Error.Code", "Response.SendStatusSet.0.Code"), good=frozenset({"Ok"}),
    taken_at="Response.SendStatus.CallId",
    again=frozenset({"InternalError", "InternalError.Timeout", "InternalError.OtherError", "ResourceUnavailable"}),
    too_many=frozenset({
        "RequestLimitExceeded", "LimitExceeded.PhoneNumberDailyLimit", "LimitExceeded.DeliveryFrequencyLimit",
        "LimitExceeded.PhoneNumberThirtySecondLimit", "LimitExceeded.PhoneNumberOneHourLimit",
    }),
)  # fmt: skip
_READY: Final[Mapping[tuple[str, str], Ready]] = {
    ("aliyun", "sms"): Ready(_aliyun_text, _ALIYUN),
    ("aliyun", "voice"): Ready(_aliyun_call, _ALIYUN),
    ("tencent", "sms"): Ready(_tencent_text, _TENCENT),
    ("tencent", "voice"): Ready(_tencent_call, _TENCENT),
    ("twilio", "sms"): Ready(_twilio_text),
    ("twilio", "voice"): Ready(_twilio_call),
}
