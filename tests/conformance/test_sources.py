"""The one suite every kind of source passes: what its client sends is read as a reader would, and nothing it sends is a 500.

The bodies are in `sources`; those of `tests/captured` came from the real programs.
"""

import json
import random
from typing import Any

import pytest

from app.intake.envelopes import document_of
from app.intake.kinds import KINDS
from app.intake.recognition import kind_of
from app.intake.signals import NotUnderstood, Signal, SignalState
from app.intake.sources import generic
from tests.conformance.sources import CASES, Case

PROBLEM, RECOVERED, INFO = SignalState.PROBLEM, SignalState.RECOVERED, SignalState.INFO
every = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
OF_ANOTHER_FORMAT: list[Any] = [
    None, 7, "text", [], {}, [1], {"a": 1}, [[{}]], {"alerts": 5, "version": "1"}, {"version": "4", "alerts": [None]},
]  # fmt: skip
# Senders that have no format of their own, or read whatever comes.
_MOST_PLACES = 24
READS_ANY = frozenset({"generic"})


def said(case: Case, body: Any, mapping: generic.Mapping | None = None) -> Signal:
    (signal,) = KINDS[case.kind].parse(body, mapping=mapping)
    return signal


def test_every_kind_has_its_case() -> None:
    assert set(KINDS) - {"heartbeat"} == set(CASES)


@every
def test_firing_is_a_problem_with_a_key_a_title_and_a_level(case: Case) -> None:
    signal = said(case, case.firing)
    assert (signal.state, signal.dedup_key, signal.level_hint) == (PROBLEM, case.key, case.level)
    assert signal.title.strip("– ")


@every
def test_resolved_ends_that_very_problem(case: Case) -> None:
    fired, resolved = said(case, case.firing), said(case, case.resolved)
    assert (resolved.state, resolved.dedup_key) == (RECOVERED, fired.dedup_key)
    assert resolved.occurrence == "" or resolved.occurrence >= fired.occurrence, (
        "an end is of this time or after it"
    )


@every
def test_told_again_it_is_the_same_and_the_next_time_it_is_another(case: Case) -> None:
    fired = said(case, case.firing)
    assert said(case, case.firing) == fired
    if case.again is not None:
        again = said(case, case.again)
        assert again.state is PROBLEM
        assert (again.dedup_key, again.occurrence) != (fired.dedup_key, fired.occurrence)
        ended = said(case, case.resolved)
        assert ended.occurrence == "" or (ended.dedup_key, ended.occurrence) != (
            again.dedup_key,
            again.occurrence,
        )


@every
def test_fields_of_next_year_change_nothing(case: Case) -> None:
    told, known = said(case, case.with_unknown_fields()), said(case, case.firing)
    assert (told.dedup_key, told.occurrence, told.state, told.level_hint) == (
        known.dedup_key, known.occurrence, known.state, known.level_hint,
    )  # fmt: skip


@every
def test_what_calls_for_nobody_calls_nobody(case: Case) -> None:
    for body in (*case.tests, *case.remarks):
        assert {signal.state for signal in KINDS[case.kind].parse(body)} <= {INFO}, body
    if case.acked is not None:
        signal = said(case, case.acked)
        assert (signal.state, signal.dedup_key) == (SignalState.ACKED, case.key)


@every
def test_it_reads_the_same_in_whatever_it_comes(case: Case) -> None:
    wanted = said(case, case.firing)
    for body, content_type in ((json.dumps(case.firing).encode(), "application/json"), *case.raw):
        signal = said(case, document_of(body, content_type))
        assert (signal.dedup_key, signal.state, signal.level_hint) == (
            wanted.dedup_key, PROBLEM, wanted.level_hint,
        ), content_type  # fmt: skip


@every
def test_the_levels_of_the_source_go_before_those_of_the_kind(case: Case) -> None:
    other = 4 if case.level == 3 else 3
    mapping = generic.Mapping(levels=dict.fromkeys([*_words(case.firing), "down"], other))
    assert said(case, case.firing, mapping).level_hint == other


@every
def test_another_format_goes_to_the_mapping_or_is_refused(case: Case) -> None:
    mapping = generic.Mapping(title="/what", dedup_key="/which")
    theirs = {"what": "IVR down", "which": "ivr", "extra": 1}
    if case.kind not in {"pagerduty", "opsgenie"}:  # their formats are fixed: the client reads the errors
        assert said(case, theirs, mapping).dedup_key == "ivr"
    if case.kind not in READS_ANY:
        with pytest.raises(NotUnderstood):
            KINDS[case.kind].parse(theirs)


@every
def test_no_body_breaks_it(case: Case) -> None:
    for body in (*OF_ANOTHER_FORMAT, *(other.firing for other in CASES.values())):
        _is_read_or_refused(case, body)


@every
def test_no_value_in_any_place_breaks_it(case: Case) -> None:
    for body in _spoilt(case.firing):
        _is_read_or_refused(case, body)


@every
def test_a_body_is_recognised_as_of_its_kind(case: Case) -> None:
    if case.kind not in {"generic", "mail", "nagios"}:
        assert kind_of(case.firing) == case.kind


def test_one_list_may_bring_several() -> None:
    for kind in ("nightingale", "cloudevents", "generic"):
        case = CASES[kind]
        assert len(KINDS[kind].parse([case.firing, case.firing, case.resolved])) == 3


def test_a_sign_of_life_says_nothing_whatever_it_is() -> None:
    assert [KINDS["heartbeat"].parse(body) for body in OF_ANOTHER_FORMAT] == [[]] * len(OF_ANOTHER_FORMAT)


def _is_read_or_refused(case: Case, body: Any) -> None:
    try:
        signals = KINDS[case.kind].parse(body)
    except NotUnderstood:
        return
    assert all(isinstance(signal, Signal) for signal in signals)


def _words(body: Any) -> list[str]:
    """Every text in a body, and in texts that are JSON."""
    match body:
        case dict():
            return [word for member in body.values() for word in _words(member)]
        case list():
            return [word for member in body for word in _words(member)]
        case str() if body.startswith('{"AlarmName'):
            return _words(json.loads(body))
        case str():
            return [body, *body.replace("=", " ").replace(":", " ").split()]
        case int():
            return [str(body)]
        case _:
            return []


def _places(body: Any) -> list[tuple[Any, Any]]:
    members = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    return [place for name, member in members for place in ((body, name), *_places(member))]


def _replaced(body: Any, number: int, value: Any) -> Any:
    copy = json.loads(json.dumps(body))
    places = _places(copy)
    holder, name = places[number % len(places)]
    holder[name] = value
    return copy


def _spoilt(body: Any) -> list[Any]:
    """The body with each of its values in turn replaced by one of another kind, or missing. The same each time."""
    odd: list[Any] = [
        None, 0, "", "x" * 5_000, [], {}, True, "\u202e", "{EVENT.ID}", "$HOSTNAME$", -1e300, 2**62, [None], {"": []},
    ]  # fmt: skip
    chosen = random.Random(7)
    numbers = list(range(len(_places(body))))
    if len(numbers) > _MOST_PLACES:
        numbers = chosen.sample(numbers, _MOST_PLACES)
    spoilt = [_replaced(body, number, value) for number in numbers for value in chosen.sample(odd, 3)]
    for number in numbers:
        copy = json.loads(json.dumps(body))
        holder, name = _places(copy)[number]
        del holder[name]
        spoilt.append(copy)
    return spoilt
