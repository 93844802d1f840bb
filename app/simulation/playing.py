"""A scenario from its beginning to its end: the engine settles, people look, somebody acts, and the clock jumps to what is next.

The same plan, people and scenario give the same outcome to the byte: ids come from a seed made of the three, nothing waits for the
machine, and one thing happens after the other.
"""

import hashlib
import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from structlog.contextvars import bound_contextvars

from app import ids
from app.expressions import Condition
from app.plan.document import PlanDocument
from app.playbooks.document import WaitStep
from app.settings import Settings
from app.simulation import judging, outcome, passing
from app.simulation.acting import Acting
from app.simulation.cast import TRIES_AGAIN, Cast, Intention, Kind
from app.simulation.document import Expectation, Happening, Manners, People, Raise, Scenario
from app.simulation.organisation import Given, settle_in
from app.simulation.outcome import Outcome
from app.simulation.stage import Stage, a_stage
from app.vocabulary import Localised
from app.watch import failing, silence

_LOOKS_EVERY: Final = timedelta(
    minutes=1
)  # the calendar's look at sources and channels, where a scenario has any use for it
_SCENARIO, _PEOPLE = 0, 1  # what the scenario says of a moment comes before what people do at it


@dataclass(order=True)
class _Planned:
    at: datetime
    rank: int
    number: int
    what: Happening | Intention = field(compare=False)


async def play(given: Given, scenario: Scenario, *, settings: Settings | None = None) -> Outcome:
    """Play it, and tell what came of it. Raises what the plan or the people are refused for."""
    # Ids are names that caches go by as well: they are as much its own as what it is made of.
    own = seed(given, scenario)
    with ids.repeatable(own), bound_contextvars(simulated=True):
        async with a_stage(given.plan, scenario.begins, settings=settings) as stage:
            await settle_in(stage, given)
            playing = _Playing(stage, scenario, given.plan)
            await playing.to_the_end()
            return await outcome.collect(stage, given, scenario, playing.acting, playing.verdicts, seed=own)


def seed(given: Given, scenario: Scenario) -> str:
    """What all ids of this run come of."""
    said = scenario.model_dump_json(by_alias=True, exclude_none=True)
    return hashlib.sha256(f"{given.digest}\n{said}".encode()).hexdigest()


def of_playbook(
    plan: PlanDocument, playbook: str, level: int, *, people: Manners = Manners.ANSWER, begins: datetime,
    lasts: timedelta = timedelta(days=1),
) -> Scenario:  # fmt: skip
    """One incident of the kind the playbook is for, raised at that level; what its waits wait for comes true after half of the
    time there is for it."""
    kind = next((name for name, one in plan.types.items() if one.playbook == playbook), "other")
    awaited: set[str] = set()
    time = plan.levels[level].targets.restore
    for step in plan.playbooks[playbook].steps:
        if isinstance(step, WaitStep) and level in step.levels and step.params.until is not None:
            awaited |= {
                name for name in Condition.compile(step.params.until).names if name.startswith("facts.")
            }
    alarm = Raise(title=plan.playbooks[playbook].title.zh, type=kind, level=level, playbook=playbook)
    happens = [Happening.model_validate({"at": timedelta(), "raise": alarm})]
    if awaited and people is not Manners.SILENT and time / 2 <= lasts:
        facts: Mapping[str, bool] = {name.removeprefix("facts."): True for name in sorted(awaited)}
        happens.append(Happening(at=time / 2, facts=dict(facts)))
    title = plan.playbooks[playbook].title
    return Scenario(
        title=Localised(zh=title.zh, en=title.en, zh_hant=title.zh_hant), begins=begins, lasts=lasts,
        people=People(everybody=people), happens=happens,
    )  # fmt: skip


class _Playing:
    def __init__(self, stage: Stage, scenario: Scenario, plan: PlanDocument) -> None:
        self._stage, self._scenario = stage, scenario
        self._cast = Cast(scenario.people, plan)
        self.acting = Acting(stage, scenario, plan, self._cast)
        self.verdicts: list[judging.Verdict] = []
        self._planned = [
            _Planned(scenario.begins + one.at, _SCENARIO, number, one)
            for number, one in enumerate(scenario.happens)
        ]
        heapq.heapify(self._planned)
        self._number = len(self._planned)
        self._expected: list[Expectation] = sorted(scenario.expect, key=lambda one: one.at)
        self._watches = any(one.channel is not None for one in scenario.happens) or any(
            source.expect_every is not None for source in scenario.sources.values()
        )
        self._looked_at = scenario.begins

    async def to_the_end(self) -> None:
        clock, ends = self._stage.clock, self._scenario.begins + self._scenario.lasts
        await self.acting.enrol_sources()
        while True:
            await self._settle()
            if self._planned and self._planned[0].at <= clock.now():
                await self._act(heapq.heappop(self._planned))
                continue
            await self._judge()
            if not await self._move_on(ends):
                return

    async def _move_on(self, ends: datetime) -> bool:
        """To the next moment at which there is something to do; false: there is none."""
        while (upcoming := await self._next()) is not None and upcoming <= ends:
            looks = self._watches and upcoming >= self._looked_at + _LOOKS_EVERY
            self._stage.clock.move_to(upcoming)
            if not looks:
                return True
            await self._look_around()
            if any(
                moment <= upcoming for moment in await self._waiting()
            ):  # mostly there was nothing to be seen
                return True
        return False

    async def _settle(self) -> None:
        """Everything that is due is done; then people see what there is for them."""
        await self._stage.engine.settle()
        at = self._stage.clock.now()
        async with self._stage.parts.db.reading() as session:
            await self.acting.notice_new_incidents(session)
            for meant in await self._cast.look(session, at=at):
                self._plan_for(meant)
        due = await passing.next_due(self._stage.parts.db)
        if due is not None and due <= at:
            raise passing.Stuck(f"a row due at {due} is never settled")

    def _plan_for(self, meant: Intention) -> None:
        self._number += 1
        heapq.heappush(
            self._planned, _Planned(max(meant.at, self._stage.clock.now()), _PEOPLE, self._number, meant)
        )

    async def _act(self, planned: _Planned) -> None:
        if isinstance(planned.what, Happening):
            await self.acting.happen(planned.what)
        elif not await self.acting.carry_out(planned.what) and planned.what.kind is Kind.LEAD:
            meant = planned.what
            again = self._stage.clock.now() + TRIES_AGAIN
            self._plan_for(Intention(again, meant.kind, meant.subject, meant.positions, meant.event))

    async def _judge(self) -> None:
        now = self._stage.clock.now()
        while self._expected and self._scenario.begins + self._expected[0].at <= now:
            async with self._stage.parts.db.reading() as session:
                self.verdicts += await judging.judge(session, self._expected.pop(0), self.acting, at=now)

    async def _next(self) -> datetime | None:
        """The moment at which something is next; none: that was all."""
        moments = await self._waiting()
        if self._watches:
            moments.append(self._looked_at + _LOOKS_EVERY)
        return min(moments, default=None)

    async def _waiting(self) -> list[datetime]:
        """The next moments of the engine, of the scenario and its people, and of what is expected."""
        due = await passing.next_due(self._stage.parts.db)
        moments = [due] if due is not None else []
        if self._planned:
            moments.append(self._planned[0].at)
        if self._expected:
            moments.append(self._scenario.begins + self._expected[0].at)
        return moments

    async def _look_around(self) -> None:
        """What the calendar of the service does each minute."""
        self._looked_at = now = self._stage.clock.now()
        async with self._stage.parts.db.transaction() as session:
            await silence.look(session, language=self._stage.parts.settings.language, at=now)
            await failing.look(session, at=now)
