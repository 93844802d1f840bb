"""Whose body is this? A guess by the fields that only one sender has.

Only ever used to say something helpful ("this looks like Grafana, you declared Alertmanager"); which parser
reads a body is declared with the source, never guessed.
"""

from collections.abc import Mapping
from typing import Any, Final

# In order: the first whose fields are all there. The names are the products' own.
_MARKS: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    ("PagerDuty Events v2", frozenset({"event_action"})),
    ("Uptime Kuma", frozenset({"heartbeat", "monitor"})),
    ("Zabbix", frozenset({"event_id", "event_value"})),
    ("Nightingale", frozenset({"rule_id", "is_recovered"})),
    ("Azure Monitor", frozenset({"schemaId", "data"})),
    ("Amazon SNS", frozenset({"Type", "TopicArn"})),
    ("CloudEvents", frozenset({"specversion", "type", "source"})),
    ("Aliyun CloudMonitor", frozenset({"alertName", "alertState"})),
    ("FlashDuty", frozenset({"title_rule", "event_status"})),
    ("Opsgenie", frozenset({"message", "alias"})),
)


def looks_like(body: Any) -> str | None:
    """The product this body most likely comes from, or `None`."""
    if isinstance(body, list):
        first = body[0] if body else None
        if isinstance(first, Mapping) and {"labels", "generatorURL"} <= first.keys():
            return "Prometheus (/api/v2/alerts)"
        return looks_like(first) if isinstance(first, Mapping) else None
    if not isinstance(body, Mapping):
        return None
    if "alerts" in body and "groupLabels" in body:
        return _alertmanager_family(body)
    return next((name for name, fields in _MARKS if fields <= body.keys()), None)


def _alertmanager_family(body: Mapping[str, Any]) -> str:
    if "orgId" in body or body.get("version") == "1":
        return "Grafana (version 1)"
    version = body.get("version")
    return f"Alertmanager (version {version[:10]})" if isinstance(version, str) else "Alertmanager"
