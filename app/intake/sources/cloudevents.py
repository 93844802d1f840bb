"""CloudEvents 1.0: structured, in batches, or binary (`ce-*` headers, which the door writes into a structured event).

    {"specversion": "1.0", "id": "A234-1234", "source": "/hz/ivr", "type": "com.example.line.down",
     "subject": "trunk-3", "time": "2026-11-22T02:10:00Z", "datacontenttype": "application/json",
     "data": {"title": "SIP trunk down", "severity": "critical", "status": "firing"}}

`id` names a delivery and not a problem: an event that comes again with the same source and id is not read again. The key is source
and subject, or what `data` calls its key. `data` is read as the kind `generic` reads a body, with the mapping if there is one,
which then sees the whole event as `body`. The state is that of `data`; where it has none, the last word of `type` if it is one we
know (`line.recovered`), and else it is a problem.
"""

from typing import Any, Final

from app.intake import reading
from app.intake.signals import NotUnderstood, Signal, SignalState
from app.intake.sources import generic
from app.wording import say

_STATED: Final = ("status", "state")


def parse(body: Any, *, mapping: generic.Mapping | None = None) -> list[Signal]:
    """The signals of an event or of a batch of them; an empty batch gives none."""
    events = body if isinstance(body, list) else [body]
    if not all(isinstance(one, dict) and {"specversion", "type", "source"} <= one.keys() for one in events):
        return generic.another_format("cloudevents", body, mapping)
    if len(events) > generic.MAX_SIGNALS:
        raise NotUnderstood(say("source.generic.too_many", limit=generic.MAX_SIGNALS))
    if mapping is not None and mapping.says_where:
        return [signal for event in events for signal in generic.parse(event, mapping=mapping)]
    return [_signal(event, mapping) for event in events]


def delivery(body: Any) -> str:
    """Source and id of a single event, which are the same each time it is sent."""
    said = [reading.text(body.get(name)) for name in ("source", "id")] if isinstance(body, dict) else [""]
    return " ".join(said) if all(said) else ""


def _signal(event: dict[str, Any], mapping: generic.Mapping | None) -> Signal:
    data = event.get("data")
    told: dict[str, Any] = dict(data) if isinstance(data, dict) else {"text": reading.text(data)}
    kind = reading.text(event["type"])
    about = [reading.text(event.get(name)) for name in ("source", "subject")]
    told.setdefault("title", reading.first_text(told.get("summary"), told.get("message"), kind))
    told.setdefault("dedup_key", " ".join(part for part in about if part))
    told.pop("id", None)  # of the thing in the event, which need not be the problem
    if not any(reading.text(told.get(name)) for name in _STATED):
        word = kind.replace("_", ".").rpartition(".")[2].casefold()
        told["status"] = str(reading.STATE_WORDS.get(word, SignalState.PROBLEM))
    if not told.get("started_at"):
        told.setdefault("time", event.get("time"))
    (signal,) = generic.parse(told, mapping=mapping)
    return signal
