"""A scenario, or one playbook, played in memory."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

from app.commands.answering import Json, answer, do, fail, refusal
from app.console.routes import SAMPLE
from app.errors import Problem
from app.settings import Settings
from app.simulation import organisation, playing, telling
from app.simulation.document import BEGINS, LONGEST, Manners, Scenario, read
from app.simulation.organisation import Given
from app.vocabulary import parse_span
from app.wording import negotiate, render, say

_DATABASE: Final = "database"
_SAMPLE: Final = "sample"
_YAML: Final = frozenset({".yaml", ".yml"})


def simulate(
    file: Annotated[Path | None, typer.Argument(help="A scenario file.")] = None,
    playbook: Annotated[
        str | None, typer.Option(help="Without a scenario: the playbook to be played.")
    ] = None,
    level: Annotated[int, typer.Option(min=1, max=4, help="With --playbook: the level of the incident.")] = 1,
    people: Annotated[
        Manners, typer.Option(help="With --playbook: how everybody behaves.")
    ] = Manners.ANSWER,
    at: Annotated[
        str | None,
        typer.Option(
            help="When it begins, such as 2026-11-22T03:00; without an offset, by the clocks of the plan."
        ),
    ] = None,
    lasts: Annotated[
        str | None, typer.Option("--for", help="How long it lasts, such as 12h; none: what the scenario says, or a day.")
    ] = None,
    plan: Annotated[
        Path | None, typer.Option(help="The plan file; none: the one in the settings, or the database's own.")
    ] = None,
    who: Annotated[
        str,
        typer.Option(
            "--organisation",
            help="`sample`, `database` (the one in use), a CSV file as `muster people import` takes it, or an organisation file as "
            "`muster check` does.",
        ),
    ] = _SAMPLE,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 also when a target was missed.")] = False,
    as_json: Json = False,
    lang: Annotated[str, typer.Option(help="zh-Hans, zh-Hant or en.")] = "en",
) -> None:  # fmt: skip
    """Play a scenario with the real engine, in memory, a day in seconds; nobody is told and nothing is called.

    Exit 0: all was as the scenario expects. 1: it was not. 2: it could not be played.
    """
    language, settings = negotiate(lang, "en"), Settings()
    if (file is None) == (playbook is None):
        _stop("Give a scenario file, or a playbook with --playbook.")
    try:
        given = _given(settings, plan, who)
        scenario = _scenario(given, file, playbook, level, people)
        scenario = scenario.changed(begins=_moment(at, given), lasts=_length(lasts))
        outcome = asyncio.run(playing.play(given, scenario, settings=settings))
    except Problem as problem:
        _stop("\n".join(refusal(problem)))
    except (OSError, ValueError) as error:
        _stop(str(error))
    if as_json:
        answer(telling.as_data(outcome, language), True, "")
    else:
        print(telling.as_text(outcome, language), end="")
    if not outcome.as_expected or (strict and outcome.missed):
        raise typer.Exit(1)


def _given(settings: Settings, plan: Path | None, who: str) -> Given:
    if who == _DATABASE:
        text, file = (plan.read_bytes(), plan.name) if plan is not None else (None, "")
        return do(lambda parts: organisation.from_database(parts.db, plan=text, file=file))
    place = plan or settings.plan
    people = SAMPLE if who == _SAMPLE else Path(who)
    if people.suffix in _YAML:
        return organisation.from_organisation(
            place.read_bytes(), people.read_bytes(), file=place.name, staff_file=people.name
        )
    return organisation.from_files(place.read_bytes(), people.read_bytes(), file=place.name)


def _scenario(given: Given, file: Path | None, playbook: str | None, level: int, people: Manners) -> Scenario:
    if file is not None:
        return read(file.read_bytes(), file=file.name)
    assert playbook is not None
    if playbook not in given.plan.playbooks:
        known = sorted(given.plan.playbooks)
        fail(render(say("simulation.no_such_playbook", name=playbook, known=known), "en"))
    return playing.of_playbook(given.plan, playbook, level, people=people, begins=BEGINS)


def _moment(said: str | None, given: Given) -> datetime | None:
    if said is None:
        return None
    moment = datetime.fromisoformat(said)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=given.plan.grading().zone)


def _length(said: str | None) -> timedelta | None:
    if said is None:
        return None
    span = parse_span(said)
    if not timedelta() < span <= LONGEST:
        raise ValueError(f"a simulation lasts up to {LONGEST.days}d")
    return span


def _stop(words: str) -> NoReturn:
    typer.echo(words, err=True)
    raise typer.Exit(2)
