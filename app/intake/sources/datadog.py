"""Datadog's webhook, with the payload in `integrations/datadog/`: its body is whatever the user writes there.

    {"cycle_key": "$ALERT_CYCLE_KEY", "aggreg_key": "$AGGREG_KEY", "alert_id": "$ALERT_ID",
     "transition": "$ALERT_TRANSITION", "priority": "$ALERT_PRIORITY", "scope": "$ALERT_SCOPE",
     "title": "$EVENT_TITLE", "text": "$TEXT_ONLY_MSG", "tags": "$TAGS", "link": "$LINK", "date": "$DATE"}

The key is the cycle, which links a trigger to its recovery and is new the next time. The transition is the state: Triggered,
Re-Triggered, Warn, No Data and their repeats are problems, Recovered ends one, anything else is a remark. P1 is level 1, P2 2,
P3 3, P4 and P5 4; Warn is level 3 and No Data 4 where there is no priority. A variable that Datadog did not replace is absent.
"""

import re
from typing import Any, Final

from app.intake import reading
from app.intake.signals import NotUnderstood, Signal, SignalState
from app.intake.sources import generic
from app.wording import say

_VARIABLE: Final = re.compile(r"\$[A-Z][A-Z_]+")
_PRIORITIES: Final = {
    **{f"p{number}": min(number, 4) for number in range(1, 6)}, "low": 4, "normal": 3,
}  # fmt: skip
_WORDS: Final = {"warn": 3, "re-warn": 3, "no data": 4, "re-no data": 4}
_BEGINS: Final = ("triggered", "re-triggered", "warn", "re-warn", "no data", "re-no data", "renotify")


def parse(body: Any, *, mapping: generic.Mapping | None = None) -> list[Signal]:
    """The one signal of an event."""
    if not isinstance(body, dict) or not ({"cycle_key", "transition"} & body.keys()):
        return generic.another_format("datadog", body, mapping)
    said = {name: _VARIABLE.sub("", reading.text(value)).strip() for name, value in body.items()}
    title = said.get("title", "")
    key = reading.first_text(said.get("cycle_key"), said.get("aggreg_key"), said.get("alert_id"), title)
    if not key and _VARIABLE.search(reading.text(body.get("cycle_key"))):
        return [Signal(dedup_key="test", occurrence="", state=SignalState.INFO, title="Datadog")]
    if not key:
        raise NotUnderstood(say("source.missing", where="/cycle_key"))
    word = said.get("transition", "").casefold()
    tags = _tags(said.get("tags", ""))
    at = reading.seconds(said.get("date"))
    state = _state(word)
    return [
        Signal(
            dedup_key=key,
            occurrence="",
            state=state,
            title=title,
            text=said.get("text", ""),
            level_hint=generic.level_of(said.get("priority"), mapping, _PRIORITIES)
            or generic.level_of(said.get("transition"), mapping, _WORDS),
            type_hint=tags.get("incident_type"),
            labels={
                **tags,
                **{name: said[name] for name in ("scope", "alert_id", "hostname") if said.get(name)},
            },
            links=reading.links(said.get("link")),
            started_at=at if state is SignalState.PROBLEM else None,
            ended_at=at if state is SignalState.RECOVERED else None,
        )
    ]


def _state(word: str) -> SignalState:
    if word in _BEGINS:
        return SignalState.PROBLEM
    return SignalState.RECOVERED if word == "recovered" else SignalState.INFO


def _tags(text: str) -> dict[str, str]:
    pairs = (one.partition(":") for one in text.split(","))
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip() and value.strip()}
