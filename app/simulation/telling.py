"""An outcome in words, in any of our languages, and as JSON. Every sentence comes from the catalogues."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from app.incidents import timeline
from app.simulation.acting import Deed
from app.simulation.document import Manners
from app.simulation.outcome import Course, Duty, Outcome, Target, Told, said
from app.vocabulary import write_span
from app.wording import Wording, clock, render, say

SCHEMA: Final = 1
"""Of the JSON; it grows when a name is taken away or means something else."""


def as_text(outcome: Outcome, language: str) -> str:
    """For a terminal."""
    return "\n".join(_Text(outcome, language).lines()) + "\n"


def as_data(outcome: Outcome, language: str) -> dict[str, Any]:
    """For other programs; moments in UTC, texts in one language."""
    return _Data(outcome, language).whole()


class _Speaking:
    def __init__(self, outcome: Outcome, language: str) -> None:
        self.outcome, self.language = outcome, language
        self.zone = outcome.given.plan.grading().zone

    def say(self, key: str, **params: Any) -> str:
        return self.spoken(Wording(key, params))

    def spoken(self, wording: Wording) -> str:
        return render(wording, self.language, self.zone)

    def text(self, localised: Mapping[str, Any]) -> str:
        return self.say("simulation.text", text=dict(localised))

    def position(self, name: str) -> str:
        return self.text(self.outcome.titles[name]) if name in self.outcome.titles else name

    def reason(self, reason: Wording | Mapping[str, Any] | None) -> str | None:
        wording = said(reason)
        return None if wording is None else self.spoken(wording)

    def deed(self, deed: Deed) -> str:
        detail = {**deed.detail, "by": deed.by, "position": self.position(deed.position or "")}
        if "event" in detail:
            event = detail["event"]
            detail["event"] = self.say(
                f"simulation.work.{event}" if deed.kind == "work" else f"event.{event}"
            )
        if "choice" in detail:
            detail["choice"] = self.say(f"choice.{detail['choice']}")
        if "availability" in detail:
            detail["availability"] = self.say(f"simulation.availability.{detail['availability']}")
        if "works" in detail:
            detail["works"] = self.say("simulation.works.yes" if detail["works"] else "simulation.works.no")
        if deed.kind == "scenario":
            return self.say(
                "simulation.deed.scenario", deed=self.say(f"simulation.scenario.{detail['deed']}")
            )
        return self.say(f"simulation.deed.{deed.kind}", **detail)


class _Text(_Speaking):
    def lines(self) -> Iterator[str]:
        one, plan = self.outcome.scenario, self.outcome.given.plan.plan
        yield self.text(one.title.model_dump(exclude_none=True))
        yield self.say(
            "simulation.head.plan", title=plan.title.model_dump(exclude_none=True), version=plan.version
        )
        yield self.say("simulation.head.time", begins=clock(one.begins, self.zone), lasts=one.lasts)
        everybody = one.people.everybody
        manner = (
            say(f"simulation.manners.{everybody}")
            if isinstance(everybody, Manners)
            else say("simulation.manners.own")
        )
        yield self.say("simulation.head.people", manner=manner)
        for course in self.outcome.courses:
            yield ""
            yield from self._course(course)
        if self.outcome.knocks:
            yield ""
            yield self.say("simulation.part.knocks")
            for knock in self.outcome.knocks:
                answer = self.say("simulation.knock.answered" if knock.status else "simulation.knock.silent")
                yield f"  {self._since(knock.at)}  {knock.method} {knock.where}  {answer}"
        yield ""
        yield self.say("simulation.part.deeds")
        for deed in self.outcome.deeds:
            refused = f"  ✗ {self.spoken(deed.refused)}" if deed.refused is not None else ""
            yield f"  {self._since(deed.at)}  {self.deed(deed)}{refused}"
        if self.outcome.verdicts:
            yield ""
            yield self.say("simulation.part.expected")
            for verdict in self.outcome.verdicts:
                mark = "✓" if verdict.held else "✗"
                found = "" if verdict.held else "  " + self.say("simulation.instead", found=verdict.found)
                about = f"{verdict.incident}: " if verdict.incident else ""
                yield f"  {mark} {self._since(verdict.at)}  {about}{verdict.what} = {verdict.wanted}{found}"
        if self.outcome.faults:
            yield ""
            yield self.say("simulation.part.faults")
            yield from (f"  {fault}" for fault in self.outcome.faults)
        yield ""
        if self.outcome.elsewhere:
            yield self.say("simulation.elsewhere", number=self.outcome.elsewhere)
        yield self.say("simulation.simulated")
        yield self.say("simulation.seal", seal=self.outcome.seal)

    def _course(self, course: Course) -> Iterator[str]:
        state = say(f"state.{course.state}")
        yield self.say(
            "simulation.course", number=course.number, title=course.title, level=course.level, state=state
        )
        yield "  " + self.say("simulation.part.targets")
        yield from (f"    {self._target(one)}" for one in course.targets)
        yield "    " + self.say(
            "simulation.updates", on_time=course.updates["on_time"], owed=course.updates["owed"]
        )
        yield "  " + self.say("simulation.part.told")
        yield from (f"    {self._told(one)}" for one in course.told)
        yield "  " + self.say("simulation.part.short")
        yield from (f"    {self._since(one.at)}  {self.text(one.question)}" for one in course.short)
        if not course.short:
            yield "    " + self.say("simulation.nothing_short")
        yield "  " + self.say("simulation.part.tasks")
        yield from (f"    {self._task(one)}" for one in course.tasks)
        yield "  " + self.say("simulation.part.timeline")
        for entry in course.entries:
            yield f"    {self._since(entry.at)}  {timeline.summary(entry, self.language, self.zone)}"

    def _target(self, one: Target) -> str:
        mark = {"met": "✓", "missed": "✗", "open": "…"}[one.standing]
        name = say(f"simulation.target.{one.name}")
        standing = say(f"simulation.standing.{one.standing}")
        return f"{mark} " + self.say(
            "simulation.target", name=name, took=one.took, limit=one.limit, standing=standing
        )

    def _told(self, one: Told) -> str:
        person = one.person or self.say("simulation.nobody_there")
        who = self.say("simulation.who", person=person, position=self.position(one.position))
        if one.hop:
            way = self.say("simulation.way.rung", channel=one.channel, hop=one.hop, lap=one.lap)
        else:
            way = self.say("simulation.way.plain", channel=one.channel)
        fate = self.say(f"simulation.fate.{one.state}")
        reason = self.reason(one.reason) if not one.reached else None
        return f"{self._since(one.at)}  {who}  {way}  {fate}" + (f"  {reason}" if reason else "")

    def _task(self, one: Duty) -> str:
        ended = self._since(one.ended_at) if one.ended_at is not None else "–"
        line = self.say(
            "simulation.task", title=one.title, position=self.position(one.position), given=self._since(one.given_at),
            due=self._since(one.due_at), ended=ended, state=say(f"task_state.{one.state}"),
        )  # fmt: skip
        return f"{'✗' if one.late else '✓'} {line}"

    def _since(self, moment: datetime) -> str:
        """`+1:05`, `+1:05:30`, or `+2d 1:05`: counted from the beginning."""
        whole = moment - self.outcome.scenario.begins
        days, rest = divmod(int(whole.total_seconds()), 86400)
        hours, minutes, seconds = rest // 3600, rest // 60 % 60, rest % 60
        return (
            (f"+{days}d " if days else "+") + f"{hours}:{minutes:02}" + (f":{seconds:02}" if seconds else "")
        )


class _Data(_Speaking):
    def whole(self) -> dict[str, Any]:
        one, plan = self.outcome.scenario, self.outcome.given.plan.plan
        return {
            "schema": SCHEMA,
            "title": self.text(one.title.model_dump(exclude_none=True)),
            "plan": {"title": self.text(plan.title.model_dump(exclude_none=True)), "version": plan.version},
            "begins": _moment(one.begins),
            "lasts": write_span(one.lasts),
            "missed": self.outcome.missed,
            "as_expected": self.outcome.as_expected,
            "incidents": [self._course(course) for course in self.outcome.courses],
            "calls": [
                {"at": _moment(knock.at), "method": knock.method, "to": knock.where, "body": knock.body, "status": knock.status}
                for knock in self.outcome.knocks
            ],
            "deeds": [
                {
                    "at": _moment(deed.at), "kind": deed.kind, "by": deed.by, "position": deed.position, "text": self.deed(deed),
                    "refused": self.reason(deed.refused),
                }
                for deed in self.outcome.deeds
            ],
            "expected": [
                {
                    "at": _moment(verdict.at), "incident": verdict.incident, "what": verdict.what, "wanted": verdict.wanted,
                    "found": verdict.found, "held": verdict.held,
                }
                for verdict in self.outcome.verdicts
            ],
            "faults": list(self.outcome.faults),
            "messages_elsewhere": self.outcome.elsewhere,
            "seed": self.outcome.seed,
            "seal": self.outcome.seal,
        }  # fmt: skip

    def _course(self, course: Course) -> dict[str, Any]:
        return {
            "number": course.number, "name": course.name, "title": course.title, "type": course.type, "level": course.level,
            "state": course.state, "detected_at": _moment(course.detected_at),
            "targets": {
                one.name: {"limit": write_span(one.limit), "took": _span(one.took), "standing": one.standing}
                for one in course.targets
            },
            "updates": dict(course.updates),
            "told": [
                {
                    "at": _moment(one.at), "position": one.position, "person": one.person, "channel": one.channel,
                    "kind": one.kind, "level": one.level, "lap": one.lap, "hop": one.hop, "state": one.state,
                    "attempts": one.attempts, "reason": self.reason(one.reason),
                }
                for one in course.told
            ],
            "short": [
                {"at": _moment(one.at), "question": self.text(one.question), "choice": one.choice} for one in course.short
            ],
            "tasks": [
                {
                    "title": self.text(one.title), "position": one.position, "given_at": _moment(one.given_at),
                    "due_at": _moment(one.due_at), "state": one.state, "late": one.late,
                    "ended_at": _moment(one.ended_at) if one.ended_at is not None else None,
                }
                for one in course.tasks
            ],
            "timeline": [
                {
                    "seq": entry.seq, "at": _moment(entry.at), "actor": entry.actor, "kind": entry.kind, "hash": entry.hash,
                    "text": timeline.summary(entry, self.language, self.zone),
                }
                for entry in course.entries
            ],
        }  # fmt: skip


def _moment(moment: datetime) -> str:
    return moment.isoformat()


def _span(span: timedelta | None) -> str | None:
    return None if span is None else write_span(span)
