"""EP-5.1, EP-5.2: reports with seven parts in numbered versions, to those the level names, and outside only what was approved."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from app.errors import NotFound
from app.reports import sending
from app.typeset import pdf
from tests.rooms.trial import Trial, activated, raised
from tests.world import World

OUTSIDERS = (
    "name,staff_number,department,positions,skills,mail,webhook\n"
    "Vendor,901,partners,it_vendor,,vendor@supplier.example,\n"
    "Office,902,partners,regulator_contact,,office@regulator.example,\n"
)


@pytest.fixture
async def trial(world: World) -> Trial:
    await world.import_people(OUTSIDERS)
    made = await activated(world, level=1, type_="other")
    world.told()
    return made


async def drafted(trial: Trial, kind: str = "first", **more: Any) -> Any:
    body = {"kind": kind, **more}
    return await trial.world.post(f"/incidents/{trial.name}/reports", body, role="management")


async def moved(trial: Trial, report: Any, event: str, *, role: str = "leadership", **more: Any) -> Any:
    expect = more.pop("expect", 201)
    headers = {"If-Match": f'"{more.pop("version")}"'} if "version" in more else {}
    answer = await trial.world.post(
        f"/reports/{report['id']}/transitions",
        {"event": event, **more},
        role=role,
        expect=expect,
        headers=headers,
    )
    await trial.world.settle()
    return answer


async def rewritten(trial: Trial, report: Any, *, role: str = "management", **body: Any) -> Any:
    expect = body.pop("expect", 200)
    return await trial.world.call("PATCH", f"/reports/{report['id']}", body, role=role, expect=expect)


async def owed(trial: Trial) -> dict[str, str]:
    """Kind and state of the newest duty of each kind that has to do with reports."""
    return {
        one["kind"]: one["state"]
        for one in (await trial.read())["obligations"]
        if one["kind"].endswith("report")
    }


def mails(
    world: World, who: Sequence[str] = ("vendor@supplier.example", "office@regulator.example")
) -> list[Any]:
    return [sent.message for sent in world.channels["mail"].sent if sent.to in who]


async def test_a_report_is_compiled_with_seven_parts_and_names_those_it_lacks(trial: Trial) -> None:
    report = await drafted(trial, language="en")
    assert (report["kind"], report["ordinal"], report["version"], report["state"]) == (
        "first",
        1,
        1,
        "drafted",
    )
    assert [part["name"] for part in report["parts"]] == [
        "event_type", "time", "departments", "scope", "cause", "countermeasures", "follow_up",
    ]  # fmt: skip
    assert report["missing"] == [part["title"] for part in report["parts"] if not part["lines"]]
    assert "ause" in str(report["missing"])
    assert report["filled"] == 7 - len(report["missing"])


async def test_inside_it_goes_at_once_and_outside_only_after_another_hand_approved_it(trial: Trial) -> None:
    world = trial.world
    report = await drafted(trial, parts={"cause": "光缆中断"})
    sent = await moved(trial, report, "send", role="management")
    assert sent["state"] == "waiting"
    assert mails(world) == [], "nothing left the centre"
    told = {one["position"]: one["whom"] for one in sent["recipients"] if one["told_at"]}
    assert set(told.values()) == {"department", "superior"}
    assert {"Ada", "Deng", "Ben", "Tao"} <= set(world.told())

    refused = await moved(trial, report, "approve", role="management", expect=403)
    assert refused["type"].endswith("/own-report")
    after = await moved(trial, report, "approve")
    assert (after["state"], after["approved_by"]) == ("sent", "leadership")
    assert [mail.attachments[0].body[:5] for mail in mails(world)] == [b"%PDF-"] * 2
    assert all("光缆中断" in mail.attachments[1].body.decode() for mail in mails(world))
    now = await world.get(f"/reports/{report['id']}")
    came = {one["position"]: one["deliveries"] for one in now["recipients"]}
    assert came["it_vendor"] == came["regulator_contact"] == ["sent"]


async def test_what_changes_after_approval_is_approved_anew(trial: Trial) -> None:
    report = await drafted(trial)
    await moved(trial, report, "approve", version=1)
    again = await rewritten(trial, report, parts={"cause": "A cable was cut"}, note="the cause is known")
    assert (again["version"], again["state"], again["approved_by"]) == (2, "drafted", None)
    stale = await moved(trial, report, "approve", version=1, expect=409)
    assert stale["current_version"] == 2
    await moved(trial, report, "send", role="management")
    assert mails(trial.world) == []
    await moved(trial, report, "approve", version=2)
    assert len(mails(trial.world)) == 2
    newest, first = (await trial.world.get(f"/reports/{report['id']}/versions"))["items"]
    assert (newest["changed"][0]["mark"], newest["changed"][0]["line"]) == ("+", "A cable was cut")
    assert (first["approved_by"], first["changed"]) == ("leadership", [])


async def test_what_was_sent_changes_no_more_and_the_next_report_is_a_follow_up(trial: Trial) -> None:
    report = await drafted(trial)
    await moved(trial, report, "approve")
    assert (await moved(trial, report, "send"))["state"] == "sent"
    refused = await rewritten(trial, report, parts={"cause": "x"}, expect=409)
    assert refused["next"] == "follow_up"
    second = await trial.world.post(f"/incidents/{trial.name}/reports", {"kind": "first"}, expect=409)
    assert second["next"] == "follow_up"
    for ordinal in (1, 2):
        follow_up = await drafted(trial, "follow_up")
        assert follow_up["ordinal"] == ordinal
        await moved(trial, follow_up, "approve")
        await moved(trial, follow_up, "send")
    early = await moved(trial, await drafted(trial, "final"), "send", expect=409)
    assert early["next"] == "follow_up"


async def test_each_is_due_with_an_owner_and_a_missed_one_goes_up(trial: Trial) -> None:
    world = trial.world
    (duty,) = [one for one in (await trial.read())["obligations"] if one["kind"] == "first_report"]
    assert (duty["owner"], duty["state"]) == ("customer_service_head", "owed")
    await world.advance(minutes=61)
    assert (await owed(trial))["first_report"] == "missed"
    overdue = [one for one in world.messages() if "first report" in one.subject or "首报" in one.subject]
    assert {"Ben"} <= {one.who for one in overdue}
    report = await drafted(trial)
    await moved(trial, report, "send", role="management")
    assert (await owed(trial))["first_report"] == "missed", "it has not reached everybody it is for"
    await moved(trial, report, "approve")
    assert await owed(trial) == {"first_report": "paid", "follow_up_report": "owed"}


async def test_an_oral_report_counts_as_the_first_and_the_written_one_is_then_owed(trial: Trial) -> None:
    world = trial.world
    told: dict[str, Any] = {
        "told": "Ada", "position": "general_manager", "at": world.clock.now().isoformat(), "way": "telephone",
        "text": "All lines are down, we are at it",
    }  # fmt: skip
    path = f"/incidents/{trial.name}/oral-reports"
    somebody = await world.post(path, {**told, "told": "a journalist", "position": None}, role="execution")
    assert (somebody["counts"], (await owed(trial))["first_report"]) == (False, "owed")
    assert (await world.post(path, told, role="execution"))["counts"]
    assert await owed(trial) == {"first_report": "paid", "written_report": "owed"}
    assert "report.oral_first" in await trial.kinds()
    await moved(trial, await drafted(trial), "approve")
    report = (await trial.items("reports"))[0]
    await moved(trial, report, "send")
    assert await owed(trial) == {
        "first_report": "paid", "written_report": "paid", "follow_up_report": "owed",
    }  # fmt: skip
    future = {**told, "at": "2099-01-01T00:00:00Z"}
    await world.post(path, future, role="execution", expect=422)


async def test_the_final_report_is_owed_after_the_close(trial: Trial) -> None:
    waive = ["tasks_done", "updates_paid", "customers_told", "approvals_decided"]
    await trial.world.apply(trial.name, "respond")
    await trial.world.apply(trial.name, "recover")
    await trial.world.apply(trial.name, "close", reason="over", waive=waive)
    assert (await owed(trial))["final_report"] == "owed"
    over = await trial.world.post(f"/incidents/{trial.name}/reports", {"kind": "follow_up"}, expect=409)
    assert over["next"] == "final"
    final = await drafted(trial, "final")
    await moved(trial, final, "approve")
    await moved(trial, final, "send")
    assert (await owed(trial))["final_report"] == "paid"


async def test_somebody_outside_opens_the_version_they_were_sent_and_nothing_else(trial: Trial) -> None:
    world = trial.world
    report = await drafted(trial)
    await moved(trial, report, "approve")
    await moved(trial, report, "send")
    link = mails(world)[0].link
    assert link.startswith("http://muster.example/r/")
    path = link.removeprefix("http://muster.example")
    shown = await world.client.get(path)
    assert (shown.status_code, shown.headers["content-type"]) == (200, "application/pdf")
    assert (await world.client.get(path[:-4] + "AAAA")).status_code == 404
    _, _, recipient, mark = path.split("/")
    later = world.clock.now() + sending.SHARED_FOR + timedelta(minutes=1)
    async with world.parts.db.reading() as session:
        with pytest.raises(NotFound):
            await sending.shared(session, world.parts.vault, recipient, mark, at=later)


async def test_of_a_drill_nothing_leaves_and_its_report_says_so(world: World) -> None:
    await world.import_people(OUTSIDERS)
    trial = await raised(world, type_="other", level=1, exercise=True)
    await world.apply(trial.name, "assess", level=1)
    await world.apply(trial.name, "activate")
    report = await drafted(trial)
    await moved(trial, report, "approve")
    sent = await moved(trial, report, "send")
    assert sent["state"] == "sent"
    assert mails(world) == []
    assert [one["withheld"] is not None for one in sent["recipients"] if one["outside"]] == [True, True]
    document = await world.get(
        f"/reports/{report['id']}/versions/1",
        headers={"Accept": "text/markdown", "Accept-Language": "zh-Hans"},
    )
    assert "EXERCISE" in document
    assert "DRILL" in document


async def test_without_a_font_for_chinese_it_is_said_and_the_rest_goes(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf, "families", lambda: frozenset({"DejaVu Sans"}))
    report = await drafted(trial, language="zh-Hans")
    refused = await trial.world.get(
        f"/reports/{report['id']}/versions/1", headers={"Accept": "application/pdf"}, expect=503
    )
    assert "fonts-wqy-zenhei" in refused["detail"]
    await moved(trial, report, "approve")
    await moved(trial, report, "send")
    for mail in mails(trial.world):
        assert [one.media_type for one in mail.attachments] == ["text/markdown; charset=utf-8"]
        assert "fonts-wqy-zenhei" in mail.text


async def test_a_report_that_went_out_tells_how_things_stand_and_defers_the_next_update(trial: Trial) -> None:
    async def updates() -> list[Any]:
        return [one for one in (await trial.read())["obligations"] if one["kind"] == "update"]

    (first,) = await updates()
    await trial.world.advance(minutes=10)
    report = await drafted(trial)
    await moved(trial, report, "approve")
    await moved(trial, report, "send")
    before, after = sorted(await updates(), key=lambda one: str(one["due_at"]))
    assert (before["id"], before["state"]) == (first["id"], "paid")
    assert (after["state"], after["due_at"] > first["due_at"]) == ("owed", True)


async def test_what_was_told_before_the_last_update_brings_the_next_one_no_nearer(trial: Trial) -> None:
    async def due() -> list[str]:
        duties = (await trial.read())["obligations"]
        return [one["due_at"] for one in duties if (one["kind"], one["state"]) == ("update", "owed")]

    world = trial.world
    told = {
        "told": "Ada", "position": "general_manager", "at": world.clock.now().isoformat(), "way": "telephone", "text": "All down",
    }  # fmt: skip
    await world.advance(minutes=10)
    await world.post(f"/incidents/{trial.name}/updates", {"text": "we are at it"})
    await world.settle()
    before = await due()
    assert (await world.post(f"/incidents/{trial.name}/oral-reports", told, role="execution"))["counts"]
    assert await due() == before
