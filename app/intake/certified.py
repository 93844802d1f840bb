"""What SNS signs with a certificate: verified before anything of it is read, a subscription confirmed only after that.

Whoever posts here chooses the addresses in the message, so they are called only where they are SNS's own, over TLS, through the one
door that calls anybody (`app.outgoing`). The key of the source has been shown before any call is made.
"""

import base64
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from app.errors import Forbidden, Unavailable
from app.intake.sources import sns
from app.outgoing import CallFailed, Outgoing
from app.wording import say

# The host of every region, of China and of the government's; a bucket or an account of somebody's own never matches.
_HOST: Final = re.compile(r"sns\.[a-z0-9-]{3,30}\.amazonaws\.com(\.cn)?")
_CERTIFICATE: Final = re.compile(r"/SimpleNotificationService-[0-9a-zA-Z]{1,128}\.pem")
_HASHES: Final = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303 - version 1 is what SNS signs with by default
_OF_A_NOTIFICATION: Final = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_OF_A_CONFIRMATION: Final = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_CERTIFICATES: Final = 16  # remembered; SNS has one for each region
_WITHIN: Final = timedelta(seconds=5)
_LONG_AGO: Final = timedelta(hours=1)  # SNS tries again for that long


class Certified:
    """The verifier of one process: it remembers the certificates it fetched."""

    def __init__(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing
        self._certificates: dict[str, x509.Certificate] = {}

    async def take(self, message: Any, *, topics: list[str] | None, at: datetime) -> None:
        """Verify a message of SNS, and confirm the subscription if it asks for that.

        Raises `Forbidden` where it is not of SNS or of none of the `topics`, and `Unavailable`, after which SNS tries again, where
        Amazon cannot be reached.
        """
        said = _texts(message)
        if topics is not None and said["TopicArn"] not in topics:
            raise Forbidden(say("intake.sns.topic", topic=said["TopicArn"][:200]))
        certificate = await self._certificate(said["SigningCertURL"], at)
        _verify(said, certificate)
        if said["Type"] == "SubscriptionConfirmation":
            await self._fetch(_checked(said["SubscribeURL"]))

    async def _certificate(self, url: str, at: datetime) -> x509.Certificate:
        if url not in self._certificates:
            if not _CERTIFICATE.fullmatch(urlsplit(_checked(url)).path):
                raise Forbidden(say("intake.sns.address"))
            try:
                found = x509.load_pem_x509_certificate(await self._fetch(url))
            except ValueError as error:
                raise Forbidden(say("intake.sns.signature")) from error
            if len(self._certificates) >= _CERTIFICATES:
                self._certificates.clear()
            self._certificates[url] = found
        certificate = self._certificates[url]
        if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc + _LONG_AGO:
            del self._certificates[url]
            raise Forbidden(say("intake.sns.signature"))
        return certificate

    async def _fetch(self, url: str) -> bytes:
        try:
            reply = await self._outgoing.request("GET", url, deadline=_WITHIN)
        except CallFailed as failed:
            raise Unavailable(say("intake.sns.away"), headers={"Retry-After": "20"}) from failed
        if reply.status != 200:
            raise Unavailable(say("intake.sns.away"), headers={"Retry-After": "20"})
        return reply.body


def _texts(message: Any) -> Mapping[str, str]:
    """The members of a message that has all it must have."""
    if not isinstance(message, dict):
        raise Forbidden(say("intake.sns.signature"))
    said = {name: value for name, value in message.items() if isinstance(value, str)}
    signed = _signed_members(said)
    needed = {*signed, "Signature", "SigningCertURL", "SignatureVersion"} - {"Subject"}
    if not needed <= said.keys() or said["SignatureVersion"] not in _HASHES:
        raise Forbidden(say("intake.sns.signature"))
    return said


def _signed_members(said: Mapping[str, str]) -> tuple[str, ...]:
    kind = said.get("Type")
    if kind == sns.NOTIFICATION:
        return _OF_A_NOTIFICATION
    if kind in sns.ABOUT_THE_SUBSCRIPTION:
        return _OF_A_CONFIRMATION
    raise Forbidden(say("intake.sns.signature"))


def _verify(said: Mapping[str, str], certificate: x509.Certificate) -> None:
    """Each signed member's name and value on a line of their own, in the order of their names."""
    content = "".join(f"{name}\n{said[name]}\n" for name in _signed_members(said) if name in said)
    key = certificate.public_key()
    try:
        if not isinstance(key, rsa.RSAPublicKey):
            raise InvalidSignature
        key.verify(
            base64.b64decode(said["Signature"], validate=True), content.encode(), padding.PKCS1v15(),
            _HASHES[said["SignatureVersion"]],
        )  # fmt: skip
    except (InvalidSignature, ValueError) as error:
        raise Forbidden(say("intake.sns.signature")) from error


def _checked(url: str) -> str:
    """The address, if it is one of SNS's own."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Forbidden(say("intake.sns.address")) from error
    own = _HOST.fullmatch(parts.hostname or "") is not None
    if parts.scheme != "https" or not own or port not in (None, 443) or parts.username is not None:
        raise Forbidden(say("intake.sns.address"))
    return url
