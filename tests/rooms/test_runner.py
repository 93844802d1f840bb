"""The run of a playbook: order, failure, change of level, end. What each kind of step does is in `test_step_kinds.py`."""

from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from app.breaker import FAILURES
from app.engine import Engine
from app.errors import Refused
from app.outbox import OutboxMessage
from app.playbooks import external, kinds
from app.playbooks.kinds import Done, Outcome, Turn
from app.wording import say
from tests.receiver import Receiver, hang_up, status
from tests.rooms.trial import Begin, begin, step, task, text, wait
from tests.world import World

__all__ = ["begin"]


async def test_steps_start_together_unless_they_need_each_other(begin: Begin) -> None:
    steps = [task("one"), task("two"), task("both", needs=["one", "two"]), task("after_one", needs=["one"])]
    async with begin(steps) as trial:
        assert await trial.states() == {
            "one": "waiting", "two": "waiting", "both": "pending", "after_one": "pending",
        }  # fmt: skip
        await trial.do("one")
        assert (await trial.states())["after_one"] == "waiting"
        assert (await trial.states())["both"] == "pending"
        await trial.do("two")
        assert (await trial.states())["both"] == "waiting"
        assert (await trial.run())["state"] == "running"
        await trial.do("both")
        await trial.do("after_one")
        assert (await trial.run())["state"] == "done"
        assert (await trial.kinds())[-1] == "run.done"


async def test_a_need_that_is_not_part_of_the_run_at_this_level_counts_as_ended(begin: Begin) -> None:
    async with begin([task("graver", levels=[1, 2]), task("after", needs=["graver"])]) as trial:
        assert await trial.states() == {"after": "waiting"}


@pytest.mark.parametrize(
    ("facts", "state"), [({}, "skipped"), ({"big": False}, "skipped"), ({"big": True}, "waiting")]
)
async def test_a_step_runs_only_if_its_condition_is_known_to_hold_when_its_turn_comes(
    begin: Begin, facts: dict[str, Any], state: str
) -> None:
    async with begin([task("first"), task("then", needs=["first"], if_="facts.big")]) as trial:
        if facts:
            await trial.fact(**facts)
        await trial.do("first")
        then = await trial.step("then")
        assert then["state"] == state
        if state == "skipped":
            assert "facts.big" in then["reason"]
            assert "step.skipped" in await trial.kinds()
            assert (await trial.run())["state"] == "done"


async def test_later_steps_see_state_and_result_of_earlier_ones(begin: Begin) -> None:
    steps = [
        task("first"),
        task("told", needs=["first"], if_='steps.first.state == "done" and steps.first.result.state == "waived"'),
    ]  # fmt: skip
    async with begin(steps) as trial:
        await trial.do("first", "waive", note="not needed")
        assert await trial.states() == {"first": "done", "told": "waiting"}


async def test_a_time_limit_that_passes_fails_the_step_and_takes_back_what_it_asked(begin: Begin) -> None:
    steps = [task("slow", timeout="10m", on_failure="continue"), task("next", needs=["slow"])]
    async with begin(steps) as trial:
        await trial.world.advance(minutes=9, seconds=59)
        assert (await trial.states())["slow"] == "waiting"
        await trial.world.advance(seconds=1)
        slow = await trial.step("slow")
        assert (slow["state"], slow["reason"]) == ("failed", "Its time limit passed.")
        assert sorted(one["state"] for one in await trial.items("tasks")) == ["open", "withdrawn"]
        assert (await trial.states())["next"] == "waiting"


async def test_a_time_limit_counts_from_the_start_of_the_step(begin: Begin) -> None:
    async with begin([task("first"), task("then", needs=["first"], timeout="10m")]) as trial:
        await trial.world.advance(minutes=20)
        await trial.do("first")
        await trial.world.advance(minutes=9)
        assert (await trial.states())["then"] == "waiting"
        await trial.do("then")
        await trial.world.advance(minutes=5)
        assert (await trial.states())["then"] == "done"


async def test_a_failed_step_asks_the_commander_and_can_be_tried_again(begin: Begin) -> None:
    async with begin([task("hard", timeout="10m"), task("next", needs=["hard"])]) as trial:
        await trial.do("hard", "decline", note="no access")
        hard = await trial.step("hard")
        assert hard["state"] == "asking"
        assert "no access" in hard["reason"]
        (question,) = await trial.asked()
        assert (question["kind"], question["options"]) == ("failure", ["retry", "skip", "stop"])
        assert question["positions"] == ["customer_service_head"], "the commander of a departmental group"
        assert "hard" in question["question"]["en"]
        await trial.choose("retry")
        assert await trial.states() == {"hard": "waiting", "next": "pending"}
        assert sorted(one["state"] for one in await trial.items("tasks")) == ["open", "withdrawn"]
        # The time limit counts anew.
        await trial.world.advance(minutes=10)
        assert (await trial.states())["hard"] == "asking"


async def test_the_commander_can_skip_a_failed_step(begin: Begin) -> None:
    async with begin([task("hard"), task("next", needs=["hard"])]) as trial:
        await trial.do("hard", "decline", note="no access")
        await trial.choose("skip")
        assert await trial.states() == {"hard": "skipped", "next": "waiting"}
        assert (await trial.step("hard"))["reason"] == "Skipped by leadership."
        # Nothing of it stands in the way of closing.
        assert sorted(one["state"] for one in await trial.items("tasks")) == ["open", "withdrawn"]


async def test_the_commander_can_stop_the_run(begin: Begin) -> None:
    async with begin([task("hard"), task("beside"), task("next", needs=["hard"])]) as trial:
        await trial.do("hard", "decline", note="no access")
        trial.world.told()
        await trial.choose("stop")
        assert await trial.states() == {"hard": "failed", "beside": "withdrawn", "next": "withdrawn"}
        assert (await trial.run())["state"] == "stopped"
        assert {one["state"] for one in await trial.items("tasks")} == {"withdrawn"}
        assert trial.world.told() == ["Ben"], "the commander hears that the run stands still"


async def test_a_declined_task_that_somebody_does_after_all_answers_the_question(begin: Begin) -> None:
    async with begin([task("hard"), task("next", needs=["hard"])]) as trial:
        await trial.do("hard", "decline", note="no access")
        await trial.do("hard", "complete", note="found the key")
        assert await trial.states() == {"hard": "done", "next": "waiting"}
        assert (await trial.step("hard"))["reason"] is None
        assert await trial.asked() == []


async def test_on_failure_continue_goes_on_as_if_it_were_done(begin: Begin) -> None:
    steps = [
        task("hard", on_failure="continue"),
        task("next", needs=["hard"], if_='steps.hard.state == "failed"'),
    ]
    async with begin(steps) as trial:
        await trial.do("hard", "decline", note="no access")
        assert await trial.states() == {"hard": "failed", "next": "waiting"}
        assert await trial.asked() == []


async def test_on_failure_stop_ends_the_run(begin: Begin) -> None:
    async with begin([task("hard", on_failure="stop"), task("beside")]) as trial:
        await trial.do("hard", "decline", note="no access")
        assert await trial.states() == {"hard": "failed", "beside": "withdrawn"}
        assert (await trial.run())["state"] == "stopped"


class Refusing:
    """A kind of step that changes something and is then refused."""

    kind = "command_post"

    async def start(self, turn: Turn, step: Any) -> Outcome:
        turn.incident.title = "changed by a step that failed"
        await turn.session.flush()
        raise Refused(say("playbooks.no_run"))


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of the kind `command_post` cannot start."""
    monkeypatch.setitem(kinds.KINDS, "command_post", Refusing())


async def test_a_step_that_cannot_start_fails_alone_and_leaves_nothing_behind(
    begin: Begin, refusing: None
) -> None:
    steps = [task("before"), step("impossible", "command_post", on_failure="continue"), task("beside")]
    async with begin(steps) as trial:
        assert await trial.states() == {"before": "waiting", "impossible": "failed", "beside": "waiting"}
        assert (await trial.read())["title"] == "Trial"
        assert "step.failed" in await trial.kinds()


class Unstorable:
    """A kind of step whose result no column takes, or whose rows the database itself refuses."""

    kind = "command_post"

    def __init__(self, result: dict[str, Any] | None) -> None:
        self.result = result

    async def start(self, turn: Turn, step: Any) -> Outcome:
        turn.incident.title = "changed by a step that failed"
        if self.result is None:
            raise ValueError(self.kind)
        return Done(self.result)


@pytest.mark.parametrize(("result", "kind"), [({"at": object()}, "StatementError"), (None, "ValueError")])
async def test_a_step_whose_result_cannot_be_stored_fails_alone(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, result: dict[str, Any] | None, kind: str
) -> None:
    monkeypatch.setitem(kinds.KINDS, "command_post", Unstorable(result))
    steps = [task("before"), step("impossible", "command_post", on_failure="continue"), task("beside")]
    async with begin(steps) as trial:
        assert await trial.states() == {"before": "waiting", "impossible": "failed", "beside": "waiting"}
        assert kind in (await trial.step("impossible"))["reason"]
        assert (await trial.read())["title"] == "Trial"


class Colliding:
    """A kind of step that the database has end first, as of two transactions that wait for each other."""

    kind = "command_post"

    def __init__(self) -> None:
        self.turns = 0

    async def start(self, turn: Turn, step: Any) -> Outcome:
        self.turns += 1
        if self.turns == 1:
            raise OperationalError("UPDATE", {}, Exception("deadlock"))
        return Done()


async def test_a_collision_in_the_database_is_no_failure_of_the_step(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(kinds.KINDS, "command_post", Colliding())
    async with begin([step("hindered", "command_post")]) as trial:
        async with trial.world.parts.db.transaction() as session:
            tried = list(await session.scalars(select(OutboxMessage).where(OutboxMessage.attempts > 0)))
            assert [one.topic for one in tried] == ["incident.activated"]
        await trial.world.advance(minutes=1)
        assert await trial.states() == {"hindered": "done"}
        async with trial.world.parts.db.transaction() as session:
            await session.execute(update(OutboxMessage).values(attempts=0))


async def test_a_step_that_stops_the_run_as_it_starts_lets_no_other_begin(
    begin: Begin, refusing: None
) -> None:
    steps = [
        task("first"),
        step("impossible", "command_post", needs=["first"], on_failure="stop"),
        task("beside", needs=["first"]),
    ]
    async with begin(steps) as trial:
        await trial.do("first")
        assert await trial.states() == {"first": "done", "impossible": "failed", "beside": "withdrawn"}
        assert [one["state"] for one in await trial.items("tasks")] == ["done"], "none was given by the way"


# ── a change of level ─────────────────────────────────────────────────────────────────────────────────────


def graded(name: str, *levels: int, **more: Any) -> dict[str, Any]:
    return task(name, levels=list(levels), **more)


RESERVE = {
    "ask": [{"pool": "front_line_team", "quantity": 2}],
    "hold": "8h",
    "when_short": "customer_service_head",
}
NOTICE = {"audience": "customers", "approve_by": ["general_manager"], "due": "30m", "text": text()}
APPROVAL = {"by": ["general_manager"], "due": "30m", "text": text()}


async def test_a_graver_level_starts_what_it_requires_and_keeps_what_is_done(begin: Begin) -> None:
    async with begin([graded("always", 1, 2, 3), graded("grave", 1, 2), graded("light", 3, 4)]) as trial:
        await trial.do("always")
        await trial.apply("relevel", level=2, reason="it spreads")
        assert await trial.states() == {"always": "done", "grave": "waiting", "light": "withdrawn"}
        assert (await trial.run())["level"] == 2
        assert (await trial.step("light"))["reason"] == "Level 2 does not ask for it."


async def test_a_level_that_no_longer_asks_withdraws_tasks_questions_drafts_and_reservations(
    begin: Begin,
) -> None:
    steps = [
        graded("task", 2), step("notice", "notice", levels=[2], with_=NOTICE),
        step("approval", "approval", levels=[2], with_=APPROVAL), step("reserve", "reserve", levels=[2], with_=RESERVE),
        wait("never"),
    ]  # fmt: skip
    async with begin(steps, level=2) as trial:
        assert len(await trial.items("reservations")) == 2
        await trial.apply("relevel", level=3, reason="smaller than it looked")
        assert set((await trial.states()).values()) == {"withdrawn", "waiting"}
        assert [one["state"] for one in await trial.items("tasks")] == ["withdrawn"]
        assert {one["state"] for one in await trial.items("decisions")} == {"withdrawn"}
        assert [one["state"] for one in await trial.items("announcements")] == ["withdrawn"]
        assert await trial.items("reservations") == []

        # And back again: everything is asked for anew.
        await trial.apply("relevel", level=2, reason="it was not")
        states = await trial.states()
        assert states == {
            "task": "waiting", "notice": "waiting", "approval": "waiting", "reserve": "done", "never": "waiting",
        }  # fmt: skip
        assert len(await trial.items("reservations")) == 2, "what was given back is taken again"
        assert len(await trial.asked()) == 2
        await trial.do("task")
        assert (await trial.states())["task"] == "done"


async def test_a_skipped_step_stays_a_decision_until_its_level_comes_back(begin: Begin) -> None:
    async with begin([graded("maybe", 2, if_="facts.big"), wait("never")], level=2) as trial:
        await trial.apply("relevel", level=3, reason="smaller")
        await trial.fact(big=True)
        await trial.apply("relevel", level=2, reason="big after all")
        assert (await trial.states())["maybe"] == "waiting", "asked again when its turn comes again"


async def test_a_graver_level_goes_on_after_the_run_of_a_lighter_one_was_done(begin: Begin) -> None:
    async with begin([graded("light", 3, 4), graded("grave", 1, 2)]) as trial:
        await trial.do("light")
        assert (await trial.run())["state"] == "done"
        await trial.apply("relevel", level=1, reason="it came back, and worse")
        assert (await trial.run())["state"] == "running"
        assert (await trial.states())["grave"] == "waiting"
        await trial.do("grave")
        assert (await trial.run())["state"] == "done"


async def test_a_change_of_level_that_asks_for_nothing_new_leaves_a_finished_run_finished(
    begin: Begin,
) -> None:
    async with begin([graded("both", 3, 4)]) as trial:
        await trial.do("both")
        await trial.apply("relevel", level=4, reason="small")
        assert (await trial.run())["state"] == "done"
        assert (await trial.kinds()).count("run.done") == 1


# ── the end of the incident ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("end", ["close", "cancel"])
async def test_an_incident_that_ends_leaves_nothing_running_held_or_asked(begin: Begin, end: str) -> None:
    steps = [
        task("task", timeout="1h"), step("notice", "notice", with_=NOTICE), step("approval", "approval", with_=APPROVAL),
        step("reserve", "reserve", with_=RESERVE), wait("never"), step("pause", "wait", with_={"for": "2h"}),
        task("later", needs=["never"]),
    ]  # fmt: skip
    async with begin(steps) as trial:
        await trial.apply("respond")
        waive = {"waive": ["tasks_done", "updates_paid", "approvals_decided"]} if end == "close" else {}
        await trial.apply(end, reason="enough", **waive)
        assert set((await trial.states()).values()) == {"withdrawn", "done"}
        assert (await trial.run())["state"] == "withdrawn"
        assert {one["state"] for one in await trial.items("tasks")} == {"withdrawn"}
        assert await trial.asked() == []
        assert [one["state"] for one in await trial.items("announcements")] == ["withdrawn"]
        assert await trial.items("reservations") == []
        before = await trial.kinds()
        trial.world.told()
        await trial.world.advance(hours=4)
        assert trial.world.told() == []
        assert await trial.kinds() == before


async def test_a_reopened_incident_runs_its_plan_anew(begin: Begin) -> None:
    async with begin([task("again")]) as trial:
        await trial.do("again")
        first = (await trial.run())["id"]
        await trial.apply("respond")
        await trial.apply("close")
        await trial.apply("reopen", reason="it is back")
        assert (await trial.run())["id"] != first
        assert await trial.states() == {"again": "waiting"}


# ── calls to other systems ────────────────────────────────────────────────────────────────────────────────


def call(name: str, url: str, **more: Any) -> dict[str, Any]:
    return step(name, "http", with_={"url": url, "body": {"number": "{{ incident.number }}"}}, **more)


async def test_a_call_that_may_yet_succeed_is_repeated_with_growing_waits_and_one_key(begin: Begin) -> None:
    async with Receiver() as receiver:
        receiver.answers.extend([status(503), hang_up, status(200, b'{"ok": true}')])
        steps = [
            call("switch", receiver.url(), retry={"attempts": 3, "wait": "10s"}),
            task("next", needs=["switch"]),
        ]
        async with begin(steps) as trial:
            assert len(receiver.received) == 1
            assert (await trial.states())["switch"] == "queued"
            await trial.world.advance(seconds=9)
            assert len(receiver.received) == 1
            await trial.world.advance(seconds=3)  # up to a fifth later, by chance
            assert len(receiver.received) == 2
            await trial.world.advance(seconds=16)
            assert len(receiver.received) == 2
            await trial.world.advance(seconds=8)
            switch = await trial.step("switch")
            assert (switch["state"], switch["attempts"]) == ("done", 3)
            assert switch["result"] == {"status": 200, "body": {"ok": True}}
            assert {one.headers["idempotency-key"] for one in receiver.received} == {switch["id"]}
            assert {one.body for one in receiver.received} == {receiver.received[0].body}
            assert (await trial.states())["next"] == "waiting"
            assert (await trial.kinds()).count("step.retried") == 2


async def test_the_other_side_may_ask_for_patience(begin: Begin) -> None:
    async with Receiver() as receiver:
        receiver.answers.extend([status(429, retry_after="60"), status(200)])
        async with begin([call("switch", receiver.url(), retry={"attempts": 2, "wait": "1s"})]) as trial:
            await trial.world.advance(seconds=59)
            assert len(receiver.received) == 1
            await trial.world.advance(seconds=14)
            assert len(receiver.received) == 2


async def test_a_destination_that_is_left_alone_costs_a_step_no_attempt(begin: Begin) -> None:
    async with (
        Receiver() as receiver,
        begin([wait("go"), call("switch", receiver.url(), needs=["go"])]) as trial,
    ):
        world = trial.world
        outgoing = world.engine.reach.outgoing
        destination = receiver.url().split("/")[2]
        for _ in range(FAILURES):
            outgoing.breakers.failed(destination, at=world.clock.now())
        await world.call("PATCH", f"/incidents/{trial.name}/facts", {"go": True})
        await world.settle()
        assert receiver.received == []
        assert (await trial.states())["switch"] == "queued"
        assert "step.retried" in await trial.kinds()
        await world.advance(seconds=20)
        assert (await trial.states())["switch"] == "done"


async def test_a_call_that_fails_for_good_asks_the_commander_who_can_have_it_tried_again(
    begin: Begin,
) -> None:
    async with Receiver() as receiver:
        receiver.answers.extend([status(503), status(503), status(200)])
        async with begin([call("switch", receiver.url(), retry={"attempts": 2, "wait": "10s"})]) as trial:
            await trial.world.advance(seconds=12)
            switch = await trial.step("switch")
            assert (switch["state"], switch["reason"]) == ("asking", "The other system answered 503.")
            await trial.choose("retry")
            assert (await trial.states())["switch"] == "done"
            assert len({one.headers["idempotency-key"] for one in receiver.received}) == 1


async def test_a_refusal_of_the_other_side_is_not_repeated(begin: Begin) -> None:
    async with Receiver() as receiver:
        receiver.always = status(404)
        async with begin([call("switch", receiver.url(), retry={"attempts": 3, "wait": "10s"})]) as trial:
            assert (await trial.states())["switch"] == "asking"
            await trial.world.advance(minutes=1)
            assert len(receiver.received) == 1


async def test_a_drill_never_calls_out_and_says_in_every_message_what_it_is(begin: Begin) -> None:
    async with Receiver() as receiver:
        tell = {"tell": ["it_engineer"], "text": text("words")}
        steps = [
            call("switch", receiver.url(), retry={"attempts": 3, "wait": "10s"}), step("tell", "notify", with_=tell),
            task("task", needs=["switch"]),
        ]  # fmt: skip
        async with begin(steps, exercise=True) as trial:
            await trial.world.advance(hours=1)
            assert receiver.received == [], "nothing left the house"
            switch = await trial.step("switch")
            assert (switch["state"], switch["result"]["exercise"]) == ("done", True)
            assert (await trial.states())["task"] == "waiting"
            sent = [one.message for channel in trial.world.channels.values() for one in channel.sent]
            assert sent
            assert [one for one in sent if not ("DRILL" in one.subject and "DRILL" in one.text)] == []


async def test_the_same_steps_of_a_real_incident_do_call_and_carry_no_mark(begin: Begin) -> None:
    async with Receiver() as receiver:
        tell = {"tell": ["it_engineer"], "text": text("words")}
        async with begin([call("switch", receiver.url()), step("tell", "notify", with_=tell)]) as trial:
            assert len(receiver.received) == 1
            assert trial.world.channels["mail"].sent
            assert not any("DRILL" in one.message.subject for one in trial.world.channels["mail"].sent)


async def test_a_call_that_timed_out_meanwhile_is_not_believed(begin: Begin) -> None:
    async with Receiver() as receiver:
        receiver.always = status(503)
        steps = [
            call(
                "switch",
                receiver.url(),
                timeout="5s",
                retry={"attempts": 9, "wait": "10s"},
                on_failure="continue",
            )
        ]
        async with begin(steps) as trial:
            await trial.world.advance(minutes=5)
            assert (await trial.states())["switch"] == "failed"
            assert len(receiver.received) == 1


# ── a process that dies ───────────────────────────────────────────────────────────────────────────────────


def another_engine(world: World) -> Engine:
    """As after a restart: nothing is left but the database."""
    return Engine(world.parts, world.engine.reach)


async def test_a_new_engine_goes_on_where_the_old_one_was(begin: Begin) -> None:
    async with begin(
        [task("first"), task("then", needs=["first"], timeout="10m"), wait("end", needs=["then"])]
    ) as trial:
        trial.world.engine = another_engine(trial.world)
        await trial.do("first")
        assert await trial.states() == {"first": "done", "then": "waiting", "end": "pending"}
        trial.world.engine = another_engine(trial.world)
        await trial.world.advance(minutes=10)
        assert (await trial.states())["then"] == "asking", "the timer outlived the engine that armed it"


async def claimed(world: World) -> external.Claimed:
    """Take the one call there is to make, as an engine does, and no more."""
    async with world.parts.db.transaction() as session:
        (taken,) = await external.claim(
            session, at=world.clock.now(), lease=world.parts.settings.lease, limit=9
        )
    return taken


async def note(world: World, taken: external.Claimed, answer: external.Answer) -> bool:
    async with world.parts.db.transaction() as session:
        return await external.note(session, taken, answer, at=world.clock.now())


async def test_a_call_an_engine_died_over_is_made_again_under_the_same_key(begin: Begin) -> None:
    async with (
        Receiver() as receiver,
        begin([wait("go"), call("switch", receiver.url(), needs=["go"])]) as trial,
    ):
        world = trial.world
        # The first engine follows up, takes the call, makes it, and dies before it can write down the answer.
        await world.call("PATCH", f"/incidents/{trial.name}/facts", {"go": True})
        while await world.engine.follow():
            pass
        taken = await claimed(world)
        outgoing, settings = world.engine.reach.outgoing, world.parts.settings
        late = await external.call(taken, outgoing, {}, deadline=settings.request_deadline)
        assert late.result is not None
        world.engine = another_engine(world)
        await world.advance(seconds=7)
        assert len(receiver.received) == 1, "its lease still runs"
        assert (await trial.states())["switch"] == "doing"
        receiver.always = status(200, b'{"second": true}')
        await world.advance(seconds=1)
        first, second = receiver.received
        assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
        assert (await trial.step("switch"))["result"]["body"] == {"second": True}
        # What the dead one had heard comes too late, and changes nothing.
        before = await trial.kinds()
        assert await note(world, taken, late) is False
        assert (await trial.step("switch"))["result"]["body"] == {"second": True}
        assert await trial.kinds() == before


async def test_of_two_holders_of_one_call_only_the_last_may_write(begin: Begin) -> None:
    async with begin([wait("go"), call("switch", "http://127.0.0.1:9/never", needs=["go"])]) as trial:
        world = trial.world
        await world.call("PATCH", f"/incidents/{trial.name}/facts", {"go": True})
        while await world.engine.follow():
            pass
        first = await claimed(world)
        world.clock.advance(world.parts.settings.lease)
        second = await claimed(world)
        assert (first.attempt, second.attempt) == (1, 2)
        assert await note(world, first, external.Answer({"from": "first"})) is False
        assert (await trial.states())["switch"] == "doing"
        assert await note(world, second, external.Answer({"from": "second"})) is True
        assert (await trial.step("switch"))["result"] == {"from": "second"}


async def test_a_call_under_way_when_the_level_changes_is_not_believed_afterwards(begin: Begin) -> None:
    steps = [wait("go"), call("switch", "http://127.0.0.1:9/never", needs=["go"], levels=[2])]
    async with begin(steps, level=2) as trial:
        world = trial.world
        await world.call("PATCH", f"/incidents/{trial.name}/facts", {"go": True})
        while await world.engine.follow():
            pass
        taken = await claimed(world)
        await trial.apply("relevel", level=3, reason="smaller")
        assert await note(world, taken, external.Answer({"status": 200})) is False
        assert (await trial.states())["switch"] == "withdrawn"


async def test_a_task_nobody_does_in_time_is_given_again_before_the_commander_is_asked(begin: Begin) -> None:
    again = task("repair", timeout="10m", retry={"attempts": 2, "wait": "5m"})
    async with begin([again]) as trial:
        await trial.world.advance(minutes=10)
        assert (await trial.steps())["repair"]["state"] == "waiting"
        await trial.world.advance(minutes=5)
        given = (await trial.world.get(f"/incidents/{trial.name}/tasks"))["items"]
        assert [one["state"] for one in given] == ["withdrawn", "open"]
        await trial.world.advance(minutes=10)
        assert (await trial.steps())["repair"]["state"] == "asking"


async def test_a_persons_no_is_not_asked_again(begin: Begin) -> None:
    with_ = {"by": ["duty_lead"], "due": "10m", "text": text("Publish?")}
    async with begin([step("agree", "approval", with_=with_, retry={"attempts": 3, "wait": "1m"})]) as trial:
        await trial.choose("reject")
        assert (await trial.steps())["agree"]["state"] == "asking"
