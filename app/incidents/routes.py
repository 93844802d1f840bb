"""Incidents over HTTP: parse, call one room function, render."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from app.access.edge import Edge, IfMatch, Language, Now, Session, Who, problems
from app.access.paging import Page, Paging, paged
from app.errors import NotFound, Refused, Stale
from app.incidents import (
    acknowledging,
    announcements,
    authority,
    command_post,
    decisions,
    facts,
    obligations,
    raising,
    record,
    report,
    tasks,
    timeline,
    transitions,
    updates,
)
from app.incidents.lifecycle import GuardRefused, IllegalTransition, NotYours
from app.incidents.schemas import (
    Acknowledge,
    AnnouncementRead,
    Announcements,
    ApplyEvent,
    ChangedFacts,
    Choose,
    DebtRead,
    DecisionRead,
    Decisions,
    IncidentRead,
    IncidentSummary,
    MoveTask,
    ObligationRead,
    PostUpdate,
    RaiseIncident,
    TaskRead,
    Tasks,
    Timeline,
    TimelineEntryRead,
    UpdateRead,
    Updates,
    WaiveDebt,
)
from app.incidents.tables import Incident, Obligation, State, Status
from app.incidents.transitions import Assessment, Command
from app.levels import matrix
from app.people import holders
from app.vocabulary import LevelNumber
from app.wording import Wording, say

router = APIRouter(prefix="/api/v1", route_class=Edge, tags=["incidents"])


async def _read(session: Session, incident: Incident, language: str) -> IncidentRead:
    return IncidentRead.of(
        incident, command_post=await command_post.of_incident(session, incident.id),
        obligations=await obligations.of_incident(session, incident.id), warnings=await _warnings(session), language=language,
    )  # fmt: skip


async def _read_new(session: Session, incident: Incident, language: str) -> IncidentRead:
    """Nothing hangs on an incident raised a moment ago."""
    return IncidentRead.of(
        incident, command_post=None, obligations=[], warnings=await _warnings(session), language=language
    )


async def _warnings(session: Session) -> list[Wording]:
    return [] if await holders.anyone(session) else [say("incidents.nobody_to_tell")]


@router.post("/incidents", status_code=201, responses=problems())
async def raise_incident(
    asked: RaiseIncident, session: Session, who: Who, now: Now, language: Language, response: Response
) -> IncidentRead:
    """Raise an incident. It is graded at once and the reporting chain starts, before any assessment (EP-4.2.1).

    201 for a new incident; 200 when `dedup_key` names one that is open already.
    """
    alarm = raising.Alarm(
        title=asked.title, type=asked.type, description=asked.description, department=asked.department,
        occurred_at=asked.occurred_at, reporter=asked.reporter or who.name, facts=asked.facts, level=asked.level,
        dedup_key=asked.dedup_key, status=Status.EXERCISE if asked.exercise else Status.ACTUAL,
    )  # fmt: skip
    incident, is_new = await raising.raise_incident(session, alarm, actor=who.name, at=now)
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/api/v1/incidents/{incident.id}"
    return await (_read_new if is_new else _read)(session, incident, language)


@router.get("/incidents", responses=problems())
async def list_incidents(
    session: Session, who: Who, part: Paging,
    state: State | None = None, level: LevelNumber | None = None, department: str | None = None,
    type_: Annotated[str | None, Query(alias="type")] = None, open_: Annotated[bool | None, Query(alias="open")] = None,
    q: Annotated[str | None, Query(max_length=200)] = None,
) -> Page[IncidentSummary]:  # fmt: skip
    """Incidents, newest first."""
    query = record.search(state=state, level=level, type_=type_, department=department, open_=open_, text=q)
    rows, cursor = await paged(session, authority.visible_to(who, query), Incident.id, part)
    return Page(items=[IncidentSummary.model_validate(row) for row in rows], next=cursor)


@router.get("/incidents/{incident_id}", responses=problems(NotFound))
async def read_incident(
    incident_id: str, session: Session, who: Who, language: Language, response: Response
) -> IncidentRead:
    """One incident, by id or number."""
    incident = await authority.seen(session, who, incident_id)
    response.headers["ETag"] = f'"{incident.version}"'
    return await _read(session, incident, language)


@router.post(
    "/incidents/{incident_id}/transitions",
    status_code=201,
    responses=problems(NotFound, IllegalTransition, GuardRefused, NotYours, Stale),
)
async def transition(
    incident_id: str,
    asked: ApplyEvent,
    session: Session,
    who: Who,
    now: Now,
    version: IfMatch,
    language: Language,
) -> TimelineEntryRead:
    """Move an incident on in its life; the only way there is (EP-4.2)."""
    incident = await record.locked(session, incident_id, version=version)
    judged = asked.assessment
    command = Command(
        event=asked.event, reason=asked.reason, level=asked.level, playbook=asked.playbook, merge_into=asked.merge_into,
        waive=asked.waive, by=asked.by, assessment=Assessment(judged.method, judged.likelihood, judged.impact) if judged else None,
    )  # fmt: skip
    entry = await transitions.carry_out(
        session, incident, command, actor=who.name, layer=authority.layer_of(who), at=now
    )
    return TimelineEntryRead.of(entry, language)


@router.post(
    "/incidents/{incident_id}/acknowledgements", status_code=201, responses=problems(NotFound, Refused)
)
async def acknowledge(
    incident_id: str,
    session: Session,
    who: Who,
    now: Now,
    language: Language,
    asked: Acknowledge | None = None,
) -> TimelineEntryRead:
    """The caller has it, and the reporting chain stops for this round; or cannot, or wants others called as well."""
    asked = asked or Acknowledge()
    incident = await record.locked(session, incident_id)
    entry = await acknowledging.answer(
        session, incident, asked.answer, by=who.name, person_id=who.person_id, at=now, via="api", note=asked.note, add=asked.add
    )  # fmt: skip
    return TimelineEntryRead.of(entry, language)


@router.patch("/incidents/{incident_id}/facts", responses=problems(NotFound, Refused, Stale))
async def merge_facts(
    incident_id: str,
    asked: ChangedFacts,
    session: Session,
    who: Who,
    now: Now,
    version: IfMatch,
    language: Language,
) -> IncidentRead:
    """Merge facts; null removes one. The grading rules look again.

    The body is the facts themselves; `{"facts": {…}}`, with nothing beside it, is read as those facts too.
    """
    incident = await record.locked(session, incident_id, version=version)
    await facts.merge(session, incident, asked, actor=who.name, at=now)
    return await _read(session, incident, language)


@router.post("/incidents/{incident_id}/updates", status_code=201, responses=problems(NotFound, Refused))
async def post_update(
    incident_id: str, asked: PostUpdate, session: Session, who: Who, now: Now
) -> UpdateRead:
    """A status update; pays the update that is owed."""
    incident = await record.locked(session, incident_id)
    text = {"zh": asked.text, "en": asked.text}
    update = await updates.post(
        session, incident, text=text, audience=asked.audience, author=who.name, at=now
    )
    return UpdateRead.of(update)


@router.get("/incidents/{incident_id}/updates", responses=problems(NotFound))
async def list_updates(incident_id: str, session: Session, who: Who) -> Updates:
    """Status updates, oldest first."""
    incident = await authority.seen(session, who, incident_id)
    return Updates(
        items=[UpdateRead.of(update) for update in await updates.of_incident(session, incident.id)]
    )


@router.get("/obligations", responses=problems())
async def list_debts(
    session: Session, who: Who, part: Paging, owner: Annotated[str | None, Query(max_length=63)] = None,
    missed: bool | None = None,
) -> Page[DebtRead]:  # fmt: skip
    """What is owed over all incidents, and by which position; `?missed=true` for debts alone (EP-5.3)."""
    query = authority.visible_to(who, obligations.debts(owner=owner, missed=missed))
    found, cursor = await paged(session, query, Obligation.id, part)
    about = await record.by_id(session, [owed.incident_id for owed in found])
    items = [DebtRead.about(owed, about[owed.incident_id]) for owed in found]
    return Page(items=items, next=cursor)


@router.post(
    "/incidents/{incident_id}/obligations/{obligation_id}/waive", responses=problems(NotFound, Refused)
)
async def waive_debt(
    incident_id: str, obligation_id: str, asked: WaiveDebt, session: Session, who: Who, now: Now
) -> ObligationRead:
    """Excuse a debt, with a reason; it stays on the record and counts in the review as missed if it was."""
    incident = await record.locked(session, incident_id)
    owed = await obligations.found(session, incident, obligation_id)
    await obligations.waive(session, incident, owed, by=who.name, reason=asked.reason, at=now)
    return ObligationRead.model_validate(owed)


@router.get("/incidents/{incident_id}/timeline", responses=problems(NotFound))
async def read_timeline(
    incident_id: str, session: Session, who: Who, language: Language, after: Annotated[int, Query(ge=0)] = 0
) -> Timeline:
    """What happened, in order, and whether the record is intact."""
    incident = await authority.seen(session, who, incident_id)
    chain = await timeline.entries(session, incident.id)
    zone = (await matrix.of(session, incident.plan_revision)).zone
    items = [TimelineEntryRead.of(entry, language, zone) for entry in chain if entry.seq > after]
    return Timeline(items=items, intact=timeline.first_break(chain) is None)


@router.get("/incidents/{incident_id}/tasks", responses=problems(NotFound))
async def list_tasks(incident_id: str, session: Session, who: Who) -> Tasks:
    """Tasks of an incident, in the order they were given."""
    incident = await authority.seen(session, who, incident_id)
    return Tasks(items=[TaskRead.of(task) for task in await tasks.of_incident(session, incident.id)])


@router.post(
    "/tasks/{task_id}/transitions",
    status_code=201,
    responses=problems(NotFound, tasks.IllegalTaskTransition, Stale),
)
async def move_task(
    task_id: str, asked: MoveTask, session: Session, who: Who, now: Now, version: IfMatch
) -> TaskRead:
    """Start, complete, waive or decline a task."""
    task = await tasks.found(session, task_id)
    incident = await record.locked(session, task.incident_id)
    await session.refresh(task)
    await authority.must_hold(session, who, task.position)
    tasks.move(
        session,
        incident,
        task,
        asked.event,
        actor=who.name,
        at=now,
        note=asked.note,
        evidence=asked.evidence,
        version=version,
    )
    return TaskRead.of(task)


@router.get("/incidents/{incident_id}/decisions", responses=problems(NotFound))
async def list_decisions(incident_id: str, session: Session, who: Who) -> Decisions:
    """Questions put to people: approvals, shortages, steps that failed."""
    incident = await authority.seen(session, who, incident_id)
    return Decisions(items=[DecisionRead.of(d) for d in await decisions.of_incident(session, incident.id)])


@router.post(
    "/decisions/{decision_id}/choices",
    status_code=201,
    responses=problems(NotFound, decisions.AlreadyDecided),
)
async def choose(decision_id: str, asked: Choose, session: Session, who: Who, now: Now) -> DecisionRead:
    """Answer a question; the first answer decides."""
    decision = await decisions.found(session, decision_id)
    incident = await record.locked(session, decision.incident_id)
    await session.refresh(decision)
    entitled = await authority.may_act_for(session, who, decision.positions)
    decisions.choose(
        session, incident, decision, asked.choice, actor=who.name, entitled=entitled, at=now, note=asked.note
    )
    return DecisionRead.of(decision)


@router.get("/incidents/{incident_id}/announcements", responses=problems(NotFound))
async def list_announcements(incident_id: str, session: Session, who: Who) -> Announcements:
    """Notices to customers, partners and regulators: drafted, approved, published."""
    incident = await authority.seen(session, who, incident_id)
    found = await announcements.of_incident(session, incident.id)
    said = await announcements.wordings(session, [one.id for one in found])
    return Announcements(items=[AnnouncementRead.of(one, said[one.id]) for one in found])


_MARKDOWN: dict[int | str, dict[str, Any]] = {200: {"content": {"text/markdown": {}}}}


@router.get(
    "/incidents/{incident_id}/report",
    responses={**problems(NotFound), **_MARKDOWN},
    response_model=report.Report,
)
async def read_report(
    incident_id: str, session: Session, who: Who, now: Now, language: Language, request: Request,
    kind: Literal["first", "follow_up", "final"] = "first",
) -> report.Report | Response:  # fmt: skip
    """The seven-part report (EP-5.1), compiled now; `Accept: text/markdown` for a document."""
    incident = await authority.seen(session, who, incident_id)
    compiled = await report.compile_report(session, incident, kind, at=now, language=language)
    if "text/markdown" in request.headers.get("accept", ""):
        zone = (await matrix.of(session, incident.plan_revision)).zone
        document = report.as_markdown(compiled, language, zone)
        return Response(document, media_type="text/markdown; charset=utf-8")
    return compiled
