r"""阿里云 CloudMonitor's alert callback, as JSON or as a form.

    {"userId": "12345", "alertName": "putNewAlarm_group_…", "timestamp": "1508136760", "alertState": "ALERT",
     "dimensions": "[{\"instanceId\": \"i-1\"}]", "curValue": "95", "metricName": "CPUUtilization",
     "expression": "[{\"expression\": \"$Average>90\", \"level\": 4, \"times\": 2}]",
     "triggerLevel": "CRITICAL", "metricProject": "acs_ecs_dashboard", "regionId": "cn-hangzhou"}

There is no id of an instance: the key is user, alert and the dimensions written one way. `alertState` is ALERT or ALARM, OK, or
INSUFFICIENT_DATA, a remark. `triggerLevel` CRITICAL is level 1, WARN 3, INFO 4. Everything is text. A system event (`traceId`,
`resourceId`) is another form: a problem known by its trace, read as the kind `generic` does. Gives up after five seconds and
three attempts; comes from published networks, which the source's `addresses` can name.
"""

import json
from typing import Any, Final

from app.intake import reading
from app.intake.signals import NotUnderstood, Signal, SignalState, unknown_word
from app.intake.sources import generic

_P: Final = SignalState.PROBLEM
_STATES: Final = {
    "ALERT": _P, "ALARM": _P, "OK": SignalState.RECOVERED, "INSUFFICIENT_DATA": SignalState.INFO,
}  # fmt: skip
_LEVELS: Final = {"critical": 1, "warn": 3, "warning": 3, "info": 4, "nodata": 4}
_LABELS: Final = ("metricName", "metricProject", "regionId", "regionName", "instanceName", "namespace")


def parse(body: Any, *, mapping: generic.Mapping | None = None) -> list[Signal]:
    """The one signal of a callback."""
    if isinstance(body, dict) and {"traceId", "resourceId"} <= body.keys() and "alertState" not in body:
        return generic.parse(_as_usual(body), mapping=mapping)
    if not isinstance(body, dict) or not {"alertName", "alertState"} <= body.keys():
        return generic.another_format("aliyun", body, mapping)
    state = reading.text(body["alertState"]).upper()
    if state not in _STATES:
        raise NotUnderstood(unknown_word("/alertState", state, _STATES))
    name = reading.text(body["alertName"])
    dimensions = _unwrapped(body.get("dimensions"))
    canonical = json.dumps(dimensions, sort_keys=True, ensure_ascii=False)
    value = reading.text(body.get("curValue"))
    metric = reading.first_text(body.get("metricName"), body.get("namespace"))
    hint = reading.first_text(body.get("triggerLevel"), body.get("preTriggerLevel"))
    return [
        Signal(
            dedup_key=f"{reading.text(body.get('userId'))}:{name}:{canonical}",
            occurrence="",  # the timestamp moves with every repeat
            state=_STATES[state],
            title=" ".join(part for part in (name, metric, value) if part),
            text=_text(_unwrapped(body.get("expression"))),
            level_hint=generic.level_of(hint, mapping, _LEVELS),
            labels={
                **reading.texts(dimensions[0] if isinstance(dimensions, list) and dimensions else dimensions),
                **reading.texts({label: body.get(label) for label in _LABELS}),
            },
            facts={"current_value": reading.number_or_text(value)} if value else {},
            started_at=reading.seconds(body.get("timestamp")) if _STATES[state] is _P else None,
            ended_at=reading.seconds(body.get("timestamp")) if state == "OK" else None,
        )
    ]


def _as_usual(event: dict[str, Any]) -> dict[str, Any]:
    """A system event under the names that `generic` looks for; nobody sends its end, and its `status` is of the action in it."""
    level = {"critical": 1, "warn": 3, "info": 4}.get(reading.text(event.get("level")).casefold())
    usual = {
        "title": " ".join(
            filter(None, (reading.text(event.get(name)) for name in ("product", "name", "resourceId")))
        ),
        "dedup_key": reading.first_text(event.get("traceId"), event.get("id")),
        "description": reading.text(event.get("content")),
        "level": level,
    }
    plain = {name: value for name, value in event.items() if name not in ("status", "state", "level")}
    return {
        **plain,
        **{name: value for name, value in usual.items() if value},
        "level_name": event.get("level"),
    }


def _unwrapped(value: Any) -> Any:
    """What is written as JSON inside a string; a string that is none stays itself."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _text(expression: Any) -> str:
    if isinstance(expression, list):
        said = (one.get("expression") if isinstance(one, dict) else one for one in expression)
        return "\n".join(reading.text(one) for one in said if reading.text(one))
    return reading.text(expression)
