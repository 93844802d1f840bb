"""Every channel there is, in one place to read.

A new channel is one module, one line here, and its case in `tests/conformance/test_channels.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from structlog.typing import FilteringBoundLogger

from app.notify.channel import Channel
from app.notify.channels.log import LogChannel
from app.notify.channels.mail import MailChannel, MailSettings
from app.notify.channels.webhook import DEADLINE, WebhookChannel
from app.outgoing import Outgoing


def channels(
    outgoing: Outgoing,
    *,
    mail: MailSettings | None,
    webhook_secrets: Callable[[str], Sequence[bytes]],
    deadline: timedelta = DEADLINE,
    log: FilteringBoundLogger | None = None,
) -> Mapping[str, Channel]:
    """The channels in use, by name; mail only where a server is named. The log is always there. `deadline` is for one webhook."""
    webhook = WebhookChannel(outgoing, secrets_for=webhook_secrets, deadline=deadline)
    in_use: list[Channel] = [webhook, LogChannel(log)]
    if mail is not None:
        in_use.append(MailChannel(mail, breakers=outgoing.breakers, clock=outgoing.clock))
    return {channel.name: channel for channel in in_use}
