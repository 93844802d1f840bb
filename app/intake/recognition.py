"""Whose body is this? A guess by the fields that only one sender has.

Only ever used to say something helpful ("this looks like Grafana, you declared Alertmanager"); which parser
reads a body is declared with the source, never guessed.
"""

from collections.abc import Mapping
from typing import Any, Final

# In order: the first whose fields are all there. The product by its own name, and the kind of source that reads it, if one does.
_MARKS: Final[tuple[tuple[str, str | None, frozenset[str]], ...]] = (
    ("PagerDuty Events v2", "pagerduty", frozenset({"event_action"})),
    ("Uptime Kuma", "uptime_kuma", frozenset({"heartbeat", "monitor"})),
    ("Zabbix", "zabbix", frozenset({"event_id", "event_value"})),
    ("Nightingale", "nightingale", frozenset({"rule_id", "is_recovered"})),
    ("Azure Monitor", "azure", frozenset({"schemaId", "data"})),
    ("Amazon SNS", "sns", frozenset({"Type", "TopicArn"})),
    ("CloudEvents", "cloudevents", frozenset({"specversion", "type", "source"})),
    ("Aliyun CloudMonitor", "aliyun", frozenset({"alertName", "alertState"})),
    ("FlashDuty", "flashduty", frozenset({"title_rule", "event_status"})),
    ("Sentry", "sentry", frozenset({"action", "data", "installation"})),
    ("Datadog", "datadog", frozenset({"cycle_key", "transition"})),
    ("Icinga 2 or Nagios", "icinga2", frozenset({"host", "state", "state_type"})),
    ("Opsgenie", "opsgenie", frozenset({"message", "alias"})),
)


def looks_like(body: Any) -> str | None:
    """The product this body most likely comes from, or `None`."""
    return _guess(body)[0]


def kind_of(body: Any) -> str | None:
    """The kind of source that reads what this body looks like, or `None`."""
    return _guess(body)[1]


def _guess(body: Any) -> tuple[str | None, str | None]:
    if isinstance(body, list):
        first = body[0] if body else None
        if isinstance(first, Mapping) and {"labels", "generatorURL"} <= first.keys():
            return "Prometheus (/api/v2/alerts)", None
        return _guess(first) if isinstance(first, Mapping) else (None, None)
    if not isinstance(body, Mapping):
        return None, None
    if "alerts" in body and "groupLabels" in body:
        return _alertmanager_family(body)
    if isinstance(alert := body.get("alert"), Mapping) and "msgType" in alert:
        return "Common Alerting Protocol", "cap"
    return next(((product, kind) for product, kind, fields in _MARKS if fields <= body.keys()), (None, None))


def _alertmanager_family(body: Mapping[str, Any]) -> tuple[str, str]:
    if "orgId" in body or body.get("version") == "1":
        return "Grafana (version 1)", "grafana"
    version = body.get("version")
    named = f"Alertmanager (version {version[:10]})" if isinstance(version, str) else "Alertmanager"
    return named, "alertmanager"
