"""Mail over SMTP: plain text with the link written out, and the same as a small page with a button.

A connection serves the next mail too, for a few seconds: the greeting and the handshake cost more than the mail.
The mail server is the operator's own and named in the settings, so the egress guard has no part in it.
Nothing of a message can become a header of its own: addresses with anything unusual are refused, subjects are
put on one line.
"""

import asyncio
import hashlib
import re
import socket
import ssl
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from enum import StrEnum
from html import escape
from typing import ClassVar, Final

import aiosmtplib
from pydantic import SecretStr

from app.breaker import Breakers
from app.clock import Clock, SystemClock
from app.notify.callbacks import mail as replies_by_mail
from app.notify.channel import Attachment, DeliveryError, Message, Receipt, as_told
from app.wording import Wording, render, say

DEADLINE: Final = timedelta(seconds=20)
_KEPT_FOR: Final = timedelta(seconds=4)  # shorter than servers wait for the next mail
_AT_ONCE: Final = 40  # connections; common servers take fifty of one client and turn the others away
# For the polite goodbye after the server has taken the mail; nothing depends on it.
_GOODBYE: Final = timedelta(seconds=1)
# Everything in seven bits: not every relay on the way knows 8BITMIME.
_POLICY: Final = SMTP.clone(cte_type="7bit")
_ADDRESS: Final = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
)
_GRAVE: Final = {1: "1 (Highest)", 2: "2 (High)"}


class Security(StrEnum):
    """How the connection to the mail server is protected."""

    NONE = "none"  # only for a server on the same machine or a trusted network
    STARTTLS = "starttls"  # plain at first, then encrypted; refused when the server does not offer it
    TLS = "tls"  # encrypted from the first byte


@dataclass(frozen=True)
class MailSettings:
    """Where and as whom mail is sent."""

    host: str
    port: int
    sender: str
    username: str | None = None
    password: SecretStr | None = None
    security: Security = Security.STARTTLS
    deadline: timedelta = DEADLINE
    answers: str | None = None
    """The address whose mail comes back to us, so that a mail may ask for a reply; none: nothing comes back."""


class MailChannel:
    """A mail to one address; the server's acceptance of it is a receipt."""

    name: ClassVar[str] = "mail"

    def __init__(
        self,
        settings: MailSettings,
        *,
        tls: ssl.SSLContext | None = None,
        breakers: Breakers | None = None,
        clock: Clock | None = None,
    ) -> None:
        sender = parseaddr(settings.sender)[1]
        if not _ADDRESS.fullmatch(sender) or not settings.sender.isprintable():
            raise ValueError("the sender of mails is not a mail address")
        self._settings = settings
        self._sender = sender
        self._tls = tls
        self._destination = f"{settings.host}:{settings.port}"
        self._breakers = breakers or Breakers()
        self._clock = clock or SystemClock()
        self._idle: list[aiosmtplib.SMTP] = []
        self._lines = asyncio.Semaphore(_AT_ONCE)

    def address_problem(self, to: str) -> Wording | None:
        if len(to) <= 254 and _ADDRESS.fullmatch(to) and ".." not in to:
            return None
        return say("channel.mail.bad_address")

    def mask(self, to: str) -> str:
        if self.address_problem(to) is not None:
            return "…"
        local, _, domain = to.partition("@")
        return f"{local[0]}…@{domain}"

    async def send(self, to: str, message: Message) -> Receipt:
        """Hand the mail to the server, or raise `DeliveryError`.

        Once the server has taken it, nothing that happens after makes it undone: a copy would be sent.
        """
        if problem := self.address_problem(to):
            raise DeliveryError(problem, permanent=True)
        if (wait := self._breakers.wait(self._destination, at=self._clock.now())) is not None:
            cooling = say("outgoing.cooling", host=self._settings.host)
            raise DeliveryError(cooling, retry_after=wait, untried=True)
        try:
            receipt = await self._hand_over(to, message)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            if _turns_everybody_away(error):
                self._breakers.failed(self._destination, at=self._clock.now())
            else:
                self._breakers.worked(self._destination)
            raise _translated(error) from error
        self._breakers.worked(self._destination)
        return receipt

    async def _hand_over(self, to: str, message: Message) -> Receipt:
        settings = self._settings
        mail = written(as_told(message), sender=settings.sender, to=to, answers=settings.answers)
        async with asyncio.timeout(self._settings.deadline.total_seconds()), self._lines:
            client = await self._connected()
            with ExitStack() as unless_taken:
                # What it would say next is the answer to something else.
                unless_taken.callback(client.close)
                await client.sendmail(self._sender, [to], mail.as_bytes())
                unless_taken.pop_all()
        self._keep(client)
        return Receipt(str(mail["Message-ID"]))

    async def _connected(self) -> aiosmtplib.SMTP:
        """A connection that was kept, if the server still knows it, or a new one."""
        while self._idle:
            kept = self._idle.pop()
            with suppress(aiosmtplib.SMTPException, OSError), ExitStack() as unless_alive:
                unless_alive.callback(kept.close)
                # Asked before anything of the mail is sent: a line that is dead now has taken nothing.
                await kept.rset()
                unless_alive.pop_all()
                return kept
        client = self._client()
        with ExitStack() as unless_connected:
            unless_connected.callback(client.close)
            await client.connect()
            unless_connected.pop_all()
        return client

    def _keep(self, client: aiosmtplib.SMTP) -> None:
        self._idle.append(client)
        asyncio.get_running_loop().call_later(_KEPT_FOR.total_seconds(), self._let_go, client)

    def _let_go(self, client: aiosmtplib.SMTP) -> None:
        # In use just now: it has a later call that lets it go.
        with suppress(ValueError):
            self._idle.remove(client)
            _leave(client)

    def _client(self) -> aiosmtplib.SMTP:
        settings = self._settings
        return aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            username=settings.username,
            password=settings.password.get_secret_value() if settings.password else None,
            # By default the library looks its own name up, which blocks the loop while the name server is
            # away.
            local_hostname=socket.gethostname(),
            timeout=settings.deadline.total_seconds(),
            use_tls=settings.security is Security.TLS,
            start_tls=settings.security is Security.STARTTLS,
            tls_context=self._tls,
        )


def written(message: Message, *, sender: str, to: str, answers: str | None = None) -> EmailMessage:
    """The message as a mail; with `answers`, one that can be answered by a reply to that address.

    Its Message-ID follows from the key, so that copies of it are recognisable.
    """
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = sender
    mail["To"] = to
    mark = ""
    if message.asked is not None and answers:
        mark = f" {replies_by_mail.mark(*message.asked.button.split('.'))}"
        mail["Reply-To"] = answers
    mail["Subject"] = _one_line(message.subject) + mark
    mail["Date"] = format_datetime(message.sent_at)
    mail["Message-ID"] = f"<{hashlib.sha256(message.key.encode()).hexdigest()[:32]}@{_domain(sender)}>"
    # Keeps holiday replies from answering us.
    mail["Auto-Submitted"] = "auto-generated"
    mail["Content-Language"] = message.language
    if priority := _GRAVE.get(message.level):
        mail["X-Priority"] = priority
    hint = render(say("notify.answer_by_mail"), message.language) if mark else ""
    mail.set_content(_plain(message) + (f"\n{hint}\n" if hint else ""))
    mail.add_alternative(_page(message), subtype="html")
    for one in message.attachments:
        _attach(mail, one)
    return mail


def _attach(mail: EmailMessage, file: Attachment) -> None:
    described = EmailMessage(policy=_POLICY)
    described["Content-Type"] = _one_line(file.media_type)
    kind = described["Content-Type"]
    mail.add_attachment(
        file.body, kind.maintype, kind.subtype, filename=_one_line(file.name), params=dict(kind.params)
    )


def _plain(message: Message) -> str:
    if message.link is None:
        return message.text + "\n"
    return f"{message.text}\n\n{message.link_label}\n{message.link}\n"


def _page(message: Message) -> str:
    button = ""
    if message.link is not None:
        button = (
            f'<p><a href="{escape(message.link)}" style="display:inline-block;padding:12px 20px;'
            f'background:#14532d;color:#fff;text-decoration:none;border-radius:4px">{escape(message.link_label)}</a></p>'
        )
    text = escape(message.text).replace("\n", "<br>\n")
    return (
        f'<!doctype html>\n<html lang="{escape(message.language)}"><head><meta charset="utf-8">'
        f"<title>{escape(message.subject)}</title></head>\n<body><p>{text}</p>\n{button}</body></html>\n"
    )


def _one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _domain(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[2]


_LEAVING: Final[set[asyncio.Task[None]]] = set()


def _leave(client: aiosmtplib.SMTP) -> None:
    task = asyncio.create_task(_say_goodbye(client))
    _LEAVING.add(task)
    task.add_done_callback(_LEAVING.discard)


async def _say_goodbye(client: aiosmtplib.SMTP) -> None:
    with suppress(aiosmtplib.SMTPException, OSError):
        async with asyncio.timeout(_GOODBYE.total_seconds()):
            await client.quit()
    client.close()


def _turns_everybody_away(error: Exception) -> bool:
    """Whether the server itself is at fault, and not this mail."""
    if isinstance(error, aiosmtplib.SMTPConnectResponseError | aiosmtplib.SMTPHeloError):
        return True
    if isinstance(error, aiosmtplib.SMTPResponseException | aiosmtplib.SMTPRecipientsRefused):
        return False
    return isinstance(error, OSError | aiosmtplib.SMTPException)


def _translated(error: Exception) -> DeliveryError:
    """What went wrong, without the server's own words: they often repeat the address."""
    match error:
        case aiosmtplib.SMTPRecipientsRefused(recipients=[first, *_]):
            return _by_code(first.code)
        case aiosmtplib.SMTPConnectResponseError() | aiosmtplib.SMTPHeloError():
            # The server turns everybody away, not this mail.
            return DeliveryError(say("channel.mail.code", code=error.code))
        case aiosmtplib.SMTPResponseException():
            return _by_code(error.code)
        case aiosmtplib.SMTPNotSupported():
            return DeliveryError(say("channel.mail.unsupported"), permanent=True)
        # The library wraps it where the line is encrypted from the first byte.
        case _ if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
            return DeliveryError(say("channel.mail.tls"))
        case TimeoutError():
            return DeliveryError(say("channel.mail.timeout"))
        case ConnectionError() | OSError() | aiosmtplib.SMTPException():
            return DeliveryError(say("channel.mail.unreachable"))
        case _:
            return DeliveryError(say("channel.mail.unsendable"), permanent=True)


def _by_code(code: int) -> DeliveryError:
    # RFC 5321, 4.2.1: the first digit says whether the same mail may be tried again.
    return DeliveryError(say("channel.mail.code", code=code), permanent=code >= 500)
