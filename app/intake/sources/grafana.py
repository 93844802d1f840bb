r"""Grafana's unified alerting, through a contact point of the kind "Webhook" (version 8 and later, POST or PUT).

    {"version": "1", "orgId": 1, "receiver": "muster", "status": "firing", "state": "alerting",
     "groupKey": "{}:{alertname=\"5xx\"}", "truncatedAlerts": 0, "externalURL": "https://grafana/",
     "alerts": [{"status": "firing", "fingerprint": "c6eadffa33fcdf37",
                 "labels": {"alertname": "5xx", "team": "shop", "severity": "critical"},
                 "annotations": {"summary": "checkout errors"},
                 "startsAt": "2026-11-22T10:00:00+08:00", "endsAt": "0001-01-01T00:00:00Z",
                 "dashboardURL": "https://grafana/d/1", "values": {"B": 44.2, "C": 1}}]}

Each alert is a signal of its own, as with Alertmanager: `status` and `state` on top are never read. `values` are the measured
numbers, facts named `value_B` and so on. Where Grafana cannot ask its data source (`DatasourceNoData`, `DatasourceError`) it is
monitoring that fails and not the business: level 4, unless the source's `levels` name the alert. What the button "Test" sends
raises nothing. Signs the body with HMAC-SHA256 where the contact point has a secret. Sends nothing a second time before its next
flush, so it is refused only when the queue has no room at all.
"""

from typing import Any, Final

from app.intake import reading
from app.intake.signals import NotUnderstood, Signal, SignalState, wrong_kind
from app.intake.sources import alertmanager, generic

_OF_MONITORING: Final = frozenset({"DatasourceNoData", "DatasourceError"})
_LOWEST: Final = 4


def parse(body: Any, *, mapping: generic.Mapping | None = None) -> list[Signal]:
    """The alerts of one notification."""
    if not isinstance(body, dict) or body.get("version") != "1" or "alerts" not in body:
        return generic.another_format("grafana", body, mapping)
    alerts = body["alerts"]
    if not isinstance(alerts, list):
        raise NotUnderstood(wrong_kind("/alerts", "array", alerts))
    return [_signal(alert, body, f"/alerts/{index}", mapping) for index, alert in enumerate(alerts)]


def _signal(alert: Any, body: dict[str, Any], where: str, mapping: generic.Mapping | None) -> Signal:
    said = alertmanager.said_by(alert, body, where, mapping)
    labels = said["labels"]
    name = labels.get("alertname", "")
    if name in _OF_MONITORING:
        said["level_hint"] = generic.level_of(name, mapping, {}) or _LOWEST
    if name == "TestAlert" and labels.get("instance") == "Grafana":
        said["state"] = SignalState.INFO
    measured = reading.scalars(alert.get("values"))
    said["facts"] = {**{f"value_{ref}": value for ref, value in measured.items()}, **said["facts"]}
    pages = (alert.get(place) for place in ("dashboardURL", "panelURL", "silenceURL", "imageURL"))
    said["links"] = (*said["links"], *reading.links(*pages))
    return Signal(**said)
