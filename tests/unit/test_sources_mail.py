"""What a mail says of its state: only what is a tag, never a word inside a sentence."""

import pytest

from app.intake import mails
from app.intake.envelopes import document_of
from app.intake.kinds import KINDS
from app.intake.signals import Signal, SignalState
from app.intake.sources import generic

PROBLEM, RECOVERED, ACKED, INFO = (
    SignalState.PROBLEM,
    SignalState.RECOVERED,
    SignalState.ACKED,
    SignalState.INFO,
)


def of(subject: str, mapping: generic.Mapping | None = None) -> Signal:
    body = {"subject": subject, "from": "monit@ivr", "text": ""}
    (signal,) = KINDS["mail"].parse(body, mapping=mapping)
    return signal


@pytest.mark.parametrize(
    "subject",
    [
        "Disk usage up to 98%", "SIP trunk is not OK", "Queue build-up: 412 callers", "Normal users cannot log in",
        "网络未恢复", "尚未解除", "Information system outage", "Information: system outage", "Open tickets pile up",
        "IVR 无应答 未恢复", "IVR：尚未解除", "恢复备份失败", "告警解除失败 ivr-01", "[not resolved] ivr-01", "Fixed line trunk",
        "Backups not RECOVERED", "Close to the limit", "RECOVERY SITE unreachable", "UP TO 98% used", "等待告警解除",
        "[未恢复] IVR", "[CRITICAL] [FIRING:2] disk", "[PROBLEM] trunk - OK", "OK button broken", "恢复 数据库 失败",
        "Nobody knows if it is OK", "不确定是否已恢复", "系统恢复正常时间未知", "",
    ],
)  # fmt: skip
def test_a_word_inside_a_sentence_ends_nothing(subject: str) -> None:
    assert of(subject or "x").state is PROBLEM


@pytest.mark.parametrize(
    ("begun", "ended"),
    [
        ("[PROBLEM] ivr-01: no answer", "Re: [RESOLVED] ivr-01: no answer"),
        ("[FIRING:1] QueueLong hz", "[RESOLVED] QueueLong hz"),
        ("[FIRING:1, RESOLVED:1] QueueLong hz", "[RESOLVED:2] QueueLong hz"),
        ("Problem: SIP trunk down", "Resolved in 5m 2s: SIP trunk down"),
        (
            "** PROBLEM Service Alert: ivr-01/sip is CRITICAL **",
            "** RECOVERY Service Alert: ivr-01/sip is OK **",
        ),
        ("[shop] [🔴 Down] timeout", "[shop] [✅ Up] timeout"),
        ('ALARM: "queue" in EU', 'OK: "queue" in EU'),
        ("[Monitor Alert] Triggered: long queue", "[Monitor Alert] Recovered: long queue"),
        ("DOWN | nightly job", "UP | nightly job"),
        ("IVR 无应答", "IVR 无应答已恢复"),
        ("【告警】IVR 无应答", "【告警恢复】IVR 无应答"),
        ("【严重告警】IVR 无应答", "【故障已恢复】IVR 无应答"),
        ("告警：IVR 无应答", "告警解除：IVR 无应答"),
        ("告警 IVR 无应答", "告警解除 IVR 无应答"),
        ("IVR 无应答 - 告警", "IVR 无应答 - 已恢复"),
        ("[CRITICAL] disk of acd-01", "[RESOLVED] [CRITICAL] disk of acd-01"),
        ("PROBLEM ivr-01 silent", "RESOLVED ivr-01 silent"),
        ("ivr-01 silent", "ivr-01 silent - RESOLVED"),
        ("ivr-01 silent", "ivr-01 silent: back to normal"),
    ],
)
def test_a_tag_names_the_state_and_the_rest_is_the_key_of_both(begun: str, ended: str) -> None:
    first, last = of(begun), of(ended)
    assert (first.state, last.state) == (PROBLEM, RECOVERED)
    assert first.dedup_key == last.dedup_key


def test_what_ended_without_saying_what_says_so_all_the_same() -> None:
    assert {
        of(subject).state for subject in ("告警解除", "故障已恢复", "[RESOLVED]", "【恢复】", "RESOLVED")
    } == {RECOVERED}


def test_a_tag_may_take_or_remark() -> None:
    assert of("ACKNOWLEDGEMENT Service Alert: ivr-01/sip is CRITICAL").state is ACKED
    assert (of("[ACK] disk").state, of("[INFO] disk swapped").state) == (ACKED, INFO)


def test_the_words_of_the_source_are_whole_ones() -> None:
    own = generic.Mapping(states={"gut": RECOVERED, "排除": RECOVERED})
    assert of("Leitung gut", own).state is of("故障排除", own).state is RECOVERED
    assert of("Gutschrift und Segutor", own).state is PROBLEM


PAGE = (
    b"From: monit@ivr-01\r\nSubject: ivr-01 silent\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    b"<html><head><title>x</title><style>p {color: red}</style></head><body><p>Level: <b>1</b></p><table><tr><td>Key:</td>"
    b"<td>ivr&amp;acd</td></tr></table>412 callers<br>are\r\nwaiting<script>alert(1)</script></body></html>"
)


def test_a_mail_of_html_is_read_as_it_is_seen() -> None:
    (signal,) = KINDS["mail"].parse(document_of(PAGE, "message/rfc822"))
    assert (signal.level_hint, signal.dedup_key) == (1, "ivr&acd")
    assert "412 callers\nare waiting" in signal.text
    assert not {"<", "color", "alert"} & set(signal.text.replace("(", " ").split())


def test_a_mail_too_large_keeps_what_is_read_of_it() -> None:
    head, _, page = PAGE.partition(b"\r\n\r\n")
    large = (
        b"MIME-Version: 1.0\r\n" + head.replace(b"text/html; charset=utf-8", b'multipart/mixed; boundary="b"')
        + b"\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n" + page + b"\r\n--b\r\nContent-Type: image/png\r\n"
        b'Content-Disposition: attachment; filename="graph.png"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
        + b"QUFBQUFBQUFBQUFBQUFBQUFBQUE=\r\n" * 50_000 + b"--b--\r\n"
    )  # fmt: skip
    short = mails.shortened(large)
    assert len(large) > 1_400_000 > 100 * len(short)
    before, after = (document_of(mail, "message/rfc822") for mail in (large, short))
    assert after.pop("text").split() == before.pop("text").split()
    assert after == before
    assert len(mails.shortened(b"\xff" * 2_000_000)) <= 130_000
    assert (
        len(mails.shortened(b"Subject: " + b"x" * 2_000_000 + b"\r\n\r\n" + "忙".encode() * 100_000))
        <= 130_000
    )
