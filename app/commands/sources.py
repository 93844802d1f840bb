"""Monitoring sources, and the end of a mail server's pipe."""

import asyncio
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from app.access.parts import Parts
from app.commands.answering import Json, answer, do, shaped
from app.intake import enrolment, mails
from app.intake.schemas import EnrolSource
from app.outgoing import LOCAL, CallFailed, Outgoing, Reply

_TRY_AGAIN: Final = 75  # EX_TEMPFAIL: the mail server keeps the mail and comes again
_WHOLE_UP_TO: Final = 256 * 1024  # bytes; a larger mail is posted without its attachments, which nobody reads
_TOO_LARGE: Final = 413
_WITHIN: Final = timedelta(seconds=20)

commands = typer.Typer(no_args_is_help=True, help="Monitoring sources.")


@commands.command("create")
def create_source(
    kind: Annotated[str, typer.Option()],
    slug: Annotated[str, typer.Option()],
    name: str | None = None,
    as_json: Json = False,
) -> None:
    """Make a monitoring source; prints its key alone."""
    asked = shaped(EnrolSource, {"slug": slug, "kind": kind, "name": name})

    async def work(parts: Parts) -> str:
        async with parts.db.transaction() as session:
            said = enrolment.Enrolment(slug=asked.slug, kind=asked.kind, name=asked.name or asked.slug)
            return (
                await enrolment.enrol(
                    session, said, vault=parts.vault, by="command line", at=parts.clock.now()
                )
            )[1]

    shown = do(work)
    answer({"slug": asked.slug, "key": shown}, as_json, shown)


@commands.command("mail")
def take_mail(
    url: Annotated[
        str, typer.Argument(help="The address of a source of the kind mail: https://…/intake/slug.")
    ],
    key_file: Annotated[Path, typer.Option(help="The file with the key of the source.")],
) -> None:
    """Post the mail on standard input to a source, for a mail server's pipe.

    Ends with 0 once the service has it, and with 75 otherwise, after which the mail server tries again: no alarm is lost because
    the service is away or the key is wrong. A mail that is large, or refused for its size, is posted without its attachments.
    """
    try:
        key = key_file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        print(f"{key_file}: the key cannot be read: {error}", file=sys.stderr)
        raise typer.Exit(_TRY_AGAIN) from error
    failure = asyncio.run(_post_mail(url, key, sys.stdin.buffer.read()))
    if failure is not None:
        print(failure, file=sys.stderr)
        raise typer.Exit(_TRY_AGAIN)


async def _post_mail(url: str, key: str, mail: bytes) -> str | None:
    """Why the service does not have it; `None` if it has."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": mails.CONTENT_TYPE}
    # The address is the administrator's own, so it may be one of this machine or this house.
    async with Outgoing(allow=LOCAL) as outgoing:
        try:
            for written in ([mail] if len(mail) <= _WHOLE_UP_TO else []) + [mails.shortened(mail)]:
                reply = await outgoing.request(
                    "POST", url, headers=headers, content=written, deadline=_WITHIN
                )
                if reply.status != _TOO_LARGE:
                    break
        except CallFailed as failed:
            return str(failed)
    if reply.status < 300 or _has_receipt(reply):
        return None
    return f"not taken: status {reply.status}; check the address and the key, and the log of the service"


def _has_receipt(reply: Reply) -> bool:
    """Whether a refusal says under which number the mail is kept all the same, for people to look at."""
    try:
        told = json.loads(reply.body)
    except ValueError:
        return False
    return isinstance(told, dict) and bool(told.get("receipt"))
