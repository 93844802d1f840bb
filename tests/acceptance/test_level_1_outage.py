"""EP-4, EP-5, EP-6, EP-7 as one night: a level 1 outage, from the monitoring's alarm to the published review."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from app.settings import Connection
from tests.databases import Kind
from tests.receiver import Receiver, status
from tests.world import World, a_world

FIRING: dict[str, Any] = {
    "version": "4",
    "groupKey": '{}:{alertname="CallCentreDown"}',
    "truncatedAlerts": 0,
    "status": "firing",
    "receiver": "muster",
    "groupLabels": {"alertname": "CallCentreDown"},
    "commonLabels": {"severity": "critical"},
    "commonAnnotations": {},
    "externalURL": "http://alerts.example",
    "alerts": [
        {
            "status": "firing",
            "labels": {
                "alertname": "CallCentreDown",
                "severity": "critical",
                "incident_type": "system_outage",
            },
            "annotations": {"summary": "呼叫中心全部不可用"},
            "startsAt": "2026-11-22T18:59:30Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prom.example/graph",
            "fingerprint": "45eef34ab06122bd",
        }
    ],
}


@pytest.fixture
async def failover() -> AsyncIterator[Receiver]:
    """The standby telephony system's switch."""
    async with Receiver() as receiver:
        receiver.always = status(200, b'{"switched": true}', content_type="application/json")
        yield receiver


@pytest.fixture(params=["sqlite", "postgresql"])
async def night(
    request: pytest.FixtureRequest, fresh_database: Callable[[Kind], str], tmp_path: Path, failover: Receiver
) -> AsyncIterator[World]:
    connections = {"telephony_failover": Connection(url=failover.url("/switch"))}
    async with a_world(fresh_database(request.param), tmp_path, connections=connections) as made:
        yield made


async def raised_by_monitoring(world: World) -> Any:
    made = await world.post("/sources", {"slug": "prom", "kind": "alertmanager", "name": "Prometheus"})
    headers = {"Authorization": f"Bearer {made['key']}"}
    await world.call("POST", "/intake/prom", FIRING, headers=headers, expect=200)
    await world.settle()
    (incident,) = (await world.get("/incidents?open=true"))["items"]
    return incident


async def on_leave(world: World, *names: str) -> None:
    for person in (await world.get("/people"))["items"]:
        if person["name"] in names:
            await world.call("PATCH", f"/people/{person['id']}", {"availability": "leave"})
    await world.settle()


async def step(world: World, incident_id: str, name: str) -> Any:
    run = await world.get(f"/incidents/{incident_id}/run")
    return next(step for step in run["steps"] if step["name"] == name)


async def decide(world: World, incident_id: str, choice: str, *, of: str) -> None:
    asked = (await world.get(f"/incidents/{incident_id}/decisions"))["items"]
    open_ = [one for one in asked if one["state"] == "asked" and one["kind"] == of]
    assert open_, f"nobody is asked for a decision of the kind {of}"
    await world.post(f"/decisions/{open_[0]['id']}/choices", {"choice": choice})
    await world.settle()


async def do_tasks(world: World, incident_id: str) -> int:
    """Everybody does what they were given."""
    done = 0
    for task in (await world.get(f"/incidents/{incident_id}/tasks"))["items"]:
        if task["state"] in ("open", "started"):
            await world.post(
                f"/tasks/{task['id']}/transitions", {"event": "complete", "note": "done"}, role="execution"
            )
            await world.settle()
            done += 1
    return done


async def kinds(world: World, incident_id: str) -> list[str]:
    timeline = await world.get(f"/incidents/{incident_id}/timeline")
    assert timeline["intact"]
    return [entry["kind"] for entry in timeline["items"]]


async def test_a_level_1_outage_at_night_from_the_alarm_to_the_review(
    night: World, failover: Receiver
) -> None:
    world = night
    await on_leave(world, "Cs3", "Cs4")
    # Monitoring raises it; it is graded by the plan's rule, and the duty lead is told at once.
    incident = await raised_by_monitoring(world)
    name = incident["id"]
    assert (incident["type"], incident["level"], incident["provisional"]) == ("system_outage", 1, True)
    assert world.told() == ["Lin"]

    # The duty lead is silent: after the plan's five minutes both heads are told, after ten the general manager.
    await world.advance(minutes=4, seconds=59)
    assert world.told() == ["Lin"], "the second contact point of the same person, and nobody else"
    await world.advance(seconds=1)
    assert sorted(world.told()) == ["Ben", "Tao"]
    await world.advance(minutes=5)
    called = world.messages()
    assert sorted(one.who for one in called) == ["Ada", "Deng"]

    # The link in the message shows a button; looking changes nothing, pressing it stops the chain.
    link = next(one.link for one in called if one.who == "Ada")
    assert link is not None
    path = link.removeprefix("http://muster.example")
    page = await world.client.get(path)
    assert page.status_code == 200
    assert "<form" in page.text
    assert (await world.get(f"/incidents/{name}"))["acknowledged_at"] is None
    assert (await world.client.post(path)).status_code in (200, 303)
    await world.settle()
    held = await world.get(f"/incidents/{name}")
    assert held["acknowledged_by"] == "Ada"
    await world.advance(minutes=29)
    assert world.told() == [], "after an answer nobody is called"

    # Assessed by the matrix, activated by leadership: command post, resources, playbook.
    await world.apply(name, "assess", assessment={"method": "qualitative", "likelihood": 5, "impact": 4})
    assessed = await world.get(f"/incidents/{name}")
    assert (assessed["level"], assessed["gravity"], assessed["provisional"]) == (
        1,
        "extraordinarily_major",
        False,
    )
    await world.apply(name, "activate")
    active = await world.get(f"/incidents/{name}")
    commander = next(m for m in active["command_post"]["members"] if m["role"] == "commander")
    assert commander["name"] == "Ada"

    # Four agents are wanted: whoever the team lacks comes from the reserve.
    reserved = await step(world, name, "reserve_service_team")
    assert reserved["state"] == "done"
    assert reserved["result"]["held"] == 4
    assert {line["pool"] for line in reserved["result"]["lines"]} == {"front_line_team", "reserve_team"}
    assert (await world.get(f"/incidents/{name}/reservations"))["items"]

    # Failover is called over HTTP, once, under the step's own key.
    (call,) = failover.received
    assert call.headers["idempotency-key"] == (await step(world, name, "fail_over"))["id"]
    switched = {"standby": "standby_telephony", "status": 200, "body": {"switched": True}}
    assert (await step(world, name, "fail_over"))["result"] == switched

    # Customers are told only after leadership approved.
    await world.apply(name, "respond")
    assert (await step(world, name, "tell_customers"))["state"] == "pending"
    await decide(world, name, "approve", of="approval")
    assert (await step(world, name, "tell_customers"))["state"] == "done"
    announced = (await world.get(f"/incidents/{name}/announcements"))["items"]
    assert any(one["state"] == "published" and one["audience"] == "customers" for one in announced)

    # The fault is found and service restored; what waited for that goes on.
    await do_tasks(world, name)
    await world.call("PATCH", f"/incidents/{name}/facts", {"cause": "光缆中断", "service_restored": True})
    await world.settle()
    assert (await step(world, name, "update_restored"))["state"] == "done"
    while await do_tasks(world, name):
        pass

    # Level 1 passes through recovery; closing is refused while an update is overdue, and allowed once it is paid.
    refused = await world.apply(name, "close", expect=409)
    assert refused["allowed"] == ["relevel", "recover", "close", "cancel"]
    await world.apply(name, "recover")
    await world.advance(minutes=31)
    for one in (await world.get(f"/incidents/{name}/decisions"))["items"]:
        if one["state"] == "asked":
            await decide(world, name, one["options"][0], of=one["kind"])
    while await do_tasks(world, name):
        pass
    refused = await world.apply(name, "close", expect=409)
    assert refused["unmet"] == ["updates_paid"]
    await world.post(f"/incidents/{name}/updates", {"text": "服务已恢复，正在回访受影响客户。"})
    await world.settle()
    await world.apply(name, "close")

    # A closed incident holds nothing, calls nobody, and owes its review and its final report.
    closed = await world.get(f"/incidents/{name}")
    assert (await world.get(f"/incidents/{name}/reservations"))["items"] == []
    assert [o["kind"] for o in closed["obligations"] if o["state"] == "owed"] == [
        "review",
        "final_report",
    ]

    final = await world.post(f"/incidents/{name}/reports", {"kind": "final"}, role="management")
    await world.post(f"/reports/{final['id']}/transitions", {"event": "approve"})
    await world.post(f"/reports/{final['id']}/transitions", {"event": "send"})
    await world.settle()

    # The review is drafted with its figures, completed by a person, and published.
    review = await world.get(f"/incidents/{name}/review")
    assert review["state"] == "draft"
    edited = await world.call(
        "PATCH",
        f"/incidents/{name}/review",
        {"summary": "光缆中断致呼叫中心全部不可用。", "causes": [{"text": "单路由光缆，无备份"}]},
    )
    assert edited["summary"].startswith("光缆")
    await world.post(f"/incidents/{name}/review/publish")
    await world.settle()
    done = await world.get(f"/incidents/{name}")
    assert done["state"] == "reviewed"
    open_ = [
        (o["kind"], o["state"])
        for o in done["obligations"]
        if o["state"] not in ("paid", "withdrawn", "waived")
    ]
    assert open_ == []
    told_of = await kinds(world, name)
    for kind in (
        "incident.detected",
        "rung.told",
        "incident.acknowledged",
        "command_post.formed",
        "announcement.published",
    ):
        assert kind in told_of


async def test_a_graver_level_pages_again_and_a_lighter_one_withdraws_what_it_no_longer_needs(
    night: World,
) -> None:
    world = night
    raised = await world.post(
        "/incidents", {"title": "部分坐席登录失败", "type": "system_outage", "level": 2}
    )
    name = raised["id"]
    await world.settle()
    assert world.told() == ["Lin"]
    await world.post(f"/incidents/{name}/acknowledgements")
    await world.settle()
    await world.apply(name, "assess", level=2)
    await world.apply(name, "activate")
    world.told()
    await world.apply(name, "relevel", level=1, reason="全部坐席受影响")
    assert "Lin" in world.told(), "the answer belonged to level 2"
    assert (await world.get(f"/incidents/{name}"))["acknowledged_at"] is None
    level_1 = {
        s["name"] for s in (await world.get(f"/incidents/{name}/run"))["steps"] if s["state"] != "withdrawn"
    }
    assert "tell_partners" in level_1

    await world.apply(name, "relevel", level=4, reason="误判，仅一台终端故障")
    run = await world.get(f"/incidents/{name}/run")
    left = {s["name"] for s in run["steps"] if s["state"] not in ("withdrawn", "done", "skipped")}
    assert "fix_single_problem" in left
    assert "diagnose" not in left
    assert (await world.get(f"/incidents/{name}/reservations"))["items"] == []


async def test_what_was_told_and_held_is_found_by_number_and_not_for_what_does_not_exist(
    world: World,
) -> None:
    raised = await world.post("/incidents", {"title": "客服系统中断", "type": "system_outage"})
    await world.settle()
    (notice,) = (await world.get(f"/incidents/{raised['number']}/notices"))["items"]
    assert [one["person"] for one in notice["deliveries"]] == ["Lin", "Lin"]
    for what in ("notices", "reservations"):
        await world.get(f"/incidents/INC-1999-0001/{what}", expect=404)
