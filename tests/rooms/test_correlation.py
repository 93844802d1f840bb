"""What signals do to incidents, on both databases: once, again, twice, overtaken, merged, in storms, and their end."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from app.db import Database
from app.incidents import acknowledging, facts, raising, record, timeline, transitions, updates
from app.incidents.lifecycle import Event
from app.incidents.raising import Alarm
from app.incidents.tables import State
from app.incidents.transitions import Command
from app.intake import storms
from app.intake.signals import SignalState, packed, unpacked
from app.intake.tables import Outcome
from app.vocabulary import Layer
from tests.rooms.monitoring import T1, T2, T3, World, acked, problem, recovered, remark


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


async def test_a_storm_becomes_one_incident_with_a_count(world: World) -> None:
    many = storms.MOST + 15
    outcomes = await world.tell(*(problem(f"host-{number}", level_hint=3) for number in range(many)))
    assert outcomes == [Outcome.RAISED] * storms.MOST + [Outcome.JOINED] * 15
    raised = await world.incidents()
    assert [incident.signals for incident in raised] == [16] + [1] * (storms.MOST - 1)
    counts = [entry.data["count"] for entry in await world.entries(raised[0]) if entry.kind == "signal.storm"]
    assert counts == [2, 3, 10]


async def test_a_storm_never_hides_what_is_graver(world: World) -> None:
    await world.tell(*(problem(f"host-{number}", level_hint=3) for number in range(storms.MOST + 1)))
    assert await world.tell(problem("core", level_hint=2)) == [Outcome.RAISED]
    assert await world.tell(problem("one more", level_hint=3)) == [Outcome.JOINED]
    assert [(one.level, one.signals) for one in await world.incidents()][-1] == (2, 2)


async def test_a_storm_ends_when_all_its_problems_have(world: World) -> None:
    many = storms.MOST + 2
    await world.tell(*(problem(f"host-{number}", level_hint=3) for number in range(many)))
    first = (await world.incidents())[0]
    assert await world.tell(recovered("host-0"), recovered("host-10")) == [Outcome.RECOVERED] * 2
    assert await world.tell(recovered("host-11")) == [Outcome.CANCELLED]
    assert (await world.incidents())[0].id == first.id
    assert (await world.incidents())[0].state == State.CANCELLED


async def test_what_still_fires_after_the_end_of_its_storm_is_raised_for_itself(world: World) -> None:
    many = storms.MOST + 1
    await world.tell(*(problem(f"host-{number}", level_hint=3) for number in range(many)))
    first = (await world.incidents())[0].id
    async with world.db.transaction() as session:
        incident = await record.locked(session, first)
        command = Command(event=Event.CANCEL, reason="over")
        await transitions.carry_out(
            session, incident, command, actor="Ada", layer=Layer.LEADERSHIP, at=world.clock.now()
        )
    assert await world.tell(problem("host-0", level_hint=3)) == [Outcome.SETTLED], "people ended this one"
    world.later(minutes=6)
    assert await world.tell(problem("host-10", level_hint=3)) == [Outcome.RAISED]


async def test_an_answer_to_one_of_a_storm_is_no_answer_to_all(world: World) -> None:
    many = storms.MOST + 1
    await world.tell(*(problem(f"host-{number}", level_hint=3) for number in range(many)))
    assert await world.tell(acked("host-10")) == [Outcome.ACKED]
    assert (await world.incidents())[0].acknowledged_at is None
    assert await world.tell(acked("host-0")) == [Outcome.ACKED]
    assert (await world.incidents())[0].acknowledged_at is not None


async def test_another_source_and_a_later_hour_are_no_storm(world: World) -> None:
    await world.enrol("shop", "generic")
    await world.tell(*(problem(f"host-{number}") for number in range(storms.MOST)))
    assert await world.tell(problem("till"), slug="shop") == [Outcome.RAISED]
    world.later(minutes=6)
    assert await world.tell(problem("host-99")) == [Outcome.RAISED]
