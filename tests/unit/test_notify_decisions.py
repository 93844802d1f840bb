"""The pure decisions of the notify room.

Pauses between attempts, contact times, languages, reasons kept in rows.
"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.notify.chain import contact_times
from app.notify.delivery import MAX_ATTEMPTS, backoff
from app.notify.document import Chain
from app.notify.languages import in_language
from app.notify.receivers import contacts_via
from app.people.holders import Contact
from app.wording import LANGUAGES, catalogue, kept, say, spoken

QUARTER = timedelta(minutes=15)
MAIL, PHONE, ROBOT = (
    Contact("1", "mail", "a…@x"),
    Contact("2", "webhook", "https://…"),
    Contact("3", "log", "log"),
)


@given(attempts=st.integers(1, MAX_ATTEMPTS - 1), level=st.integers(1, 4), key=st.text(max_size=26))
def test_a_pause_is_within_a_fifth_of_the_plan_and_the_same_each_time(
    attempts: int, level: int, key: str
) -> None:
    first = timedelta(seconds=5 if level <= 2 else 30)
    pause = backoff(attempts, None, level=level, key=key)
    assert pause is not None
    assert first * 3 ** (attempts - 1) * 0.79 <= pause <= first * 3 ** (attempts - 1) * 1.21
    assert pause == backoff(attempts, None, level=level, key=key)


def test_what_failed_together_does_not_come_back_together() -> None:
    assert len({backoff(1, None, level=1, key=f"delivery {number}") for number in range(100)}) > 90


def test_after_the_last_attempt_there_is_no_pause_but_an_end() -> None:
    assert backoff(MAX_ATTEMPTS, timedelta(seconds=1), level=1, key="k") is None


def test_a_receiver_may_ask_for_patience_but_not_for_ever() -> None:
    assert backoff(1, timedelta(minutes=4), level=1, key="k") == timedelta(minutes=4)
    assert backoff(1, timedelta(days=1), level=1, key="k") == QUARTER


def test_the_grave_levels_are_tried_again_sooner() -> None:
    grave, routine = (backoff(1, None, level=level, key="k") for level in (1, 4))
    assert grave is not None
    assert routine is not None
    assert grave < routine


@pytest.mark.parametrize(
    ("contacts", "wait", "expected"),
    [
        (0, None, []),
        (1, None, [0.0]),
        (2, None, [0.0, 7.5]),
        (4, None, [0.0, 2.5, 5.0, 7.5]),
        (3, 5.0, [0.0, 5.0, 10.0]),
        (3, 10.0, [0.0, 5.0, 10.0]),  # ten minutes each would end after the next rung is told
    ],
)
def test_every_contact_point_is_tried_before_the_next_rung(
    contacts: int, wait: float | None, expected: list[float]
) -> None:
    given_wait = timedelta(minutes=wait) if wait is not None else None
    times = contact_times(contacts, within=QUARTER, wait=given_wait)
    assert [time / timedelta(minutes=1) for time in times] == expected


@given(contacts=st.integers(2, 20), within=st.integers(1, 10_000), wait=st.integers(0, 20_000))
def test_no_contact_point_waits_for_the_next_rung(contacts: int, within: int, wait: int) -> None:
    times = contact_times(contacts, within=timedelta(seconds=within), wait=timedelta(seconds=wait))
    assert times == sorted(times)
    assert times[0] == timedelta()
    assert times[-1] < timedelta(seconds=within)


def test_the_plan_orders_the_channels_and_leaves_out_the_rest() -> None:
    assert contacts_via([MAIL, PHONE, ROBOT], ["webhook", "mail"]) == ([PHONE, MAIL], None)


def test_without_any_of_the_plans_channels_all_are_used_and_it_is_noted() -> None:
    contacts, note = contacts_via([PHONE, ROBOT], ["mail"])
    assert contacts == [PHONE, ROBOT]
    assert note == say("notify.other_channel", channels=["mail"])


def test_no_wish_and_no_contacts_are_left_as_they_are() -> None:
    assert contacts_via([MAIL, PHONE], []) == ([MAIL, PHONE], None)
    assert contacts_via([], ["mail"]) == ([], None)


def test_a_text_is_read_in_the_readers_language_or_the_nearest_there_is() -> None:
    text = {"zh": "系统故障", "en": "Outage", "zh_hant": None}
    assert [in_language(text, language) for language in LANGUAGES] == ["系统故障", "系统故障", "Outage"]
    assert in_language({"zh": "系统故障"}, "en") == "系统故障"
    assert in_language({"en": "Outage"}, "zh-Hans") == "Outage"
    assert in_language({}, "en") == ""


def test_a_reason_comes_back_from_its_row_in_the_readers_language() -> None:
    row = kept(say("notify.vacant", position={"zh": "值班长", "en": "duty lead"}))
    assert spoken(row, "en") == "nobody holds the position duty lead"
    assert spoken(row, "zh-Hans") == "岗位“值班长”目前无人担任"
    assert spoken(None, "en") is None


def test_a_reason_inside_a_reason_and_odd_values_can_be_kept() -> None:
    row = kept(say("notify.acknowledged_by", by=say("notify.take_it"), at=datetime(2026, 11, 23, tzinfo=UTC)))
    assert spoken(row, "en") == "acknowledged by I have it"
    assert row["params"]["at"] == "2026-11-23T00:00:00+00:00"


def test_every_sentence_of_the_room_stands_in_every_language() -> None:
    ours = {key for key in catalogue("en") if key.startswith("notify.")}
    for language in LANGUAGES:
        assert {key for key in catalogue(language) if key.startswith("notify.")} == ours


def test_a_chain_is_told_about_the_head_of_the_department() -> None:
    hops = [{"tell": ["lead"], "within": "5m"}, {"tell": ["department_head", "chief"], "within": "5m"}]
    chain = Chain.model_validate(
        {"hops": [*hops, {"tell": ["department_head"], "within": "5m"}], "repeat_after": "5m"}
    )
    assert [hop.tell for hop in chain.told_about("chief").hops] == [["lead"], ["chief"], ["chief"]]
    assert [hop.tell for hop in chain.told_about(None).hops] == [["lead"], ["chief"], ["department_head"]]
