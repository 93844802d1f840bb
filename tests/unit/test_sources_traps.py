"""What is peculiar to one sender, and has cost somebody else a night."""

from datetime import UTC, datetime
from email.message import EmailMessage

import pytest

from app.intake.envelopes import document_of
from app.intake.kinds import KINDS
from app.intake.signals import NotUnderstood, Signal, SignalState
from app.intake.sources import generic
from tests.conformance.sources import ALARM, AZURE, CASES, GRAFANA, KUMA, ZABBIX, changed, sns


def only(kind: str, body: object, mapping: generic.Mapping | None = None) -> Signal:
    (signal,) = KINDS[kind].parse(body, mapping=mapping)
    return signal


def test_where_grafana_cannot_ask_it_is_monitoring_that_fails_unless_the_source_says_more() -> None:
    for name in ("DatasourceNoData", "DatasourceError"):
        body = changed(GRAFANA, "alerts.0", labels={"alertname": name, "severity": "critical"})
        assert only("grafana", body).level_hint == 4
        assert only("grafana", body, generic.Mapping(levels={name: 2})).level_hint == 2
    assert only("grafana", GRAFANA).facts == {"value_B": 44.2, "value_C": 1}


def test_one_odd_state_in_a_list_takes_no_other_with_it() -> None:
    odd = {"status": "pending", "labels": {"alertname": "Odd"}, "fingerprint": "0dd"}
    for kind in ("grafana", "alertmanager"):
        body = CASES[kind].firing
        first, second = KINDS[kind].parse({**body, "alerts": [*body["alerts"], odd]})
        assert (first.dedup_key, first.state) == (CASES[kind].key, SignalState.PROBLEM)
        assert (second.dedup_key, second.state, second.note) == ("0dd", SignalState.PROBLEM, "status=pending")
        with pytest.raises(NotUnderstood):
            KINDS[kind].parse({**body, "alerts": [odd]})
    first, second = KINDS["generic"].parse([{"title": "IVR down"}, {"title": "x", "state": "mañana"}])
    assert (first.note, second.state, second.note) == (None, SignalState.PROBLEM, "state=mañana")


def test_zabbix_times_are_meant_in_the_zone_of_the_source() -> None:
    assert only("zabbix", ZABBIX).started_at is None, "a time without a zone is no moment"
    there = only("zabbix", ZABBIX, generic.Mapping(zone="Asia/Shanghai"))
    assert there.started_at == datetime(2026, 11, 22, 2, 57, 49, tzinfo=UTC)
    assert there.labels["scope"] == "客服"


def test_a_reminder_of_uptime_kuma_is_no_new_occurrence_and_an_end_is_later_than_its_beginning() -> None:
    reminder = changed(KUMA, "heartbeat", important=False, time="2026-11-22 12:29:39.593")
    assert only("uptime_kuma", reminder).occurrence == ""
    down, up = only("uptime_kuma", KUMA), only("uptime_kuma", CASES["uptime_kuma"].resolved)
    assert down.occurrence < up.occurrence


def test_an_alarm_delivered_late_belongs_to_its_own_time_and_an_ok_to_a_later_one() -> None:
    ok = only("sns", CASES["sns"].resolved)
    assert only("sns", sns(ALARM)).occurrence < ok.occurrence
    (confirmed,) = [KINDS["sns"].parse({"Type": "SubscriptionConfirmation"})]
    assert confirmed == []


def test_an_alert_id_of_azure_may_have_any_form() -> None:
    for key in ("b9569717", "/a/b", "a b"):
        assert only("azure", changed(AZURE, "data.essentials", alertId=key)).dedup_key == key


def test_a_mail_is_matched_by_the_words_that_are_left_in_whatever_language() -> None:
    begun, ended, stated = (
        only("mail", {"subject": subject, "from": "monit@ivr", "text": ""})
        for subject in ("【告警】IVR 无应答", "回复：【已恢复】IVR 无应答", "IVR 无应答")
    )
    assert begun.dedup_key == ended.dedup_key == stated.dedup_key == "IVR 无应答"
    assert (begun.state, ended.state) == (SignalState.PROBLEM, SignalState.RECOVERED)
    assert stated.state is SignalState.PROBLEM
    bounce = {"subject": "PROBLEM undelivered", "from": "MAILER-DAEMON@mx", "text": ""}
    assert only("mail", bounce).state is SignalState.INFO


def test_a_mapping_with_levels_alone_reads_no_other_format() -> None:
    assert not generic.Mapping(levels={"5": 1}, zone="UTC", states={"x": SignalState.PROBLEM}).says_where
    assert generic.Mapping(title="/a").says_where


def test_a_mail_is_read_in_whatever_letters_it_was_written() -> None:
    written = EmailMessage()
    written["From"], written["Subject"] = "monit@ivr-01", "【告警】IVR 无应答，" + "排队人数很多" * 12
    written.set_content("412 人在等待", charset="gb18030")
    written.add_alternative("<p>HTML</p>", subtype="html")
    written.add_attachment("not this", filename="log.txt")
    bare = "From: cron@ivr\r\nSubject: 【告警】IVR 无应答\r\n folded\r\nSubject: another\r\n\r\n第一行\r\n".encode()
    page = b"From: a@b\r\nSubject: =?utf-8?b?SVZS?= down\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<b>gone</b>"
    for raw, subject, text in (
        (written.as_bytes(), str(written["Subject"]), "412 人在等待"),
        (bare, "【告警】IVR 无应答 folded", "第一行"),
        (page, "IVR down", "gone"),
    ):
        document = document_of(raw, "message/rfc822")
        assert (document["subject"], document["text"].strip()) == (subject, text)


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: =?nobodys?b?SVZS?= down\r\nFrom: a@b\r\n\r\nx",
        b"Subject: =?utf-8?b?S?= down\r\nFrom: a@b\r\n\r\nx",
        b"Subject: x\r\nContent-Type: text/plain; charset=nobodys\r\n\r\nx",
        b"Subject: x\r\nContent-Type: text/plain; charset*=utf-8''%ff\r\nContent-Transfer-Encoding: uu\r\n\r\nx",
    ],
)
def test_a_broken_mail_is_read_as_far_as_it_can_be(raw: bytes) -> None:
    document = document_of(raw, "message/rfc822")
    assert document["subject"]
    assert document["text"].strip() == "x"


def test_what_is_no_mail_is_refused() -> None:
    with pytest.raises(NotUnderstood):
        document_of(b"no mail at all", "message/rfc822")
