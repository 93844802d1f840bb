"""Azure Monitor's common alert schema.

    {"schemaId": "azureMonitorCommonAlertSchema",
     "data": {"essentials": {"alertId": "/subscriptions/…/alerts/b9569717-…", "alertRule": "queue long",
                             "severity": "Sev1", "signalType": "Metric", "monitorCondition": "Fired",
                             "monitoringService": "Platform", "alertTargetIDs": ["/subscriptions/…"],
                             "originAlertId": "9f5c…", "firedDateTime": "2026-11-22T02:10:00.000Z",
                             "resolvedDateTime": "2026-11-22T02:20:00.000Z", "description": "…"},
              "alertContext": {}, "customProperties": {"incident_type": "system_outage"}}}

The key is `alertId`, whatever its form; the occurrence `firedDateTime`, which the end bears too. Sev0 is
level 1, Sev1 2, Sev2 3, Sev3 and Sev4 4. An action group's "Test" is not told apart by Azure: it raises an incident like any other.
"""

from typing import Any, Final

from app.intake import reading
from app.intake.signals import NotUnderstood, Signal, SignalState, unknown_word, wrong_kind
from app.intake.sources import generic
from app.wording import say

_STATES: Final = {"Fired": SignalState.PROBLEM, "Resolved": SignalState.RECOVERED}
_SEVERITIES: Final = {"sev0": 1, "sev1": 2, "sev2": 3, "sev3": 4, "sev4": 4}
_LABELS: Final = ("alertRule", "signalType", "monitoringService", "originAlertId", "severity")


def parse(body: Any, *, mapping: generic.Mapping | None = None) -> list[Signal]:
    """The one signal of an alert."""
    if not isinstance(body, dict) or body.get("schemaId") != "azureMonitorCommonAlertSchema":
        return generic.another_format("azure", body, mapping)
    data = body.get("data")
    said = data.get("essentials") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(said, dict):
        raise NotUnderstood(wrong_kind("/data/essentials", "object", said))
    key = reading.first_text(said.get("alertId"), said.get("originAlertId"), said.get("alertRule"))
    if not key:
        raise NotUnderstood(say("source.missing", where="/data/essentials/alertId"))
    condition = reading.text(said.get("monitorCondition"))
    if condition not in _STATES:
        raise NotUnderstood(unknown_word("/data/essentials/monitorCondition", condition, _STATES))
    own = reading.scalars(data.get("customProperties"))
    fired = reading.moment(said.get("firedDateTime"), "UTC")
    targets = said.get("alertTargetIDs")
    return [
        Signal(
            dedup_key=key,
            occurrence=fired.isoformat() if fired else "",
            state=_STATES[condition],
            title=reading.text(said.get("alertRule")) or key,
            text=reading.text(said.get("description")),
            level_hint=generic.level_of(said.get("severity"), mapping, _SEVERITIES),
            type_hint=reading.text(own.pop("incident_type", None)) or None,
            labels=reading.texts(
                {
                    **{name: said.get(name) for name in _LABELS},
                    "target": targets[0] if isinstance(targets, list) and targets else None,
                }
            ),
            facts=own,
            links=reading.links(said.get("investigationLink")),
            started_at=fired,
            ended_at=reading.moment(said.get("resolvedDateTime"), "UTC"),
        )
    ]
