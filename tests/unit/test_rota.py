"""Whose turn it is, to the second: over changes of the clocks, layers, restrictions, overrides, swaps and leave."""

import os
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from dateutil import rrule, tz
from hypothesis import given, settings
from hypothesis import strategies as st

from app.people import rota
from app.people.rota import (
    Absent,
    Away,
    Override,
    Post,
    Quiet,
    Roster,
    Rotation,
    Skipped,
    Stretch,
    Why,
    Window,
    called,
    holders,
    quiet_spells,
    quiet_until,
    turns,
)

ADA, BEN, CY, DEE = "ada", "ben", "cy", "dee"
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
# The long form, for a machine with time: MUSTER_TEST_LONG=1.
LONG = os.getenv("MUSTER_TEST_LONG") == "1"
ZONES = [
    "Asia/Shanghai",  # never changes
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",  # other half of the year, at midnight
    "Australia/Lord_Howe",  # by half an hour
    "Africa/Cairo",  # began again in 2023
]


def rotation(
    zone: str = "Asia/Shanghai", *, days: float = 1, handover: str = "09:00", starts: str = "2026-01-01",
    people: Sequence[str] = (ADA, BEN, CY), windows: Sequence[Window] = (), name: str = "",
) -> Rotation:  # fmt: skip
    return Rotation(
        zone, date.fromisoformat(starts), time.fromisoformat(handover), days * DAY, tuple(people), tuple(windows), name
    )  # fmt: skip


def wall(zone: str, text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def at(
    moment: datetime, *rotations: Rotation, overrides: Sequence[Override] = (), away: rota.Aways | None = None
) -> Stretch:
    [found] = holders(Roster(rotations, tuple(overrides)), moment, moment + SECOND / 1000, away)
    return found


def who(moment: datetime, *rotations: Rotation) -> str | None:
    return at(moment, *rotations).person


# ── turns ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_turn_goes_over_at_the_handover_to_the_second() -> None:
    assert who(wall("Asia/Shanghai", "2026-01-02T08:59:59"), rotation()) == ADA
    assert who(wall("Asia/Shanghai", "2026-01-02T09:00:00"), rotation()) == BEN


def test_nobody_has_a_turn_before_the_first_day_nor_in_a_rotation_of_nobody() -> None:
    assert who(wall("Asia/Shanghai", "2026-01-01T08:59:59"), rotation()) is None
    assert who(wall("Asia/Shanghai", "2026-06-01T12:00:00"), rotation(people=())) is None


def test_a_week_is_seven_days_of_the_wall_also_when_the_clocks_change() -> None:
    weekly = rotation("Europe/Berlin", days=7, starts="2026-03-23")
    [turn] = turns(
        weekly, wall("Europe/Berlin", "2026-03-25T12:00:00"), wall("Europe/Berlin", "2026-03-25T13:00:00")
    )
    assert turn.ends == wall("Europe/Berlin", "2026-03-30T09:00:00")
    assert turn.ends - turn.begins == timedelta(days=7, hours=-1)


def test_a_handover_at_an_hour_that_does_not_exist_happens_once() -> None:
    nightly = rotation("Europe/Berlin", handover="02:30", starts="2026-03-27")
    since, until = (wall("Europe/Berlin", f"2026-03-{day}T12:00:00") for day in (28, 30))
    found = holders(Roster((nightly,)), since, until)
    assert [one.person for one in found] == [BEN, CY, ADA]
    assert found[1].begins == wall("Europe/Berlin", "2026-03-29T03:30:00")


def test_a_handover_at_an_hour_that_comes_twice_is_at_its_first_coming() -> None:
    nightly = rotation("Europe/Berlin", handover="02:30", starts="2026-10-24")
    assert who(datetime(2026, 10, 25, 0, 29, 59, tzinfo=UTC), nightly) == ADA
    assert who(datetime(2026, 10, 25, 0, 30, tzinfo=UTC), nightly) == BEN
    assert who(datetime(2026, 10, 25, 1, 30, tzinfo=UTC), nightly) == BEN


def test_a_day_the_zone_skipped_has_no_turn() -> None:
    # Samoa went from the 29th to the 31st of December 2011.
    daily = rotation("Pacific/Apia", starts="2011-12-29")
    since, until = wall("Pacific/Apia", "2011-12-29T09:00:00"), wall("Pacific/Apia", "2012-01-01T12:00:00")
    assert [one.person for one in holders(Roster((daily,)), since, until)] == [ADA, CY, ADA]


def test_turns_of_hours_join_without_gap_where_a_zone_skipped_a_day() -> None:
    hourly = rotation("Pacific/Apia", days=1 / 24, starts="2011-12-29")
    since, until = (wall("Pacific/Apia", f"{day}T12:00:00") for day in ("2011-12-29", "2011-12-31"))
    found = turns(hourly, since, until)
    assert all(one.ends == two.begins for one, two in pairwise(found))
    assert (found[0].begins, found[-1].ends) == (since, until)
    assert found[-1].number == 50  # hours of the wall from nine on the 29th to eleven on the 31st


# ── layers, restrictions ──────────────────────────────────────────────────────────────────────────────────

NIGHTS = Window(time(20), time(8))
WORKING_HOURS = Window(time(9), time(18), frozenset({1, 2, 3, 4, 5}))


def test_the_upper_layer_wins_while_its_restrictions_let_it() -> None:
    upper = rotation(people=[ADA], windows=[WORKING_HOURS], name="office")
    lower = rotation(people=[BEN], name="always")
    monday = "2026-01-05T"
    assert who(wall("Asia/Shanghai", monday + "08:59:59"), upper, lower) == BEN
    found = at(wall("Asia/Shanghai", monday + "09:00:00"), upper, lower)
    assert (found.person, found.why, found.rotation) == (ADA, Why.TURN, "office")
    assert who(wall("Asia/Shanghai", monday + "18:00:00"), upper, lower) == BEN
    assert who(wall("Asia/Shanghai", "2026-01-10T12:00:00"), upper, lower) == BEN  # a Saturday


def test_a_restriction_from_a_time_to_the_same_is_a_whole_day() -> None:
    sundays = rotation(people=[ADA], windows=[Window(time(8), time(8), frozenset({7}))])
    assert who(wall("Asia/Shanghai", "2026-01-11T08:00:00"), sundays) == ADA
    assert who(wall("Asia/Shanghai", "2026-01-12T07:59:59"), sundays) == ADA
    assert who(wall("Asia/Shanghai", "2026-01-12T08:00:00"), sundays) is None


def test_a_restriction_over_midnight_belongs_to_the_day_it_begins_on() -> None:
    fridays = rotation(people=[ADA], windows=[Window(time(20), time(8), frozenset({5}))])
    assert who(wall("Asia/Shanghai", "2026-01-10T07:59:59"), fridays) == ADA  # Saturday morning
    assert who(wall("Asia/Shanghai", "2026-01-10T08:00:00"), fridays) is None
    assert who(wall("Asia/Shanghai", "2026-01-09T07:59:59"), fridays) is None


@pytest.mark.parametrize(("night", "hours"), [("2026-03-28", 11), ("2026-10-24", 13), ("2026-06-01", 12)])
def test_a_night_is_as_long_as_the_clocks_make_it_and_meets_the_days_beside_it(
    night: str, hours: int
) -> None:
    nights = rotation("Europe/Berlin", people=[ADA], windows=[NIGHTS], name="nights")
    days = rotation("Europe/Berlin", people=[BEN], windows=[Window(time(8), time(20))], name="days")
    since = wall("Europe/Berlin", f"{night}T12:00:00")
    found = [one for one in holders(Roster((nights, days)), since, since + DAY) if one.rotation == "nights"]
    assert sum((one.ends - one.begins for one in found), timedelta()) == hours * HOUR
    assert None not in [one.person for one in holders(Roster((nights, days)), since, since + DAY)]


# ── leave, overrides, swaps ───────────────────────────────────────────────────────────────────────────────

NOON = wall("Asia/Shanghai", "2026-01-02T12:00:00")  # Ben's turn
LEAVE = {BEN: [Away(NOON - HOUR, NOON + HOUR, Absent.LEAVE)]}


def test_whoever_is_next_in_turn_stands_in_for_as_long_as_the_leave_lasts() -> None:
    found = holders(Roster((rotation(),)), NOON - 2 * HOUR, NOON + 2 * HOUR, LEAVE)
    assert [(one.person, one.why, one.instead_of) for one in found] == [
        (BEN, Why.TURN, None), (CY, Why.STAND_IN, BEN), (BEN, Why.TURN, None),
    ]  # fmt: skip
    assert (found[1].begins, found[1].ends, found[1].skipped) == (
        NOON - HOUR, NOON + HOUR, (Skipped(BEN, Absent.LEAVE),),
    )  # fmt: skip


def test_the_lower_layer_stands_in_for_one_that_is_all_away() -> None:
    alone = rotation(people=[BEN], name="alone")
    found = at(NOON, alone, rotation(people=[DEE], name="below"), away=LEAVE)
    assert (found.person, found.why, found.rotation, found.instead_of) == (DEE, Why.STAND_IN, "below", BEN)


def test_with_all_away_nobody_holds_the_roster_and_all_who_are_assigned_are_called() -> None:
    roster = Roster((rotation(people=[BEN]),))
    assert holders(roster, NOON, NOON + SECOND, LEAVE)[0].person is None
    [found] = called(Post((ADA, BEN, CY), roster, LEAVE), NOON, NOON + SECOND)
    assert (found.people, found.why, found.skipped) == (
        (ADA, CY), Why.ASSIGNED, (Skipped(BEN, Absent.LEAVE),),
    )  # fmt: skip


def test_an_override_counts_from_its_first_moment_to_its_last_and_the_one_made_last_wins() -> None:
    overrides = (Override(NOON, NOON + 2 * HOUR, DEE), Override(NOON + HOUR, NOON + 3 * HOUR, ADA))
    found = holders(Roster((rotation(),), overrides), NOON - HOUR, NOON + 4 * HOUR)
    assert [(one.begins, one.person, one.why) for one in found] == [
        (NOON - HOUR, BEN, Why.TURN), (NOON, DEE, Why.OVERRIDE), (NOON + HOUR, ADA, Why.OVERRIDE),
        (NOON + 3 * HOUR, BEN, Why.TURN),
    ]  # fmt: skip


def test_who_was_put_in_and_is_away_leaves_the_turn_to_whose_it_was() -> None:
    away = {DEE: [Away(None, None, Absent.ILL)]}
    found = at(NOON, rotation(), overrides=[Override(NOON, NOON + HOUR, DEE)], away=away)
    assert (found.person, found.why, found.skipped) == (BEN, Why.TURN, (Skipped(DEE, Absent.ILL),))


def test_a_swap_counts_only_while_the_turn_is_that_of_the_one_who_gives_it() -> None:
    whole_week = Override(NOON - 3 * DAY, NOON + 4 * DAY, DEE, instead_of=BEN)
    found = at(NOON, rotation(), overrides=[whole_week])
    assert (found.person, found.why, found.instead_of) == (DEE, Why.SWAP, BEN)
    assert at(NOON + DAY, rotation(), overrides=[whole_week]).person == CY


def test_a_turn_that_was_swapped_can_be_swapped_on() -> None:
    first, second = Override(NOON, NOON + HOUR, DEE, BEN), Override(NOON, NOON + HOUR, ADA, DEE)
    assert at(NOON, rotation(), overrides=[first, second]).person == ADA
    assert at(NOON, rotation(), overrides=[second, first]).person == DEE


def test_a_roster_that_took_the_place_of_another_counts_from_that_moment() -> None:
    old = Rotation("Asia/Shanghai", date(2026, 1, 1), time(9), DAY, (ADA,), until=NOON)
    new = Rotation("Asia/Shanghai", date(2026, 1, 1), time(9), DAY, (BEN,), since=NOON)
    assert (who(NOON - SECOND, new, old), who(NOON, new, old)) == (ADA, BEN)


# ── quiet hours ───────────────────────────────────────────────────────────────────────────────────────────


def test_quiet_hours_end_by_the_clock_on_the_wall() -> None:
    quiet = Quiet(time(22), time(7), "Europe/Berlin")
    assert quiet_until(quiet, wall("Europe/Berlin", "2026-03-28T23:00:00")) == wall(
        "Europe/Berlin", "2026-03-29T07:00:00"
    )
    assert quiet_until(quiet, wall("Europe/Berlin", "2026-03-29T07:00:00")) is None
    [night] = quiet_spells(
        quiet, wall("Europe/Berlin", "2026-03-28T12:00:00"), wall("Europe/Berlin", "2026-03-29T12:00:00")
    )
    assert night[1] - night[0] == 8 * HOUR


# ── against an independent reckoning ──────────────────────────────────────────────────────────────────────

clock_times = st.times().map(lambda moment: moment.replace(second=0, microsecond=0))
windows = st.builds(
    Window,
    clock_times,
    clock_times,
    st.frozensets(st.integers(1, 7), min_size=1),
)
rotations = st.builds(
    Rotation,
    time_zone=st.sampled_from(ZONES),
    starts_on=st.dates(date(2020, 1, 1), date(2029, 12, 31)),
    handover=clock_times,
    length=st.one_of(st.integers(1, 30).map(lambda n: n * DAY), st.integers(2, 47).map(lambda n: n * HOUR)),
    participants=st.lists(st.sampled_from([ADA, BEN, CY, DEE]), min_size=1, max_size=5).map(tuple),
    windows=st.lists(windows, max_size=2).map(tuple),
)
moments = st.integers(0, 10 * 365 * 24 * 60).map(
    lambda passed: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=passed)
)


def changes_of(zone: str) -> list[datetime]:
    """When the clocks of a zone change in the ten years, to the hour."""
    local = ZoneInfo(zone)
    hours = (datetime(2020, 1, 1, tzinfo=UTC) + number * 6 * HOUR for number in range(10 * 366 * 4))
    return [
        two
        for one, two in pairwise(hours)
        if one.astimezone(local).utcoffset() != two.astimezone(local).utcoffset()
    ]


CHANGES = sorted(moment for zone in ZONES for moment in changes_of(zone))
spans = st.builds(
    lambda first, days: (first, first + days * DAY),
    # Half of them around a change of the clocks, in one direction or the other.
    st.one_of(moments, st.sampled_from(CHANGES).map(lambda moment: moment - 2 * DAY)),
    st.integers(2, 5),
)


@st.composite
def rosters(draw: st.DrawFn) -> tuple[Roster, dict[str, list[Away]], datetime, datetime]:
    start, end = draw(spans)
    inside = st.integers(-600, 6 * 1440).map(lambda passed: start + timedelta(minutes=passed))
    lasting = st.integers(1, 3000).map(lambda passed: timedelta(minutes=passed))
    put_in = st.builds(
        lambda begins, lasts, person, instead: Override(begins, begins + lasts, person, instead),
        inside, lasting, st.sampled_from([ADA, BEN, CY, DEE]), st.sampled_from([None, None, ADA, BEN]),
    )  # fmt: skip
    away = st.builds(
        lambda begins, lasts, why: Away(begins, begins + lasts, why),
        inside, lasting, st.sampled_from([Absent.LEAVE, Absent.ILL]),
    )  # fmt: skip
    roster = Roster(
        tuple(draw(st.lists(rotations, min_size=1, max_size=3))),
        tuple(draw(st.lists(put_in, max_size=3))),
    )
    leave = draw(st.dictionaries(st.sampled_from([ADA, BEN, CY, DEE]), st.lists(away, max_size=2)))
    return roster, leave, start, end


class Reckoning:
    """The same question answered by the calendar rules of `dateutil`: for each moment anew, from expansions."""

    def __init__(self, roster: Roster, away: rota.Aways, start: datetime, end: datetime) -> None:
        self.roster, self.away = roster, away
        self.begun = [_starts(one, start, end) for one in roster.rotations]
        self.open = [_spans(one, start, end) for one in roster.rotations]

    def who(self, moment: datetime) -> str | None:
        in_turn = []
        for one, begun, allowed in zip(self.roster.rotations, self.begun, self.open, strict=True):
            counted = [number for number, begins in begun if begins <= moment]
            if counted and (allowed is None or any(a <= moment < b for a, b in allowed)):
                first = max(counted) % len(one.participants)
                in_turn.append([*one.participants[first:], *one.participants[:first]])
        holder = in_turn[0][0] if in_turn else None
        wanted: list[str] = []
        for put_in in self.roster.overrides:
            if put_in.begins <= moment < put_in.ends and put_in.instead_of in {None, holder}:
                holder = put_in.person
                wanted.insert(0, holder)
        for row in in_turn:
            wanted += row
        return next((one for one in wanted if not self._is_away(one, moment)), None)

    def _is_away(self, person: str, moment: datetime) -> bool:
        spells = self.away.get(person, ())
        return any(one.begins <= moment < one.ends for one in spells if one.begins and one.ends)


def _moment(naive: datetime, zone: str) -> datetime:
    local = naive.replace(tzinfo=tz.gettz(zone))
    moment: datetime = tz.resolve_imaginary(local).astimezone(tz.UTC)
    return moment.astimezone(UTC)


def _starts(one: Rotation, start: datetime, end: datetime) -> list[tuple[int, datetime]]:
    first = datetime.combine(one.starts_on, one.handover)
    hours = one.length // HOUR
    rule = rrule.rrule(rrule.HOURLY, interval=hours, dtstart=first, until=end.replace(tzinfo=None) + 2 * DAY)
    since = start.replace(tzinfo=None) - one.length - 2 * DAY
    return [
        (number, _moment(naive, one.time_zone))
        for number, naive in enumerate(rule)
        if naive >= since
    ]  # fmt: skip


def _spans(one: Rotation, start: datetime, end: datetime) -> list[tuple[datetime, datetime]] | None:
    if not one.windows:
        return None
    found = []
    for window in one.windows:
        days = rrule.rrule(
            rrule.DAILY,
            byweekday=[day - 1 for day in sorted(window.weekdays)],
            dtstart=datetime.combine(start.date() - 3 * DAY, window.begins),
            until=end.replace(tzinfo=None) + 2 * DAY,
        )
        for begins in days:
            ends = datetime.combine(begins.date(), window.ends)
            ends += DAY if ends <= begins else timedelta()
            found.append((_moment(begins, one.time_zone), _moment(ends, one.time_zone)))
    return found


@settings(deadline=None, max_examples=3000 if LONG else 60)
@given(rosters())
def test_the_answer_is_that_of_an_independent_reckoning_by_calendar_rules(
    drawn: tuple[Roster, dict[str, list[Away]], datetime, datetime],
) -> None:
    roster, away, start, end = drawn
    found = holders(roster, start, end, away)
    theirs = Reckoning(roster, away, start, end)
    edges = {moment for one in found for moment in (one.begins, one.ends - SECOND)}
    # Their own edges too, so that one of ours that is missing is missed.
    for begun, allowed in zip(theirs.begun, theirs.open, strict=True):
        edges |= {moment for _, moment in begun}
        edges |= {moment for span in allowed or () for moment in span}
    asked = sorted(moment for moment in edges if start <= moment < end)
    for moment in asked if LONG else asked[:: 1 + len(asked) // 60]:
        [ours] = [one.person for one in found if one.begins <= moment < one.ends]
        assert ours == theirs.who(moment), moment


@settings(deadline=None, max_examples=1000 if LONG else 60)
@given(rosters())
def test_stretches_join_without_gap_or_overlap_and_say_the_same_however_the_span_is_cut(
    drawn: tuple[Roster, dict[str, list[Away]], datetime, datetime],
) -> None:
    roster, away, start, end = drawn
    found = holders(roster, start, end, away)
    assert (found[0].begins, found[-1].ends) == (start, end)
    assert all(one.ends == two.begins and one[2:] != two[2:] for one, two in pairwise(found))
    middle = start + (end - start) / 3
    halves = holders(roster, start, middle, away) + holders(roster, middle, end, away)
    assert [one for one in halves if one.ends != middle and one.begins != middle] == [
        one for one in found if not one.begins <= middle <= one.ends
    ]


@settings(deadline=None, max_examples=1000 if LONG else 60)
@given(rotations, moments)
def test_the_handover_is_at_the_wall_clock_time_wherever_it_exists(one: Rotation, moment: datetime) -> None:
    zone = ZoneInfo(one.time_zone)
    for turn in turns(one, moment, moment + DAY):
        planned = datetime.combine(one.starts_on, one.handover) + turn.number * one.length
        moments_of = planned.replace(tzinfo=zone).astimezone(UTC)
        exists = moments_of.astimezone(zone).replace(tzinfo=None) == planned
        assert not exists or turn.begins == moments_of


def test_ninety_days_of_five_hundred_people_are_one_stretch_a_turn() -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    people = [tuple(f"{post}-{number}" for number in range(10)) for post in range(50)]
    found = [
        called(Post(row, Roster((rotation("Europe/Berlin", people=row),))), start, start + 90 * DAY)
        for row in people
    ]
    assert sum(len(one) for one in found) == 50 * 91
