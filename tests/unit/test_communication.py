"""How well people were reached, from rows alone: by channel, by calling, by updates and reports (EP-5.1, EP-5.3)."""

from datetime import UTC, datetime, timedelta

import pytest

from app.reviews import communication
from app.reviews.communication import Called, Communication, Reports, Sent, Spans
from app.wording import LANGUAGES, render

AT = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
UPDATES = {"owed": 4, "on_time": 3, "missed": 1}


def after(minutes: float) -> datetime:
    return AT + timedelta(minutes=minutes)


def mail(state: str, attempts: int = 1, round_id: str | None = None, sent: float = 0) -> Sent:
    return Sent("mail", state, attempts, after(sent), round_id)


def of(sent: list[Sent], called: list[Called] | None = None, reports: Reports | None = None) -> Communication:
    return communication.evaluated(sent, called or [], updates=[UPDATES], reports=reports or Reports())


def said(found: Communication, language: str = "en") -> list[str]:
    return [render(one, language) for one in communication.in_words(found.as_json())]


def test_a_channel_is_judged_by_what_it_was_given_and_not_by_what_was_decided_against() -> None:
    sent = [mail("sent"), mail("acknowledged", 2), mail("failed", 8), mail("dropped"), mail("pending")]
    (one,) = of(sent).channels.values()
    assert (one.tried, one.delivered, one.first_try, one.answered) == (3, 2, 1, 1)
    assert one.rate == pytest.approx(2 / 3, abs=1e-4)


def test_the_time_to_acknowledge_counts_from_the_message_by_channel_and_from_the_call_altogether() -> None:
    called = [Called("a", "acknowledged", 1, 2, AT, after(9)), Called("b", "withdrawn", 1, 1, AT, after(30))]
    found = of([mail("acknowledged", round_id="a", sent=5), mail("acknowledged", round_id="b")], called)
    assert found.channels["mail"].to_acknowledge == Spans(1, 240, 240)
    assert found.to_acknowledge == Spans(1, 540, 540)
    assert (found.calls, found.answered, found.first_rung) == (2, 1, 0), "the second rung is not the first"


def test_nine_of_ten_do_not_exceed_the_p90() -> None:
    spans = Spans.of(timedelta(seconds=number) for number in range(1, 101))
    assert (spans.number, spans.median, spans.p90) == (100, 50.5, 90)
    assert Spans.of([]) == Spans()


def test_few_are_told_as_counts_and_many_with_a_percentage_beside_them() -> None:
    few, many = (said(of([mail("sent")] * number + [mail("failed")]))[0] for number in (3, 39))
    assert "delivered 3 of 4;" in few
    assert "%" not in few
    assert "delivered 97.5% (39 of 40);" in many


def test_reports_are_told_with_what_they_lack() -> None:
    lacking = communication.together([Reports(1, 0, 7, 6, {"cause": 1}), Reports(1, 1, 7, 7, {})])
    assert lacking == Reports(2, 1, 14, 13, {"cause": 1})
    told = said(of([], reports=lacking))
    assert told[-2:] == [
        "Status updates missed: 1 of 4", "Parts of the report that were there: 13 of 14; lacking: Cause analysis",
    ]  # fmt: skip
    assert communication.kept_reports({"communication": of([], reports=lacking).as_json()}) == lacking
    assert communication.kept_reports({}) == Reports()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_is_whole_in_every_language(language: str) -> None:
    called = [Called("a", "acknowledged", 1, 1, AT, after(2))] * 12
    found = of([mail("acknowledged", round_id="a")], called, Reports(1, 1, 7, 7))
    told = said(found, language)
    assert len(told) == 5
    assert not [one for one in told if "communication." in one or "–" in one or "{" in one]
