"""PagerDuty Events v2, so that whoever can page PagerDuty can raise an incident here by a change of host.

    {"routing_key": "…", "event_action": "trigger", "dedup_key": "srv01/ivr",
     "client": "Mon", "client_url": "https://mon",
     "payload": {"summary": "IVR down", "source": "ivr-01", "severity": "critical",
                 "timestamp": "2026-11-22T10:00:00.000+0800",
                 "component": "ivr", "group": "voice", "class": "ping",
                 "custom_details": {"callers": 412, "incident_type": "system_outage"}},
     "links": [{"href": "https://mon/graph", "text": "graph"}], "images": []}

`acknowledge` and `resolve` carry a key and no more. A trigger without a key gets one, which the answer must
bring back. The routing key is the caller's business (it is the credential) and is never put into a signal.
A change event (`/v2/change/enqueue`) has neither action nor key, and is a remark.
There is no occurrence: the timestamp of a repeated trigger moves, so only the key says what belongs together.
"""

import secrets
from collections.abc import Callable
from typing import Any, Final

from app.intake import reading
from app.intake.recognition import looks_like
from app.intake.signals import NotUnderstood, Signal, SignalState, unknown_word, wrong_kind
from app.intake.sources import generic
from app.wording import Wording, say

ACTIONS: Final = {
    "trigger": SignalState.PROBLEM,
    "acknowledge": SignalState.ACKED,
    "resolve": SignalState.RECOVERED,
}
CHANGE: Final = "change"  # what `of_a_change` writes; no action of theirs
SEVERITIES: Final = {"critical": 1, "error": 2, "warning": 3, "info": 4}


def of_a_change(body: Any) -> Any:
    """What its address says of a change event, written into it. A body that is no object stays what it is, to be refused."""
    return {**body, "event_action": CHANGE} if isinstance(body, dict) else body


def random_key() -> str:
    """A key in the manner of PagerDuty's own: 32 hexadecimal digits."""
    return secrets.token_hex(16)


def parse(
    body: Any, *, mapping: generic.Mapping | None = None, new_key: Callable[[], str] = random_key
) -> list[Signal]:
    """The one signal of an event, or `NotUnderstood` with every mistake for the answer's `errors`.

    The format is fixed: of a `mapping` only its levels count.
    """
    if not isinstance(body, dict):
        raise NotUnderstood(wrong_kind("/", "object", body))
    if mistakes := _mistakes(body):
        raise NotUnderstood(say("source.pagerduty.invalid", looks_like=looks_like(body)), errors=mistakes)
    payload = body.get("payload")
    return [_signal(body, payload if isinstance(payload, dict) else {}, new_key, mapping)]


def _mistakes(body: dict[str, Any]) -> list[Wording]:
    action = reading.text(body.get("event_action"))
    if action == CHANGE:
        payload = body.get("payload")
        summary = reading.text(payload.get("summary")) if isinstance(payload, dict) else ""
        return [] if summary else [say("source.missing", where="/payload/summary")]
    found = _not_among("/event_action", body.get("event_action"), ACTIONS)
    key = body.get("dedup_key")
    if key is not None and not isinstance(key, str):
        found.append(wrong_kind("/dedup_key", "string", key))
    elif action in ("acknowledge", "resolve") and not reading.text(key):
        found.append(say("source.missing", where="/dedup_key"))
    if action == "trigger":
        found.extend(_mistakes_of_a_trigger(body.get("payload")))
    return found


def _mistakes_of_a_trigger(payload: Any) -> list[Wording]:
    if not isinstance(payload, dict):
        return [say("source.missing", where="/payload")]
    missing = [name for name in ("summary", "source") if not reading.text(payload.get(name))]
    return [
        *(say("source.missing", where=f"/payload/{name}") for name in missing),
        *_not_among("/payload/severity", payload.get("severity"), SEVERITIES),
    ]


def _not_among(where: str, value: Any, known: dict[str, Any]) -> list[Wording]:
    word = reading.text(value)
    if not word:
        return [say("source.missing", where=where)]
    return [] if word in known else [unknown_word(where, word, known)]


def _signal(
    body: dict[str, Any], payload: dict[str, Any], new_key: Callable[[], str], mapping: generic.Mapping | None
) -> Signal:
    details = payload.get("custom_details")
    facts = reading.scalars(details)
    named = {name: payload.get(name) for name in ("source", "component", "group", "class")}
    pictures = [one for name in ("links", "images") if isinstance(body.get(name), list) for one in body[name]]
    return Signal(
        dedup_key=reading.text(body.get("dedup_key")) or new_key(),
        occurrence="",
        state=ACTIONS.get(reading.text(body["event_action"]), SignalState.INFO),
        title=reading.text(payload.get("summary")),
        text=reading.text(details),
        level_hint=generic.level_of(payload.get("severity"), mapping, SEVERITIES),
        type_hint=reading.text(facts.pop("incident_type", None)) or None,
        labels=reading.texts(named),
        annotations=reading.texts({"client": body.get("client")}),
        facts=facts,
        links=reading.links(*pictures, body.get("client_url")),
        started_at=reading.moment(payload.get("timestamp")),
    )
