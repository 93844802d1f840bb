"""The last signals through old rules and new: what would be raised, joined, and otherwise."""

from collections import Counter
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.intake.preview import Fate, Stored, compare, courses
from app.intake.signals import Signal, SignalState
from app.wording import LANGUAGES, render
from tests.rooms.monitoring import MOST
from tests.unit.test_routing import AT, PROM, levels

LINES = {"if": "labels.team == 'net'", "type": "network_outage", "level": 2,
         "group": {"by": ["labels.site"], "within": "10m"}}  # fmt: skip
P, R = SignalState.PROBLEM, SignalState.RECOVERED


def stored(key: str, minute: float, state: SignalState = P, **labels: str) -> Stored:
    signal = Signal(dedup_key=key, occurrence=str(minute), state=state, title=key, labels=labels)
    return Stored("r" * 26, 0, AT + timedelta(minutes=minute), PROM, signal)


def fates(said: list[Stored], *rules: dict[str, Any], dwell: float = 0) -> list[Fate]:
    return [one.fate for one in courses(levels(*rules, dwell=timedelta(minutes=dwell)), said)]


def test_each_signal_has_its_fate() -> None:
    said = [stored("a", 0), stored("a", 1), stored("b", 2, R), stored("a", 3, R), stored("a", 4)]
    assert fates(said) == [Fate.RAISED, Fate.REPEATED, Fate.NOTHING, Fate.ENDED, Fate.RAISED]
    assert fates(said, dwell=2) == [Fate.RAISED, Fate.REPEATED, Fate.NOTHING, Fate.ENDED, Fate.FLAPPED]
    assert fates(said, dwell=1)[-1] == Fate.RAISED


def test_a_group_takes_in_and_a_storm_does() -> None:
    grouped = [stored(key, 0, team="net", site=site) for key, site in (("a", "hz"), ("b", "hz"), ("c", "sh"))]
    assert fates(grouped, LINES) == [Fate.RAISED, Fate.JOINED, Fate.RAISED]
    storm = [stored(f"p{number}", 0) for number in range(MOST + 2)]
    assert Counter(fates(storm)) == {Fate.RAISED: MOST, Fate.JOINED: 2}


def test_what_goes_otherwise_is_told_in_words() -> None:
    said = [stored(key, 0, team="net", site="hz") for key in "ab"] + [stored("c", 0)]
    found = compare(levels(), levels(LINES), said)
    assert [(one.stored.signal.title, [render(said, "en") for said in one.said]) for one in found.otherwise] == [
        ("a", ["Type Network outage instead of Equipment failure.",
               "Level 2 at first instead of 4.", "Routing rule rule_0 instead of –."]),
        ("b", ["It joins an open incident; by the rules in force it raises an incident.",
               "Type Network outage instead of Equipment failure.",
               "Level 2 at first instead of 4.", "Routing rule rule_0 instead of –."]),
    ]  # fmt: skip
    assert (sum(found.was.values()), sum(found.now.values()), found.now[2]) == (3, 2, 1)
    assert all(
        render(said, language) != said.key
        for one in found.otherwise
        for said in one.said
        for language in LANGUAGES
    )


SAID = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 4), st.sampled_from([P, R]), st.sampled_from(["net", "x"])),
    max_size=30,
)  # fmt: skip


def timed(said: list[tuple[str, int, SignalState, str]]) -> list[Stored]:
    minute, found = 0.0, []
    for key, wait, state, team in said:
        minute += wait
        found.append(stored(key, minute, state, team=team, site="hz"))
    return found


@given(SAID)
def test_the_same_rules_make_no_difference(said: list[tuple[str, int, SignalState, str]]) -> None:
    assert compare(levels(LINES), levels(LINES), timed(said)).otherwise == []


@given(SAID, st.integers(1, 8))
def test_a_problem_raises_once_for_each_time_it_was_quiet_for_its_dwell_time(
    said: list[tuple[str, int, SignalState, str]], dwell: int
) -> None:
    """Whoever dwells: its incidents are as many as its stretches of trouble with a quiet of the dwell time between."""
    signals = [one for one in timed(said) if one.signal.dedup_key == "a"]
    expected, quiet_since, is_wrong = 0, None, False
    for one in signals:
        at = one.received_at
        if one.signal.state is P:
            over = quiet_since is None or at >= quiet_since + timedelta(minutes=dwell)
            expected += not is_wrong and over
            is_wrong, quiet_since = True, None
        elif is_wrong:
            is_wrong, quiet_since = False, at
    assert Counter(fates(signals, dwell=dwell))[Fate.RAISED] == expected
