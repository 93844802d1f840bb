"""Trying a contact point: one message that says it is a test, by the very way a page would go.

It is decided and written down as any message is and sent by the engine, so that the record shows what came of it. It waits for no
quiet hours, goes to this contact point and to no other, and asks for no answer.
"""

from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound
from app.ids import new_id
from app.notify import pipeline
from app.notify.channel import Channel, DeliveryError, Message, Receipt
from app.notify.pipeline import News
from app.notify.receivers import Receiver
from app.notify.tables import Delivery
from app.people import holders
from app.wording import localised, render, say

KIND: Final = "test"
_NUMBER: Final = "TEST"
_LEVEL: Final = 4


async def try_contact(session: AsyncSession, person_id: str, contact_id: str, *, at: datetime) -> Delivery:
    """Write a test message to one contact point of somebody; what comes of it is read from the delivery."""
    person, contacts = await holders.person_with_contacts(session, person_id)
    contact = next((one for one in contacts if one.contact_id == contact_id), None)
    if contact is None:
        raise NotFound(say("people.no_such_contact"))
    news = News(
        ref=f"person:{person_id}", kind=KIND, level=_LEVEL, number=_NUMBER, subject=localised(say("notify.test.subject")),
        text=localised(say("notify.test.text", name=person.name)),
    )  # fmt: skip
    notice = await pipeline.write_notice(session, news, at=at)
    who = Receiver("", person.id, person.name, person.language)
    delivery = pipeline.draft(notice, who, contact, asks=False, not_before=at, at=at)
    await pipeline.submit(session, [delivery], at=at)
    return delivery


async def send_now(channel: Channel, address: str, *, language: str, at: datetime) -> Receipt:
    """The same message without a record, for whoever sets a channel up; raises `DeliveryError`."""
    if (problem := channel.address_problem(address)) is not None:
        raise DeliveryError(problem, permanent=True)
    message = Message(
        subject=render(say("notify.test.subject"), language), text=render(say("notify.test.words"), language),
        language=language, link=None, link_label="", key=new_id(at), sent_at=at, ref="test", number=_NUMBER, level=_LEVEL,
        exercise=False, kind=f"notice.{KIND}",
    )  # fmt: skip
    return await channel.send(address, message)
