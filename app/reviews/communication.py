"""How well people were reached and kept told (EP-5.1, EP-5.3): by channel, by chain, by updates and reports.

Pure but for `reports`. A share stands beside the numbers it is made of: three of four is no rate. Times are in seconds, as many
as can be told; drills are the caller's to leave out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from math import ceil
from statistics import median
from typing import Any, Final, Self

from sqlalchemy.ext.asyncio import AsyncSession

from app.incidents import report
from app.incidents.tables import Incident
from app.notify.tables import DeliveryState, RoundState
from app.wording import DEFAULT_LANGUAGE, Wording, known, say, spoken_span

ENOUGH: Final = 20
"""Of fewer than this, people are shown counts and no percentage."""
_TAKEN: Final = (DeliveryState.SENT, DeliveryState.ACKNOWLEDGED)


@dataclass(frozen=True)
class Sent:
    """One message, as far as figures need it."""

    channel: str
    state: str
    attempts: int
    sent_at: datetime | None
    round_id: str | None


@dataclass(frozen=True)
class Called:
    """One calling of a chain, as far as figures need it."""

    id: str
    state: str
    lap: int
    hop: int
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True)
class Spans:
    """Several times taken: how many, the one in the middle, and the one that nine of ten do not exceed; in seconds."""

    number: int = 0
    median: float | None = None
    p90: float | None = None

    @classmethod
    def of(cls, spans: Iterable[timedelta]) -> Self:
        seconds = sorted(max(one.total_seconds(), 0.0) for one in spans)
        if not seconds:
            return cls()
        return cls(len(seconds), float(median(seconds)), seconds[ceil(0.9 * len(seconds)) - 1])


@dataclass(frozen=True)
class ByChannel:
    """What became of the messages of one channel."""

    tried: int  # taken by the far side, or failed for good
    delivered: int  # taken by the far side
    first_try: int  # of those, at the first attempt
    answered: int  # acknowledged by the message's own button or reply
    to_acknowledge: Spans  # from sending to that answer, where a chain was calling

    @property
    def rate(self) -> float | None:
        """Share delivered of those tried."""
        return share(self.delivered, self.tried)


@dataclass(frozen=True)
class Reports:
    """How complete reports are: of how many, how many have all their parts, and which parts were missing how often."""

    number: int = 0
    complete: int = 0
    parts: int = 0
    present: int = 0
    missing: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Communication:
    """The evaluation of communication, of one incident or of a period."""

    channels: Mapping[str, ByChannel]
    calls: int  # of chains
    answered: int  # of those, by somebody
    first_rung: int  # of those, before anybody further up was told
    to_acknowledge: Spans  # from the start of a call to its answer, whichever way that came
    updates: Mapping[str, int]  # owed, on_time, missed
    reports: Reports

    def as_json(self) -> dict[str, Any]:
        """As a review keeps it."""
        return asdict(self)


def evaluated(
    sent: Sequence[Sent], called: Sequence[Called], *, updates: Iterable[Mapping[str, int]], reports: Reports
) -> Communication:
    """The figures of these messages, calls, updates and reports."""
    answers = {
        one.id: one.ended_at
        for one in called
        if one.state == RoundState.ACKNOWLEDGED and one.ended_at is not None
    }
    by_channel: dict[str, list[Sent]] = {}
    for one in sent:
        if one.state in _TAKEN or one.state == DeliveryState.FAILED:
            by_channel.setdefault(one.channel, []).append(one)
    answered = [one for one in called if one.id in answers]
    counted = {"owed": 0, "on_time": 0, "missed": 0}
    for counts in updates:
        counted = {name: number + counts.get(name, 0) for name, number in counted.items()}
    return Communication(
        channels={name: _channel(by_channel[name], answers) for name in sorted(by_channel)},
        calls=len(called),
        answered=len(answered),
        first_rung=sum(1 for one in answered if one.lap <= 1 and one.hop <= 1),
        to_acknowledge=Spans.of(answers[one.id] - one.started_at for one in answered),
        updates=counted,
        reports=reports,
    )


def _channel(sent: Sequence[Sent], answers: Mapping[str, datetime]) -> ByChannel:
    taken = [one for one in sent if one.state in _TAKEN]
    marked = [one for one in taken if one.state == DeliveryState.ACKNOWLEDGED]
    spans = [
        ended_at - one.sent_at
        for one in marked
        if (ended_at := answers.get(one.round_id or "")) is not None and one.sent_at is not None
    ]
    return ByChannel(
        tried=len(sent),
        delivered=len(taken),
        first_try=sum(1 for one in taken if one.attempts <= 1),
        answered=len(marked),
        to_acknowledge=Spans.of(spans),
    )


def together(found: Iterable[Reports]) -> Reports:
    """Reports of several incidents as one figure."""
    number = complete = parts = present = 0
    missing: dict[str, int] = {}
    for one in found:
        number, complete = number + one.number, complete + one.complete
        parts, present = parts + one.parts, present + one.present
        for name, times in one.missing.items():
            missing[name] = missing.get(name, 0) + times
    return Reports(number, complete, parts, present, dict(sorted(missing.items())))


async def reports(session: AsyncSession, incident: Incident, *, at: datetime) -> Reports:
    """The final report of an incident as it would be compiled now: which of its seven parts it has."""
    compiled = await report.compile_report(session, incident, "final", at=at, language=DEFAULT_LANGUAGE)
    missing = {part.name: 1 for part in compiled.parts if not part.lines}
    parts = len(compiled.parts)
    return Reports(1, int(not missing), parts, parts - len(missing), missing)


def kept_reports(figures: Mapping[str, Any]) -> Reports:
    """The completeness that the figures of a review keep; of an older one nothing is known."""
    known = figures.get("communication", {}).get("reports")
    return Reports(**known) if known else Reports()


def in_words(kept: Mapping[str, Any]) -> Iterator[Wording]:
    """The evaluation as sentences, from what a review keeps or `as_json` gives; few are told as counts alone."""
    for channel, one in kept["channels"].items():
        said = {
            "channel": channel_word(channel),
            "delivered": of_all(one["delivered"], one["tried"]),
            "first": of_all(one["first_try"], one["tried"]),
            "answered": one["answered"],
        }
        if one["to_acknowledge"]["number"]:
            yield say("communication.channel_answered", times=spans(one["to_acknowledge"]), **said)
        else:
            yield say("communication.channel", **said)
    if kept["calls"]:
        answered, first = (of_all(kept[name], kept["calls"]) for name in ("answered", "first_rung"))
        yield say("communication.calls", answered=answered, first=first)
    if kept["to_acknowledge"]["number"]:
        yield say("communication.to_acknowledge", times=spans(kept["to_acknowledge"]))
    if owed := kept["updates"]["owed"]:
        yield say("communication.updates", missed=of_all(kept["updates"]["missed"], owed))
    if (seen := kept["reports"])["number"]:
        parts = of_all(seen["present"], seen["parts"])
        if seen["missing"]:
            names = [say(f"report.part_{name}") for name in seen["missing"]]
            yield say("communication.reports_lacking", parts=parts, missing=names)
        else:
            yield say("communication.reports", parts=parts)


def channel_word(channel: str) -> Wording | str:
    """What people call a channel."""
    key = f"watch.channel.{channel}"
    return Wording(key) if known(key) else channel


def of_all(part: int, whole: int) -> Wording:
    """So many of so many; a percentage beside them only where there are enough."""
    if whole < ENOUGH:
        return say("communication.few", part=part, whole=whole)
    return say("communication.share", percent=f"{part / whole:.1%}", part=part, whole=whole)


def spans(kept: Mapping[str, Any]) -> Wording:
    """How long it took half of them, and nine of ten; of fewer than ten, all."""
    if kept["number"] == 1:
        return spoken_span(timedelta(seconds=round(kept["median"])))
    middle, most = (spoken_span(timedelta(seconds=round(kept[name]))) for name in ("median", "p90"))
    return say(
        "communication.times" if kept["number"] >= 10 else "communication.times_few", median=middle, p90=most
    )


def share(part: int, whole: int) -> float | None:
    """As a number from 0 to 1; of nothing there is no share."""
    return round(part / whole, 4) if whole else None
