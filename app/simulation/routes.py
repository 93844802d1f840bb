"""Scenarios over HTTP: played in memory with the plan in force, and with everybody and everything there is.

Nothing is stored but the figures of a simulated drill.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from app.access.edge import Edge, Here, Language, Now, Who, problems
from app.console.forms import posted, shaped
from app.console.pages import go
from app.errors import NotFound, Refused, Unavailable, UnsupportedMedia
from app.plan.routes import YAML_BODY, Yaml
from app.simulation import apart, document, drill, organisation, telling
from app.simulation.apart import SimulationTooLong, SimulationUnderWay
from app.simulation.document import BadScenario
from app.simulation.schemas import DrillPlayed, PlayDrill, SimulationRead

router = APIRouter(prefix="/api/v1", route_class=Edge, tags=["simulation"])

pages = APIRouter(route_class=Edge, include_in_schema=False)

Id = Annotated[str, Path(max_length=64)]
_FILE = "scenario.yaml"  # what mistakes call a text that came without a file name


@router.post(
    "/simulations", response_model=SimulationRead, openapi_extra=YAML_BODY,
    responses=problems(UnsupportedMedia, BadScenario, SimulationUnderWay, SimulationTooLong, Unavailable),
)  # fmt: skip
async def simulate(text: Yaml, parts: Here, language: Language) -> SimulationRead:
    """Play a scenario with the plan in force and a copy of the organisation and its stock (EP-4, EP-5, EP-8.3).

    Nobody is told, no other system is called, and nothing is kept. One at a time in a process, 30 s at most.
    """
    scenario = document.read(text, file=_FILE)
    given = await organisation.from_database(parts.db)
    outcome = await apart.play(given, scenario, settings=parts.settings)
    return SimulationRead.model_validate(telling.as_data(outcome, language))


@router.post(
    "/drills/{drill_id}/plays", status_code=201, response_model=DrillPlayed,
    responses=problems(NotFound, Refused, SimulationUnderWay, SimulationTooLong, Unavailable),
)  # fmt: skip
async def play_drill(drill_id: Id, asked: PlayDrill, parts: Here, who: Who, now: Now) -> DrillPlayed:
    """Play a simulated drill that was started; that ends it, with figures like those of a live one (EP-8.3). Nobody is told."""
    played = await drill.play(parts, drill_id, asked.people, by=who.name, at=now)
    return DrillPlayed.model_validate(played)


@pages.post("/drills/{drill_id}/plays")
async def play_from_page(drill_id: Id, request: Request, parts: Here, who: Who, now: Now) -> Response:
    form = await posted(request, here=f"/drills/{drill_id}")
    asked = shaped(PlayDrill, {"people": form.one("people")})
    await drill.play(parts, drill_id, asked.people, by=who.name, at=now)
    return go(f"/drills/{drill_id}")
