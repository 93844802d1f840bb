"""The console over HTTP: each page read, each form handed to the room function that its twin in the API calls."""

import pathlib
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.staticfiles import StaticFiles

from app.access import keys, sessions
from app.access.edge import Edge, Here, Now, Session, Who, is_same_site
from app.access.keys import Principal
from app.access.tables import Role
from app.console import board, incident_view
from app.console.forms import Form, changed_facts, fact_text, posted, shaped
from app.console.pages import HEADERS, LANGUAGE_COOKIE, draw, go, in_local_time, language_of, safe_next
from app.errors import Forbidden
from app.incidents import (
    acknowledging,
    authority,
    decisions,
    facts,
    obligations,
    raising,
    record,
    tasks,
    timeline,
    transitions,
    updates,
)
from app.incidents.schemas import (
    Acknowledge,
    ApplyEvent,
    Choose,
    Facts,
    MoveTask,
    PostUpdate,
    RaiseIncident,
    WaiveDebt,
)
from app.incidents.tables import Status, TimelineEntry
from app.incidents.transitions import Assessment, Command
from app.levels.indicator import COLOURS
from app.people import contact_points, csv_import, discretion, organisation
from app.people.discretion import Shown
from app.people.organisation import Said
from app.people.schemas import ChangePerson
from app.people.tables import Availability, Person
from app.reviews import communication, draft, figures, markdown, publishing
from app.reviews.schemas import EditReview
from app.reviews.tables import Review, ReviewState
from app.wording import LANGUAGES, Wording, say, spoken_span

router = APIRouter(route_class=Edge, include_in_schema=False)
_HOME: Final = pathlib.Path(__file__).parent
SAMPLE: Final = _HOME / "sample_people.csv"
"""A small organisation of made-up people, reached by the operator's log only."""
_READING: Final = ["GET", "HEAD"]
_MOST_PEOPLE: Final = 500
Id = Annotated[str, Path(max_length=64)]


class _Static(StaticFiles):
    """Style sheet, script and icon; looked at again at each visit, so that an upgrade is seen at once."""

    def file_response(self, *args: Any, **more: Any) -> Response:
        response = super().file_response(*args, **more)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def static_files() -> StaticFiles:
    return _Static(directory=_HOME / "static")


# ── signing in ────────────────────────────────────────────────────────────────────────────────────────────


@router.api_route("/", methods=_READING)
async def front_door(request: Request) -> Response:
    return go("/board" if request.state.who is not None else "/sign-in")


@router.api_route("/sign-in", methods=_READING)
async def ask_who(request: Request, here: Here) -> Response:
    """Asks for a key; changes nothing but the language, which the browser keeps."""
    if request.state.who is not None:
        return go("/board")
    response = _sign_in_page(request, request.query_params.get("next"))
    if (chosen := request.query_params.get("lang")) in LANGUAGES:
        _keep_language(response, chosen, here.settings.base_url)
    return response


@router.post("/sign-in")
async def sign_in(request: Request, session: Session, here: Here, now: Now) -> Response:
    """A key for a session. Which of the many things is wrong with a key, nobody is told."""
    if not is_same_site(request):
        raise Forbidden(say("access.other_site"))
    form = await posted(request)
    destination = form.one("next")
    who = await keys.recognise(session, form.one("key") or "", at=now)
    if who is None or who.role is Role.INGEST:
        return _sign_in_page(request, destination, wrong="ingest" if who else "unknown", status=401)
    name, secure = _cookie(here.settings.base_url)
    if before := request.cookies.get(name):
        await sessions.end_session(session, before, at=now)
    token = await sessions.open_session(session, who, at=now)
    opened = await sessions.known_session(session, token, at=now)
    if opened is not None:
        opened[0].language = language_of(request)
    await keys.note_use(session, who, at=now)
    response = go(safe_next(destination))
    response.set_cookie(
        name, token, max_age=int(sessions.LIFETIME.total_seconds()), path="/", secure=secure, httponly=True,
        samesite="lax",
    )  # fmt: skip
    return response


@router.post("/sign-out")
async def sign_out(request: Request, session: Session, here: Here, now: Now) -> Response:
    await posted(request)
    name, secure = _cookie(here.settings.base_url)
    if token := request.cookies.get(name):
        await sessions.end_session(session, token, at=now)
    response = go("/sign-in")
    response.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="lax")
    return response


@router.post("/language")
async def choose_language(request: Request, here: Here) -> Response:
    """The reader's language from now on, here and in this browser's next session."""
    form = await posted(request)
    response = go(safe_next(form.one("next")))
    if (chosen := form.one("language")) in LANGUAGES:
        _keep_language(response, chosen, here.settings.base_url)
        if request.state.browser is not None:
            request.state.browser.language = chosen
    return response


def _sign_in_page(
    request: Request, destination: str | None, *, wrong: str | None = None, status: int = 200
) -> Response:
    return draw(request, "sign_in.html", status=status, wrong=wrong, next=safe_next(destination))


def _cookie(base_url: str) -> tuple[str, bool]:
    return sessions.cookie_name(base_url), sessions.is_secure(base_url)


def _keep_language(response: Response, language: str, base_url: str) -> None:
    response.set_cookie(
        LANGUAGE_COOKIE, language, max_age=365 * 86400, path="/", secure=sessions.is_secure(base_url), httponly=True,
        samesite="lax",
    )  # fmt: skip


# ── the board ─────────────────────────────────────────────────────────────────────────────────────────────


@router.api_route("/board", methods=_READING)
async def show_board(request: Request, session: Session, who: Who) -> Response:
    return await _board_page(request, session, who)


@router.post("/incidents")
async def raise_incident(request: Request, session: Session, who: Who, now: Now) -> Response:
    """Raise an incident by hand."""

    async def again(session: AsyncSession) -> Response:
        return await _board_page(request, session, who)

    form = await posted(request, again, here="/board")
    said = {name: form.one(name) for name in ("title", "type", "description")}
    asked = shaped(RaiseIncident, {**said, "title": said["title"] or "", "level": form.whole("level")})
    status = Status.EXERCISE if form.one("exercise") else Status.ACTUAL
    alarm = raising.Alarm(
        title=asked.title, type=asked.type, description=asked.description, reporter=who.name, level=asked.level,
        status=status,
    )  # fmt: skip
    incident, _ = await raising.raise_incident(session, alarm, actor=who.name, at=now)
    return go(f"/incidents/{incident.id}")


async def _board_page(request: Request, session: AsyncSession, who: Principal) -> Response:
    await in_local_time(request, session)
    return draw(
        request,
        "board.html",
        board=await board.of(session, who, request.state.now),
        review_is_owed=board.review_is_owed,
        colours=COLOURS,
    )


# ── an incident ───────────────────────────────────────────────────────────────────────────────────────────


@router.api_route("/incidents/{incident_id}", methods=_READING)
async def show_incident(incident_id: Id, request: Request, session: Session, who: Who) -> Response:
    return await incident_page(request, session, who, incident_id)


@router.post("/incidents/{incident_id}/transitions")
async def move_incident(incident_id: Id, request: Request, session: Session, who: Who, now: Now) -> Response:
    form = await _posted_to(request, who, incident_id)
    judged = {name: form.whole(name) for name in ("likelihood", "impact")}
    said = {"event": form.one("event") or "", "reason": form.one("reason"), "level": form.whole("level")}
    more = {"merge_into": form.one("merge_into"), "waive": form.many("waive")}
    assessment = judged if any(judged.values()) else None
    asked = shaped(ApplyEvent, {**said, **more, "assessment": assessment})
    given = asked.assessment
    command = Command(
        event=asked.event, reason=asked.reason, level=asked.level, merge_into=asked.merge_into, waive=asked.waive,
        assessment=Assessment(given.method, given.likelihood, given.impact) if given else None,
    )  # fmt: skip
    incident = await record.locked(session, incident_id, version=form.whole("version"))
    await transitions.carry_out(
        session, incident, command, actor=who.name, layer=authority.layer_of(who), at=now
    )
    return go(f"/incidents/{incident.id}")


@router.post("/incidents/{incident_id}/acknowledgements")
async def acknowledge(incident_id: Id, request: Request, session: Session, who: Who, now: Now) -> Response:
    """The reader has it, and the chain is called no further; or cannot, or wants others called as well."""
    form = await _posted_to(request, who, incident_id)
    asked = shaped(
        Acknowledge,
        {"note": form.one("note"), "answer": form.one("answer"), "add": form.lines("add") or None},
    )
    incident = await record.locked(session, incident_id)
    await acknowledging.answer(
        session, incident, asked.answer, by=who.name, person_id=who.person_id, at=now, via="console", note=asked.note,
        add=asked.add,
    )  # fmt: skip
    return go(f"/incidents/{incident.id}")


@router.post("/incidents/{incident_id}/facts")
async def change_facts(incident_id: Id, request: Request, session: Session, who: Who, now: Now) -> Response:
    form = await _posted_to(request, who, incident_id)
    changed = changed_facts(form.many("fact_name"), form.many("fact_was"), form.many("fact_value"))
    asked = shaped(_FactsGiven, {"facts": changed}).facts
    incident = await record.locked(session, incident_id)
    await facts.merge(session, incident, asked, actor=who.name, at=now)
    return go(f"/incidents/{incident.id}#facts")


@router.post("/incidents/{incident_id}/obligations/{obligation_id}")
async def waive_debt(
    incident_id: Id, obligation_id: Id, request: Request, session: Session, who: Who, now: Now
) -> Response:
    """Excuse what is owed, with a reason."""
    form = await _posted_to(request, who, incident_id)
    asked = shaped(WaiveDebt, {"reason": form.one("reason")})
    incident = await record.locked(session, incident_id)
    owed = await obligations.found(session, incident, obligation_id)
    await obligations.waive(session, incident, owed, by=who.name, reason=asked.reason, at=now)
    return go(f"/incidents/{incident.id}#updates")


@router.post("/incidents/{incident_id}/updates")
async def post_update(incident_id: Id, request: Request, session: Session, who: Who, now: Now) -> Response:
    form = await _posted_to(request, who, incident_id)
    asked = shaped(PostUpdate, {"text": form.one("text") or "", "audience": form.one("audience")})
    incident = await record.locked(session, incident_id)
    text = {"zh": asked.text, "en": asked.text}
    await updates.post(session, incident, text=text, audience=asked.audience, author=who.name, at=now)
    return go(f"/incidents/{incident.id}#updates")


@router.post("/incidents/{incident_id}/tasks/{task_id}")
async def move_task(
    incident_id: Id, task_id: Id, request: Request, session: Session, who: Who, now: Now
) -> Response:
    form = await _posted_to(request, who, incident_id)
    asked = shaped(MoveTask, {"event": form.one("event") or "", "note": form.one("note")})
    task = await tasks.found(session, task_id)
    incident = await record.locked(session, task.incident_id)
    await session.refresh(task)
    await authority.must_hold(session, who, task.position)
    version = form.whole("version")
    tasks.move(session, incident, task, asked.event, actor=who.name, at=now, note=asked.note, version=version)
    return go(f"/incidents/{incident.id}#tasks")


@router.post("/incidents/{incident_id}/decisions/{decision_id}")
async def decide(
    incident_id: Id, decision_id: Id, request: Request, session: Session, who: Who, now: Now
) -> Response:
    form = await _posted_to(request, who, incident_id)
    asked = shaped(Choose, {"choice": form.one("choice") or "", "note": form.one("note")})
    decision = await decisions.found(session, decision_id)
    incident = await record.locked(session, decision.incident_id)
    await session.refresh(decision)
    entitled = await authority.may_act_for(session, who, decision.positions)
    decisions.choose(
        session, incident, decision, asked.choice, actor=who.name, entitled=entitled, at=now, note=asked.note
    )
    return go(f"/incidents/{incident.id}#questions")


class _FactsGiven(BaseModel):
    facts: Facts


async def _posted_to(request: Request, who: Principal, incident_id: str) -> Form:
    """A form of the incident's page, which comes back should the form be refused."""

    async def again(session: AsyncSession) -> Response:
        return await incident_page(request, session, who, incident_id)

    return await posted(request, again, here=f"/incidents/{incident_id}")


async def incident_page(
    request: Request, session: AsyncSession, who: Principal, incident_id: str
) -> Response:
    await in_local_time(request, session)
    whole = request.query_params.get("timeline") == "all"
    view = await incident_view.of(session, who, incident_id, at=request.state.now, whole=whole)

    def summary(entry: TimelineEntry) -> str:
        return timeline.summary(entry, language_of(request), request.state.zone)

    return draw(
        request, "incident.html", view=view, incident=view.incident, fact_text=fact_text, summary=summary
    )


# ── its review ────────────────────────────────────────────────────────────────────────────────────────────


@router.api_route("/incidents/{incident_id}/review", methods=_READING)
async def show_review(incident_id: Id, request: Request, session: Session, who: Who) -> Response:
    return await _review_page(request, session, who, incident_id)


@router.api_route("/incidents/{incident_id}/review.md", methods=_READING)
async def download_review(incident_id: Id, request: Request, session: Session, who: Who) -> Response:
    """The review as a document to keep."""
    incident = await authority.seen(session, who, incident_id)
    review = await publishing.found(session, incident)
    items = await draft.improvements_of(session, incident.id)
    named = {"Content-Disposition": f'attachment; filename="{incident.number}-review.md"'}
    await in_local_time(request, session)
    document = markdown.export(incident, review, items, language_of(request), request.state.zone)
    return Response(document, media_type="text/markdown; charset=utf-8", headers={**HEADERS, **named})


@router.post("/incidents/{incident_id}/review")
async def edit_review(incident_id: Id, request: Request, session: Session, who: Who, now: Now) -> Response:
    form = await _posted_to_review(request, who, incident_id)
    review = await publishing.found(session, await authority.seen(session, who, incident_id))
    change = shaped(EditReview, _edited(form, review)).change()
    await publishing.edit(session, review, change, by=who.name, at=now, version=form.whole("version"))
    return go(f"/incidents/{incident_id}/review?done=review_saved")


@router.post("/incidents/{incident_id}/review/publish")
async def publish_review(incident_id: Id, request: Request, session: Session, who: Who, now: Now) -> Response:
    form = await _posted_to_review(request, who, incident_id)
    review = await publishing.found(session, await authority.seen(session, who, incident_id))
    layer, version = authority.layer_of(who), form.whole("version")
    await publishing.publish(session, review, by=who.name, at=now, layer=layer, version=version)
    return go(f"/incidents/{incident_id}/review?done=review_published")


def _edited(form: Form, review: Review) -> dict[str, Any]:
    """The whole form as the API takes it; a cause whose words stay keeps its category."""
    categories = {cause["text"]: cause.get("category") for cause in review.causes}
    causes = [{"text": line, "category": categories.get(line)} for line in form.lines("causes")]
    items: list[dict[str, Any]] = []
    fields = ("item_id", "item_title", "item_owner", "item_due")
    for known, title, owner, due in zip(*(form.many(name) for name in fields), strict=False):
        if known and known in form.many("item_remove"):
            items.append({"id": known, "remove": True})
        elif known or title.strip() or owner.strip():
            items.append({"id": known or None, "title": title, "owner": owner, "due_on": due or None})
    return {
        "summary": form.one("summary") or "", "causes": causes, "went_well": form.lines("went_well"),
        "went_wrong": form.lines("went_wrong"), "improvements": items,
    }  # fmt: skip


async def _posted_to_review(request: Request, who: Principal, incident_id: str) -> Form:
    async def again(session: AsyncSession) -> Response:
        return await _review_page(request, session, who, incident_id)

    return await posted(request, again, here=f"/incidents/{incident_id}/review")


async def _review_page(request: Request, session: AsyncSession, who: Principal, incident_id: str) -> Response:
    await in_local_time(request, session)
    incident = await authority.seen(session, who, incident_id)
    review = await publishing.found(session, incident)
    items = await draft.improvements_of(session, incident.id)
    return draw(
        request, "review.html", incident=incident, review=review, items=items, by_id={item.id: item for item in items},
        is_draft=review.state == ReviewState.DRAFT, write_time=_span,
        told=list(communication.in_words(review.figures["communication"])) if "communication" in review.figures else [],
    )  # fmt: skip


def _span(iso: str | None) -> Wording | None:
    return spoken_span(figures.from_iso(iso)) if iso else None


# ── people ────────────────────────────────────────────────────────────────────────────────────────────────


@router.api_route("/people", methods=_READING)
async def show_people(request: Request, session: Session) -> Response:
    return await _people_page(request, session)


@router.post("/people/import")
async def import_people(request: Request, session: Session, here: Here, now: Now) -> Response:
    """People from a file: all of them, or none and every mistake by its line."""
    form = await _posted_to_people(request)
    check = contact_points.shape_problem
    await csv_import.import_people(session, here.vault, form.file, check=check, at=now)
    return go("/people?done=imported")


@router.post("/people/sample")
async def load_sample(request: Request, session: Session, here: Here, now: Now) -> Response:
    """The sample organisation, to try things out with."""
    await _posted_to_people(request)
    check = contact_points.shape_problem
    await csv_import.import_people(session, here.vault, SAMPLE.read_bytes(), check=check, at=now)
    return go("/board?done=sample")


@router.post("/people/{person_id}/availability")
async def set_availability(
    person_id: Id, request: Request, session: Session, here: Here, now: Now
) -> Response:
    form = await _posted_to_people(request)
    asked = shaped(ChangePerson, {"availability": form.one("availability") or ""})
    said = Said(availability=asked.availability)
    check, version = contact_points.shape_problem, form.whole("version")
    await organisation.change_person(
        session, here.vault, person_id, said, check=check, at=now, expected=version
    )
    return go(f"/people?done=availability#{person_id}")


async def _posted_to_people(request: Request) -> Form:
    async def again(session: AsyncSession) -> Response:
        return await _people_page(request, session)

    return await posted(request, again, here="/people")


async def _people_page(request: Request, session: AsyncSession) -> Response:
    await in_local_time(request, session)
    query = organisation.listing().order_by(Person.staff_number, Person.name).limit(_MOST_PEOPLE + 1)
    found = list(await session.scalars(query))
    titles = {one.id: one.title for one in await organisation.positions(session)}
    departments = {one.id: one.title for one in await organisation.departments(session)}

    def shown(person: Person) -> Shown:
        return discretion.shown(person.availability, person.id, request.state.who)

    return draw(
        request, "people.html", people=await organisation.described(session, found[:_MOST_PEOPLE]), positions=titles,
        departments=departments, availabilities=list(Availability), shown=shown, more=len(found) > _MOST_PEOPLE,
    )  # fmt: skip
