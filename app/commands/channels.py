"""Channels: which are set up, and a test by one of them."""

import asyncio

import typer

from app.clock import SystemClock
from app.commands.answering import Json, answer, fail
from app.main import parts_of, reach_of
from app.notify import trying
from app.notify.channel import DeliveryError
from app.settings import Settings
from app.wording import LANGUAGES, render

commands = typer.Typer(no_args_is_help=True, help="Channels.")


@commands.command("list")
def list_channels(as_json: Json = False) -> None:
    """The channels that something is set up for."""
    found = sorted(Settings().channels | {"log"})
    answer(found, as_json, "\n".join(found))


@commands.command("callbacks")
def list_callbacks(as_json: Json = False) -> None:
    """The addresses that providers and chat services post answers to, of those whose answers are set up."""
    settings = Settings()
    base = settings.base_url.rstrip("/")
    found = {
        name: f"{base}/callbacks/chats/{name}"
        for name, chat in sorted(settings.chats.items())
        if chat.answers
    }
    for way, account in (("sms", settings.sms), ("voice", settings.voice)):
        if account is not None and account.answers is not None:
            found[way] = f"{base}/callbacks/{way}" + (
                "" if account.provider == "twilio" else "?key=<ANSWERS__SECRET>"
            )
    if settings.mail_answers is not None:
        found["mail"] = f"{base}/callbacks/mail?key=<ANSWERS__SECRET>"
    answer(found, as_json, "\n".join(f"{name:<16} {address}" for name, address in found.items()))


@commands.command("test")
def try_channel(channel: str, address: str, language: str = "en", as_json: Json = False) -> None:
    """Send a test message by a channel to an address, now and without a record; exit 1 says that it was not taken."""
    if language not in LANGUAGES:
        fail(f"There is no language {language!r}: {', '.join(LANGUAGES)}.")

    async def work() -> str:
        parts = parts_of(Settings())
        reach = reach_of(parts.settings, parts.vault)
        try:
            if channel not in reach.channels:
                fail(f"Nothing is set up for {channel!r}: {', '.join(sorted(reach.channels))}.")
            chosen = reach.channels[channel]
            at = SystemClock().now()
            return (await trying.send_now(chosen, address, language=language, at=at)).detail
        finally:
            await reach.outgoing.aclose()
            await parts.db.dispose()

    try:
        detail = asyncio.run(work())
    except DeliveryError as error:
        again = "" if error.permanent else " Trying again may help."
        fail(f"Not taken: {render(error.wording, 'en')}.{again}")
    answer({"taken": detail}, as_json, f"Taken: {detail}")
