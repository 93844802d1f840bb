"""The plan file: checked, by itself or over the coming days, and described for editors."""

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from app.access.parts import Parts
from app.clock import SystemClock
from app.commands.answering import Json, answer, do, told
from app.plan import reading
from app.plan.document import PlanDocument
from app.plan.outlook import organisation_file, report, standing
from app.plan.outlook.organisation_file import BadOrganisation
from app.plan.outlook.snapshot import Snapshot
from app.plan.outlook.written import Source, Written, unread
from app.plan.reading import BadPlan, read, written_schema
from app.wording import negotiate

DATABASE = "database"
_REFUSED = 1
_NOT_CHECKED = 2
_FIRST_YEAR, _LAST_YEAR = 1970, 2199


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


def check(
    file: Annotated[Path, typer.Argument()] = Path("playbooks.yaml"),
    organisation: Annotated[
        str | None,
        typer.Option(
            help="An organisation file, or `database`: check the plan together with its people and stock."
        ),
    ] = None,
    days: Annotated[
        int, typer.Option(min=1, max=report.MOST_DAYS, help="How far to look ahead.")
    ] = report.DAYS,
    since: Annotated[
        str | None, typer.Option("--from", help="The first day, or a moment; none: now.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="SARIF 2.1.0 is for code hosts.")] = Format.TEXT,
    as_json: Json = False,
    lang: Annotated[str, typer.Option(help="zh-Hans, zh-Hant or en.")] = "en",
) -> None:
    """Check a plan file: every mistake at once.

    Exit 0: nothing grave. 1: something grave, or this is no plan. 2: it could not be checked.
    """
    language, form = negotiate(lang, "en"), Format.JSON if as_json else form
    try:
        text = file.read_bytes()
        document = read(text, file=file.name)
    except BadPlan as error:
        _refused(error, form, language)
    except OSError as error:
        _stop(f"{file}: {error.strerror}")
    begins = _moment(since, document)
    snapshot, other = _organisation(organisation, document, begins, days, language)
    looked = report.look(document, snapshot, since=begins, days=days)
    written = Written(looked, Source(file.as_posix(), reading.lines(text)), other, language)
    match form:
        case Format.JSON:
            answer(written.data(), True, "")
        case Format.SARIF:
            print(written.sarif())
        case Format.TEXT:
            print(written.text())
    if not looked.ok:
        raise typer.Exit(_REFUSED)


def schema(file: Annotated[Path, typer.Argument()] = Path("docs/reference/plan.schema.json")) -> None:
    """Write the JSON Schema of plan files, for editors."""
    file.write_text(written_schema(), encoding="utf-8")


def _organisation(
    named: str | None, document: PlanDocument, begins: datetime, days: int, language: str
) -> tuple[Snapshot | None, Source | None]:
    ends = begins + timedelta(days=days) + report.BEYOND
    if named is None:
        return None, None
    if named == DATABASE:

        async def look(parts: Parts) -> Snapshot:
            channels = parts.settings.channels
            async with parts.db.reading() as session:
                return await standing.snapshot(session, begins=begins, ends=ends, channels=channels)

        return do(look), None
    path = Path(named)
    try:
        text = path.read_bytes()
        found = organisation_file.read(text, document, file=path.name)
    except BadOrganisation as error:
        _stop("\n".join(error.told(language)))
    except OSError as error:
        _stop(f"{path}: {error.strerror}")
    source = Source(path.as_posix(), reading.lines(text))
    return organisation_file.snapshot(found, document, begins=begins, ends=ends), source


def _moment(since: str | None, document: PlanDocument) -> datetime:
    """The beginning of a day or a moment, on the clocks of the plan unless it says otherwise."""
    if since is None:
        return SystemClock().now().replace(second=0, microsecond=0)
    try:
        zone = document.grading().zone
        moment = (
            datetime.combine(date.fromisoformat(since), time())
            if len(since) == 10
            else datetime.fromisoformat(since)
        )
        begins = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
        if not _FIRST_YEAR <= begins.year <= _LAST_YEAR:
            raise ValueError
        return begins
    except (ValueError, OverflowError, OSError, KeyError):
        _stop(f"--from {since}: write a day such as 2026-03-01, or a moment such as 2026-03-01T09:00.")


def _refused(error: BadPlan, form: Format, language: str) -> NoReturn:
    mistakes = [told(one, language) for one in error.mistakes]
    if form is Format.TEXT:
        print("\n".join(error.told(language)))
    elif form is Format.JSON:
        answer({"ok": False, "mistakes": mistakes}, True, "")
    else:
        print(unread(error, language))
    raise typer.Exit(_REFUSED)


def _stop(words: str) -> NoReturn:
    typer.echo(words, err=True)
    raise typer.Exit(_NOT_CHECKED)
