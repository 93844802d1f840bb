"""The figures of a review, from rows alone."""

from datetime import UTC, datetime, timedelta

import pytest

from app.incidents.tables import Obligation, ObligationState, Task, TaskState, TimelineEntry
from app.levels.document import Targets
from app.reviews import figures, metrics
from app.reviews.draft import MOST_LINES, what_went_well, what_went_wrong
from app.reviews.metrics import Past
from app.wording import LANGUAGES, known, render

AT = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
TARGETS = Targets(
    acknowledge="5m", activate="15m", respond="20m", restore="2h", update_every="30m", review_within="3d"  # type: ignore[arg-type]
)  # fmt: skip


def after(minutes: float) -> datetime:
    return AT + timedelta(minutes=minutes)


def timeline(*told: tuple[str, float]) -> list[TimelineEntry]:
    return [
        TimelineEntry(kind=kind, at=after(minute), seq=seq, data={})
        for seq, (kind, minute) in enumerate(told, 1)
    ]


def update(
    due: float, *, paid: float | None = None, missed: float | None = None, state: str = "paid"
) -> Obligation:
    return Obligation(
        kind="update", due_at=after(due), settled_at=None if paid is None else after(paid),
        missed_at=None if missed is None else after(missed), state=ObligationState(state),
    )  # fmt: skip


def test_the_first_of_each_counts() -> None:
    reached = figures.moments(
        timeline(
            ("incident.acknowledged", 3), ("incident.acknowledged", 9), ("task.done", 12), ("task.started", 14),
            ("incident.recovering", 50), ("incident.closed", 60),
        )
    )  # fmt: skip
    assert (reached.acknowledge, reached.first_task, reached.restore, reached.close) == (
        after(3), after(12), after(50), after(60),
    )  # fmt: skip


def test_a_reopened_incident_was_not_restored_before() -> None:
    reached = figures.moments(
        timeline(
            ("incident.recovering", 50),
            ("incident.closed", 60),
            ("incident.reopened", 70),
            ("incident.closed", 200),
        )
    )
    assert (reached.recover, reached.restore, reached.close) == (None, after(200), after(200))


@pytest.mark.parametrize(("minute", "met"), [(5, True), (5.001, False), (None, False)])
def test_a_target_is_met_to_the_moment_and_missed_when_it_was_never_reached(
    minute: float | None, met: bool
) -> None:
    reached = figures.Moments(acknowledge=None if minute is None else after(minute))
    assert figures.times(reached, TARGETS, detected_at=AT)["acknowledge"]["met"] is met


def test_durations_are_iso_8601_and_what_has_no_target_is_not_judged() -> None:
    found = figures.times(figures.Moments(assess=after(90)), TARGETS, detected_at=AT)
    assert found["assess"] == {"took": "PT1H30M", "target": None, "met": None}
    assert figures.from_iso("PT1H30M") == timedelta(minutes=90)


def test_updates_late_are_missed_and_the_one_ended_by_the_close_was_not_due() -> None:
    owed = [
        update(30, paid=20), update(60, paid=61), update(90, missed=90, state="missed"), update(120, missed=120, state="waived"),
        update(200, paid=150), update(200, state="withdrawn"),
    ]  # fmt: skip
    assert figures.updates(owed, closed_at=after(150)) == {"owed": 4, "on_time": 1, "missed": 3}


def test_tasks_count_by_what_became_of_them() -> None:
    def task(state: TaskState, ended: float | None = None) -> Task:
        return Task(state=state, due_at=after(30), ended_at=None if ended is None else after(ended))

    given = [
        task(TaskState.DONE, 30), task(TaskState.DONE, 31), task(TaskState.WAIVED, 5), task(TaskState.OPEN),
        task(TaskState.WITHDRAWN, 5),
    ]  # fmt: skip
    assert figures.tasks_on_time(given) == {"given": 4, "done": 2, "on_time": 1, "waived": 1, "late": 2}


def test_nothing_sent_is_no_share() -> None:
    assert figures.deliveries([])["first_attempt_share"] is None
    assert figures.chain([]) == {"rounds": 0, "rungs": 0, "laps": 0}


def test_what_still_has_time_counts_neither_way() -> None:
    none = {"owed": 0, "on_time": 0}
    running = Past("", AT, figures.Moments(), TARGETS, none)
    met = Past("", AT, figures.Moments(acknowledge=after(4)), TARGETS, {"owed": 4, "on_time": 3})
    early, late = (metrics.measured([running, met], at=after(minute)) for minute in (5, 6))
    assert (early.times["acknowledge"].within_target, late.times["acknowledge"].within_target) == (1.0, 0.5)
    assert (late.updates_owed, late.updates_on_time) == (4, 0.75)
    assert late.times["acknowledge"].mean == timedelta(minutes=4)


def test_every_sentence_of_a_draft_is_in_every_language() -> None:
    computed = {
        "times": {
            "acknowledge": {"took": "PT4M", "target": "PT5M", "met": True},
            "restore": {"took": None, "target": "PT2H", "met": False},
            "activate": {"took": "PT1H", "target": "PT15M", "met": False},
        },
        "updates": {"owed": 2, "on_time": 1, "missed": 1},
        "tasks": {"late": 1},
        "deliveries": {"dead": 1, "total": 4},
        "shortages": [
            {"question": {"zh": "客服不足", "en": "Agents are short"}, "positions": ["general_manager"]}
        ],
    }

    class Spec:
        update_owner = "duty_lead"

    wrong = list(what_went_wrong(computed, Spec()))  # type: ignore[arg-type]
    said = [*what_went_well(computed), *(one.what for one in wrong), *(one.mend for one in wrong)]
    assert [one.owner for one in wrong] == ["duty_lead"] * 5 + ["general_manager"]
    for wording in said:
        assert known(wording.key)
        for language in LANGUAGES:
            assert "{" not in render(wording, language)
            assert "–" not in render(wording, language)
    assert MOST_LINES > 0
