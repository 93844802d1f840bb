"""Any other service there is, through the `apprise` library: some hundred of them, each by one address of the library's own form.

The address is a credential and the operator's, so it stands in the settings under a name, and the name is what a contact
point holds. The library is not ours in three ways, and this module lives with them. It blocks, so each call has a thread of
its own, which is left behind when the deadline passes; a service that drips for ever may keep its thread, and of these
there are so many and no more. It neither goes through the guard on outgoing addresses nor caps what it reads: as with the
mail server, the operator has named the place. And it writes addresses into its log, which is therefore shut. It says yes or
no and not why: a no is always worth another try.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from importlib import import_module
from typing import Any, ClassVar, Final
from warnings import catch_warnings, simplefilter

from app.notify.channel import DeliveryError, Message, Receipt, as_told, shortened
from app.notify.channels.chat import DEADLINE, Chat
from app.wording import Wording, render, say

_THREADS: Final = 8
_MOST_BYTES: Final = 2000  # most services take that much
_TALKERS: Final = ("apprise", "urllib3", "requests")


class AppriseChannel:
    """A message by a service that the `apprise` library knows."""

    name: ClassVar[str] = "apprise"

    def __init__(self, services: Mapping[str, Chat], *, deadline: timedelta = DEADLINE) -> None:
        # Seconds, for all its plugins, and few need it.
        with catch_warnings():
            simplefilter("ignore", DeprecationWarning)  # of the library's, about what it imports itself
            library: Any = import_module("apprise")
            self._services = {name: _loaded(library, name, chat) for name, chat in services.items()}
        for talker in _TALKERS:
            logging.getLogger(talker).setLevel(logging.CRITICAL + 1)
        self._deadline = deadline
        self._free = _THREADS

    def address_problem(self, to: str) -> Wording | None:
        if to in self._services:
            return None
        return say("channel.chat.no_group", known=sorted(self._services))

    def mask(self, to: str) -> str:
        return to if to in self._services else "…"

    async def send(self, to: str, message: Message) -> Receipt:
        """Hand the message to the library, or raise `DeliveryError`; after the deadline nobody waits for it any more."""
        if problem := self.address_problem(to):
            raise DeliveryError(problem, permanent=True)
        if self._free <= 0:
            raise DeliveryError(say("channel.apprise.busy"), untried=True, retry_after=self._deadline)
        told = as_told(message)
        link = f"\n\n{told.link_label}\n{told.link}" if told.link else ""
        text = shortened(told.text, _MOST_BYTES - len(link.encode())) + link
        service = self._services[to]
        try:
            async with asyncio.timeout(self._deadline.total_seconds()):
                taken = await self._apart(lambda: bool(service.notify(body=text, title=told.subject)))
        except TimeoutError as error:
            raise DeliveryError(say("channel.apprise.timeout", service=to)) from error
        if not taken:
            raise DeliveryError(say("channel.apprise.refused", service=to))
        return Receipt(render(say("channel.apprise.taken", service=to), "en"))

    def _apart(self, call: Callable[[], bool]) -> "asyncio.Future[bool]":
        """Begin the call in a thread that does not keep the process from ending."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[bool] = loop.create_future()
        self._free -= 1

        def over(taken: bool) -> None:
            self._free += 1
            if not done.done():
                done.set_result(taken)

        def work() -> None:
            try:
                taken = call()
            except (OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError):
                # The library says no to what its plugins raise; its own stumbles are a no as well. Their text may hold the address.
                taken = False
            if not loop.is_closed():
                loop.call_soon_threadsafe(over, taken)

        threading.Thread(target=work, name="apprise", daemon=True).start()
        return done


def _loaded(library: Any, name: str, chat: Chat) -> Any:
    service = library.Apprise()
    if not service.add(chat.url.get_secret_value()):
        raise ValueError(f"the address of the service {name!r} is none that apprise knows")
    return service
