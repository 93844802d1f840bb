"""What signals do to incidents, on both databases: once, again, twice, overtaken, merged, in storms, and their end."""

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database
from app.ids import new_id
from app.incidents import acknowledging, facts, raising, record, timeline, transitions, updates
from app.incidents.lifecycle import Event
from app.incidents.raising import Alarm
from app.incidents.tables import Incident, State
from app.incidents.transitions import Command
from app.intake.signals import Signal, SignalState, packed, unpacked
from app.intake.tables import Outcome
from app.levels import matrix
from app.levels.document import GradingRule, Storm
from app.resources.tables import Reservation, ReservationState
from app.vocabulary import Layer
from tests.rooms.monitoring import LEVELS, MOST, T1, T2, T3, World, acked, problem, recovered, remark


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    db = Database(database_url)
    made = World(db)
    await made.prepare()
    yield made
    await db.dispose()


async def do(world: World, event: Event, **more: object) -> None:
    async with world.db.transaction() as session:
        incident = await world.locked(session)
        command = Command(event=event, **more)  # type: ignore[arg-type]
        await transitions.carry_out(
            session, incident, command, actor="Ada", layer=Layer.LEADERSHIP, at=world.clock.now()
        )


async def acknowledge(world: World) -> None:
    async with world.db.transaction() as session:
        incident = await world.locked(session)
        acknowledging.acknowledge(session, incident, by="Ada", at=world.clock.now(), via="api")


# ── a problem ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_problem_raises_an_incident_with_what_the_sender_knows(world: World) -> None:
    signal = problem(
        type_hint="system_outage",
        labels={"site": "hz"},
        annotations={"runbook": "7"},
        facts={"callers": 412},
        links=("https://mon/1",),
        text="412 callers waiting",
        level_hint=3,
    )
    assert await world.tell(signal) == [Outcome.RAISED]
    incident = await world.incident()
    assert (incident.title, incident.type, incident.description) == (
        "Queue long",
        "system_outage",
        "412 callers waiting",
    )
    assert (incident.dedup_key, incident.source, incident.raised_by) == ("prom:q", "prom", "source:prom")
    assert incident.facts == {
        "site": "hz",
        "callers": 412,
        "annotations": {"runbook": "7"},
        "links": ["https://mon/1"],
    }
    assert incident.level == 3
    assert await world.topics() == ["incident.detected"]


async def test_a_label_may_decide_the_level(world: World) -> None:
    await world.tell(problem(type_hint="system_outage", labels={"severity": "critical"}, level_hint=4))
    assert (await world.incident()).level == 1


async def test_an_unknown_type_is_still_raised_and_what_was_said_is_kept(world: World) -> None:
    assert await world.tell(problem(type_hint="volcano")) == [Outcome.RAISED]
    incident = await world.incident()
    assert (incident.type, incident.type_said) == ("other", "volcano")


async def test_a_source_that_names_no_type_has_a_default(world: World) -> None:
    await world.enrol("net", "generic", default_type="network_outage")
    await world.tell(problem(), slug="net")
    assert (await world.incident()).type == "network_outage"


async def test_a_start_in_the_future_is_not_believed(world: World) -> None:
    await world.tell(problem(started_at=world.clock.now().replace(year=2030)))
    assert (await world.incident()).occurred_at == world.clock.now()


async def test_the_same_key_of_another_source_is_another_problem(world: World) -> None:
    await world.enrol("other", "generic")
    await world.tell(problem())
    assert await world.tell(problem(), slug="other") == [Outcome.RAISED]
    assert len(await world.incidents()) == 2


async def test_the_longest_key_fits(world: World) -> None:
    slug = "s" * 63
    await world.enrol(slug, "generic")
    assert await world.tell(problem("k" * 500, "o" * 500), slug=slug) == [Outcome.RAISED]
    assert await world.tell(problem("k" * 500, "o" * 500), slug=slug) == [Outcome.REPEATED]


async def test_what_a_person_has_raised_under_that_key_is_joined(world: World) -> None:
    async with world.db.transaction() as session:
        alarm = Alarm(title="The phones are dead", dedup_key="prom:q")
        await raising.raise_incident(session, alarm, actor="Ada", at=world.clock.now())
    assert await world.tell(problem(facts={"callers": 3})) == [Outcome.JOINED]
    incident = await world.incident()
    assert incident.facts == {"callers": 3}
    assert "signal.joined" in await world.kinds(incident)
    assert await world.tell(recovered()) == [Outcome.RECOVERED]
    assert (await world.incident()).state == State.DETECTED


# ── again ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_two_peers_saying_the_same_are_one_incident(world: World) -> None:
    first, second = await world.receive(problem()), await world.receive(problem())
    await world.judge_all()
    assert await world.outcomes(first) + await world.outcomes(second) == [Outcome.RAISED, Outcome.REPEATED]
    assert (await world.problem()).count == 2
    assert (await world.incident()).occurrence == 1


async def test_a_storm_of_one_key_is_one_incident_and_a_count(world: World) -> None:
    receipt = await world.receive(*[problem() for _ in range(120)])
    await world.judge_all()
    assert (await world.outcomes(receipt)).count(Outcome.REPEATED) == 119
    incident = await world.incident()
    assert (await world.problem()).count == 120
    lines = [
        entry.data["count"] for entry in await world.entries(incident) if entry.kind == "signal.repeated"
    ]
    assert lines == [2, 3, 10, 100]
    assert await world.topics() == ["incident.detected"]


async def test_a_storm_with_moving_figures_changes_the_facts_once_a_minute(world: World) -> None:
    for callers in range(20):
        await world.tell(problem(facts={"callers": callers}))
        world.later(seconds=10)
    kinds = await world.kinds(await world.incident())
    assert kinds.count("facts.changed") == 3
    assert (await world.incident()).facts["callers"] == 18


async def test_a_figure_that_changes_the_level_is_not_kept_waiting(world: World) -> None:
    await world.tell(problem(type_hint="system_outage", facts={"customers_affected": 9}))
    await world.tell(problem(facts={"customers_affected": 10}))
    assert (await world.incident()).level == 2
    await world.tell(problem(facts={"customers_affected": 20_000}))
    assert (await world.incident()).level == 1


async def test_a_hint_that_becomes_graver_raises_a_provisional_level_as_a_rule_would(world: World) -> None:
    await world.tell(problem(level_hint=3))
    await acknowledge(world)
    assert await world.tell(problem(level_hint=2)) == [Outcome.REPEATED]
    incident = await world.incident()
    assert (incident.level, incident.provisional, incident.acknowledged_at) == (2, True, None)
    assert (await world.topics())[-1] == "incident.releveled", "the chain is told as of any other raise"
    assert incident.level_reason["key"] == "levels.by_hint"
    for lighter in (3, 2, None, 4):
        await world.tell(problem(level_hint=lighter))
    await world.tell(problem(occurrence=T2, level_hint=1))
    assert (await world.incident()).level == 1
    assert (await world.kinds(await world.incident())).count("incident.releveled") == 2


async def test_what_a_person_said_of_the_level_is_not_overruled_by_a_repeat(world: World) -> None:
    await world.tell(problem(level_hint=2))
    await do(world, Event.RELEVEL, level=4, reason="one phone")
    await world.tell(problem(level_hint=2))
    assert (await world.incident()).level == 4, "the same again is no news"
    await do(world, Event.ASSESS, level=4, reason="one phone")
    await world.tell(problem(level_hint=1))
    incident = await world.incident()
    assert (incident.level, incident.level_suggested) == (4, 1), (
        "it did become worse: whoever decides hears of it"
    )


async def test_rules_over_facts_go_before_a_graver_hint(world: World) -> None:
    await world.tell(
        problem(
            type_hint="system_outage", facts={"service_share": 0.01, "customers_affected": 10}, level_hint=3
        )
    )
    await world.tell(problem(level_hint=1))
    assert (await world.incident()).level == 3, "the plan says what a thing like this is"


async def test_one_of_a_storm_that_becomes_graver_makes_it_graver(world: World) -> None:
    await world.tell(*[problem(f"host-{number}", level_hint=3) for number in range(MOST + 3)])
    await world.tell(problem(f"host-{MOST + 1}", level_hint=2))
    assert (await held(world))[0][0] == 2


async def test_a_later_start_while_it_is_open_pages_again(world: World) -> None:
    await world.tell(problem(occurrence=T1))
    await acknowledge(world)
    assert await world.tell(problem(occurrence=T2)) == [Outcome.RECURRED]
    incident = await world.incident()
    assert (incident.occurrence, incident.acknowledged_at) == (2, None)
    assert (await world.topics())[-1] == "incident.recurred"
    assert "signal.recurred" in await world.kinds(incident)
    assert await world.tell(problem(occurrence=T2)) == [Outcome.REPEATED]
    assert (await world.incident()).occurrence == 2


async def test_an_earlier_start_that_comes_late_changes_nothing(world: World) -> None:
    await world.tell(problem(occurrence=T2))
    assert (
        await world.tell(problem(occurrence=T1), recovered(occurrence=T1), acked(occurrence=T1))
        == [Outcome.LATE] * 3
    )
    incident = await world.incident()
    assert (incident.occurrence, incident.state, incident.acknowledged_at) == (1, State.DETECTED, None)


async def test_starts_are_compared_as_moments_and_not_as_words(world: World) -> None:
    await world.tell(problem(occurrence="2026-11-22T10:00:00+00:00"))
    assert await world.tell(problem(occurrence="2026-11-22T18:00:00+08:00")) == [Outcome.REPEATED]
    assert await world.tell(problem(occurrence="2026-11-22T11:00:00+09:00")) == [Outcome.LATE]
    await world.tell(problem("n", "999"))
    assert await world.tell(problem("n", "1000")) == [Outcome.RECURRED]


async def test_it_comes_back_after_the_close_as_a_new_incident(world: World) -> None:
    await world.tell(problem(occurrence=T1))
    await do(world, Event.CANCEL, reason="a test of the monitoring")
    assert await world.tell(problem(occurrence=T1)) == [Outcome.SETTLED]
    assert await world.tell(problem(occurrence=T2)) == [Outcome.RAISED]
    assert [incident.state for incident in await world.incidents()] == [State.CANCELLED, State.DETECTED]


async def test_without_occurrences_a_problem_told_after_the_end_is_new(world: World) -> None:
    await world.tell(problem(occurrence=""))
    assert await world.tell(problem(occurrence="")) == [Outcome.REPEATED]
    await do(world, Event.CANCEL, reason="seen to")
    assert await world.tell(problem(occurrence="")) == [Outcome.RAISED]


# ── the end ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_nobody_took_is_cancelled_when_it_recovers(world: World) -> None:
    await world.tell(problem())
    assert await world.tell(recovered()) == [Outcome.CANCELLED]
    incident = await world.incident()
    assert incident.state == State.CANCELLED
    entries = await world.entries(incident)
    assert [entry.kind for entry in entries[-2:]] == ["signal.recovered", "incident.cancelled"]
    assert (entries[-1].actor, timeline.summary(entries[-1], "en")) == (
        "source:prom",
        "Cancelled: Prom reports that it recovered before anybody took it.",
    )
    assert timeline.first_break(entries) is None
    assert (await world.topics())[-2:] == ["signal.recovered", "incident.cancelled"]


async def test_an_acknowledged_incident_stays_open_and_is_told(world: World) -> None:
    await world.tell(problem())
    await acknowledge(world)
    assert await world.tell(recovered()) == [Outcome.RECOVERED]
    assert (await world.incident()).state == State.DETECTED
    assert (await world.topics())[-1] == "signal.recovered"


async def test_who_answered_an_earlier_occurrence_still_holds_it(world: World) -> None:
    await world.tell(problem(occurrence=T1))
    await acknowledge(world)
    await world.tell(problem(occurrence=T2))
    assert await world.tell(recovered(occurrence=T2)) == [Outcome.RECOVERED]


async def test_an_assessed_incident_stays_open(world: World) -> None:
    await world.tell(problem())
    await do(world, Event.ASSESS)
    assert await world.tell(recovered()) == [Outcome.RECOVERED]
    assert (await world.incident()).state == State.ASSESSED


@pytest.mark.parametrize("deed", ["an update", "a fact"])
async def test_what_a_person_wrote_about_stays_open(world: World, deed: str) -> None:
    await world.tell(problem())
    async with world.db.transaction() as session:
        incident, at = await world.locked(session), world.clock.now()
        if deed == "an update":
            await updates.post(session, incident, text={"en": "On it"}, audience="staff", author="Ada", at=at)
        else:
            await facts.merge(session, incident, {"customers_affected": 3}, actor="Ada", at=at)
    assert await world.tell(recovered()) == [Outcome.RECOVERED]


async def test_figures_of_the_source_itself_hold_nothing(world: World) -> None:
    await world.tell(problem(facts={"callers": 1}))
    world.later(minutes=2)
    await world.tell(problem(facts={"callers": 2}))
    assert await world.tell(recovered()) == [Outcome.CANCELLED]


async def test_an_incident_of_merged_problems_ends_with_the_last_of_them(world: World) -> None:
    await world.tell(problem("a"), problem("b"))
    kept, merged = await world.incidents()
    async with world.db.transaction() as session:
        command = Command(event=Event.CANCEL, reason="the same", merge_into=kept.number)
        await transitions.carry_out(session, merged, command, actor="Ada", layer=None, at=world.clock.now())
        await session.merge(merged)
    assert await world.tell(recovered("a")) == [Outcome.RECOVERED]
    entry = (await world.entries(kept))[-1]
    assert (entry.kind, entry.data["still"]) == ("signal.recovered", 1)
    assert await world.tell(recovered("b")) == [Outcome.RECOVERED], "somebody merged it: somebody holds it"
    entry = (await world.entries(kept))[-1]
    assert (entry.data["problem"], entry.data["still"]) == ("b", 0)
    assert await world.tell(problem("b", T2)) == [Outcome.RECURRED]
    assert (await world.incidents())[0].occurrence == 2


async def test_the_end_of_something_unknown_is_taken_and_raises_nothing(world: World) -> None:
    assert await world.tell(recovered()) == [Outcome.UNKNOWN]
    assert await world.incidents() == []
    assert await world.topics() == []


async def test_a_problem_that_its_own_end_overtook_is_not_raised(world: World) -> None:
    assert await world.tell(recovered(), problem()) == [Outcome.UNKNOWN, Outcome.LATE]
    assert await world.incidents() == []


async def test_a_late_copy_of_a_problem_that_has_ended_is_not_raised(world: World) -> None:
    assert await world.tell(problem(), recovered(), problem()) == [
        Outcome.RAISED,
        Outcome.CANCELLED,
        Outcome.LATE,
    ]
    assert (await world.incident()).state == State.CANCELLED


async def test_the_end_of_a_later_occurrence_ends_the_earlier_too(world: World) -> None:
    await world.tell(problem(occurrence=T1))
    assert await world.tell(recovered(occurrence=T2), problem(occurrence=T2)) == [
        Outcome.CANCELLED,
        Outcome.LATE,
    ]
    assert await world.tell(problem(occurrence=T3)) == [Outcome.RAISED]


async def test_told_again_long_after_its_end_it_has_begun_again(world: World) -> None:
    await world.tell(problem(), recovered())
    world.later(minutes=4)
    assert await world.tell(problem()) == [Outcome.LATE]
    world.later(minutes=1)
    assert await world.tell(problem()) == [Outcome.RAISED]


async def test_back_again_under_an_incident_somebody_holds_it_recurs(world: World) -> None:
    await world.tell(problem(occurrence=""))
    await acknowledge(world)
    assert await world.tell(recovered(occurrence=""), recovered(occurrence="")) == [
        Outcome.RECOVERED,
        Outcome.REPEATED,
    ]
    assert await world.tell(problem(occurrence="")) == [Outcome.RECURRED]
    assert (await world.problem()).state == SignalState.PROBLEM


async def test_recovered_after_the_close_is_settled(world: World) -> None:
    await world.tell(problem())
    await do(world, Event.CANCEL, reason="seen to")
    assert await world.tell(recovered()) == [Outcome.SETTLED]


# ── answers and remarks ─────────────────────────────────────────────────────────────────────────────────────


async def test_an_answer_in_the_other_tool_stops_the_chain_here(world: World) -> None:
    await world.tell(problem())
    assert await world.tell(acked(), acked(), problem()) == [
        Outcome.ACKED,
        Outcome.REPEATED,
        Outcome.REPEATED,
    ]
    incident = await world.incident()
    assert incident.acknowledged_by == "source:prom"
    assert (await world.kinds(incident)).count("incident.acknowledged") == 1
    assert (await world.topics()).count("incident.acknowledged") == 1
    assert await world.tell(recovered()) == [Outcome.RECOVERED], "somebody over there has it"


async def test_an_answer_to_something_unknown_or_over_does_nothing(world: World) -> None:
    assert await world.tell(acked()) == [Outcome.UNKNOWN]
    assert await world.tell(problem(), recovered(), acked()) == [
        Outcome.RAISED,
        Outcome.CANCELLED,
        Outcome.LATE,
    ]


async def test_a_remark_is_written_down_while_there_is_an_incident(world: World) -> None:
    assert await world.tell(remark(text="maintenance")) == [Outcome.UNKNOWN]
    await world.tell(problem())
    assert await world.tell(remark(text="still looking")) == [Outcome.NOTED]
    entry = (await world.entries(await world.incident()))[-1]
    assert timeline.summary(entry, "en") == "prom remarks: Queue long (still looking)"


async def test_missing_members_are_noted_and_nothing_follows_from_them(world: World) -> None:
    await world.tell(problem("a"), problem("b"))
    await world.tell(recovered("a", note="truncatedAlerts=3"))
    _, b = await world.incidents()
    assert b.state == State.DETECTED
    await world.tell(problem("c", note="truncatedAlerts=3"))
    assert "signal.noted" in await world.kinds((await world.incidents())[-1])


@pytest.mark.parametrize("language", ["en", "zh-Hans", "zh-Hant"])
async def test_each_line_on_the_timeline_is_a_sentence(world: World, language: str) -> None:
    await world.tell(
        problem(), problem(), problem(occurrence=T2), acked(occurrence=T2), remark(), recovered(occurrence=T2)
    )
    for entry in await world.entries(await world.incident()):
        assert timeline.summary(entry, language) != f"timeline.{entry.kind}"


def test_a_signal_survives_being_kept() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    signal = problem(
        facts={"a": 1.5}, links=("https://m/",), started_at=now, ended_at=now, note="n", type_hint="x"
    )
    assert unpacked(packed(signal)) == signal


# ── a storm ─────────────────────────────────────────────────────────────────────────────────────────────────


def storm(number: int = MOST + 1, *, first: int = 0, level: int = 3) -> list[Signal]:
    return [problem(f"host-{n}", level_hint=level) for n in range(first, first + number)]


async def held(world: World) -> list[tuple[int, int]]:
    """Level and count of each incident that people still hold."""
    return [(one.level, one.signals) for one in await world.incidents() if one.state != State.CANCELLED]


async def test_a_storm_becomes_one_incident_with_a_count(world: World) -> None:
    outcomes = await world.tell(*storm(MOST + 15))
    assert outcomes == [Outcome.RAISED] * MOST + [Outcome.JOINED] * 15
    assert await held(world) == [(3, MOST + 15)]
    first, *others = await world.incidents()
    assert {one.merged_into for one in others} == {first.id}
    end = (await world.entries(others[0]))[-1]
    assert (end.kind, end.actor, end.data["merged_into"]) == ("incident.cancelled", "source:prom", first.id)
    assert (
        timeline.summary(end, "en")
        == f"Cancelled: {first.number} stands for it: a storm of problems from Prom."
    )
    (line,) = [entry for entry in await world.entries(first) if entry.kind == "signal.taken_in"]
    assert line.data["numbers"] == [one.number for one in others]
    assert line.data["count"] == MOST
    for language in ("en", "zh-Hans", "zh-Hant"):
        assert others[-1].number in timeline.summary(line, language)
    assert (await world.problem("host-5")).incident_id == first.id


async def test_a_storm_is_one_for_as_long_as_new_problems_come(world: World) -> None:
    await world.tell(*storm())
    for part in range(1, 6):
        world.later(minutes=4)
        assert await world.tell(*storm(20, first=100 * part)) == [Outcome.JOINED] * 20
    assert await held(world) == [(3, MOST + 101)]
    world.later(minutes=5)
    assert await world.tell(*storm(1, first=1000)) == [Outcome.RAISED], "that one is over"
    assert len(await held(world)) == 2


async def test_the_plan_says_how_many_and_for_how_long(world: World) -> None:
    storm_ = Storm.model_validate({"after": 2, "within": "1m"})
    async with world.db.transaction() as session:
        await matrix.adopt(
            session, "small", LEVELS.model_copy(update={"storm": storm_}), at=world.clock.now()
        )
    assert await world.tell(*storm(3)) == [Outcome.RAISED, Outcome.RAISED, Outcome.JOINED]
    assert await held(world) == [(3, 3)]
    world.later(seconds=61)
    assert await world.tell(*storm(1, first=9)) == [Outcome.RAISED]


async def test_a_storm_leaves_standing_what_a_person_has_to_do_with(world: World) -> None:
    await world.tell(*storm(MOST))
    names = [one.id for one in await world.incidents()]
    at = world.clock.now()
    async with world.db.transaction() as session:
        answered, worked_on, graded = [await record.locked(session, name) for name in names[1:4]]
        acknowledging.acknowledge(session, answered, by="Ada", at=at, via="api")
        await updates.post(session, worked_on, text={"en": "On it"}, audience="internal", author="Ada", at=at)
        lighter = Command(event=Event.RELEVEL, level=4, reason="one till")
        await transitions.carry_out(session, graded, lighter, actor="Ada", layer=Layer.LEADERSHIP, at=at)
        running = await record.locked(session, names[4])
        for event in (Event.ASSESS, Event.ACTIVATE):
            await transitions.carry_out(session, running, Command(event), actor="plan", layer=None, at=at)
    assert await world.tell(*storm(2, first=50)) == [Outcome.JOINED] * 2
    assert await held(world) == [(3, MOST - 2), (3, 1), (3, 1), (4, 1), (3, 1)]


async def test_a_storm_never_hides_what_is_graver(world: World) -> None:
    await world.tell(*storm())
    assert await world.tell(problem("core", level_hint=2)) == [Outcome.RAISED]
    graver = (await world.incidents())[-1]
    assert await held(world) == [(2, MOST + 2)], "it takes the storm over, and has its own page"
    assert (await world.problem("host-3")).incident_id == graver.id
    assert await world.tell(problem("one more", level_hint=3)) == [Outcome.JOINED]
    assert await held(world) == [(2, MOST + 3)]
    assert (await world.topics()).count("incident.detected") == MOST + 1


async def test_a_graver_one_leaves_a_storm_that_somebody_has_answered(world: World) -> None:
    await world.tell(*storm())
    async with world.db.transaction() as session:
        first = await record.locked(session, (await world.incidents())[0].id)
        acknowledging.acknowledge(session, first, by="Ada", at=world.clock.now(), via="api")
    await world.tell(problem("core", level_hint=2), problem("one more", level_hint=3))
    assert await held(world) == [(3, MOST + 1), (2, 2)]


async def test_a_storm_ends_when_all_its_problems_have(world: World) -> None:
    many = MOST + 2
    await world.tell(*storm(many))
    ends = [recovered(f"host-{number}") for number in range(many)]
    assert await world.tell(*ends) == [Outcome.RECOVERED] * (many - 1) + [Outcome.CANCELLED]
    assert await held(world) == []


async def test_what_still_fires_after_the_end_of_its_storm_is_raised_for_itself(world: World) -> None:
    await world.tell(*storm())
    await end_of_storm(world)
    assert await world.tell(problem("host-0", level_hint=3)) == [Outcome.SETTLED], "people ended this one"
    world.later(minutes=6)
    for taken_in in ("host-5", "host-10"):
        assert await world.tell(problem(taken_in, level_hint=3)) == [Outcome.RAISED]


async def test_new_problems_of_a_storm_that_people_ended_are_one_incident_again(world: World) -> None:
    await world.tell(*storm())
    await end_of_storm(world)
    world.later(minutes=1)
    assert await world.tell(*storm(4, first=50)) == [Outcome.RAISED] + [Outcome.JOINED] * 3
    assert await held(world) == [(3, 4)]


async def end_of_storm(world: World) -> None:
    async with world.db.transaction() as session:
        incident = await record.locked(session, (await world.incidents())[0].id)
        command = Command(event=Event.CANCEL, reason="over")
        await transitions.carry_out(
            session, incident, command, actor="Ada", layer=Layer.LEADERSHIP, at=world.clock.now()
        )


async def test_nothing_joins_the_incident_of_a_storm_that_somebody_ends_at_this_moment(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.tell(*storm())
    locked = record.locked

    async def just_ended(session: AsyncSession, name: str) -> Incident:
        """Who held the lock that was waited for has ended it."""
        await session.execute(update(Incident).where(Incident.id == name).values(state=State.CANCELLED))
        return await locked(session, name)

    with monkeypatch.context() as patched:
        patched.setattr(record, "locked", just_ended)
        assert await world.tell(*storm(1, first=50)) == [Outcome.RAISED]
    assert await held(world) == [(3, 1)]


async def test_an_answer_to_one_of_a_storm_is_no_answer_to_all(world: World) -> None:
    await world.tell(*storm())
    for taken_in in ("host-3", "host-10"):
        assert await world.tell(acked(taken_in)) == [Outcome.ACKED]
        assert (await world.incidents())[0].acknowledged_at is None
    assert await world.tell(acked("host-0")) == [Outcome.ACKED]
    assert (await world.incidents())[0].acknowledged_at is not None


async def test_another_source_and_a_later_hour_are_no_storm(world: World) -> None:
    await world.enrol("shop", "generic")
    await world.tell(*storm(MOST))
    assert await world.tell(problem("till"), slug="shop") == [Outcome.RAISED]
    world.later(minutes=6)
    assert await world.tell(problem("host-99")) == [Outcome.RAISED]


async def test_a_storm_is_rather_the_incident_nobody_has_answered(world: World) -> None:
    await world.tell(*storm(MOST))
    first = (await world.incidents())[0]
    async with world.db.transaction() as session:
        incident = await record.locked(session, first.id)
        acknowledging.acknowledge(session, incident, by="Ada", at=world.clock.now(), via="api")
    await world.tell(*storm(2, first=50))
    assert await held(world) == [(3, 1), (3, MOST + 1)]


async def test_who_answered_to_one_problem_has_not_answered_to_the_storm_it_becomes(world: World) -> None:
    await world.tell(problem("core", level_hint=2))
    await acknowledge(world)
    await world.tell(*storm(MOST))
    (one,) = [one for one in await world.incidents() if one.state != State.CANCELLED]
    assert (one.signals, one.acknowledged_at, one.calls) == (MOST + 1, None, 2)
    assert (await world.topics()).count("incident.recurred") == 1


async def test_a_storm_leaves_standing_what_a_person_has_reserved_for(world: World) -> None:
    await world.tell(*storm(MOST))
    reserved, at = (await world.incidents())[3], world.clock.now()
    async with world.db.transaction() as session:
        session.add(
            Reservation(
                id=new_id(at), ref=reserved.id, key="hand:1", state=ReservationState.HELD, exercise=False,
                reserved_at=at, until=at, by="Ada", asked=[], version=1,
            )
        )  # fmt: skip
    await world.tell(*storm(1, first=50))
    assert await held(world) == [(3, MOST), (3, 1)]


async def test_a_storm_takes_in_nothing_that_became_graver_at_this_moment(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.tell(*storm(MOST))
    grave, free = (await world.incidents())[3], record.free

    async def just_graver(session: AsyncSession, names: Iterable[str]) -> list[Incident]:
        await session.execute(update(Incident).where(Incident.id == grave.id).values(level=1))
        return await free(session, names)

    monkeypatch.setattr(record, "free", just_graver)
    await world.tell(*storm(1, first=50))
    assert await held(world) == [(3, MOST), (1, 1)]


async def test_a_problem_is_graver_than_its_storm_by_its_own_words(world: World) -> None:
    rule = GradingRule.model_validate(
        {
            "if": "incident.title == 'All tills down'",
            "level": 1,
            "because": {"zh": "门店停业", "en": "No shop sells"},
        }
    )
    kind = LEVELS.types["other"].model_copy(update={"grading": [rule]})
    levels = LEVELS.model_copy(update={"types": {**LEVELS.types, "other": kind}})
    async with world.db.transaction() as session:
        await matrix.adopt(session, "wordy", levels, at=world.clock.now())
    await world.tell(*storm())
    assert await world.tell(problem("tills", title="All tills down", level_hint=3)) == [Outcome.RAISED]
    assert await held(world) == [(1, MOST + 2)]


async def test_a_signal_for_two_that_are_merged_into_each_other_comes_to_an_end(world: World) -> None:
    await world.tell(problem("a"), problem("b"))
    one, other = await world.incidents()
    async with world.db.transaction() as session:
        for name, into in ((one.id, other.id), (other.id, one.id)):
            merged = update(Incident).where(Incident.id == name)
            await session.execute(merged.values(state=State.CANCELLED, merged_into=into))
    assert await world.tell(problem("a")) == [Outcome.SETTLED]
