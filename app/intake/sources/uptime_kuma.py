"""Uptime Kuma's webhook: JSON, or a form with the same JSON in its field `data`.

    {"heartbeat": {"monitorID": 7, "status": 0, "time": "2026-11-22 02:00:00.000", "msg": "timeout",
                   "important": true, "timezoneOffset": "+08:00"},
     "monitor": {"id": 7, "name": "shop", "url": "https://shop", "tags": []},
     "msg": "[shop] [🔴 Down] timeout"}

The key is the id of the monitor, the occurrence the time (UTC) of the heartbeat in which its status changed: one that only reminds
(`important` false) has none. Status 0 is a problem, 1 its end; 2 (pending) and 3 (maintenance) are remarks and call nobody. The
button "Test" sends neither heartbeat nor monitor: a remark. The whole monitor comes along, so what looks like a password in it is
not kept. Does not send again: it is refused only when the queue has no room at all. Its method GET is not taken: a GET changes
nothing here.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from app.intake import reading
from app.intake.signals import NotUnderstood, Signal, SignalState, unknown_word, wrong_kind
from app.intake.sources import generic

_INFO: Final = SignalState.INFO
_STATES: Final = {"0": SignalState.PROBLEM, "1": SignalState.RECOVERED, "2": _INFO, "3": _INFO}
_PRIVATE: Final = re.compile(
    r"pass(word|phrase)?$|_pass$|secret|token|headers$|tls(key|cert)|connectionstring", re.IGNORECASE
)
_SHORTEST: Final = 4  # characters: less would take out half of the body


def parse(body: Any, *, mapping: generic.Mapping | None = None) -> list[Signal]:
    """The one signal of a message."""
    if not isinstance(body, dict) or not {"heartbeat", "monitor"} <= body.keys():
        return generic.another_format("uptime_kuma", body, mapping)
    beat, monitor = body["heartbeat"], body["monitor"]
    if beat is None and monitor is None:
        title = reading.first_text(body.get("msg"), "Uptime Kuma")
        return [Signal(dedup_key="test", occurrence="", state=_INFO, title=title)]
    if not isinstance(beat, dict):
        raise NotUnderstood(wrong_kind("/heartbeat", "object", beat))
    monitor = monitor if isinstance(monitor, dict) else {}
    status = reading.text(beat.get("status"))
    if status not in _STATES:
        raise NotUnderstood(unknown_word("/heartbeat/status", status, _STATES))
    at = reading.moment(reading.text(beat.get("time")), "UTC")
    tags = _tags(monitor.get("tags"))
    down = status == "0"
    name = reading.first_text(monitor.get("name"), beat.get("monitorID"))
    return [
        Signal(
            dedup_key=reading.first_text(monitor.get("id"), beat.get("monitorID"), name),
            occurrence=at.isoformat() if at and beat.get("important") else "",
            state=_STATES[status],
            title=f"{name}: {reading.text(beat.get('msg'))}" if down else name,
            text=reading.text(body.get("msg")),
            level_hint=generic.level_of(tags.get("severity") or ("down" if down else ""), mapping),
            type_hint=tags.get("incident_type"),
            labels={
                **tags,
                **reading.texts({place: monitor.get(place) for place in ("name", "type", "hostname")}),
            },
            facts=reading.scalars({"ping_ms": beat.get("ping")}),
            links=reading.links(monitor.get("url")),
            started_at=at if down and beat.get("important") else None,
            ended_at=at if status == "1" else None,
        )
    ]


def secrets(body: Any) -> Iterable[str]:
    """What the monitor's record holds that is nobody's business."""
    monitor = body.get("monitor") if isinstance(body, dict) else None
    if not isinstance(monitor, dict):
        return ()
    return [
        text
        for name, value in monitor.items()
        if _is_private(str(name))
        for text in _texts(value)
        if len(text) >= _SHORTEST
    ]


@lru_cache(maxsize=512)  # the hundred fields of a monitor come again with each message
def _is_private(name: str) -> bool:
    return _PRIVATE.search(name) is not None


def _texts(value: Any) -> Iterable[str]:
    """Every text inside a value: headers may be written as a text or as an object."""
    match value:
        case str():
            yield value
        case dict() | list():
            for member in value.values() if isinstance(value, dict) else value:
                yield from _texts(member)


def _tags(value: Any) -> dict[str, str]:
    if not isinstance(value, list):
        return {}
    found = ((reading.text(one.get("name")), one.get("value")) for one in value if isinstance(one, dict))
    return {name: reading.text(said) or "true" for name, said in found if name}
