"""What each kind of step does when its turn comes. Rows only: what needs the outside world is queued for `external`.

`KINDS` names them all. An action answers with what became of the step: `Done` with its result, `Waiting` for a person, a fact
or a time, `Queued` for an engine, or `Failed` with the reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Protocol

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import expressions, outbox
from app.expressions import Condition, Text
from app.incidents import announcements, command_post, decisions, tasks, transitions, updates
from app.incidents.document import CommandPost
from app.incidents.lifecycle import Event
from app.incidents.tables import Incident
from app.incidents.transitions import Command
from app.levels.grading import is_graver
from app.notify import chain, pipeline
from app.notify.document import Chain, Hop
from app.notify.pipeline import News
from app.playbooks.document import (
    ApprovalStep,
    AssetUse,
    CommandPostStep,
    EscalateStep,
    HttpStep,
    NoticeStep,
    NotifyStep,
    ReserveStep,
    TaskStep,
    UpdateStep,
    WaitStep,
)
from app.playbooks.tables import Run, StepRow, StepState
from app.resources import failover, reservation
from app.vocabulary import LocalisedTemplate
from app.wording import Wording


@dataclass(frozen=True)
class Done:
    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Waiting:
    pass


@dataclass(frozen=True)
class Queued:
    call: Mapping[str, Any]


@dataclass(frozen=True)
class Failed:
    reason: Wording
    final: bool = (
        False  # a person's no, or a call whose retries are used up: trying again is for a person to say
    )


@dataclass(frozen=True)
class Short:
    """Every tier and substitute is short; somebody is asked."""

    reason: Wording
    position: str


Outcome = Done | Waiting | Queued | Failed | Short


@dataclass(frozen=True)
class Turn:
    """A step whose turn has come, and all it may look at."""

    session: AsyncSession
    incident: Incident  # locked
    run: Run
    row: StepRow
    scope: Mapping[str, Any]
    at: datetime

    def told(self, text: LocalisedTemplate) -> dict[str, str]:
        """A text of the plan with its blanks filled in, in both languages."""
        return rendered(text, self.scope)


def rendered(text: LocalisedTemplate, scope: Mapping[str, Any]) -> dict[str, str]:
    found = {
        "zh": Text.compile(text.zh).render(scope, "zh-Hans"),
        "en": Text.compile(text.en).render(scope, "en"),
    }
    if text.zh_hant:
        found["zh_hant"] = Text.compile(text.zh_hant).render(scope, "zh-Hant")
    return found


class Action(Protocol):
    kind: ClassVar[str]

    async def start(self, turn: Turn, step: Any) -> Outcome:
        """Begin the step, in the transaction that holds the incident's lock."""


class Notify:
    kind: ClassVar[str] = "notify"

    async def start(self, turn: Turn, step: NotifyStep) -> Outcome:
        incident = turn.incident
        notice = await pipeline.tell(
            turn.session,
            News(
                ref=incident.id,
                kind="step",
                number=incident.number,
                level=incident.level,
                exercise=incident.status == "Exercise",
                subject=step.title.model_dump(exclude_none=True),
                text=turn.told(step.params.text),
            ),
            positions=step.params.tell,
            via=step.params.via,
            at=turn.at,
        )
        return Done({"notice": notice.id})


class GiveTask:
    kind: ClassVar[str] = "task"

    async def start(self, turn: Turn, step: TaskStep) -> Outcome:
        await tasks.give(
            turn.session, turn.incident, title=step.title.model_dump(exclude_none=True), text=turn.told(step.params.text),
            position=step.params.position, due_at=turn.at + step.params.due, at=turn.at, step=turn.row.id,
        )  # fmt: skip
        return Waiting()


class Reserve:
    kind: ClassVar[str] = "reserve"

    async def start(self, turn: Turn, step: ReserveStep) -> Outcome:
        until = turn.at + step.params.hold
        taken = await reservation.reserve(
            turn.session, ref=turn.incident.id, key=turn.row.attempt_key, ask=step.params.ask, until=until, by="plan",
            exercise=turn.incident.status == "Exercise", at=turn.at,
        )  # fmt: skip
        if isinstance(taken, reservation.Shortage):
            wanted = {
                "incident_id": turn.incident.id, "step": turn.row.id, "key": turn.row.next_attempt_key,
                "ask": [one.model_dump(mode="json") for one in step.params.ask], "until": until.isoformat(),
            }  # fmt: skip
            outbox.put(turn.session, "reservation.short", wanted, ref=turn.incident.id, at=turn.at)
            return Short(taken.wording(), step.params.when_short)
        lines = (await reservation.lines_of(turn.session, [taken]))[taken.id]
        told = [{"pool": line.pool, "unit": line.unit, "quantity": line.quantity} for line in lines]
        held = sum(line.quantity for line in lines)
        return Done({"reservation": taken.id, "held": held, "lines": told, "short": False})


class CallHttp:
    kind: ClassVar[str] = "http"

    async def start(self, turn: Turn, step: HttpStep) -> Outcome:
        """Put the request together once; each attempt sends the same. What it switches to is reserved before."""
        url = Text.compile(step.params.url).render(turn.scope, "en") if step.params.url else None
        body = _filled(step.params.body, turn.scope)
        if (asset := step.params.asset) is not None and asset.does is AssetUse.FAIL_OVER:
            standby = await failover.fail_over(
                turn.session, ref=turn.incident.id, key=turn.row.attempt_key, pool=asset.pool, failed=asset.name,
                until=turn.at + asset.hold, by="plan", exercise=turn.incident.status == "Exercise", at=turn.at,
            )  # fmt: skip
            if isinstance(standby, reservation.Shortage):
                return Failed(standby.wording())
            turn.row.result = {"standby": standby}
            body = {**body, "standby": standby}
        return Queued(
            {
                "connection": step.params.connection, "url": url, "method": step.params.method, "body": body,
                "expect": list(step.params.expect),
            }
        )  # fmt: skip


class AskApproval:
    kind: ClassVar[str] = "approval"

    async def start(self, turn: Turn, step: ApprovalStep) -> Outcome:
        await decisions.ask(
            turn.session, turn.incident, kind="approval", question=turn.told(step.params.text), options=["approve", "reject"],
            positions=step.params.by, due_at=turn.at + step.params.due, at=turn.at, step=turn.row.id,
        )  # fmt: skip
        return Waiting()


class Wait:
    kind: ClassVar[str] = "wait"

    async def start(self, turn: Turn, step: WaitStep) -> Outcome:
        if step.params.time is not None:
            payload = {"incident_id": turn.incident.id, "step_id": turn.row.id}
            key = f"step:{turn.row.id}:wake:{turn.row.attempts}"
            due_at = turn.at + step.params.time
            await outbox.arm(turn.session, "step.wake", payload, ref=turn.incident.id, key=key, due_at=due_at)
            return Waiting()
        return Done() if self.is_over(step, turn.scope) else Waiting()

    @staticmethod
    def is_over(step: WaitStep, scope: Mapping[str, Any]) -> bool:
        """Whether the condition waited for holds now."""
        return step.params.until is not None and Condition.compile(step.params.until).evaluate(scope) is True


class PostUpdate:
    kind: ClassVar[str] = "update"

    async def start(self, turn: Turn, step: UpdateStep) -> Outcome:
        text = turn.told(step.params.text)
        await updates.post(
            turn.session, turn.incident, text=text, audience=step.params.audience, author="plan", at=turn.at
        )
        return Done({"text": text})


class Escalate:
    kind: ClassVar[str] = "escalate"

    async def start(self, turn: Turn, step: EscalateStep) -> Outcome:
        incident, text = turn.incident, turn.told(step.params.text)
        if (to_level := step.params.to_level) is not None:
            if not is_graver(to_level, incident.level):
                return Done({"level": incident.level})
            command = Command(Event.RELEVEL, reason=text["zh"], level=to_level)
            await transitions.carry_out(turn.session, incident, command, actor="plan", layer=None, at=turn.at)
            return Done({"level": to_level})
        within = step.params.within or timedelta(minutes=5)
        called = await chain.call(
            turn.session, ref=incident.id, key=turn.row.attempt_key, number=incident.number, level=incident.level,
            exercise=incident.status == "Exercise", subject=step.title.model_dump(exclude_none=True), text=text,
            chain=Chain(hops=[Hop(tell=[position], within=within) for position in step.params.tell], repeat_after=within),
            at=turn.at, kind=chain.ESCALATION,
        )  # fmt: skip
        return Done({"round": called.id})


class TellOutside:
    kind: ClassVar[str] = "notice"

    async def start(self, turn: Turn, step: NoticeStep) -> Outcome:
        text = turn.told(step.params.text)
        drafted = announcements.draft(
            turn.session,
            turn.incident,
            audience=step.params.audience,
            text=text,
            at=turn.at,
            step=turn.row.id,
            parties=step.params.parties,
            ask=step.params.ask,
        )
        if not step.params.approve_by:
            approver = await self._approver(turn, step)
            words = await announcements.latest(turn.session, drafted)
            announcements.publish(
                turn.session, turn.incident, drafted, words, approved_by=approver, at=turn.at
            )
            return Done({"published": True, "text": text})
        await decisions.ask(
            turn.session, turn.incident, kind="notice", question=text, options=["approve", "reject"],
            positions=step.params.approve_by, due_at=turn.at + step.params.due, at=turn.at, step=turn.row.id,
        )  # fmt: skip
        return Waiting()

    @staticmethod
    async def _approver(turn: Turn, step: NoticeStep) -> str | None:
        """Who said yes in the approval the notice waited for: the last of them, where there were several."""
        given = select(StepRow).where(
            StepRow.run_id == turn.run.id, StepRow.name.in_(step.needs), StepRow.kind == AskApproval.kind,
            StepRow.state == StepState.DONE,
        )  # fmt: skip
        last = await turn.session.scalar(given.order_by(StepRow.ended_at.desc()).limit(1))
        return last.result.get("by") if last is not None else None


class FormCommandPost:
    kind: ClassVar[str] = "command_post"

    async def start(self, turn: Turn, step: CommandPostStep) -> Outcome:
        name = step.params.template or turn.run.command_posts["default"]
        template = CommandPost.model_validate(turn.run.command_posts["templates"][name])
        formed = await command_post.form(turn.session, turn.incident, name, template, at=turn.at)
        return Done({"template": name, "vacant": [m["role"] for m in formed.members if not m["name"]]})


KINDS: Final[Mapping[str, Action]] = {
    action.kind: action
    for action in (
        Notify(), GiveTask(), Reserve(), CallHttp(), AskApproval(), Wait(), PostUpdate(), Escalate(), TellOutside(),
        FormCommandPost(),
    )
}  # fmt: skip


def _filled(value: Any, scope: Mapping[str, Any]) -> Any:
    match value:
        case str() if "{{" in value:
            return _json(expressions.value_of(value).evaluate(scope))
        case dict():
            return {key: _filled(inner, scope) for key, inner in value.items()}
        case list():
            return [_filled(inner, scope) for inner in value]
        case _:
            return value


def _json(value: Any) -> Any:
    """A value of the plan as JSON has it, however deep: a blank may stand for a whole incident."""
    match value:
        case datetime():
            return value.isoformat()
        case Mapping():
            return {str(key): _json(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_json(inner) for inner in value]
        case _:
            return value
