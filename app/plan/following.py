"""Which revision of the plan an incident follows, and moving it to another (EP-9.3).

An incident keeps the revision it was activated under whatever is put in force later. Only its commander or leadership move it,
by name and with a reason; what then changes is said before, kept on the timeline, and carried out by the reactions of
`app.flow`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.access.keys import Principal
from app.errors import Forbidden, Refused
from app.incidents import authority, command_post, facts, lifecycle, timeline
from app.incidents.tables import OPEN_STATES, Incident, State, TimelineEntry
from app.plan import revisions
from app.plan.differences.notes import Difference, Group
from app.plan.differences.told import told
from app.plan.document import PlanDocument
from app.plan.tables import PlanRevision, RevisionState
from app.wording import kept, say

_ONCE_APPROVED = (RevisionState.IN_FORCE, RevisionState.SUPERSEDED)


class PlanCannotCarry(Refused, slug="plan-cannot-carry"):
    """The other revision has no place for this incident; `missing` says what it lacks."""


@dataclass(frozen=True)
class Prospect:
    """What would become of an incident under another revision."""

    revision: PlanRevision
    differences: Sequence[Difference]
    """What that one says otherwise about an incident of this type and level."""


async def prospect(session: AsyncSession, incident: Incident, revision_id: str | None) -> Prospect:
    """What moving it would change; `None`: to the revision in force, and nothing where it follows that. Raises what stands
    against it."""
    if incident.state not in OPEN_STATES:
        raise Refused(
            say("incidents.over"), state=incident.state, allowed=lifecycle.allowed(State(incident.state))
        )
    revision_id = revision_id or (await revisions.in_force(session))[0]
    revision = await revisions.found(session, revision_id)
    if revision.state not in _ONCE_APPROVED:
        state = RevisionState(revision.state)
        raise Refused(
            say("following.never_in_force", state=say(f"revision_state.{state}")),
            state=state, allowed=revisions.allowed(state),
        )  # fmt: skip
    old = await revisions.document_of(session, incident.plan_revision)
    new = await revisions.document_of(session, revision.id)
    _must_carry(incident, new, revision)
    return Prospect(revision, _concerning(incident, old, new))


async def move(
    session: AsyncSession, incident: Incident, revision_id: str | None, *, reason: str, by: Principal, at: datetime
) -> TimelineEntry:  # fmt: skip
    """Let a locked incident follow another revision from now on.

    1. Only its commander or leadership.
    2. The revision was approved and in force once, and has the incident's type, playbook and command post.
    3. Pin it, say on the timeline what that changes, and let the grading rules of that one look at the facts.
    4. The outbox carries the rest: command post, steps, the update owed. A chain that is being called is not begun anew.
    """
    await _must_command(session, incident, by)
    found = await prospect(session, incident, revision_id)
    if found.revision.id == incident.plan_revision:
        raise Refused(say("following.same", version=_called(found.revision)), plan_revision=found.revision.id)
    before = await revisions.found(session, incident.plan_revision)
    incident.plan_revision = found.revision.id
    incident.version += 1
    entry = timeline.append(
        session, incident, "plan.moved", actor=by.name, at=at, reason=reason, was=_called(before),
        now=_called(found.revision), revision=found.revision.id, before=before.id,
        differences=[kept(one.said) for one in found.differences] or [kept(say("following.nothing"))],
    )  # fmt: skip
    payload = {"incident_id": incident.id, "seq": entry.seq, "before": before.id, "actor": by.name}
    outbox.put(session, "incident.plan_moved", payload, ref=incident.id, at=at)
    await facts.look_again(session, incident, at=at)
    return entry


async def _must_command(session: AsyncSession, incident: Incident, by: Principal) -> None:
    commanding = await command_post.commander_positions(session, incident.id)
    if not by.leads and not (commanding and await authority.may_act_for(session, by, commanding)):
        raise Forbidden(say("following.commander_decides"), positions=commanding)


def _must_carry(incident: Incident, new: PlanDocument, revision: PlanRevision) -> None:
    missing: dict[str, str] = {}
    if incident.type not in new.types:
        missing["type"] = incident.type
    if incident.playbook not in new.playbooks:
        missing["playbook"] = incident.playbook
    if incident.level not in new.levels or incident.level not in new.chains:
        missing["level"] = str(incident.level)
    if missing:
        what = [say(f"following.missing.{part}", name=name) for part, name in missing.items()]
        raise PlanCannotCarry(
            say("following.cannot_carry", version=_called(revision), what=what), missing=missing
        )


def _concerning(incident: Incident, old: PlanDocument, new: PlanDocument) -> list[Difference]:
    """The differences that touch this incident: its level, type, command post, and the steps of its level."""
    post = new.types[incident.type].command_post or new.levels[incident.level].command_post
    wanted = {
        (Group.LEVEL, str(incident.level)), (Group.TYPE, incident.type), (Group.COMMAND_POST, post),
        (Group.PLAYBOOK, incident.playbook),
    }  # fmt: skip
    found = told(_at_level(old, incident), _at_level(new, incident))
    return [one for one in found if (one.group, one.subject) in wanted]


def _at_level(plan: PlanDocument, incident: Incident) -> PlanDocument:
    """The plan with the steps of that playbook which are carried out at the incident's level."""
    if (playbook := plan.playbooks.get(incident.playbook)) is None:
        return plan
    steps = [step for step in playbook.steps if incident.level in step.levels]
    shorter = playbook.model_copy(update={"steps": steps})
    return plan.model_copy(update={"playbooks": {incident.playbook: shorter}})


def _called(revision: PlanRevision) -> str:
    """What the plan calls itself."""
    return str(revision.document["plan"]["version"])
