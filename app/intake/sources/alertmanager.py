r"""Alertmanager's webhook, version 4 (also Thanos, Loki, VictoriaMetrics and Aliyun Prometheus through it).

    {"version": "4", "groupKey": "{}:{alertname=\"QueueLong\"}", "truncatedAlerts": 0, "status": "firing",
     "receiver": "muster", "groupLabels": {"alertname": "QueueLong"}, "commonLabels": {…},
     "commonAnnotations": {…}, "externalURL": "http://am:9093",
     "alerts": [{"status": "firing", "fingerprint": "9f0c1d2e3a4b5c6d",
                 "labels": {"alertname": "QueueLong", "site": "hz", "severity": "critical"},
                 "annotations": {"summary": "412 callers waiting", "fact_callers_waiting": "412"},
                 "startsAt": "2026-11-22T02:10:00Z", "endsAt": "0001-01-01T00:00:00Z",
                 "generatorURL": "http://prom/graph?…"}]}

Each alert is a signal of its own: the status on top stays "firing" while any member fires, so it is never
read. The key is the fingerprint, the occurrence the start; two Alertmanagers and every repeat say exactly the
same of one occurrence. A label or annotation `incident_type` names the type; `fact_<name>` is a fact for the
grading rules. Fields we do not know are ignored. `truncatedAlerts` above nought means that members are
missing: it is noted, and nothing may be concluded from an absence.
"""

import hashlib
import json
from typing import Any, Final

from app.intake import reading
from app.intake.recognition import looks_like
from app.intake.signals import NotUnderstood, Signal, SignalState, unknown_word, wrong_kind
from app.intake.sources import generic
from app.wording import say

_STATES: Final = {"firing": SignalState.PROBLEM, "resolved": SignalState.RECOVERED}
_FACT: Final = "fact_"


def parse(body: Any, *, mapping: generic.Mapping | None = None) -> list[Signal]:
    """The alerts of one notification. A custom payload is read by the source's `mapping`, if it has one."""
    if not isinstance(body, dict) or body.get("version") != "4":
        if mapping is not None and mapping.says_where:
            return generic.parse(body, mapping=mapping)
        raise NotUnderstood(say("source.alertmanager.not_v4", looks_like=looks_like(body)))
    alerts = body.get("alerts")
    if not isinstance(alerts, list):
        raise NotUnderstood(wrong_kind("/alerts", "array", alerts))
    return [Signal(**said_by(alert, body, f"/alerts/{index}", mapping)) for index, alert in enumerate(alerts)]


def said_by(alert: Any, body: dict[str, Any], where: str, mapping: generic.Mapping | None) -> dict[str, Any]:
    """What one alert of a notification says, as the fields of a signal; Grafana's says the same and more."""
    if not isinstance(alert, dict):
        raise NotUnderstood(wrong_kind(where, "object", alert))
    status = reading.text(alert.get("status"))
    if status not in _STATES and len(body["alerts"]) == 1:
        raise NotUnderstood(unknown_word(f"{where}/status", status, _STATES))
    # One odd alert must not take the others with it, which will not be sent again: it is a problem and says why.
    state = _STATES.get(status, SignalState.PROBLEM)
    odd = "" if status in _STATES else f"status={status}"
    labels, annotations = reading.texts(alert.get("labels")), reading.texts(alert.get("annotations"))
    started_at = reading.moment(alert.get("startsAt"))
    truncated = body.get("truncatedAlerts")
    is_truncated = isinstance(truncated, int) and truncated > 0
    return {
        "dedup_key": reading.text(alert.get("fingerprint")) or _fingerprint(labels),
        "occurrence": started_at.isoformat() if started_at else reading.text(alert.get("startsAt")),
        "state": state,
        "title": _title(labels, annotations),
        "text": reading.first_text(annotations.get("description"), annotations.get("message")),
        "level_hint": generic.level_of(labels.get("severity"), mapping),
        "type_hint": labels.get("incident_type") or annotations.get("incident_type"),
        "labels": labels,
        "annotations": {**annotations, **_of_the_group(body)},
        "facts": _facts(labels, annotations) | ({"truncated_alerts": truncated} if is_truncated else {}),
        "links": reading.links(
            annotations.get("runbook_url"),
            annotations.get("dashboard_url"),
            alert.get("generatorURL"),
            body.get("externalURL"),
        ),
        "started_at": started_at,
        "ended_at": reading.moment(alert.get("endsAt")) if state is SignalState.RECOVERED else None,
        "note": " ".join(filter(None, (odd, f"truncatedAlerts={truncated}" if is_truncated else ""))) or None,
    }


def _title(labels: dict[str, str], annotations: dict[str, str]) -> str:
    named = " ".join(labels[name] for name in ("alertname", "instance") if name in labels)
    return reading.first_text(annotations.get("summary"), annotations.get("title"), named)


def _of_the_group(body: dict[str, Any]) -> dict[str, str]:
    wanted = {"alertmanager_group_key": body.get("groupKey"), "alertmanager_receiver": body.get("receiver")}
    return reading.texts(wanted)


def _facts(labels: dict[str, str], annotations: dict[str, str]) -> dict[str, Any]:
    return {
        name.removeprefix(_FACT): reading.number_or_text(value)
        for name, value in {**labels, **annotations}.items()
        if name.startswith(_FACT) and name != _FACT
    }


def _fingerprint(labels: dict[str, str]) -> str:
    """Who leaves the fingerprint out is still identified as Alertmanager does it: by all labels together."""
    canonical = json.dumps(labels, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()[:16]
