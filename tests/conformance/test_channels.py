"""The one suite every channel passes, the fake included; after it what only one kind of channel promises."""

import json
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from email.utils import parsedate_to_datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any, get_args
from urllib.parse import unquote_plus, urlsplit

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook
from structlog.testing import CapturedCall, CapturingLogger

from app.clock import SystemClock
from app.notify.channel import Attachment, Channel, DeliveryError, Message
from app.notify.channels.chat import Chat
from app.notify.channels.log import LogChannel
from app.notify.channels.mail import MailChannel, MailSettings, Security
from app.notify.channels.registry import channels
from app.notify.channels.services import AppriseChannel
from app.notify.channels.webhook import WebhookChannel
from app.outgoing import Outgoing
from app.vocabulary import ChannelName
from app.wording import LANGUAGES, known, say
from tests import receiver as far_side
from tests.fakes import FakeChannel
from tests.mailbox import Mailbox
from tests.providers import ACCOUNT, PROVIDERS, Provider
from tests.providers import SECRET as SECRET_OF_ACCOUNT
from tests.receiver import Receiver

LOOPBACK = (ip_network("127.0.0.0/8"),)
SECRET, OLD_SECRET = b"the secret of today", b"the secret of yesterday"
LINK = "https://muster.example/ack/l1nk-t0ken"
SOON = timedelta(seconds=0.2)

EVERY = ("fake", "log", "mail", "webhook", "apprise", *PROVIDERS)
WITH_A_FAR_SIDE = ("fake", "mail", "webhook", *PROVIDERS)


def message(**changes: Any) -> Message:
    told = Message(
        subject="呼叫中心电话中断",
        text="热线全部无法接通。\n请立即确认。",
        language="zh-Hans",
        link=LINK,
        link_label="确认收到",
        key="01JDKEY-1",
        sent_at=SystemClock().now(),
        ref="incident:01JD",
        number="INC-2026-0007",
        level=1,
        exercise=False,
        kind="notice.page",
        extra={"rung": 2},
    )
    return replace(told, **changes)


@dataclass
class Case:
    """One channel with its far side: how to break that side, and what arrived there as plain text."""

    channel: Channel
    to: str
    bad_address: str | None
    secrets: tuple[str, ...]
    make_unavailable: Callable[[], None]
    make_refuse: Callable[[], None]
    arrived: Callable[[], list[str]]
    keys: Callable[[], list[str]] | None  # none: the far side cannot use one
    most: int | None = None  # characters of a long text that arrive; none: all
    brief: bool = False  # of a message only its subject is told


class BrokenStream:
    """A log whose disk is full."""

    def warning(self, event: str, **fields: Any) -> None:
        raise OSError("no space left on device")


def fake_case() -> Case:
    fake = FakeChannel()

    def fail(*, permanent: bool) -> None:
        fake.failure = DeliveryError(say("channel.webhook.status", status=1), permanent=permanent)

    return Case(
        fake,
        "ada",
        "a da",
        (),
        lambda: fail(permanent=False),
        lambda: fail(permanent=True),
        lambda: [f"{sent.message.subject}\n{sent.message.text}" for sent in fake.sent],
        lambda: [sent.message.key for sent in fake.sent],
    )


def log_case() -> Case:
    lines = CapturingLogger()
    channel = LogChannel(lines)

    def break_it() -> None:
        channel._log = BrokenStream()  # type: ignore[assignment]

    def line(call: CapturedCall) -> str:
        return "\n".join(str(value) for value in call.kwargs.values())

    return Case(
        channel,
        "duty@example.org",
        None,
        ("duty@example.org", LINK),
        break_it,
        lambda: None,
        lambda: [line(call) for call in lines.calls],
        lambda: ["01JDKEY-1" for _ in lines.calls],
    )


def mail_case(mailbox: Mailbox) -> Case:
    channel = MailChannel(mail_settings(mailbox))

    def unavailable() -> None:
        mailbox.refuse_recipient = "451 ada.pager@example.org try later"

    def refuse() -> None:
        mailbox.refuse_recipient = "550 ada.pager@example.org is unknown"

    return Case(
        channel,
        "ada.pager@example.org",
        "ada.pager@example.org\r\nBcc: everybody@example.org",
        ("ada.pager", "s3cret-of-smtp", LINK),
        unavailable,
        refuse,
        lambda: [f"{mail['Subject']}\n{plain(mail)}" for mail in mailbox.mails],
        lambda: [str(mail["Message-ID"]) for mail in mailbox.mails],
    )


def webhook_case(receiver: Receiver, outgoing: Outgoing) -> Case:
    def answer(told: far_side.Answer) -> Callable[[], None]:
        def change() -> None:
            receiver.always = told

        return change

    def arrived() -> list[str]:
        contents = [json.loads(request.body)["data"] for request in receiver.received]
        return [f"{content['subject']}\n{content['text']}" for content in contents]

    return Case(
        webhook(outgoing),
        receiver.url("/hook/t0ken-in-path?key=t0ken-in-query"),
        "http://169.254.169.254/latest/meta-data",
        ("t0ken-in-path", "t0ken-in-query", SECRET.decode(), LINK),
        answer(far_side.status(503, b"t0ken-in-path")),
        answer(far_side.status(404, b"t0ken-in-path")),
        arrived,
        lambda: [request.headers["webhook-id"] for request in receiver.received],
    )


def provider_case(provider: Provider, receiver: Receiver, outgoing: Outgoing) -> Case:
    def answer(told: far_side.Answer) -> Callable[[], None]:
        def change() -> None:
            receiver.judge = lambda request: told

        return change

    key = provider.key
    return Case(
        provider.channel_to(receiver, outgoing, deadline=timedelta(seconds=5)),
        provider.to,
        provider.bad_to,
        ("t0ken-of-robot", SECRET_OF_ACCOUNT, ACCOUNT, provider.to.partition("/")[2] or provider.to, LINK),
        answer(provider.unavailable),
        answer(provider.refused),
        lambda: [provider.read(request) for request in receiver.received],
        (lambda: [key(request) for request in receiver.received]) if key else None,
        provider.most,
        provider.brief,
    )


def apprise_case(receiver: Receiver) -> Case:
    def unavailable() -> None:
        receiver.always = far_side.status(503)

    def arrived() -> list[str]:
        contents = [json.loads(request.body) for request in receiver.received]
        return [f"{content['title']}\n{content['message']}" for content in contents]

    service = Chat(SecretStr(f"json://me:t0ken-of-service@127.0.0.1:{receiver.port}/t0ken-in-path"))
    channel = AppriseChannel({"pager": service}, deadline=timedelta(seconds=5))
    secrets = ("t0ken-of-service", "t0ken-in-path", LINK)
    return Case(channel, "pager", "beeper", secrets, unavailable, unavailable, arrived, None, 666)


def webhook(outgoing: Outgoing, *secrets: bytes) -> WebhookChannel:
    return WebhookChannel(outgoing, secrets_for=lambda to: secrets or (SECRET,), deadline=SOON)


def mail_settings(mailbox: Mailbox, **changes: Any) -> MailSettings:
    settings = MailSettings(
        host="127.0.0.1",
        port=mailbox.port,
        sender="应急值守 <muster@example.org>",
        password=SecretStr("s3cret-of-smtp"),
        security=Security.NONE,
        deadline=timedelta(seconds=5),
    )
    return replace(settings, **changes)


def plain(mail: Any) -> str:
    return str(mail.get_body(("plain",)).get_content()).replace("\r\n", "\n")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with Mailbox() as mailbox:
        yield mailbox


@pytest.fixture
async def outgoing() -> AsyncIterator[Outgoing]:
    async with Outgoing(allow=LOOPBACK) as outgoing:
        yield outgoing


@pytest.fixture
async def case(request: pytest.FixtureRequest) -> AsyncIterator[Case]:
    async with AsyncExitStack() as world:
        match request.param:
            case "fake":
                yield fake_case()
            case "log":
                yield log_case()
            case "mail":
                yield mail_case(await world.enter_async_context(Mailbox()))
            case "apprise":
                yield apprise_case(await world.enter_async_context(Receiver()))
            case name if name in PROVIDERS:
                outgoing = await world.enter_async_context(Outgoing(allow=LOOPBACK))
                yield provider_case(PROVIDERS[name], await world.enter_async_context(Receiver()), outgoing)
            case "webhook":
                outgoing = await world.enter_async_context(Outgoing(allow=LOOPBACK))
                yield webhook_case(await world.enter_async_context(Receiver()), outgoing)


every_channel = pytest.mark.parametrize("case", EVERY, indirect=True)
every_far_side = pytest.mark.parametrize("case", WITH_A_FAR_SIDE, indirect=True)


async def failure_of(case: Case, told: Message | None = None, *, to: str | None = None) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await case.channel.send(to or case.to, told or message())
    return caught.value


@every_channel
async def test_a_message_arrives_and_gives_a_receipt(case: Case) -> None:
    receipt = await case.channel.send(case.to, message())
    assert receipt.detail
    (arrived,) = case.arrived()
    assert "呼叫中心电话中断" in arrived
    assert case.brief or "热线全部无法接通。\n请立即确认。" in arrived


@every_channel
async def test_an_unavailable_far_side_is_worth_another_try(case: Case) -> None:
    case.make_unavailable()
    assert not (await failure_of(case)).permanent


@every_far_side
async def test_a_refusal_is_final(case: Case) -> None:
    case.make_refuse()
    assert (await failure_of(case)).permanent


@every_channel
async def test_a_failure_is_said_in_every_language(case: Case) -> None:
    case.make_unavailable()
    assert known((await failure_of(case)).wording.key)


@every_far_side
async def test_a_bad_address_is_named_before_and_refused_for_good_when_sent_to(case: Case) -> None:
    assert case.bad_address is not None
    assert case.channel.address_problem(case.to) is None
    problem = case.channel.address_problem(case.bad_address)
    assert problem is not None
    assert known(problem.key)
    assert (await failure_of(case, to=case.bad_address)).permanent
    assert case.arrived() == []


@every_channel
async def test_the_same_message_again_is_recognisable_by_its_key(case: Case) -> None:
    await case.channel.send(case.to, message())
    await case.channel.send(case.to, message())
    if case.keys is not None:
        first, second = case.keys()
        assert first == second


@every_far_side
async def test_another_message_has_another_key(case: Case) -> None:
    await case.channel.send(case.to, message())
    await case.channel.send(case.to, message(key="01JDKEY-2"))
    if case.keys is not None:
        first, second = case.keys()
        assert first != second


@every_channel
@pytest.mark.parametrize("language", LANGUAGES)
async def test_an_exercise_says_so_in_subject_and_text(case: Case, language: str) -> None:
    await case.channel.send(case.to, message(exercise=True, language=language))
    (arrived,) = case.arrived()
    mark = {"en": "DRILL", "zh-Hans": "演练", "zh-Hant": "演練"}[language]
    subject, text = arrived.split("呼叫中心电话中断")
    assert mark in subject
    assert case.brief or mark in text


@every_channel
async def test_an_emergency_is_not_marked_as_an_exercise(case: Case) -> None:
    await case.channel.send(case.to, message())
    assert not any(mark in case.arrived()[0] for mark in ("DRILL", "演练", "演練"))


@every_channel
async def test_a_long_text_arrives_whole_or_cut_where_the_far_side_takes_no_more(case: Case) -> None:
    text = "长" * 20_000 + "\n" + "x" * 5_000 + "\n.\n<b>&amp;</b>"
    await case.channel.send(case.to, message(text=text))
    (arrived,) = case.arrived()
    if case.most is None and not case.brief:
        assert text in arrived
    elif case.most is not None:
        assert case.most * 0.6 < arrived.count("长") <= case.most
        assert "…" in arrived


@every_channel
async def test_no_secret_address_or_link_is_told_to_bystanders(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receipt = await case.channel.send(case.to, message())
    case.make_unavailable()
    failed = await failure_of(case)
    # "mail.log" is the far side's own log: what the mailbox here writes down.
    logged = [record.getMessage() for record in caplog.records if record.name != "mail.log"]
    told = [str(failed), repr(failed), repr(failed.wording), repr(receipt), repr(case.channel), *logged]
    told += [repr(message()), case.channel.mask(case.to)]
    assert not [secret for secret in (*case.secrets, LINK) if secret in "\n".join(told)]


async def test_the_link_is_not_written_to_the_log_even_inside_the_text() -> None:
    case = log_case()
    await case.channel.send(case.to, message(text=f"open {LINK} now"))
    assert LINK not in case.arrived()[0]
    assert "duty@example.org" not in case.arrived()[0]


async def test_a_webhook_is_signed_as_the_standard_says(receiver: Receiver, outgoing: Outgoing) -> None:
    await webhook(outgoing).send(receiver.url(), message())
    (request,) = receiver.received
    content = Webhook(SECRET).verify(request.body, dict(request.headers))
    assert content["type"] == "notice.page"
    assert content["data"]["link"] == LINK
    assert content["data"]["status"] == "Actual"
    assert content["data"]["extra"] == {"rung": 2}


async def test_a_receiver_may_hold_the_old_secret_or_the_new(receiver: Receiver, outgoing: Outgoing) -> None:
    await webhook(outgoing, SECRET, OLD_SECRET).send(receiver.url(), message())
    (request,) = receiver.received
    for secret in (SECRET, OLD_SECRET):
        Webhook(secret).verify(request.body, dict(request.headers))


async def test_a_webhook_without_a_secret_does_not_leave(receiver: Receiver, outgoing: Outgoing) -> None:
    channel = WebhookChannel(outgoing, secrets_for=lambda to: ())
    with pytest.raises(DeliveryError) as caught:
        await channel.send(receiver.url(), message())
    assert caught.value.permanent
    assert receiver.received == []


@pytest.mark.parametrize("answer", [far_side.huge(), far_side.compressed(), far_side.drip])
async def test_a_webhook_taken_with_a_bad_body_is_taken(
    receiver: Receiver, outgoing: Outgoing, answer: far_side.Answer
) -> None:
    receiver.always = answer
    assert (await webhook(outgoing).send(receiver.url(), message())).detail == "200"


@pytest.mark.parametrize(
    ("answer", "permanent"),
    [
        (far_side.status(408), False),
        (far_side.status(429), False),
        (far_side.status(500), False),
        (far_side.huge(code=502), False),
        (far_side.compressed(code=400), True),
        (far_side.status(400), True),
        (far_side.status(410), True),
        (far_side.redirect("http://127.0.0.1:1/"), True),
        (far_side.redirect("http://169.254.169.254/latest/meta-data"), True),
        (far_side.hang, False),
        (far_side.drip_the_head, False),
        (far_side.hang_up, False),
        (far_side.talk_gibberish, False),
    ],
)
async def test_the_receivers_answer_says_whether_to_try_again(
    receiver: Receiver, outgoing: Outgoing, answer: far_side.Answer, permanent: bool
) -> None:
    receiver.always = answer
    with pytest.raises(DeliveryError) as caught:
        await webhook(outgoing).send(receiver.url(), message())
    assert caught.value.permanent is permanent
    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7),
        ({"retry_after": "86400"}, 300),
        ({"retry_after": "9" * 400}, 300),
        ({"retry_after": "-5"}, None),
        ({"retry_after": "soon"}, None),
        ({}, None),
        ({"retry_after": "Mon, 23 Nov 2026 02:00:30 GMT", "date": "Mon, 23 Nov 2026 02:00:00 GMT"}, 30),
        ({"retry_after": "Mon, 23 Nov 2026 01:00:00 GMT", "date": "Mon, 23 Nov 2026 02:00:00 GMT"}, 0),
        ({"retry_after": "Mon, 23 Nov 2026 09:00:00 GMT", "date": "Mon, 23 Nov 2026 02:00:00 GMT"}, 300),
    ],
)
async def test_a_pause_asked_for_is_kept_up_to_five_minutes(
    receiver: Receiver, outgoing: Outgoing, headers: dict[str, str], seconds: int | None
) -> None:
    receiver.always = far_side.status(429, b"", **headers)
    with pytest.raises(DeliveryError) as caught:
        await webhook(outgoing).send(receiver.url(), message())
    assert caught.value.retry_after == (None if seconds is None else timedelta(seconds=seconds))


async def test_a_mail_has_a_clear_link_and_a_button(mailbox: Mailbox) -> None:
    await MailChannel(mail_settings(mailbox)).send("ada@example.org", message(text="<script>1</script>"))
    (mail,) = mailbox.mails
    assert f"确认收到\n{LINK}" in plain(mail)
    page = mail.get_body(("html",))
    assert page is not None
    assert f'<a href="{LINK}"' in page.get_content()
    assert "<script>" not in page.get_content()


async def test_a_mail_says_what_it_is_in_its_headers(mailbox: Mailbox) -> None:
    told = message()
    await MailChannel(mail_settings(mailbox)).send("ada@example.org", told)
    (mail,) = mailbox.mails
    assert mail["From"] == "应急值守 <muster@example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-Priority"] == "1 (Highest)"
    assert parsedate_to_datetime(mail["Date"]) == told.sent_at.replace(microsecond=0)
    assert all(byte < 128 for byte in mail.as_bytes())


async def test_a_mail_of_a_lower_level_claims_no_priority(mailbox: Mailbox) -> None:
    await MailChannel(mail_settings(mailbox)).send("ada@example.org", message(level=3))
    assert mailbox.mails[0]["X-Priority"] is None


async def test_a_mail_carries_its_files_beside_text_and_page(mailbox: Mailbox) -> None:
    files = (
        Attachment("首报\r\nBcc: x.pdf", "application/pdf", b"%PDF-1.7 \xff"),
        Attachment("meeting.ics", "text/calendar; method=REQUEST; charset=utf-8", "会议".encode()),
    )
    await MailChannel(mail_settings(mailbox)).send("ada@example.org", message(attachments=files))
    (mail,) = mailbox.mails
    assert f"确认收到\n{LINK}" in plain(mail)
    report, meeting = mail.iter_attachments()
    assert (report.get_content_type(), report.get_filename()) == ("application/pdf", "首报 Bcc: x.pdf")
    assert report.get_payload(decode=True) == b"%PDF-1.7 \xff"
    assert (meeting.get_content_type(), meeting["Content-Type"].params["method"]) == (
        "text/calendar",
        "REQUEST",
    )
    assert meeting.get_payload(decode=True).decode() == "会议"  # type: ignore[union-attr]
    assert all(byte < 128 for byte in mail.as_bytes())


async def test_a_subject_cannot_add_a_header(mailbox: Mailbox) -> None:
    told = message(subject="Outage\r\nBcc: everybody@example.org\r\n\r\nhello\x00")
    await MailChannel(mail_settings(mailbox)).send("ada@example.org", told)
    assert mailbox.mails[0]["Bcc"] is None
    assert mailbox.mails[0]["Subject"] == "Outage Bcc: everybody@example.org hello"
    assert mailbox.recipients == ["ada@example.org"]


@pytest.mark.parametrize(
    "to",
    [
        "",
        "ada",
        "@example.org",
        "a b@example.org",
        "a@b@c",
        "<a@b.c>",
        "a@b.c,d@e.f",
        "a@b.c\n",
        "a@" + "b" * 260,
    ],
)
async def test_what_is_no_mail_address_is_told(mailbox: Mailbox, to: str) -> None:
    channel = MailChannel(mail_settings(mailbox))
    assert channel.address_problem(to) is not None
    assert channel.mask(to) == "…"


@pytest.mark.parametrize(
    ("reply", "permanent"), [("452 full", False), ("421 closing", False), ("554 no", True)]
)
async def test_the_mail_servers_last_word_says_whether_to_try_again(
    mailbox: Mailbox, reply: str, permanent: bool
) -> None:
    mailbox.refuse_mail = reply
    with pytest.raises(DeliveryError) as caught:
        await MailChannel(mail_settings(mailbox)).send("ada@example.org", message())
    assert caught.value.permanent is permanent


async def test_a_mail_server_that_falls_silent_is_left_at_the_deadline(mailbox: Mailbox) -> None:
    mailbox.hang = True
    with pytest.raises(DeliveryError) as caught:
        await MailChannel(mail_settings(mailbox, deadline=SOON)).send("ada@example.org", message())
    assert caught.value.wording == say("channel.mail.timeout")
    assert not caught.value.permanent


async def test_a_mail_server_that_is_away_is_tried_again() -> None:
    async with Mailbox() as gone:
        channel = MailChannel(mail_settings(gone))
    with pytest.raises(DeliveryError) as caught:
        await channel.send("ada@example.org", message())
    assert caught.value.wording == say("channel.mail.unreachable")
    assert not caught.value.permanent


async def test_a_line_cut_after_the_mail_was_taken_does_not_make_a_second_copy(mailbox: Mailbox) -> None:
    mailbox.hang_up_at_quit = True
    await MailChannel(mail_settings(mailbox)).send("ada@example.org", message())
    assert len(mailbox.mails) == 1


async def test_mail_signs_in_where_the_server_asks_for_it() -> None:
    async with Mailbox(password="s3cret-of-smtp") as mailbox:
        await MailChannel(mail_settings(mailbox, username="muster")).send("ada@example.org", message())
        assert len(mailbox.mails) == 1
        wrong = mail_settings(mailbox, username="muster", password=SecretStr("s3cret-guess"))
        with pytest.raises(DeliveryError) as caught:
            await MailChannel(wrong).send("ada@example.org", message())
    assert caught.value.permanent
    assert "s3cret" not in f"{caught.value!r} {wrong!r}"


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
async def test_mail_is_encrypted_to_a_server_that_is_vouched_for_and_to_no_other(
    self_signed: Path, security: Security
) -> None:
    presented = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    presented.load_cert_chain(self_signed)
    given = {"tls" if security is Security.TLS else "starttls": presented}
    async with Mailbox(password="s3cret-of-smtp", **given) as mailbox:
        settings = mail_settings(mailbox, security=security, username="muster")
        with pytest.raises(DeliveryError) as caught:
            await MailChannel(settings).send("ada@example.org", message())
        assert caught.value.wording == say("channel.mail.tls")
        assert mailbox.mails == []
        trusting = ssl.create_default_context(cafile=str(self_signed))
        await MailChannel(settings, tls=trusting).send("ada@example.org", message())
        assert len(mailbox.mails) == 1


async def test_the_next_mail_goes_by_the_same_connection(mailbox: Mailbox) -> None:
    channel = MailChannel(mail_settings(mailbox))
    for number in range(3):
        await channel.send("ada@example.org", message(key=f"01JDKEY-{number}"))
    assert (len(mailbox.mails), mailbox.connections) == (3, 1)


async def test_a_connection_the_server_has_given_up_is_not_used_for_the_next_mail(mailbox: Mailbox) -> None:
    channel = MailChannel(mail_settings(mailbox))
    await channel.send("ada@example.org", message())
    mailbox.cut_lines()
    await channel.send("ada@example.org", message(key="01JDKEY-2"))
    assert (len(mailbox.mails), mailbox.connections) == (2, 2)


async def test_after_a_refusal_the_line_is_not_used_again(mailbox: Mailbox) -> None:
    channel = MailChannel(mail_settings(mailbox))
    mailbox.refuse_mail = "554 no"
    with pytest.raises(DeliveryError):
        await channel.send("ada@example.org", message())
    mailbox.refuse_mail = None
    await channel.send("ada@example.org", message())
    assert (len(mailbox.mails), mailbox.connections) == (1, 2)


async def test_mail_does_not_fall_back_to_an_open_line(mailbox: Mailbox) -> None:
    settings = mail_settings(mailbox, security=Security.STARTTLS)
    with pytest.raises(DeliveryError):
        await MailChannel(settings).send("ada@example.org", message())
    assert mailbox.mails == []


@pytest.mark.parametrize("sender", ["", "nobody", "a@b.c\r\nBcc: x@y.z"])
def test_a_sender_that_is_no_address_stops_the_service_at_start(mailbox: Mailbox, sender: str) -> None:
    with pytest.raises(ValueError, match="sender"):
        MailChannel(mail_settings(mailbox, sender=sender))


async def test_mail_is_in_use_only_where_a_server_is_named(mailbox: Mailbox, outgoing: Outgoing) -> None:
    bare = channels(outgoing, mail=None, webhook_secrets=lambda to: ())
    full = channels(outgoing, mail=mail_settings(mailbox), webhook_secrets=lambda to: ())
    assert set(bare) == {"log", "webhook"}
    assert set(full) == {"log", "mail", "webhook"}


# ── what the services and providers promise beside that ──

every_provider = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)


def test_every_channel_there_is_passes_the_suite() -> None:
    tried = {one.channel for one in PROVIDERS.values()} | set(EVERY) - {"fake", *PROVIDERS}
    assert tried == set(get_args(ChannelName))


@every_provider
async def test_who_it_is_for_is_called_by_the_name_they_have_there(
    receiver: Receiver, outgoing: Outgoing, provider: Provider
) -> None:
    await provider.channel_to(receiver, outgoing).send(provider.to, message())
    (request,) = receiver.received
    assert provider.whom(request) == (provider.to.partition("/")[2] or provider.to)


@every_provider
async def test_a_request_signed_with_another_secret_is_refused_for_good(
    receiver: Receiver, outgoing: Outgoing, provider: Provider
) -> None:
    channel = provider.channel_to(receiver, outgoing)
    receiver.judge = lambda request: provider.wrong
    with pytest.raises(DeliveryError) as caught:
        await channel.send(provider.to, message())
    assert caught.value.permanent


@every_provider
async def test_asked_too_often_the_far_side_is_left_alone_for_a_while(
    receiver: Receiver, outgoing: Outgoing, provider: Provider
) -> None:
    channel = provider.channel_to(receiver, outgoing)
    receiver.answers.append(provider.too_many)
    with pytest.raises(DeliveryError) as caught:
        await channel.send(provider.to, message())
    assert not caught.value.permanent


@pytest.mark.parametrize("name", ["dingtalk", "described-sms"])
async def test_beyond_the_pace_of_the_far_side_nobody_is_asked(
    receiver: Receiver, outgoing: Outgoing, name: str
) -> None:
    provider = PROVIDERS[name]
    channel = provider.channel_to(receiver, outgoing)
    failures = []
    for number in range(25):
        try:
            await channel.send(provider.to, message(key=f"01JDKEY-{number}", level=4))
        except DeliveryError as error:
            failures.append(error)
    assert len(receiver.received) + len(failures) == 25
    assert {(one.untried, one.permanent) for one in failures} == {(True, False)}
    assert all(one.retry_after is not None for one in failures)
    await channel.send(provider.to, message())  # what is grave does not wait for what is not
    assert len(receiver.received) + len(failures) == 26


@pytest.mark.parametrize("name", ["dingtalk", "wecom", "feishu", "slack", "teams"])
async def test_a_link_that_somebody_wrote_into_an_alarm_is_none(
    receiver: Receiver, outgoing: Outgoing, name: str
) -> None:
    provider = PROVIDERS[name]
    false = message(subject="[Take it](https://evil.example)", text="down\n[Take it](https://evil.example)")
    await provider.channel_to(receiver, outgoing).send(provider.to, false)
    [request] = receiver.received
    assert b"evil.example" in request.body
    assert b"](https://evil" not in request.body


MISBEHAVIOUR = (
    (far_side.hang, False),
    (far_side.drip_the_head, False),
    (far_side.hang_up, False),
    (far_side.redirect("http://169.254.169.254/latest/meta-data"), True),
    (far_side.status(502, b"<html>"), False),
)


@every_provider
async def test_a_far_side_that_hangs_drips_resets_or_redirects_is_left_at_the_deadline(
    receiver: Receiver, outgoing: Outgoing, provider: Provider
) -> None:
    channel = provider.channel_to(receiver, outgoing, deadline=SOON)
    receiver.answers += [answer for answer, _ in MISBEHAVIOUR]
    for _, permanent in MISBEHAVIOUR:
        with pytest.raises(DeliveryError) as caught:
            await channel.send(provider.to, message())
        assert caught.value.permanent is permanent


BY_STATUS = ("slack", "teams", "ntfy", "twilio-sms", "twilio-voice")


@pytest.mark.parametrize("name", sorted(set(PROVIDERS) - set(BY_STATUS)))
async def test_a_friendly_page_of_a_proxy_is_no_receipt(
    receiver: Receiver, outgoing: Outgoing, name: str
) -> None:
    provider = PROVIDERS[name]
    channel = provider.channel_to(receiver, outgoing)
    receiver.judge = lambda request: far_side.status(200, b"<html>Welcome</html>")
    with pytest.raises(DeliveryError) as caught:
        await channel.send(provider.to, message())
    assert not caught.value.permanent


@every_provider
async def test_the_link_is_whole_however_long_the_text(
    receiver: Receiver, outgoing: Outgoing, provider: Provider
) -> None:
    await provider.channel_to(receiver, outgoing).send(provider.to, message(text="长" * 20_000))
    (request,) = receiver.received
    said = unquote_plus(request.path + request.body.decode())
    assert ((LINK if not provider.brief else urlsplit(LINK).path.lstrip("/")) in said) is provider.keeps_link


ALIVE = {
    "wecom": ("<@all>",),
    "slack": ("<@all>", "<!channel>"),
    "feishu": ("<at id=all></at>",),
    "dingtalk": ("@所有人",),
    "teams": ("<at id=all></at>",),
}


@pytest.mark.parametrize("trap", ["<@all>", "<!channel>", "<at id=all></at>", "@所有人"])
@pytest.mark.parametrize("name", ["wecom", "slack", "feishu", "dingtalk", "teams"])
async def test_what_somebody_wrote_calls_nobody_else(
    receiver: Receiver, outgoing: Outgoing, name: str, trap: str
) -> None:
    provider = PROVIDERS[name]
    channel = provider.channel_to(receiver, outgoing)
    await channel.send(provider.to, message(subject=f"外呼 {trap}", text=trap))
    content = json.loads(receiver.received[0].body)
    live: Mapping[str, Callable[[], object]] = {
        "wecom": lambda: content["markdown"]["content"],
        "slack": lambda: content["text"],
        "feishu": lambda: content["card"]["elements"][1]["content"],
        "dingtalk": lambda: content["at"],
        "teams": lambda: content["attachments"][0]["content"]["msteams"],
    }
    assert trap not in str(live[name]()) or trap not in ALIVE[name]


async def test_a_group_without_a_person_mentions_nobody_and_has_a_button(
    receiver: Receiver, outgoing: Outgoing
) -> None:
    await PROVIDERS["dingtalk"].channel_to(receiver, outgoing).send("ops", message())
    content = json.loads(receiver.received[0].body)
    assert content["msgtype"] == "actionCard"
    assert content["actionCard"]["singleURL"] == LINK


@pytest.mark.parametrize(("level", "priority"), [(1, 5), (2, 4), (3, 3), (4, 2)])
async def test_a_notification_is_as_loud_as_its_level(
    receiver: Receiver, outgoing: Outgoing, level: int, priority: int
) -> None:
    await PROVIDERS["ntfy"].channel_to(receiver, outgoing).send("ops/ada-topic", message(level=level))
    assert json.loads(receiver.received[0].body)["priority"] == priority


async def test_a_value_cannot_change_the_request_of_a_provider(
    receiver: Receiver, outgoing: Outgoing
) -> None:
    nasty = '"}, {"who": "{secret} & </Say><Hangup/>'
    for name in ("described-sms", "twilio-voice"):
        provider = PROVIDERS[name]
        await provider.channel_to(receiver, outgoing).send(provider.to, message(subject=nasty, text=nasty))
    described, call = receiver.received
    assert set(json.loads(described.body)) == {"who", "words", "id"}
    assert SECRET_OF_ACCOUNT not in described.body.decode()
    assert "<Hangup/>" not in unquote_plus(call.body.decode())


async def test_a_service_of_apprise_that_hangs_is_left_at_the_deadline(receiver: Receiver) -> None:
    receiver.always = far_side.hang
    service = Chat(SecretStr(f"json://127.0.0.1:{receiver.port}/"))
    with pytest.raises(DeliveryError) as caught:
        await AppriseChannel({"pager": service}, deadline=SOON).send("pager", message())
    assert caught.value.wording.key == "channel.apprise.timeout"


def test_an_address_apprise_does_not_know_stops_the_service_at_start_and_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="pager") as caught:
        AppriseChannel({"pager": Chat(SecretStr("nonsense://t0ken-of-service"))})
    assert "t0ken" not in repr(caught.value)
