"""Reviews: drafted by nobody, finished by people, fixed once published."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from app.errors import NotFound, Refused, Stale, WrongShape
from app.incidents import obligations
from app.incidents.lifecycle import Event
from app.incidents.raising import Alarm, raise_incident
from app.incidents.tables import Obligation, ObligationState, State, Status
from app.markup import inline
from app.notify.tables import Delivery, DeliveryState, Notice
from app.outbox import Timer
from app.reviews import draft, figures, improvements, publishing
from app.reviews.improvements import (
    IllegalImprovementTransition,
    ImprovementEvent,
    OwnImprovement,
)
from app.reviews.publishing import Edit, IncidentOpen, Item, ReviewNotReady, ReviewPublished
from app.reviews.tables import Improvement, ImprovementState, Review, ReviewState
from tests.rooms.centre import ADA, AT, BEN, Centre, a_centre, do, locked, minutes

CAUSE: dict[str, Any] = {"causes": [{"text": "A certificate ran out"}]}
NEXT_DAY = AT + timedelta(days=1)


@pytest.fixture
async def centre(database_url: str) -> AsyncIterator[Centre]:
    async with a_centre(database_url) as made:
        yield made


async def review_of(centre: Centre, incident_id: str) -> Review:
    async with centre.db.reading() as session:
        return await session.get_one(Review, incident_id)


async def edit(
    centre: Centre, incident_id: str, *, version: int | None = None, items: Any = (), **columns: Any
) -> Review:
    async with centre.db.transaction() as session:
        review = await session.get_one(Review, incident_id)
        change = Edit(columns, items)
        return await publishing.edit(session, review, change, by="Ben", at=NEXT_DAY, version=version)


async def publish(centre: Centre, incident_id: str) -> Review:
    async with centre.db.transaction() as session:
        review = await session.get_one(Review, incident_id)
        return await publishing.publish(session, review, by="Ada", at=NEXT_DAY)


async def items_of(centre: Centre, incident_id: str) -> list[Improvement]:
    async with centre.db.reading() as session:
        return await draft.improvements_of(session, incident_id)


# ── the draft ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_closing_leaves_a_draft_with_what_was_met_and_missed(centre: Centre) -> None:
    incident_id = await centre.closed(acknowledged=25)
    review = await review_of(centre, incident_id)
    acknowledged = review.figures["times"]["acknowledge"]
    assert acknowledged == {"took": "PT25M", "target": "PT10M", "met": False}
    assert review.figures["times"]["activate"]["took"] == "PT8M"
    assert review.figures["times"]["restore"]["took"] == "PT1H"
    assert review.figures["times"]["close"] == {"took": "PT1H30M", "target": None, "met": None}
    assert any("25 分钟" in line for line in review.went_wrong)
    assert review.went_well
    assert review.causes == []
    assert "【应急处置】" in review.summary
    proposed = await items_of(centre, incident_id)
    assert {item.state for item in proposed} == {ImprovementState.PROPOSED}
    assert len(proposed) == len(review.went_wrong)


async def test_a_message_that_reached_nobody_is_something_to_mend(centre: Centre) -> None:
    incident_id = await centre.closed()
    async with centre.db.transaction() as session:
        session.add(
            Notice(
                id="n",
                ref=incident_id,
                kind="chain",
                level=2,
                number="x",
                exercise=False,
                subject={},
                text={},
                created_at=AT,
            )
        )
        await session.flush()
        for number, (state, attempts) in enumerate(
            ((DeliveryState.SENT, 1), (DeliveryState.FAILED, 3), (DeliveryState.SENT, 2))
        ):
            sent = Delivery(
                id=str(number), notice_id="n", ref=incident_id, level=2, position="duty_lead", channel="mail", state=state,
                attempts=attempts, further=[], not_before=AT, created_at=AT,
            )  # fmt: skip
            session.add(sent)
        await session.flush()
        review = await draft.open_review(session, await locked(session, incident_id), at=AT)
    assert review is not None
    assert review.figures["deliveries"] == {
        "total": 3, "by_channel": {"mail": {"failed": 1, "sent": 2}}, "dead": 1, "first_attempt_share": 0.3333,
    }  # fmt: skip
    assert any("共 3 条消息，1 条未能送达" in line for line in review.went_wrong)


async def test_drafting_again_is_harmless(centre: Centre) -> None:
    incident_id = await centre.closed(acknowledged=25)
    before = [(item.title, item.due_on) for item in await items_of(centre, incident_id)]
    async with centre.db.transaction() as session:
        await draft.open_review(session, await locked(session, incident_id), at=AT)
    assert [(item.title, item.due_on) for item in await items_of(centre, incident_id)] == before


async def test_closed_again_the_figures_are_new_and_the_words_of_people_stay(centre: Centre) -> None:
    incident_id = await centre.closed()
    await edit(centre, incident_id, summary="In our own words", **CAUSE)
    async with centre.db.transaction() as session:
        incident = await locked(session, incident_id)
        await do(session, incident, Event.REOPEN, at=NEXT_DAY, reason="it came back")
        await obligations.withdraw_all(session, incident)
        review = await session.get_one(Review, incident_id)
        with pytest.raises(IncidentOpen):
            await publishing.publish(session, review, by="Ada", at=NEXT_DAY)
        await do(session, incident, Event.RECOVER, at=NEXT_DAY + minutes(5))
        await centre.close(session, incident, at=NEXT_DAY + minutes(10))
    kept = await review_of(centre, incident_id)
    assert (kept.summary, kept.causes) == ("In our own words", CAUSE["causes"])
    assert kept.figures["times"]["restore"]["took"] == "P1DT5M"
    assert kept.due_at > NEXT_DAY


# ── people's words ────────────────────────────────────────────────────────────────────────────────────────


async def test_two_who_edit_at_once_do_not_overwrite_each_other(centre: Centre) -> None:
    incident_id = await centre.closed()
    await edit(centre, incident_id, summary="one", version=1)
    with pytest.raises(Stale):
        await edit(centre, incident_id, summary="two", version=1)


async def test_items_are_added_changed_and_removed_while_it_is_a_draft(centre: Centre) -> None:
    incident_id = await centre.closed(acknowledged=25)
    known = await items_of(centre, incident_id)
    fresh = Item(title="Watch the certificates", owner="technical_head", due_on=date(2027, 1, 31))
    changed = Item(id=known[0].id, owner="Tao")
    gone = [Item(id=item.id, remove=True) for item in known[1:]]
    await edit(centre, incident_id, items=[changed, *gone, fresh])
    assert [(item.title, item.owner) for item in await items_of(centre, incident_id)] == [
        (known[0].title, "Tao"), ("Watch the certificates", "technical_head"),
    ]  # fmt: skip


async def test_a_wrong_item_refuses_the_whole_change(centre: Centre) -> None:
    incident_id = await centre.closed()
    with pytest.raises(WrongShape) as refusal:
        await edit(centre, incident_id, items=[Item(id="other"), Item(title="x")], summary="lost")
    paths = [error["path"] for error in refusal.value.members["errors"]]
    assert paths == ["improvements.0.id", "improvements.1.owner", "improvements.1.due_on"]
    assert (await review_of(centre, incident_id)).summary != "lost"


# ── publishing ────────────────────────────────────────────────────────────────────────────────────────────


async def test_causes_must_be_said_by_somebody(centre: Centre) -> None:
    incident_id = await centre.closed()
    with pytest.raises(ReviewNotReady) as refusal:
        await publish(centre, incident_id)
    assert refusal.value.members["needs"] == ["causes"]
    await edit(centre, incident_id, summary=" ", causes=[{"text": " "}])
    with pytest.raises(ReviewNotReady) as refusal:
        await publish(centre, incident_id)
    assert refusal.value.members["needs"] == ["summary", "causes"]


async def test_published_it_is_fixed_and_its_items_are_open(centre: Centre) -> None:
    incident_id = await centre.closed(acknowledged=25)
    await edit(centre, incident_id, **CAUSE)
    published = await publish(centre, incident_id)
    assert (published.state, published.published_by) == (ReviewState.PUBLISHED, "Ada")
    assert {item.state for item in await items_of(centre, incident_id)} == {ImprovementState.OPEN}
    async with centre.db.reading() as session:
        incident = await locked(session, incident_id)
        assert (incident.state, incident.reviewed_at) == (State.REVIEWED, NEXT_DAY)
        owed = await session.scalar(select(Obligation).where(Obligation.kind == "review"))
        assert owed is not None
        assert owed.state == ObligationState.PAID
    for attempt in (edit(centre, incident_id, summary="too late"), publish(centre, incident_id)):
        with pytest.raises(ReviewPublished):
            await attempt


async def test_a_review_completed_without_publishing_stands_as_it_is(centre: Centre) -> None:
    incident_id = await centre.closed()
    async with centre.db.transaction() as session:
        incident = await locked(session, incident_id)
        await do(session, incident, Event.REVIEW, at=NEXT_DAY)
        for _ in range(2):
            review = await publishing.on_reviewed(session, incident, by="Ada", at=NEXT_DAY)
    assert review is not None
    assert (review.state, review.version) == (ReviewState.PUBLISHED, 2)


async def test_there_is_none_before_the_close_and_it_is_said_when_there_will_be(centre: Centre) -> None:
    async with centre.db.transaction() as session:
        incident, _ = await raise_incident(session, Alarm(title="Slow"), actor="Lin", at=AT)
        with pytest.raises(NotFound, match="not_yet"):
            await publishing.found(session, incident)
    answer = await centre.ask("GET", f"/incidents/{incident.number}/review")
    assert (answer.status_code, answer.json()["state"]) == (404, "detected")
    assert "when the incident is closed" in answer.json()["detail"]


# ── improvement items ─────────────────────────────────────────────────────────────────────────────────────


async def an_open_item(centre: Centre) -> str:
    incident_id = await centre.closed(acknowledged=25)
    await edit(centre, incident_id, **CAUSE)
    await publish(centre, incident_id)
    return (await items_of(centre, incident_id))[0].id


async def test_one_completes_with_evidence_and_another_verifies(centre: Centre) -> None:
    item_id = await an_open_item(centre)
    async with centre.db.transaction() as session:
        with pytest.raises(Refused, match="evidence"):
            await improvements.move(session, item_id, ImprovementEvent.COMPLETE, by=BEN)
        await improvements.move(session, item_id, ImprovementEvent.COMPLETE, by=BEN, evidence="ticket 4711")
        with pytest.raises(OwnImprovement):
            await improvements.move(session, item_id, ImprovementEvent.VERIFY, by=BEN)
        item = await improvements.move(session, item_id, ImprovementEvent.VERIFY, by=ADA)
        assert (item.state, item.verified_by) == (ImprovementState.VERIFIED, "Ada")
        with pytest.raises(IllegalImprovementTransition) as refusal:
            await improvements.move(session, item_id, ImprovementEvent.DROP, by=ADA, note="no")
        assert refusal.value.members["allowed"] == [ImprovementEvent.REOPEN]


async def test_an_item_is_chased_when_its_day_is_over_where_the_centre_lives(centre: Centre) -> None:
    item_id = await an_open_item(centre)
    async with centre.db.transaction() as session:
        item = await session.get_one(Improvement, item_id)
        armed = select(Timer).where(Timer.ref == item_id, Timer.state == "armed")
        [timer] = await session.scalars(armed)
        assert timer.due_at.isoformat() == f"{item.due_on}T16:00:00+00:00"
        assert await improvements.chase(session, item_id, at=timer.due_at) is item
        await improvements.move(session, item_id, ImprovementEvent.COMPLETE, by=BEN, evidence="done")
        assert list(await session.scalars(armed)) == []
        assert await improvements.chase(session, item_id, at=timer.due_at) is None
        await improvements.move(session, item_id, ImprovementEvent.REOPEN, by=ADA)
        assert len(list(await session.scalars(armed))) == 1


# ── over HTTP ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_review_is_read_written_and_published_over_http(centre: Centre) -> None:
    where = f"/incidents/{await centre.closed(acknowledged=25)}/review"
    drafted = await centre.ask("GET", where, "auditor")
    body = {
        **CAUSE,
        "losses": {"calls lost": 120},
        "improvements": [{"title": "Watch", "owner": "Tao", "due_on": "2027-01-31"}],
    }
    headers = {"If-Match": drafted.headers["etag"]}
    edited = await centre.ask("PATCH", where, "execution", json=body, headers=headers)
    assert edited.status_code == 200, edited.text
    assert (edited.json()["losses"], edited.json()["edited_by"]) == ({"calls lost": 120}, "execution")
    stale = await centre.ask("PATCH", where, json=CAUSE, headers=headers)
    assert (stale.status_code, stale.json()["current_version"]) == (409, 2)
    published = await centre.ask("POST", f"{where}/publish", "management", json={})
    assert (published.status_code, published.json()["state"]) == (200, "published"), published.text
    listed = (await centre.ask("GET", "/improvements?state=open")).json()["items"]
    assert "Watch" in [item["title"] for item in listed]
    moved = await centre.ask(
        "POST", f"/improvements/{listed[0]['id']}/transitions", json={"event": "drop", "note": "not worth it"}
    )
    assert (moved.status_code, moved.json()["allowed"]) == (201, ["reopen"])


async def test_an_unready_review_says_the_way_out(centre: Centre) -> None:
    answer = await centre.ask("POST", f"/incidents/{await centre.closed()}/review/publish")
    assert (answer.status_code, answer.json()["needs"]) == (409, ["causes"])
    assert "at least one cause" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("language", "heading"),
    [("en", "Monitoring and warning"), ("zh-CN", "监测与预警"), ("zh-TW", "監測與預警")],
)
async def test_the_document_has_the_four_phases_in_the_readers_language(
    centre: Centre, language: str, heading: str
) -> None:
    incident_id = await centre.closed(title="# <b>Out</b> | [x](y)")
    headers = {"Accept": "text/markdown", "Accept-Language": language}
    answer = await centre.ask("GET", f"/incidents/{incident_id}/review", headers=headers)
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    headings = [line for line in answer.text.splitlines() if line.startswith("## ")]
    assert len(headings) == 4
    assert headings[1] == f"## {heading}"
    assert r"\# \<b\>Out\</b\> \| \[x\](y)" in answer.text
    assert "reviews." not in answer.text


async def test_figures_leave_out_exercises_and_false_alarms(centre: Centre) -> None:
    await centre.closed(acknowledged=4)
    await centre.closed(acknowledged=20)
    await centre.closed(acknowledged=500, status=Status.EXERCISE)
    async with centre.db.transaction() as session:
        cancelled, _ = await raise_incident(session, Alarm(title="False alarm"), actor="Lin", at=AT)
        await do(session, cancelled, Event.CANCEL, at=AT, reason="a test message")
    centre.clock.advance(timedelta(days=2))
    answer = (await centre.ask("GET", "/metrics?by=level", "auditor")).json()
    assert answer["total"]["incidents"] == 2
    acknowledge = answer["total"]["times"]["acknowledge"]
    assert (acknowledge["mean"], acknowledge["within_target"]) == ("PT12M", 0.5)
    assert [group["key"] for group in answer["groups"]] == ["2"]
    assert (await centre.ask("GET", "/metrics?from=2027-01-01T00:00:00Z")).status_code == 422
    assert (await centre.ask("GET", "/metrics?from=2020-01-01T00:00:00Z")).status_code == 422
    quiet = (await centre.ask("GET", "/metrics?to=2020-01-01T00:00:00Z")).json()
    assert (quiet["total"]["incidents"], quiet["total"]["times"]["restore"]["mean"]) == (0, None)


def test_what_was_undone_by_reopening_does_not_count_as_restored() -> None:
    assert figures.moments([]) == figures.Moments()
    assert inline("") == ""
