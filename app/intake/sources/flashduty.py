"""FlashDuty's standard alert, which Chinese in-house systems send already: another host and another `integration_key` are enough.

    POST /intake/{slug}?integration_key=…
    {"title_rule": "IVR down", "event_status": "Critical", "alert_key": "srv01/ivr", "event_time": 1795312200,
     "description": "412 callers waiting", "labels": {"site": "hz", "resource": "ivr-01"}}

`event_status` is the state and the level: Critical 1, Warning 3, Info 4, and Ok the end, which needs its `alert_key`. Without a key
the title is the key. There is no occurrence: the time of an event moves with every repeat.
"""

from typing import Any, Final

from app.intake import reading
from app.intake.signals import NotUnderstood, Signal, SignalState, unknown_word
from app.intake.sources import generic
from app.wording import say

_P: Final = SignalState.PROBLEM
_STATES: Final = {"critical": _P, "warning": _P, "info": _P, "ok": SignalState.RECOVERED}
_LEVELS: Final = {"critical": 1, "warning": 3, "info": 4}


def parse(body: Any, *, mapping: generic.Mapping | None = None) -> list[Signal]:
    """The one signal of an event."""
    if not isinstance(body, dict) or "event_status" not in body:
        return generic.another_format("flashduty", body, mapping)
    status = reading.text(body["event_status"])
    state = _STATES.get(status.casefold())
    if state is None:
        raise NotUnderstood(unknown_word("/event_status", status, ("Critical", "Warning", "Info", "Ok")))
    title = reading.first_text(body.get("title_rule"), body.get("title"))
    key = reading.first_text(body.get("alert_key"), title)
    if not key:
        raise NotUnderstood(say("source.missing", where="/title_rule"))
    labels = reading.texts(body.get("labels"))
    at = reading.seconds(body.get("event_time"))
    recovered = state is SignalState.RECOVERED
    return [
        Signal(
            dedup_key=key,
            occurrence="",
            state=state,
            title=title,
            text=reading.text(body.get("description")),
            level_hint=generic.level_of(status, mapping, _LEVELS),
            type_hint=labels.get("incident_type"),
            labels=labels,
            started_at=None if recovered else at,
            ended_at=at if recovered else None,
        )
    ]
