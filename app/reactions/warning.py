"""Warnings (EP-2.5, OM-2): whom the plan names for a colour hears what is to be done; if nobody answers, those above hear of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from app import outbox
from app.levels.indicator import COLOURS, ColourSpec
from app.notify import pipeline
from app.notify.pipeline import News
from app.plan import revisions
from app.plan.document import PlanDocument
from app.reactions.context import Happened
from app.warnings import course, indicators
from app.warnings.tables import EarlyWarning, WarningState
from app.wording import Wording, localised


async def look_at_indicator(happened: Happened) -> None:
    """A colour may hold now, or hold no longer: time has passed."""
    await indicators.look(happened.session, happened.payload["indicator"], at=happened.at)


async def tell_of_colour(happened: Happened) -> None:
    """It began, or rose: those whom the plan names for the colour are told what to do, and asked for an answer."""
    warning = await course.found(happened.session, happened.payload["warning_id"])
    level = warning.level
    if warning.state != WarningState.OPEN or level is None or level != happened.payload["level"]:
        return  # it has changed since, and that is told
    plan, spec = await _colour(happened, level)
    if spec is None:
        return
    measures = [one.model_dump() for one in spec.measures]
    words = await _words(happened, warning, plan) | {"measures": measures}
    asks = spec.acknowledge is not None
    await _tell(happened, plan, "warning", spec.tell, words, level=level, asks=asks)
    if spec.acknowledge is not None and warning.acknowledged_at is None:
        key = f"warning:{warning.id}:{level}:{warning.changed_at:%Y%m%dT%H%M%S%f}"
        said = {"warning_id": warning.id, "level": level}
        due_at = happened.at + spec.acknowledge
        await outbox.arm(happened.session, "warning.unanswered", said, ref=warning.id, key=key, due_at=due_at)


async def tell_of_less(happened: Happened) -> None:
    """It fell: whoever was told of the colour it had hears which it has now."""
    warning = await course.found(happened.session, happened.payload["warning_id"])
    before = happened.payload["level_before"]
    plan, spec = await _colour(happened, before)
    if spec is not None and warning.state == WarningState.OPEN:
        words = await _words(happened, warning, plan)
        what = "warning_quiet" if warning.level is None else "warning_fell"
        await _tell(happened, plan, what, spec.tell, words, level=before)


async def ask_further_up(happened: Happened) -> None:
    """Nobody has acknowledged it in time: whoever those told report to."""
    warning = await course.found(happened.session, happened.payload["warning_id"], lock=True)
    level = happened.payload["level"]
    if warning.state != WarningState.OPEN or warning.acknowledged_at is not None:
        return
    plan, spec = await _colour(happened, level)
    if spec is None:
        return
    above = [up for position in spec.tell for up in plan.organisation.above(position) if up not in spec.tell]
    await course.note_escalation(happened.session, warning, at=happened.at)
    words = await _words(happened, warning, plan) | {"within": spec.acknowledge}
    await _tell(
        happened, plan, "warning_unanswered", list(dict.fromkeys(above)), words, level=level, asks=True
    )


async def tell_of_end(happened: Happened) -> None:
    """It was lifted, or has become an incident, which is told by its own chain: whoever heard of it hears that."""
    warning = await course.found(happened.session, happened.payload["warning_id"])
    plan, spec = await _colour(happened, warning.gravest)
    if spec is not None and warning.state == WarningState.LIFTED and warning.reason is not None:
        words = await _words(happened, warning, plan) | {"reason": dict(warning.reason)}
        await _tell(happened, plan, "warning_lifted", spec.tell, words, level=warning.gravest)


async def note_answer(happened: Happened) -> None:
    """Somebody pressed the button of a message: where it was about a warning, they have that."""
    warning = await happened.session.get(EarlyWarning, happened.ref)
    if warning is not None:
        locked = await course.found(happened.session, warning.id, lock=True)
        if locked.state == WarningState.OPEN:
            await course.acknowledge(happened.session, locked, by=happened.payload["by"], at=happened.at)


async def tell_of_silence(happened: Happened) -> None:
    """An indicator that should come does not, or does again: its owner."""
    name = happened.payload["indicator"]
    _, plan = await revisions.in_force(happened.session)
    if plan.monitoring is None or (spec := plan.monitoring.indicators.get(name)) is None:
        return
    what = "indicator_silent" if happened.topic == "indicator.silent" else "indicator_heard"
    words = {"title": spec.title.model_dump(), "since": happened.payload["since"]}
    await _tell(happened, plan, what, [spec.owner or plan.monitoring.owner], words, level=_NO_HURRY)


async def free_indicator(happened: Happened) -> None:
    """The incident that a warning became is over. In a message of its own: what holds an indicator may wait for an incident, and
    not the other way round."""
    warning = await course.of_incident(happened.session, happened.payload.get("incident_id", happened.ref))
    if warning is not None:
        said = {"indicator": warning.indicator}
        outbox.put(happened.session, "indicator.freed", said, ref=warning.indicator, at=happened.at)


async def warn_again(happened: Happened) -> None:
    """A colour that outlasts the incident is warned of anew."""
    await indicators.look_again(happened.session, happened.payload["indicator"], at=happened.at)


_NO_HURRY = 4  # a silence is told as the lightest level is: quiet hours are kept


async def _colour(happened: Happened, level: int) -> tuple[PlanDocument, ColourSpec | None]:
    _, plan = await revisions.in_force(happened.session)
    return plan, plan.monitoring.warnings.get(COLOURS[level]) if plan.monitoring is not None else None


async def _words(happened: Happened, warning: EarlyWarning, plan: PlanDocument) -> dict[str, Any]:
    spec = plan.monitoring.indicators.get(warning.indicator) if plan.monitoring is not None else None
    return {
        "title": dict(warning.title),
        "colour": course.colour_word(warning.level or warning.gravest),
        "value": course.figure(warning.value, spec.unit if spec is not None else None),
        "began_at": warning.began_at,
        "type": plan.types[warning.type].title.model_dump() if warning.type in plan.types else warning.type,
    }


async def _tell(
    happened: Happened, plan: PlanDocument, what: str, positions: Sequence[str], words: Mapping[str, Any], *, level: int,
    asks: bool = False,
) -> None:  # fmt: skip
    zone = plan.grading().zone
    subject, text = (localised(Wording(f"flow.{what}.{part}", words), zone) for part in ("subject", "text"))
    page = f"/warnings/{happened.ref}" if happened.topic.startswith("warning.") else "/warnings"
    await pipeline.tell(
        happened.session, News(ref=happened.ref, kind=what, level=level, subject=subject, text=text, page=page),
        positions=positions, at=happened.at, asks=asks,
    )  # fmt: skip
