"""What SNS signs: verified with a certificate of its own hosts, and nothing else is ever called."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from app.errors import Forbidden, Unavailable
from app.intake.certified import Certified
from app.outgoing import CallFailed, FailureKind, Outgoing, Reply
from tests.conformance.sources import ALARM, sns

NOW = datetime(2026, 11, 22, 2, 10, tzinfo=UTC)
HOST = "https://sns.us-east-1.amazonaws.com"
CONFIRM = f"{HOST}/?Action=ConfirmSubscription&Token=t"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(*, until: datetime = NOW + timedelta(days=9)) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(KEY.public_key())
        .serial_number(1).not_valid_before(NOW - timedelta(days=9)).not_valid_after(until)
    )  # fmt: skip
    return made.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class Amazon(Outgoing):
    """Amazon, and every other host there is: notes who is called."""

    def __init__(self, body: bytes = b"", *, away: bool = False) -> None:
        self.called: list[str] = []
        self._body, self._away = body or certificate(), away

    async def request(self, method: str, url: str, **more: Any) -> Reply:
        self.called.append(url)
        if self._away:
            raise CallFailed(FailureKind.TIMEOUT, "sns")
        return Reply(200, {}, self._body)


def signed(message: dict[str, Any], *, version: str = "2") -> dict[str, Any]:
    message = {**message, "SignatureVersion": version}
    own = {"Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
    content = "".join(f"{name}\n{message[name]}\n" for name in sorted(own & message.keys()))
    digest = hashes.SHA256() if version == "2" else hashes.SHA1()
    mark = KEY.sign(content.encode(), padding.PKCS1v15(), digest)
    return {**message, "Signature": base64.b64encode(mark).decode()}


def confirmation(**changes: Any) -> dict[str, Any]:
    return {
        **sns(ALARM),
        "Type": "SubscriptionConfirmation",
        "Token": "t",
        "SubscribeURL": CONFIRM,
        **changes,
    }


async def take(amazon: Amazon, message: Any, topics: list[str] | None = None) -> None:
    await Certified(amazon).take(message, topics=topics, at=NOW)


@pytest.mark.parametrize("version", ["1", "2"])
async def test_a_signed_message_is_taken_and_its_certificate_fetched_once(version: str) -> None:
    amazon = Amazon()
    certified = Certified(amazon)
    for subject in ({}, {"Subject": "ALARM"}):
        message = signed({**sns(ALARM), **subject}, version=version)
        await certified.take(message, topics=[message["TopicArn"]], at=NOW)
    assert amazon.called == [message["SigningCertURL"]]


async def test_a_subscription_is_confirmed_after_its_signature_was_verified_and_not_before() -> None:
    amazon, asked = Amazon(), signed(confirmation())
    await take(amazon, asked)
    assert amazon.called == [asked["SigningCertURL"], CONFIRM]
    with pytest.raises(Forbidden):
        await take(spoilt := Amazon(), {**asked, "SubscribeURL": f"{CONFIRM}2"})
    assert CONFIRM not in spoilt.called
    assert f"{CONFIRM}2" not in spoilt.called


@pytest.mark.parametrize(
    "changes",
    [
        {"Message": json.dumps({**ALARM, "NewStateValue": "OK"})}, {"MessageId": "23"}, {"Signature": "AAAA"}, {"Signature": "é"},
        {"SignatureVersion": "3"}, {"Type": "Other"}, {"Timestamp": 7}, {"TopicArn": "arn:another"},
    ],
)  # fmt: skip
async def test_a_word_changed_on_the_way_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Forbidden):
        await take(Amazon(), {**signed(sns(ALARM)), **changes})


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a.pem",
        "https://sns.us-east-1.amazonaws.com.example/SimpleNotificationService-0a.pem",
        "https://bucket.s3.amazonaws.com/SimpleNotificationService-0a.pem",
        "https://sns.us-east-1.amazonaws.com@127.0.0.1/SimpleNotificationService-0a.pem",
        "https://me@sns.us-east-1.amazonaws.com/SimpleNotificationService-0a.pem",
        "https://sns.us-east-1.amazonaws.com:8443/SimpleNotificationService-0a.pem",
        "https://sns.us-east-1.amazonaws.com/anything.pem",
        "https://169.254.169.254/SimpleNotificationService-0a.pem",
        "https://[::1", "",
    ],
)  # fmt: skip
async def test_no_other_address_is_called_whoever_asks(url: str) -> None:
    amazon = Amazon()
    with pytest.raises(Forbidden):
        await take(amazon, signed({**sns(ALARM), "SigningCertURL": url}))
    assert amazon.called == []
    with pytest.raises(Forbidden):
        await take(amazon, signed(confirmation(SubscribeURL=url if "anything" not in url else "")))
    assert amazon.called == [sns(ALARM)["SigningCertURL"]]


async def test_a_topic_that_is_not_the_sources_is_refused_before_any_call() -> None:
    amazon = Amazon()
    with pytest.raises(Forbidden):
        await take(amazon, signed(sns(ALARM)), topics=["arn:aws:sns:us-east-1:1:others"])
    assert amazon.called == []


async def test_amazon_away_makes_sns_come_again_and_an_old_certificate_counts_for_nothing() -> None:
    with pytest.raises(Unavailable):
        await take(Amazon(away=True), signed(sns(ALARM)))
    for body in (certificate(until=NOW - timedelta(days=1)), b"no certificate"):
        with pytest.raises(Forbidden):
            await take(Amazon(body), signed(sns(ALARM)))
