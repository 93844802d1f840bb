"""Monitoring sources, and the end of a mail server's pipe."""

import asyncio
import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from app.access.parts import Parts
from app.commands.answering import Json, answer, do, fail, shaped
from app.intake import enrolment, mails, preview
from app.intake.preview_schemas import PreviewRead
from app.intake.schemas import EnrolSource
from app.outgoing import LOCAL, CallFailed, Outgoing, Reply
from app.plan import revisions
from app.wording import negotiate

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


@commands.command("preview")
def preview_rules(
    file: Annotated[Path, typer.Argument(help="A plan file.")] = Path("playbooks.yaml"),
    last: Annotated[int, typer.Option(min=1, max=preview.MOST, help="So many signals.")] = preview.USUAL,
    as_json: Json = False,
    lang: Annotated[str, typer.Option(help="zh-Hans, zh-Hant or en.")] = "en",
) -> None:
    """What the routing rules of a plan file would have made of the last stored signals, beside the plan in force."""
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file}: {error}")
    language = negotiate(lang, "en")

    async def work(parts: Parts) -> PreviewRead:
        document = revisions.sound(text, file.name).document
        async with parts.db.reading() as session:
            return PreviewRead.of(await preview.through(session, document.grading(), last=last), language)

    found = do(work, as_json=as_json)
    answer(found.model_dump(mode="json"), as_json, "\n".join(_written(found)))


def _written(found: PreviewRead) -> Iterator[str]:
    yield f"{found.signals} signals"
    for title, numbers in (("in force", found.incidents_were), ("this file", found.incidents_now)):
        yield f"{title:9} " + "  ".join(f"level {level}: {number}" for level, number in numbers.items())
    for one in found.otherwise:
        yield f"{one.received_at:%Y-%m-%d %H:%M:%S} UTC  {one.source}  {one.title}"
        yield from (f"    {said}" for said in one.differences)
    if found.left_out:
        yield f"{found.left_out} more go otherwise"


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
