"""Icinga 2 and Nagios, through the notification command in `integrations/icinga2/` or `integrations/nagios/`.

    {"type": "PROBLEM", "host": "ivr-01", "service": "sip", "state": "CRITICAL", "state_type": "HARD",
     "problem": "1795312200", "output": "no answer on 5060", "author": "", "comment": "", "at": "1795312260",
     "address": "10.0.0.8", "url": "https://icinga/…"}

The key is `host!service`, or the host alone. `problem` is the occurrence: Nagios numbers its problems, Icinga 2 gives the time the
object was last well, which at a recovery is now. RECOVERY ends it, ACKNOWLEDGEMENT takes it, and flapping, downtimes and custom
messages are remarks. A soft state, which may yet pass, is a remark too. CRITICAL and DOWN are level 2, WARNING and UNKNOWN 3:
what is level 1 the plan says, or the source's `levels`. A macro that was not expanded (`$HOSTNAME$`) is absent.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from app.intake import reading
from app.intake.signals import NotUnderstood, Signal, SignalState
from app.intake.sources import generic
from app.wording import say

_MACRO: Final = re.compile(r"\$[A-Za-z_.]+\$")
_WELL: Final = frozenset({"OK", "UP"})
_STATES: Final = {
    "PROBLEM": SignalState.PROBLEM, "RECOVERY": SignalState.RECOVERED, "ACKNOWLEDGEMENT": SignalState.ACKED,
}  # fmt: skip
_FIRST_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC)  # a smaller count than that is the number of a problem
_A_LITTLE: Final = timedelta(milliseconds=1)
_LEVELS: Final = {"critical": 2, "down": 2, "unreachable": 2, "warning": 3, "unknown": 3}


def parse(body: Any, *, mapping: generic.Mapping | None = None) -> list[Signal]:
    """The one signal of a notification."""
    if not isinstance(body, dict) or not {"host", "state"} <= body.keys():
        return generic.another_format("icinga2", body, mapping)
    said = {name: _MACRO.sub("", reading.text(value)).strip() for name, value in body.items()}
    host, service = said["host"], said.get("service", "")
    if not host:
        raise NotUnderstood(say("source.missing", where="/host"))
    at = reading.seconds(said.get("at"))
    state = _state(said)
    comment = ": ".join(part for part in (said.get("author"), said.get("comment")) if part)
    return [
        Signal(
            dedup_key=f"{host}!{service}" if service else host,
            occurrence=_occurrence(said.get("problem", ""), state),
            state=state,
            title=" ".join(part for part in (host, service, said["state"]) if part),
            text=said.get("output", ""),
            level_hint=generic.level_of(said["state"], mapping, _LEVELS),
            type_hint=said.get("incident_type") or None,
            labels={name: said[name] for name in ("host", "service", "address") if said.get(name)},
            facts={"check_state": said["state"]},
            links=reading.links(said.get("url")),
            started_at=at if state is SignalState.PROBLEM else None,
            ended_at=at if state is SignalState.RECOVERED else None,
            note=comment or None,
        )
    ]


def _state(said: dict[str, str]) -> SignalState:
    kind = said.get("type", "").upper() or ("RECOVERY" if said["state"].upper() in _WELL else "PROBLEM")
    if kind == "PROBLEM" and said.get("state_type", "").upper() == "SOFT":
        return SignalState.INFO
    return _STATES.get(kind, SignalState.INFO)


def _occurrence(mark: str, state: SignalState) -> str:
    """Nagios numbers its problems from 1, and says nought when there is none; Icinga gives a time.

    At a recovery that time is the very moment from which the next problem may count, so the end of this one is a little before.
    """
    at = reading.seconds(mark)
    if at is None:
        return ""
    if at < _FIRST_TIME:
        return mark
    return (at - _A_LITTLE if state is SignalState.RECOVERED else at).isoformat()
