"""Revisions of the plan: four eyes, one in force, and a plan file that never overrides what people approved."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access import keys
from app.access.keys import Principal
from app.access.tables import Role
from app.db import Database
from app.errors import Forbidden, Refused, Stale, Unavailable
from app.levels import matrix
from app.outbox import OutboxMessage
from app.plan import changes, revisions
from app.plan.outlook import report
from app.plan.reading import BadPlan
from app.plan.revisions import (
    IllegalRevisionTransition,
    OwnRevision,
    PlanRefused,
    RevisionEvent,
)
from app.plan.tables import PlanRevision, RevisionState
from tests.rooms.centre import ADA, AT, BEN, DENG, PLAN, Centre, a_centre, minutes

CHANGED = PLAN.replace('version: "1.0"', 'version: "1.1"', 1)
THIRD = PLAN.replace('version: "1.0"', 'version: "1.2"', 1)
UNSOUND = PLAN.replace("update_owner: ", "update_owner: nobody_", 1)
LATER = AT + minutes(10)


@pytest.fixture
async def centre(database_url: str) -> AsyncIterator[Centre]:
    async with a_centre(database_url) as made:
        yield made


async def put_in_force(db: Database, text: str) -> str:
    async with db.transaction() as session:
        revision = await revisions.store(session, text, by=BEN, at=LATER, file="plan.yaml")
        await session.flush()
        for event in (RevisionEvent.SUBMIT, RevisionEvent.APPROVE, RevisionEvent.ENFORCE):
            await revisions.move(session, revision.id, event, by=ADA, at=LATER)
        return revision.id


async def load(db: Database, text: str) -> PlanRevision:
    async with db.transaction() as session:
        return await revisions.load_shipped(session, text, "playbooks.yaml", at=LATER)


async def in_force(db: Database) -> str:
    async with db.reading() as session:
        return (await revisions.in_force(session))[0]


# ── the plan file ─────────────────────────────────────────────────────────────────────────────────────────


async def test_the_shipped_plan_is_in_force_and_so_is_its_matrix(centre: Centre) -> None:
    async with centre.db.reading() as session:
        revision_id, document = await revisions.in_force(session)
        assert (await matrix.in_force(session))[0] == revision_id
        assert revisions.is_from_file(await revisions.found(session, revision_id))
    assert document.plan.version == "1.0"
    assert list(document.organisation.positions)


async def test_the_same_file_again_changes_nothing(centre: Centre) -> None:
    before = await in_force(centre.db)
    assert (await load(centre.db, "# a comment\n" + PLAN)).id == before
    async with centre.db.reading() as session:
        assert await session.scalar(select(func.count()).select_from(PlanRevision)) == 1


async def test_a_changed_file_takes_the_place_of_the_file_before(centre: Centre) -> None:
    before = await in_force(centre.db)
    after = await load(centre.db, CHANGED)
    assert (await in_force(centre.db), after.state) == (after.id, RevisionState.IN_FORCE)
    async with centre.db.reading() as session:
        assert (await revisions.found(session, before)).state == RevisionState.SUPERSEDED
        said = (
            select(OutboxMessage.payload)
            .where(OutboxMessage.topic == "plan.enforced")
            .order_by(OutboxMessage.id)
        )
        assert list(await session.scalars(said))[-1] == {"revision_id": after.id, "superseded": before}


async def test_a_file_put_back_is_the_revision_it_was(centre: Centre) -> None:
    first = await in_force(centre.db)
    await load(centre.db, CHANGED)
    assert (await load(centre.db, PLAN)).id == first == await in_force(centre.db)


async def test_a_changed_file_never_overrides_what_was_approved(
    centre: Centre, caplog: pytest.LogCaptureFixture
) -> None:
    approved = await put_in_force(centre.db, CHANGED)
    with caplog.at_level(logging.WARNING):
        drafted = await load(centre.db, THIRD)
    assert (drafted.state, await in_force(centre.db)) == (RevisionState.DRAFT, approved)
    assert "plan_file_became_draft" in caplog.text
    assert (await load(centre.db, THIRD)).id == drafted.id


async def test_a_file_that_leadership_rejected_stays_rejected(centre: Centre) -> None:
    await put_in_force(centre.db, CHANGED)
    drafted = await load(centre.db, THIRD)
    async with centre.db.transaction() as session:
        await revisions.move(session, drafted.id, RevisionEvent.SUBMIT, by=BEN, at=LATER)
        await revisions.move(session, drafted.id, RevisionEvent.REJECT, by=ADA, at=LATER, note="too lax")
        # Back to the file of before: the rejected file must not slip in at the next start.
        query = select(PlanRevision.id).where(PlanRevision.state == RevisionState.SUPERSEDED)
        first = await session.scalar(query)
        assert first is not None
        await revisions.move(session, first, RevisionEvent.ENFORCE, by=ADA, at=LATER)
    assert (await load(centre.db, THIRD)).state == RevisionState.REJECTED
    assert await in_force(centre.db) == first


@pytest.mark.parametrize("text", ["plan: [", UNSOUND, "plan: {}"])
async def test_a_bad_file_leaves_the_plan_in_force(centre: Centre, text: str) -> None:
    before = await in_force(centre.db)
    with pytest.raises(BadPlan) as refusal:
        await load(centre.db, text)
    assert refusal.value.told("en")[0].startswith("playbooks.yaml:")
    assert await in_force(centre.db) == before


async def test_two_replicas_that_start_at_once_load_one_plan(database_url: str) -> None:
    async with a_centre(database_url, with_plan=False) as centre:
        with pytest.raises(Unavailable):
            await in_force(centre.db)
        loaded = await asyncio.gather(*(load(centre.db, PLAN) for _ in range(3)))
        assert len({revision.id for revision in loaded}) == 1


# ── people ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("state", RevisionState)
@pytest.mark.parametrize("event", RevisionEvent)
async def test_the_table_says_what_is_possible(
    database_url: str, state: RevisionState, event: RevisionEvent
) -> None:
    async with a_centre(database_url, with_plan=False) as centre, centre.db.transaction() as session:
        revision = await revisions.store(session, PLAN, by=BEN, at=AT, file="plan.yaml")
        revision.state = state
        await session.flush()
        to = revisions.TRANSITIONS.get((state, event))
        if to is None:
            with pytest.raises(IllegalRevisionTransition) as refusal:
                await revisions.move(session, revision.id, event, by=ADA, at=AT, note="why")
            assert refusal.value.members["allowed"] == revisions.allowed(state)
        else:
            moved = await revisions.move(session, revision.id, event, by=ADA, at=AT, note="why")
            assert (moved.state, moved.version) == (to, 2)


async def test_nobody_approves_the_plan_they_wrote(centre: Centre) -> None:
    async with centre.db.transaction() as session:
        revision = await revisions.store(session, CHANGED, by=ADA, at=AT, file="plan.yaml")
        await session.flush()
        await revisions.move(session, revision.id, RevisionEvent.SUBMIT, by=ADA, at=AT)
        with pytest.raises(OwnRevision):
            await revisions.move(session, revision.id, RevisionEvent.APPROVE, by=ADA, at=AT)
        await revisions.move(session, revision.id, RevisionEvent.APPROVE, by=DENG, at=AT)


async def test_another_key_of_the_same_person_is_the_same_hand(centre: Centre) -> None:
    async with centre.db.transaction() as session:
        from_a_phone, _ = await keys_of(session, "ada")
        from_a_desk, _ = await keys_of(session, "ada")
        revision = await revisions.store(session, CHANGED, by=from_a_phone, at=AT, file="plan.yaml")
        await session.flush()
        await revisions.move(session, revision.id, RevisionEvent.SUBMIT, by=from_a_desk, at=AT)
        with pytest.raises(OwnRevision):
            await revisions.move(session, revision.id, RevisionEvent.APPROVE, by=from_a_desk, at=AT)


async def keys_of(session: AsyncSession, person: str) -> tuple[Principal, str]:
    key, shown = await keys.issue(
        session, name=person, role=Role.LEADERSHIP, by="test", at=AT, person_id=person
    )
    return keys.principal_of(key), shown


async def test_management_submits_and_leadership_decides(centre: Centre) -> None:
    async with centre.db.transaction() as session:
        revision = await revisions.store(session, CHANGED, by=BEN, at=AT, file="plan.yaml")
        await session.flush()
        await revisions.move(session, revision.id, RevisionEvent.SUBMIT, by=BEN, at=AT)
        for event in (RevisionEvent.APPROVE, RevisionEvent.REJECT):
            with pytest.raises(Forbidden):
                await revisions.move(session, revision.id, event, by=BEN, at=AT, note="so")
        with pytest.raises(Refused, match="note_needed"):
            await revisions.move(session, revision.id, RevisionEvent.REJECT, by=ADA, at=AT)
        with pytest.raises(Stale):
            await revisions.move(session, revision.id, RevisionEvent.APPROVE, by=ADA, at=AT, version=1)


async def test_a_plan_that_would_fail_in_use_is_not_stored(centre: Centre) -> None:
    with pytest.raises(PlanRefused) as refusal:
        async with centre.db.transaction() as session:
            await revisions.store(session, UNSOUND, by=BEN, at=AT, file="plan.yaml")
    [mistake] = [m for m in refusal.value.mistakes if "update_owner" in m.path]
    assert PLAN.splitlines()[mistake.line - 1].strip().startswith("update_owner:")


# ── over HTTP ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_plan_goes_from_yaml_to_being_in_force_over_http(centre: Centre) -> None:
    stored = await centre.yaml("/plan/revisions", CHANGED)
    assert stored.status_code == 201, stored.text
    body = stored.json()
    assert body["changes"] == [{"kind": "changed", "path": "plan.version"}]
    assert (body["state"], body["allowed"], body["check"]["ok"]) == ("draft", ["submit"], True)
    where = stored.headers["location"].removeprefix("/api/v1")
    for event, role in (("submit", "management"), ("approve", "leadership"), ("enforce", "leadership")):
        moved = await centre.ask("POST", f"{where}/transitions", role, json={"event": event})
        assert moved.status_code == 201, moved.text
    plan = (await centre.ask("GET", "/plan", "execution")).json()
    assert (plan["revision"]["id"], plan["document"]["plan"]["version"]) == (body["id"], "1.1")
    source = await centre.ask("GET", plan["revision"]["source"].removeprefix("/api/v1"))
    assert (source.text, source.headers["content-type"]) == (CHANGED, "application/yaml")
    listed = (await centre.ask("GET", "/plan/revisions", "auditor")).json()["items"]
    assert {one["state"] for one in listed} == {"in_force", "superseded"}


async def test_every_mistake_is_answered_at_once_in_the_readers_language(centre: Centre) -> None:
    answer = await centre.yaml("/plan/revisions", PLAN.replace("plan:", "plan:\n  wiht: 1\n  whit: 2", 1))
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert [error["path"] for error in answer.json()["errors"]] == ["plan.wiht", "plan.whit"]
    unsound = await centre.yaml("/plan/revisions", UNSOUND)
    assert unsound.status_code == 422
    assert all({"message", "mend", "line", "clause"} <= set(error) for error in unsound.json()["errors"])


async def test_checking_stores_nothing(centre: Centre) -> None:
    alone = (await centre.yaml("/plan/check?organisation=false", CHANGED)).json()
    assert (alone["ok"], alone["with_organisation"], alone["plan_revision"]) == (True, False, None)
    unsound = await centre.yaml("/plan/check", UNSOUND)
    assert (unsound.status_code, unsound.json()["ok"]) == (200, False)
    assert len((await centre.ask("GET", "/plan/revisions")).json()["items"]) == 1


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"\xff\xfe", "application/yaml", 400),
        (b"plan: a\0b", "application/yaml", 400),
        (b"{}", "application/json", 415),
        (b"", "application/yaml", 422),
        (b"- " * 900, "application/yaml", 422),
        (b"a: &a [*a]", "application/yaml", 422),
    ],
)
async def test_what_is_no_plan_is_refused(centre: Centre, body: bytes, kind: str, status: int) -> None:
    answer = await centre.ask("POST", "/plan/revisions", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status, answer.text


async def test_who_may_do_what(centre: Centre) -> None:
    assert (await centre.yaml("/plan/revisions", CHANGED, "execution")).status_code == 403
    assert (await centre.ask("GET", "/plan", "ingest")).status_code == 403
    assert (await centre.ask("GET", "/plan/revisions/none")).status_code == 404


def test_an_inserted_entry_is_one_change() -> None:
    old, new = (revisions.examine(text, file="plan.yaml").document for text in (PLAN, PLAN))
    assert changes.between(old, new) == []
    first = next(iter(old.types))
    fewer = old.model_copy(
        update={"types": {name: kind for name, kind in old.types.items() if name != first}}
    )
    assert changes.between(old, fewer) == [changes.Change(changes.Kind.REMOVED, f"types.{first}")]
    assert changes.between(fewer, old) == [changes.Change(changes.Kind.ADDED, f"types.{first}")]
    without = old.model_copy(update={"training": None})
    assert changes.between(old, without) == [changes.Change(changes.Kind.REMOVED, "training")]


async def test_a_plan_is_examined_beside_the_event_loop(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    examine, look, threads = revisions.examine, report.look, list[threading.Thread]()

    def watched(text: str | bytes, *, file: str) -> revisions.Checked:
        threads.append(threading.current_thread())
        return examine(text, file=file)

    def looked(*plan: Any, **more: Any) -> report.Report:
        threads.append(threading.current_thread())
        return look(*plan, **more)

    monkeypatch.setattr(revisions, "examine", watched)
    monkeypatch.setattr(report, "look", looked)
    assert (await centre.yaml("/plan/check", CHANGED)).status_code == 200
    assert (await centre.yaml("/plan/revisions", CHANGED)).status_code == 201
    await load(centre.db, THIRD)
    assert len(threads) == 3
    assert threading.current_thread() not in threads, "nobody would be told meanwhile"
