"""What a change of the plan brings with it: drafts two people edit, reasons for revision, recorded incidents replayed."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.incidents import raising
from app.incidents.raising import Alarm
from app.outbox import OutboxMessage, Timer, TimerState
from app.plan import due, replay, revisions
from app.plan.change_routes import router as change_routes
from app.plan.document import PlanDocument
from app.plan.revisions import OwnRevision, RevisionEvent
from app.plan.tables import Reason, RevisionDue
from tests.rooms.centre import ADA, AT, BEN, DENG, PLAN, Centre, a_centre

_RUNG = "{tell: [duty_lead], within: 10m, contact_wait: 4m}"
SLOWER = PLAN.replace(_RUNG, _RUNG.replace("10m", "15m"), 1)
RENAMED = PLAN.replace('version: "1.0"', 'version: "1.1"', 1)
YAML = {"Content-Type": "application/yaml"}
YEAR = "from=2026-01-01T00:00:00Z&to=2027-01-01T00:00:00Z"


@pytest.fixture
async def centre(database_url: str) -> AsyncIterator[Centre]:
    async with a_centre(database_url) as made:
        assert isinstance(made.app, FastAPI)
        made.app.include_router(change_routes)
        yield made


async def drafted(centre: Centre, text: str = SLOWER, **reasons: Any) -> dict[str, Any]:
    stored = await centre.ask(
        "POST", "/plan/revisions", "management", content=text, headers=YAML, params=reasons
    )
    assert stored.status_code == 201, stored.text
    found: dict[str, Any] = stored.json()
    return found


async def test_a_revision_says_in_words_what_it_changes_and_what_that_weakens(centre: Centre) -> None:
    body = await drafted(centre)
    told = [(one["group"], one["subject"], one["weakens"]) for one in body["differences"]]
    assert set(told) == {("level", "2", True)}
    assert "after 15 min instead of 10 min" in body["differences"][0]["text"]
    chinese = await centre.ask("GET", f"/plan/revisions/{body['id']}", headers={"Accept-Language": "zh-Hant"})
    assert chinese.json()["differences"][0]["text"].endswith("的通知時間由啟動後 10 分鐘改為啟動後 15 分鐘。")


# ── two editors ───────────────────────────────────────────────────────────────────────────────────────────


async def test_of_two_who_edit_a_draft_one_wins_and_the_other_is_told_the_difference(centre: Centre) -> None:
    draft = await drafted(centre)
    path, seen = f"/plan/revisions/{draft['id']}", {**YAML, "If-Match": f'"{draft["version"]}"'}
    first = await centre.ask("PUT", path, "management", content=RENAMED, headers=seen)
    assert (first.status_code, first.headers["etag"]) == (200, '"2"')
    second = await centre.ask("PUT", path, "deputy", content=SLOWER, headers=seen)
    assert (second.status_code, second.json()["type"]) == (409, "/problems/edited-meanwhile")
    assert second.json()["edited_by"] == "management"
    assert second.json()["differences"][0] == "The plan: now version 1.0 instead of 1.1."
    assert len(second.json()["differences"]) == 6
    again = {**YAML, "If-Match": f'"{second.json()["current_version"]}"'}
    assert (await centre.ask("PUT", path, "deputy", content=SLOWER, headers=again)).status_code == 200
    blind = await centre.ask("PUT", path, "deputy", content=SLOWER, headers=YAML)
    assert (blind.status_code, blind.json()["current_version"]) == (409, 3)


async def test_whoever_wrote_any_of_it_does_not_approve_it(centre: Centre) -> None:
    async with centre.db.transaction() as session:
        draft = await revisions.store(session, SLOWER, by=ADA, at=AT, file="plan.yaml")
        await session.flush()
        await revisions.rewrite(session, draft.id, RENAMED, by=BEN, at=AT, file="plan.yaml", version=1)
        await revisions.move(session, draft.id, RevisionEvent.SUBMIT, by=BEN, at=AT)
        with pytest.raises(OwnRevision):
            await revisions.move(session, draft.id, RevisionEvent.APPROVE, by=ADA, at=AT)
        await revisions.move(session, draft.id, RevisionEvent.APPROVE, by=DENG, at=AT)


async def test_what_was_submitted_is_what_leadership_reads(centre: Centre) -> None:
    draft = await drafted(centre)
    path = f"/plan/revisions/{draft['id']}"
    await centre.ask("POST", f"{path}/transitions", "management", json={"event": "submit"})
    late = await centre.ask("PUT", path, "management", content=RENAMED, headers={**YAML, "If-Match": '"2"'})
    assert (late.status_code, late.json()["allowed"]) == (409, ["approve", "reject"])


# ── recorded incidents through it ─────────────────────────────────────────────────────────────────────────


async def raised(centre: Centre, number: int = 1, **more: Any) -> None:
    async with centre.db.transaction() as session:
        for one in range(number):
            at = AT + timedelta(minutes=one)
            alarm = Alarm(title=f"Outage {one}", type="system_outage", **more)
            await raising.raise_incident(session, alarm, actor="Lin", at=at)


async def test_the_impact_is_kept_for_the_approver_and_its_absence_is_said(centre: Centre) -> None:
    stricter = PLAN.replace("facts.service_share >= 0.5", "facts.service_share >= 0.3", 1)
    await raised(centre, facts={"service_share": 0.4})
    draft = await drafted(centre, stricter)
    path = f"/plan/revisions/{draft['id']}"
    assert draft["impact_note"] == "No recorded incidents were put through this revision yet."
    looked = (await centre.ask("GET", f"{path}/impact?{YEAR}", "auditor")).json()
    [one] = looked["otherwise"]
    assert one["differences"][0] == {"text": "level 1 instead of 2", "worse": False}
    assert (looked["looked_at"], looked["left_out"], looked["made_by"]) == (1, 0, None)
    assert (await centre.ask("GET", path)).json()["impact"] is None, "looking keeps nothing"

    period = {"from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z"}
    kept = await centre.ask("POST", f"{path}/impact", "management", json=period)
    assert (kept.status_code, kept.json()["impact"]["made_by"]) == (201, "management")
    for event, role in (("submit", "management"), ("approve", "leadership")):
        await centre.ask("POST", f"{path}/transitions", role, json={"event": event})
    approved = (await centre.ask("GET", path)).json()
    assert approved["impact"]["otherwise"] == looked["otherwise"]
    assert approved["impact_note"].startswith("Of 1 recorded incidents from 2026-01-01")
    late = await centre.ask("POST", f"{path}/impact", "management", json=period)
    assert late.status_code == 409, "what was decided keeps what it was decided on"


async def test_an_approval_without_an_impact_says_so(centre: Centre) -> None:
    path = f"/plan/revisions/{(await drafted(centre))['id']}"
    for event, role in (("submit", "management"), ("approve", "leadership")):
        moved = await centre.ask("POST", f"{path}/transitions", role, json={"event": event})
    assert moved.json()["impact_note"] == "Decided without a replay of recorded incidents."


async def test_a_replay_is_bounded_and_says_what_it_left_out(centre: Centre) -> None:
    await raised(centre, 5)
    async with centre.db.transaction() as session:
        draft = await revisions.store(session, SLOWER, by=BEN, at=AT, file="plan.yaml")
        await session.flush()
        begins, ends = AT - timedelta(days=1), AT + timedelta(days=1)
        found = await replay.replay(session, draft.id, begins=begins, ends=ends, most=3)
        assert (found.looked_at, found.left_out) == (3, 2)
        await replay.keep(session, draft, found, by="Ben", at=AT)
        assert "2 older ones of the period were left out." in str(replay.about(draft, None))


async def test_an_impact_against_a_plan_that_no_longer_holds_is_outdated(centre: Centre) -> None:
    async with centre.db.transaction() as session:
        draft = await revisions.store(session, SLOWER, by=BEN, at=AT, file="plan.yaml")
        await session.flush()
        found = await replay.replay(session, draft.id, begins=AT, ends=AT + timedelta(days=1))
        await replay.keep(session, draft, found, by="Ben", at=AT)
        assert not replay.is_outdated(draft, await revisions.current(session))
        other = await revisions.store(session, RENAMED, by=BEN, at=AT, file="plan.yaml")
        await session.flush()
        await revisions.enforce(session, other, at=AT)
        assert replay.is_outdated(draft, await revisions.current(session))


# ── why it is due ─────────────────────────────────────────────────────────────────────────────────────────


async def test_a_reason_is_noted_reminded_of_and_answered_by_a_revision_that_names_it(centre: Centre) -> None:
    said = {"reason": "law", "text": "The measures for emergency plans were amended."}
    noted = (await centre.ask("POST", "/plan/due", "execution", json=said)).json()
    assert (noted["said"], noted["settled_at"]) == (said["text"], None)
    other, answer = await drafted(centre, RENAMED), await drafted(centre, SLOWER, reason=["law", "risk"])
    assert answer["reasons"] == ["law", "risk"]
    for revision, still_due in ((other, 1), (answer, 0)):
        for event, role in (("submit", "management"), ("approve", "leadership"), ("enforce", "leadership")):
            moved = await centre.ask(
                "POST", f"/plan/revisions/{revision['id']}/transitions", role, json={"event": event}
            )
            assert moved.status_code == 201, moved.text
        open_ = (await centre.ask("GET", "/plan/due?open=true")).json()["items"]
        assert len(open_) == still_due
    [settled] = (await centre.ask("GET", "/plan/due")).json()["items"]
    assert settled["settled_by"] == answer["id"]


async def test_a_reason_is_brought_to_mind_each_week_until_somebody_says_why_none_is_needed(
    centre: Centre,
) -> None:
    async with centre.db.transaction() as session:
        noted = await due.note_by_hand(session, Reason.RISK, "A new supplier", by="Ben", at=AT)
        assert await due.remind(session, noted.id, at=AT) is not None
        armed = await session.scalar(select(Timer.due_at).where(Timer.topic == "plan.revision_due"))
        assert armed == AT + timedelta(days=7)
        topics = await session.scalars(select(OutboxMessage.topic).where(OutboxMessage.ref == noted.id))
        assert list(topics) == ["plan.revision_due"]
    dismissed = await centre.ask(
        "POST", f"/plan/due/{noted.id}/dismissals", "management", json={"note": "Like the old one"}
    )
    assert (dismissed.status_code, dismissed.json()["note"]) == (201, "Like the old one")
    again = await centre.ask("POST", f"/plan/due/{noted.id}/dismissals", "management", json={"note": "so"})
    assert (again.status_code, again.json()["settled_by"]) == (409, "management")
    async with centre.db.transaction() as session:
        assert await due.remind(session, noted.id, at=AT) is None
        states = await session.scalars(select(Timer.state).where(Timer.topic == "plan.revision_due"))
        assert list(states) == [TimerState.WITHDRAWN]


async def test_the_plan_says_itself_when_a_law_runs_out_and_when_its_interval_has_passed(
    centre: Centre,
) -> None:
    async with centre.db.transaction() as session:
        revision = await revisions.current(session)
        assert revision is not None
        shipped = await revisions.document_of(session, revision.id)
        plain = shipped.model_dump(mode="json", by_alias=True)
        plain["plan"]["legal_bases"][0]["expires"] = "2026-12-10"
        document = PlanDocument.model_validate(plain)

        async def open_reasons() -> list[str]:
            return [
                str(row.reason) for row in await session.scalars(select(RevisionDue).order_by(RevisionDue.id))
            ]

        await due.look(session, document, revision, at=AT - timedelta(days=20))
        assert await open_reasons() == []
        for _ in range(2):  # every minute, and still one
            await due.look(session, document, revision, at=AT)
        assert await open_reasons() == ["law"]
        await due.look(session, document, revision, at=AT + timedelta(days=365))
        assert await open_reasons() == ["law", "review_due"]


def test_a_review_says_that_the_plan_was_a_cause_by_its_category() -> None:
    assert due.blames_the_plan([{"text": "no step for it", "category": "预案"}])
    assert due.blames_the_plan([{"text": "a"}, {"text": "b", "category": " Plan "}])
    assert not due.blames_the_plan(
        [{"text": "a cable", "category": "technical"}, {"text": "b", "category": None}]
    )
