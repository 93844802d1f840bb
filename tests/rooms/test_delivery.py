"""Sending on both databases.

Claims, leases, the fence, retries, and who is tried when a message cannot arrive.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select

from app.access.paging import Slice
from app.db import Database
from app.errors import Refused
from app.notify import delivery, delivery_log, digest, figures, pipeline
from app.notify.attachments import MOST_BYTES
from app.notify.channel import Attachment, DeliveryError
from app.notify.claimed import compose
from app.notify.delivery import MAX_ATTEMPTS, Outcome, Result
from app.notify.document import Chain, Hop
from app.notify.pipeline import News
from app.notify.schemas import DeliveryRead, NoticeRead
from app.notify.tables import AttachedFile, Attempt, Delivery, DeliveryState, RoundState
from app.people.tables import ContactPoint
from app.vault import Vault
from app.wording import say, spoken
from tests.databases import Kind
from tests.rooms.organisation import LEASE, SUBJECT, TEXT, World, minutes, three_rungs

BUSY = DeliveryError(say("channel.webhook.status", status=503))
GONE = DeliveryError(say("channel.webhook.status", status=410), permanent=True)


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    db = Database(database_url)
    yield World(db)
    await db.dispose()


async def tell(world: World, *positions: str, **more: Any) -> str:
    said = {"number": "INC-2026-0001", "level": 3, "subject": SUBJECT, "text": TEXT}
    news = News(ref="INC", kind="step", **{**said, **more})
    async with world.db.transaction() as session:
        notice = await pipeline.tell(session, news, positions=positions, at=world.clock.now())
        return notice.id


async def attempts(world: World) -> list[tuple[int, str, str | None]]:
    async with world.db.reading() as session:
        rows = await session.scalars(select(Attempt).order_by(Attempt.delivery_id, Attempt.number))
        return [(row.number, row.outcome, row.detail) for row in rows]


# ── what is sent
# ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_message_is_in_its_readers_language_and_carries_a_link_only_where_it_asks(
    world: World,
) -> None:
    await world.person("Ada", "duty_lead", language=None)
    await world.call(three_rungs())
    await tell(world, "duty_lead", level=1)
    await world.settle()
    telling, asking = sorted(
        (sent.message for sent in world.fake.sent), key=lambda message: bool(message.link)
    )
    assert (asking.subject, asking.language) == ("系统故障", "zh-Hans")
    assert asking.link is not None
    assert asking.link.startswith("https://muster.example/a/")
    assert asking.link_label == "我来处理"
    assert telling.link is None


async def test_a_file_goes_with_the_mail_and_every_other_channel_has_the_link(world: World) -> None:
    await world.person("Ada", "duty_lead", addresses=["mail:ada@example.org"])
    await world.person("Ben", "department_head")
    report = Attachment("report.pdf", "application/pdf", b"%PDF")
    for number in ("INC-2026-0001", "INC-2026-0002"):
        await tell(
            world,
            "duty_lead",
            "department_head",
            number=number,
            page="/incidents/INC/report",
            attachments=(report,),
        )
    claimed = {one.channel: one for one in await world.claim()}
    assert claimed["mail"].attachments == (report,)
    assert claimed["fake"].attachments == ()
    for one in claimed.values():
        said = compose(one, vault=world.vault, base_url="https://m.example/", default_language="en")
        assert said.attachments == one.attachments
        assert (said.link, said.link_label) == ("https://m.example/incidents/INC/report", "Open the page")
    async with world.db.reading() as session:
        assert [kept.body for kept in await session.scalars(select(AttachedFile))] == [b"%PDF"]


async def test_files_too_large_for_a_mail_server_are_refused(world: World) -> None:
    half = Attachment("a", "text/plain", b"a" * (MOST_BYTES // 2 + 1))
    with pytest.raises(Refused) as caught:
        await tell(world, "duty_lead", attachments=(half, half))
    assert caught.value.members["most"] == MOST_BYTES


async def test_what_carries_a_file_is_not_left_for_a_digest(world: World) -> None:
    await world.person("Ada", "duty_lead", addresses=["mail:ada@example.org"])
    async with world.db.transaction() as session:
        digest.cap(session, 1)
        for files in ((), (Attachment("a", "text/plain", b"a"),), ()):
            news = News(ref="INC", kind="step", level=3, subject=SUBJECT, text=TEXT, attachments=files)
            await pipeline.tell(session, news, positions=["duty_lead"], at=world.clock.now())
    assert [bool(one.attachments) for one in await world.claim()] == [False, True]


async def test_an_exercise_says_so(world: World) -> None:
    await world.person("Ada", "duty_lead")
    await tell(world, "duty_lead", exercise=True)
    await world.settle()
    assert "System outage" in world.fake.sent[0].message.subject
    assert world.fake.sent[0].message.subject != "System outage"
    assert world.fake.sent[0].message.exercise


async def test_what_was_sent_is_on_the_record_with_its_attempt(world: World) -> None:
    await world.person("Ada", "duty_lead")
    await tell(world, "duty_lead")
    await world.settle()
    row = await world.row()
    assert (row.state, row.sent_at, row.attempts) == (DeliveryState.SENT, world.clock.now(), 1)
    assert await attempts(world) == [(1, "sent", "kept")]


async def test_the_gravest_level_goes_first(world: World) -> None:
    await world.person("Ada", "duty_lead")
    await world.person("Ben", "department_head")
    await tell(world, "duty_lead", level=4)
    await tell(world, "department_head", level=1)
    (first,) = await world.claim(limit=1)
    assert first.address == "ben"


async def test_nothing_is_sent_before_its_time(world: World) -> None:
    await world.person("Ada", "duty_lead", addresses=["mail", "phone"])
    await world.call(three_rungs())
    assert [one.address for one in await world.claim()] == ["mail"]


async def test_no_address_and_no_link_is_in_what_a_log_would_show(world: World) -> None:
    await world.person("Ada", "duty_lead", addresses=["ada@example.org"])
    await world.call(three_rungs())
    (one,) = await world.claim()
    assert one.address == "ada@example.org"
    message = compose(one, vault=world.vault, base_url="https://m.example", default_language="en")
    assert "ada@" not in repr(one)
    assert "/a/" not in repr(message)


# ── claims, leases, the fence
# ────────────────────────────────────────────────────────────────────────────────


async def test_what_one_sender_has_no_other_gets_while_the_lease_lasts(world: World) -> None:
    await world.person("Ada", "duty_lead")
    await tell(world, "duty_lead")
    assert len(await world.claim()) == 1
    assert await world.claim() == []
    world.clock.advance(LEASE - timedelta(seconds=1))
    assert await world.claim() == []


async def test_when_the_sender_dies_the_next_one_sends_under_the_same_key(world: World) -> None:
    await world.person("Ada", "duty_lead")
    await tell(world, "duty_lead")
    (lost,) = await world.claim()
    await world.send(lost)  # it reached the far side, and then the sender died

    world.clock.advance(LEASE)
    (again,) = await world.claim()
    assert again.attempt == 2
    await world.record(again, await world.send(again))
    assert len({sent.message.key for sent in world.fake.sent}) == 1
    assert await attempts(world) == [(1, "sending", None), (2, "sent", "kept")]


@pytest.mark.parametrize(
    "late", [Outcome(Result.SENT, detail="late"), Outcome(Result.FAILED, reason=say("x"))]
)
async def test_a_sender_that_lost_its_lease_changes_nothing(world: World, late: Outcome) -> None:
    await world.person("Ada", "duty_lead", addresses=["mail", "phone"])
    await tell(world, "duty_lead")
    (lost,) = await world.claim()
    world.clock.advance(LEASE)
    (again,) = await world.claim()

    assert not await world.record(lost, late)
    row = await world.row()
    assert (row.state, row.attempts, row.sent_at) == (DeliveryState.SENDING, 2, None)

    assert await world.record(again, await world.send(again))
    assert not await world.record(lost, late)
    assert (await world.row()).state == DeliveryState.SENT


async def test_a_message_whose_senders_all_die_is_set_aside_and_not_sent_again(world: World) -> None:
    await world.person("Ada", "duty_lead")
    await tell(world, "duty_lead")
    for _ in range(MAX_ATTEMPTS):
        assert len(await world.claim()) == 1
        world.clock.advance(LEASE)
    await world.settle()
    row = await world.row()
    assert world.told() == []
    assert row.state == DeliveryState.FAILED
    assert spoken(row.reason, "en") == "given up: the sender ended 5 times without a result"


async def test_four_engines_at_once_send_each_message_once(fresh_database: Callable[[Kind], str]) -> None:
    world = World(Database(fresh_database("postgresql")))
    for number in range(40):
        await world.person(f"P{number:02}", "duty_lead")
    await tell(world, "duty_lead")

    async def engine() -> None:
        while claimed := await world.claim(limit=3):
            for one in claimed:
                assert await world.record(one, await world.send(one))

    await asyncio.gather(*(engine() for _ in range(4)))
    assert Counter(world.told()) == {f"p{number:02}": 1 for number in range(40)}
    assert {row.attempts for row in await world.rows()} == {1}
    await world.db.dispose()


async def test_two_messages_of_a_rung_failing_at_once_still_bring_the_next_rung_forward(
    fresh_database: Callable[[Kind], str],
) -> None:
    world = World(Database(fresh_database("postgresql")))
    await world.person("Ada", "duty_lead")
    await world.person("Ann", "duty_lead")
    await world.person("Ben", "department_head")
    await world.call(three_rungs())
    adas, anns = await world.claim()
    failed = Outcome(Result.FAILED, reason=say("notify.no_channel", channel="mail"))
    async with world.db.transaction() as session:
        await delivery.record(session, adas, failed, at=world.clock.now())
        beside = asyncio.create_task(world.record(anns, failed))
        while not beside.done() and not await world.waits_for_a_lock():
            pass
        assert not beside.done()
    await beside
    await world.settle()
    assert world.told() == ["ben"]
    await world.db.dispose()


# ── retries and the next way
# ─────────────────────────────────────────────────────────────────────────────────


async def test_a_busy_receiver_is_tried_again_later_and_then_given_up(world: World) -> None:
    await world.person("Ada", "duty_lead")
    await tell(world, "duty_lead", level=1)
    world.fake.failure = BUSY
    await world.settle()
    row = await world.row()
    assert row.state == DeliveryState.PENDING
    assert row.not_before > world.clock.now()
    assert spoken(row.reason, "en") == str(BUSY.wording)

    await world.advance(minutes(30))
    row = await world.row()
    assert (row.state, row.attempts) == (DeliveryState.FAILED, MAX_ATTEMPTS)
    assert [outcome for _, outcome, _ in await attempts(world)] == ["retry"] * MAX_ATTEMPTS
    topic, said = (await world.topics())[-1]
    assert topic == "delivery.dead"
    assert (said["delivery_id"], said["person"]) == (row.id, "Ada")


async def test_a_receiver_that_recovers_gets_the_message_under_the_same_key(world: World) -> None:
    await world.person("Ada", "duty_lead")
    await tell(world, "duty_lead")
    world.fake.failure = BUSY
    await world.settle()
    world.fake.failure = None
    await world.advance(minutes(1))
    row = await world.row()
    assert world.told() == ["ada"]
    assert world.fake.sent[0].message.key == row.id
    assert (row.state, row.reason) == (DeliveryState.SENT, None)


async def test_a_receiver_may_say_when_to_come_back(world: World) -> None:
    await world.person("Ada", "duty_lead")
    await tell(world, "duty_lead", level=1)
    world.fake.failure = DeliveryError(BUSY.wording, retry_after=minutes(3))
    await world.settle()
    assert (await world.row()).not_before == world.clock.now() + minutes(3)


async def test_a_notice_goes_to_the_next_contact_point_when_the_first_fails(world: World) -> None:
    await world.person("Ada", "duty_lead", addresses=["bad address", "bad too", "phone"])
    await tell(world, "duty_lead")
    await world.settle()
    assert world.told() == ["phone"]
    states = [row.state for row in await world.rows()]
    assert Counter(states) == {DeliveryState.FAILED: 2, DeliveryState.SENT: 1}
    assert await world.topics() == []


async def test_a_notice_goes_to_one_contact_point_of_each_person(world: World) -> None:
    await world.person("Ada", "duty_lead", addresses=["mail", "phone"])
    await world.person("Ben", "department_head")
    notice_id = await tell(world, "duty_lead", "department_head", "duty_lead")
    await world.settle()
    assert sorted(world.told()) == ["ben", "mail"]
    async with world.db.reading() as session:
        assert await delivery_log.people_told(session, notice_id) == ["Ben", "Ada"]


async def test_in_a_chain_the_next_contact_point_need_not_wait_for_its_time(world: World) -> None:
    await world.person("Ada", "duty_lead", addresses=["bad address", "phone", "pager"])
    await world.call(three_rungs())
    await world.settle()
    assert world.told() == ["phone"]
    await world.advance(minutes(7.5))
    assert world.told() == ["pager"]


async def test_a_failing_contact_point_does_not_hurry_another_that_is_to_be_left_alone_for_a_while(
    world: World,
) -> None:
    await world.person("Ada", "duty_lead", addresses=["mail", "bad address"])
    await world.call(three_rungs(contact_wait=timedelta(seconds=1)))
    world.fake.failure = DeliveryError(BUSY.wording, retry_after=minutes(3))
    await world.settle()
    patient = await world.row(Delivery.address_masked == "m…")
    await world.advance(timedelta(seconds=1))
    assert (await world.row(Delivery.id == patient.id)).not_before == patient.not_before


async def test_looking_for_what_is_due_sees_only_that(world: World) -> None:
    await world.person("Ada", "duty_lead", addresses=["mail", "phone"])
    await world.call(three_rungs())
    async with world.db.reading() as session:
        assert (await delivery.look(session, at=world.clock.now())).levels == [1]
    await world.settle()
    async with world.db.reading() as session:
        seen = await delivery.look(session, at=world.clock.now())
        assert (seen.levels, seen.next) == ([], world.clock.now() + minutes(7.5))
        assert (await delivery.look(session, at=world.clock.now() + minutes(7.5))).levels == [1]


async def test_the_record_names_each_delivery_its_attempts_and_why_not(world: World) -> None:
    await world.person("Ada", "duty_lead", addresses=["bad address", "phone"])
    round_id = await world.call(three_rungs())
    await tell(world, "general_manager")
    await world.settle()
    async with world.db.reading() as session:
        logged, cursor = await delivery_log.notices(session, "INC", Slice(50, None))
        failed, _ = await delivery_log.deliveries(session, DeliveryState.FAILED, Slice(50, None))
        assert await delivery_log.positions_told(session, "INC") == ["duty_lead"]
    assert cursor is None
    chained = next(NoticeRead.of(one, "en") for one in logged if one.called)
    told_once = next(NoticeRead.of(one, "en") for one in logged if not one.called)
    assert chained.round is not None
    assert chained.round.id == round_id
    phone, bad = sorted(chained.deliveries, key=lambda one: one.state, reverse=True)
    assert (bad.state, bad.reason, bad.attempts[0].outcome) == (
        "failed",
        "this is not a mail address",
        "failed",
    )
    assert (phone.state, phone.address, phone.person) == ("sent", "p…", "Ada")
    assert told_once.deliveries[0].reason == "nobody holds the position general_manager"
    assert [DeliveryRead.of(one, "en").number for one in failed] == ["INC-2026-0001"]


async def test_who_was_told_by_another_way_is_not_reported_unreachable(world: World) -> None:
    await world.person("Ada", "duty_lead", addresses=["mail", "bad address"])
    await world.call(three_rungs())
    await world.advance(minutes(10))
    assert "delivery.dead" not in [topic for topic, _ in await world.topics()]


async def test_a_channel_that_is_not_set_up_fails_at_once_and_says_so(world: World) -> None:
    await world.person("Ada", "duty_lead", addresses=["mail:ada@x", "phone"])
    await tell(world, "duty_lead")
    await world.settle()
    failed = await world.row(Delivery.state == DeliveryState.FAILED)
    assert spoken(failed.reason, "en") == "this service has no channel “mail” set up"
    assert world.told() == ["phone"]


async def test_a_contact_point_that_is_gone_or_sealed_otherwise_fails_alone(world: World) -> None:
    ada = await world.person("Ada", "duty_lead")
    await world.person("Ben", "department_head")
    await tell(world, "duty_lead", "department_head")
    async with world.db.transaction() as session:
        await session.execute(delete(ContactPoint).where(ContactPoint.person_id == ada))
    await world.settle()
    assert world.told() == ["ben"]

    await tell(world, "department_head", level=2)
    world.vault = Vault(b"another key")
    await world.settle()
    failed = await world.row(Delivery.state == DeliveryState.FAILED, Delivery.level == 2)
    assert "another secret key" in (spoken(failed.reason, "en") or "")


async def test_a_channel_that_breaks_is_tried_again_and_shows_only_the_kind_of_error(world: World) -> None:
    await world.person("Ada", "duty_lead")
    await tell(world, "duty_lead")
    (one,) = await world.claim()
    await world.record(one, delivery.unexpected(RuntimeError("ada@example.org refused")))
    row = await world.row()
    assert row.state == DeliveryState.PENDING
    assert spoken(row.reason, "en") == "the channel broke unexpectedly (RuntimeError)"


# ── a round that is over
# ─────────────────────────────────────────────────────────────────────────────────────


async def test_what_was_claimed_of_a_round_that_ended_is_not_sent_again(world: World) -> None:
    await world.ada_ben_and_cao()
    await world.call(three_rungs(), key="1")
    await world.claim()  # and the sender dies
    await world.call(three_rungs(), key="2")
    world.clock.advance(LEASE)
    await world.settle()
    assert world.told() == ["ada"]  # of the newer call alone
    assert await world.reasons() == ["replaced by a newer call"]


async def test_a_failure_after_the_round_ended_brings_nothing_forward(world: World) -> None:
    await world.ada_ben_and_cao()
    first = await world.call(three_rungs(), key="1")
    (one,) = await world.claim()
    await world.call(three_rungs(), key="2")
    await world.record(one, Outcome(Result.FAILED, reason=GONE.wording))
    await world.settle()
    assert (await world.round(first)).state == RoundState.SUPERSEDED
    assert world.told() == ["ada"]


# ── the record and the figures
# ───────────────────────────────────────────────────────────────────────────────


async def test_the_figures_count_by_channel_and_state_and_say_how_late_the_oldest_is(world: World) -> None:
    await world.person("Ada", "duty_lead")
    await tell(world, "duty_lead", "general_manager")
    world.clock.advance(minutes(2))
    async with world.db.reading() as session:
        counted = await figures.counts(session, at=world.clock.now())
    assert counted.by_channel_and_state == {("fake", "pending"): 1, ("none", "dropped"): 1}
    assert counted.oldest_due == minutes(2)

    await world.settle()
    async with world.db.reading() as session:
        assert (await figures.counts(session, at=world.clock.now())).oldest_due == timedelta()


async def test_a_rung_with_nobody_below_it_still_waits_its_lap(world: World) -> None:
    await world.person("Ada", "duty_lead", addresses=["bad address"])
    await world.call(Chain(hops=[Hop(tell=["duty_lead"], within=minutes(5))], repeat_after=minutes(10)))
    await world.advance(minutes(9))
    assert len(await world.rows()) == 1
    await world.advance(minutes(1))
    assert len(await world.rows()) == 2
