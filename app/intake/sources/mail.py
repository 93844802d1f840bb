"""A mail, for whatever can do nothing else: `muster sources mail` stands at the end of an MTA's pipe and posts it as it came.

    Subject: [PROBLEM] ivr-01: no answer on 5060
    Auto-Submitted: auto-generated

    Level: 1
    412 callers are waiting.

The door opens the mail: `{"subject", "from", "message_id", "auto_submitted", "date", "text"}`. The first word of the subject that
names a state ("RESOLVED", "恢复") is the state; none is a problem. What is left of the subject is the key, so that the mail which
ends it must bear the same words; or a line `Key: …` of the text is. Lines `Level:` and `Type:` give these. An answer written
by a machine (`Auto-Submitted: auto-replied`) and a bounce raise nothing.
"""

import re
from typing import Any, Final

from app.intake import reading
from app.intake.signals import NotUnderstood, Signal, SignalState
from app.intake.sources import generic
from app.wording import say

_REPLY: Final = re.compile(r"^\s*((re|fwd?|aw|回复|答复|转发)\s*[:：]\s*)+", re.IGNORECASE)
_WORDS: Final = re.compile(r"[A-Za-z]+|已?恢复|解除|告警|故障")
_LINE: Final = re.compile(
    r"^\s*(key|level|type|severity)\s*[:：]\s*(\S.*?)\s*$", re.IGNORECASE | re.MULTILINE
)
_CHINESE: Final = {
    "恢复": SignalState.RECOVERED, "已恢复": SignalState.RECOVERED, "解除": SignalState.RECOVERED,
    "告警": SignalState.PROBLEM, "故障": SignalState.PROBLEM,
}  # fmt: skip


def parse(body: Any, *, mapping: generic.Mapping | None = None) -> list[Signal]:
    """The one signal of a mail."""
    if not isinstance(body, dict) or not {"subject", "from"} <= body.keys():
        return generic.another_format("mail", body, mapping)
    subject, text = _REPLY.sub("", reading.text(body["subject"])), reading.text(body.get("text"))
    lines = {name.casefold(): value for name, value in reversed(_LINE.findall(text))}
    state, rest = _state(subject, mapping)
    key = reading.first_text(lines.get("key"), rest, subject)
    if not key:
        raise NotUnderstood(say("source.missing", where="Subject"))
    if _is_of_a_machine(body):
        state = SignalState.INFO
    at = reading.moment(body.get("date"))
    return [
        Signal(
            dedup_key=key,
            occurrence="",
            state=state,
            title=subject,
            text=text,
            level_hint=generic.level_of(
                reading.first_text(lines.get("level"), lines.get("severity")), mapping
            ),
            type_hint=lines.get("type"),
            labels=reading.texts({"from": body["from"]}),
            started_at=at if state is SignalState.PROBLEM else None,
            ended_at=at if state is SignalState.RECOVERED else None,
        )
    ]


def _state(subject: str, mapping: generic.Mapping | None) -> tuple[SignalState, str]:
    """The state that a subject names first, and the subject without that word and what encloses it."""
    for word, state in (mapping.states if mapping is not None else {}).items():
        if word and word in subject:
            return state, _without(subject, subject.index(word), len(word))
    for found in _WORDS.finditer(subject):
        known = _CHINESE.get(found[0]) or reading.STATE_WORDS.get(found[0].casefold())
        if known is not None:
            return known, _without(subject, found.start(), len(found[0]))
    return SignalState.PROBLEM, subject


def _without(subject: str, start: int, length: int) -> str:
    rest = f"{subject[:start]} {subject[start + length :]}"
    return " ".join(re.sub(r"[\[(【（]\s*[\])】）]", " ", rest).split()).strip(" :：-")


def _is_of_a_machine(body: dict[str, Any]) -> bool:
    answered = reading.text(body.get("auto_submitted")).casefold().startswith("auto-replied")
    return answered or "mailer-daemon" in reading.text(body["from"]).casefold()
