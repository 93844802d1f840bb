"""A scenario over HTTP: played in memory with the plan in force, and with everybody and everything there is. Nothing is stored."""

from fastapi import APIRouter

from app.access.edge import Edge, Here, Language, problems
from app.errors import Unavailable, UnsupportedMedia
from app.plan.routes import YAML_BODY, Yaml
from app.simulation import apart, document, organisation, telling
from app.simulation.apart import SimulationTooLong, SimulationUnderWay
from app.simulation.document import BadScenario
from app.simulation.schemas import SimulationRead

router = APIRouter(prefix="/api/v1", route_class=Edge, tags=["simulation"])

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
