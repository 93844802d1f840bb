r"""Zabbix, through the media type in `integrations/zabbix/`.

    {"event_id": "100500", "event_value": "1", "event_update_status": "0", "event_ack": "No", "event_source": "0",
     "nseverity": "4", "severity": "High", "name": "SIP trunk down", "host": "sbc-01", "host_ip": "10.0.0.8",
     "trigger_id": "16811", "opdata": "0 channels", "tags": "[{\"tag\": \"site\", \"value\": \"hz\"}]",
     "date": "2026.11.22", "time": "10:00:00", "recovery_date": "{EVENT.RECOVERY.DATE}", "url": "https://zabbix"}

The key is the id of the problem's event, which the recovery bears too. Everything is text; a macro that Zabbix did not expand
(`{EVENT.RECOVERY.DATE}`) is absent, and a message without any event is a test of the media type. An update of a problem
(`event_update_status` 1) is an acknowledgement where `event_ack` says so, and a remark otherwise. Discovery and autoregistration
(`event_source` 1 and 2) never recover: they are remarks. Severity 5 (disaster) is level 1, 4 is 2, 3
and 2 are 3, 1 and 0 are 4. Times have no zone: the source's `zone` says which.
"""

import json
import re
from typing import Any, Final

from app.intake import reading
from app.intake.signals import NotUnderstood, Signal, SignalState, unknown_word
from app.intake.sources import generic
from app.wording import say

_MACRO: Final = re.compile(r"\{[$#?]?[A-Z][A-Z0-9_.]*[^{}]*\}")
_STATES: Final = {"1": SignalState.PROBLEM, "0": SignalState.RECOVERED}
_SEVERITIES: Final = {"5": 1, "4": 2, "3": 3, "2": 3, "1": 4, "0": 4}
_ENDLESS: Final = frozenset({"1", "2"})  # discovery, autoregistration
_YES: Final = frozenset({"yes", "1", "是"})


def parse(body: Any, *, mapping: generic.Mapping | None = None) -> list[Signal]:
    """The one signal of a message."""
    if not isinstance(body, dict) or not {"event_id", "event_value"} <= body.keys():
        return generic.another_format("zabbix", body, mapping)
    said = {name: _expanded(reading.text(value)) for name, value in body.items()}
    event = said["event_id"]
    title = reading.first_text(said.get("name"), said.get("event_name"))
    if not event and _MACRO.search(reading.text(body["event_id"])):
        return [Signal(dedup_key="test", occurrence="", state=SignalState.INFO, title=title or "Zabbix")]
    if not event:
        raise NotUnderstood(say("source.missing", where="/event_id"))
    tags = _tags(body.get("tags"))
    zone = mapping.zone if mapping else None
    return [
        Signal(
            dedup_key=event,
            occurrence=event,
            state=_state(said),
            title=title,
            text=said.get("opdata", ""),
            level_hint=generic.level_of(said.get("nseverity"), mapping, _SEVERITIES),
            type_hint=tags.get("incident_type"),
            labels={
                **tags,
                **{
                    name: said[name]
                    for name in ("host", "host_ip", "trigger_id", "severity")
                    if said.get(name)
                },
            },
            links=reading.links(said.get("url")),
            started_at=_moment(said, ("date", "time"), ("event_date", "event_time"), zone=zone),
            ended_at=_moment(said, ("recovery_date", "recovery_time"), zone=zone),
            note=said.get("message") or None,
        )
    ]


def _expanded(text: str) -> str:
    """The text without macros that nobody expanded."""
    return _MACRO.sub("", text).strip() if "{" in text else text


def _state(said: dict[str, str]) -> SignalState:
    value = said["event_value"]
    if said.get("event_source") in _ENDLESS:
        return SignalState.INFO
    if value not in _STATES:
        raise NotUnderstood(unknown_word("/event_value", value, _STATES))
    updated = reading.first_text(said.get("event_update_status"), said.get("event_update"))
    if updated == "1" and value == "1":
        taken = said.get("event_ack", "").casefold() in _YES
        return SignalState.ACKED if taken else SignalState.INFO
    return _STATES[value]


def _tags(value: Any) -> dict[str, str]:
    """The tags of an event: a list, or the same as JSON in a string."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    if not isinstance(value, list):
        return {}
    return {
        name: reading.text(one.get("value"))
        for one in value
        if isinstance(one, dict) and (name := reading.text(one.get("tag")))
    }


def _moment(said: dict[str, str], *places: tuple[str, str], zone: str | None) -> Any:
    for day, time in places:
        if said.get(day) and said.get(time):
            return reading.moment(f"{said[day].replace('.', '-')}T{said[time]}", zone)
    return None
