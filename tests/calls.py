"""Every call the service takes: the routes of the app, rows they can be about, and a body each would accept.

What attacks or walks all routes starts here, so that a new route without an example fails instead of being left out.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi.routing import APIRoute
from sqlalchemy import select

from app.access.tables import Key
from app.main import ROUTERS
from app.tables import Base
from tests.world import PLAN, World

JSON = "application/json"
ALERT = {
    "version": "4",
    "groupKey": "{}",
    "status": "firing",
    "receiver": "muster",
    "truncatedAlerts": 0,
    "groupLabels": {},
    "commonLabels": {},
    "commonAnnotations": {},
    "externalURL": "http://alerts.example",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "QueueLong", "severity": "warning"},
            "annotations": {"summary": "412 callers waiting"},
            "startsAt": "2026-11-22T18:55:00Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prom.example/graph",
            "fingerprint": "9f0c1d2e3a4b5c6d",
        }
    ],
}

SPAN = {"begins": "2026-12-24T01:00:00Z", "ends": "2026-12-24T02:00:00Z"}
SCORED_BY = {"method": "qualitative", "positions": ["technical_head", "customer_service_head"]}
DRILL = {
    "title": "Nobody can sign in",
    "type": "system_outage",
    "level": 2,
    "mode": "live",
    "starts_at": "2026-12-24T01:00:00Z",
    "lasts": "PT1H",
    "place": "Hall 2",
    "scheme": "The duty lead finds that nobody can sign in.",
    "parts": [{"position": "duty_lead"}],
}
CARRIER = {
    "id": "carrier",
    "name": "Fast Lines Ltd",
    "kind": "supplier",
    "owner": "technical_head",
    "contacts": [{"name": "Zoe", "channel": "mail", "address": "zoe@carrier.example"}],
    "may_be_asked": [{"id": "lines", "title": "Spare lines"}],
}
MEETING = {
    "title": "Second look",
    "starts_at": "2026-12-24T01:00:00Z",
    "room": "Hall 2",
    "who": {"groups": ["duty_lead"]},
}
LEAVE = b"""BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Test//EN
BEGIN:VEVENT
UID:1
DTSTAMP:20261101T000000Z
DTSTART:20261224T000000Z
DTEND:20261225T000000Z
SUMMARY:010
END:VEVENT
END:VCALENDAR
"""

SCENARIO = b"""title: {zh: x, en: x}
lasts: 1m
happens: [{at: 0m, raise: {title: x, type: system_outage, level: 1}}]
"""


def routes() -> set[tuple[str, str]]:
    """Method and path of every route that rooms bring; where there is GET there is HEAD."""
    return {
        ("GET" if method == "HEAD" else method, route.path_format)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }


@dataclass(frozen=True)
class Scene:
    """One incident in full swing, one closed, and something in every room: what the placeholders of paths stand for."""

    places: Mapping[str, str]
    prom: str  # the key of the Alertmanager source
    pager: str  # the key of the PagerDuty source

    def path(self, template: str) -> str:
        return template.format(**self.places)

    def body(self, method: str, template: str) -> tuple[bytes, str]:
        """A body that is understood, and its content type."""
        example = self._examples()[method, template]
        if isinstance(example, tuple):
            return example
        return json.dumps(example).encode(), JSON

    def has_body(self, method: str, template: str) -> bool:
        return (method, template) in self._examples()

    def _examples(self) -> Mapping[tuple[str, str], Any]:
        event = {
            "routing_key": self.pager,
            "event_action": "trigger",
            "payload": {"summary": "IVR down", "source": "ivr-01", "severity": "critical"},
        }
        plan = (PLAN.read_bytes(), "application/yaml")
        return {
            ("POST", "/api/v1/incidents"): {
                "title": "Lines are dead",
                "type": "network_outage",
                "facts": {"callers": 3},
            },
            ("POST", "/api/v1/incidents/{incident_id}/transitions"): {"event": "respond"},
            ("POST", "/api/v1/incidents/{incident_id}/acknowledgements"): {"note": "mine"},
            ("POST", "/api/v1/incidents/{incident_id}/obligations/{obligation_id}/waive"): {
                "reason": "told by phone"
            },
            ("POST", "/callbacks/chats/{group}"): {"payload": "{}"},
            ("POST", "/callbacks/{way}"): {"text": "1"},
            ("PATCH", "/api/v1/incidents/{incident_id}/facts"): {"callers": 4},
            ("POST", "/api/v1/incidents/{incident_id}/updates"): {"text": "We are at it"},
            ("POST", "/api/v1/tasks/{task_id}/transitions"): {"event": "start"},
            ("POST", "/api/v1/decisions/{decision_id}/choices"): {"choice": "approve"},
            ("POST", "/api/v1/incidents/{incident_id}/reports"): {"kind": "final"},
            ("PATCH", "/api/v1/reports/{report_id}"): {"parts": {"cause": "A cable was cut"}},
            ("POST", "/api/v1/reports/{report_id}/transitions"): {"event": "send"},
            ("POST", "/api/v1/incidents/{incident_id}/oral-reports"): {
                "told": "Ada",
                "position": "general_manager",
                "at": "2026-11-22T19:00:00Z",
                "way": "telephone",
                "text": "All lines are down",
            },
            ("POST", "/api/v1/sources"): {"slug": "other", "kind": "generic", "name": "Other"},
            ("PATCH", "/api/v1/sources/{slug}"): {"expect_every": "15m"},
            ("POST", "/api/v1/sources/{slug}/try"): ALERT,
            ("POST", "/api/v1/maintenance"): {
                "title": "New switches",
                "reason": "Planned",
                "ends_at": "2026-12-24T01:00:00Z",
                "sources": ["prom"],
            },
            ("POST", "/api/v1/maintenance/{window_id}/transitions"): {"event": "end", "reason": "Done"},
            ("POST", "/intake/{slug}"): ALERT,
            ("PUT", "/intake/{slug}"): ALERT,
            ("POST", "/v2/enqueue"): event,
            ("POST", "/v2/change/enqueue"): {
                "routing_key": self.pager,
                "payload": {"summary": "Dialplan 7 is live"},
            },
            ("POST", "/v2/alerts"): {"message": "IVR down", "alias": "ivr"},
            ("POST", "/v2/alerts/{alias}/close"): {"source": "prom"},
            ("POST", "/v2/alerts/{alias}/acknowledge"): {"source": "prom"},
            ("POST", "/v2/alerts/{alias}/notes"): {"note": "looking"},
            ("PUT", "/v2/alerts/{alias}/message"): {"message": "IVR dead"},
            ("PUT", "/v2/alerts/{alias}/description"): {"description": "no dial tone"},
            ("PUT", "/v2/alerts/{alias}/priority"): {"priority": "P1"},
            ("DELETE", "/v2/alerts/{alias}"): {},
            ("POST", "/api/v1/people"): {"name": "New", "positions": ["duty_lead"], "contacts": []},
            ("POST", "/api/v1/people/import"): (b"name,department\nSomebody,customer_service\n", "text/csv"),
            ("PATCH", "/api/v1/people/{person_id}"): {"availability": "leave"},
            ("POST", "/api/v1/parties"): {**CARRIER, "id": "another"},
            ("POST", "/api/v1/parties/import"): (b"id,name,kind,owner\nx,X,partner,duty_lead\n", "text/csv"),
            ("PATCH", "/api/v1/parties/{party_id}"): {"contract": "2026/17"},
            ("POST", "/api/v1/incidents/{incident_id}/party-requests"): {
                "party": "carrier",
                "text": "How many lines can you lend us?",
                "ask": {"lines": 2},
            },
            ("POST", "/api/v1/party-requests/{request_id}/answers"): {
                "does": "estimate",
                "by": "Zoe",
                "ready_at": "2026-11-22T21:00:00Z",
            },
            ("POST", "/p/{message_id}/{page_mark}"): (
                b"does=acknowledge",
                "application/x-www-form-urlencoded",
            ),
            ("POST", "/api/v1/incidents/{incident_id}/meetings"): MEETING,
            ("PATCH", "/api/v1/meetings/{meeting_id}"): {"room": "Hall 3"},
            ("POST", "/api/v1/meetings/{meeting_id}/cancel"): {"reason": "It is over"},
            ("POST", "/api/v1/meetings/{meeting_id}/minutes"): {
                "text": "Two causes are left",
                "decided": ["Switch over"],
            },
            ("POST", "/api/v1/departments"): {
                "id": "carriers",
                "title": {"zh": "运营商", "en": "Carriers"},
                "layer": "collaboration",
            },
            ("POST", "/api/v1/rosters"): {
                "position": "duty_lead",
                "time_zone": "Asia/Shanghai",
                "starts_on": "2026-11-01",
                "handover": "09:00",
                "days_per_shift": 7,
                "participants": [self.places["person_id"]],
            },
            ("POST", "/api/v1/rosters/{position}/overrides"): {
                "person_id": self.places["person_id"],
                **SPAN,
            },
            ("POST", "/api/v1/rosters/{position}/overrides/import"): (LEAVE, "text/calendar"),
            ("POST", "/api/v1/rosters/{position}/swaps"): {
                "person_id": self.places["lead_id"],
                **SPAN,
                "with_id": self.places["person_id"],
            },
            ("POST", "/api/v1/swaps/{swap_id}/transitions"): {"event": "accept"},
            ("POST", "/api/v1/people/{person_id}/absences"): {"kind": "leave", **SPAN},
            ("POST", "/api/v1/people/{person_id}/absences/import"): (LEAVE, "text/calendar"),
            ("POST", "/api/v1/absences/{absence_id}/transitions"): {"event": "withdraw"},
            ("POST", "/api/v1/people/{person_id}/check-ins"): {"health": "well"},
            ("POST", "/api/v1/calendar-feeds"): {"position": "duty_lead"},
            ("POST", "/api/v1/pools/{pool_id}/movements"): {
                "item": "bottled_water",
                "kind": "in",
                "quantity": 3,
            },
            ("POST", "/api/v1/pools/{pool_id}/stocktakes"): {
                "counts": [{"item": "bottled_water", "quantity": 3}]
            },
            ("POST", "/api/v1/pools/{pool_id}/assets/{name}/state"): {"state": "ready"},
            ("POST", "/api/v1/replenishments/{replenishment_id}/order"): {"quantity": 3},
            ("POST", "/api/v1/replenishments/{replenishment_id}/receive"): {"quantity": 3},
            ("POST", "/api/v1/reservations/{reservation_id}/extend"): {"until": "2026-11-23T20:00:00Z"},
            ("POST", "/api/v1/incidents/{incident_id}/preemptions"): {
                "ask": [{"pool": "front_line_team", "quantity": 1}],
                "until": "2026-11-23T19:00:00Z",
            },
            ("POST", "/api/v1/reservations"): {
                "ref": "exercise-1",
                "ask": [{"pool": "front_line_team", "quantity": 1}],
                "until": "2026-11-23T19:00:00Z",
            },
            ("POST", "/api/v1/plan/check"): plan,
            ("POST", "/api/v1/plan/preview"): plan,
            ("POST", "/api/v1/simulations"): (SCENARIO, "application/yaml"),
            ("POST", "/api/v1/plan/revisions"): plan,
            ("POST", "/api/v1/plan/revisions/{revision_id}/transitions"): {"event": "submit"},
            ("PUT", "/api/v1/plan/revisions/{revision_id}"): plan,
            ("POST", "/api/v1/plan/revisions/{revision_id}/impact"): {
                "from": "2026-11-01T00:00:00Z",
                "to": "2026-12-01T00:00:00Z",
            },
            ("POST", "/api/v1/plan/due"): {"reason": "law", "text": "The measures were amended"},
            ("POST", "/api/v1/plan/due/{due_id}/dismissals"): {"note": "It is in the plan already"},
            ("POST", "/api/v1/incidents/{incident_id}/plan"): {"reason": "The law changed"},
            ("POST", "/api/v1/duties/{key}/completions"): {"note": "done"},
            ("POST", "/api/v1/drills"): DRILL,
            ("POST", "/api/v1/drills/{drill_id}/transitions"): {"event": "approve"},
            ("POST", "/api/v1/drills/{drill_id}/scores"): {"topic": "people", "points": 4},
            ("POST", "/api/v1/drills/{drill_id}/findings"): {
                "topic": "people",
                "text": "Nobody knew the number",
                "owner": "duty_lead",
                "due_on": "2026-12-24",
            },
            ("POST", "/api/v1/drills/{drill_id}/plays"): {"people": "silent"},
            ("PATCH", "/api/v1/incidents/{incident_id}/review"): {"summary": "It went well."},
            ("POST", "/api/v1/improvements/{improvement_id}/transitions"): {
                "event": "complete",
                "evidence": "photo",
            },
            ("POST", "/api/v1/keys"): {"name": "tablet", "role": "execution"},
            ("POST", "/api/v1/incidents/{incident_id}/announcements"): {"stage": "progress"},
            ("POST", "/api/v1/announcements/{announcement_id}/versions"): {
                "stage": "resolved",
                "title": {"zh": "已恢复", "en": "It works again"},
                "text": {"zh": "服务已恢复。", "en": "Service is back."},
            },
            ("POST", "/api/v1/announcements/{announcement_id}/transitions"): {"event": "approve"},
            ("POST", "/api/v1/outlets"): {"id": "shop", "title": "The shop", "channel": "log"},
            ("POST", "/api/v1/feedback"): {"text": "I cannot pay", "came": "phone", "kind": "complaint"},
            ("POST", "/api/v1/feedback/{feedback_id}/transitions"): {
                "event": "answer",
                "answer": "You can now",
            },
            ("POST", "/api/v1/risks"): {
                "title": "A partner loses our data",
                "category": "technical",
                "owner": "technical_head",
                "likelihood": 2,
                "impact": 4,
                "strategy": "transfer",
                "review_on": "2027-01-31",
            },
            ("PATCH", "/api/v1/risks/{risk_id}"): {"impact": 4, "reason": "More customers than last year"},
            ("POST", "/api/v1/indicators"): {"name": "queue_length", "value": 12},
            ("POST", "/api/v1/warnings/{warning_id}/acknowledgements"): {"note": "mine"},
            ("POST", "/api/v1/warnings/{warning_id}/transitions"): {"event": "lift", "reason": "A test"},
            ("POST", "/api/v1/assessments"): {"risk": self.places["risk_id"], **SCORED_BY},
            ("POST", "/api/v1/assessments/{assessment_id}/scores"): {
                "position": "technical_head",
                "likelihood": 2,
                "impact": 5,
            },
            ("POST", "/api/v1/assessments/{assessment_id}/transitions"): {"event": "withdraw"},
        }


async def set_the_scene(world: World) -> Scene:
    """Raise, activate and let the world run on, until every kind of row there is has one."""
    prom = await world.post("/sources", {"slug": "prom", "kind": "alertmanager"}, role="management")
    pager = await world.post("/sources", {"slug": "pager", "kind": "pagerduty"}, role="management")
    busy = (await world.post("/incidents", {"title": "All lines down", "type": "system_outage", "level": 1}))[
        "id"
    ]
    await world.settle()
    await world.apply(busy, "assess", level=1)
    await world.apply(busy, "activate")
    tasks = (await world.get(f"/incidents/{busy}/tasks"))["items"]
    decisions = (await world.get(f"/incidents/{busy}/decisions"))["items"]
    link = next(told.link for told in world.log if told.link)
    _, _, delivery, mark = link.removeprefix("http://").split("/")
    await world.post("/parties", CARRIER)
    shared = {"party": "carrier", "text": "Our trunk is dead.", "ask": {"lines": 1}}
    request = await world.post(f"/incidents/{busy}/party-requests", shared)
    await world.settle()
    meeting = await world.post(f"/incidents/{busy}/meetings", MEETING)
    opened = next(told.link for told in world.log if told.link and "/p/" in told.link)
    people = (await world.get("/people"))["items"]
    pools = (await world.get("/pools"))["items"]
    held = await world.post("/reservations", {
        "ref": "meeting", "ask": [{"pool": "front_line_team", "quantity": 1}], "until": "2026-11-23T19:00:00Z",
    })  # fmt: skip
    receipt = await world.call("POST", "/intake/prom", {"not": "theirs"}, expect=400,
                               headers={"Authorization": f"Bearer {prom['key']}"})  # fmt: skip
    plan = await world.get("/plan")
    lead = next(one["id"] for one in people if "duty_lead" in one["positions"])
    turn = {"starts_on": "2026-11-01", "handover": "09:00", "days_per_shift": 1, "participants": [lead]}
    await world.post("/rosters", {"position": "duty_lead", "time_zone": "Asia/Shanghai", **turn})
    override = await world.post("/rosters/duty_lead/overrides", {"person_id": lead, **SPAN})
    absence = await world.post(f"/people/{people[0]['id']}/absences", {"kind": "remote", **SPAN})
    feed = await world.post("/calendar-feeds", {"position": "duty_lead"})
    risk = await world.get("/risks/core_system_fails")
    assessment = await world.post("/assessments", {"risk": risk["id"], **SCORED_BY})
    drill = await world.post("/drills", DRILL)
    window = await world.post("/maintenance", {
        "title": "New switches", "reason": "Planned", "ends_at": "2026-11-23T19:00:00Z", "labels": {"rack": "7"},
    })  # fmt: skip
    report = await world.post(f"/incidents/{busy}/reports", {"kind": "first"}, role="management")
    await world.post("/indicators", {"name": "satisfaction", "value": 84})
    warning = (await world.get("/warnings"))["items"][0]["id"]
    owed = await world.get(f"/incidents/{busy}")
    announcement = await world.post(f"/incidents/{busy}/announcements", {})
    outlet = await world.post("/outlets", {"id": "mailing_list", "title": "All customers", "channel": "log"})
    feedback = await world.post("/feedback", {"text": "Nobody answers", "came": "chat"})
    async with world.parts.db.reading() as session:
        key = await session.scalar(select(Key.id).where(Key.name == "execution"))
    return Scene(
        {
            "incident_id": busy, "task_id": tasks[0]["id"], "decision_id": decisions[0]["id"] if decisions else "none",
            "slug": "prom", "receipt_id": receipt["receipt"], "delivery_id": delivery, "mark": mark,
            "person_id": people[0]["id"], "contact_id": people[0]["contacts"][0]["id"],
            "pool_id": pools[0]["id"], "reservation_id": held["id"],
            "revision_id": plan["revision"]["id"], "key": "none", "improvement_id": "none", "key_id": str(key),
            "parked_id": "1", "alias": "ivr", "name": "standby", "replenishment_id": "none",
            "due_id": "none", "drill_id": drill["id"], "window_id": window["id"], "year": "2026",
            "report_id": report["id"], "version": "1", "form": "md",
            "position": "duty_lead", "lead_id": lead, "override_id": override["id"],
            "party_id": "carrier", "request_id": request["id"], "meeting_id": meeting["id"],
            "message_id": opened.split("/")[-2], "page_mark": opened.split("/")[-1],
            "risk_id": risk["id"], "assessment_id": assessment["id"],
            "indicator": "satisfaction", "warning_id": warning,
            "announcement_id": announcement["id"], "outlet_id": outlet["id"], "feedback_id": feedback["id"],
            "swap_id": "none", "absence_id": absence["id"], "feed_id": feed["id"],
            "group": "duty", "way": "sms", "obligation_id": owed["obligations"][0]["id"] if owed["obligations"] else "none",
            "feed_mark": feed["url"].rpartition("/")[2].removesuffix(".ics"),
        },
        prom["key"], pager["key"],
    )  # fmt: skip


async def rows(world: World, *but: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table but those named: equal before and after means that nothing was done."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    async with world.parts.db.reading() as session:
        for table in Base.metadata.sorted_tables:
            if table.name in but:
                continue
            everything = await session.execute(select(table).order_by(*table.primary_key.columns))
            found[table.name] = [tuple(row) for row in everything]
    return found
