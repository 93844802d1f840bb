"""Meetings (EP-5.3): an invitation with a calendar file and a link, moved, cancelled, minutes and decisions on the timeline."""

from typing import Any

from icalendar import Calendar

from tests.rooms.test_parties import carrier
from tests.rooms.trial import Trial, raised
from tests.world import World

MEETING = {
    "title": "Command post, second look", "starts_at": "2026-11-22T20:00:00Z", "lasts": "PT45M", "room": "Room 2",
    "link": "https://meet.example/42", "who": {"groups": ["duty_lead", "finance"]},
}  # fmt: skip


async def called(world: World, trial: Trial, **more: Any) -> Any:
    made = await world.post(f"/incidents/{trial.name}/meetings", {**MEETING, **more}, role="management")
    await world.settle()
    return made


def invited(world: World) -> dict[str, Any]:
    """Each who got a calendar file since the last look: the message and the event in it."""
    news = {one.key for one in world.messages()}
    found: dict[str, Any] = {}
    for sent in world.channels["mail"].sent:
        if sent.message.key in news and sent.message.attachments:
            [file] = sent.message.attachments
            calendar: Any = Calendar.from_ical(file.body)
            [event] = calendar.walk("VEVENT")
            who = sent.to.partition("@")[0].capitalize()
            found[who] = (str(calendar["METHOD"]), int(event["SEQUENCE"]), sent.message, event, file)
    return found


async def test_a_meeting_is_called_moved_and_cancelled_in_every_calendar(world: World) -> None:
    await carrier(world)
    trial = await raised(world, level=2, type_="other", title="Secret title")
    number = (await trial.read())["number"]
    world.told()
    meeting = await called(world, trial, who={**MEETING["who"], "parties": ["carrier"]})  # type: ignore[dict-item]

    first = invited(world)
    assert set(first) == {"Lin", "Fin", "Zoe"}
    method, sequence, message, event, file = first["Lin"]
    assert (method, sequence, file.media_type.partition(";")[0]) == ("REQUEST", 0, "text/calendar")
    assert "Room 2" in message.text
    assert "https://meet.example/42" in message.text
    assert [str(one.params["CN"]) for one in event["ATTENDEE"]] == ["Lin", "Fin", "Fast Lines Ltd"]
    # The party outside sees the title, when and where, and nothing of the incident or of who else comes.
    _, _, outside, its_event, its_file = first["Zoe"]
    seen = repr(outside) + str(its_file.body)
    assert not any(word in seen for word in (number, trial.name, "Secret", "Fin", "CN=Lin"))
    assert str(its_event["ATTENDEE"].params["CN"]) == "Fast Lines Ltd"
    assert its_event["UID"] == event["UID"]

    moved = await world.call(
        "PATCH", f"/meetings/{meeting['id']}", {"starts_at": "2026-11-22T21:00:00Z"}, role="management"
    )
    await world.settle()
    again = invited(world)
    assert {name: one[:2] for name, one in again.items()} == dict.fromkeys(first, ("REQUEST", 1))
    assert again["Lin"][3]["UID"] == event["UID"]
    stale = await world.call(
        "PATCH", f"/meetings/{meeting['id']}", {"room": "3"}, headers={"If-Match": '"1"'}, expect=409
    )
    assert stale["current_version"] == moved["version"]

    await world.post(f"/meetings/{meeting['id']}/cancel", {"reason": "It is over"}, role="management")
    await world.settle()
    assert {name: one[:2] for name, one in invited(world).items()} == dict.fromkeys(first, ("CANCEL", 2))
    no = await world.post(f"/meetings/{meeting['id']}/minutes", {"text": "x"}, expect=409)
    assert "Call another one" in no["detail"]
    kinds = [kind for kind in await trial.kinds() if kind.startswith("meeting.")]
    assert kinds == ["meeting.called", "meeting.moved", "meeting.cancelled"]


async def test_minutes_decisions_and_attendance_stand_on_the_timeline(world: World) -> None:
    trial = await raised(world, level=2, type_="other")
    meeting = await called(world, trial)
    lin = next(one for one in meeting["guests"] if one["name"] == "Lin")
    minutes = {
        "text": "Two causes are left.",
        "decided": ["Switch to the standby"],
        "attended": [lin["id"]],
        "others": ["Xu"],
    }
    held = await world.post(f"/meetings/{meeting['id']}/minutes", minutes)
    assert held["state"] == "held"
    assert {one["name"]: one["attended"] for one in held["guests"]} == {"Lin": True, "Fin": False}
    entries = (await world.get(f"/incidents/{trial.name}/timeline"))["items"]
    summaries = [one["summary"] for one in entries]
    assert (
        "Minutes of “Command post, second look”: Two causes are left. Came: Lin, Xu Did not: Fin" in summaries
    )
    assert "Decided in “Command post, second look”: Switch to the standby" in summaries
    [decision] = await trial.items("decisions")
    assert (decision["kind"], decision["state"], decision["question"]["en"]) == (
        "meeting",
        "decided",
        "Switch to the standby",
    )
    no = await world.call("PATCH", f"/meetings/{meeting['id']}", {"room": "3"}, expect=409)
    assert no["state"] == "held"


async def test_a_meeting_nobody_could_come_to_is_refused(world: World) -> None:
    trial = await raised(world, level=2, type_="other")
    at = f"/incidents/{trial.name}/meetings"
    past = await world.post(at, {**MEETING, "starts_at": "2026-11-22T18:00:00Z"}, expect=409)
    assert past["needs"] == ["starts_at"]
    nowhere = {name: value for name, value in MEETING.items() if name not in ("room", "link")}
    assert (await world.post(at, nowhere, expect=409))["needs"] == ["room", "link"]
    nobody = await world.post(at, {**MEETING, "who": {}}, expect=409)
    assert nobody["needs"] == ["people", "groups", "parties"]
    await world.post(at, {**MEETING, "who": {"groups": ["nonsense"]}}, expect=404)
    await world.post(at, {**MEETING, "link": "javascript:alert(1)"}, expect=422)


async def test_a_drill_invites_nobody_outside(world: World) -> None:
    await carrier(world)
    trial = await raised(world, level=2, type_="other", exercise=True)
    world.told()
    await called(world, trial, who={"groups": ["duty_lead"], "parties": ["carrier"]})
    assert set(invited(world)) == {"Lin"}
