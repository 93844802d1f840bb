"""Whether a person has had a hand in an incident that monitoring raised; what nobody touched may be ended without asking."""

from sqlalchemy import exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.incidents.tables import Incident, State, TimelineEntry
from app.notify.tables import Round, RoundState
from app.resources.tables import Reservation, ReservationState


async def by_people(session: AsyncSession, incident: Incident) -> bool:
    """Raised, answered or assessed it, changed its level or facts, wrote, reserved for it, or merged another
    into it."""
    if incident.state != State.DETECTED or not incident.raised_by.startswith("source:"):
        return True
    # The timeline and not the columns: a new occurrence takes the answer off the incident, not the person.
    by_a_person = TimelineEntry.actor.not_like("source:%") & (TimelineEntry.actor != "plan")
    written = exists().where(
        TimelineEntry.incident_id == incident.id,
        or_(
            TimelineEntry.kind.in_(["incident.acknowledged", "update.posted"]),
            TimelineEntry.kind.in_(["facts.changed", "incident.releveled"]) & by_a_person,
        ),
    )
    # What a storm took in was merged by its source.
    other, end = aliased(Incident), aliased(TimelineEntry)
    merged = exists().where(
        other.merged_into == incident.id,
        end.incident_id == other.id,
        end.kind == "incident.cancelled",
        end.actor.not_like("source:%"),
    )
    # Somebody may have pressed the button of a message a moment ago, and the incident has not heard of it yet.
    answered = exists().where(Round.ref == incident.id, Round.state == RoundState.ACKNOWLEDGED)
    # Before the plan is activated nobody reserves but people, by hand.
    reserved = exists().where(Reservation.ref == incident.id, Reservation.state == ReservationState.HELD)
    return bool(await session.scalar(select(or_(written, merged, answered, reserved))))
