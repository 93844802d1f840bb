"""The figures of a review (EP-9.1, EP-5.3): how long things took beside their targets, what was owed and
given, what was sent and what became of it.

`moments` and the functions that count are pure; only `of_incident` reads the database. Figures are stored as
JSON: durations in ISO 8601, no texts, so that any language can be made of them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.customers import feedback
from app.customers.feedback import Figures
from app.incidents import decisions, obligations, tasks, timeline
from app.incidents.tables import (
    Decision,
    Incident,
    Obligation,
    ObligationState,
    Task,
    TaskState,
    TimelineEntry,
)
from app.levels import matrix
from app.levels.document import Targets
from app.notify.tables import Delivery, DeliveryState, Round
from app.reviews import communication
from app.reviews.communication import Called, Sent

_DURATION: Final = TypeAdapter(timedelta)
_TAKEN: Final = (DeliveryState.SENT, DeliveryState.ACKNOWLEDGED)

# The times of a review, in the order they are shown, each with the target it is held against.
TIMES: Final[Mapping[str, str | None]] = {
    "acknowledge": "acknowledge", "assess": None, "activate": "activate", "first_task": "respond",
    "recover": None, "restore": "restore", "close": None,
}  # fmt: skip

# What the timeline is asked for to know them.
KINDS: Final = (
    "incident.acknowledged", "incident.assessed", "incident.activated", "task.started", "task.done",
    "incident.recovering", "incident.closed", "incident.reopened",
)  # fmt: skip


@dataclass(frozen=True)
class Moments:
    """When each thing was reached; `None`: it never was."""

    acknowledge: datetime | None = None
    assess: datetime | None = None
    activate: datetime | None = None
    first_task: datetime | None = None
    recover: datetime | None = None
    restore: datetime | None = None
    close: datetime | None = None

    def of(self, name: str) -> datetime | None:
        found: datetime | None = getattr(self, name)
        return found


def moments(entries: Iterable[TimelineEntry]) -> Moments:
    """Read off the timeline: the first of each, but what a reopening undid counts from after it."""
    first: dict[str, datetime] = {}
    for entry in entries:
        if entry.kind == "incident.reopened":
            # Service was not back after all.
            for kind in ("incident.recovering", "incident.closed"):
                first.pop(kind, None)
        else:
            first.setdefault(entry.kind, entry.at)
    recovered, closed = first.get("incident.recovering"), first.get("incident.closed")
    begun = [at for kind in ("task.started", "task.done") if (at := first.get(kind)) is not None]
    return Moments(
        acknowledge=first.get("incident.acknowledged"),
        assess=first.get("incident.assessed"),
        activate=first.get("incident.activated"),
        first_task=min(begun, default=None),
        recover=recovered,
        restore=recovered or closed,
        close=closed,
    )


def times(reached: Moments, targets: Targets, *, detected_at: datetime) -> dict[str, Any]:
    """Each time from detection beside its target; what was never reached has missed its target."""
    found = {}
    for name, promise in TIMES.items():
        moment = reached.of(name)
        took = None if moment is None else max(moment - detected_at, timedelta())
        target: timedelta | None = None if promise is None else getattr(targets, promise)
        met = None if target is None else took is not None and took <= target
        found[name] = {"took": iso(took), "target": iso(target), "met": met}
    return found


def updates(owed: Iterable[Obligation], *, closed_at: datetime | None) -> dict[str, int]:
    """Status updates that fell due: given on time, or missed (late counts as missed)."""
    counts = Counter(_fate(one, closed_at) for one in owed if one.kind == "update")
    return {
        "owed": counts["on_time"] + counts["missed"],
        "on_time": counts["on_time"],
        "missed": counts["missed"],
    }


def _fate(owed: Obligation, closed_at: datetime | None) -> str:
    settled = owed.settled_at
    if owed.missed_at is not None or (settled is not None and settled > owed.due_at):
        return "missed"
    # The close ends what was not due yet; nobody gave that update.
    ended_by_close = closed_at is not None and settled is not None and settled >= closed_at
    return "on_time" if owed.state == ObligationState.PAID and not ended_by_close else "not_due"


def tasks_on_time(given: Iterable[Task]) -> dict[str, int]:
    """Tasks the plan went on asking for: done on time, late or never."""
    asked = [task for task in given if task.state != TaskState.WITHDRAWN]
    done = [task for task in asked if task.state == TaskState.DONE]
    on_time = sum(1 for task in done if task.ended_at is not None and task.ended_at <= task.due_at)
    waived = sum(1 for task in asked if task.state == TaskState.WAIVED)
    return {
        "given": len(asked), "done": len(done), "on_time": on_time, "waived": waived,
        "late": len(asked) - waived - on_time,
    }  # fmt: skip


def deliveries(sent: Sequence[Delivery]) -> dict[str, Any]:
    """Messages by channel and outcome, and how many went at the first attempt of those that were tried."""
    by_channel: dict[str, Counter[str]] = {}
    for delivery in sent:
        by_channel.setdefault(delivery.channel, Counter())[str(delivery.state)] += 1
    taken = [delivery for delivery in sent if delivery.state in _TAKEN]
    dead = [delivery for delivery in sent if delivery.state == DeliveryState.FAILED]
    tried = len(taken) + len(dead)
    at_first = sum(1 for delivery in taken if delivery.attempts <= 1)
    return {
        "total": len(sent),
        "by_channel": {name: dict(sorted(counts.items())) for name, counts in sorted(by_channel.items())},
        "dead": len(dead),
        "first_attempt_share": round(at_first / tried, 4) if tried else None,
    }


def chain(rounds: Sequence[Round]) -> dict[str, int]:
    """How far the reporting chain had to be called."""
    return {
        "rounds": len(rounds),
        "rungs": max((one.hop for one in rounds), default=0),
        "laps": max((one.lap for one in rounds), default=0),
    }


def shortages(asked: Iterable[Decision]) -> list[dict[str, Any]]:
    """What the pools could not give, as it was put to a person, and what was decided."""
    return [
        {"question": one.question, "positions": list(one.positions), "choice": one.choice}
        for one in asked
        if one.kind == "shortage"
    ]


def said(counted: Figures) -> dict[str, Any]:
    """What customers said of it, by kind, and how much of it was answered, and in time (EG-3)."""
    names = ("received", "answered", "in_time", "dropped", "owed")
    by_kind = {kind: {name: getattr(one, name) for name in names} for kind, one in counted.by_kind.items()}
    together = {name: sum(one[name] for one in by_kind.values()) for name in names}
    return {**together, "complaints": counted.complaints, "by_kind": by_kind}


def sent_as_told(one: Delivery) -> Sent:
    return Sent(one.channel, one.state, one.attempts, one.sent_at, one.round_id)


def called_as_told(one: Round) -> Called:
    return Called(one.id, one.state, one.lap, one.hop, one.started_at, one.ended_at)


async def of_incident(session: AsyncSession, incident: Incident) -> dict[str, Any]:
    """All figures of an incident, as things stand."""
    levels = await matrix.of(session, incident.plan_revision)
    reached = moments(await timeline.entries(session, incident.id))
    query = select(Delivery).where(Delivery.ref == incident.id).order_by(Delivery.id)
    sent = list(await session.scalars(query))
    rounds = list(await session.scalars(select(Round).where(Round.ref == incident.id).order_by(Round.id)))
    owed = updates(await obligations.of_incident(session, incident.id), closed_at=reached.close)
    told = communication.evaluated(
        [sent_as_told(one) for one in sent], [called_as_told(one) for one in rounds], updates=[owed],
        reports=await communication.reports(session, incident, at=incident.closed_at or incident.detected_at),
    )  # fmt: skip
    return {
        "level": incident.level,
        "times": times(reached, levels.levels[incident.level].targets, detected_at=incident.detected_at),
        "updates": owed,
        "tasks": tasks_on_time(await tasks.of_incident(session, incident.id)),
        "deliveries": deliveries(sent),
        "communication": told.as_json(),
        "chain": chain(rounds),
        "shortages": shortages(await decisions.of_incident(session, incident.id)),
        "feedback": said(await feedback.figures(session, incident_id=incident.id, at=incident.detected_at)),
    }


def iso(span: timedelta | None) -> str | None:
    """A duration as the API writes it: `PT5M`."""
    return None if span is None else str(_DURATION.dump_python(span, mode="json"))


def from_iso(written: str) -> timedelta:
    return _DURATION.validate_python(written)
