"""The check of the plan in force against the organisation of the database (EP-10.3), in the words of the plan."""

from collections.abc import AsyncIterator
from datetime import date, time, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.outbox import OutboxMessage
from app.people import holders, organisation, rosters
from app.people.rota import Rotation
from app.people.tables import Absence, AbsenceState, Availability
from app.plan import revisions
from app.plan.outlook import nightly, report, standing
from app.resources import reservation
from app.resources.document import Ask
from app.vault import Vault
from tests.rooms.centre import AT, PLAN, Centre, a_centre

VAULT = Vault(b"a key of the tests")


@pytest.fixture
async def centre(database_url: str) -> AsyncIterator[Centre]:
    async with a_centre(database_url) as made:
        yield made


async def add(session: AsyncSession, name: str, *positions: str, told: bool = True, **more: Any) -> str:
    contacts = [("webhook", f"https://pager.example/{name}")] if told else []
    said: Any = {"name": name, "positions": positions, "contacts": contacts, **more}
    return (await organisation.add_person(session, VAULT, said, check=lambda *_: None, at=AT)).id


async def test_a_night_lead_on_leave_and_a_head_without_a_phone_are_a_counter_example(centre: Centre) -> None:
    async with centre.db.transaction() as session:
        await add(session, "Wei", "duty_lead", availability=Availability.LEAVE)
        await add(session, "Fang", "customer_service_head", told=False)
        await add(session, "Gao", "general_manager")
    answer = (await centre.ask("GET", "/plan/check?days=7", "management")).json()
    assert answer["ok"] is False
    found = {one["path"]: one for one in answer["findings"]}
    head = found["levels.1.told_within.department_head"]
    assert head["code"] == "department_head_never_told"
    assert "Mon 23 Nov 2026 10:00, level 1" in head["message"]
    assert "Wei (Duty lead) is on leave" in head["message"]
    assert "Fang (Head of customer service) has no contact point" in head["message"]
    assert head["witness"]["spells"] == [{"begins": "2026-11-23T02:00:00Z", "ends": "2026-11-30T02:00:00Z"}]
    standings = {one["id"]: one["standing"] for one in answer["clauses"]}
    assert (standings["told"], standings["drills"]) == ("fails", "holds")
    assert "reacts" in answer["bound"]
    assert (await centre.ask("GET", "/plan/check", "execution")).status_code == 403


async def test_a_plan_that_is_not_stored_is_checked_with_who_and_what_there_is(centre: Centre) -> None:
    async with centre.db.transaction() as session:
        await add(session, "Wei", "duty_lead", availability=Availability.LEAVE)
        await add(session, "Gao", "general_manager")
    answer = (await centre.yaml("/plan/check?days=7", PLAN)).json()
    assert (answer["ok"], answer["with_organisation"], answer["plan_revision"]) == (False, True, None)
    assert answer["ends"] == "2026-11-30T02:00:00Z"
    assert any("Wei (Duty lead) is on leave" in one["message"] for one in answer["findings"])
    stored = (await centre.ask("GET", "/plan/check?days=7")).json()
    said = [{one["code"] for one in each["findings"]} for each in (answer, stored)]
    assert said[0] == said[1]
    sarif = await centre.yaml("/plan/check?days=7&format=sarif", PLAN)
    assert sarif.headers["content-type"] == "application/sarif+json"
    [run] = sarif.json()["runs"]
    assert len(run["results"]) == len(answer["findings"])
    async with centre.app.state.parts.checks.one():  # somebody else's is running
        for second in (await centre.yaml("/plan/check", PLAN), await centre.ask("GET", "/plan/check")):
            assert (second.status_code, second.headers["retry-after"]) == (429, "10")
            assert "Come again" in second.json()["detail"]


async def test_who_is_called_is_what_the_on_call_answer_says_at_every_handover(centre: Centre) -> None:
    async with centre.db.transaction() as session:
        people = [await add(session, name, "duty_lead") for name in ("Wei", "Jiang", "Ma")]
        await add(session, "Xu", "technical_head", staff_number="2")
        await add(session, "Tang", "technical_head", staff_number="1")
        await add(session, "Luo", "technical_head", availability=Availability.ILL)
        turns = Rotation("Europe/Berlin", date(2026, 11, 24), time(2, 30), timedelta(days=1), tuple(people))
        await rosters.write(session, "duty_lead", [turns], at=AT)
        await organisation.leave(session, people[1], at=AT)
        session.add(
            Absence(
                id="absence", person_id=people[0], kind=Availability.LEAVE, begins=AT + timedelta(days=3, minutes=7),
                ends=AT + timedelta(days=4), state=AbsenceState.APPROVED, asked_at=AT, asked_by="Ada",
            )
        )  # fmt: skip
    begins, ends = AT, AT + timedelta(days=10)
    async with centre.db.reading() as session:
        known = await standing.snapshot(session, begins=begins, ends=ends)
        for position in ("duty_lead", "technical_head"):
            stretches = known.posts[position].called
            assert (stretches[0].begins, stretches[-1].ends) == (begins, ends)
            for stretch in stretches:
                for moment in (stretch.begins, stretch.ends - timedelta(microseconds=1)):
                    told = await holders.answer(session, position, at=moment)
                    assert stretch.people == tuple(one.person_id for one in told.holders)
                    assert {name for name, _ in stretch.skipped} == {
                        one.person_id for one in told.passed_over
                    }


async def test_a_skill_counts_to_the_last_day_of_its_certificate(centre: Centre) -> None:
    papers = [{"skill": "returns", "number": None, "expires_on": "2026-11-25"}]
    async with centre.db.transaction() as session:
        one = await add(session, "An", "customer_service_agent", skills=["chat"], certificates=papers)
    async with centre.db.reading() as session:
        known = await standing.snapshot(session, begins=AT, ends=AT + timedelta(days=6))
        person = await organisation.person(session, one)
    lapses = known.people[one].skills
    assert lapses["chat"] is None
    assert (until := lapses["returns"]) is not None
    assert "returns" in holders.skills_of(person, until - timedelta(microseconds=1))
    assert "returns" not in holders.skills_of(person, until)


async def test_what_is_reserved_is_back_when_its_lease_ends(centre: Centre) -> None:
    until = AT + timedelta(days=2)
    async with centre.db.transaction() as session:
        ask = [Ask(pool="protective_supplies", item="thermometer", quantity=28)]
        await reservation.reserve(
            session, ref="one", key="one", ask=ask, until=until, by="Ada", exercise=False, at=AT
        )
    async with centre.db.reading() as session:
        _, plan = await revisions.in_force(session)
        known = await standing.snapshot(session, begins=AT, ends=AT + timedelta(days=6))
    found = report.over(plan, known, begins=AT, ends=AT + timedelta(days=4))
    (short,) = [one for one in found if one.path == "playbooks.epidemic.steps.2.with.ask"]
    assert short.witness is not None
    assert short.witness.spells == ((AT, until),)


# ── every night ───────────────────────────────────────────────────────────────────────────────────────────


async def worsened(centre: Centre) -> list[Any]:
    async with centre.db.reading() as session:
        query = select(OutboxMessage.payload).where(OutboxMessage.topic == nightly.WORSENED)
        return list(await session.scalars(query.order_by(OutboxMessage.id)))


async def test_what_is_newly_grave_is_told_once_a_night(centre: Centre) -> None:
    assert not await nightly.look(centre.db, at=AT, channels=frozenset({"webhook"}))  # nobody could be told
    async with centre.db.transaction() as session:
        chief = await add(session, "Gao", "general_manager", "deputy_general_manager")
        lead = await add(session, "Wei", "duty_lead", "customer_service_head", "technical_head")
    assert await nightly.look(centre.db, at=AT, channels=frozenset({"webhook"}))
    assert not await nightly.look(centre.db, at=AT + timedelta(hours=2), channels=frozenset({"webhook"}))
    (first,) = await worsened(centre)
    assert await nightly.look(centre.db, at=AT + timedelta(days=1), channels=frozenset({"webhook"}))
    assert await worsened(centre) == [first]
    async with centre.db.transaction() as session:
        await organisation.leave(session, lead, at=AT + timedelta(days=1))
    assert await nightly.look(centre.db, at=AT + timedelta(days=2), channels=frozenset({"webhook"}))
    _, new = await worsened(centre)
    assert new["number"] >= 1
    assert "department_head_never_told" in str(new["found"])
    async with centre.db.transaction() as session:
        gao = await organisation.person(session, chief)
        organisation.make_available(session, gao, Availability.ILL, at=AT + timedelta(days=2))
    assert await nightly.look(centre.db, at=AT + timedelta(days=3), channels=frozenset({"webhook"}))
    *_, last = await worsened(centre)
    assert "outlook.away.away" in str(last["found"])
    assert "outlook.away.ill" not in str(last["found"]), "the position that is told need not manage"
