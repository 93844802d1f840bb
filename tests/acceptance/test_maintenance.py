"""Early warning without false alarms (OM-2, EP-4.2.1): work on the lines at night, in the words of those who do it."""

from datetime import timedelta
from typing import Any

from tests.world import PLAN, World

OFF = {
    "version": "4",
    "groupKey": "{}",
    "receiver": "x",
    "groupLabels": {},
    "commonLabels": {},
    "commonAnnotations": {},
}


def alert(name: str, minute: int, status: str = "firing", severity: str = "warning") -> dict[str, Any]:
    ends = "2026-11-22T20:00:00Z" if status == "resolved" else "0001-01-01T00:00:00Z"
    one = {
        "status": status, "labels": {"alertname": name, "severity": severity, "team": "network", "site": "hz"},
        "annotations": {"summary": name}, "startsAt": f"2026-11-22T19:{minute:02}:00Z", "endsAt": ends, "fingerprint": name,
    }  # fmt: skip
    return {**OFF, "status": status, "alerts": [one]}


async def test_a_night_of_work_on_the_lines(world: World) -> None:
    """Nobody is called for what the work brings about; what is grave calls all the same; what is left at the end raises."""
    key = (await world.post("/sources", {"slug": "prom", "kind": "alertmanager"}))["key"]

    async def say(body: dict[str, Any]) -> None:
        await world.call("POST", "/intake/prom", body, headers={"Authorization": f"Bearer {key}"})
        await world.settle()

    ends = (world.clock.now() + timedelta(hours=2)).isoformat()
    window = await world.post(
        "/maintenance",
        {"title": "New line card", "reason": "Change 4711", "ends_at": ends, "labels": {"team": "network"}},
        role="management",
    )
    await world.call("POST", "/maintenance", {"title": "x", "reason": "y", "ends_at": ends, "labels": {"a": "b"}},
                     role="execution", expect=403)  # fmt: skip
    world.told()

    await say(alert("LineDown", 1))
    await say(alert("LossHigh", 2))
    await say(alert("LossHigh", 2, "resolved"))
    assert ((await world.get("/incidents"))["items"], world.told()) == ([], [])
    seen = await world.get(f"/maintenance/{window['id']}")
    assert (seen["active"], seen["held"], [one["title"] for one in seen["problems"]]) == (
        True,
        1,
        ["LineDown"],
    )
    outcomes = [one["outcome"] for receipt in (await world.get("/receipts"))["items"]
                for one in (await world.get(f"/receipts/{receipt['id']}"))["signals"]]  # fmt: skip
    assert outcomes == ["recovered", "held", "held"]
    page = await world.client.get("/board", headers={**world.as_("execution"), "Accept": "text/html"})
    assert "New line card" in page.text

    await say(alert("CoreDown", 5, severity="critical"))
    (grave,) = (await world.get("/incidents"))["items"]
    assert (grave["title"], grave["level"], grave["type"]) == ("CoreDown", 1, "network_outage")
    assert world.told()
    await world.apply(grave["id"], "cancel", reason="Our own work")
    await world.advance(minutes=60)
    world.told()

    moved = await world.post(f"/maintenance/{window['id']}/transitions", {"event": "end", "reason": "All cards in"},
                             headers={"If-Match": '"1"'})  # fmt: skip
    assert (moved["over"], moved["allowed"]) == (True, [])
    await world.settle()
    (left,) = (await world.get("/incidents?open=true"))["items"]
    assert left["title"] == "LineDown"
    assert world.told(), "now people are called"
    refused = await world.post(
        f"/maintenance/{window['id']}/transitions", {"event": "extend", "reason": "x"}, expect=409
    )
    assert refused["type"].endswith("/problems/window-is-over")
    changes = (await world.get(f"/maintenance/{window['id']}"))["changes"]
    assert [(one["event"], one["reason"]) for one in changes] == [
        ("set", "Change 4711"),
        ("end", "All cards in"),
    ]
    await world.nothing_failed()


async def test_a_window_is_set_and_extended_on_its_page(world: World) -> None:
    await world.post("/sources", {"slug": "prom", "kind": "alertmanager"})
    headers = {**world.as_("management"), "Accept": "text/html", "Accept-Language": "zh-Hans"}
    said = {
        "form": "window",
        "title": "更换线卡",
        "reason": "变更 4711",
        "ends_at": "2026-11-23T05:00",
        "sources": "prom",
    }
    wrong = await world.client.post("/maintenance", data={**said, "sources": ""}, headers=headers)
    assert wrong.status_code == 422
    assert "变更 4711" in wrong.text, "what was typed is still there"
    assert (await world.client.post("/maintenance", data=said, headers=headers)).status_code == 303
    ((window),) = (await world.get("/maintenance?over=false"))["items"]
    assert window["ends_at"] == "2026-11-22T21:00:00Z", "by the clocks of the centre"
    page = (await world.client.get("/maintenance", headers=headers)).text
    assert "更换线卡" in page
    assert "生效中" in page
    moved = await world.client.post(f"/maintenance/{window['id']}/transitions", headers=headers, data={
        "form": window["id"], "event": "extend", "reason": "没做完", "ends_at": "2026-11-23T06:00", "version": "1",
    })  # fmt: skip
    assert moved.status_code == 303
    assert (await world.get(f"/maintenance/{window['id']}"))["ends_at"] == "2026-11-22T22:00:00Z"


async def test_other_rules_are_tried_on_the_last_signals_before_they_are_in_force(world: World) -> None:
    """Over the API by a text or a draft, and on the draft's page: what would have been raised, of which type, in words."""
    key = (await world.post("/sources", {"slug": "prom", "kind": "alertmanager"}))["key"]
    for minute, name in enumerate(("A", "B", "C")):
        body = alert(name, minute)
        body["alerts"][0]["labels"]["team"] = "telephony"
        await world.call("POST", "/intake/prom", body, headers={"Authorization": f"Bearer {key}"})
    await world.settle()
    rule = """    - id: phones
      if: labels.team == "telephony"
      type: system_outage
      group: {by: [labels.site], within: 1h}
"""
    text = PLAN.read_text("utf-8").replace("    - id: network_lines\n", f"{rule}    - id: network_lines\n")
    yaml = {**world.as_("management"), "Content-Type": "application/yaml"}
    tried = (await world.client.post("/api/v1/plan/preview?last=10", content=text, headers=yaml)).json()
    assert (tried["signals"], tried["incidents_were"]["3"], tried["incidents_now"]["3"]) == (3, 3, 1)
    assert [(one["title"], one["now"]["rule"], one["now"]["incident"]) for one in tried["otherwise"]] == [
        ("A", "phones", 1), ("B", "phones", 1), ("C", "phones", 1),
    ]  # fmt: skip
    assert "Type System outage instead of Other emergency." in tried["otherwise"][0]["differences"]
    draft = (await world.client.post("/api/v1/plan/revisions", content=text, headers=yaml)).json()["id"]
    assert (await world.get(f"/plan/revisions/{draft}/preview?last=2"))["signals"] == 2
    page = await world.client.get(
        f"/plan/revisions/{draft}/preview", headers={**world.as_("auditor"), "Accept": "text/html"}
    )
    assert "joins an open incident" in page.text
    assert len((await world.get("/incidents"))["items"]) == 3, "nothing came of it"
    wrong = text.replace("system_outage\n      group", "earthquake\n      group")
    assert (await world.client.post("/api/v1/plan/preview", content=wrong, headers=yaml)).status_code == 422
