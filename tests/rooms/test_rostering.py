"""Rosters at work (EP-2, OR-1, EO-1, EO-2): who is on call at any moment, and what follows when that changes."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from icalendar import Calendar
from sqlalchemy import select

from app.access import keys
from app.access.tables import Role
from app.notify.tables import Delivery, DeliveryState
from app.people import holders, rota
from app.readiness import daily_health, handovers
from app.telemetry import redact
from app.wording import LANGUAGES
from tests.world import NIGHT, World, a_world

HOUR = timedelta(hours=1)
NINE = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)  # nine in the morning in Shanghai, six hours after `NIGHT`
MORE = """name,staff_number,department,positions,mail
Mia,032,customer_service,duty_lead,mia@centre.example
Zoe,033,customer_service,duty_lead,zoe@centre.example
"""


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(database_url, tmp_path) as made:
        await made.import_people(MORE)
        yield made


async def ids(world: World) -> dict[str, str]:
    return {one["name"]: one["id"] for one in (await world.get("/people?limit=200"))["items"]}


async def roster(world: World, *names: str, **more: Any) -> dict[str, str]:
    """Lin, Mia and Zoe in turn from nine to nine; Lin has the night it is."""
    known = await ids(world)
    await world.post("/rosters", {
        "position": "duty_lead", "time_zone": "Asia/Shanghai", "starts_on": "2026-11-22", "handover": "09:00",
        "days_per_shift": 1, "participants": [known[one] for one in names or ("Lin", "Mia", "Zoe")], **more,
    })  # fmt: skip
    return known


async def on_call(world: World, at: datetime) -> tuple[str, str, str | None]:
    [item] = (await world.client.get(
        "/api/v1/on-call", params={"at": at.isoformat(), "position": "duty_lead"}, headers=world.as_("auditor")
    )).json()["items"]  # fmt: skip
    [holder] = item["holders"]
    return holder["name"], holder["why"], holder["instead_of"]


async def as_person(world: World, name: str, role: Role = Role.EXECUTION) -> None:
    """From now on `role=<name>` asks with that person's own key."""
    person_id = (await ids(world))[name]
    async with world.parts.db.transaction() as session:
        _, shown = await keys.issue(
            session, name=name, role=role, by="test", at=world.clock.now(), person_id=person_id
        )
    world.keys[name] = shown  # type: ignore[index]


async def called_as(world: World, name: str, method: str, path: str, body: Any = None, *, expect: int = 200) -> Any:  # fmt: skip
    headers = {"Authorization": f"Bearer {world.keys[name]}", "Accept-Language": "en"}  # type: ignore[index]
    answer = await world.client.request(method, f"/api/v1{path}", json=body, headers=headers)
    assert answer.status_code == expect, answer.text
    return answer.json()


# ── any moment ────────────────────────────────────────────────────────────────────────────────────────────


async def test_who_is_on_call_is_answered_for_any_moment_with_who_and_why(world: World) -> None:
    known = await roster(world)
    assert await on_call(world, NIGHT) == ("Lin", "turn", None)
    assert await on_call(world, NINE) == ("Mia", "turn", None)

    span = {"begins": NINE.isoformat(), "ends": (NINE + 2 * HOUR).isoformat()}
    await world.post("/rosters/duty_lead/overrides", {"person_id": known["Ben"], **span}, expect=201)
    assert await on_call(world, NINE + 2 * HOUR - timedelta(seconds=1)) == ("Ben", "override", "Mia")
    assert await on_call(world, NINE + 2 * HOUR) == ("Mia", "turn", None)

    leave = {
        "kind": "leave",
        "begins": (NINE + 3 * HOUR).isoformat(),
        "ends": (NINE + 5 * HOUR).isoformat(),
    }
    asked = await world.post(f"/people/{known['Mia']}/absences", leave, expect=201)
    assert asked["state"] == "approved"
    assert await on_call(world, NINE + 4 * HOUR) == ("Zoe", "stand_in", "Mia")
    async with world.parts.db.reading() as session:
        posts = await holders.posts(session, since=NIGHT, until=NINE + 24 * HOUR)
        for position, post in posts.items():
            one = await holders.calendar(session, position, NIGHT, NINE + 24 * HOUR, at=NIGHT)
            assert rota.called(post, NIGHT, NINE + 24 * HOUR) == one.stretches
    turns = (await world.get("/rosters/duty_lead/turns"))["items"]
    assert [(one["people"][0]["name"], one["why"]) for one in turns[:5]] == [
        ("Lin", "turn"), ("Ben", "override"), ("Mia", "turn"), ("Zoe", "stand_in"), ("Mia", "turn"),
    ]  # fmt: skip


async def test_the_past_is_answered_as_it_was_whatever_was_changed_since(world: World) -> None:
    known = await roster(world)
    await world.advance(hours=2)
    await world.call("PATCH", f"/people/{known['Lin']}", {"availability": "ill"})
    await world.advance(hours=1)
    await world.call("PATCH", f"/people/{known['Lin']}", {"availability": "on_duty"})
    await world.advance(hours=1)
    await roster(world, "Zoe")
    await world.call("PATCH", f"/people/{known['Lin']}", {"positions": []})
    await world.advance(hours=1)
    assert await on_call(world, world.clock.now()) == ("Zoe", "turn", None)
    assert await on_call(world, NIGHT + 3.5 * HOUR) == ("Lin", "turn", None)
    assert await on_call(world, NIGHT + 2.5 * HOUR) == ("Mia", "stand_in", "Lin")
    assert await on_call(world, NIGHT + HOUR) == ("Lin", "turn", None)


async def test_an_override_that_begins_in_the_past_does_not_write_it_anew(world: World) -> None:
    known = await roster(world)
    await world.advance(hours=2)
    span = {"begins": (NIGHT - HOUR).isoformat(), "ends": (NIGHT + 4 * HOUR).isoformat()}
    await world.post("/rosters/duty_lead/overrides", {"person_id": known["Zoe"], **span})
    assert await on_call(world, world.clock.now()) == ("Zoe", "override", "Lin")
    assert await on_call(world, NIGHT + HOUR) == ("Lin", "turn", None)


async def test_who_is_on_leave_and_reports_ill_and_well_again_is_still_on_leave(world: World) -> None:
    known = await ids(world)
    await world.call("PATCH", f"/people/{known['Lin']}", {"availability": "leave"})
    for health in ("ill", "well"):
        said = await world.post(f"/people/{known['Lin']}/check-ins", {"health": health})
        assert said["availability"] == "leave"


async def test_a_swap_counts_once_the_other_has_accepted_and_only_they_can(world: World) -> None:
    known = await roster(world)
    await as_person(world, "Mia")
    await as_person(world, "Zoe")
    offer = {
        "person_id": known["Mia"], "begins": NINE.isoformat(), "ends": (NINE + 24 * HOUR).isoformat(),
        "with_id": known["Zoe"], "back_begins": (NINE + 24 * HOUR).isoformat(),
        "back_ends": (NINE + 48 * HOUR).isoformat(),
    }  # fmt: skip
    await called_as(world, "Zoe", "POST", "/rosters/duty_lead/swaps", offer, expect=403)
    swap = await called_as(world, "Mia", "POST", "/rosters/duty_lead/swaps", offer, expect=201)
    assert await on_call(world, NINE) == ("Mia", "turn", None)
    await called_as(world, "Mia", "POST", f"/swaps/{swap['id']}/transitions", {"event": "accept"}, expect=403)
    await called_as(world, "Zoe", "POST", f"/swaps/{swap['id']}/transitions", {"event": "accept"})
    assert await on_call(world, NINE) == ("Zoe", "swap", "Mia")
    assert await on_call(world, NINE + 24 * HOUR) == ("Mia", "swap", "Zoe")
    again = await called_as(
        world, "Zoe", "POST", f"/swaps/{swap['id']}/transitions", {"event": "decline"}, expect=409
    )
    assert again["state"] == "accepted"
    refused = await called_as(world, "Mia", "POST", "/rosters/duty_lead/swaps", offer, expect=409)
    assert "Mia" in refused["detail"]
    late = {"person_id": known["Lin"], "begins": (NIGHT - HOUR).isoformat(), "ends": NINE.isoformat()}
    begun = await world.post("/rosters/duty_lead/swaps", {**late, "with_id": known["Mia"]}, expect=409)
    assert "Let it begin at" in begun["detail"]


async def test_remote_work_and_leave_are_asked_for_and_nobody_approves_their_own(world: World) -> None:
    known = await roster(world)
    await as_person(world, "Mia")
    await as_person(world, "Ben", Role.MANAGEMENT)
    asked = {"kind": "leave", "begins": NINE.isoformat(), "ends": (NINE + HOUR).isoformat()}
    absence = await called_as(world, "Mia", "POST", f"/people/{known['Mia']}/absences", asked, expect=201)
    assert (absence["state"], await on_call(world, NINE)) == ("requested", ("Mia", "turn", None))
    path = f"/absences/{absence['id']}/transitions"
    await called_as(world, "Mia", "POST", path, {"event": "approve"}, expect=403)
    await called_as(world, "Ben", "POST", path, {"event": "approve"})
    assert await on_call(world, NINE) == ("Zoe", "stand_in", "Mia")
    await called_as(world, "Mia", "POST", path, {"event": "withdraw"})
    assert await on_call(world, NINE) == ("Mia", "turn", None)
    await called_as(
        world, "Ben", "POST", f"/people/{known['Mia']}/absences", {**asked, "kind": "remote"}, expect=201
    )
    [item] = (await world.get(f"/on-call?at={NINE:%Y-%m-%dT%H:%M:%SZ}&position=duty_lead"))["items"]
    assert [(one["name"], one["availability"]) for one in item["holders"]] == [("Mia", "remote")]
    own = await called_as(world, "Ben", "POST", f"/people/{known['Ben']}/absences", asked, expect=201)
    assert own["state"] == "requested"
    await called_as(world, "Mia", "POST", f"/people/{known['Lin']}/absences", asked, expect=403)


async def test_leave_does_not_write_the_past_anew_and_says_so(world: World) -> None:
    known = await roster(world)
    await as_person(world, "Lin")
    path = f"/people/{known['Lin']}/absences"
    asked = {"kind": "leave", "begins": (NIGHT - 3 * HOUR).isoformat(), "ends": NINE.isoformat()}
    absence = await called_as(world, "Lin", "POST", path, asked, expect=201)
    await world.advance(hours=1)
    approved = await world.post(f"/absences/{absence['id']}/transitions", {"event": "approve"})
    assert approved["begins"] == "2026-11-22T20:00:00Z"
    assert "It counts from when" in approved["note"]
    assert await on_call(world, NIGHT) == ("Lin", "turn", None)
    assert await on_call(world, NIGHT + HOUR) == ("Mia", "stand_in", "Lin")
    begun = f"BEGIN:VEVENT\r\nUID:a\r\nDTSTART:{NIGHT - HOUR:%Y%m%dT%H%M%SZ}\r\nDTEND:{NINE:%Y%m%dT%H%M%SZ}\r\nEND:VEVENT"
    text = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{begun}\r\nEND:VCALENDAR\r\n"
    for new in (1, 0):
        answer = await world.client.post(
            f"/api/v1/people/{known['Mia']}/absences/import", content=text,
            headers=world.as_("leadership") | {"Content-Type": "text/calendar"},
        )  # fmt: skip
        assert answer.json() == {"added": new, "changed": 0}
        await world.advance(minutes=5)
    assert await on_call(world, NIGHT + HOUR - timedelta(minutes=1)) == ("Lin", "turn", None)


async def test_why_somebody_is_away_is_their_own_business_and_that_of_who_manages(world: World) -> None:
    known = await roster(world)
    for name in ("Lin", "Mia"):
        await as_person(world, name)
    lin = f"/people/{known['Lin']}"
    await called_as(world, "Lin", "POST", f"{lin}/check-ins", {"health": "ill"}, expect=201)
    off = {"kind": "leave", "begins": "2026-12-01T00:00:00Z", "ends": "2026-12-03T00:00:00Z"}
    await world.post(f"{lin}/absences", off)
    asked = {**off, "begins": "2026-12-02T00:00:00Z"}
    await called_as(world, "Lin", "POST", f"{lin}/absences", asked, expect=201)

    async def read(name: str) -> tuple[str, list[str], str]:
        person = await called_as(world, name, "GET", lin)
        absences = (await called_as(world, name, "GET", f"{lin}/absences"))["items"]
        [duty] = (await called_as(world, name, "GET", "/on-call?position=duty_lead"))["items"]
        [listed] = [
            one
            for one in (await called_as(world, name, "GET", "/people"))["items"]
            if one["id"] == known["Lin"]
        ]
        assert listed["availability"] == person["availability"]
        return person["availability"], [one["kind"] for one in absences], duty["passed_over"][0]["why"]

    assert await read("Lin") == await read("management") == ("ill", ["leave", "leave"], "ill")
    assert await read("Mia") == await read("auditor") == ("away", ["away"], "away")
    for name, seen in (("Mia", "away"), ("management", "ill")):
        shown = world.keys[name]  # type: ignore[index]
        headers = {"Authorization": f"Bearer {shown}", "Accept-Language": "en", "Accept": "text/html"}
        for path in ("/rosters", "/people"):
            page = (await world.client.get(path, headers=headers)).text
            assert (f"Lin: {seen}" in page) or (f">{seen}" in page) or (f" {seen}\n" in page), path
            if seen == "away":
                assert "ill\n" not in page
    await called_as(world, "auditor", "GET", "/check-ins", expect=403)


# ── at once ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_whoever_reports_ill_is_passed_over_at_once_in_a_chain_that_is_calling_and_not_reserved(
    world: World,
) -> None:
    known = await roster(world)
    for name in ("Mia", "Zoe"):  # nobody can stand in
        await world.call("PATCH", f"/people/{known[name]}", {"availability": "leave"})
    await world.settle()
    raised = await world.post("/incidents", {"title": "Lines dead", "type": "system_outage", "level": 1})
    await world.settle()
    assert world.told() == ["Lin"]
    for name in ("Lin", "Cs1"):
        await as_person(world, name)
        said = await called_as(
            world, name, "POST", f"/people/{known[name]}/check-ins", {"health": "ill"}, expect=201
        )
        assert said["availability"] == "ill"
    await world.settle()
    assert world.told()[:1] == ["Tao"]  # the next rung, without waiting for its time
    timeline = (await world.get(f"/incidents/{raised['id']}/timeline"))["items"]
    passed = [one["summary"] for one in timeline if one["kind"] == "chain.passed_over"]
    assert len(passed) == 1
    assert passed[0].startswith("Lin ")
    assert "away" in passed[0]
    assert "ill" not in passed[0]
    await world.call("PATCH", f"/people/{known['Mia']}", {"availability": "on_duty"})
    assert await on_call(world, world.clock.now()) == ("Mia", "stand_in", "Lin")
    await world.advance(hours=1)  # further laps
    assert "Mia" in world.told()
    assert "Lin" not in world.told()
    wish = {"ref": "x", "ask": [{"pool": "front_line_team", "quantity": 4}], "until": "2026-11-24T00:00:00Z"}
    held = await world.post("/reservations", wish, expect=201)
    assert "Cs1" not in [line["title"]["en"] for line in held["lines"]]
    summary = await world.get("/check-ins?on=2026-11-23&time_zone=Asia/Shanghai")
    assert sorted(one["name"] for one in summary["away"]) == ["Cs1", "Lin"]
    assert len(summary["missing"]) == 17

    await called_as(world, "Lin", "POST", f"/people/{known['Lin']}/check-ins", {"health": "well"}, expect=201)
    assert await on_call(world, world.clock.now()) == ("Lin", "turn", None)
    await called_as(world, "Lin", "POST", f"/people/{known['Cs1']}/check-ins", {"health": "well"}, expect=403)


async def test_when_leave_begins_while_the_chain_calls_whoever_stands_in_is_told_then(world: World) -> None:
    known = await roster(world)
    begins = NIGHT + timedelta(minutes=2)
    leave = {"kind": "leave", "begins": begins.isoformat(), "ends": (begins + HOUR).isoformat()}
    await world.post(f"/people/{known['Lin']}/absences", leave, expect=201)
    await world.post("/incidents", {"title": "Lines dead", "type": "system_outage", "level": 1})
    await world.advance(seconds=119)
    assert world.told() == ["Lin"]
    await world.advance(seconds=1)
    assert world.told() == ["Mia"]
    await world.advance(minutes=3)
    assert world.told() == ["Tao", "Ben"]


async def test_quiet_hours_keep_what_can_wait_and_nothing_of_levels_1_and_2(world: World) -> None:
    known = await roster(world)
    quiet = {"begins": "22:00", "ends": "07:30", "time_zone": "Asia/Shanghai"}
    endless = {**quiet, "ends": quiet["begins"]}
    await world.call("PATCH", f"/people/{known['Lin']}", {"quiet_hours": endless}, expect=422)
    await world.call("PATCH", f"/people/{known['Lin']}", {"quiet_hours": quiet})
    minor = (await world.post("/incidents", {"title": "Printer", "type": "equipment_failure", "level": 3}))["id"]  # fmt: skip
    await world.settle()
    assert "Lin" not in world.told()
    async with world.parts.db.reading() as session:
        waiting = await session.scalars(
            select(Delivery.not_before).where(
                Delivery.ref == minor, Delivery.person_name == "Lin", Delivery.state == DeliveryState.PENDING
            )
        )
        assert min(waiting) == NINE - 1.5 * HOUR
    await world.post("/incidents", {"title": "Lines dead", "type": "system_outage", "level": 1})
    await world.settle()
    assert world.told() == ["Lin"]


async def test_in_the_morning_a_call_that_went_round_all_night_is_told_once(world: World) -> None:
    known = await roster(world)
    quiet = {"begins": "22:00", "ends": "07:30", "time_zone": "Asia/Shanghai"}
    for name in ("Lin", "Ben", "Ada"):
        await world.call("PATCH", f"/people/{known[name]}", {"quiet_hours": quiet})
    await world.advance(minutes=10)  # so that no lap begins at half past seven by itself
    await world.post("/incidents", {"title": "Printer", "type": "equipment_failure", "level": 3})
    await world.advance(hours=4.25)
    assert not {"Lin", "Ben", "Ada"} & set(world.told())
    await world.advance(minutes=7)  # from before half past seven to just after
    told = [(one.who, one.channel) for one in world.messages()]
    assert ("Lin", "mail") in told
    assert len(told) == len(set(told))


async def test_skills_count_as_long_as_their_certificates(world: World) -> None:
    known = await ids(world)
    certificates = [{"skill": "returns", "expires_on": "2026-11-23"}]
    changed = await world.call("PATCH", f"/people/{known['Cs1']}", {"certificates": certificates})
    assert changed["certificates"] == [{"skill": "returns", "number": None, "expires_on": "2026-11-23"}]
    wish = {"ref": "x", "ask": [{"pool": "front_line_team", "skill": "returns"}], "until": "2026-12-01T00:00:00Z"}  # fmt: skip
    held = await world.post("/reservations", {**wish, "key": "1"}, expect=201)
    await world.post(f"/reservations/{held['id']}/release")
    await world.advance(days=2)
    await world.post("/reservations", {**wish, "key": "2"}, expect=409)


# ── handovers ─────────────────────────────────────────────────────────────────────────────────────────────


async def hand_over(world: World) -> list[str]:
    async with world.parts.db.transaction() as session:
        fired = await handovers.fire_due(session, at=world.clock.now())
    await world.settle()
    return fired


async def test_at_a_handover_both_are_told_once_and_what_is_open(world: World) -> None:
    await roster(world)
    await world.post("/incidents", {"title": "Drill", "type": "other", "level": 4, "exercise": True})
    raised = await world.post("/incidents", {"title": "Printer", "type": "equipment_failure", "level": 4})
    await world.post(f"/incidents/{raised['id']}/acknowledgements")
    world.clock.move_to(NINE - timedelta(seconds=1))
    await world.settle()
    assert await hand_over(world) == []
    world.messages()
    world.clock.move_to(NINE)
    assert len(await hand_over(world)) == 1
    told = [one for one in world.messages() if one.subject.startswith("Handover")]
    assert sorted(one.who for one in told) == ["Lin", "Mia"]
    assert raised["number"] in told[0].text
    assert "09:00" in told[0].text
    assert told[0].text.count("INC-") == 1
    world.clock.move_to(NINE + timedelta(minutes=5))
    assert await hand_over(world) == []


async def test_a_handover_long_past_is_not_told_any_more(world: World) -> None:
    await roster(world)
    async with world.parts.db.transaction() as session:
        assert len(await handovers.fire_due(session, at=NINE)) == 1
    world.clock.move_to(NINE + HOUR)  # held, or nobody ran until now
    assert await hand_over(world) == []
    assert world.told() == []


# ── calendars ─────────────────────────────────────────────────────────────────────────────────────────────

LEAVE = """BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:-//Test//EN\r
BEGIN:VEVENT\r
UID:holiday-1\r
DTSTAMP:20261101T000000Z\r
DTSTART;VALUE=DATE:20261124\r
DTEND;VALUE=DATE:20261125\r
SUMMARY:Holiday\r
END:VEVENT\r
END:VCALENDAR\r
"""


def events_of(text: str) -> list[Any]:
    calendar = Calendar.from_ical(text)
    assert isinstance(calendar, Calendar)
    return list(calendar.walk("VEVENT"))


async def send(world: World, path: str, body: str, *, expect: int = 200) -> Any:
    headers = {**world.as_("management"), "Content-Type": "text/calendar"}
    answer = await world.client.post(f"/api/v1{path}", content=body.encode(), headers=headers)
    assert answer.status_code == expect, answer.text
    return answer.json()


async def test_leave_is_taken_in_from_a_calendar_once_however_often_it_is_sent(world: World) -> None:
    known = await roster(world)
    path = f"/people/{known['Mia']}/absences/import?time_zone=Asia/Shanghai"
    assert await send(world, path, LEAVE) == {"added": 1, "changed": 0}
    assert await send(world, path, LEAVE) == {"added": 0, "changed": 0}
    midnight = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)
    assert await on_call(world, midnight - timedelta(seconds=1)) == ("Mia", "turn", None)
    assert await on_call(world, midnight) == ("Zoe", "stand_in", "Mia")
    refused = await send(world, path, "Nothing", expect=400)
    assert "iCalendar" in refused["detail"]


async def test_people_are_put_in_by_a_calendar_that_names_them(world: World) -> None:
    await roster(world)
    path = "/rosters/duty_lead/overrides/import?time_zone=Asia/Shanghai"
    named = LEAVE.replace("Holiday", "010")  # Ben's staff number
    assert await send(world, path, named) == {"added": 1, "changed": 0}
    assert await on_call(world, datetime(2026, 11, 24, 0, 0, tzinfo=UTC)) == ("Ben", "override", "Mia")
    refused = await send(world, path, LEAVE, expect=422)
    assert "Holiday" in refused["errors"][0]["message"]


async def test_turns_are_subscribed_to_by_a_secret_address_that_can_be_revoked(world: World) -> None:
    known = await roster(world)
    span = {"begins": NINE.isoformat(), "ends": (NINE + 2 * HOUR).isoformat()}
    await world.post("/rosters/duty_lead/overrides", {"person_id": known["Ben"], **span}, expect=201)
    feed = await world.post("/calendar-feeds", {"person_id": known["Mia"]}, expect=201)
    address = feed["url"].removeprefix("http://muster.example")
    answer = await world.client.get(address)
    assert answer.headers["content-type"].startswith("text/calendar")
    assert "@centre.example" not in answer.text
    events = events_of(answer.text)
    first = next(one for one in events if one["DTSTART"].dt > NIGHT)
    assert (first["DTSTART"].dt, first["DTEND"].dt) == (NINE + 2 * HOUR, NINE + 24 * HOUR)
    assert str(first["SUMMARY"]).endswith(": Mia")
    assert all(str(one["SUMMARY"]).endswith("Mia") for one in events)
    whole = await world.get("/rosters/duty_lead/calendar", role="execution")
    assert {"Lin", "Mia", "Zoe", "Ben"} == {
        str(one["SUMMARY"]).rpartition(": ")[2] for one in events_of(whole)
    }  # fmt: skip
    assert "url" not in (await world.get("/calendar-feeds"))["items"][0]
    assert redact(None, "", {"event": f"GET {address}"})["event"] == "GET /calendars/[hidden].ics"
    await world.post(f"/calendar-feeds/{feed['id']}/revoke")
    assert (await world.client.get(address)).status_code == 404
    await as_person(world, "Mia")
    mine = await called_as(world, "Mia", "POST", "/calendar-feeds", {"position": "duty_lead"}, expect=201)
    await world.post(f"/calendar-feeds/{mine['id']}/revoke", role="execution", expect=403)
    await called_as(world, "Mia", "POST", f"/calendar-feeds/{mine['id']}/revoke")
    other = await world.post("/calendar-feeds", {"person_id": known["Zoe"]}, expect=201)
    address = other["url"].removeprefix("http://muster.example")
    await world.post(f"/people/{known['Zoe']}/leave")
    assert (await world.client.get(address)).status_code == 404


# ── pages ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_page_shows_who_is_on_call_and_the_coming_week_in_three_languages(world: World) -> None:
    await roster(world)
    said = {"zh-Hans": "未来一周", "zh-Hant": "未來一週", "en": "The coming week"}
    for language in LANGUAGES:
        headers = {**world.as_("execution"), "Accept-Language": language, "Accept": "text/html"}
        page = await world.client.get("/rosters", headers=headers)
        assert page.status_code == 200
        assert said[language] in page.text
        assert page.text.count("Mia") >= 2
        assert "mia@centre.example" not in page.text


# ── the day's check-ins ───────────────────────────────────────────────────────────────────────────────────


async def test_management_hears_each_day_who_is_ill_away_and_not_heard_of_and_what_is_left(
    world: World,
) -> None:
    """At ten, by the plan, the deputy general manager and the head of customer service; once, whoever fires it."""
    known = await roster(world)
    ten = NINE + HOUR
    await world.advance(hours=6)
    for name, health in (("Cs1", "ill"), ("Lin", "well")):
        await world.post(f"/people/{known[name]}/check-ins", {"health": health})
    for name, kind, hours in (("Cs2", "remote", 8), ("Cs3", "leave", 3)):
        span = {"begins": ten.isoformat(), "ends": (ten + hours * HOUR).isoformat()}
        await world.post(f"/people/{known[name]}/absences", {"kind": kind, **span})

    async def fire() -> str | None:
        async with world.parts.db.transaction() as session:
            return await daily_health.fire_due(session, at=world.clock.now())

    assert await fire() is None  # nine o'clock
    await world.advance(hours=1)
    world.told()
    assert [await fire(), await fire()] == ["2026-11-23", None]
    await world.settle()
    summary, other = world.messages()
    assert {summary.who, other.who} == {"Deng", "Ben"}
    assert "1 ill" in summary.subject
    for said in ("Well: 1.", "symptoms: Cs1.", "On leave: Cs3.", "Remote: Cs2.", "emergency team 2"):
        assert said in summary.text
    missing = summary.text.partition("Not heard of: ")[2].partition(".")[0]
    assert "Mia" in missing
    assert not {"Cs1", "Cs3", "Lin"} & set(missing.split(", "))

    items = (await world.get(f"/capacity?from={ten:%Y-%m-%dT%H:%M:%SZ}&hours=4", role="execution"))["items"]
    [team] = [one for one in items if one["pool"] == "front_line_team"]
    assert [one["available"] for one in team["hours"]] == [2, 2, 2, 3]
