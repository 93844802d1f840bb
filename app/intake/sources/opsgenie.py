"""The Opsgenie alert API, so that a sender of Opsgenie's finds a new home by a change of host and key.

    POST /v2/alerts                     Authorization: GenieKey <key>
    {"alias": "h(groupKey)", "message": "IVR down", "description": "…", "details": {"site": "hz"},
     "source": "prom", "tags": ["cs"], "priority": "P1", "entity": "ivr",
     "responders": [{"type": "team", "name": "cs-lead"}], "actions": [], "note": ""}

    POST /v2/alerts/{alias}/close?identifierType=alias          {"source": "prom", "note": "…"}

The state is in the address and not in the body, so `addressed` writes both into one document: what was asked stands
under `action`, a name the API itself does not use. An alert without an alias gets one. There is no occurrence. What is deleted
(`DELETE /v2/alerts/{alias}`) has ended; another priority is a remark.
"""

import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final

from app.intake import reading
from app.intake.signals import NotUnderstood, Signal, SignalState, unknown_word, wrong_kind
from app.intake.sources import generic
from app.wording import Wording, say

CREATE: Final = "create"
ACTIONS: Final[Mapping[str, SignalState]] = {
    CREATE: SignalState.PROBLEM,
    "acknowledge": SignalState.ACKED,
    "close": SignalState.RECOVERED,
    "notes": SignalState.INFO,
    "message": SignalState.INFO,
    "description": SignalState.INFO,
    "priority": SignalState.INFO,
    "delete": SignalState.RECOVERED,
}
PRIORITIES: Final = {"P1": 1, "P2": 2, "P3": 3, "P4": 4, "P5": 4}
_LEVELS: Final = {word.casefold(): level for word, level in PRIORITIES.items()}


def random_alias() -> str:
    return secrets.token_hex(16)


def addressed(action: str, alias: str, body: Any) -> Any:
    """What an address and a body say together. A body that is no object stays what it is, to be refused."""
    return {**body, "alias": alias, "action": action} if isinstance(body, dict) else body


def parse(
    body: Any, *, mapping: generic.Mapping | None = None, new_alias: Callable[[], str] = random_alias
) -> list[Signal]:
    """The one signal of a call, or `NotUnderstood` with every mistake. Of a `mapping` only its levels count."""
    if not isinstance(body, dict):
        raise NotUnderstood(wrong_kind("/", "object", body))
    action = reading.text(body.get("action")) or CREATE
    if mistakes := _mistakes(body, action):
        raise NotUnderstood(say("source.opsgenie.invalid"), errors=mistakes)
    details = body.get("details")
    facts = reading.scalars(details)
    tags = body.get("tags")
    note = reading.text(body.get("note"))
    if action == "priority":
        note = f"priority={reading.text(body['priority'])}"
    signal = Signal(
        dedup_key=reading.text(body.get("alias")) or new_alias(),
        occurrence="",
        state=ACTIONS[action],
        title=reading.text(body.get("message")),
        text=reading.first_text(
            body.get("description"), note if action == "notes" else "", body.get("message")
        ),
        level_hint=generic.level_of(body.get("priority"), mapping, _LEVELS),
        type_hint=reading.text(facts.pop("incident_type", None)) or None,
        labels=reading.texts({name: body.get(name) for name in ("source", "entity")}),
        annotations=reading.texts(
            {"tags": ", ".join(map(reading.text, tags)) if isinstance(tags, list) else ""}
        ),
        facts=facts,
        note=note or None,
    )
    return [signal]


def _mistakes(body: dict[str, Any], action: str) -> list[Wording]:
    if action not in ACTIONS:
        return [unknown_word("/action", action, ACTIONS)]
    alias, priority = body.get("alias"), body.get("priority")
    found = (
        [wrong_kind("/alias", "string", alias)] if alias is not None and not isinstance(alias, str) else []
    )
    if action != CREATE and not reading.text(alias):
        found.append(say("source.missing", where="/alias"))
    needed = {
        CREATE: "message",
        "message": "message",
        "description": "description",
        "notes": "note",
        "priority": "priority",
    }.get(action)
    if needed and not reading.text(body.get(needed)):
        found.append(say("source.missing", where=f"/{needed}"))
    if priority is not None and reading.text(priority) not in PRIORITIES:
        found.append(unknown_word("/priority", reading.text(priority), PRIORITIES))
    return found
