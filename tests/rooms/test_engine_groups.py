"""The engine in groups: what is grave first, one bad message among many, leases that are short and extended, a process that stood
still, and a destination that is left alone."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from app import due, outbox, reacting
from app.away import Away
from app.db import Database, Work
from app.engine import Engine
from app.flow import REACTIONS
from app.incidents import record
from app.incidents.tables import Incident
from app.notify.channel import DeliveryError, Message, Receipt
from app.notify.delivery import MAX_UNTRIED, MAX_UNTRIED_GRAVE, Result
from app.notify.tables import Attempt, Delivery, DeliveryState, Round, RoundState
from app.outbox import MessageState, OutboxMessage, Timer, Urgency
from app.reactions.context import Happened
from app.wording import say
from tests.world import World

SECOND = timedelta(seconds=1)
UNFIT = "\x00\ud800"  # an error may quote what it was given
Heard = list[tuple[str, Any]]


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    """What reactions were given, in order; one of a ref that begins with `bad` fails."""
    found: Heard = []

    async def note(happened: Happened) -> None:
        found.append((happened.ref, happened.payload["n"]))
        if happened.ref.startswith("bad"):
            raise RuntimeError("broken on purpose" + UNFIT)

    topics: Mapping[str, Sequence[Any]] = {**REACTIONS, "test.note": (note,)}
    monkeypatch.setattr(reacting, "REACTIONS", topics)
    return found


async def put(world: World, *messages: tuple[str, Any, Urgency]) -> None:
    async with world.parts.db.transaction() as session:
        for ref, n, urgency in messages:
            outbox.put(session, "test.note", {"n": n}, ref=ref, at=world.clock.now(), urgency=urgency)
            await session.flush()


async def messages(world: World) -> dict[str, MessageState]:
    async with world.parts.db.reading() as session:
        rows = await session.scalars(select(OutboxMessage).where(OutboxMessage.topic == "test.note"))
        return {row.ref: MessageState(row.state) for row in rows}


async def forgiven(world: World) -> None:
    async with world.parts.db.transaction() as session:
        await session.execute(update(OutboxMessage).values(attempts=0, state=MessageState.DONE))


# ── what is grave first


async def test_what_is_grave_overtakes_what_is_not_but_never_its_own_ref(world: World, heard: Heard) -> None:
    calm, grave = Urgency.ORDINARY, Urgency.GRAVE
    await put(world, *((f"r{n}", n, calm) for n in range(5)), ("g", 10, calm), ("g", 11, grave))
    await world.settle()
    assert heard[:2] == [("g", 10), ("g", 11)]
    assert [n for _, n in heard[2:]] == [0, 1, 2, 3, 4]


async def test_a_signal_that_may_be_grave_goes_before_a_storm_and_behind_what_is_judged_grave(
    world: World, heard: Heard
) -> None:
    calm, hinted, grave = Urgency.ORDINARY, Urgency.HINTED, Urgency.GRAVE
    await put(world, ("r", 0, calm), ("h", 1, hinted), ("i", 2, hinted), ("g", 3, grave), ("h", 4, calm))
    assert await world.engine.follow()
    assert heard == [("g", 3)]
    assert await world.engine.follow()
    assert heard[1:] == [("h", 1), ("i", 2), ("h", 4)]
    await world.settle()
    assert heard[4:] == [("r", 0)]


async def test_a_grave_message_that_waits_for_its_next_attempt_holds_up_nobody_else(
    world: World, heard: Heard
) -> None:
    grave, calm = Urgency.GRAVE, Urgency.ORDINARY
    await put(world, ("bad", 1, grave), ("bad", 2, grave), ("calm", 3, calm))
    await world.settle()
    assert heard == [("bad", 1), ("calm", 3)]
    await forgiven(world)


async def test_a_grave_timer_fires_before_those_that_fell_due_earlier(world: World, heard: Heard) -> None:
    async with world.parts.db.transaction() as session:
        outbox.speaks_of(session, "g", Urgency.GRAVE)
        for n in range(4):
            moment = world.clock.now() + n * SECOND
            await outbox.arm(session, "test.note", {"n": n}, ref=f"r{n}", key=f"k:{n}", due_at=moment)
        await outbox.arm(
            session, "test.note", {"n": 9}, ref="g", key="k:g", due_at=world.clock.now() + 5 * SECOND
        )
    world.clock.advance(10 * SECOND)
    await world.settle()
    assert heard[0] == ("g", 9)
    assert [n for _, n in heard[1:]] == [0, 1, 2, 3]


async def test_what_follows_from_a_grave_incident_is_grave_and_from_a_lighter_one_is_not(
    world: World,
) -> None:
    urgencies = {}
    for level in (1, 2, 3, 4):
        made = await world.post("/incidents", {"title": f"level {level}", "type": "other", "level": level})
        await world.settle()
        async with world.parts.db.reading() as session:
            told = set(
                await session.scalars(select(OutboxMessage.urgency).where(OutboxMessage.ref == made["id"]))
            )
            armed = set(await session.scalars(select(Timer.urgency).where(Timer.ref == made["id"])))
        urgencies[level] = (told, armed)
    grave, calm = ({Urgency.GRAVE}, {Urgency.GRAVE}), ({Urgency.ORDINARY}, {Urgency.ORDINARY})
    assert urgencies == {1: grave, 2: grave, 3: calm, 4: calm}


async def test_an_answer_is_heard_before_anything_else_whatever_the_level(world: World) -> None:
    made = await world.post("/incidents", {"title": "light", "type": "other", "level": 4})
    await world.settle()
    await world.post(f"/incidents/{made['id']}/acknowledgements", {})
    async with world.parts.db.reading() as session:
        query = select(OutboxMessage.urgency).where(OutboxMessage.topic == "incident.acknowledged")
        assert await session.scalar(query) == Urgency.GRAVE


# ── groups


async def test_one_bad_message_of_a_group_fails_alone_and_its_ref_waits(world: World, heard: Heard) -> None:
    calm = Urgency.ORDINARY
    await put(world, ("a", 1, calm), ("bad", 2, calm), ("bad", 3, calm), ("b", 4, calm), ("a", 5, calm))
    assert await world.engine.follow()
    assert heard == [("a", 1), ("bad", 2), ("b", 4), ("a", 5)]
    async with world.parts.db.reading() as session:
        rows = list(
            await session.scalars(select(OutboxMessage).where(OutboxMessage.ref == "bad").order_by("id"))
        )
    assert [(row.state, row.attempts) for row in rows] == [("pending", 1), ("pending", 0)]
    assert rows[0].last_error == "RuntimeError: broken on purpose\ufffd\ufffd"
    assert (await messages(world))["a"] == MessageState.DONE
    await forgiven(world)


async def test_a_group_whose_transaction_breaks_is_undone_and_its_messages_follow_one_by_one(
    world: World, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, broken = due.mark_done, 0

    async def breaking(session: Any, ids: Sequence[int], **more: Any) -> None:
        nonlocal broken
        if len(ids) > 1:
            broken += 1
            raise OperationalError("commit", {}, Exception("the disk is full"))
        await real(session, ids, **more)

    monkeypatch.setattr(due, "mark_done", breaking)
    await put(world, *((f"r{n}", n, Urgency.ORDINARY) for n in range(4)))
    await world.settle()
    assert broken == 1
    assert [n for _, n in heard] == [0, 1, 2, 3, 0, 1, 2, 3]
    assert set((await messages(world)).values()) == {MessageState.DONE}
    await world.nothing_failed()  # it was nobody's fault


async def test_a_group_waits_for_no_lock_and_counts_that_against_nobody(world: World, heard: Heard) -> None:
    if world.parts.db.is_sqlite:
        return  # one writer: there is nobody to wait for
    made = await world.post("/incidents", {"title": "held", "type": "other", "level": 4})
    await put(world, ("a", 1, Urgency.ORDINARY), ("b", 2, Urgency.ORDINARY))
    async with world.parts.db.transaction() as session:
        await record.locked(session, made["id"])  # a request that takes its time
        work = asyncio.create_task(world.engine.follow())
        async with asyncio.timeout(20):
            while (await messages(world)) != {"a": MessageState.DONE, "b": MessageState.DONE}:
                if work.done():
                    work = asyncio.create_task(world.engine.follow())
                await asyncio.to_thread(lambda: None)
    await work
    await world.settle()
    await world.nothing_failed()


async def test_one_incident_that_somebody_holds_delays_no_other_turn(world: World, heard: Heard) -> None:
    """The transaction that holds it may be frozen: whoever waits for it does so beside the others."""
    if world.parts.db.is_sqlite:
        return  # one writer: there is nobody to wait for
    made = [await world.post("/incidents", {"title": "held", "type": "other", "level": 4}) for _ in range(3)]
    async with world.parts.db.transaction() as session:
        for incident in made:
            await record.locked(session, incident["id"])
        for n in range(6):
            await put(world, (f"r{n}", n, Urgency.ORDINARY))
            await world.engine.follow()
            if n == 0:
                await world.engine.follow()  # the first time, the three of them take the whole turn
            assert (await messages(world))[f"r{n}"] == MessageState.DONE, "in its own turn"
    async with world.parts.db.reading() as session:
        put_off = OutboxMessage.not_before > world.clock.now()
        assert await session.scalar(select(func.count()).select_from(OutboxMessage).where(put_off)) == 1
    world.clock.advance(SECOND)
    await world.settle()
    await world.nothing_failed()


# ── leases


class Held:
    """A channel that keeps whoever sends waiting."""

    def __init__(self) -> None:
        self.entered: list[Message] = []
        self.go_on = asyncio.Event()
        self.refuses = False

    async def send(self, to: str, message: Message) -> Receipt:
        self.entered.append(message)
        await self.go_on.wait()
        if self.refuses:
            raise DeliveryError(say("channel.log.unwritable"), permanent=True)
        return Receipt("kept")


@pytest.fixture
def held(world: World, monkeypatch: pytest.MonkeyPatch) -> Held:
    made = Held()
    for channel in world.channels.values():
        monkeypatch.setattr(channel, "send", made.send)
    return made


async def begun(world: World, held: Held) -> None:
    """One message is being sent."""
    await world.post("/incidents", {"title": "x", "type": "other", "level": 3})
    while await world.engine.follow():
        pass
    async with asyncio.timeout(20):
        while not held.entered:
            await asyncio.to_thread(lambda: None)


async def test_while_it_lives_an_engine_keeps_what_takes_longer_than_a_lease(
    world: World, held: Held
) -> None:
    await begun(world, held)
    other = Engine(world.parts, world.engine.reach)
    for _ in range(10):
        world.clock.advance(2 * SECOND)
        await world.engine.keep_leases()
        assert not await other.carrier.start_deliveries()
    held.go_on.set()
    await world.settle()
    assert len(held.entered) == 1
    assert len(world.engine.in_hand) == 0


async def test_an_engine_does_not_take_from_itself_however_late_it_is(world: World, held: Held) -> None:
    await begun(world, held)
    world.clock.advance(timedelta(minutes=1))
    assert not await world.engine.carrier.start_deliveries()
    held.go_on.set()
    await world.settle()
    assert len(held.entered) == 1


async def test_what_a_frozen_engine_had_is_taken_up_within_ten_seconds_and_its_late_result_is_noted(
    world: World, held: Held
) -> None:
    await begun(world, held)
    world.clock.advance(timedelta(seconds=10))
    other = Engine(world.parts, world.engine.reach)
    assert await other.carrier.start_deliveries()
    async with asyncio.timeout(20):
        while len(held.entered) < 2:
            await asyncio.to_thread(lambda: None)
    await world.engine.keep_leases()  # the frozen one wakes, and learns that it lost it
    assert len(world.engine.in_hand) == 0
    held.go_on.set()
    await world.settle()
    await other.settle()
    assert len({message.key for message in held.entered}) == 1
    async with world.parts.db.reading() as session:
        row = (await session.scalars(select(Delivery).where(Delivery.attempts > 0))).one()
        ends = [one.outcome for one in await session.scalars(select(Attempt).order_by(Attempt.number))]
    assert (row.state, row.attempts, ends) == (DeliveryState.SENT, 2, ["sent", "sent"])


# ── a database that is away between a send and its record


@dataclass
class Frozen:
    """The database of a world, which answers no transaction while it is `frozen`."""

    world: World
    frozen: bool = False
    refused: int = 0

    @asynccontextmanager
    async def transaction(self, *given: Any, **named: Any) -> AsyncIterator[AsyncSession]:
        if self.frozen:
            self.refused += 1
            raise Away("frozen")
        async with Database.transaction(self.world.parts.db, *given, **named) as session:
            yield session


@pytest.fixture
def freezer(world: World, monkeypatch: pytest.MonkeyPatch) -> Frozen:
    made = Frozen(world)
    monkeypatch.setattr(world.parts.db, "transaction", made.transaction)
    return made


async def sent_while_frozen(world: World, held: Held, freezer: Frozen) -> None:
    """The receiver has a message, and the database was away when that was to be written down, for longer than a lease."""
    await begun(world, held)
    freezer.frozen = True
    held.go_on.set()
    await asyncio.gather(*world.engine.carrier.under_way)
    world.clock.advance(2 * world.engine.in_hand.lease)
    with pytest.raises(Away):
        await world.engine.keep_leases()
    assert freezer.refused > 1


@pytest.mark.parametrize("refuses", [False, True])
async def test_what_was_sent_while_the_database_was_away_is_written_down_and_not_sent_again(
    world: World, held: Held, freezer: Frozen, *, refuses: bool
) -> None:
    held.refuses = refuses
    await sent_while_frozen(world, held, freezer)
    freezer.frozen = False
    await world.engine.keep_leases()
    assert len(world.engine.in_hand) == 0
    async with world.parts.db.reading() as session:
        row = (await session.scalars(select(Delivery).where(Delivery.attempts > 0))).one()
        ends = [one.outcome for one in await session.scalars(select(Attempt))]
    assert (row.state, ends) == (
        (DeliveryState.FAILED, ["failed"]) if refuses else (DeliveryState.SENT, ["sent"])
    )
    await world.settle()
    assert len([one for one in held.entered if one.key == held.entered[0].key]) == 1


async def test_an_engine_that_stops_writes_down_what_it_could_not(
    world: World, held: Held, freezer: Frozen
) -> None:
    await sent_while_frozen(world, held, freezer)
    freezer.frozen = False
    await world.engine.finish(SECOND)
    await Engine(world.parts, world.engine.reach).settle()
    assert len(held.entered) == 1


async def test_what_another_engine_took_meanwhile_is_its_own_and_the_late_result_is_noted(
    world: World, held: Held, freezer: Frozen
) -> None:
    """No promise can keep this copy away: the lease had ended, and nobody could know that the first was sent."""
    await sent_while_frozen(world, held, freezer)
    freezer.frozen = False
    await Engine(world.parts, world.engine.reach).settle()
    await world.engine.keep_leases()
    assert len(world.engine.in_hand) == 0
    assert [one.key for one in held.entered] == [held.entered[0].key] * 2
    async with world.parts.db.reading() as session:
        ends = [one.outcome for one in await session.scalars(select(Attempt).order_by(Attempt.number))]
    assert ends == ["sent", "sent"]


async def test_an_engine_that_stood_still_between_claim_and_send_begins_nothing_that_is_not_its_own(
    world: World, held: Held
) -> None:
    await world.post("/incidents", {"title": "x", "type": "other", "level": 3})
    async with world.parts.db.transaction() as session:
        taken = await due.take(session, at=world.clock.now(), limit=32, urgent=False)
        await world.engine.reactor.handle(session, taken, world.clock.now())
    assert await world.engine.carrier.start_deliveries()
    world.clock.advance(timedelta(seconds=10))  # before the send has its first turn
    async with world.parts.db.transaction() as session:  # and another has taken it meanwhile
        await session.execute(
            update(Delivery)
            .where(Delivery.state == DeliveryState.SENDING)
            .values(attempts=Delivery.attempts + 1)
        )
    await asyncio.gather(*world.engine.carrier.under_way)
    assert held.entered == []


async def test_of_what_was_taken_a_while_ago_only_what_was_answered_meanwhile_is_dropped(
    world: World, held: Held
) -> None:
    refs = [
        (await world.post("/incidents", {"title": "x", "type": "other", "level": 3}))["id"] for _ in range(3)
    ]
    for _ in refs:  # a group ends when it took long
        async with world.parts.db.transaction() as session:
            taken = await due.take(session, at=world.clock.now(), limit=32, urgent=False)
            await world.engine.reactor.handle(session, taken, world.clock.now())
    assert await world.engine.carrier.start_deliveries()
    under_way = len(world.engine.carrier.under_way)
    world.clock.advance(SECOND)  # before the sends have their first turn
    async with world.parts.db.transaction() as session:
        await session.execute(
            update(Round)
            .where(Round.ref == refs[1])
            .values(state=RoundState.ACKNOWLEDGED, acknowledged_by="Ada")
        )
    held.go_on.set()
    await asyncio.gather(*world.engine.carrier.under_way)
    assert {message.ref for message in held.entered} == {refs[0], refs[2]}
    assert len(held.entered) == under_way - 1
    async with world.parts.db.reading() as session:
        ends = {
            row.ref: row.state
            for row in await session.execute(
                select(Delivery.ref, Delivery.state).where(Delivery.attempts > 0)
            )
        }
        outcomes = sorted(await session.scalars(select(Attempt.outcome)))
    assert ends == {
        refs[0]: DeliveryState.SENT,
        refs[1]: DeliveryState.DROPPED,
        refs[2]: DeliveryState.SENT,
    }
    assert outcomes == ["sent", "sent", "untried"]


async def test_the_worker_sleeps_until_the_next_row_is_due(world: World) -> None:
    await world.settle()
    async with world.parts.db.transaction() as session:
        await outbox.arm(
            session,
            "task.started",
            {},
            ref="a",
            key="k",
            due_at=world.clock.now() + timedelta(milliseconds=300),
        )
    assert not await world.engine.follow()
    assert world.engine._until_due(Work.MESSAGES) == pytest.approx(0.301)
    assert world.engine._until_due(Work.MESSAGES) is None, "a hint is used once"


# ── a destination that is left alone


async def test_what_is_not_tried_is_said_and_not_held_against_the_message(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    cooling = DeliveryError(say("outgoing.cooling", host="gw"), retry_after=15 * SECOND, untried=True)
    for channel in world.channels.values():
        channel.failure = cooling
    await world.post("/incidents", {"title": "x", "type": "other", "level": 3})
    await world.settle()
    async with world.parts.db.reading() as session:
        row = (await session.scalars(select(Delivery).where(Delivery.attempts > 0))).one()
        ends = list(await session.scalars(select(Attempt.outcome)))
    assert (row.state, row.untried, ends) == (DeliveryState.PENDING, 1, [Result.UNTRIED])
    assert row.reason is not None
    assert row.reason["key"] == "outgoing.cooling"
    assert 15 * SECOND <= row.not_before - world.clock.now() <= 23 * SECOND
    for _ in range(6):  # more often than a message may fail
        world.clock.advance(30 * SECOND)
        await world.settle()
    for channel in world.channels.values():
        channel.failure = None
    world.clock.advance(30 * SECOND)
    await world.settle()
    async with world.parts.db.reading() as session:
        row = await session.get_one(Delivery, row.id)
    assert row.state == DeliveryState.SENT
    assert MAX_UNTRIED > row.untried > 5


async def test_for_a_grave_level_the_next_contact_point_is_tried_at_once(world: World) -> None:
    cooling = DeliveryError(say("outgoing.cooling", host="gw"), retry_after=15 * SECOND, untried=True)
    world.channels["mail"].failure = cooling
    await world.post("/incidents", {"title": "x", "type": "other", "level": 1})
    await world.settle()
    assert ("Lin", "webhook") in {(one.who, one.channel) for one in world.messages()}


async def test_of_a_grave_level_the_next_rung_is_told_when_nothing_could_be_tried(world: World) -> None:
    cooling = DeliveryError(say("outgoing.cooling", host="gw"), retry_after=SECOND, untried=True)
    for channel in world.channels.values():
        channel.failure = cooling
    await world.post("/incidents", {"title": "x", "type": "other", "level": 2})
    await world.settle()
    for _ in range(MAX_UNTRIED_GRAVE):
        world.clock.advance(2 * SECOND)
        await world.settle()
    async with world.parts.db.reading() as session:
        given_up = select(Delivery.untried).where(Delivery.state == DeliveryState.FAILED, Delivery.hop == 1)
        assert set(await session.scalars(given_up)) == {MAX_UNTRIED_GRAVE + 1}
        assert await session.scalar(select(func.max(Delivery.hop))) == 2


async def test_a_message_whose_destination_never_comes_back_is_dead_and_shown(world: World) -> None:
    cooling = DeliveryError(say("outgoing.cooling", host="gw"), retry_after=SECOND, untried=True)
    for channel in world.channels.values():
        channel.failure = cooling
    await world.post("/incidents", {"title": "x", "type": "other", "level": 4})
    for _ in range(MAX_UNTRIED + 2):
        world.clock.advance(2 * SECOND)
        await world.settle()
    async with world.parts.db.reading() as session:
        dead = select(func.count()).select_from(Delivery).where(Delivery.state == DeliveryState.FAILED)
        assert await session.scalar(dead) == 1
        assert await session.scalar(select(func.count()).select_from(Incident)) == 1


async def test_what_another_reactor_has_done_is_not_done_a_second_time(world: World) -> None:
    async with world.parts.db.transaction() as session:
        done = await session.scalar(select(OutboxMessage.id).where(OutboxMessage.state == MessageState.DONE))
        assert done is not None
        with pytest.raises(due.Overtaken):
            await due.mark_done(session, [done], at=world.clock.now())
