"""A real SMTP server on this machine that keeps the mails it gets, or refuses them as told."""

import asyncio
import ssl
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from types import TracebackType
from typing import Any, Self
from warnings import catch_warnings, simplefilter

from aiosmtpd.smtp import SMTP, AuthResult


class Mailbox:
    """`async with Mailbox() as mailbox:` - then send to `mailbox.port`, and read `mailbox.mails`.

    `refuse_recipient` and `refuse_mail` are SMTP replies ("550 no such user"); with `hang` the mail is
    read and never answered; with `hang_up_at_quit` the line is cut when the sender says goodbye. `tls` encrypts
    from the first byte, `starttls` when asked for it and takes no mail before.
    """

    def __init__(
        self,
        *,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
        starttls: ssl.SSLContext | None = None,
    ) -> None:
        self._tls = tls
        self._starttls = starttls
        self._password = password
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.refuse_recipient: str | None = None
        self.refuse_mail: str | None = None
        self.hang = False
        self.hang_up_at_quit = False
        self.port = 0
        self._closing = asyncio.Event()
        self._sessions: list[SMTP] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.close()
        for session in self._sessions:
            if session.transport is not None:
                session.transport.close()
        # One turn of the loop for the sessions to notice.
        await asyncio.gather(*(_ended(session) for session in self._sessions))

    @property
    def connections(self) -> int:
        """How many there have been."""
        return len(self._sessions)

    def cut_lines(self) -> None:
        """As a server does that has waited long enough for the next mail."""
        for session in self._sessions:
            if session.transport is not None:
                session.transport.close()

    def _session(self) -> SMTP:
        # A name of its own: the server would otherwise look this machine's name up, which may take seconds.
        with catch_warnings():
            # It warns that a password without TLS is unwise, which between two ends of one test it is not.
            simplefilter("ignore", UserWarning)
            session = SMTP(
                self,
                hostname="mailbox.test",
                loop=asyncio.get_running_loop(),
                authenticator=self._signed_in,
                auth_required=self._password is not None,
                auth_require_tls=False,
                tls_context=self._starttls,
                require_starttls=self._starttls is not None,
            )
        self._sessions.append(session)
        return session

    def _signed_in(self, server: Any, session: Any, envelope: Any, mechanism: str, login: Any) -> AuthResult:
        return AuthResult(success=login.password == (self._password or "").encode(), handled=False)

    async def handle_RCPT(  # noqa: N802 - the server's name for it
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if self.refuse_recipient is not None:
            return self.refuse_recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.hang:
            await self._closing.wait()
        if self.refuse_mail is not None:
            return self.refuse_mail
        self.recipients += envelope.rcpt_tos
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        return "250 kept"

    async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.hang_up_at_quit:
            server.transport.abort()
        return "221 bye"


async def _ended(session: Any) -> None:
    task = session._handler_coroutine
    if task is not None:
        await asyncio.wait({task}, timeout=1)
