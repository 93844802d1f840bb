"""Rosters over HTTP: who is on call, overrides, swaps, absences, health check-ins, calendars in and out."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Query, Request, Response

from app.access.edge import Edge, Here, IfMatch, Language, Now, Session, Who, problems
from app.access.paging import Page, Paging, paged
from app.errors import Forbidden, NotFound, Refused, Stale, TooLarge, UnsupportedMedia, WrongShape
from app.people import absences, check_ins, feeds, holders, ical, organisation, rosters, swaps, taken_in
from app.people.roster_schemas import (
    AbsenceRead,
    AnswerAbsence,
    AnswerSwap,
    AskAbsence,
    CheckInGiven,
    CheckInRead,
    FeedMade,
    FeedRead,
    HealthSummary,
    MakeFeed,
    OverrideRead,
    ProposeSwap,
    PutIn,
    RosterRead,
    Stretches,
    StretchRead,
    SwapRead,
    TakenIn,
    WriteRoster,
)
from app.people.schemas import OnCallAt, OnCallRead
from app.people.tables import Absence, AbsenceState, Availability, Override, Swap, SwapState
from app.vocabulary import Moment, Slug
from app.wording import say

router = APIRouter(route_class=Edge, tags=["rosters"])
Id = Annotated[str, Path(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
Position = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Zone = Annotated[
    str, Query(max_length=64, description="The zone of times that name none", examples=["Asia/Shanghai"])
]
_LONGEST: Final = timedelta(days=366)
_CALENDAR: Final = "text/calendar"
_ICS_BODY: Final = {"required": True, "content": {_CALENDAR: {"schema": {"type": "string"}}}}
_ICS_ANSWER: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "content": {_CALENDAR: {"schema": {"type": "string"}}},
        "description": "An iCalendar file (RFC 5545).",
    }
}


# ── rosters ───────────────────────────────────────────────────────────────────────────────────────────────


@router.get("/api/v1/rosters", responses=problems())
async def list_rosters(session: Session) -> Page[RosterRead]:
    """The rosters in force, by position."""
    return Page(items=[RosterRead.of(row) for row in await rosters.rosters(session)], next=None)


@router.post("/api/v1/rosters", status_code=201, responses=problems(NotFound, Stale))
async def write_roster(new: WriteRoster, session: Session, now: Now, version: IfMatch) -> RosterRead:
    """Give a position its roster, from now on in place of the one it had."""
    return RosterRead.of(await rosters.write(session, new.position, new.stack(), at=now, expected=version))


@router.get("/api/v1/rosters/{position}", responses=problems(NotFound))
async def read_roster(position: Position, session: Session, response: Response) -> RosterRead:
    """The roster of a position."""
    row = await rosters.roster_of(session, position)
    response.headers["ETag"] = f'"{row.version}"'
    return RosterRead.of(row)


@router.post("/api/v1/rosters/{position}/end", responses=problems(NotFound, Stale))
async def end_roster(position: Position, session: Session, now: Now, version: IfMatch) -> RosterRead:
    """From now on the position has no roster: all who are assigned are called."""
    return RosterRead.of(await rosters.end(session, position, at=now, expected=version))


@router.get("/api/v1/rosters/{position}/turns", responses=problems(NotFound))
async def list_turns(
    position: Position, session: Session, now: Now,
    since: Annotated[Moment | None, Query(alias="from", description="Now, if not given")] = None,
    until: Annotated[Moment | None, Query(alias="to", description="A week later, if not given; at most a year")] = None,
) -> Stretches:  # fmt: skip
    """Who is called for the position over a time, exactly, in order; what is past as it stood then."""
    start = since or now
    end = until or start + timedelta(days=7)
    if not start < end <= start + _LONGEST:
        raise WrongShape(say("people.span", days=_LONGEST.days))
    await rosters.roster_of(session, position)
    return Stretches(items=StretchRead.all_of(await holders.calendar(session, position, start, end, at=now)))


@router.get("/api/v1/on-call", response_model=OnCallAt, responses=problems(NotFound))
async def on_call(
    session: Session, who: Who, now: Now, language: Language,
    at: Annotated[Moment | None, Query(description="The moment asked about; now if not given")] = None,
    position: Slug | None = None,
) -> OnCallAt:  # fmt: skip
    """Who holds each position at a moment, past or future, why, who was passed over and why."""
    moment = at or now
    picture = await holders.picture(session, at=moment, position=position, history=moment < now)
    items = [OnCallRead.of(post, answer, language, who) for post, answer in picture]
    return OnCallAt(at=moment, items=items)


# ── overrides and swaps ───────────────────────────────────────────────────────────────────────────────────


@router.get("/api/v1/rosters/{position}/overrides", responses=problems())
async def list_overrides(position: Position, session: Session, now: Now, part: Paging) -> Page[OverrideRead]:
    """Overrides that are not over."""
    rows, following = await paged(session, rosters.overrides(position, since=now), Override.id, part)
    return Page(items=[OverrideRead.of(row) for row in rows], next=following)


@router.post("/api/v1/rosters/{position}/overrides", status_code=201, responses=problems(NotFound, Refused))
async def put_in(position: Position, asked: PutIn, session: Session, who: Who, now: Now) -> OverrideRead:
    """Put somebody in for a time; of two, the one made last counts."""
    row = await rosters.put_in(
        session, position, asked.person_id, begins=asked.begins, ends=asked.ends, by=who.name, at=now
    )
    return OverrideRead.of(row)


@router.post("/api/v1/overrides/{override_id}/withdraw", responses=problems(NotFound))
async def withdraw_override(override_id: Id, session: Session, now: Now) -> OverrideRead:
    """Take an override back; one that has begun ends now."""
    return OverrideRead.of(await rosters.withdraw(session, override_id, at=now))


@router.post(
    "/api/v1/rosters/{position}/overrides/import",
    responses=problems(NotFound, TooLarge, UnsupportedMedia),
    openapi_extra={"requestBody": _ICS_BODY},
)
async def import_overrides(
    position: Position, request: Request, session: Session, who: Who, now: Now, time_zone: Zone = "UTC"
) -> TakenIn:
    """Put people in by a calendar: each event names one by staff number or name in its summary."""
    entries = await _calendar(request, time_zone, now)
    return TakenIn(**await taken_in.overrides(session, position, entries, by=who.name, at=now))


@router.get("/api/v1/rosters/{position}/swaps", responses=problems())
async def list_swaps(
    position: Position, session: Session, part: Paging, state: SwapState | None = None
) -> Page[SwapRead]:
    """Swaps of a position, newest first."""
    rows, following = await paged(session, swaps.listing(position, state=state), Swap.id, part)
    return Page(items=[SwapRead.of(row) for row in rows], next=following)


@router.post(
    "/api/v1/rosters/{position}/swaps", status_code=201, responses=problems(NotFound, Refused, Forbidden)
)
async def propose_swap(
    position: Position, asked: ProposeSwap, session: Session, who: Who, now: Now
) -> SwapRead:
    """Offer a turn to somebody else; it changes hands once they have accepted."""
    back = (asked.back_begins, asked.back_ends) if asked.back_begins and asked.back_ends else None
    row = await swaps.propose(
        session, position, who=who, giver=asked.person_id, span=(asked.begins, asked.ends), taker=asked.with_id,
        back=back, at=now,
    )  # fmt: skip
    return SwapRead.of(row)


@router.post("/api/v1/swaps/{swap_id}/transitions", responses=problems(NotFound, Refused, Forbidden))
async def answer_swap(swap_id: Id, asked: AnswerSwap, session: Session, who: Who, now: Now) -> SwapRead:
    """Accept or decline a turn that was offered, or take the offer back."""
    answering = {"accept": swaps.accept, "decline": swaps.decline, "withdraw": swaps.withdraw}
    return SwapRead.of(await answering[asked.event](session, swap_id, who=who, at=now))


# ── absences and health ───────────────────────────────────────────────────────────────────────────────────


@router.get("/api/v1/people/{person_id}/absences", responses=problems(NotFound))
async def list_absences(
    person_id: Id,
    session: Session,
    who: Who,
    part: Paging,
    language: Language,
    state: AbsenceState | None = None,
) -> Page[AbsenceRead]:
    """Somebody's leave, remote work and illness; to others only what is approved, and not which of them keeps them away."""
    await organisation.person(session, person_id)
    rows, following = await paged(
        session, absences.listing(person_id, state=state, who=who), Absence.id, part
    )
    return Page(items=[AbsenceRead.of(row, who, language) for row in rows], next=following)


@router.post(
    "/api/v1/people/{person_id}/absences", status_code=201, responses=problems(NotFound, Refused, Forbidden)
)
async def ask_absence(
    person_id: Id, asked: AskAbsence, session: Session, who: Who, now: Now, language: Language
) -> AbsenceRead:
    """Ask for leave or remote work; written down by whoever manages, it is approved."""
    row = await absences.ask(
        session, person_id, asked.kind, begins=asked.begins, ends=asked.ends, who=who, at=now
    )
    return AbsenceRead.of(row, who, language)


@router.post(
    "/api/v1/absences/{absence_id}/transitions", responses=problems(NotFound, Refused, Forbidden, Stale)
)
async def answer_absence(
    absence_id: Id,
    asked: AnswerAbsence,
    session: Session,
    who: Who,
    now: Now,
    version: IfMatch,
    language: Language,
) -> AbsenceRead:
    """Approve or reject what was asked for, or take it back. Nobody approves their own."""
    answering = {"approve": absences.approve, "reject": absences.reject, "withdraw": absences.withdraw}
    row = await answering[asked.event](session, absence_id, who=who, at=now, expected=version)
    return AbsenceRead.of(row, who, language)


@router.post(
    "/api/v1/people/{person_id}/absences/import",
    responses=problems(NotFound, TooLarge, UnsupportedMedia, Forbidden),
    openapi_extra={"requestBody": _ICS_BODY},
)
async def import_absences(
    person_id: Id, request: Request, session: Session, who: Who, now: Now, time_zone: Zone = "UTC",
    kind: Availability = Availability.LEAVE,
) -> TakenIn:  # fmt: skip
    """Take in somebody's leave (or `kind=remote`) from a calendar; the same calendar again changes nothing."""
    if kind not in {Availability.LEAVE, Availability.REMOTE}:
        raise WrongShape(say("people.absence.kind"))
    planned = [
        absences.Planned(one.uid, one.begins, one.ends) for one in await _calendar(request, time_zone, now)
    ]
    added, changed = await absences.take_in(session, person_id, kind, planned, who=who, at=now)
    return TakenIn(added=added, changed=changed)


@router.post(
    "/api/v1/people/{person_id}/check-ins", status_code=201, responses=problems(NotFound, Refused, Forbidden)
)
async def check_in(person_id: Id, said: CheckInGiven, session: Session, who: Who, now: Now) -> CheckInRead:
    """The daily health check-in; availability follows at once, in pools and in chains that are calling."""
    row, person = await check_ins.check_in(session, person_id, said.health, who=who, at=now)
    return CheckInRead(
        id=row.id, person_id=row.person_id, health=row.health, at=row.at, availability=person.availability
    )


@router.get("/api/v1/check-ins", responses=problems())
async def summarise_check_ins(
    session: Session, now: Now, on: date | None = None, time_zone: Zone = "UTC"
) -> HealthSummary:
    """A day's check-ins: who is away, and who was not heard of."""
    zone = _zone(time_zone)
    day = on or now.astimezone(zone).date()
    if not 2000 <= day.year <= 2200:
        raise WrongShape(say("people.day"))
    since, until = (
        datetime.combine(one, time(), zone).astimezone(UTC) for one in (day, day + timedelta(days=1))
    )
    found = await check_ins.summary(session, since, until)
    names = await holders.names(session, [*found.away, *found.missing])
    away, missing = (
        [{"id": one, "name": names[one]} for one in some] for some in (found.away, found.missing)
    )
    return HealthSummary(since=since, until=until, well=found.well, away=away, missing=missing)


# ── calendars out ─────────────────────────────────────────────────────────────────────────────────────────


@router.get(
    "/api/v1/rosters/{position}/calendar", responses={**problems(NotFound), **_ICS_ANSWER}, response_class=Response
)  # fmt: skip
async def roster_calendar(position: Position, session: Session, now: Now, language: Language) -> Response:
    """The turns of a roster as a calendar."""
    return _ics(await feeds.calendar(session, position=position, person_id=None, language=language, at=now))


@router.get(
    "/api/v1/people/{person_id}/calendar", responses={**problems(NotFound), **_ICS_ANSWER}, response_class=Response
)  # fmt: skip
async def person_calendar(person_id: Id, session: Session, now: Now, language: Language) -> Response:
    """Somebody's turns at every roster as a calendar."""
    return _ics(await feeds.calendar(session, position=None, person_id=person_id, language=language, at=now))


@router.get("/api/v1/calendar-feeds", responses=problems())
async def list_feeds(session: Session) -> Page[FeedRead]:
    """Feeds there are; never their addresses."""
    return Page(items=[FeedRead.of(row) for row in await feeds.feeds(session)], next=None)


@router.post("/api/v1/calendar-feeds", status_code=201, responses=problems(NotFound, Forbidden))
async def make_feed(
    asked: MakeFeed, session: Session, who: Who, now: Now, language: Language, here: Here
) -> FeedMade:
    """An address to subscribe to, for programs that can show no key."""
    row, mark = await feeds.make(
        session, position=asked.position, person_id=asked.person_id, language=language, who=who, at=now
    )
    url = f"{here.settings.base_url.rstrip('/')}/calendars/{mark}.ics"
    return FeedMade(**FeedRead.of(row).model_dump(), url=url)


@router.post("/api/v1/calendar-feeds/{feed_id}/revoke", responses=problems(NotFound, Forbidden))
async def revoke_feed(feed_id: Id, session: Session, who: Who, now: Now) -> FeedRead:
    """From now on the address opens nothing."""
    return FeedRead.of(await feeds.revoke(session, feed_id, who=who, at=now))


@router.get(
    "/calendars/{feed_mark}.ics", responses={**problems(NotFound), **_ICS_ANSWER}, response_class=Response
)
async def open_feed(feed_mark: str, session: Session, now: Now) -> Response:
    """The calendar behind a secret address; the address is the right, to this one calendar and to nothing else."""
    return _ics(await feeds.opened(session, feed_mark[:100], at=now))


def _ics(body: bytes) -> Response:
    headers = {"Cache-Control": "private, max-age=300", "X-Content-Type-Options": "nosniff"}
    return Response(body, media_type=f"{_CALENDAR}; charset=utf-8", headers=headers)


async def _calendar(request: Request, time_zone: str, now: datetime) -> list[ical.Entry]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _CALENDAR:
        raise UnsupportedMedia(say("people.ical.media"))
    return ical.read(await request.body(), zone=_zone(time_zone), at=now)


def _zone(name: str) -> ZoneInfo:
    if not organisation.is_zone(name):
        error = {"path": "time_zone", "message": say("people.roster.zone", zone=organisation.echoed(name))}
        raise WrongShape(say("people.mistakes", count=1), errors=[error])
    return ZoneInfo(name)
