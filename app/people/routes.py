"""The organisation over HTTP: people, their import, departments, positions."""

from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, Path, Request, Response

from app.access.edge import Edge, Here, IfMatch, Now, Session, Who, problems
from app.access.keys import Principal
from app.access.paging import Page, Paging, paged
from app.access.rights import MANAGES
from app.errors import Forbidden, NotFound, Refused, Stale, TooLarge, UnsupportedMedia
from app.people import csv_import, organisation
from app.people.contact_points import shape_problem
from app.people.discretion import must_be_theirs
from app.people.organisation import Said
from app.people.schemas import (
    AddDepartment,
    AddPerson,
    ChangePerson,
    DepartmentRead,
    ImportedRead,
    PersonRead,
    PositionRead,
)
from app.people.tables import Person
from app.vocabulary import Slug
from app.wording import say

router = APIRouter(prefix="/api/v1", route_class=Edge, tags=["people"])
_check = shape_problem
OWN: Final = frozenset({"quiet_hours", "contact_rules"})  # what of themselves anybody may change
Id = Annotated[str, Path(pattern=r"^[0-9A-Za-z_-]{1,64}$")]

_CSV_BODY = {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}


@router.get("/people", response_model=Page[PersonRead], responses=problems())
async def list_people(
    session: Session,
    who: Who,
    part: Paging,
    department: Slug | None = None,
    position: Slug | None = None,
    left: bool = False,
) -> Page[PersonRead]:
    """The people of the organisation; those who left with `left=true`."""
    query = organisation.listing(department=department, position=position, left=left)
    people, following = await paged(session, query, Person.id, part)
    views = await organisation.described(session, people)
    return Page(items=[PersonRead.of(view, who) for view in views], next=following)


@router.post("/people", status_code=201, response_model=PersonRead, responses=problems(Refused))
async def add_person(new: AddPerson, session: Session, here: Here, who: Who, now: Now) -> PersonRead:
    """Add somebody to the organisation."""
    person = await organisation.add_person(session, here.vault, _said(new.model_dump()), check=_check, at=now)
    return await _read(session, person, who)


@router.post(
    "/people/import",
    response_model=ImportedRead,
    responses=problems(TooLarge, UnsupportedMedia),
    openapi_extra={"requestBody": _CSV_BODY},
)
async def import_people(request: Request, session: Session, here: Here, now: Now) -> ImportedRead:
    """Take in people from a CSV file: all, or none and every mistake by its line."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "text/csv":
        raise UnsupportedMedia(say("people.csv.media"))
    done = await csv_import.import_people(session, here.vault, await request.body(), check=_check, at=now)
    return ImportedRead(created=done.created, updated=done.updated)


@router.get("/people/{person_id}", response_model=PersonRead, responses=problems(NotFound))
async def read_person(person_id: Id, session: Session, who: Who, response: Response) -> PersonRead:
    """One person."""
    return await _read(session, await organisation.person(session, person_id), who, response)


@router.patch("/people/{person_id}", response_model=PersonRead, responses=problems(NotFound, Stale))
async def change_person(
    person_id: Id,
    change: ChangePerson,
    session: Session,
    here: Here,
    who: Who,
    now: Now,
    version: IfMatch,
    response: Response,
) -> PersonRead:
    """Change what is given: availability, positions, contact points and the rest.

    How they are reached (`quiet_hours`, `contact_rules`) anybody may change for themselves; the rest is for whoever manages.
    """
    if who.role not in MANAGES:
        if change.model_fields_set - OWN:
            raise Forbidden(say("people.not_managing", own=sorted(OWN)))
        must_be_theirs(who, person_id)
    said = _said(change.model_dump(exclude_unset=True))
    person = await organisation.change_person(
        session, here.vault, person_id, said, check=_check, at=now, expected=version
    )
    return await _read(session, person, who, response)


@router.post("/people/{person_id}/leave", response_model=PersonRead, responses=problems(NotFound, Stale))
async def leave(
    person_id: Id, session: Session, who: Who, now: Now, version: IfMatch, response: Response
) -> PersonRead:
    """They are no longer with the centre: kept for the record, never called again."""
    return await _read(
        session, await organisation.leave(session, person_id, at=now, expected=version), who, response
    )


@router.get("/departments", response_model=Page[DepartmentRead], responses=problems())
async def list_departments(session: Session) -> Page[DepartmentRead]:
    """All departments, by id."""
    return Page(items=[DepartmentRead.of(row) for row in await organisation.departments(session)], next=None)


@router.post("/departments", status_code=201, response_model=DepartmentRead, responses=problems(Refused))
async def add_department(new: AddDepartment, session: Session) -> DepartmentRead:
    """Add a department the plan does not name, such as a partner's."""
    return DepartmentRead.of(
        await organisation.add_department(session, new.id, title=new.title, layer=new.layer)
    )


@router.get("/positions", response_model=Page[PositionRead], responses=problems())
async def list_positions(session: Session) -> Page[PositionRead]:
    """All positions of the plan, by id."""
    return Page(items=[PositionRead.of(row) for row in await organisation.positions(session)], next=None)


async def _read(
    session: Session, person: Person, who: Principal, response: Response | None = None
) -> PersonRead:
    [view] = await organisation.described(session, [person])
    if response is not None:
        response.headers["ETag"] = f'"{person.version}"'
    return PersonRead.of(view, who)


def _said(given: dict[str, Any]) -> Said:
    for certificate in given.get("certificates", ()):
        certificate["expires_on"] = certificate["expires_on"].isoformat()
    if "contacts" in given:
        given["contacts"] = [(point["channel"], point.get("address", "")) for point in given["contacts"]]
    return cast(Said, given)
