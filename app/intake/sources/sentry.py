"""Sentry's integration platform: issues, issue alerts and metric alerts.

    {"action": "triggered", "installation": {"uuid": "…"},
     "data": {"event": {"issue_id": "117", "title": "TypeError: …", "level": "error", "web_url": "https://sentry/…",
                        "datetime": "2026-11-22T02:10:00Z", "project": 1, "environment": "production"},
              "triggered_rule": "checkout errors"}}
    {"action": "critical", "data": {"metric_alert": {"id": "7", "title": "…", "date_started": "…",
                                    "alert_rule": {"id": "3"}}, "web_url": "…", "description_title": "…"}}
    {"action": "resolved", "data": {"issue": {"id": "117", "title": "…", "level": "error", "web_url": "…"}}}

An issue and the alerts about it have one key, so that resolving the issue ends what the alert began; a metric alert has the id
of its own incident. `created` and `unresolved` issues are problems, `assigned` ones are taken, the rest are remarks. The body is
signed with the integration's client secret (`Sentry-Hook-Signature`), which is the source's `signing_secret`.
"""

from typing import Any, Final

from app.intake import reading
from app.intake.signals import NotUnderstood, Signal, SignalState, unknown_word
from app.intake.sources import generic
from app.wording import say

_P, _R, _INFO = SignalState.PROBLEM, SignalState.RECOVERED, SignalState.INFO
_OF_A_METRIC: Final = {"critical": _P, "warning": _P, "open": _P, "resolved": _R}
_OF_AN_ISSUE: Final = {
    "created": _P, "unresolved": _P, "resolved": _R, "ignored": _INFO, "archived": _INFO,
    "assigned": SignalState.ACKED,
}  # fmt: skip
_LEVELS: Final = {"fatal": 1, "critical": 1, "error": 2, "warning": 3, "info": 4, "debug": 4}


def parse(body: Any, *, mapping: generic.Mapping | None = None) -> list[Signal]:
    """The one signal of a hook; a hook about nothing that alerts (`installation`) gives none."""
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(data, dict) or "action" not in body:
        return generic.another_format("sentry", body, mapping)
    action = reading.text(body["action"])
    match data:
        case {"metric_alert": dict(alert)}:
            return [_of_a_metric(action, alert, data, mapping)]
        case {"event": dict(event)}:
            return [_of_an_event(event, data, mapping)]
        case {"issue": dict(issue)}:
            return [_of_an_issue(action, issue, mapping)]
        case {"installation": _}:
            return []
    return generic.another_format("sentry", body, mapping)


def _of_a_metric(
    action: str, alert: dict[str, Any], data: dict[str, Any], mapping: generic.Mapping | None
) -> Signal:
    if action not in _OF_A_METRIC:
        raise NotUnderstood(unknown_word("/action", action, _OF_A_METRIC))
    began = reading.moment(alert.get("date_started"), "UTC")
    return Signal(
        dedup_key=f"metric:{_needed(alert.get('id'), '/data/metric_alert/id')}",
        occurrence=began.isoformat() if began else "",
        state=_OF_A_METRIC[action],
        title=reading.first_text(data.get("description_title"), alert.get("title")),
        text=reading.text(data.get("description_text")),
        level_hint=generic.level_of(action, mapping, _LEVELS),
        links=reading.links(data.get("web_url")),
        started_at=began,
        ended_at=reading.moment(alert.get("date_closed"), "UTC"),
    )


def _of_an_event(event: dict[str, Any], data: dict[str, Any], mapping: generic.Mapping | None) -> Signal:
    rule = reading.text(data.get("triggered_rule"))
    return Signal(
        dedup_key=f"issue:{_needed(event.get('issue_id'), '/data/event/issue_id')}",
        occurrence="",
        state=_P,
        title=reading.first_text(event.get("title"), event.get("message"), rule),
        text=reading.first_text(event.get("culprit"), event.get("message")),
        level_hint=generic.level_of(event.get("level"), mapping, _LEVELS),
        labels=reading.texts(
            {**{name: event.get(name) for name in ("environment", "platform")}, "rule": rule}
        ),
        links=reading.links(event.get("web_url")),
        started_at=reading.moment(event.get("datetime"), "UTC"),
    )


def _of_an_issue(action: str, issue: dict[str, Any], mapping: generic.Mapping | None) -> Signal:
    project = issue.get("project")
    return Signal(
        dedup_key=f"issue:{_needed(issue.get('id'), '/data/issue/id')}",
        occurrence="",
        state=_OF_AN_ISSUE.get(action, _INFO),
        title=reading.text(issue.get("title")),
        text=reading.text(issue.get("culprit")),
        level_hint=generic.level_of(issue.get("level"), mapping, _LEVELS),
        labels=reading.texts({"project": project.get("slug") if isinstance(project, dict) else None}),
        links=reading.links(issue.get("web_url"), issue.get("permalink")),
        started_at=reading.moment(issue.get("firstSeen"), "UTC"),
    )


def _needed(value: Any, where: str) -> str:
    found = reading.text(value)
    if not found:
        raise NotUnderstood(say("source.missing", where=where))
    return found
