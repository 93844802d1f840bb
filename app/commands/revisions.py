"""Revisions of the plan in the terminal: what another plan would change, and what it would have changed."""

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated

import typer

from app.access.parts import Parts
from app.commands.answering import Json, answer, do, fail
from app.plan import replay, revisions
from app.plan.differences.told import told
from app.plan.document import PlanDocument
from app.plan.reading import BadPlan, read
from app.plan.replay import Impact
from app.plan.schemas import DifferenceRead, ImpactRead
from app.wording import negotiate, render, say

commands = typer.Typer(no_args_is_help=True, help="What a change of the plan means.")
IN_FORCE = "in_force"

Plan = Annotated[str, typer.Argument(help="A plan file, the id of a revision, or `in_force`.")]
Language = Annotated[str, typer.Option(help="zh-Hans, zh-Hant or en.")]


@commands.command()
def diff(new: Plan, old: Plan = IN_FORCE, as_json: Json = False, lang: Language = "en") -> None:
    """Say in words what a plan changes; `!` marks what weakens it."""
    language = negotiate(lang, "en")
    found = [DifferenceRead.of(one, language) for one in told(_document(old), _document(new))]
    lines = [f"{'!' if one.weakens else ' '} {one.text}" for one in found]
    answer([one.model_dump(mode="json") for one in found], as_json, "\n".join(lines))


@commands.command()
def impact(
    revision: str,
    begins: Annotated[str | None, typer.Option("--from", help="The first day; none: a year ago.")] = None,
    ends: Annotated[str | None, typer.Option("--to", help="The day after the last; none: now.")] = None,
    as_json: Json = False, lang: Language = "en",
) -> None:  # fmt: skip
    """Put recorded incidents of a period through a revision; `!` marks what would have been worse. Nothing is kept."""
    language = negotiate(lang, "en")

    async def work(parts: Parts) -> Impact:
        now = parts.clock.now()
        async with parts.db.reading() as session:
            return await replay.replay(
                session, revision, begins=_day(begins) or now - replay.USUAL_PERIOD, ends=_day(ends) or now
            )

    found = do(work, as_json=as_json)
    shown = ImpactRead.of(found, language)
    lines = [render(replay.summary(found), language)]
    for one in shown.otherwise:
        lines += [f"{one.number}  {one.title}"]
        lines += [f"  {'!' if said.worse else ' '} {said.text}" for said in one.differences]
    answer(shown.model_dump(mode="json"), as_json, "\n".join(lines))


def _document(name: str) -> PlanDocument:
    """The plan of a file, where there is one of that name, or of a revision."""
    file = Path(name)
    if file.suffix or file.exists():
        try:
            return read(file.read_bytes(), file=file.name)
        except BadPlan as error:
            fail("\n".join(error.told("en")))
        except OSError as error:
            fail(f"{file}: {error.strerror}")

    async def work(parts: Parts) -> PlanDocument:
        async with parts.db.reading() as session:
            if name == IN_FORCE:
                return (await revisions.in_force(session))[1]
            return await revisions.document_of(session, name)

    return do(work)


def _day(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), time(), tzinfo=UTC)
    except ValueError:
        fail(render(say("revisions.no_day", text=text), "en"))
