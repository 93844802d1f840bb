"""A mail, for whatever can do nothing else: `muster sources mail` stands at the end of an MTA's pipe and posts it as it came.

    Subject: [PROBLEM] ivr-01: no answer on 5060
    Auto-Submitted: auto-generated

    Level: 1
    412 callers are waiting.

The door opens the mail: `{"subject", "from", "message_id", "auto_submitted", "date", "text"}`. A subject names its state as a tag:
in brackets (`[RESOLVED]`, 【告警恢复】), before or behind a colon, a bar or a dash (`OK: …`, `… - 已恢复`), or in capitals as
its first or last word (`RECOVERY Service Alert: …`). A word inside a sentence is no tag ("Disk usage up to 98%", 网络未恢复);
without a tag, and in doubt, it is a problem. What is left of the subject is the key, so that the mail which ends it must bear
the same words; or a line `Key: …` of the text is. Lines `Level:` and `Type:` give these. An answer written by a machine
(`Auto-Submitted: auto-replied`) and a bounce raise nothing.
"""

import re
from typing import Any, Final

from app.intake import reading
from app.intake.signals import NotUnderstood, Signal, SignalState
from app.intake.sources import generic
from app.wording import say

_REPLY: Final = re.compile(r"^\s*((re|fwd?|aw|回复|答复|转发)\s*[:：]\s*)+", re.IGNORECASE)
_LINE: Final = re.compile(
    r"^\s*(key|level|type|severity)\s*[:：]\s*(\S.*?)\s*$", re.IGNORECASE | re.MULTILINE
)
_BRACKETED: Final = re.compile(r"\[([^\[\]]*)\]|【([^【】]*)】|\(([^()]*)\)|（([^（）]*)）")
_APART: Final = r"\s*[:：]\s*|\s*\|\s*|\s+[-–—]{1,2}\s+|——"  # what sets a tag apart from the rest
_LEADING: Final = re.compile(rf"\s*(.{{1,60}}?)(?:{_APART})(?=\S)")
_TRAILING: Final = re.compile(rf"(?:{_APART})((?:(?!{_APART}).){{1,60}})$")
_FIRST: Final = re.compile(r"([A-Z]+|[\u4e00-\u9fff]+)\s+(?=\S)(?![A-Z]+\b\s+[a-z])")
_LAST: Final = re.compile(r"(?<!\bis)\s([A-Z]+|[\u4e00-\u9fff]+)$")
_WHOLE: Final = re.compile(r"(.+)$")
_DONE: Final = re.compile(
    r"(?<=[\u4e00-\u9fff])((?:告警|报警|故障|业务|服务)?已(?:经|全部)?(?:恢复|解除)(?:正常)?)$"
)
_IS_NOW: Final = re.compile(r"\s+is\s+(?:OK|UP|DOWN|CRITICAL|WARNING|UNKNOWN|UNREACHABLE)$")
# Capitals that stand alone and can hardly mean anything else; the others need something that sets them apart.
_ALONE: Final = frozenset(
    {
        "RESOLVED", "RECOVERED", "RECOVERY", "CLEARED", "PROBLEM", "FIRING", "TRIGGERED", "ALERT", "ALARM", "CRITICAL", "WARNING",
        "ACKNOWLEDGEMENT", "ACKNOWLEDGED", "告警", "报警", "故障",
    }
)  # fmt: skip
_DENIED: Final = re.compile(
    r"\b(?:not|never|yet|if|when|whether|until|unless|cannot|\w+n't|un)\W*(?:\w+\W+)?$|[未没不非否勿]\w{0,3}$",
    re.IGNORECASE,
)
_SEVERITIES: Final = frozenset({"critical", "crit", "error", "warning", "warn"})
_ABOUT: Final = r"(?:alert|alarm|problem|incident|issue|monitor|service|host|check|trigger)"
_IS: Final = r"(?:is |has been |was |has )?(?:now )?"
_WHAT: Final = "(?:告警|报警|预警|故障|异常|事件|问题|服务|业务|系统|网络)?"
_NEWS: Final = "(?:通知|提醒|消息|告知)?"
_PHRASES: Final = tuple(
    (re.compile(pattern), state)
    for pattern, state in (
        (rf"{_ABOUT} {_IS}(?:resolved|recovered|cleared|closed|ok|up|over|fixed)", SignalState.RECOVERED),
        (
            r"resolved in \d+\w*(?: \d+\w*)*|back to normal|all clear|recovery notification|now ok",
            SignalState.RECOVERED,
        ),
        (
            rf"{_WHAT}(?:已经?|全部|均已|现已)?(?:恢复|解除|消除|修复|解决|清除)(?:正常|了)?{_NEWS}",
            SignalState.RECOVERED,
        ),
        (r"(?:告警|报警)已?(?:关闭|结束)|(?:恢复)?正常", SignalState.RECOVERED),
        (rf"{_ABOUT} {_IS}(?:triggered|firing|active|open|opened|down|critical)", SignalState.PROBLEM),
        (rf"(?:new )?{_ABOUT}|problem notification", SignalState.PROBLEM),
        (
            rf"(?:紧急|严重|重要|次要|一般|新)?(?:告警|报警|预警|故障|异常)(?:触发|发生|产生)?{_NEWS}",
            SignalState.PROBLEM,
        ),
        (r"(?:触发|发生|产生)(?:告警|报警|故障|异常)", SignalState.PROBLEM),
        (r"acknowledge?ment|(?:告警|报警|故障)?已(?:确认|认领|受理)", SignalState.ACKED),
    )
)


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
    """The state that the tags of a subject name, and the subject without them: what is the same when it ends.

    1. The words of the source itself go first, wherever they stand.
    2. Tags in brackets, before and behind the rest, and words that can stand alone are taken off one after the other.
    3. A severity beside an end ("[CRITICAL] [RESOLVED]") says what it was; any other disagreement is a problem.
    """
    for word, state in (mapping.states if mapping is not None else {}).items():
        if found := re.search(_whole(word), subject) if word else None:
            return state, _tidied(subject[: found.start()] + " " + subject[found.end() :])
    said: list[str] = []
    rest = _BRACKETED.sub(lambda found: _taken(found, said), subject).strip(" *!！。.")
    for place in (_WHOLE, _LEADING, _TRAILING, _FIRST, _LAST, _DONE):
        is_tag = _stands_alone if place in (_FIRST, _LAST) else _is_known
        # Behind "[shop]" stands the first word of what is left.
        start = len(lead[0]) if (lead := re.match(r"(?:\s*[\[【(（][^\])】）]*[\])】）])+\s*", rest)) else 0
        found = place.match(rest, start) if place in (_WHOLE, _LEADING, _FIRST) else place.search(rest, start)
        if found is None or not is_tag(found[1]) or _DENIED.search(rest[start : found.start(1)]):
            continue
        said.append(found[1])
        rest = f"{rest[: found.start()]} {rest[found.end() :]}".strip()
    if not said:
        return SignalState.PROBLEM, subject
    states = {_known(tag) for tag in said}
    worst = {_known(tag) for tag in said if tag.casefold() not in _SEVERITIES} or states
    return (worst.pop() or SignalState.PROBLEM) if len(worst) == 1 else SignalState.PROBLEM, _tidied(
        _IS_NOW.sub("", rest)
    )


def _taken(found: re.Match[str], said: list[str]) -> str:
    """Nothing, where what stands in brackets is a tag, which is put down; several in one pair of brackets may be one."""
    inside = next(group for group in found.groups() if group is not None)
    parts = [re.sub(r":\d+$", "", part.strip()) for part in inside.split(",")]
    if not all(_known(part) or _is_info(part) for part in parts):
        return found[0]
    said.extend(parts)
    return " "


def _known(tag: str) -> SignalState | None:
    """The state that a tag names, by whole words; signs beside it ("🔴 Down") are not looked at."""
    words = " ".join(re.sub(r"[^\w\s']|_", " ", tag).casefold().split())
    for phrase, state in _PHRASES:
        if phrase.fullmatch(words):
            return state
    return reading.STATE_WORDS.get(words)


def _is_known(tag: str) -> bool:
    # Whoever writes "Information: system outage" means no remark: that word is a tag in brackets only.
    return _known(tag) not in (None, SignalState.INFO)


def _is_info(tag: str) -> bool:
    return _known(tag) is SignalState.INFO


def _stands_alone(word: str) -> bool:
    return word in _ALONE or (len(word) > 2 and not word.isascii() and _is_known(word))


def _whole(word: str) -> str:
    """The pattern of a word of the source's own, not of a part of a longer one."""
    edges = [r"(?<![A-Za-z0-9])" if word[0].isalnum() and word[0].isascii() else ""]
    edges.append(r"(?![A-Za-z0-9])" if word[-1].isalnum() and word[-1].isascii() else "")
    return f"{edges[0]}{re.escape(word)}{edges[1]}"


def _tidied(rest: str) -> str:
    return " ".join(re.sub(r"[\[(【（]\s*[\])】）]", " ", rest).split()).strip(" :：-–—|,，*!！")


def _is_of_a_machine(body: dict[str, Any]) -> bool:
    answered = reading.text(body.get("auto_submitted")).casefold().startswith("auto-replied")
    return answered or "mailer-daemon" in reading.text(body["from"]).casefold()
