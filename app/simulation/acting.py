"""What people and circumstances do, each in one transaction, through the same room functions the routes call.

A refusal is no error here: it is written down with its reason, as is a deed for which nobody was there.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound, Problem, Refused
from app.incidents import acknowledging, decisions, facts, raising, record, tasks, transitions, updates
from app.incidents.lifecycle import Event
from app.incidents.tables import (
    Decision,
    DecisionState,
    Incident,
    Obligation,
    ObligationState,
    Task,
    TaskState,
)
from app.incidents.tasks import TaskEvent
from app.incidents.transitions import Assessment, Command
from app.intake import enrolment, inbox
from app.intake.enrolment import Enrolment
from app.intake.signals import Signal
from app.notify import acknowledgement, answers
from app.notify.acknowledgement import Standing
from app.notify.answers import Came
from app.notify.replies import TAKE
from app.notify.tables import Delivery
from app.people import holders, organisation
from app.people.holders import Holder
from app.people.tables import REACHABLE, Person
from app.plan.document import PlanDocument
from app.playbooks.tables import Run, StepRow
from app.simulation.cast import Cast, Intention, Kind
from app.simulation.document import Happening, Scenario
from app.simulation.stage import Stage
from app.vocabulary import Layer
from app.wording import Wording, localised, render, say

_UNDONE: Final = (TaskState.OPEN, TaskState.STARTED)


@dataclass(frozen=True)
class Deed:
    """What somebody did, or tried to."""

    at: datetime
    kind: str
    incident: str | None  # id
    by: str | None  # a name; none: nobody's doing
    position: str | None
    detail: Mapping[str, Any]
    refused: Wording | None = None


class Nobody(Refused, slug="nobody-there"):
    """There is nobody at that position who could."""


@dataclass
class Actor:
    """Whoever acts, with the layer of the position they act for."""

    name: str
    position: str
    layer: Layer


class Acting:
    """The deeds of one simulation."""

    def __init__(self, stage: Stage, scenario: Scenario, plan: PlanDocument, cast: Cast) -> None:
        self._stage, self._scenario, self._plan, self._cast = stage, scenario, plan, cast
        self.deeds: list[Deed] = []
        self.incidents: list[str] = []  # ids, as they came
        self.named: dict[str, str] = {}
        self._unnamed: list[str] = []  # names for incidents that signals will raise
        self._playbooks: dict[str, str] = {}
        self._attempts: dict[str, int] = {}

    async def enrol_sources(self) -> None:
        """The monitoring of the scenario, and one source for signals that name none."""
        told = {one.signal.source for one in self._scenario.happens if one.signal is not None}
        async with self._stage.parts.db.transaction() as session:
            for slug in sorted({*self._scenario.sources, *told}):
                source = self._scenario.sources.get(slug)
                said = Enrolment(slug=slug, kind="generic", name=slug)
                if source is not None:
                    said = Enrolment(
                        slug=slug, kind="generic", name=slug, default_type=source.default_type, expect_every=source.expect_every
                    )  # fmt: skip
                await enrolment.enrol(
                    session, said, vault=self._stage.parts.vault, by="simulation", at=self._now
                )

    async def notice_new_incidents(self, session: AsyncSession) -> None:
        """What signals have raised meanwhile gets the names kept for it."""
        for name in await session.scalars(select(Incident.id).order_by(Incident.id)):
            if name not in self.incidents:
                self.incidents.append(name)
                if self._unnamed:
                    self.named[self._unnamed.pop(0)] = name

    def incident_id(self, name: str | None) -> str:
        """The incident of that name in the scenario; none: the first. Raises `NotFound`."""
        if name is not None and name in self.named:
            return self.named[name]
        if name is None and self.incidents:
            return self.incidents[0]
        raise NotFound(say("simulation.no_incident_yet", name=name or "–"))

    async def happen(self, one: Happening) -> None:
        """What the scenario says."""
        deed = one.deed
        detail = {"deed": deed.rstrip("_"), **_plain(getattr(one, deed))}
        await self._try("scenario", detail, one.incident if deed not in ("raise_", "signal") else None, one.by,
                        getattr(self, f"_{deed.rstrip('_')}"), one)  # fmt: skip

    async def carry_out(self, meant: Intention) -> bool:
        """What somebody meant to do; false when it was refused and may be tried again."""
        before = len(self.deeds)
        await self._try(meant.kind, {}, None, None, getattr(self, f"_do_{meant.kind}"), meant)
        return not any(deed.refused for deed in self.deeds[before:])

    async def _try(
        self, kind: str, detail: Mapping[str, Any], incident: str | None, position: str | None,
        work: Callable[[AsyncSession, Any], Awaitable["Deed | None"]], subject: Any,
    ) -> None:  # fmt: skip
        try:
            async with self._stage.parts.db.transaction() as session:
                deed = await work(session, subject)
        except Problem as problem:
            about = self.named.get(incident or "", self.incidents[0] if self.incidents else None)
            if isinstance(subject, Intention) and subject.kind is Kind.LEAD:
                about, detail = subject.subject, {"event": str(subject.event)}
            deed = Deed(self._now, kind, about, None, position, dict(detail), problem.detail)
        if deed is not None:
            self.deeds.append(deed)

    # ── what the scenario says ────────────────────────────────────────────────────────────────────────────

    async def _raise(self, session: AsyncSession, one: Happening) -> Deed:
        said = one.raise_
        assert said is not None
        actor = await self._actor(
            session, [one.by or self._plan.organisation.default_position], stand_in=True
        )
        alarm = raising.Alarm(title=said.title, type=said.type, level=said.level, facts=dict(said.facts))
        incident, _ = await raising.raise_incident(session, alarm, actor=actor.name, at=self._now)
        if incident.id not in self.incidents:
            self.incidents.append(incident.id)
        if one.as_ is not None:
            self.named[one.as_] = incident.id
        if said.playbook is not None:
            self._playbooks[incident.id] = said.playbook
        return self._done("raise", incident.id, actor, title=said.title, type=said.type)

    async def _signal(self, session: AsyncSession, one: Happening) -> Deed:
        said = one.signal
        assert said is not None
        if one.as_ is not None:
            self._unnamed.append(one.as_)
        source = await enrolment.found(session, said.source)
        signal = Signal(
            dedup_key=said.key, occurrence="", state=said.state, title=said.title, type_hint=said.type, level_hint=said.level,
            facts=dict(said.facts), started_at=self._now,
        )  # fmt: skip
        source.last_seen_at = self._now
        await inbox.say_ourselves(session, source, signal, at=self._now)
        return Deed(
            self._now, "signal", None, said.source, None, {"title": said.title, "state": str(said.state)}
        )

    async def _acknowledge(self, session: AsyncSession, one: Happening) -> Deed:
        actor = await self._actor(session, [one.by or self._plan.organisation.default_position])
        incident = await record.locked(session, self.incident_id(one.incident))
        acknowledging.acknowledge(session, incident, by=actor.name, at=self._now, via="api")
        return self._done("answer", incident.id, actor)

    async def _move(self, session: AsyncSession, one: Happening) -> Deed:
        said = one.move
        assert said is not None
        incident = await record.locked(session, self.incident_id(one.incident))
        judged = None
        if said.likelihood is not None and said.impact is not None:
            judged = Assessment("qualitative", said.likelihood, said.impact)
        command = Command(
            said.event, reason=said.reason, level=said.level, assessment=judged, playbook=self._playbook(incident, said.event)
        )  # fmt: skip
        actor = await self._actor(session, [one.by] if one.by else list(self._cast.leaders(incident.level)))
        await transitions.carry_out(
            session, incident, command, actor=actor.name, layer=actor.layer, at=self._now
        )
        return self._done("lead", incident.id, actor, event=str(said.event))

    async def _facts(self, session: AsyncSession, one: Happening) -> Deed:
        incident = await record.locked(session, self.incident_id(one.incident))
        actor = await self._actor(
            session, [one.by or self._plan.organisation.default_position], stand_in=True
        )
        await facts.merge(session, incident, dict(one.facts or {}), actor=actor.name, at=self._now)
        return self._done("facts", incident.id, actor, facts=dict(one.facts or {}))

    async def _task(self, session: AsyncSession, one: Happening) -> Deed:
        said = one.task
        assert said is not None
        incident = await record.locked(session, self.incident_id(one.incident))
        step = await _step(session, incident, said.step)
        query = select(Task).where(Task.step == step.id, Task.state.in_(_UNDONE)).order_by(Task.id.desc())
        if (task := await session.scalar(query.limit(1))) is None:
            raise Refused(say("simulation.no_task", step=said.step))
        return await self._work_on(session, incident, task, said.event, [one.by or task.position])

    async def _decide(self, session: AsyncSession, one: Happening) -> Deed:
        said = one.decide
        assert said is not None
        incident = await record.locked(session, self.incident_id(one.incident))
        step = await _step(session, incident, said.step)
        query = select(Decision).where(Decision.step == step.id, Decision.state == DecisionState.ASKED)
        if (asked := await session.scalar(query.order_by(Decision.id.desc()).limit(1))) is None:
            raise Refused(say("simulation.no_question", step=said.step))
        actor = await self._actor(session, [one.by] if one.by else asked.positions)
        return self._choose(session, incident, asked, said.choice, actor)

    async def _update(self, session: AsyncSession, one: Happening) -> Deed:
        incident = await record.locked(session, self.incident_id(one.incident))
        owner = self._plan.levels[incident.level].update_owner
        actor = await self._actor(session, [one.by or owner])
        text = {"zh": one.update, "en": one.update}
        await updates.post(session, incident, text=text, audience="internal", author=actor.name, at=self._now)
        return self._done("report", incident.id, actor)

    async def _channel(self, _session: AsyncSession, one: Happening) -> Deed:
        said = one.channel
        assert said is not None
        self._stage.channels[said.name].works = said.works
        return Deed(self._now, "channel", None, None, None, {"name": said.name, "works": said.works})

    async def _connection(self, _session: AsyncSession, one: Happening) -> Deed:
        said = one.connection
        assert said is not None
        self._stage.door.let(said.name, works=said.works, answers=said.answers)
        return Deed(self._now, "connection", None, None, None, {"name": said.name, "works": said.works})

    async def _person(self, session: AsyncSession, one: Happening) -> Deed:
        said = one.person
        assert said is not None
        for person in await session.scalars(organisation.listing(position=said.position).order_by(Person.id)):
            if said.name in (None, person.name) and person.availability != said.availability:
                await organisation.change_person(
                    session, self._stage.parts.vault, person.id, {"availability": said.availability}, check=lambda *_: None,
                    at=self._now,
                )  # fmt: skip
                detail = {"availability": str(said.availability)}
                return Deed(self._now, "person", None, person.name, said.position, detail)
        raise Nobody(say("simulation.nobody", position=said.position))

    # ── what people do of themselves ──────────────────────────────────────────────────────────────────────

    async def _do_answer(self, session: AsyncSession, meant: Intention) -> Deed | None:
        delivery = await session.get_one(Delivery, meant.subject)
        person = await session.get(Person, delivery.person_id) if delivery.person_id is not None else None
        if person is None or person.availability not in REACHABLE:
            return None
        vault = self._stage.parts.vault
        mark = acknowledgement.link(vault, "", delivery.id).rpartition("/")[2]
        shown = await acknowledgement.card(session, vault, delivery.id, mark)
        if shown.standing is not Standing.OPEN:
            return None
        came = Came(acknowledgement.BY_LINK, None, "", self._now)
        await answers.by_delivery(session, delivery, TAKE, came)
        actor = Actor(person.name, delivery.position, self._layer(delivery.position))
        return self._done("answer", delivery.ref, actor)

    async def _do_lead(self, session: AsyncSession, meant: Intention) -> Deed | None:
        assert meant.event is not None
        incident = await record.locked(session, meant.subject)
        if self._cast.next_move(incident) is not meant.event:
            return None
        actor = await self._actor(session, meant.positions)
        command = Command(meant.event, playbook=self._playbook(incident, meant.event))
        await transitions.carry_out(
            session, incident, command, actor=actor.name, layer=actor.layer, at=self._now
        )
        return self._done("lead", incident.id, actor, event=str(meant.event))

    async def _do_begin(self, session: AsyncSession, meant: Intention) -> Deed | None:
        task = await session.get_one(Task, meant.subject)
        incident = await record.locked(session, task.incident_id)
        await session.refresh(task)
        if task.state != TaskState.OPEN:
            return None
        return await self._work_on(session, incident, task, TaskEvent.START, meant.positions)

    async def _do_work(self, session: AsyncSession, meant: Intention) -> Deed | None:
        task = await session.get_one(Task, meant.subject)
        incident = await record.locked(session, task.incident_id)
        await session.refresh(task)
        if task.state not in _UNDONE:
            return None
        return await self._work_on(session, incident, task, TaskEvent.COMPLETE, meant.positions)

    async def _do_decide(self, session: AsyncSession, meant: Intention) -> Deed | None:
        asked = await session.get_one(Decision, meant.subject)
        incident = await record.locked(session, asked.incident_id)
        await session.refresh(asked)
        if asked.state != DecisionState.ASKED:
            return None
        actor = await self._actor(session, meant.positions)
        return self._choose(session, incident, asked, self._cast.choice(asked.kind, asked.options), actor)

    async def _do_report(self, session: AsyncSession, meant: Intention) -> Deed | None:
        owed = await session.get_one(Obligation, meant.subject)
        incident = await record.locked(session, owed.incident_id)
        await session.refresh(owed)
        if owed.state != ObligationState.OWED:
            return None
        actor = await self._actor(session, meant.positions)
        text = localised(say("simulation.update"))
        await updates.post(session, incident, text=text, audience="internal", author=actor.name, at=self._now)
        return self._done("report", incident.id, actor)

    # ── what both are made of ─────────────────────────────────────────────────────────────────────────────

    @property
    def _now(self) -> datetime:
        return self._stage.clock.now()

    def _playbook(self, incident: Incident, event: Event) -> str | None:
        return self._playbooks.get(incident.id) if event is Event.ACTIVATE else None

    async def _work_on(
        self,
        session: AsyncSession,
        incident: Incident,
        task: Task,
        event: TaskEvent,
        positions: Sequence[str],
    ) -> Deed:
        actor = await self._actor(session, positions)
        tasks.move(session, incident, task, event, actor=actor.name, at=self._now, note=self._note(event))
        return self._done("work", incident.id, actor, event=str(event), title=task.title)

    def _choose(
        self, session: AsyncSession, incident: Incident, asked: Decision, choice: str, actor: Actor
    ) -> Deed:
        decisions.choose(session, incident, asked, choice, actor=actor.name, entitled=True, at=self._now)
        return self._done("decide", incident.id, actor, question=asked.question, choice=choice)

    async def _actor(
        self, session: AsyncSession, positions: Sequence[str], *, stand_in: bool = False
    ) -> Actor:
        """The first of these positions at which somebody is there. `stand_in`: somebody from outside, where nobody is."""
        for position in positions:
            found: list[Holder] = await holders.holders(session, position, at=self._now)
            if found:
                return Actor(found[0].name, position, self._layer(position))
        if stand_in:
            return Actor("simulation", positions[0], Layer.EXECUTION)
        raise Nobody(say("simulation.nobody", position=await holders.titles(session, list(positions)[:1])))

    def _layer(self, position: str) -> Layer:
        known = self._plan.organisation.positions.get(position)
        return known.layer if known is not None else Layer.EXECUTION

    def _note(self, event: TaskEvent) -> str | None:
        language = self._stage.parts.settings.language
        return None if event is TaskEvent.START else render(say("simulation.note"), language)

    def _done(self, kind: str, incident: str, actor: Actor, **detail: Any) -> Deed:
        return Deed(self._now, kind, incident, actor.name, actor.position, detail)


async def _step(session: AsyncSession, incident: Incident, name: str) -> StepRow:
    run = select(Run.id).where(Run.ref == incident.id).order_by(Run.id.desc()).limit(1).scalar_subquery()
    found = await session.scalar(select(StepRow).where(StepRow.run_id == run, StepRow.name == name))
    if found is None:
        raise NotFound(say("simulation.no_step", step=name))
    return found


def _plain(said: Any) -> dict[str, Any]:
    if hasattr(said, "model_dump"):
        dumped: dict[str, Any] = said.model_dump(mode="json", exclude_none=True)
        return dumped
    return {"said": said}
