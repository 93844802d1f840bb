"""Drills: at least two a year on different kinds of event; prepared, held by the scheme, evaluated, summed up (EP-8.3, ST-4).

And nothing of one reaches the outside or the figures: each test of the second half tries to make it.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from app.access import keys
from app.access.tables import Role
from app.incidents.tables import Incident
from app.notify.channel import Message, as_told
from app.notify.tables import Delivery, DeliveryState
from app.readiness import drills, duties
from app.readiness.drills import DrillEvent
from app.readiness.tables import DrillState, Topic
from app.watch.guard import Guard
from tests.calls import ALERT
from tests.receiver import Receiver
from tests.rooms.trial import plan_with, step, task, text, wait
from tests.world import NIGHT, World, a_world


def scheme(world: World, **more: Any) -> dict[str, Any]:
    return {
        "title": "Sign-in fails in the night", "type": "partial_system_failure", "level": 2, "place": "Hall 2", "lasts": "PT2H",
        "starts_at": (world.clock.now() + timedelta(days=2)).isoformat(), "scheme": "The duty lead finds that nobody can sign in.",
        "parts": [
            {"position": "duty_lead", "role": "first on the spot"}, {"position": "service_coach", "observes": True},
        ],
        "props": ["red vests"], **more,
    }  # fmt: skip


async def move(world: World, drill: Any, event: str, **more: Any) -> Any:
    role, expect = more.pop("role", "leadership"), more.pop("expect", 201)
    moved = await world.post(
        f"/drills/{drill['id']}/transitions", {"event": event, **more}, role=role, expect=expect
    )
    await world.settle()
    return moved


async def started(world: World, **more: Any) -> Any:
    """A live drill that has just begun, with everybody's mail of before forgotten."""
    soon = (world.clock.now() + timedelta(minutes=30)).isoformat()
    drill = await world.post("/drills", scheme(world, **{"starts_at": soon, **more}), role="management")
    await move(world, drill, "approve")
    world.told()
    return await move(world, drill, "start", role="management")


def all_are_marked(world: World) -> None:
    """Whatever left by any channel said that it is a drill, in subject and text."""
    sent = [one.message for channel in world.channels.values() for one in channel.sent]
    assert sent
    assert all("DRILL" in one.subject and "DRILL" in one.text for one in sent)


async def scored(world: World, drill: Any, points: int = 4) -> None:
    for topic in Topic:
        await world.post(
            f"/drills/{drill['id']}/scores", {"topic": topic, "points": points, "remark": "seen"}
        )


async def test_a_drill_is_prepared_held_evaluated_and_summed_up(world: World) -> None:
    drill = await world.post("/drills", scheme(world), role="management")
    await move(world, drill, "approve")
    await move(world, drill, "brief", role="management")
    briefed = world.messages()
    assert {one.who for one in briefed} == {"Lin", "Care"}
    all_are_marked(world)
    assert any("first on the spot" in one.text and "Hall 2" in one.text for one in briefed)
    await world.advance(days=1, minutes=1)
    assert {one.who for one in world.messages() if "Reminder" in one.subject} == {"Lin", "Care"}

    early = await move(world, drill, "start", role="management", expect=409)
    assert early["allowed"] == ["cancel"]
    await world.advance(days=1)
    drill = await move(world, drill, "start", role="management")
    incident = await world.get(f"/incidents/{drill['incident_id']}")
    assert (incident["status"], incident["level"]) == ("Exercise", 2)
    await world.advance(minutes=12)  # past the second rung, of which nobody is enrolled
    await world.post(f"/incidents/{incident['id']}/acknowledgements", role="execution")
    await world.settle()
    drill = await move(world, drill, "stop", role="execution")
    assert (await world.get(f"/incidents/{incident['id']}"))["state"] == "cancelled"

    refused = await move(world, drill, "evaluate", expect=409)
    assert set(refused["missing"]) == set(Topic)
    await scored(world, drill)
    finding = {
        "topic": "equipment",
        "text": "Two headsets dead",
        "owner": "duty_lead",
        "due_on": "2026-12-20",
    }
    await world.post(f"/drills/{drill['id']}/findings", finding)
    wanting = finding | {"topic": "fitness", "text": "Nobody is named for the spare line"}
    await world.post(f"/drills/{drill['id']}/findings", wanting)
    await move(world, drill, "evaluate")
    await move(world, drill, "close", expect=409)
    await move(world, drill, "close", summary="Headsets are checked each shift from now on.")

    drill = await world.get(f"/drills/{drill['id']}")
    times = drill["figures"]["times"]
    assert (times["acknowledge"]["took"], times["acknowledge"]["met"]) == ("PT12M", False)
    assert times["activate"]["met"] is None, "its time had not come when the drill was stopped"
    assert drill["mean_points"]["command"] == 4
    _, item = (await world.get(f"/improvements?drill={drill['id']}"))["items"]
    (due,) = (await world.get("/plan/due"))["items"]
    assert (due["reason"], "spare line" in due["said"]) == ("found_wanting", True)
    assert (item["title"], item["state"], item["owner"]) == ("Two headsets dead", "open", "duty_lead")
    report = await world.get(f"/drills/{drill['id']}/report")
    for words in (
        "Two headsets dead",
        "red vests",
        "Would have been told",
        "Command and coordination | 4",
        "12 min",
    ):
        assert words in report


async def test_whoever_planned_it_does_not_approve_it_and_whoever_takes_part_does_not_score_it(
    world: World,
) -> None:
    drill = await world.post("/drills", scheme(world, level=1), role="leadership")
    await move(world, drill, "approve", role="leadership", expect=403)
    await move(world, drill, "approve", role="management", expect=403)  # leadership declares level 1
    await move(world, drill, "approve", role="auditor", expect=403)
    await move(world, drill, "start", expect=409)
    wrong = await world.post(
        "/drills", scheme(world, type="no_such", parts=[{"position": "nobody"}]), expect=422
    )
    assert {one["path"] for one in wrong["errors"]} == {"type", "parts.0"}


async def test_what_would_happen_after_the_end_and_the_duty_of_others_are_refused(world: World) -> None:
    await world.advance(days=170)
    async with world.parts.db.transaction() as session:
        await duties.fire_due(session, at=world.clock.now())
    await world.settle()
    others = next(d for d in (await world.get("/duties"))["items"] if d["clause"] != "EP-8.3")
    late = [{"after": "PT1H", "text": "Another line is dead"}, {"after": "PT8H", "text": "Too late"}]
    refused = await world.post(
        "/drills", scheme(world, scenario=late, lasts="PT2H", duty=others["key"]), expect=422
    )
    assert {one["path"] for one in refused["errors"]} == {"scenario.1.after", "duty"}


async def test_who_takes_part_gives_no_points_and_an_observer_does(world: World) -> None:
    drill = await started(world)
    people = {one["name"]: one["id"] for one in (await world.get("/people"))["items"]}
    points = {"topic": "people", "points": 5}
    for name, expect in (("Lin", 403), ("Care", 201)):
        async with world.parts.db.transaction() as session:
            _, key = await keys.issue(
                session,
                name=name,
                role=Role.EXECUTION,
                by="test",
                at=world.clock.now(),
                person_id=people[name],
            )
        await world.post(
            f"/drills/{drill['id']}/scores", points, expect=expect, headers={"Authorization": f"Bearer {key}"}
        )


def test_every_state_but_the_last_two_can_be_left() -> None:
    left = {state for state in DrillState if drills.allowed(state)}
    assert left == set(DrillState) - {DrillState.CLOSED, DrillState.CANCELLED}
    assert {to for (_, event), to in drills.TRANSITIONS.items() if event is DrillEvent.STOP} == {
        DrillState.ENDED
    }


async def test_a_year_needs_two_drills_of_different_types_and_a_drill_does_the_duty(world: World) -> None:
    await world.advance(days=170)  # past the tenth of May
    async with world.parts.db.transaction() as session:
        await duties.fire_due(session, at=world.clock.now())
    (owed,) = [d for d in (await world.get("/duties"))["items"] if d["clause"] == "EP-8.3"]
    held = ("partial_system_failure", "partial_system_failure", "mass_complaints")
    met = []
    for type_ in held:
        drill = await started(world, type=type_, level=4, mode="simulated")
        assert world.told() == [], "nobody is paged by a simulation"
        await world.post(f"/drills/{drill['id']}/plays", {"people": "silent"})
        await scored(world, drill)
        await move(world, drill, "evaluate")
        await move(world, drill, "close", summary="Learnt.")
        met.append((await world.get("/drill-years/2027"))["is_met"])
    assert met == [False, False, True]
    async with world.parts.db.transaction() as session:
        await drills.watch_year(session, at=world.clock.now())
    await world.advance(days=236)
    assert not [one for one in world.messages() if "do not comply" in one.subject]
    assert (await world.get(f"/duties?duty={owed['duty']}"))["items"][0]["state"] == "done"


async def test_a_year_without_its_drills_is_a_finding_told_once_it_is_over(world: World) -> None:
    for _ in range(2):  # each minute, of any replica
        async with world.parts.db.transaction() as session:
            await drills.watch_year(session, at=world.clock.now())
    await world.advance(days=41)
    (told,) = [one for one in world.messages() if "do not comply" in one.subject]
    assert "0 of 2 drills were held" in told.text


# ── nothing reaches the outside ───────────────────────────────────────────────────────────────────────────


async def test_only_those_enrolled_are_paged_and_the_rest_stand_as_would_have_been_told(world: World) -> None:
    drill = await started(world, parts=[{"position": "duty_lead"}, {"position": "general_manager"}])
    await world.advance(
        minutes=19
    )  # the rung between, of which nobody is enrolled, takes its ten minutes all the same
    assert set(world.told()) == {"Lin"}
    await world.advance(minutes=2)
    assert set(world.told()) == {"Ada"}
    await world.advance(minutes=40)  # nobody answers: the chain is called again from the top
    assert set(world.told()) == {"Lin", "Ada"}
    all_are_marked(world)
    async with world.parts.db.reading() as session:
        of_drill = select(Delivery).where(Delivery.ref == drill["incident_id"])
        rows = list(await session.scalars(of_drill))
    others = [one for one in rows if one.person_name not in ("Lin", "Ada")]
    assert {"Ben", "Tao", "Deng"} <= {one.person_name for one in others}
    assert {one.state for one in others} == {DeliveryState.DROPPED}
    assert {one.reason["key"] for one in others if one.reason} == {"notify.not_enrolled"}
    said = (await world.get(f"/incidents/{drill['incident_id']}/timeline"))["items"]
    (second, *_) = [one for one in said if one["kind"] == "rung.not_enrolled"]
    assert "Would have been told" in second["summary"]
    assert "Ben" in second["summary"]
    assert not [one for one in said if one["kind"] == "chain.nobody"]


async def test_a_drill_that_is_stopped_is_silent_at_once(world: World) -> None:
    drill = await started(world, scenario=[{"after": "PT5M", "text": "It spreads"}])
    world.told()
    await move(world, drill, "stop", reason="A real alarm", role="execution")
    ended = world.messages()
    assert {one.who for one in ended} <= {"Lin"}
    all_are_marked(world)
    await world.advance(hours=3)
    assert world.told() == []


async def test_an_enrolled_person_who_holds_no_rung_is_reached_by_none_and_the_last_resort_is_not_called(
    world: World,
) -> None:
    (coach,) = [one for one in (await world.get("/people"))["items"] if one["name"] == "Cs1"]
    await started(world, parts=[{"person": coach["id"]}])
    await world.advance(minutes=30)
    assert world.told() == []
    guard = Guard(world.parts, world.engine, world.engine.reach.outgoing)
    await guard._ask(world.clock.now())
    assert list(guard._uncalled) == []


async def test_a_playbook_at_work_in_a_drill_touches_nobody_and_nothing_outside(
    database_url: str, tmp_path: Path
) -> None:
    async with Receiver() as outside:
        ask = {"ask": [{"pool": "front_line_team", "quantity": 2}], "hold": "1h", "when_short": "duty_lead"}
        steps = [
            step("call", "http", with_={"url": outside.url("/jobs"), "method": "POST", "body": {}, "expect": [200]}),
            step("tell", "notify", with_={"tell": ["public_relations_officer", "duty_lead"], "text": text()}),
            step("say", "notice", with_={"audience": "customers", "approve_by": ["duty_lead"], "due": "10m", "text": text()}),
            step("team", "reserve", with_=ask),
            task("look"), wait("injected"),
        ]  # fmt: skip
        async with a_world(database_url, tmp_path, plan=plan_with(steps, tmp_path)) as world:
            inject = {"after": "PT10M", "text": "The line is dead", "facts": {"injected": True}}
            drill = await started(world, type="trial", level=3, scenario=[inject])
            name = drill["incident_id"]
            await world.apply(name, "assess", level=3)
            await world.apply(name, "activate")
            await world.advance(minutes=11)
            assert outside.received == []
            run = {one["name"]: one for one in (await world.get(f"/incidents/{name}/run"))["steps"]}
            assert run["call"]["result"]["exercise"] is True
            assert run["injected"]["state"] == "done", "the scenario let it happen"
            told = world.messages()
            assert {one.who for one in told} == {"Lin"}
            assert any("The line is dead" in one.text for one in told)
            (notice,) = (await world.get(f"/incidents/{name}/announcements"))["items"]
            assert notice["text"]["en"].startswith("DRILL")
            assert notice["text"]["zh"].startswith("【演练】")
            (asked,) = (await world.get(f"/incidents/{name}/decisions"))["items"]
            await world.post(f"/decisions/{asked['id']}/choices", {"choice": "approve"})
            await world.settle()
            (notice,) = (await world.get(f"/incidents/{name}/announcements"))["items"]
            assert notice["text"]["en"].startswith("DRILL"), "whoever copies it out copies the mark"
            assert {one.who for one in world.messages()} <= {"Lin"}
            assert outside.received == []
            team = await world.get("/pools/front_line_team")
            assert team["held"] == 0
            everybody = {
                "ref": "real",
                "ask": [{"pool": "front_line_team", "quantity": team["on_hand"]}],
                "until": _later(world),
            }
            await world.post("/reservations", everybody)
            by_hand = {"ref": name, "ask": [{"pool": "front_line_team"}], "until": _later(world)}
            assert (await world.post("/reservations", by_hand))["exercise"] is True

            # It ends by itself, and nothing is left of it.
            await world.advance(hours=2)
            assert (await world.get(f"/drills/{drill['id']}"))["state"] == "ended"
            assert (await world.get(f"/incidents/{name}"))["state"] == "cancelled"
            world.told()
            await world.advance(hours=3)
            assert world.told() == []
            await world.the_auditor_finds_nothing()
            await world.the_record_holds()


async def test_a_drill_is_in_no_figure(world: World) -> None:
    def counted(page: str) -> list[str]:
        """What an alarm or a report would be built on."""
        names = ("muster_deliveries{", "muster_time_to_acknowledge", 'status="Actual"', "nobody")
        return [
            line
            for line in page.splitlines()
            if any(name in line for name in names) and "_created" not in line
        ]

    before = counted(await world.get("/metrics"))
    drill = await started(world)
    await world.advance(minutes=2)
    await world.post(f"/incidents/{drill['incident_id']}/acknowledgements")
    await world.settle()
    assert counted(await world.get("/metrics")) == before
    assert (await world.get("/api/v1/metrics"))["total"]["incidents"] == 0


async def test_what_is_real_goes_on_as_if_there_were_no_drill(world: World) -> None:
    """The pager of somebody in a drill is not full of it, and no real problem ends in one, or is answered by it."""
    drill = await started(world, scenario=[{"after": f"PT{n}S", "text": f"line {n}"} for n in range(1, 13)])
    await world.advance(minutes=1)
    assert world.told().count("Lin") > 9
    problem = {"title": "Real", "type": "partial_system_failure", "level": 3, "dedup_key": "k"}
    real = await world.post("/incidents", problem)
    await world.settle()
    assert real["id"] != drill["incident_id"]
    assert [one.who for one in world.messages() if real["number"] in one.subject] == ["Lin"]
    last = max(
        (one for made in world.channels.values() for one in made.sent), key=lambda one: one.message.key
    ).message
    assert "DRILL" not in last.subject
    async with world.parts.db.reading() as session:
        held = await session.scalars(
            select(Delivery).where(Delivery.ref == real["id"], Delivery.digest_at.is_not(None))
        )
        assert list(held) == []

    await world.post(f"/incidents/{drill['incident_id']}/acknowledgements")
    await world.advance(minutes=31)
    assert "Ben" in world.told(), "who answers a drill has not answered what is real"
    for one, other in ((real["id"], drill["incident_id"]), (drill["incident_id"], real["id"])):
        await world.apply(one, "cancel", reason="same", merge_into=other, expect=409)
    async with world.parts.db.reading() as session:
        incident = await session.get_one(Incident, real["id"])
        assert incident.state == "detected"


async def test_a_signal_of_monitoring_joins_no_drill_of_the_same_type_and_key(world: World) -> None:
    prom = await world.post(
        "/sources", {"slug": "prom", "kind": "alertmanager", "default_type": "system_outage"}
    )
    drill = await started(world, type="system_outage", level=1)
    key = "prom:9f0c1d2e3a4b5c6d"  # the fingerprint of the alert
    twin = await world.post("/incidents", {
        "title": "Twin", "type": "system_outage", "level": 1, "dedup_key": key, "exercise": True
    })  # fmt: skip
    await world.call("POST", "/intake/prom", ALERT, headers={"Authorization": f"Bearer {prom['key']}"})
    await world.settle()
    (real,) = [one for one in (await world.get("/incidents"))["items"] if one["status"] == "Actual"]
    assert real["id"] not in (drill["incident_id"], twin["id"])
    for name in (drill["incident_id"], twin["id"]):
        said = (await world.get(f"/incidents/{name}/timeline"))["items"]
        assert not [one for one in said if one["kind"].startswith("signal.")]
        assert (await world.get(f"/incidents/{name}"))["facts"] == {}
    assert [one for one in world.messages() if real["number"] in one.subject], (
        "people are called about what is real"
    )


async def test_a_simulated_drill_is_played_in_memory_and_scored_like_any_other(world: World) -> None:
    inject = {"after": "PT10M", "text": "It spreads", "facts": {"share_of_users": 0.6}}
    planned = scheme(world, mode="simulated", scenario=[inject])
    drill = await world.post("/drills", planned, role="management")
    await move(world, drill, "approve")
    world.told()
    drill = await move(world, drill, "start", role="management")
    assert drill["incident_id"] is None
    played = await world.post(f"/drills/{drill['id']}/plays", {"people": "answer"}, role="management")
    assert world.told() == []
    assert played["state"] == "ended"
    times = played["figures"]["times"]
    assert set(times) == {"acknowledge", "activate", "first_task", "restore"}
    assert times["acknowledge"]["met"] is True
    refused = await world.post(f"/drills/{drill['id']}/plays", {}, expect=409)
    assert refused["allowed"] == ["evaluate"]
    report = await world.get(f"/drills/{drill['id']}/report")
    assert "| met |" in report
    assert (await world.get("/incidents"))["items"] == []


@pytest.mark.parametrize(("language", "mark"), [("zh-Hans", "演练"), ("zh-Hant", "演練"), ("en", "DRILL")])
def test_every_sentence_of_a_drill_is_marked_in_every_language(language: str, mark: str) -> None:
    said = as_told(
        Message(
            subject="s", text="t", language=language, link=None, link_label="", key="k", sent_at=NIGHT, ref="r",
            number="INC-2026-0001", level=1, exercise=True, kind="chain",
        )
    )  # fmt: skip
    assert mark in said.subject
    assert mark in said.text


def _later(world: World) -> str:
    return (world.clock.now() + timedelta(hours=1)).isoformat()
