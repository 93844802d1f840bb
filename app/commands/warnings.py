"""Indicators told and looked at, and warnings listed."""

from typing import Annotated, Any

import typer

from app.access.parts import Parts
from app.commands.answering import Json, answer, do, fail, shaped
from app.warnings import course, indicators
from app.warnings.schemas import IndicatorRead, TellIndicator, WarningRead
from app.warnings.tables import EarlyWarning

commands = typer.Typer(no_args_is_help=True, help="Indicators, which raise warnings.")


@commands.command("tell")
def tell(
    name: Annotated[str, typer.Argument()], value: Annotated[str, typer.Argument(help="A number.")],
    at: Annotated[str | None, typer.Option(help="When it was measured, RFC 3339; now if not said.")] = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Tell the value of an indicator of the plan in force."""
    try:
        number = float(value)
    except ValueError:
        fail(f"{value}: a value is a number such as 12 or 0.5")
    asked = shaped(TellIndicator, {"name": name, "value": number, "at": at})

    async def work(parts: Parts) -> dict[str, Any]:
        async with parts.db.transaction() as session:
            told = asked.told(parts.clock.now())
            (outcome,) = await indicators.take(session, [told], at=parts.clock.now())
            return {"name": told.name, "at": told.at.isoformat(), "outcome": outcome}

    done = do(work, as_json=as_json)
    answer(done, as_json, f"{done['name']}  {done['outcome']}")


@commands.command("list")
def list_indicators(as_json: Json = False) -> None:
    """The indicators of the plan in force, each as it stands."""

    async def work(parts: Parts) -> list[dict[str, Any]]:
        async with parts.db.reading() as session:
            found = await indicators.every(session)
            return [IndicatorRead.of(*one, "en").model_dump(mode="json") for one in found]

    rows = do(work, as_json=as_json)
    lines = [
        f"{one['name']:<24} {_figure(one):>12}  {one['colour'] or '-':<7} {one['title']}" for one in rows
    ]
    answer(rows, as_json, "\n".join(lines))


def warnings(everything: Annotated[bool, typer.Option("--all")] = False, as_json: Json = False) -> None:
    """Warnings that are open, or all."""

    async def work(parts: Parts) -> list[dict[str, Any]]:
        async with parts.db.reading() as session:
            query = (
                course.search(open_=None if everything else True).order_by(EarlyWarning.id.desc()).limit(200)
            )
            return [WarningRead.of(one, "en").model_dump(mode="json") for one in await session.scalars(query)]

    rows = do(work, as_json=as_json)
    lines = [f"{one['id']}  {one['colour'] or 'quiet':<7} {one['state']:<9} {one['title']}" for one in rows]
    answer(rows, as_json, "\n".join(lines))


def _figure(one: dict[str, Any]) -> str:
    return "-" if one["value"] is None else f"{one['value']:g}"
