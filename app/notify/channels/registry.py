"""Every channel there is, in one place to read.

A new channel is one module, one line here, and its case in `tests/conformance/test_channels.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from structlog.typing import FilteringBoundLogger

from app.notify.channel import Channel
from app.notify.channels.chat import Chat, ChatChannel
from app.notify.channels.dingtalk import DingTalkChannel
from app.notify.channels.feishu import FeishuChannel
from app.notify.channels.log import LogChannel
from app.notify.channels.mail import MailChannel, MailSettings
from app.notify.channels.ntfy import NtfyChannel
from app.notify.channels.providers import Gateway
from app.notify.channels.services import AppriseChannel
from app.notify.channels.slack import SlackChannel
from app.notify.channels.teams import TeamsChannel
from app.notify.channels.telephone import SmsChannel, VoiceChannel
from app.notify.channels.webhook import DEADLINE, WebhookChannel
from app.notify.channels.wecom import WeComChannel
from app.outgoing import Outgoing

CHATS: Final[Sequence[type[ChatChannel]]] = (
    DingTalkChannel, WeComChannel, FeishuChannel, SlackChannel, TeamsChannel, NtfyChannel,
)  # fmt: skip
Chats = Mapping[str, Mapping[str, Chat]]
"""The groups that are set up, by channel and by their own name."""


def channels(
    outgoing: Outgoing,
    *,
    mail: MailSettings | None,
    webhook_secrets: Callable[[str], Sequence[bytes]],
    chats: Chats | None = None,
    sms: Gateway | None = None,
    voice: Gateway | None = None,
    deadline: timedelta = DEADLINE,
    log: FilteringBoundLogger | None = None,
) -> Mapping[str, Channel]:
    """The channels in use, by name: those that something is set up for, the webhook, and the log, which is always there.

    `deadline` is for one call. Raises `ValueError` for settings that no message could leave by.
    """
    webhook = WebhookChannel(outgoing, secrets_for=webhook_secrets, deadline=deadline)
    in_use: list[Channel] = [webhook, LogChannel(log)]
    if mail is not None:
        in_use.append(MailChannel(mail, breakers=outgoing.breakers, clock=outgoing.clock))
    groups = chats or {}
    in_use += [
        kind(outgoing, groups[kind.name], deadline=deadline) for kind in CHATS if groups.get(kind.name)
    ]
    if services := groups.get(AppriseChannel.name):
        in_use.append(AppriseChannel(services, deadline=deadline))
    if sms is not None:
        in_use.append(SmsChannel(outgoing, sms, deadline=deadline))
    if voice is not None:
        in_use.append(VoiceChannel(outgoing, voice, deadline=deadline))
    return {channel.name: channel for channel in in_use}
