"""What each kind of step does when its turn comes, on both databases."""

import json
from typing import Any

import pytest

from tests.receiver import Receiver, status
from tests.rooms.trial import Begin, Trial, begin, step, task, text, wait

__all__ = ["begin"]


def ask(pool: str = "front_line_team", quantity: int = 2, **more: Any) -> dict[str, Any]:
    line = {"pool": pool, "quantity": quantity, **more}
    return {"ask": [line], "hold": "8h", "when_short": "customer_service_head"}


async def test_notify_tells_the_holders_and_is_done_at_once(begin: Begin) -> None:
    words = {
        "zh": "故障 {{ incident.number }}",
        "en": "Fault {{ incident.number }}, level {{ level.number }}",
    }
    async with begin([step("tell", "notify", with_={"tell": ["it_engineer"], "text": words})]) as trial:
        told = [one for one in trial.world.messages() if one.who.startswith("It")]
        assert sorted(one.who for one in told) == ["It1", "It2"]
        number = (await trial.read())["number"]
        assert told[0].text == f"Fault {number}, level 3"
        assert (await trial.step("tell"))["state"] == "done"
        assert (await trial.run())["state"] == "done"


async def test_a_position_nobody_holds_does_not_hold_up_the_run(begin: Begin) -> None:
    async with begin([step("tell", "notify", with_={"tell": ["legal_counsel"], "text": text()})]) as trial:
        assert (await trial.step("tell"))["state"] == "done"
        notices = await trial.items("notices")
        assert any(one["state"] == "dropped" for notice in notices for one in notice["deliveries"])


async def test_a_task_is_given_to_a_position_and_done_when_it_is_completed(begin: Begin) -> None:
    async with begin([task("mend")]) as trial:
        assert sorted(trial.world.told()) == ["It1", "It2"]
        (given,) = await trial.items("tasks")
        assert (given["position"], given["state"]) == ("it_engineer", "open")
        await trial.do("mend", "start")
        assert (await trial.states())["mend"] == "waiting"
        await trial.do("mend", "complete", note="mended")
        assert (await trial.step("mend"))["result"] == {"state": "done", "note": "mended"}


async def test_reserve_takes_all_that_is_asked_and_says_what_it_holds(begin: Begin) -> None:
    async with begin([step("call_up", "reserve", with_=ask(quantity=6))]) as trial:
        result = (await trial.step("call_up"))["result"]
        assert (result["held"], result["short"]) == (6, False)
        assert {line["pool"] for line in result["lines"]} == {"front_line_team", "reserve_team"}
        assert len(await trial.items("reservations")) == 6


async def test_a_shortage_takes_nothing_and_asks_a_person(begin: Begin) -> None:
    async with begin(
        [step("call_up", "reserve", with_=ask(quantity=7)), task("next", needs=["call_up"])]
    ) as trial:
        assert (await trial.states()) == {"call_up": "asking", "next": "pending"}
        assert await trial.items("reservations") == []
        (question,) = await trial.asked()
        assert (question["kind"], question["positions"]) == ("shortage", ["customer_service_head"])
        assert "Ben" in trial.world.told()
        # Somebody more can be found: another attempt gets them.
        await trial.world.import_people(
            "name,staff_number,department,positions,skills,mail\nCs5,105,customer_service,customer_service_agent,,cs5@c.example\n"
        )
        await trial.choose("retry")
        assert (await trial.step("call_up"))["result"]["held"] == 7
        assert (await trial.states())["next"] == "waiting"


async def test_going_on_without_is_an_answer_to_a_shortage(begin: Begin) -> None:
    async with begin(
        [step("call_up", "reserve", with_=ask(quantity=7)), task("next", needs=["call_up"])]
    ) as trial:
        await trial.choose("skip")
        assert (await trial.states()) == {"call_up": "skipped", "next": "waiting"}


async def test_a_drill_reserves_a_shadow_and_takes_nothing_from_anybody(begin: Begin) -> None:
    async with begin([step("call_up", "reserve", with_=ask(quantity=6))], exercise=True) as trial:
        assert (await trial.step("call_up"))["result"]["held"] == 6
        pools = (await trial.world.get("/pools"))["items"]
        team = next(pool for pool in pools if pool["id"] == "front_line_team")
        assert team["held"] == 0


async def test_http_sends_its_body_filled_in_and_keeps_the_answer(begin: Begin) -> None:
    async with Receiver() as receiver:
        receiver.always = status(202, b'{"job": 7}')
        params = {
            "url": receiver.url("/jobs"), "method": "PUT", "expect": [202],
            "body": {"number": "{{ incident.number }}", "list": ["{{ facts.size }}", 1], "at": "{{ incident.detected_at }}"},
        }  # fmt: skip
        steps = [wait("go"), step("call", "http", needs=["go"], with_=params)]
        async with begin(steps) as trial:
            await trial.fact(size=3.5)
            await trial.fact(go=True)
            (got,) = receiver.received
            assert (got.method, got.path) == ("PUT", "/jobs")
            body = json.loads(got.body)
            assert body["list"] == [3.5, 1]
            assert body["number"] == (await trial.read())["number"]
            assert body["at"].startswith("2026-11-22T19:00:00")
            assert (await trial.step("call"))["result"] == {"status": 202, "body": {"job": 7}}


async def test_http_can_send_the_whole_incident(begin: Begin) -> None:
    async with Receiver() as receiver:
        params = {
            "url": receiver.url("/jobs"),
            "body": {"incident": "{{ incident }}", "known": "{{ facts }}"},
        }
        async with begin([wait("go"), step("call", "http", needs=["go"], with_=params)]) as trial:
            await trial.fact(go=True, lines=[3, 4])
            (got,) = receiver.received
            body = json.loads(got.body)
            assert body["incident"]["number"] == (await trial.read())["number"]
            assert body["incident"]["detected_at"].startswith("2026-11-22T19:00:00")
            assert body["known"] == {"go": True, "lines": [3, 4]}


async def test_http_to_a_connection_nobody_set_up_says_so_and_asks(begin: Begin) -> None:
    async with begin([step("call", "http", with_={"connection": "telephony"})]) as trial:
        called = await trial.step("call")
        assert called["state"] == "asking"
        assert "telephony" in called["reason"]


@pytest.mark.parametrize(("choice", "state"), [("approve", "done"), ("reject", "failed")])
async def test_an_approval_is_a_yes_or_a_no(begin: Begin, choice: str, state: str) -> None:
    params = {"by": ["general_manager", "deputy_general_manager"], "due": "10m", "text": text("Go?")}
    async with begin([step("may_we", "approval", on_failure="continue", with_=params)]) as trial:
        assert sorted(trial.world.told()) == ["Ada", "Deng"]
        (question,) = await trial.asked()
        assert (question["question"]["en"], question["options"]) == ("Go?", ["approve", "reject"])
        await trial.choose(choice)
        asked = await trial.step("may_we")
        assert asked["state"] == state
        assert (asked["result"]["decision"], asked["result"]["by"]) == (choice, "leadership")


async def test_a_rejection_asks_what_becomes_of_the_step(begin: Begin) -> None:
    params = {"by": ["general_manager"], "due": "10m", "text": text("Go?")}
    async with begin([step("may_we", "approval", with_=params)]) as trial:
        await trial.choose("reject")
        assert (await trial.step("may_we"))["state"] == "asking"
        (question,) = await trial.asked()
        assert question["kind"] == "failure"
        await trial.choose("retry")
        (question,) = await trial.asked()
        assert question["kind"] == "approval", "the same question is put again"


async def test_wait_for_a_time(begin: Begin) -> None:
    async with begin([step("pause", "wait", with_={"for": "30m"}), task("next", needs=["pause"])]) as trial:
        await trial.world.advance(minutes=29, seconds=59)
        assert (await trial.states())["next"] == "pending"
        await trial.world.advance(seconds=1)
        assert await trial.states() == {"pause": "done", "next": "waiting"}


async def test_wait_until_a_fact_is_known(begin: Begin) -> None:
    async with begin([wait("restored"), task("next", needs=["restored"])]) as trial:
        await trial.fact(restored=False)
        await trial.fact(other=True)
        assert (await trial.states())["restored"] == "waiting"
        await trial.fact(restored=True)
        assert await trial.states() == {"restored": "done", "next": "waiting"}


async def test_wait_until_a_step_has_come_so_far(begin: Begin) -> None:
    until = {"until": 'steps.mend.state == "done"'}
    async with begin([task("mend"), step("until_mended", "wait", with_=until)]) as trial:
        assert (await trial.states())["until_mended"] == "waiting"
        await trial.do("mend")
        assert (await trial.states())["until_mended"] == "done"


async def test_what_holds_already_is_not_waited_for(begin: Begin) -> None:
    steps = [task("first"), wait("restored", needs=["first"]), task("next", needs=["restored"])]
    async with begin(steps) as trial:
        await trial.fact(restored=True)
        await trial.do("first")
        assert (await trial.states())["next"] == "waiting"


async def test_update_posts_a_status_update_and_pays_the_one_owed(begin: Begin) -> None:
    params = {"audience": "leadership", "text": text("{{ incident.number }} goes on")}
    async with begin([task("first"), step("say", "update", needs=["first"], with_=params)]) as trial:
        await trial.world.advance(hours=1)
        trial.world.told()
        await trial.do("first")
        (posted,) = await trial.items("updates")
        assert (posted["author"], posted["audience"]) == ("plan", "leadership")
        owed = [one for one in (await trial.read())["obligations"] if one["kind"] == "update"]
        assert [one["state"] for one in owed] == ["paid", "owed"]
        assert "Deng" in trial.world.told(), "the end of the level 3 chain is leadership"


async def escalated(trial: Trial) -> Any:
    await trial.fact(worse=True)
    return await trial.read()


async def test_escalate_raises_to_a_level_and_the_run_follows(begin: Begin) -> None:
    up = {"to_level": 1, "text": text("it got worse")}
    steps = [wait("worse"), step("up", "escalate", needs=["worse"], with_=up), task("grave", levels=[1])]
    async with begin(steps) as trial:
        incident = await escalated(trial)
        assert (incident["level"], incident["acknowledged_at"]) == (1, None)
        assert (await trial.step("up"))["result"] == {"level": 1}
        assert (await trial.states())["grave"] == "waiting"
        assert "Lin" in trial.world.told(), "a graver level pages again"


async def test_escalate_does_nothing_where_the_level_is_as_grave_already(begin: Begin) -> None:
    up = {"to_level": 2, "text": text("it got worse")}
    async with begin([wait("worse"), step("up", "escalate", needs=["worse"], with_=up)], level=1) as trial:
        incident = await escalated(trial)
        assert (incident["level"], (await trial.step("up"))["state"]) == (1, "done")


async def test_escalate_calls_one_position_after_the_other_until_somebody_answers(begin: Begin) -> None:
    up = {
        "tell": ["technical_head", "deputy_general_manager", "general_manager"],
        "within": "5m",
        "text": text("decide"),
    }
    async with begin([wait("worse"), step("up", "escalate", needs=["worse"], with_=up)]) as trial:
        world = trial.world
        await world.advance(seconds=1)
        world.told()
        await escalated(trial)
        assert world.told() == ["Tao"]
        await world.advance(minutes=5)
        assert world.told() == ["Deng"]
        await world.post(f"/incidents/{trial.name}/acknowledgements")
        await world.settle()
        await world.advance(minutes=30)
        assert "Ada" not in world.told()


async def test_escalate_calls_anew_when_its_level_comes_back(begin: Begin) -> None:
    up = {"tell": ["technical_head"], "within": "5m", "text": text("decide")}
    steps = [step("up", "escalate", levels=[2], if_="facts.worse", with_=up), wait("never")]
    async with begin(steps, level=2) as trial:
        await trial.apply("relevel", level=3, reason="smaller")
        await trial.fact(worse=True)
        trial.world.told()
        await trial.apply("relevel", level=2, reason="bigger")
        assert "Tao" in trial.world.told()


def notice(**more: Any) -> dict[str, Any]:
    return {"audience": "customers", "due": "30m", "text": text("We are sorry."), **more}


async def test_a_notice_is_drafted_approved_and_published(begin: Begin) -> None:
    params = notice(approve_by=["general_manager"])
    async with begin([step("tell", "notice", with_=params), task("next", needs=["tell"])]) as trial:
        (drafted,) = await trial.items("announcements")
        assert (drafted["state"], drafted["text"]["en"]) == ("drafted", "We are sorry.")
        await trial.choose("approve")
        (published,) = await trial.items("announcements")
        assert (published["state"], published["approved_by"]) == ("published", "leadership")
        assert await trial.states() == {"tell": "done", "next": "waiting"}
        kinds = await trial.kinds()
        assert kinds.index("announcement.drafted") < kinds.index("announcement.published")


async def test_a_rejected_notice_is_not_published_and_another_draft_can_be_made(begin: Begin) -> None:
    async with begin([step("tell", "notice", with_=notice(approve_by=["general_manager"]))]) as trial:
        await trial.choose("reject")
        assert [one["state"] for one in await trial.items("announcements")] == ["rejected"]
        assert (await trial.states())["tell"] == "asking"
        await trial.world.advance(seconds=1)
        await trial.choose("retry")
        await trial.choose("approve")
        states = sorted(one["state"] for one in await trial.items("announcements"))
        assert states == ["published", "rejected"]


async def test_a_notice_that_needs_nobody_is_published_at_once(begin: Begin) -> None:
    async with begin([step("tell", "notice", with_=notice())]) as trial:
        (published,) = await trial.items("announcements")
        assert (published["state"], published["approved_by"]) == ("published", None)


async def test_a_notice_that_waited_for_an_approval_names_who_gave_it(begin: Begin) -> None:
    yes = {"by": ["general_manager"], "due": "10m", "text": text("Draft: “We are sorry.” Publish it?")}
    steps = [
        task("mend"),
        step("ask", "approval", with_=yes),
        step("tell", "notice", needs=["mend", "ask"], with_=notice()),
    ]
    async with begin(steps) as trial:
        await trial.do("mend", "complete")
        assert await trial.items("announcements") == []
        await trial.choose("approve")
        (published,) = await trial.items("announcements")
        assert (published["state"], published["approved_by"]) == ("published", "leadership")


async def test_a_command_post_is_formed_anew_from_the_template_named(begin: Begin) -> None:
    async with begin(
        [wait("go"), step("form", "command_post", needs=["go"], with_={"template": "standard"})]
    ) as trial:
        assert (await trial.read())["command_post"]["template"] == "departmental"
        await trial.fact(go=True)
        formed = (await trial.read())["command_post"]
        assert formed["template"] == "standard"
        commander = next(one for one in formed["members"] if one["role"] == "commander")
        assert commander["name"] == "Ada"
        assert "logistics_lead" not in (await trial.step("form"))["result"]["vacant"]
        assert (await trial.step("form"))["result"]["template"] == "standard"


async def test_the_command_post_of_the_level_is_formed_where_no_template_is_named(begin: Begin) -> None:
    async with begin([step("form", "command_post")]) as trial:
        assert (await trial.step("form"))["result"]["template"] == "departmental"
