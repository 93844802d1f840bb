"""The Common Alerting Protocol 1.2 (OASIS; in China GB/T 35965.1): warnings of weather services and civil protection, as XML.

    <alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">
      <identifier>33010041600000_1</identifier><sender>hz@weather.example</sender><sent>2026-11-22T10:00:00+08:00</sent>
      <status>Actual</status><msgType>Update</msgType><scope>Public</scope>
      <references>hz@weather.example,33010041600000_0,2026-11-22T08:00:00+08:00</references>
      <info><language>zh-CN</language><category>Met</category><event>暴雨</event><urgency>Immediate</urgency>
        <severity>Severe</severity><certainty>Likely</certainty><headline>暴雨橙色预警</headline><area><areaDesc>杭州</areaDesc></area></info>
    </alert>

The key is the first message of the chain, sender and identifier, which an Update or Cancel gives among its `references`: the one
sent first of them. When that was sent is the occurrence. Alert and Update are a problem, Cancel is its end, and so is an Update
that gives the all-clear (`AllClear`) or whose urgency is `Past`; Ack, Error and an Alert about the past are remarks. So is
anything that is not `Actual`: exercises, tests and drafts call nobody.

Extreme is level 1, Severe 2, Moderate 3, Minor 4, as are the colours red, orange, yellow and blue; what lies in the future, or is
only possible or unlikely, is one level milder. Of several `info` the gravest counts; a Chinese one gives the title, all of them the
text. The category gives the type where that is plain, and a parameter `incident_type` always.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from app.intake import reading
from app.intake.signals import NotUnderstood, Signal, SignalState, unknown_word
from app.intake.sources import generic
from app.wording import say

_LATEST: Final = datetime.max.replace(tzinfo=UTC)
_STATUSES: Final = ("Actual", "Exercise", "System", "Test", "Draft")
_STATES: Final = {
    "Alert": SignalState.PROBLEM, "Update": SignalState.PROBLEM, "Cancel": SignalState.RECOVERED,
    "Ack": SignalState.INFO, "Error": SignalState.INFO,
}  # fmt: skip
_LEVELS: Final = {
    "extreme": 1, "severe": 2, "moderate": 3, "minor": 4, "red": 1, "orange": 2, "yellow": 3, "blue": 4,
    "红色": 1, "橙色": 2, "黄色": 3, "蓝色": 4,
}  # fmt: skip
_MILDEST: Final = 4
_UNCERTAIN: Final = frozenset({"possible", "unlikely"})
_TYPES: Final = {
    "Geo": "natural_disaster", "Met": "natural_disaster", "Fire": "natural_disaster", "Health": "epidemic",
    "Transport": "logistics_disruption",
}  # fmt: skip
_FACTS: Final = ("event", "category", "urgency", "severity", "certainty", "expires")
_WORDS: Final = ("headline", "description", "instruction")


def parse(body: Any, *, mapping: generic.Mapping | None = None) -> list[Signal]:
    """The one signal of a message."""
    alert = body.get("alert") if isinstance(body, dict) else None
    if not isinstance(alert, dict) or "msgType" not in alert:
        return generic.another_format("cap", body, mapping)
    infos = [info for info in _several(alert.get("info")) if isinstance(info, dict)]
    key, began = _first_of_the_chain(alert)
    state = _state(alert, infos)
    infos.sort(key=lambda info: not _said(info, "language").casefold().startswith("zh"))
    info = infos[0] if infos else {}
    parameters = _parameters(infos)
    category = next((word for word in _texts(info.get("category")) if word in _TYPES), "")
    named = parameters.pop("incident_type", None)
    begins = reading.first_text(info.get("onset"), info.get("effective"), alert.get("sent"))
    return [
        Signal(
            dedup_key=key,
            occurrence=began.isoformat() if began else "",
            state=state,
            title=reading.first_text(info.get("headline"), info.get("event"), key),
            text="\n\n".join(dict.fromkeys(filter(None, map(_text_of, infos)))),
            level_hint=min(filter(None, (_level(info, mapping) for info in infos)), default=None),
            type_hint=named or _TYPES.get(category),
            labels=reading.texts(
                {
                    "sender": reading.first_text(info.get("senderName"), alert.get("sender")),
                    "area": ", ".join(_areas(infos)),
                    "status": alert.get("status"),
                }
            ),
            facts=parameters | {name: word for name in _FACTS if (word := _said(info, name))},
            links=reading.links(*(info.get("web") for info in infos)),
            started_at=reading.moment(begins),
            ended_at=reading.moment(alert.get("sent")) if state is SignalState.RECOVERED else None,
            note=_said(alert, "note") or None,
        )
    ]


def _state(alert: dict[str, Any], infos: Iterable[dict[str, Any]]) -> SignalState:
    status, kind = _said(alert, "status"), _said(alert, "msgType")
    if status not in _STATUSES:
        raise NotUnderstood(unknown_word("/alert/status", status, _STATUSES))
    if kind not in _STATES:
        raise NotUnderstood(unknown_word("/alert/msgType", kind, _STATES))
    if status != "Actual":
        return SignalState.INFO
    over = [
        _said(info, "urgency") == "Past" or "AllClear" in _texts(info.get("responseType")) for info in infos
    ]
    if kind in ("Alert", "Update") and over and all(over):
        return SignalState.RECOVERED if kind == "Update" else SignalState.INFO
    return _STATES[kind]


def _first_of_the_chain(alert: dict[str, Any]) -> tuple[str, datetime | None]:
    """The key of the message that began it, and when that was sent."""
    sender, identifier = _said(alert, "sender"), _said(alert, "identifier")
    if not sender or not identifier:
        raise NotUnderstood(say("source.missing", where=f"/alert/{'identifier' if sender else 'sender'}"))
    earlier = [parts for one in _said(alert, "references").split() if len(parts := one.split(",")) == 3]
    chain = [(who, which, reading.moment(sent)) for who, which, sent in earlier]
    own = (sender, identifier, reading.moment(alert.get("sent")))
    who, which, sent = min(chain, key=lambda one: one[2] or _LATEST, default=own)
    return f"{who},{which}", sent


def _level(info: dict[str, Any], mapping: generic.Mapping | None) -> int | None:
    severity = _said(info, "severity")
    if mapping is not None and severity in mapping.levels:
        return mapping.levels[severity]
    found = generic.level_of(severity, mapping, _LEVELS)
    is_far = _said(info, "urgency") == "Future" or _said(info, "certainty").casefold() in _UNCERTAIN
    return found and min(found + is_far, _MILDEST)


def _text_of(info: dict[str, Any]) -> str:
    return "\n".join(dict.fromkeys(filter(None, (_said(info, name) for name in _WORDS))))


def _areas(infos: Iterable[dict[str, Any]]) -> list[str]:
    areas = [area for info in infos for area in _several(info.get("area")) if isinstance(area, dict)]
    return list(dict.fromkeys(filter(None, (_said(area, "areaDesc") for area in areas))))


def _parameters(infos: Iterable[dict[str, Any]]) -> dict[str, str]:
    several = [one for info in infos for one in _several(info.get("parameter")) if isinstance(one, dict)]
    said = {_said(one, "valueName"): _said(one, "value") for one in several}
    return {name: value for name, value in said.items() if name and value}


def _said(of: dict[str, Any], name: str) -> str:
    """The text under a name; of several the first."""
    value = of.get(name)
    if isinstance(value, str):  # as nearly all are
        return value.strip()
    return next(iter(_texts(value)), "")


def _texts(value: Any) -> list[str]:
    return [found for one in _several(value) if (found := reading.text(one))]


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
