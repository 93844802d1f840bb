"""ST-5, EP-2.5: warnings of weather services and civil protection, as the Common Alerting Protocol writes them."""

import pytest

from app.intake.envelopes import document_of
from app.intake.signals import NotUnderstood, Signal, SignalState
from app.intake.sources import cap, generic
from tests.conformance.sources import CAP, FIRST, LATER, as_xml, changed

PROBLEM, RECOVERED, INFO = SignalState.PROBLEM, SignalState.RECOVERED, SignalState.INFO


def said(**changes: object) -> Signal:
    (signal,) = cap.parse(changed(CAP, "alert", **changes))
    return signal


def graded(**changes: str) -> int | None:
    alert = CAP["alert"]
    return said(info={**alert["info"][0], **changes}).level_hint


def test_a_warning_is_told_in_chinese_first_and_in_full() -> None:
    signal = said()
    assert signal.title == "暴雨橙色预警"
    assert signal.text == "暴雨橙色预警\n人员撤离低洼处\n\nOrange rainstorm warning"
    assert (signal.type_hint, signal.labels["area"]) == ("natural_disaster", "杭州, Hangzhou")
    assert signal.facts["event"] == "暴雨"


def test_update_and_cancel_belong_to_the_first_message_of_the_chain_in_whatever_order_they_name_it() -> None:
    backwards = " ".join(reversed(LATER["references"].split()))
    for references in (LATER["references"], backwards, FIRST + ",2026-11-22T00:00:00+00:00"):
        for kind, state in (("Update", PROBLEM), ("Cancel", RECOVERED)):
            signal = said(**{**LATER, "references": references}, msgType=kind)
            assert (signal.dedup_key, signal.occurrence, signal.state) == (FIRST, said().occurrence, state)


def test_an_update_that_gives_the_all_clear_is_the_end_and_news_of_the_past_is_a_remark() -> None:
    info = CAP["alert"]["info"][0]
    for over in ({"responseType": ["Monitor", "AllClear"]}, {"urgency": "Past"}):
        assert said(**LATER, msgType="Update", info={**info, **over}).state is RECOVERED
        assert said(info={**info, **over}).state is INFO
    assert said(**LATER, msgType="Update", info=[{**info, "urgency": "Past"}, info]).state is PROBLEM


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({"severity": "Extreme"}, 1),
        ({"severity": "Red"}, 1),
        ({"severity": "Extreme", "urgency": "Future"}, 2),
        ({"severity": "Severe", "certainty": "Possible"}, 3),
        ({"severity": "Minor", "certainty": "Unlikely", "urgency": "Future"}, 4),
        ({"severity": "Unknown"}, None),
    ],
)
def test_how_grave_it_is_by_severity_urgency_and_certainty(
    changes: dict[str, str], level: int | None
) -> None:
    assert graded(**changes) == level


def test_of_several_parts_the_gravest_counts_and_the_words_of_the_source_as_they_stand() -> None:
    info = CAP["alert"]["info"][0]
    assert said(info=[{**info, "severity": "Minor"}, {**info, "severity": "Extreme"}]).level_hint == 1
    (signal,) = cap.parse(
        changed(CAP, "alert", info={**info, "urgency": "Future"}),
        mapping=generic.Mapping(levels={"Severe": 2}),
    )
    assert signal.level_hint == 2


def test_the_type_may_stand_in_a_parameter() -> None:
    parameters = [
        {"valueName": "incident_type", "value": "network_outage"},
        {"valueName": "mm", "value": "90"},
    ]
    signal = said(info={**CAP["alert"]["info"][0], "parameter": parameters})
    assert (signal.type_hint, signal.facts["mm"]) == ("network_outage", "90")


# ── its XML ───────────────────────────────────────────────────────────────────────────────────────────────

LAUGHS = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;">]><alert>&y;</alert>'
OUTSIDE = '<!DOCTYPE a SYSTEM "file:///etc/passwd"><alert/>'


@pytest.mark.parametrize(
    ("xml", "why"),
    [
        (LAUGHS, "intake.xml.doctype"),
        (OUTSIDE, "intake.xml.doctype"),
        ("<a>" * 34 + "</a>" * 34, "intake.xml.too_much"),
        ("<a>" * 10_000 + "</a>" * 10_000, "intake.xml.too_much"),
        ("<a>" + "<b/>" * 40_000 + "</a>", "intake.xml.too_much"),
        ("<alert><info>", "intake.xml"),
        ("<alert>&y;</alert>", "intake.xml"),
        ("<alert/> and more", "intake.xml"),
        ('<?xml version="1.0" encoding="nobodys"?><alert/>', "intake.xml.letters"),
        ('<?xml version="1.0" encoding="ascii"?><alert>暴雨</alert>', "intake.xml.letters"),
        ("<", "intake.xml"),
    ],
)
def test_hostile_or_broken_xml_is_refused_with_its_place(xml: str, why: str) -> None:
    for kind in ("application/cap+xml", None):
        with pytest.raises(NotUnderstood) as refused:
            document_of(xml.encode(), kind)
        assert refused.value.detail.key == why


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [("utf-8", ""), ("utf-16", ""), ("utf-8-sig", "UTF-8"), ("gb18030", "GB18030"), ("gb2312", "gb2312")],
)
def test_it_is_read_in_any_prefix_and_letters_and_its_marks_are_text(encoding: str, declared: str) -> None:
    first = f'<?xml version="1.0" encoding="{declared}"?>\n' if declared else "\n"
    xml = f"{first}<c:alert xmlns:c='urn:x'>{as_xml('note', '5 < 6 & 暴雨')}<c:info/><c:info><![CDATA[<b>]]></c:info></c:alert>"
    found = document_of(xml.encode(encoding), "text/xml")
    assert found == {"alert": {"note": "5 < 6 & 暴雨", "info": ["", "<b>"]}}
