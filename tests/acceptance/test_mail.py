"""EP-5: a message leaves by a real mail session or a signed webhook, and its link stops the chain."""

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.calls import rows
from tests.databases import Kind
from tests.mailbox import Mailbox
from tests.receiver import Receiver, status
from tests.serving import Served, a_service, until
from tests.world import World, a_world

OUTAGE = {"title": "All lines down", "type": "system_outage", "level": 1}
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HEAD = "name,staff_number,department,positions,skills,mail,webhook\n"


class Postroom(Mailbox):
    """A mail server where single mailboxes may be full."""

    def __init__(self) -> None:
        super().__init__()
        self.full: set[str] = set()

    async def handle_RCPT(  # noqa: N802 - the server's name for it
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address in self.full:
            return "552 mailbox full"
        return await super().handle_RCPT(server, session, envelope, address, options)


@pytest.fixture
async def mailbox() -> AsyncIterator[Postroom]:
    async with Postroom() as made:
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
async def centre(
    request: pytest.FixtureRequest, fresh_database: Callable[[Kind], str], tmp_path: Path, mailbox: Postroom
) -> AsyncIterator[World]:
    """The service with its own channels, the mail server the only far side there is."""
    url = fresh_database(request.param)
    async with a_world(
        url, tmp_path, people=False, real_channels=True,
        smtp_host="127.0.0.1", smtp_port=mailbox.port, mail_from="muster@centre.example",
    ) as made:  # fmt: skip
        await made.import_people(
            HEAD
            + "Ada,001,centre_management,general_manager,,ada@centre.example,\n"
            + "Ben,010,customer_service,customer_service_head,,ben@centre.example,\n"
            + "Lin,030,customer_service,duty_lead,,lin@centre.example,\n"
        )
        yield made


async def raised(world: World) -> str:
    incident = await world.post("/incidents", OUTAGE, role="execution")
    await world.settle()
    return str(incident["id"])


def link_in(mailbox: Postroom) -> str:
    """The path of the link in the last mail's text."""
    text = mailbox.mails[-1].get_body(("plain",))
    assert text is not None
    found = re.search(r"http://muster\.example(/a/\S+)", text.get_content())
    assert found, "the mail holds a link"
    return found[1]


async def test_the_mail_says_what_happened_and_bears_a_link(centre: World, mailbox: Postroom) -> None:
    incident = await raised(centre)

    assert mailbox.recipients == ["lin@centre.example"]
    (mail,) = mailbox.mails
    number = (await centre.get(f"/incidents/{incident}"))["number"]
    assert number in mail["subject"]
    assert mail["from"] == "muster@centre.example"
    plain, page = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None
    assert page is not None
    assert "All lines down" in plain.get_content()
    assert link_in(mailbox) in page.get_content()


async def test_a_scanner_that_opens_the_link_changes_nothing(centre: World, mailbox: Postroom) -> None:
    await raised(centre)
    link, before = link_in(mailbox), await rows(centre)

    for _ in range(3):
        page = await centre.client.get(link)
        assert page.status_code == 200
        assert "<form" in page.text
    assert (await centre.client.head(link)).status_code in (200, 405)

    await centre.settle()
    assert await rows(centre) == before
    await centre.advance(minutes=5)
    assert mailbox.recipients[1:] == ["ben@centre.example"], "the chain goes on"


async def test_the_button_behind_the_link_stops_the_chain(centre: World, mailbox: Postroom) -> None:
    incident = await raised(centre)

    pressed = await centre.client.post(link_in(mailbox))
    assert pressed.is_success
    assert "Lin" in pressed.text
    await centre.advance(
        minutes=14
    )  # longer than the whole chain takes, and not so long that the answer lapses

    assert mailbox.recipients == ["lin@centre.example"], "nobody else is called"
    held = await centre.get(f"/incidents/{incident}")
    assert (held["acknowledged_by"], held["state"]) == ("Lin", "detected")


async def test_a_link_with_a_letter_changed_leads_nowhere(centre: World, mailbox: Postroom) -> None:
    incident = await raised(centre)
    link = link_in(mailbox)
    forged = link[:-1] + ("A" if link[-1] != "A" else "B")

    assert (await centre.client.get(forged)).status_code == 404
    assert (await centre.client.post(forged)).status_code == 404
    assert (await centre.get(f"/incidents/{incident}"))["acknowledged_at"] is None


async def test_where_a_mailbox_is_full_the_next_person_is_told_without_waiting(
    centre: World, mailbox: Postroom
) -> None:
    mailbox.full.add("lin@centre.example")
    incident = await raised(centre)

    assert mailbox.recipients == ["ben@centre.example"]
    notices = (await centre.get(f"/incidents/{incident}/notices"))["items"]
    deliveries = [one for notice in notices for one in notice["deliveries"]]
    assert {"failed", "sent"} <= {one["state"] for one in deliveries}


# ── signed webhooks ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def phone() -> AsyncIterator[Receiver]:
    async with Receiver() as made:
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
async def service(
    request: pytest.FixtureRequest, fresh_database: Callable[[Kind], str], tmp_path: Path, phone: Receiver
) -> AsyncIterator[Served]:
    async with a_service(fresh_database(request.param), tmp_path, webhook_secrets=SECRET) as made:
        person = f"Lin,030,customer_service,duty_lead,,,{phone.url('/lin')}\n"
        await made.import_people(HEAD + person)
        yield made


async def test_a_webhook_is_signed_so_that_its_receiver_can_tell(service: Served, phone: Receiver) -> None:
    phone.answers.append(status(503))
    incident = await service.post("/incidents", OUTAGE)

    async def twice() -> bool:
        return len(phone.received) == 2

    await until(twice)
    first, again = phone.received
    told: Any = Webhook(SECRET).verify(again.body, dict(again.headers))
    assert told["data"]["number"] == incident["number"]
    assert again.path == "/lin"
    assert again.headers["webhook-id"] == first.headers["webhook-id"]
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(again.body + b" ", dict(again.headers))

    link = told["data"]["link"]
    assert link.startswith(service.url)
    assert (await service.client.post(link)).is_success

    async def held() -> bool:
        return bool((await service.get(f"/incidents/{incident['id']}"))["acknowledged_by"] == "Lin")

    await until(held)
