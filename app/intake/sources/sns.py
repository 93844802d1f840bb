r"""Amazon CloudWatch's alarms through SNS.

    {"Type": "Notification", "MessageId": "22b8…", "TopicArn": "arn:aws:sns:us-east-1:123456789012:alarms",
     "Subject": "ALARM: \"queue\"", "Timestamp": "2026-11-22T02:10:01.000Z", "SignatureVersion": "2",
     "Signature": "…", "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-….pem",
     "Message": "{\"AlarmName\": \"queue\", \"AlarmArn\": \"arn:aws:cloudwatch:…\", \"NewStateValue\": \"ALARM\",
                  \"OldStateValue\": \"OK\", \"NewStateReason\": \"…\", \"StateChangeTime\": \"2026-11-22T02:10:00.000+0000\",
                  \"Region\": \"US East\", \"AWSAccountId\": \"123456789012\", \"Trigger\": {\"MetricName\": \"q\"}}"}

The key is the alarm's ARN (older alarms: account, region and name), the occurrence the time its state changed. A `MessageId` that
was taken in once is not read again. ALARM is a problem, OK its end, INSUFFICIENT_DATA a remark. The signature is verified before
anything is read, and a subscription is confirmed only after that (`app.intake.certified`). AWS has no level and no type of ours:
both may stand in the alarm's description, as `level=2 type=system_outage`; an ALARM without is level 1 only where the source's
`levels` say so.
"""

import json
import re
from typing import Any, Final

from app.intake import reading
from app.intake.signals import NotUnderstood, Signal, SignalState, unknown_word, wrong_kind
from app.intake.sources import generic
from app.wording import say

NOTIFICATION: Final = "Notification"
ABOUT_THE_SUBSCRIPTION: Final = frozenset({"SubscriptionConfirmation", "UnsubscribeConfirmation"})
_STATES: Final = {
    "ALARM": SignalState.PROBLEM, "OK": SignalState.RECOVERED, "INSUFFICIENT_DATA": SignalState.INFO,
}  # fmt: skip
_NAMED: Final = re.compile(r"\b(level|type)=([\w-]+)")


def parse(body: Any, *, mapping: generic.Mapping | None = None) -> list[Signal]:
    """The one signal of an alarm; what SNS says about the subscription itself gives none."""
    kind = reading.text(body.get("Type")) if isinstance(body, dict) else ""
    if kind in ABOUT_THE_SUBSCRIPTION:
        return []
    if not isinstance(body, dict) or kind != NOTIFICATION:
        return generic.another_format("sns", body, mapping)
    alarm = _unwrapped(body.get("Message"))
    if not isinstance(alarm, dict) or "AlarmName" not in alarm:
        return generic.another_format("sns", alarm, mapping)
    return [_signal(alarm, mapping)]


def delivery(body: Any) -> str:
    """The number of a message, which it keeps however often it is delivered."""
    return reading.text(body.get("MessageId")) if isinstance(body, dict) else ""


def _unwrapped(message: Any) -> Any:
    if not isinstance(message, str):
        raise NotUnderstood(wrong_kind("/Message", "string", message))
    try:
        return json.loads(message)
    except (ValueError, RecursionError):
        return message


def _signal(alarm: dict[str, Any], mapping: generic.Mapping | None) -> Signal:
    state = reading.text(alarm.get("NewStateValue"))
    if state not in _STATES:
        raise NotUnderstood(unknown_word("/Message/NewStateValue", state, _STATES))
    place = [reading.text(alarm.get(name)) for name in ("AWSAccountId", "Region", "AlarmName")]
    if not place[-1]:
        raise NotUnderstood(say("source.missing", where="/Message/AlarmName"))
    at = reading.moment(alarm.get("StateChangeTime"), "UTC")
    description = reading.text(alarm.get("AlarmDescription"))
    named = dict(_NAMED.findall(description))
    trigger = alarm.get("Trigger")
    return Signal(
        dedup_key=reading.text(alarm.get("AlarmArn")) or ":".join(place),
        occurrence=at.isoformat() if at else "",
        state=_STATES[state],
        title=place[-1],
        text="\n".join(part for part in (description, reading.text(alarm.get("NewStateReason"))) if part),
        level_hint=generic.level_of(named.get("level"), mapping) or generic.level_of(state, mapping, {}),
        type_hint=named.get("type"),
        labels=reading.texts({name: alarm.get(name) for name in ("AWSAccountId", "Region")}),
        facts=reading.scalars(
            {"metric": trigger.get("MetricName"), "threshold": trigger.get("Threshold")}
            if isinstance(trigger, dict)
            else None
        ),
        started_at=at if state == "ALARM" else None,
        ended_at=at if state == "OK" else None,
    )
