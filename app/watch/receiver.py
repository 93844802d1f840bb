"""The receiver of the self-test: a channel like any other, whose far side is this product."""

from typing import ClassVar

from sqlalchemy.exc import SQLAlchemyError

from app.clock import Clock
from app.db import Database
from app.notify.channel import SELF, DeliveryError, Message, Receipt
from app.watch import self_test
from app.wording import Wording, render, say


class SelfChannel:
    """Writes down that the message came."""

    name: ClassVar[str] = SELF

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def address_problem(self, to: str) -> Wording | None:
        return None

    def mask(self, to: str) -> str:
        return self.name

    async def send(self, to: str, message: Message) -> Receipt:
        try:
            async with self._db.transaction() as session:
                await self_test.received(session, message.ref, at=self._clock.now())
        except (SQLAlchemyError, OSError) as error:
            raise DeliveryError(say("watch.receiver_away")) from error
        return Receipt(render(say("watch.received"), "en"))
