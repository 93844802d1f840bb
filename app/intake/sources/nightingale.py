"""Nightingale (夜莺, n9e): one event, or a list of them where it sends in batches.

    {"id": 44363, "hash": "9b1c…", "cate": "prometheus", "cluster": "vm-hz", "group_name": "cs",
     "rule_id": 50, "rule_name": "queue long", "rule_note": "", "severity": 1, "is_recovered": false,
     "trigger_time": 1795312200, "first_trigger_time": 1795312200, "recover_time": 0, "trigger_value": "412",
     "target_ident": "acd-01", "tags": ["site=hz"], "annotations": {}, "runbook_url": "", "prom_ql": "…"}

The key is `hash` (rule and series), the occurrence `first_trigger_time`, which holds still while the event is sent again. Severity
1 is the gravest: 1, 2, 3 and 4 are our levels. Takes any status but 429 for "you have it", a 500 too: only after 429 does it
send again.
"""

from typing import Any, Final

from app.intake import reading
from app.intake.signals import Signal, SignalState
from app.intake.sources import generic

_SEVERITIES: Final = {str(level): level for level in (1, 2, 3, 4)}
_LABELS: Final = ("cluster", "group_name", "rule_name", "target_ident", "cate")


def parse(body: Any, *, mapping: generic.Mapping | None = None) -> list[Signal]:
    """The signals of an event or of a list of events."""
    events = body if isinstance(body, list) else [body]
    if not all(isinstance(event, dict) and "is_recovered" in event for event in events):
        return generic.another_format("nightingale", body, mapping)
    return [_signal(event, mapping) for event in events]


def _signal(event: dict[str, Any], mapping: generic.Mapping | None) -> Signal:
    tags = _tags(event.get("tags"))
    annotations = reading.texts(event.get("annotations"))
    began = reading.seconds(event.get("first_trigger_time")) or reading.seconds(event.get("trigger_time"))
    recovered = event.get("is_recovered") in (True, 1, "true")
    title = reading.first_text(event.get("rule_name"), event.get("target_ident"))
    value = reading.text(event.get("trigger_value"))
    return Signal(
        dedup_key=reading.first_text(event.get("hash"), f"{event.get('rule_id')}:{sorted(tags.items())}"),
        occurrence=began.isoformat() if began else "",
        state=SignalState.RECOVERED if recovered else SignalState.PROBLEM,
        title=title,
        text=reading.first_text(
            event.get("rule_note"), annotations.get("description"), annotations.get("summary")
        ),
        level_hint=generic.level_of(event.get("severity"), mapping, _SEVERITIES),
        type_hint=tags.get("incident_type") or annotations.get("incident_type"),
        labels={**tags, **reading.texts({name: event.get(name) for name in _LABELS})},
        annotations=annotations,
        facts={"trigger_value": reading.number_or_text(value)} if value else {},
        links=reading.links(event.get("runbook_url")),
        started_at=began,
        ended_at=reading.seconds(event.get("recover_time")) if recovered else None,
    )


def _tags(value: Any) -> dict[str, str]:
    """`k=v` texts, or an object as newer versions write it."""
    if isinstance(value, list):
        pairs = (one.partition("=") for one in value if isinstance(one, str))
        return {name: member for name, _, member in pairs if name}
    return reading.texts(value)
