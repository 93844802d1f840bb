"""What a reaction is given, and how it speaks."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.incidents import command_post, record
from app.incidents.tables import OPEN_STATES, Incident, Status
from app.levels import matrix
from app.levels.document import LevelSpec
from app.notify import pipeline
from app.notify.document import Chain
from app.notify.pipeline import News
from app.plan import revisions
from app.plan.document import PlanDocument
from app.wording import Wording, localised, say


@dataclass(frozen=True)
class Happened:
    """One message of the outbox, in the transaction that will mark it done."""

    session: AsyncSession
    topic: str
    ref: str
    payload: Mapping[str, Any]
    at: datetime
    _held: dict[str, Incident] = field(default_factory=dict, init=False, repr=False, compare=False)

    async def incident(self) -> Incident:
        """The incident it is about, locked: reactions to one incident never run beside each other."""
        name = self.payload.get("incident_id", self.ref)
        if name not in self._held:
            self._held[name] = await record.locked(self.session, name)
        return self._held[name]

    async def plan(self, incident: Incident) -> PlanDocument:
        """The plan the incident follows."""
        return await revisions.document_of(self.session, incident.plan_revision)

    async def chain(self, incident: Incident) -> Chain:
        """The reporting chain of its level, as its department is told."""
        return (await self.plan(incident)).chain_of(incident.level, incident.department)

    async def spec(self, incident: Incident) -> LevelSpec:
        levels = await matrix.of(self.session, incident.plan_revision)
        return levels.levels[incident.level]

    async def tell(
        self, incident: Incident, notice: str, positions: Sequence[str], *, asks: bool = False, **params: Any
    ) -> None:
        """Send a notice of ours (`flow.<notice>.subject`, `.text`) to the holders of positions."""
        if not positions or incident.status == Status.TEST:  # a test is told to nobody
            return
        subject, text = await self.words(incident, notice, **params)
        await pipeline.tell(
            self.session,
            News(
                ref=incident.id,
                kind=notice,
                number=incident.number,
                level=incident.level,
                exercise=is_exercise(incident),
                subject=subject,
                text=text,
            ),
            positions=positions,
            at=self.at,
            asks=asks,
        )

    async def words(
        self, incident: Incident, notice: str, **params: Any
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Subject and text of a notice about an incident, in every language."""
        common = {
            "number": incident.number,
            "title": incident.title,
            "level": incident.level,
            "state": say(f"state.{incident.state}"),
        }
        subject, text = (
            Wording(f"flow.{notice}.{part}", {**common, **params}) for part in ("subject", "text")
        )
        zone = (await matrix.of(self.session, incident.plan_revision)).zone
        return localised(subject, zone), localised(text, zone)

    async def commander(self, incident: Incident) -> list[str]:
        """Whom questions to the commander go to: the command post's, or the plan's default position."""
        found = await command_post.commander_positions(self.session, incident.id)
        return found or [(await self.plan(incident)).organisation.default_position]


Reaction = Callable[[Happened], Awaitable[None]]
ReactionToMany = Callable[[Sequence[Happened]], Awaitable[None]]


def is_open(incident: Incident) -> bool:
    return incident.state in OPEN_STATES


def is_exercise(incident: Incident) -> bool:
    """Whether nothing of it may leave the house unmarked: a drill, or the product trying itself."""
    return incident.status != Status.ACTUAL
