"""The organisation on both databases: who holds what, who is passed over, and the file it comes from."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta

import pytest
from sqlalchemy import func, select

from app.db import Database
from app.errors import NotFound, Refused, Stale, WrongShape
from app.outbox import OutboxMessage
from app.people import csv_import, holders, organisation, rosters
from app.people.contact_points import shape_problem
from app.people.organisation import PersonView, Said
from app.people.rota import Rotation, Why
from app.people.tables import Availability, ContactPoint, Department, Person, Position
from app.plan.document import Department as DepartmentPart
from app.plan.document import Position as PositionPart
from app.vault import Vault
from app.vocabulary import Layer, Localised
from app.wording import say

AT = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
VAULT = Vault(b"a key of the tests")
HEAD = "name,staff_number,department,positions,skills,mail,contact_1\n"


def both(text: str) -> Localised:
    return Localised(zh=text, en=text)


DEPARTMENTS = {"support": DepartmentPart(title=both("Support"), layer=Layer.MANAGEMENT)}
POSITIONS = {
    "duty_lead": PositionPart(title=both("Duty lead"), layer=Layer.EXECUTION, department="support"),
    "head": PositionPart(
        title=both("Head"), layer=Layer.MANAGEMENT, department="support", duties=[both("Lead")]
    ),
}


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    db = Database(database_url)
    async with db.transaction() as session:
        await organisation.adopt(session, DEPARTMENTS, POSITIONS)
    yield db
    await db.dispose()


async def add(db: Database, name: str, *positions: str, **more: object) -> str:
    said = Said(name=name, positions=positions, contacts=[("mail", f"{name.lower()}@example.org")])
    said.update(more)  # type: ignore[typeddict-item]
    async with db.transaction() as session:
        return (await organisation.add_person(session, VAULT, said, check=shape_problem, at=AT)).id


async def change(db: Database, person_id: str, expected: int | None = None, **said: object) -> Person:
    async with db.transaction() as session:
        return await organisation.change_person(
            session, VAULT, person_id, said, check=shape_problem, at=AT, expected=expected,  # type: ignore[arg-type]
        )  # fmt: skip


async def load(db: Database, text: str, encoding: str = "utf-8") -> csv_import.Imported:
    async with db.transaction() as session:
        return await csv_import.import_people(
            session, VAULT, text.encode(encoding), check=shape_problem, at=AT
        )


async def called(db: Database, position: str = "duty_lead", at: datetime = AT) -> list[str]:
    async with db.reading() as session:
        return [holder.name for holder in await holders.holders(session, position, at=at)]


async def passed(db: Database, position: str = "duty_lead", at: datetime = AT) -> dict[str, str]:
    async with db.reading() as session:
        return {one.name: one.absent for one in await holders.passed_over(session, position, at=at)}


async def view(db: Database, name: str) -> PersonView:
    async with db.reading() as session:
        person = (await session.scalars(select(Person).where(Person.name == name))).one()
        [found] = await organisation.described(session, [person])
        return found


async def count(db: Database) -> int:
    async with db.reading() as session:
        return await session.scalar(select(func.count()).select_from(Person)) or 0


async def give_roster(db: Database, *people: str, starts: date = date(2026, 11, 20)) -> None:
    rotation = Rotation("Asia/Shanghai", starts, time(9), timedelta(days=1), people)
    async with db.transaction() as session:
        await rosters.write(session, "duty_lead", [rotation], at=AT)


# ── the organisation ──────────────────────────────────────────────────────────────────────────────────────


async def test_adopting_the_plan_again_describes_anew_and_keeps_what_it_no_longer_names(db: Database) -> None:
    await add(db, "Ada", "duty_lead")
    async with db.transaction() as session:
        renamed = {"head": POSITIONS["head"].model_copy(update={"title": both("Chief")})}
        await organisation.adopt(session, DEPARTMENTS, renamed)
    async with db.reading() as session:
        assert (await session.get_one(Position, "head")).title["en"] == "Chief"
        assert await session.get(Position, "duty_lead") is not None
    assert await called(db) == ["Ada"]


async def test_a_department_is_added_once(db: Database) -> None:
    async with db.transaction() as session:
        await organisation.add_department(
            session, "partner", title=both("Partner"), layer=Layer.COLLABORATION
        )
    with pytest.raises(Refused):
        async with db.transaction() as session:
            await organisation.add_department(session, "partner", title=both("P"), layer=Layer.EXECUTION)
    async with db.reading() as session:
        assert [row.id for row in await session.scalars(select(Department).order_by(Department.id))] == [
            "partner",
            "support",
        ]


async def test_an_address_is_sealed_at_rest_and_leaves_only_for_a_delivery(db: Database) -> None:
    await add(db, "Ada", "duty_lead")
    async with db.reading() as session:
        point = (await session.scalars(select(ContactPoint))).one()
        assert "ada" not in point.address_sealed
        assert point.address_masked == "a…@example.org"
        assert await holders.address(session, VAULT, point.id) == "ada@example.org"


async def test_all_mistakes_are_told_at_once_and_nothing_is_written(db: Database) -> None:
    with pytest.raises(WrongShape) as refused:
        await add(
            db,
            "Ada",
            "nobody",
            department="nowhere",
            language="tlh",
            contacts=[("mail", "x"), ("pigeon", "y")],
        )
    paths = [error["path"] for error in refused.value.members["errors"]]
    assert paths == ["department", "positions", "language", "contacts.0", "contacts.1"]
    assert await count(db) == 0


async def test_the_channels_own_judgement_of_an_address_counts(db: Database) -> None:
    said = Said(name="Ada", contacts=[("webhook", "https://169.254.1.1/")])
    with pytest.raises(WrongShape):
        async with db.transaction() as session:
            await organisation.add_person(
                session, VAULT, said, check=lambda *_: say("people.contact.address"), at=AT
            )


async def test_a_staff_number_belongs_to_one_person(db: Database) -> None:
    await add(db, "Ada", staff_number="7")
    ben = await add(db, "Ben", staff_number="8")
    with pytest.raises(Refused):
        await add(db, "Cy", staff_number="7")
    with pytest.raises(Refused):
        await change(db, ben, staff_number="7")


async def test_a_change_leaves_what_it_does_not_name(db: Database) -> None:
    ada = await add(db, "Ada", "duty_lead", skills=["dba"])
    changed = await change(db, ada, availability=Availability.LEAVE)
    found = await view(db, "Ada")
    assert (changed.version, found.person.availability, found.person.skills) == (2, "leave", ["dba"])
    assert (found.positions, len(found.contacts)) == (["duty_lead"], 1)


async def test_contact_points_change_order_and_keep_their_ids(db: Database) -> None:
    ada = await add(
        db, "Ada", contacts=[("mail", "a@example.org"), ("log", "desk"), ("mail", "b@example.org")]
    )
    before = {point.address_masked: point.id for point in (await view(db, "Ada")).contacts}
    await change(
        db, ada, contacts=[("mail", "b@example.org"), ("mail", "c@example.org"), ("mail", "a@example.org")]
    )
    after = (await view(db, "Ada")).contacts
    assert [(point.rank, point.address_masked) for point in after] == [
        (1, "b…@example.org"), (2, "c…@example.org"), (3, "a…@example.org"),
    ]  # fmt: skip
    assert (after[0].id, after[2].id) == (before["b…@example.org"], before["a…@example.org"])


async def test_who_saw_an_older_version_changes_nothing(db: Database) -> None:
    ada = await add(db, "Ada")
    await change(db, ada, expected=1, name="Ada L.")
    with pytest.raises(Stale) as stale:
        await change(db, ada, expected=1, name="Ida")
    assert stale.value.members["current_version"] == 2


async def test_somebody_unknown_cannot_be_changed(db: Database) -> None:
    with pytest.raises(NotFound):
        await change(db, "nobody", name="Ada")


async def test_every_change_of_people_is_told(db: Database) -> None:
    ada = await add(db, "Ada", "duty_lead")
    await change(db, ada, availability=Availability.ILL)
    await give_roster(db, ada)
    async with db.transaction() as session:
        await organisation.leave(session, ada, at=AT)
        await organisation.leave(session, ada, at=AT)
    await load(db, HEAD + "Ben,2,support,head,,,\n")
    async with db.reading() as session:
        told = [*await session.execute(select(OutboxMessage.topic, OutboxMessage.ref))]
    assert [(topic, ref) for topic, ref in told] == [("people.changed", "organisation")] * 5


# ── who is called ─────────────────────────────────────────────────────────────────────────────────────────


async def test_without_a_roster_all_who_are_available_are_called_in_staff_order(db: Database) -> None:
    await add(db, "Cy", "duty_lead")
    await add(db, "Ben", "duty_lead", staff_number="2", availability=Availability.REMOTE)
    await add(db, "Ada", "duty_lead", staff_number="1")
    await add(db, "Dee", "duty_lead", availability=Availability.LEAVE)
    await add(db, "Eve", "duty_lead", availability=Availability.ILL)
    await add(db, "Flo", "head")
    assert await called(db) == ["Ada", "Ben", "Cy"]
    assert await passed(db) == {"Dee": "leave", "Eve": "ill"}


async def test_the_roster_decides_where_there_is_one(db: Database) -> None:
    ada, ben = await add(db, "Ada", "duty_lead"), await add(db, "Ben", "duty_lead")
    await give_roster(db, ada, ben)
    assert await called(db, at=AT) == ["Ben"]
    assert await called(db, at=AT + timedelta(days=1)) == ["Ada"]
    async with db.reading() as session:
        answer = await holders.answer(session, "duty_lead", at=AT)
    assert answer.holders[0].why is Why.TURN
    assert answer.until == datetime(2026, 11, 24, 1, 0, tzinfo=UTC)


async def test_whoever_is_next_in_turn_stands_in(db: Database) -> None:
    ada = await add(db, "Ada", "duty_lead")
    ben = await add(db, "Ben", "duty_lead")
    cy = await add(db, "Cy", "duty_lead")
    await give_roster(db, ada, ben, cy)
    await change(db, ada, availability=Availability.ILL)
    await change(db, ben, positions=["head"])
    assert await called(db) == ["Cy"]
    assert await passed(db) == {"Ada": "ill", "Ben": "not_assigned"}


async def test_when_nobody_of_the_roster_is_to_be_had_the_others_are_called(db: Database) -> None:
    ada = await add(db, "Ada", "duty_lead")
    await add(db, "Ben", "duty_lead")
    await give_roster(db, ada)
    await change(db, ada, availability=Availability.LEAVE)
    assert await called(db) == ["Ben"]
    assert await passed(db) == {"Ada": "leave"}


async def test_before_its_first_day_a_roster_decides_nothing(db: Database) -> None:
    ada = await add(db, "Ada", "duty_lead", staff_number="1")
    await add(db, "Ben", "duty_lead", staff_number="2")
    await give_roster(db, ada, starts=date(2026, 12, 24))
    assert await called(db) == ["Ada", "Ben"]


async def test_who_left_is_never_called_again(db: Database) -> None:
    ada = await add(db, "Ada", "duty_lead")
    async with db.transaction() as session:
        await organisation.leave(session, ada, at=AT)
    assert await called(db) == []
    assert await passed(db) == {"Ada": "left"}
    async with db.reading() as session:
        assert not await holders.holds(session, ada, "duty_lead", AT)
        assert not await holders.anyone(session)


async def test_a_position_is_held_off_duty_too(db: Database) -> None:
    ada = await add(db, "Ada", "head", availability=Availability.LEAVE)
    async with db.reading() as session:
        assert await holders.holds(session, ada, "head", AT)
        assert not await holders.holds(session, ada, "duty_lead", AT)
        assert await holders.layer_of_position(session, "head") is Layer.MANAGEMENT
        assert await holders.anyone(session)


async def test_people_without_any_contact_point_are_nobody_to_be_told(db: Database) -> None:
    await add(db, "Ada", "head", contacts=[])
    async with db.reading() as session:
        assert not await holders.anyone(session)


async def test_a_roster_takes_only_who_holds_the_position_and_a_zone_there_is(db: Database) -> None:
    cy = await add(db, "Cy", "head")
    rotation = Rotation("Mars/Base", date(2026, 1, 1), time(9), timedelta(days=1), (cy,))
    with pytest.raises(WrongShape) as refused:
        async with db.transaction() as session:
            await rosters.write(session, "duty_lead", [rotation], at=AT)
    assert [error["path"] for error in refused.value.members["errors"]] == [
        "rotations.0.participants.0",
        "time_zone",
    ]


async def test_a_second_roster_replaces_the_first(db: Database) -> None:
    ada, ben = await add(db, "Ada", "duty_lead"), await add(db, "Ben", "duty_lead")
    await give_roster(db, ada)
    await give_roster(db, ben)
    async with db.reading() as session:
        [roster] = await rosters.rosters(session)
    assert (roster.version, rosters.rotations_of(roster)[0].participants) == (2, (ben,))


# ── the file ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
async def test_a_spreadsheets_file_becomes_the_organisation(db: Database, encoding: str) -> None:
    done = await load(
        db, HEAD + "王芳,7,support,duty_lead;head,dba;网络,wang@example.org,log:desk\n", encoding
    )
    assert (done.created, done.updated) == (1, 0)
    found = await view(db, "王芳")
    assert (found.positions, found.person.skills) == (["duty_lead", "head"], ["dba", "网络"])
    assert [point.channel for point in found.contacts] == ["mail", "log"]


async def test_one_mistake_and_nobody_is_imported(db: Database) -> None:
    with pytest.raises(WrongShape) as refused:
        await load(
            db, HEAD + "Ada,1,support,duty_lead,,,\nBen,2,nowhere,king,,nonsense.example,\nCy,1,,,,,\n"
        )
    errors = refused.value.members["errors"]
    assert [(error["line"], error["path"]) for error in errors] == [
        (3, "department"), (3, "positions"), (3, "contacts"), (4, "staff_number"),
    ]  # fmt: skip
    assert "nonsense.example" not in str([str(error["message"]) for error in errors])
    assert await count(db) == 0


async def test_the_same_file_again_adds_nobody(db: Database) -> None:
    text = HEAD + "Ada,1,support,duty_lead,,ada@example.org,\nBen,,support,head,,,\n"
    await load(db, text)
    ids = [point.id for point in (await view(db, "Ada")).contacts]
    done = await load(db, text)
    assert (done.created, done.updated, await count(db)) == (0, 2, 2)
    assert [point.id for point in (await view(db, "Ada")).contacts] == ids


async def test_a_later_file_updates_by_staff_number_and_brings_back_who_had_left(db: Database) -> None:
    await load(db, HEAD + "Ada,1,support,duty_lead,dba,ada@example.org,\n")
    ada = (await view(db, "Ada")).person.id
    async with db.transaction() as session:
        await organisation.leave(session, ada, at=AT)
    await load(db, "name,staff_number,department,positions\nAda L.,1,support,head\n")
    found = await view(db, "Ada L.")
    assert (found.person.id, found.person.left_at, found.positions) == (ada, None, ["head"])
    assert (found.person.skills, len(found.contacts)) == (["dba"], 1)
