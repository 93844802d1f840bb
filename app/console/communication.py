"""The evaluation of communication over a period, for people (EP-5.3): what `GET /api/v1/metrics` says of it, in words."""

from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response

from app.access.edge import Edge, Now, Session
from app.console.pages import draw, in_local_time
from app.levels import matrix
from app.reviews import communication, metrics
from app.reviews.metrics import By

router = APIRouter(route_class=Edge, include_in_schema=False)
_READING: Final = ["GET", "HEAD"]
_USUAL: Final = timedelta(days=30)
_LONGEST: Final = timedelta(days=366)


@router.api_route("/communication", methods=_READING)
async def show_communication(
    request: Request, session: Session, now: Now, since: str | None = None, until: str | None = None
) -> Response:
    """Of the incidents detected from one day up to and with another; a day that is none is the usual one."""
    await in_local_time(request, session)
    _, levels = await matrix.in_force(session)
    today = now.astimezone(levels.zone).date()
    last = min(_day(until) or today, today)
    first = _day(since) or last - _USUAL
    if not timedelta() <= last - first <= _LONGEST:
        first = last - _USUAL
    start, end = _midnight(first, levels.zone), _midnight(last + timedelta(days=1), levels.zone)
    found = await metrics.over(session, start=start, end=end, at=now, by=By.LEVEL)
    groups: dict[str, Any] = {
        level: list(communication.in_words(one.communication.as_json()))
        for level, one in found.groups.items()
    }
    return draw(
        request, "communication.html", first=first, last=last, today=today, incidents=found.total.incidents, levels=levels,
        channels=found.total.communication.channels, told=list(communication.in_words(found.total.communication.as_json())),
        groups=groups, of_all=communication.of_all, spans=communication.spans, channel_word=communication.channel_word,
    )  # fmt: skip


def _day(said: str | None) -> date | None:
    try:
        return date.fromisoformat(said) if said else None
    except ValueError:
        return None


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)
